"""The compiled module, against no driver and against a fake one that each test scripts.

Every case is a process of its own: a driver once opened stays open.
"""

import ast
import json
import os
from pathlib import Path

import pytest

import assay
from native_kit import build_fake, run_native

if os.environ.get("ASSAY_REQUIRE_NATIVE") != "1":
    pytest.importorskip("assay._native", reason="the native extension is not built")

ASK = """
import json
from assay._native import cuda_driver

driver = cuda_driver()
print(json.dumps([driver.available, driver.reason, driver.version, driver.devices]))
"""


def run(program: str, library: object, **script: object) -> str:
    """What a fresh interpreter prints; the fake driver may be none that opens."""
    return run_native(program, library, preamble="", **script)


def ask(library: object, **script: object) -> list[object]:
    """available, reason, version, devices, as a fresh process sees them."""
    return json.loads(run(ASK, library, **script))


def test_missing_driver_is_a_reason_not_an_error(tmp_path):
    missing = tmp_path / "libcuda.so.1"
    available, reason, version, devices = ask(missing)
    assert (available, version, devices) == (False, None, 0)
    assert reason.startswith(f"{missing}: cannot open shared object file")


def test_default_name_is_the_soname_of_a_driver():
    # An empty path means none; with a real driver on this machine there is nothing to read.
    available, reason, version, _ = ask("")
    if available:
        assert version is not None
    else:
        assert "libcuda.so.1" in reason or "CUDA_ERROR" in reason


def test_file_that_is_no_library(tmp_path):
    text = tmp_path / "libcuda.so.1"
    text.write_text("not a library")
    available, reason, _, _ = ask(text)
    assert not available
    assert str(text) in reason


def test_driver_with_devices(fake_cuda):
    assert ask(fake_cuda, FAKE_DEVICES=3, FAKE_VERSION=12080) == [True, "", 12080, 3]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (34, "CUDA_ERROR_STUB_LIBRARY: the toolkit's stub was opened, not a driver"),
        (35, "CUDA_ERROR_INSUFFICIENT_DRIVER: the driver is too old"),
        (100, "CUDA_ERROR_NO_DEVICE: the driver sees no device"),
        (803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: library and kernel module differ"),
        (12345, "unknown CUDA error"),
    ],
)
def test_failed_start_names_call_and_error(fake_cuda, code, name):
    assert ask(fake_cuda, FAKE_INIT=code) == [False, f"cuInit returned {code}, {name}", 13020, 0]


def test_failed_version_and_count(fake_cuda):
    assert ask(fake_cuda, FAKE_VERSION_CODE=34)[:3] == [
        False,
        "cuDriverGetVersion returned 34, CUDA_ERROR_STUB_LIBRARY: "
        "the toolkit's stub was opened, not a driver",
        None,
    ]
    available, reason, version, _ = ask(fake_cuda, FAKE_COUNT_CODE=3)
    assert (available, version) == (False, 13020)
    assert reason.startswith("cuDeviceGetCount returned 3, CUDA_ERROR_NOT_INITIALIZED")


def test_driver_that_is_too_old_is_named(fake_cuda):
    available, reason, version, devices = ask(fake_cuda, FAKE_VERSION=10020)
    assert (available, version, devices) == (False, 10020, 0)
    assert reason == "the driver is too old: it is of CUDA 10.2, 11.0 is needed; update the driver"


@pytest.mark.parametrize("flag", ["OLD_DRIVER", "NO_PROC_ADDRESS"])
def test_older_ways_to_find_functions(tmp_path, flag):
    # Bare names are another ABI in the fake, as in a driver: a timer would fail with them.
    library = build_fake(tmp_path, f"-D{flag}")
    program = """
timer = _native.EventTimer(0)
ticket = timer.start(STREAM)
fake.fake_advance(1500)
timer.stop(ticket, STREAM)
print(timer.read() == [(ticket, 1500)], timer.lost, fake.fake_context_depth())
memory(5 << 20)
sampler = _native.MemorySampler("device", 0, 1.0)
sampler.start()
print(sampler.stop().peak_bytes >> 20, count("cuGetProcAddress") > 0)
"""
    assert run_native(program, library, FAKE_VERSION=11080).split() == [
        *("True", "0", "0", "5", str(flag == "OLD_DRIVER")),
    ]


def test_no_device(fake_cuda):
    assert ask(fake_cuda, FAKE_DEVICES=0) == [False, "the driver sees no device", 13020, 0]


