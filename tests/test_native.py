"""The compiled module, against no driver and against a fake one that each test scripts.

Every case is a process of its own: a driver once opened stays open.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import assay

if os.environ.get("ASSAY_REQUIRE_NATIVE") != "1":
    pytest.importorskip("assay._native", reason="the native extension is not built")

FAKE_DRIVER = r"""
#include <stdlib.h>
#include <unistd.h>

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

int cuInit(unsigned flags) {
    int entered = number("FAKE_ENTERED", -1), leave = number("FAKE_LEAVE", -1);
    char byte = 0;
    if (entered >= 0 && (write(entered, &byte, 1) != 1 || read(leave, &byte, 1) != 1)) abort();
    return (int)flags + number("FAKE_INIT", 0);
}

int cuDriverGetVersion(int *version) {
    *version = number("FAKE_VERSION", 13020);
    return number("FAKE_VERSION_CODE", 0);
}

#ifndef WITHOUT_DEVICE_COUNT
int cuDeviceGetCount(int *count) {
    *count = number("FAKE_DEVICES", 2);
    return number("FAKE_COUNT_CODE", 0);
}
#endif
"""

ASK = """
import json
from assay._native import cuda_driver

driver = cuda_driver()
print(json.dumps([driver.available, driver.reason, driver.version, driver.devices]))
"""


def run(program: str, **environment: object) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(library: object, **script: object) -> list[object]:
    """available, reason, version, devices, as a fresh process sees them."""
    return json.loads(run(ASK, ASSAY_LIBCUDA_PATH=library, **script))


@pytest.fixture(scope="session")
def compile_driver(tmp_path_factory):
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if compiler is None:
        pytest.skip("no C compiler to build the fake driver with")

    def build(*flags: str) -> Path:
        folder = tmp_path_factory.mktemp("driver")
        source, library = folder / "fake.c", folder / "libcuda.so.1"
        source.write_text(FAKE_DRIVER)
        command = [compiler, "-shared", "-fPIC", *flags, str(source), "-o", str(library)]
        subprocess.run(command, check=True)
        return library

    return build


@pytest.fixture(scope="session")
def fake(compile_driver):
    return compile_driver()


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


def test_driver_with_devices(fake):
    assert ask(fake, FAKE_DEVICES=3, FAKE_VERSION=12080) == [True, "", 12080, 3]


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
def test_failed_start_names_call_and_error(fake, code, name):
    assert ask(fake, FAKE_INIT=code) == [False, f"cuInit returned {code}, {name}", 13020, 0]


def test_failed_version_and_count(fake):
    assert ask(fake, FAKE_VERSION_CODE=34)[:3] == [
        False,
        "cuDriverGetVersion returned 34, CUDA_ERROR_STUB_LIBRARY: "
        "the toolkit's stub was opened, not a driver",
        None,
    ]
    available, reason, version, _ = ask(fake, FAKE_COUNT_CODE=3)
    assert (available, version) == (False, 13020)
    assert reason.startswith("cuDeviceGetCount returned 3, CUDA_ERROR_NOT_INITIALIZED")


def test_no_device(fake):
    assert ask(fake, FAKE_DEVICES=0) == [False, "the driver sees no device", 13020, 0]


def test_missing_symbol_is_named(compile_driver):
    library = compile_driver("-DWITHOUT_DEVICE_COUNT")
    available, reason, version, devices = ask(library)
    assert (available, version, devices) == (False, None, 0)
    assert reason == f"{library}: undefined symbol: cuDeviceGetCount"


def test_repr(fake):
    program = "from assay._native import cuda_driver; print(cuda_driver())"
    assert run(program, ASSAY_LIBCUDA_PATH=fake) == "CudaDriver(version=13020, devices=2)\n"
    assert run(program, ASSAY_LIBCUDA_PATH=fake, FAKE_DEVICES=0) == (
        "CudaDriver(unavailable: the driver sees no device)\n"
    )


def test_one_driver_per_process_whichever_thread_asks(fake):
    program = """
from concurrent.futures import ThreadPoolExecutor
from assay._native import cuda_driver

with ThreadPoolExecutor(8) as pool:
    drivers = [f.result() for f in [pool.submit(cuda_driver) for _ in range(64)]]
print(len({id(d) for d in drivers}), {d.devices for d in drivers})
"""
    assert run(program, ASSAY_LIBCUDA_PATH=fake) == "1 {2}\n"


def test_other_threads_run_while_the_driver_starts(fake):
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
    assert run(program, ASSAY_LIBCUDA_PATH=fake) == "2\n"


def test_stub_lists_what_the_module_has():
    from assay import _native

    stub = ast.parse((Path(assay.__file__).parent / "_native.pyi").read_text())

    def names(body: list[ast.stmt]) -> set[str]:
        return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}

    def public(thing: object) -> set[str]:
        return {name for name in dir(thing) if not name.startswith("_")}

    assert public(_native) == names(stub.body)
    for node in stub.body:
        if isinstance(node, ast.ClassDef):
            assert public(getattr(_native, node.name)) == names(node.body)
