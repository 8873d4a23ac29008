"""VramSampler: of this process, and of GPUs that a fake torch plays."""

import ctypes
import mmap
import sys
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import assay
from assay.core.errors import DeviceError, InputError, MergeError
from assay.core.state import State
from assay.metrics.memory import DeviceMemory, Memory
from assay.ops import memory, probe
from waiting_kit import tasks, wait_for_samples, wait_until

MIB, GIB = 2**20, 2**30


class FakeCuda:
    """Plays torch.cuda: an allocator of each device, and what else uses it."""

    def __init__(self, devices: int = 2, context: int = 300 * MIB) -> None:
        self.devices, self.context, self.current = devices, context, 0
        self.log: list[str] = []
        self.lost = False
        self.allocated, self.reserved = [0] * devices, [0] * devices
        self.peaks = [[0, 0] for _ in range(devices)]

    def take(self, size: int, device: int = 0) -> None:
        self.allocated[device] += size
        self.reserved[device] = max(self.reserved[device], self.allocated[device])
        now = (self.allocated[device], self.reserved[device])
        self.peaks[device] = [max(a, b) for a, b in zip(self.peaks[device], now, strict=True)]

    def spike(self, size: int, device: int = 0) -> None:
        self.take(size, device)
        self.take(-size, device)

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return self.devices

    def current_device(self) -> int:
        return self.current

    def memory_allocated(self, device: int) -> int:
        return self.allocated[device]

    def memory_reserved(self, device: int) -> int:
        return self.reserved[device]

    def max_memory_allocated(self, device: int) -> int:
        if self.lost:
            raise RuntimeError("CUDA error: device lost")
        return self.peaks[device][0]

    def max_memory_reserved(self, device: int) -> int:
        return self.peaks[device][1]

    def reset_peak_memory_stats(self, device: int) -> None:
        self.log.append(f"reset {device}")
        self.peaks[device] = [self.allocated[device], self.reserved[device]]

    def device(self, index: int) -> Any:
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: Any) -> None: ...

    def empty_cache(self) -> None:
        self.log.append("empty")
        self.reserved = list(self.allocated)

    def mem_get_info(self, device: int) -> tuple[int, int]:
        return 80 * GIB - self.reserved[device] - self.context, 80 * GIB


def play(monkeypatch, cuda: FakeCuda, *, hip: str | None = None, metal: bool = False) -> FakeCuda:
    """Puts a torch with these devices in place, and no compiled sampler."""

    def absent(*_: Any) -> None:
        raise DeviceError("no driver")

    mps = SimpleNamespace(
        current_allocated_memory=lambda: cuda.allocated[0],
        driver_allocated_memory=lambda: cuda.reserved[0],
        empty_cache=cuda.empty_cache,
    )
    torch = SimpleNamespace(
        nn=None,
        cuda=cuda,
        mps=mps,
        __version__="2.9",
        version=SimpleNamespace(hip=hip),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: metal)),
        _C=SimpleNamespace(_cuda_hasPrimaryContext=lambda index: index != 1),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(probe, "MemorySampler", absent)
    return cuda


@pytest.fixture
def cuda(monkeypatch) -> FakeCuda:
    return play(monkeypatch, FakeCuda())


# -- this process ----------------------------------------------------------------------------------


def touched(size: int) -> mmap.mmap:
    """Memory that is resident: a page that nobody writes to is not."""
    data = mmap.mmap(-1, size)
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(data)), 1, size)
    return data


