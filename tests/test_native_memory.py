"""MemorySampler: of the fake driver's scripted memory, and of this process."""

import os

import pytest

from native_kit import SYNCHRONISING, run_native

if os.environ.get("ASSAY_REQUIRE_NATIVE") != "1":
    pytest.importorskip("assay._native", reason="the native extension is not built")

WAIT = """
def wait_for(calls, name="cuMemGetInfo"):
    end = time.monotonic() + 120
    while count(name) < calls:
        assert time.monotonic() < end
        time.sleep(0.0005)
"""


def test_peak_baseline_end_and_timeline_follow_the_script(fake_cuda):
    program = """
script = [100, 120, 900, 300, 250]
memory(*script)
sampler = _native.MemorySampler("device", 0, 0.0005)
sampler.start()
wait_for(8)
samples = sampler.stop()
print(samples.source, samples.baseline_bytes, samples.peak_bytes, samples.end_bytes)
print([used for _, used in samples.timeline[:6]], samples.count == count("cuMemGetInfo"))
times = [at for at, _ in samples.timeline]
print(len(times) == samples.count, times == sorted(times), samples.period_s, samples.phases)
print(samples.errors, repr(samples.error), fake.fake_retained(0), fake.fake_context_depth())
print(set(log()))
"""
    out = run_native(WAIT + program, fake_cuda, FAKE_ACTIVE=1).splitlines()
    assert out[:4] == [
        "cuda 100 900 250",
        "[100, 120, 900, 300, 250, 250] True",
        "True True 0.0005 {}",
        "0 '' 1 1",
    ]
    assert not SYNCHRONISING & set(eval(out[4]))


def test_without_a_context_nvml_is_asked_and_none_is_made(fake_cuda):
    program = """
memory(5, 7, 6)
sampler = _native.MemorySampler("device", 1, 0.001)
sampler.start()
wait_for(3, "nvmlDeviceGetMemoryInfo_v2")
samples = sampler.stop()
print(samples.source, samples.peak_bytes)
print(count("cuDevicePrimaryCtxRetain"), count("cuMemGetInfo"), count("nvmlInit_v2"))
"""
    assert run_native(WAIT + program, fake_cuda).splitlines() == ["nvml 7", "0 0 0"]


def test_marks_tie_peaks_to_phases(fake_cuda):
    program = """
memory(10)
sampler = _native.MemorySampler("device", 0, 3600.0)  # no sample but those at the marks
sampler.start()
for used, phase in ((20, "forward"), (70, "backward"), (40, "step"), (30, "forward"), (90, "é")):
    memory(used)
    sampler.mark(phase)
memory(5)
samples = sampler.stop()
print(samples.phases, samples.baseline_bytes, samples.peak_bytes, samples.end_bytes, samples.count)
"""
    # The sample at a mark belongs to the phase that ends and to the one that begins.
    assert run_native(program, fake_cuda, FAKE_ACTIVE=1).strip() == (
        "{'forward': 90, 'backward': 70, 'step': 40, 'é': 90} 10 90 5 7"
    )


def test_samples_between_marks_belong_to_the_phase(fake_cuda):
    program = """
memory(10)
sampler = _native.MemorySampler("device", 0, 0.0005)
sampler.start()
sampler.mark("forward")
memory(800, 10)
wait_for(count("cuMemGetInfo") + 3)
sampler.mark("step")
print(sampler.stop().phases)
"""
    assert run_native(WAIT + program, fake_cuda, FAKE_ACTIVE=1).strip() == (
        "{'forward': 800, 'step': 10}"
    )


def test_samples_that_fail_are_counted_and_sampling_goes_on(fake_cuda):
    program = """
memory(10)
sampler = _native.MemorySampler("device", 0, 0.0005)
sampler.start()
fail("cuMemGetInfo", 700, times=4)
wait_for(count("cuMemGetInfo") + 5)
memory(99)
wait_for(count("cuMemGetInfo") + 2)
samples = sampler.stop()
print(samples.errors, samples.error, samples.peak_bytes, samples.end_bytes)
from assay.core.errors import DeviceError
fail("cuMemGetInfo", 700)
late = _native.MemorySampler("device", 0, 0.001)
try:
    late.start()
except DeviceError as error:
    print(error)
"""
    words = "cuMemGetInfo returned 700, CUDA_ERROR_ILLEGAL_ADDRESS: a kernel failed, the context"
    assert run_native(WAIT + program, fake_cuda, FAKE_ACTIVE=1).splitlines() == [
        f"4 {words} is lost 99 99",
        f"{words} is lost",
    ]


def test_a_capture_stays_whole(fake_cuda):
    program = """
memory(10)
fake.fake_capture(STREAM, 1)
sampler = _native.MemorySampler("device", 0, 0.0005)
sampler.start()
wait_for(5)
sampler.mark("forward")
samples = sampler.stop()
print(fake.fake_capture_status(), samples.errors)
"""
    assert run_native(WAIT + program, fake_cuda, FAKE_ACTIVE=1) == "1 0\n"


