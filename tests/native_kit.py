"""The compiled module against a driver that tests script: fake_cuda.c, built once a session.

A driver once opened stays open, so each program runs in an interpreter of its own. It begins with
PREAMBLE, where `fake` is the driver's control functions.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

__all__ = ["PREAMBLE", "SYNCHRONISING", "Build", "build_fake", "run_native"]

SYNCHRONISING = {"cuCtxSynchronize", "cuEventSynchronize", "cuStreamSynchronize", "cuMemcpyDtoH"}

PREAMBLE = """
import ctypes, os, threading, time
from assay import _native

fake = ctypes.CDLL(os.environ["ASSAY_LIBCUDA_PATH"])
fake.fake_log.restype = ctypes.c_char_p
fake.fake_count.restype = fake.fake_live_events.restype = ctypes.c_long
fake.fake_advance.argtypes = [ctypes.c_longlong]
fake.fake_not_ready.argtypes = [ctypes.c_long]
fake.fake_capture.argtypes = [ctypes.c_void_p, ctypes.c_int]
fake.fake_slow_stream.argtypes = [ctypes.c_void_p]
fake.fake_fail.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_long]
STREAM = 0x1000

def log():
    return fake.fake_log().decode().split()

def fail(call, code, after=0, times=-1):
    fake.fake_fail(call.encode(), code, after, times)

def count(call):
    return fake.fake_count(call.encode())

def memory(*used):
    fake.fake_memory((ctypes.c_longlong * len(used))(*used), len(used))
"""

Build = Callable[..., Path]


def build_fake(folder: Path, *flags: str) -> Path:
    """The fake driver as folder/libcuda.so.1; flags: -D of what it lacks."""
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if compiler is None:
        pytest.skip("no C compiler to build the fake driver with")
    library = folder / "libcuda.so.1"
    source = Path(__file__).with_name("fake_cuda.c")
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", *flags]
    if sanitizers := os.environ.get("ASSAY_SANITIZE"):
        command.append(f"-fsanitize={sanitizers}")
    subprocess.run([*command, str(source), "-o", str(library), "-lpthread"], check=True)
    return library


def run_native(
    program: str, library: object, *, preamble: str = PREAMBLE, **environment: object
) -> str:
    """What a fresh interpreter prints that runs preamble and program against a fake driver, which
    plays NVML too."""
    script = {"ASSAY_LIBCUDA_PATH": library, "ASSAY_LIBNVML_PATH": library, **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", preamble + program],
        env={**os.environ, **{name: str(value) for name, value in script.items()}},
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