@pytest.mark.parametrize("native", [True, False])
def test_resident_memory_of_this_process(monkeypatch, native: bool) -> None:
    if not native:
        monkeypatch.setattr(probe, "MemorySampler", lambda *_: pytest.fail("asked for"))
        monkeypatch.setattr(memory, "_sampling", lambda *own: memory._thread(own[3], own[2]))
    elif probe.native_reason():
        pytest.skip("the native extension is not built")
    begin, before = time.perf_counter(), tasks()
    with assay.VramSampler("cpu", mode="train") as v:
        sampling = tasks() - before
        wait_for_samples(sampling)
        data = touched(256 * MIB)  # so much that what others give back meanwhile does not matter
        wait_for_samples(sampling)
        data = None  # noqa: F841
    rise = v["peak_allocated_bytes"] - v["baseline_allocated_bytes"]
    assert 224 * MIB <= rise < 320 * MIB
    assert v["peak_train_vram_gb"] == v["peak_allocated_bytes"] / GIB
    assert {score.tags["memory"] for score in v.scores()} == {"rss"}
    assert v.as_dict("x_")["x_memory_rss/peak_train_vram_gb"] == v["peak_train_vram_gb"]
    assert "peak_reserved_bytes" not in {score.name for score in v.scores()}
    assert v.state.sampler == ("rss" if native else "thread")
    seconds, sizes = v.timeline()
    assert len(seconds) == len(sizes) > 3
    assert np.all(np.diff(seconds) > 0)
    assert 0 <= seconds[0] < seconds[-1] < time.perf_counter() - begin
    assert sizes.max() <= v["peak_allocated_bytes"]


def test_a_spike_between_samples_is_in_the_high_water_mark() -> None:
    with assay.VramSampler("cpu", period_s=3600) as v:
        most = memory._high_water() - memory.rss_bytes()
        data = touched(max(0, most) + 256 * MIB)  # as above
        del data
    assert v["peak_allocated_bytes"] - v["baseline_allocated_bytes"] >= 224 * MIB


# -- an allocator ----------------------------------------------------------------------------------


def test_peaks_of_a_gpu(cuda) -> None:
    cuda.take(100 * MIB)
    cuda.spike(5 * GIB)  # before: not ours
    with assay.VramSampler() as v:
        cuda.take(300 * MIB)
        cuda.spike(2 * GIB)
        cuda.take(-100 * MIB)
    assert v["inference_vram_gb"] == (2 * GIB + 400 * MIB) / GIB
    assert v["peak_allocated_bytes"] == 2 * GIB + 400 * MIB
    assert v["peak_reserved_bytes"] == 2 * GIB + 400 * MIB
    assert v["peak_device_bytes"] >= 2 * GIB + 700 * MIB
    assert v["peak_non_torch_bytes"] == 300 * MIB
    assert v["baseline_allocated_bytes"] == v["baseline_reserved_bytes"] == 100 * MIB
    assert v["baseline_device_bytes"] == 400 * MIB
    assert cuda.log == ["empty", "reset 0"]
    assert all("memory" not in score.tags for score in v.scores())
    assert v.as_dict()["device_cuda:0/peak_allocated_bytes"] == v["peak_allocated_bytes"]
    assert {score.better for score in v.scores() if "peak" in score.name} == {"lower"}
    # what a user prints after the block is still there
    assert cuda.max_memory_allocated(0) == v["peak_allocated_bytes"]


def test_several_gpus(cuda) -> None:
    with assay.VramSampler("all", mode="train") as v:
        cuda.spike(1 * GIB, 0)
        cuda.spike(3 * GIB, 1)
    assert v["peak_train_vram_gb"] == 3
    assert v["peak_train_vram_gb/sum"] == 4
    flat = v.as_dict()
    assert flat["device_cuda:0/peak_allocated_bytes"] == 1 * GIB
    assert flat["device_cuda:1/peak_allocated_bytes"] == 3 * GIB
    # cuda:1 has no context at the start: asking what it uses would make one
    assert v.state.devices["cuda:1",].baseline_used is None
    names = {score.name for score in v.state.total_scores()}
    assert "peak_non_torch_bytes" in names
    assert "peak_non_torch_bytes/sum" not in names
    assert len(v.timeline("cuda:1")) == 2
    with pytest.raises(InputError, match=r"timeline: no device 'cuda:7'; there are \['cuda:0'"):
        v.timeline("cuda:7")