def test_missing_symbol_is_named(tmp_path):
    library = build_fake(tmp_path, "-DWITHOUT_DEVICE_COUNT")
    available, reason, version, devices = ask(library)
    assert (available, version, devices) == (False, 13020, 0)
    assert reason == f"{library}: undefined symbol: cuDeviceGetCount"


def test_repr(fake_cuda):
    program = "from assay._native import cuda_driver; print(cuda_driver())"
    assert run(program, fake_cuda) == "CudaDriver(version=13020, devices=2)\n"
    assert run(program, fake_cuda, FAKE_DEVICES=0) == (
        "CudaDriver(unavailable: the driver sees no device)\n"
    )


def test_one_driver_per_process_whichever_thread_asks(fake_cuda):
    program = """
from concurrent.futures import ThreadPoolExecutor
from assay._native import cuda_driver

with ThreadPoolExecutor(8) as pool:
    drivers = [f.result() for f in [pool.submit(cuda_driver) for _ in range(64)]]
print(len({id(d) for d in drivers}), {d.devices for d in drivers})
"""
    assert run(program, fake_cuda) == "1 {2}\n"


def test_other_threads_run_while_the_driver_starts(fake_cuda):
    # cuInit says that it was entered and waits for an answer that only another Python thread
    # can give: with the lock held this would hang.
    program = """
import os, threading
from assay._native import cuda_driver

(entered, e), (l, leave) = os.pipe(), os.pipe()
os.environ |= {"FAKE_ENTERED": str(e), "FAKE_LEAVE": str(l)}
starter = threading.Thread(target=cuda_driver)
starter.start()
os.read(entered, 1)
os.write(leave, b"x")
starter.join()
print(cuda_driver().devices)
"""
    assert run(program, fake_cuda) == "2\n"


def test_nvml_is_asked_for_the_same_device(fake_cuda):
    program = """
nvml = _native.nvml()
memory(7 << 20)
print(nvml.available, nvml.reason == "", nvml.used_bytes(1) >> 20, nvml.clock_mhz(1))
for reasons in (0, 1, 2, 4, 8, 0x20, 0x40, 0x80, 0x100):
    fake.fake_clocks(1200, ctypes.c_ulonglong(reasons))
    print(nvml.throttled(0), end=" ")
print(nvml.clock_mhz(0))
fail("nvmlDeviceGetClockInfo", 3)
print(nvml.clock_mhz(0))
from assay.core.errors import DeviceError
fail("nvmlDeviceGetMemoryInfo_v2", 15)
for ask in (lambda: nvml.used_bytes(0), lambda: nvml.throttled(2), lambda: nvml.throttled(-1)):
    try:
        ask()
    except DeviceError as error:
        print(error)
"""
    assert run_native(program, fake_cuda).splitlines() == [
        "True True 7 1980",
        "False False False True True True True True False 1200",
        "None",
        "nvmlDeviceGetMemoryInfo_v2 returned 15, GPU is lost",
        "device 2 is not among the 2 that the CUDA driver sees",
        "device -1 is not among the 2 that the CUDA driver sees",
    ]


def test_nvml_that_fails_to_start_or_is_not_there(fake_cuda, tmp_path):
    program = """
nvml = _native.nvml()
print(nvml.available, nvml.reason)
try:
    nvml.used_bytes(0)
except RuntimeError as error:
    print(type(error).__name__, error)
"""
    reason = "nvmlInit_v2 returned 15, GPU is lost"
    assert run_native(program, fake_cuda, FAKE_NVML_INIT=15).splitlines() == [
        f"False {reason}",
        f"DeviceError no NVML: {reason}",
    ]
    missing = run_native(program, fake_cuda, ASSAY_LIBNVML_PATH=tmp_path / "none.so")
    assert "cannot open shared object file" in missing


def test_stub_lists_what_the_module_has():
    from assay import _native

    stub = ast.parse((Path(assay.__file__).parent / "_native.pyi").read_text())

    def names(body: list[ast.stmt]) -> set[str]:
        named = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        return {name for name in named if not name.startswith("_")}

    def public(thing: object) -> set[str]:
        return {name for name in dir(thing) if not name.startswith("_")}

    assert public(_native) == names(stub.body)
    for node in stub.body:
        if isinstance(node, ast.ClassDef):
            assert public(getattr(_native, node.name)) == names(node.body)
