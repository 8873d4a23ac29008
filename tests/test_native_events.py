"""EventTimer against the fake driver: what it times, what it loses, and that it never waits."""

import os

import pytest

from native_kit import SYNCHRONISING, run_native

if os.environ.get("ASSAY_REQUIRE_NATIVE") != "1":
    pytest.importorskip("assay._native", reason="the native extension is not built")


def test_pairs_are_read_when_the_device_is_done(fake_cuda):
    program = """
fake.fake_not_ready(2)
timer = _native.EventTimer(1)
first = timer.start(STREAM); fake.fake_advance(2_000_000)
second = timer.start(STREAM); fake.fake_advance(500)
timer.stop(second, STREAM); fake.fake_advance(1_000_000)
timer.stop(first, STREAM)
print(timer.pending, timer.read(), timer.pending)  # asks the first that was stopped, and no other
print(timer.read(), count("cuEventElapsedTime"))
print(timer.read() == [(second, 500)])
print(timer.read(), timer.read() == [(first, 3_000_500)], timer.read(), timer.pending, timer.lost)
print(sorted(set(log())))
"""
    lines = run_native(program, fake_cuda).splitlines()
    assert lines[0] == "2 [] 2"
    assert lines[1] == "[] 2"
    assert lines[2] == "True"
    assert lines[3] == "[] True [] 0 0"
    assert not SYNCHRONISING & set(eval(lines[4]))
    assert "cuEventRecord" in lines[4]


def test_a_stream_that_is_behind_keeps_no_other_back(fake_cuda):
    program = """
SLOW = 0x2000
fake.fake_slow_stream(SLOW)
timer = _native.EventTimer(0)
for i in range(6):
    stream = SLOW if i % 2 == 0 else STREAM
    ticket = timer.start(stream); fake.fake_advance(i); timer.stop(ticket, stream)
print([ns for _, ns in timer.read()], timer.pending, count("cuEventElapsedTime"))
"""
    assert run_native(program, fake_cuda) == "[1, 3, 5] 3 4\n"


def test_a_pool_in_use_grows_and_counts_and_never_waits(fake_cuda):
    program = """
fake.fake_not_ready(1 << 60)
timer = _native.EventTimer(0)
print(timer.pairs)
tickets = []
for i in range(1000):
    ticket = timer.start(STREAM); fake.fake_advance(i); timer.stop(ticket, STREAM)
    tickets.append(ticket)
print(timer.pairs, timer.grown, timer.pending, timer.read(), timer.lost)
print(count("cuEventElapsedTime") < 20)
fake.fake_not_ready(0)
print(timer.read() == list(zip(tickets, range(1000))), len(set(tickets)), timer.pending)
for i in range(3000):  # finished pairs are used again
    timer.stop(timer.start(STREAM), STREAM)
print(timer.pairs, len(timer.read()))
log_of_it = set(log())
print(log_of_it & {"cuCtxSynchronize", "cuEventSynchronize", "cuStreamSynchronize", "cuMemcpyDtoH"})
del timer
print(fake.fake_live_events(), fake.fake_retained(0))
"""
    assert run_native(program, fake_cuda).splitlines() == [
        "32",
        "1024 5 1000 [] 0",
        "True",
        "True 1000 0",
        "1024 3000",
        "set()",
        "0 0",
    ]


def test_a_capture_is_left_out_and_left_whole(fake_cuda):
    program = """
timer = _native.EventTimer(0)
begun = timer.start(STREAM)
done = timer.start(STREAM); timer.stop(done, STREAM)
fake.fake_capture(STREAM, 1)
print(timer.start(STREAM), timer.skipped)
timer.stop(0, STREAM)
timer.stop(begun, STREAM)
print(timer.skipped, timer.start(0), timer.skipped)  # the default stream, which capture forbids
print(timer.read() == [(done, 0)], fake.fake_capture_status())  # 2: broken by us
other = timer.start(0x3000); timer.stop(other, 0x3000)  # not captured
timers = [_native.EventTimer(0) for _ in range(3)]
for timer_ in timers:
    for _ in range(50): timer_.start(0x3000)  # more are made
print(len(timer.read()), fake.fake_capture_status(), timer.lost)
fake.fake_capture(None, 0)
ticket = timer.start(STREAM); fake.fake_advance(9); timer.stop(ticket, STREAM)
print(timer.read()[0][1])
"""
    assert run_native(program, fake_cuda).splitlines() == [
        "0 1", "2 0 3", "True 1", "1 1 0", "9",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "code", "words"),
    [
        ("cuEventRecord", 719, "CUDA_ERROR_LAUNCH_FAILED: a kernel failed, the context is lost"),
        ("cuEventElapsedTime", 400, "CUDA_ERROR_INVALID_HANDLE: of another context, or destroyed"),
        ("cuStreamIsCapturing", 709, "CUDA_ERROR_CONTEXT_IS_DESTROYED"),
        ("cuCtxGetCurrent", 4, "CUDA_ERROR_DEINITIALIZED: the process is ending"),
    ],
)
def test_a_device_lost_costs_times_and_nothing_else(fake_cuda, call, code, words):
    program = f"""
timer = _native.EventTimer(0)
for i in range(5):
    timer.stop(timer.start(STREAM), STREAM)
print(len(timer.read()))
fail({call!r}, {code})
for i in range(100):
    timer.stop(timer.start(STREAM), STREAM)
    timer.read()
print(timer.read(), timer.lost, timer.pending, timer.pairs)
print(timer.error)
fail({call!r}, 0)
timer.stop(timer.start(STREAM), STREAM)
print(len(timer.read()))
"""
    lines = run_native(program, fake_cuda).splitlines()
    assert lines == ["5", "[] 100 0 32", f"{call} returned {code}, {words}", "1"]