def test_phases(cuda) -> None:
    with assay.VramSampler(mode="train") as v:
        cuda.spike(7 * GIB)
        for _ in range(2):
            v.mark("forward")
            cuda.spike(1 * GIB)
            v.mark("backward")
            cuda.spike(3 * GIB)
    assert v["peak_train_vram_gb"] == 7
    assert v.state.phase("forward")["peak_allocated_bytes"] == 1 * GIB
    assert v.state.phase("backward")["peak_allocated_bytes"] == 3 * GIB
    key = "device_cuda:0/phase_backward/peak_allocated_bytes"
    assert v.as_dict()[key] == 3 * GIB
    with pytest.raises(InputError, match=r"no mark 'step'; there are \['backward', 'forward'\]"):
        v.state.phase("step")


def test_an_inner_sampler_leaves_the_outer_one_whole(cuda) -> None:
    with assay.VramSampler() as outer:
        outer.mark("a")
        cuda.spike(5 * GIB)
        with assay.VramSampler() as inner:
            cuda.spike(1 * GIB)
            inner.mark("x")
            cuda.spike(2 * GIB)
        outer.mark("b")
        cuda.spike(3 * GIB)
    assert inner["inference_vram_gb"] == 2
    assert inner.state.phase("x")["peak_allocated_bytes"] == 2 * GIB
    assert outer["inference_vram_gb"] == 5
    assert outer.state.phase("a")["peak_allocated_bytes"] == 5 * GIB
    assert outer.state.phase("b")["peak_allocated_bytes"] == 3 * GIB
    assert cuda.log.count("empty") == 1  # the inner one leaves the cache
    assert not any(memory._running.values())


def test_overlapping_samplers(cuda) -> None:
    first, second = assay.VramSampler().start(), assay.VramSampler()
    cuda.spike(4 * GIB)
    second.start()
    cuda.spike(1 * GIB)
    assert first.stop()["inference_vram_gb"] == 4
    cuda.spike(2 * GIB)
    assert second.stop()["inference_vram_gb"] == 2


def test_rocm_and_metal_say_so(monkeypatch) -> None:
    cuda = play(monkeypatch, FakeCuda(), hip="6.4")
    with assay.VramSampler() as v:
        cuda.spike(1 * GIB)
    assert v["inference_vram_gb"] == 1
    assert {score.tags["memory"] for score in v.scores()} == {"rocm"}
    assert v.state.sampler == "thread"

    cuda = play(monkeypatch, FakeCuda(), metal=True)
    before = tasks()
    with assay.VramSampler("mps") as v:
        cuda.take(2 * GIB)
        wait_for_samples(tasks() - before)
        cuda.take(-1 * GIB)
    assert v["inference_vram_gb"] == 2  # sampled: it keeps no peaks
    assert v["peak_reserved_bytes"] == 2 * GIB
    assert {score.tags["memory"] for score in v.scores()} == {"mps"}


def test_a_device_lost_meanwhile(cuda) -> None:
    before = tasks()
    v = assay.VramSampler("all").start()
    cuda.take(GIB)
    wait_for_samples(tasks() - before)
    cuda.lost = True
    with pytest.raises(RuntimeError, match="device lost"):
        v.stop()
    assert v["peak_device_bytes"] > GIB  # what was seen until then
    assert not any(memory._running.values())
    cuda.lost = False

    def fail() -> None:
        with assay.VramSampler():
            cuda.lost = True
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    (note,) = caught.value.__notes__
    assert note == "assay: and the memory sampler could not end: CUDA error: device lost"


def test_samples_that_fail_are_counted(cuda, monkeypatch) -> None:
    with assay.VramSampler() as v:
        good, failed = cuda.mem_get_info, []
        cuda.mem_get_info = lambda index: failed.append(index) or 1 / 0
        wait_until(lambda: failed)
        cuda.mem_get_info = good
    (device,) = v.state.devices.values()
    assert device.lost > 0


# -- states ----------------------------------------------------------------------------------------


