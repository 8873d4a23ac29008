"""latency() and VramSampler on a GPU that a fake driver and a fake torch play."""

import ast
from typing import Any

import pytest

from native_kit import PREAMBLE, SYNCHRONISING, run_native

pytest.importorskip("assay._native", reason="the native extension is not built")

TORCH = """
import json, sys, types, warnings

class Device:
    type = "cuda"
    def __str__(self):
        return "cuda:0"

class Tensor:
    device, requires_grad, dtype = Device(), False, "torch.float16"

class Inside:
    def __enter__(self): ...
    def __exit__(self, *_): ...

asked, allocated = [], [0, 0]
cuda = types.SimpleNamespace(
    Event=object, is_available=lambda: True, is_initialized=lambda: True, device_count=lambda: 1,
    synchronize=lambda device=None: asked.append("synchronize"), current_device=lambda: 0,
    get_device_name=lambda device: "Played GPU", empty_cache=lambda: None,
    memory_allocated=lambda i: allocated[0], max_memory_allocated=lambda i: allocated[1],
    memory_reserved=lambda i: allocated[0], max_memory_reserved=lambda i: allocated[1],
    reset_peak_memory_stats=lambda i: None, mem_get_info=lambda i: (50 << 30, 80 << 30),
    device=lambda i: Inside(),
)
torch = sys.modules["torch"] = types.ModuleType("torch")
torch.__version__, torch.cuda, torch.Tensor = "2.9", cuda, Tensor
torch.nn = types.SimpleNamespace(Module=type("Module", (), {}))
torch.version = types.SimpleNamespace(hip=None)
torch._C = types.SimpleNamespace(
    _cuda_getCurrentRawStream=lambda i: STREAM, _cuda_hasPrimaryContext=lambda i: True
)
torch.is_autocast_enabled = lambda kind: False
torch.get_autocast_dtype = lambda kind: None
torch.get_num_threads = lambda: 1
torch.is_grad_enabled = lambda: False
torch.get_float32_matmul_precision = lambda: "high"
import assay

def show(*values):
    print(repr(values))

from assay.ops import clocks

passed = [0]  # nanoseconds: time passes in work(), and a little where it is asked

def now():
    passed[0] += 50
    return passed[0]

clocks.now = now

def work(x):
    asked.append("work")
    fake.fake_advance(300_000)
    passed[0] += 200_000
    return x

def measure(**options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        state = assay.latency(work, Tensor(), precision=0.9, max_time_s=5, **options)
    return state, [str(entry.message) for entry in caught]
"""


def run(program: str, fake_cuda: object, **environment: object) -> list[tuple[Any, ...]]:
    """What a program shows, a tuple each time."""
    printed = run_native(program, fake_cuda, preamble=PREAMBLE + TORCH, **environment)
    return [ast.literal_eval(line) for line in printed.splitlines()]


def test_device_time_is_the_drivers(fake_cuda) -> None:
    program = """
state, said = measure(warmup=2)
show(state["device_latency_ms/p50"], state["device_latency_ms/max"], state.runs)
show(state["latency_ms/p50"], said)
show(*state.conditions)
show(*log())
show(*asked[-3:])
"""
    device, (median, said), told, calls, asked = run(program, fake_cuda)
    low, high, runs = device
    assert low == pytest.approx(0.3, rel=1e-3)
    assert high == 0.3
    assert runs == 375
    assert median == pytest.approx(0.2, rel=1e-3)
    assert said == []
    assert "device:Played GPU" in told
    assert "events:driver" in told
    assert "dtype:float16" in told
    assert "matmul:high" in told
    assert asked == ("synchronize", "work", "synchronize")
    assert "cuEventRecord" in calls
    assert not SYNCHRONISING & {*calls}


def test_a_throttled_gpu_is_said(fake_cuda) -> None:
    program = """
fake.fake_clocks.argtypes = [ctypes.c_uint, ctypes.c_ulonglong]
fake.fake_clocks(1980, 0)
state, said = measure()
show(state["throttled"], state["sm_clock_mhz"], said)
fake.fake_clocks(900, 8)
state, said = measure()
show(state["throttled"], state["sm_clock_mhz"], said)
"""
    (cool, fast, nothing), (hot, slow, (text,)) = run(program, fake_cuda)
    assert (cool, fast, nothing) == (0, 1980, [])
    assert (hot, slow) == (1, 900)
    assert text.startswith("latency: the device ran below its clock, for heat or power")


def test_lost_events_are_said_and_the_rest_stands(fake_cuda) -> None:
    program = """
fail("cuEventRecord", 999, after=500, times=1)
state, said = measure()
show(state.runs, state.device_durations.n, said)
"""
    ((runs, timed, (text,)),) = run(program, fake_cuda)
    assert (runs, timed) == (375, 0)
    assert text == "latency: events of some runs were lost, so there is no device_latency_ms"


def test_without_a_driver_torchs_events_are_taken(fake_cuda) -> None:
    program = """
class Event:
    def __init__(self, enable_timing): ...
    def record(self): ...
    def elapsed_time(self, other):
        return 0.25
cuda.Event = Event
state, said = measure()
show(state["device_latency_ms/p50"], state.conditions[-1], "throttled" in state.as_dict(), said)
"""
    ((median, events, throttled, said),) = run(program, fake_cuda, FAKE_INIT=999)
    assert (median, events, throttled, said) == (
        pytest.approx(0.25, rel=1e-3),
        "events:torch",
        False,
        [],
    )


def test_the_device_is_sampled_without_pythons_lock(fake_cuda) -> None:
    program = """
def taken():
    return count("cuMemGetInfo") + count("nvmlDeviceGetMemoryInfo_v2")

memory(1 << 30)
with assay.VramSampler(mode="train", period_s=0.0005) as v:
    allocated[:] = 5, 7
    v.mark("forward")
    memory(40 << 30)
    v.mark("backward")
    before, end = taken(), time.monotonic() + 120
    while taken() < before + 10:
        assert time.monotonic() < end
    memory(2 << 30)
show(v["peak_device_bytes"], v["peak_allocated_bytes"], v.state.sampler)
show(v.state.phase("forward")["peak_device_bytes"], v.state.phase("backward")["peak_device_bytes"])
show(len(v.timeline()[0]))
"""
    (peak, allocated, sampler), (forward, backward), (samples,) = run(program, fake_cuda)
    assert peak == 40 << 30
    assert allocated == 7
    assert sampler in ("cuda", "nvml")
    assert backward == 40 << 30
    assert forward >= 30 << 30  # torch is asked where phases meet
    assert samples > 10