def test_a_pool_that_cannot_grow_loses_times(fake_cuda):
    program = """
from assay.core.errors import DeviceError
fake.fake_not_ready(1 << 60)
timer = _native.EventTimer(0)
fail("cuEventCreate", 2)
for i in range(40): timer.stop(timer.start(STREAM), STREAM)
print(timer.pairs, timer.pending, timer.lost, timer.error)
fail("cuEventCreate", 2, after=3)
try:
    _native.EventTimer(0)
except DeviceError as error:
    print(error)
del timer
print(fake.fake_live_events(), fake.fake_retained(0))
"""
    assert run_native(program, fake_cuda).splitlines() == [
        "32 32 8 cuEventCreate returned 2, CUDA_ERROR_OUT_OF_MEMORY",
        "cuEventCreate returned 2, CUDA_ERROR_OUT_OF_MEMORY",
        "0 0",
    ]


def test_the_default_stream_is_that_of_the_timer_s_device(fake_cuda):
    # The fake refuses handles 0, 1, 2 while another context, or none, is current.
    program = """
timers = [_native.EventTimer(0), _native.EventTimer(1)]
for timer in timers:
    for stream in (0, 1, 2):
        timer.stop(timer.start(stream), stream)
print([(len(timer.read()), timer.lost) for timer in timers], fake.fake_context_depth())
"""
    assert run_native(program, fake_cuda) == "[(3, 0), (3, 0)] 0\n"
    assert run_native(program, fake_cuda, FAKE_ACTIVE=1) == "[(3, 0), (3, 0)] 1\n"


def test_wrong_tickets_and_devices(fake_cuda, tmp_path):
    program = """
from assay.core.errors import DeviceError, InputError
timer = _native.EventTimer(0)
ticket = timer.start(STREAM)
timer.stop(ticket, STREAM)
for wrong in (ticket, 99, 1 << 40):
    try:
        timer.stop(wrong, STREAM)
    except InputError as error:
        print(error)
timer.read()
timer.stop(timer.start(STREAM), STREAM)  # the same events, another ticket
try:
    _native.EventTimer(2)
except DeviceError as error:
    print(error)
print(timer.lost, timer.pending)
"""
    lines = run_native(program, fake_cuda).splitlines()
    assert [line.partition(" was not given")[2] for line in lines[:3]] == [
        " by start(), or was stopped already"
    ] * 3
    assert lines[3:] == ["device 2 is not among the 2 that the CUDA driver sees", "0 1"]
    program = """
from assay._native import EventTimer
try:
    EventTimer(0)
except RuntimeError as error:
    print(error)
"""
    assert run_native(program, tmp_path / "none.so", preamble="").startswith("no CUDA driver: ")


def test_reset_forgets_what_is_not_read(fake_cuda):
    program = """
fake.fake_not_ready(1)
timer = _native.EventTimer(0)
opened = timer.start(STREAM)
timer.stop(timer.start(STREAM), STREAM)
timer.reset()
print(timer.pending, timer.read(), timer.read(), timer.pending)
fake.fake_advance(70)
timer.stop(opened, STREAM)
print(timer.read(), timer.read() == [(opened, 70)])
"""
    assert run_native(program, fake_cuda).splitlines() == ["0 [] [] 0", "[] True"]


def test_threads_share_a_timer(fake_cuda):
    program = """
fake.fake_not_ready(3)
timer = _native.EventTimer(0)
found, tickets, stop = [], [], threading.Event()

def work(stream):
    for _ in range(2000):
        ticket = timer.start(stream)
        timer.stop(ticket, stream)
        tickets.append(ticket)

def read():
    while not stop.is_set():
        found.extend(timer.read())
        timer.pending, timer.error

reader = threading.Thread(target=read)
workers = [threading.Thread(target=work, args=(0x1000 * i,)) for i in range(1, 5)]
for thread in [reader, *workers]: thread.start()
for thread in workers: thread.join()
stop.set(); reader.join()
while timer.pending: found.extend(timer.read())
found.extend(timer.read())
print(len(found), sorted(t for t, _ in found) == sorted(tickets), timer.lost)
"""
    assert run_native(program, fake_cuda) == "8000 True 0\n"
