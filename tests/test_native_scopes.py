"""Scopes timed on a device too: the compiled ScopeTimer against the fake driver."""

import os

import pytest

from native_kit import SYNCHRONISING, run_native

if os.environ.get("ASSAY_REQUIRE_NATIVE") != "1":
    pytest.importorskip("assay._native", reason="the native extension is not built")

DEVICE_TIMES = """
def device_times(timer):
    return {path: device for path, _, device, _, _ in timer.read()}
"""


def test_a_scope_is_timed_on_the_device_by_its_path(fake_cuda):
    program = """
asked = []
def stream(device):
    asked.append(device)
    return STREAM
timer = _native.ScopeTimer(1, stream)
for ns in (700, 900):
    with timer("step"):
        with timer("forward"):
            fake.fake_advance(ns)
        fake.fake_advance(50)
rows = device_times(timer)
print(rows["step/forward"], rows["step"])
print(set(asked), len(asked), timer.lost, timer.pending, timer.skipped, timer.grown)
print(set(log()))
"""
    lines = run_native(DEVICE_TIMES + program, fake_cuda).splitlines()
    assert lines[0] == ("(1600, 700, 900, {700: 1, 900: 1}) (1700, 750, 950, {750: 1, 950: 1})")
    assert lines[1] == "{1} 9 0 0 0 0"
    assert not SYNCHRONISING & set(eval(lines[2]))


def test_a_whole_loop_never_waits_for_a_device_that_is_behind(fake_cuda):
    program = """
fake.fake_not_ready(1 << 60)
timer = _native.ScopeTimer(0, STREAM)
log()
for i in range(3000):
    with timer("step"):
        fake.fake_advance(i)
print(device_times(timer), timer.pending, timer.grown, timer.lost)
print({call for call in log() if "Sync" in call or "Memcpy" in call})
fake.fake_not_ready(0)
total, least, most, counts = device_times(timer)["step"]
print(total, least, most, sum(counts.values()), timer.pending)
print({call for call in log() if "Sync" in call or "Memcpy" in call})
"""
    assert run_native(DEVICE_TIMES + program, fake_cuda).splitlines() == [
        "{'step': (0, None, None, {})} 3000 7 0",
        "set()",
        f"{sum(range(3000))} 0 2999 3000 0",
        "set()",
    ]


def test_times_are_gathered_while_the_loop_runs(fake_cuda):
    program = """
timer = _native.ScopeTimer(0, STREAM)
for i in range(5000):
    with timer("step"): fake.fake_advance(3)
print(timer.pending <= 32, device_times(timer))
"""
    assert run_native(DEVICE_TIMES + program, fake_cuda) == (
        "True {'step': (15000, 3, 3, {3: 5000})}\n"
    )


def test_a_device_lost_leaves_the_loop_and_the_clock(fake_cuda):
    program = """
timer = _native.ScopeTimer(0, STREAM)
for i in range(100):
    if i == 60: fail("cuEventRecord", 719)
    with timer("step"): fake.fake_advance(10)
((path, host, device, failed, left_open),) = timer.read()
print(path, sum(host[3].values()), sum(device[3].values()), failed, left_open)
print(timer.lost, timer.device_error, timer.pending)
"""
    assert run_native(program, fake_cuda).splitlines() == [
        "step 100 60 0 0",
        "40 cuEventRecord returned 719, CUDA_ERROR_LAUNCH_FAILED: a kernel failed, the context "
        "is lost 0",
    ]


def test_a_stream_that_cannot_be_told_loses_times_once_the_loop_runs(fake_cuda):
    program = """
broken = False
def stream(device):
    if broken: raise OSError("no stream")
    return STREAM
timer = _native.ScopeTimer(0, stream)
with timer("step"): pass
broken = True
for _ in range(3):
    with timer("step"): pass
print(timer.lost, timer.device_error, sum(device_times(timer)["step"][3].values()))
try:
    _native.ScopeTimer(0, stream)
except OSError as error:
    print(error)
for stream in ("x", 1 << 70):
    try:
        _native.ScopeTimer(0, stream)
    except (TypeError, OverflowError) as error:
        print(type(error).__name__)
try:
    timer.__init__(1)
except ValueError as error:
    print(error)
"""
    assert run_native(DEVICE_TIMES + program, fake_cuda).splitlines() == [
        "3 the current stream could not be told 1", "no stream", "TypeError", "OverflowError",
        "a ScopeTimer with a device is initialised once",
    ]  # fmt: skip