def test_states_keep_the_larger(cuda, monkeypatch) -> None:
    def once(size: int, rank: str = "") -> Memory:
        monkeypatch.setenv("RANK", rank)
        with assay.VramSampler() as v:
            v.mark("a")
            cuda.spike(size)
        return v.state

    one, two = once(1 * GIB), once(2 * GIB)
    both = one + two
    assert both["inference_vram_gb"] == both["inference_vram_gb/sum"] == 2
    assert both.to_bytes() == (two + one).to_bytes()
    again = State.from_bytes(both.to_bytes())
    assert again.as_dict() == both.as_dict()
    assert (both + Memory.zero()).to_bytes() == both.to_bytes()
    assert both.phase("a")["peak_allocated_bytes"] == 2 * GIB
    ranks = once(1 * GIB, "0") + once(2 * GIB, "1")
    assert (ranks["inference_vram_gb"], ranks["inference_vram_gb/sum"]) == (2, 3)
    assert ranks.as_dict()["device_rank1:cuda:0/peak_allocated_bytes"] == 2 * GIB
    with assay.VramSampler(mode="train") as v:
        pass
    with pytest.raises(MergeError, match="mode differs"):
        _ = one + v.state
    assert Memory.zero().scores()[0].name == "inference_vram_gb"
    assert DeviceMemory().scores() == []


# -- bad use ---------------------------------------------------------------------------------------


def test_an_exception_inside_passes_and_what_was_seen_stays(cuda) -> None:
    v = assay.VramSampler()

    def fail() -> None:
        with v:
            cuda.spike(GIB)
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fail()
    assert v["inference_vram_gb"] == 1
    assert not any(memory._running.values())


def test_out_of_order() -> None:
    v = assay.VramSampler("cpu")
    for use in (v.stop, lambda: v.mark("a"), lambda: v.state, lambda: v["x"], v.timeline):
        with pytest.raises(InputError, match="it was never started; use `with`, or start"):
            use()
    v.start()
    with pytest.raises(InputError, match="still running; read it after the end of the block"):
        _ = v["inference_vram_gb"]
    with pytest.raises(InputError, match="started before; make another one"):
        v.start()
    with pytest.raises(InputError, match="mark: a phase needs a name, got ''"):
        v.mark("")
    v.stop()
    for use in (v.stop, lambda: v.mark("a")):
        with pytest.raises(InputError, match="it was stopped before; read `state`"):
            use()
    with pytest.raises(InputError, match="started before"):
        v.start()
    with assay.VramSampler("cpu") as v:
        v.stop()
    assert v["inference_vram_gb"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "eval"}, "VramSampler: mode must be one of train, inference, got 'eval'"),
        ({"period_s": 0.0001}, "VramSampler: period_s must be in 0.0005..3600, got 0.0001"),
        ({"period_s": float("nan")}, "VramSampler: period_s must be in 0.0005..3600, got nan"),
        ({"device": "tpu"}, "device must be cpu, cuda, cuda:N, mps or all, got 'tpu'"),
        ({"device": "cuda:x"}, "device must be cpu, cuda, cuda:N, mps or all, got 'cuda:x'"),
        ({"device": "cuda:2"}, "device 'cuda:2': torch 2.9 sees 2 GPUs"),
        ({"device": "mps"}, "device 'mps': torch 2.9 has no Metal here"),
        ({"device": []}, "device must name some devices, each once, got []"),
        ({"device": ["cuda", 0]}, "device must name some devices, each once, got ['cuda', 0]"),
        ({"device": ["cpu", 0]}, "VramSampler: device ['cpu', 'cuda:0'] are of different kinds"),
    ],
)
def test_options(cuda, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        assay.VramSampler(**options).start()
    assert str(caught.value).startswith(message)


def test_the_default_device(cuda, monkeypatch) -> None:
    cuda.current = 1
    assert memory.resolve(None) == ["cuda:1"]
    assert memory.resolve("cuda") == ["cuda:1"]
    assert memory.resolve([0, "cuda:1"]) == ["cuda:0", "cuda:1"]
    monkeypatch.delitem(sys.modules, "torch")
    assert memory.resolve(None) == ["cpu"]
