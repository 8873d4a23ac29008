"""Facts about this machine and installation, and compiling the kernels ahead of use."""

import importlib
import os
import platform
import sys
import time
from importlib import metadata
from typing import Any

import numpy as np

from assay.core.threads import thread_count

__all__ = ["describe", "warm_kernels"]

PACKAGES = ("assay", "numpy", "numba", "llvmlite", "scipy", "pyarrow", "torch", "triton", "jiwer")


def describe() -> dict[str, str]:
    """What a bug report needs, as name -> value."""
    return {
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": f"{os.cpu_count()}, threads used by assay: {thread_count()}",
        **{name: _version(name) for name in PACKAGES},
        "kernel cache": _kernel_cache(),
        "native module": _native(),
    }


def warm_kernels() -> float:
    """Compile every kernel (or load it from the cache); returns the seconds that took."""
    from assay.ops import edit, normalise, tokens

    start = time.perf_counter()
    ascii_text, wide = tokens.pack(["a b"]), tokens.pack(["\u3000c é"])
    first = np.zeros(1, np.int64)
    made = normalise.basic(wide)  # in memory that may be written to: kernels of their own
    for text in (ascii_text, wide, made):
        edit.compare(tokens.word_pairs(text, ascii_text), edit.CHUNKS)
        edit.compare(tokens.char_pairs(text, ascii_text), edit.CHUNKS)
        tokens.words_at(text, first, first)
        tokens.characters_at(text, first, first)
    forth, back = [list(range(5000))], [list(range(5000))[::-1]]  # enough for the long path
    edit.compare(tokens.id_pairs(tokens.pack_ids(forth), tokens.pack_ids(back)), edit.CHUNKS)
    return time.perf_counter() - start


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _kernel_cache() -> str:
    from assay.ops import _edit_kernels

    cache: Any = getattr(_edit_kernels.symbol_pairs, "_cache", None)
    path = getattr(cache, "cache_path", None)
    return path or "none can be written; kernels are compiled in every process"


def _native() -> str:
    try:
        native = importlib.import_module("assay._native")
    except ModuleNotFoundError:
        return (
            "not built: no C++ compiler or Python headers at install time; "
            "reinstall with ASSAY_REQUIRE_NATIVE=1 to see the error"
        )
    except ImportError as error:
        return f"cannot be loaded: {error}"
    driver = native.cuda_driver()
    if not driver.available:
        return f"loaded; CUDA driver: {driver.reason}"
    return f"loaded; CUDA driver {driver.version}, {driver.devices} device(s)"