def test_order_of_calls(fake_cuda):
    program = """
from assay.core.errors import InputError
def refused(call):
    try:
        call()
    except InputError as error:
        print(error)
sampler = _native.MemorySampler("rss", 0, 0.01)
refused(sampler.stop)
refused(lambda: sampler.mark("forward"))
sampler.start()
refused(sampler.start)
first, second = sampler.stop(), sampler.stop()
print(first.count == second.count, first.end_bytes == second.end_bytes)
refused(lambda: sampler.mark("forward"))
refused(sampler.start)
refused(lambda: _native.MemorySampler("rss", 0, 0.0001))
refused(lambda: _native.MemorySampler("rss", 0, float("nan")))
refused(_native.MemorySampler("vram", 0, 0.01).start)
"""
    once = "start() was called before; make another MemorySampler"
    assert run_native(program, fake_cuda).splitlines() == [
        "stop() comes after start()",
        "mark() comes after start()",
        once,
        "True True",
        "mark() comes before stop()",
        once,
        "period_s must be in 0.0005..3600, got 0.000100",
        "period_s must be in 0.0005..3600, got nan",
        "source must be 'device' or 'rss', got 'vram'",
    ]


def test_resident_memory_sees_what_is_touched(tmp_path):
    program = """
import mmap, os, threading, time
from assay._native import MemorySampler

def others():  # how often the other threads, of which the sampler's is one, have waited
    found = 0
    for task in set(os.listdir("/proc/self/task")) - {str(threading.get_native_id())}:
        with open(f"/proc/self/task/{task}/status") as status:
            found += sum(int(s.split()[1]) for s in status if s.startswith("voluntary"))
    return found

sampler = MemorySampler("rss", 0, 0.001)
sampler.start()
sampler.mark("empty")
block = mmap.mmap(-1, 64 << 20)
sampler.mark("touched")
block.write(b"x" * (64 << 20))
before, end = others(), time.monotonic() + 120
while others() < before + 8:  # a wait between two samples
    assert time.monotonic() < end
    time.sleep(0.001)
block.close()
samples = sampler.stop()
print(samples.source, samples.count > 5)
print((samples.peak_bytes - samples.baseline_bytes) >> 20 >= 63,
      (samples.end_bytes - samples.baseline_bytes) >> 20 < 80,
      samples.phases["touched"] == samples.peak_bytes,
      samples.phases["empty"] < samples.peak_bytes - (60 << 20))
print(MemorySampler("rss", 0, 0.001))  # never started, and dropped
"""
    out = run_native(program, tmp_path / "none.so", preamble="").splitlines()
    assert out[:2] == ["rss True", "True True True True"]


def test_the_timeline_is_bounded_and_keeps_its_peaks(fake_cuda):
    # A long recording, played by marks alone: 40,000 samples of which one is high.
    program = """
memory(10)
sampler = _native.MemorySampler("device", 0, 3600.0)
sampler.start()
fake.fake_quiet(1)
for i in range(40_000):
    if i == 12_345: memory(10_000)
    if i == 12_346: memory(10)
    sampler.mark("forward")
samples = sampler.stop()
times, used = zip(*samples.timeline)
print(samples.count, len(used), 8192 <= len(used) <= 16384, used.count(10_000), max(used))
print(list(times) == sorted(times), samples.peak_bytes)
"""
    first, second = run_native(program, fake_cuda, FAKE_ACTIVE=1).splitlines()
    assert first == "40002 10001 True 1 10000"
    assert second == "True 10000"


def test_python_s_lock_is_not_needed(fake_cuda):
    # A regular expression that backtracks holds the lock for a while; samples are taken meanwhile.
    program = """
import re
memory(10)
sampler = _native.MemorySampler("device", 0, 0.0005)
sampler.start()
for n in range(18, 28):  # twice as long each time
    before = count("cuMemGetInfo")
    re.match("(a+)+b", "a" * n)
    if (seen := count("cuMemGetInfo") - before) > 10:
        break
print(seen > 10)
sampler.stop()
"""
    assert run_native(program, fake_cuda, FAKE_ACTIVE=1) == "True\n"


def test_a_forked_child_does_not_wait_for_the_parent_s_thread(tmp_path):
    program = """
import os, time
from assay._native import MemorySampler
sampler = MemorySampler("rss", 0, 0.0005)
sampler.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        try:
            sampler.stop()
        except ValueError as error:
            assert "parent process" in str(error)
        del sampler
        os._exit(0)
    end = time.monotonic() + 120
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        assert time.monotonic() < end, "the child hangs"
        time.sleep(0.001)
print(sampler.stop().count > 0)
"""
    assert run_native(program, tmp_path / "none.so", preamble="") == "True\n"


def test_many_samplers_and_threads(fake_cuda):
    program = """
samplers = [_native.MemorySampler(source, 0, 0.0005) for source in ("device", "rss") * 4]
for sampler in samplers: sampler.start()
def mark(sampler):
    for i in range(200): sampler.mark(f"phase {i % 3}")
threads = [threading.Thread(target=mark, args=(s,)) for s in samplers for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
stops = [threading.Thread(target=s.stop) for s in samplers for _ in range(2)]
for thread in stops: thread.start()
for thread in stops: thread.join()
print({len(s.stop().phases) for s in samplers}, fake.fake_retained(0))
leaked = _native.MemorySampler("device", 0, 0.0005)
leaked.start()
del leaked  # running: its thread ends with it
print(fake.fake_retained(0))
"""
    assert run_native(program, fake_cuda, FAKE_ACTIVE=1).splitlines() == ["{3} 1", "1"]
