"""What ops.probe tells of devices, and what there is without the compiled module."""

from typing import Any

import pytest

from assay.core.errors import InputError
from assay.ops import probe

native = pytest.mark.skipif(
    probe.native_reason() is not None, reason="the native extension is not built"
)


def test_without_the_compiled_module(fresh_python: Any) -> None:
    code = """
import sys
sys.modules["assay._native"] = None
import assay
from assay.ops import probe
assert probe.ScopeTimer.__name__ == "PlainScopeTimer"
print(probe.native_reason())
for use in (
    lambda: probe.EventTimer(0), lambda: probe.MemorySampler("rss", 0, 0.01),
    lambda: assay.Timer("cuda:0"),
):
    try:
        use()
    except ImportError as error:
        print(type(error).__name__, error)
assert probe.throttled(0) is None and probe.clock_mhz(0) is None
timer = assay.Timer()
with timer("step"), timer("forward"):
    pass
print(timer.state.scope("step/forward")["count"], timer.lost, timer.pending, timer.skipped)
"""
    lines = fresh_python(code).splitlines()
    reason = (
        "not built: no C++ compiler or Python headers at install time; "
        "reinstall with ASSAY_REQUIRE_NATIVE=1 to see the error"
    )
    assert lines == [
        reason,
        f"MissingDependency EventTimer needs the compiled module: {reason}",
        f"MissingDependency MemorySampler needs the compiled module: {reason}",
        f"MissingDependency device=0: times on a device need the compiled module: {reason}",
        "1 0 0 0",
    ]


@native
def test_without_nvml_nothing_is_told(fresh_python: Any, tmp_path: Any) -> None:
    code = "from assay.ops import probe; print(probe.throttled(0), probe.clock_mhz(0))"
    missing = str(tmp_path / "none.so")
    env = {"ASSAY_LIBCUDA_PATH": missing, "ASSAY_LIBNVML_PATH": missing}
    assert fresh_python(code, env=env) == "None None"


@native
def test_clocks_of_a_device(fresh_python: Any, fake_cuda: Any) -> None:
    code = "from assay.ops import probe; print(probe.throttled(0), probe.clock_mhz(1))"
    env = {"ASSAY_LIBCUDA_PATH": str(fake_cuda), "ASSAY_LIBNVML_PATH": str(fake_cuda)}
    assert fresh_python(code, env=env) == "False 1980"


@pytest.mark.parametrize(
    ("device", "index"),
    [(None, None), ("cpu", None), ("cuda", 0), ("cuda:0", 0), ("cuda:3", 3), (0, 0), (2, 2)],
)
def test_devices(device: Any, index: int | None) -> None:
    assert probe.device_index(device) == index


def test_devices_of_torch() -> None:
    torch = pytest.importorskip("torch")
    assert probe.device_index(torch.device("cpu")) is None
    assert probe.device_index(torch.device("cuda:1")) == 1
    assert probe.stream_source() == 0 or torch.cuda.is_available()


@pytest.mark.parametrize("device", ["mps", "cuda:", "cuda:x", "gpu", -1, True, 1.5])
def test_devices_of_another_kind(device: Any) -> None:
    with pytest.raises(InputError, match="device must be None, 'cpu', 'cuda', 'cuda:1' or a"):
        probe.device_index(device)