def test_captures_failures_and_open_scopes(fake_cuda):
    program = """
timer = _native.ScopeTimer(0, STREAM)
fake.fake_capture(STREAM, 1)
with timer("captured"): fake.fake_advance(5)
print(timer.skipped, fake.fake_capture_status())
fake.fake_capture(None, 0)
for _ in range(3):
    try:
        with timer("failing"):
            raise KeyError("kept")
    except KeyError:
        pass
outer = timer("outer").__enter__()
timer("inner").__enter__()
outer.__exit__(None, None, None)
print(device_times(timer))
print(timer.lost, timer.pending, [row[3:] for row in timer.read()])
"""
    lines = run_native(DEVICE_TIMES + program, fake_cuda).splitlines()
    assert lines[0] == "1 1"
    assert lines[1] == (
        "{'captured': (0, None, None, {}), 'failing': (0, None, None, {}), "
        "'outer': (0, 0, 0, {0: 1}), 'outer/inner': (0, None, None, {})}"
    )
    assert lines[2] == "0 0 [(0, 0), (3, 0), (0, 0), (0, 1)]"


def test_pairs_of_scopes_that_never_end_are_used_again(fake_cuda):
    program = """
timer = _native.ScopeTimer(0, STREAM)
for _ in range(1000):
    outer = timer("outer").__enter__()
    timer("inner").__enter__()
    outer.__exit__(None, None, None)
print(fake.fake_live_events())
del timer, outer
print(fake.fake_live_events(), fake.fake_retained(0))
"""
    assert run_native(program, fake_cuda).splitlines() == ["64", "0 0"]


def test_reset_with_a_device(fake_cuda):
    program = """
fake.fake_not_ready(1)
timer = _native.ScopeTimer(0, STREAM)
with timer("whole"):
    with timer("before"): pass
    timer.reset()
    fake.fake_advance(40)
print(timer.pending)
for _ in range(2): timer.read()
print(device_times(timer), timer.lost)
"""
    assert run_native(DEVICE_TIMES + program, fake_cuda).splitlines() == [
        "1", "{'whole': (40, 40, 40, {40: 1})} 0",
    ]  # fmt: skip


def test_without_a_driver_the_reason_is_given(tmp_path):
    program = """
from assay._native import ScopeTimer
try:
    ScopeTimer(0)
except RuntimeError as error:
    print(type(error).__name__, error)
"""
    out = run_native(program, tmp_path / "none.so", preamble="")
    assert out.startswith("DeviceError no CUDA driver: ")
    assert "cannot open shared object file" in out


def test_threads_with_a_device(fake_cuda):
    program = """
timer = _native.ScopeTimer(0, lambda device: 0x1000 * (1 + threading.get_native_id() % 7))
stop = threading.Event()
def work():
    for i in range(1500):
        with timer("step"), timer(f"part {i % 5}"): pass
def read():
    while not stop.is_set(): timer.read(); timer.open; timer.pending
workers = [threading.Thread(target=work) for _ in range(4)]
reader = threading.Thread(target=read)
for thread in [reader, *workers]: thread.start()
for thread in workers: thread.join()
stop.set(); reader.join()
times = device_times(timer)
print(sum(times["step"][3].values()), sum(sum(t[3].values()) for p, t in times.items() if "/" in p))
print(timer.open, timer.lost, timer.pending)
"""
    assert run_native(DEVICE_TIMES + program, fake_cuda).splitlines() == ["6000 6000", "[] 0 0"]
