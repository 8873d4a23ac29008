"""Facts about this machine and installation, and compiling the kernels ahead of use."""

import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any
from unicodedata import unidata_version

import numpy as np

from assay.core.ragged import Ragged
from assay.core.threads import thread_count
from assay.ops import probe

__all__ = ["describe", "warm_kernels"]

REQUIRED = ("numpy", "numba", "llvmlite", "scipy", "pyarrow", "rich", "typer")
OPTIONAL = (
    *("torch", "triton", "pandas", "polars", "scikit-learn", "torchmetrics", "lightning"),
    *("transformers", "mlflow", "wandb", "tensorboard", "matplotlib", "jinja2", "ray"),
    *("fsspec", "jiwer", "rapidfuzz", "sacrebleu", "nltk", "regex", "whisper-normalizer"),
)
# variables that change what is computed, how fast, or where
SETTINGS = ("ASSAY_", "NUMBA_", "CUDA_VISIBLE_DEVICES", "LOCAL_WORLD_SIZE", "OMP_NUM_THREADS")


def describe() -> dict[str, str]:
    """What a bug report needs, as name -> value."""
    libc = " ".join(platform.libc_ver())
    found = {name: _version(name) for name in OPTIONAL}
    return {
        "assay": f"{_version('assay')} in {os.path.dirname(os.path.dirname(__file__))}",
        "python": f"{platform.python_version()} ({sys.executable}), Unicode {unidata_version}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()} {libc}".strip(),
        "cpus": f"{os.cpu_count()}, threads used by assay: {thread_count()}",
        "vectors": _vectors(),
        **{name: _version(name) or "not installed" for name in REQUIRED},
        "optional": ", ".join(f"{name} {v}" for name, v in found.items() if v) or "none",
        "not installed": ", ".join(name for name, v in found.items() if not v) or "none",
        "settings": _settings(),
        "kernel cache": _kernel_cache(),
        "native module": _native(),
        "CUDA": _cuda(),
    }


def warm_kernels() -> float:
    """Compile every kernel (or load it from the cache); returns the seconds that took."""
    start = time.perf_counter()
    _warm_text()
    _warm_ranking()
    _warm_similarity()
    _warm_resampling()
    return time.perf_counter() - start


def _warm_text() -> None:
    from assay.ops import edit, normalise, places, tokens

    ascii_text, wide = tokens.pack(["a b"]), tokens.pack(["\u3000c é"])
    first = np.zeros(1, np.int64)
    made = normalise.basic(wide)  # in memory that may be written to: kernels of their own
    for text in (ascii_text, wide, made):
        edit.compare(tokens.word_pairs(text, ascii_text), edit.CHUNKS)
        edit.compare(tokens.char_pairs(text, ascii_text), edit.CHUNKS)
        places.words_at(text, first, first)
        places.characters_at(text, first, first)
    tokens.listed_char_pairs(["a b"], ["a b"], 0)
    edit.compare(tokens.word_pairs(ascii_text, ascii_text, 0), edit.CHUNKS, "kaldi")
    forth, back = [list(range(5000))], [list(range(5000))[::-1]]  # enough for the long path
    edit.compare(tokens.id_pairs(tokens.pack_ids(forth), tokens.pack_ids(back)), edit.CHUNKS)


def _warm_ranking() -> None:
    from assay.ops import rankings

    zero, one, ends = np.zeros(1, np.int64), np.ones(1, np.int64), np.array([0, 1])
    rankings.by_query(zero)
    rankings.locate(zero, zero, one, 1, zero, ends)
    rankings.place(np.ones(1), zero, zero, one, np.ones(1), zero, ends, np.zeros(1, np.bool_))
    rankings.order_within(ends, np.ones(1), zero)
    rankings.first_repeat(zero, ends)
    rankings.tied_sums(zero, one)
    rankings.tied_first(zero, one, one, one)
    rankings.discounts(one)
    rankings.exponential(np.ones(1))


def _warm_similarity() -> None:
    from assay.ops._similarity_simd import INT8
    from assay.ops.similarity import rank_pairs, topk

    relevant = Ragged.from_lengths(np.arange(3), np.ones(3, np.int64))
    for kind in (np.float32, np.float64):
        rows = np.eye(3, 9, dtype=kind)
        for precision in ("float32", "int8")[: 1 + INT8]:
            topk(rows, rows, 1, precision=precision)
            rank_pairs(rows, rows, relevant, reverse=True, precision=precision)


def _warm_resampling() -> None:
    from assay.ops import resample

    rows = np.arange(100).reshape(50, 2)  # too few to be drawn by number
    resample.totals(rows, 1)
    resample.poisson_totals(rows[:, 0], rows, 1)
    resample.weights(2, 1)
    resample.poisson_weights(rows[:, 0], 1)
    resample.aucs(resample.rank(rows[:, 0] > 50, rows[:, 1]), 1)
    resample.curves(resample.ordered(rows[:, 0] > 50, rows[:, 1]), 1)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _vectors() -> str:
    """What the ranking kernels are compiled for."""
    from llvmlite import binding

    from assay.ops._similarity_simd import INT8, LANES

    whole = "with" if INT8 else "without"
    return f"{binding.get_host_cpu_name()}: {LANES} floats wide, {whole} 8-bit products"


def _settings() -> str:
    told = {name: value for name, value in os.environ.items() if name.startswith(SETTINGS)}
    return " ".join(f"{name}={value}" for name, value in sorted(told.items())) or "none"


def _kernel_cache() -> str:
    from assay.ops import _edit_kernels

    cache: Any = getattr(_edit_kernels.symbol_pairs, "_cache", None)
    path = getattr(cache, "cache_path", None)
    if path is None:
        return "none can be written; kernels are compiled in every process"
    sizes = [file.stat().st_size for file in Path(path).glob("*.nbc")]
    return f"{path} ({len(sizes)} kernels, {sum(sizes) / 2**20:.0f} MiB)"


def _native() -> str:
    return probe.native_reason() or f"loaded from {probe.native.__file__}"


def _cuda() -> str:
    if probe.native_reason():
        return "not looked for, which takes the native module"
    driver = probe.native.cuda_driver()
    if not driver.available:
        return str(driver.reason)
    newest = driver.version
    version = f"{newest // 1000}.{newest % 1000 // 10}" if newest else "of an unknown version"
    names = _devices() if _version("torch") else []
    return f"driver {version}; {driver.devices} device(s)" + "".join(f"; {n}" for n in names)


def _devices() -> list[str]:
    """As torch sees them."""
    import torch

    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return [f"{own.name}, sm_{own.major}{own.minor}, {own.total_memory / 2**30:.0f} GiB"
            for own in found]  # fmt: skip
