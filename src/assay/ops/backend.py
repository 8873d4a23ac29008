"""Which implementation of an op runs: the table, and the override.

The first backend of an op that can be imported is taken. ASSAY_BACKEND names one for every op that
has it in its row; asked for, it must work. What was chosen is one line on the logger "assay", level
debug.
"""

import functools
import importlib
import logging
import os
from collections.abc import Callable
from typing import Any

from assay.core.errors import InputError

__all__ = ["BACKENDS", "choose", "on_device"]

# op -> backend -> "module:function", best first
BACKENDS: dict[str, dict[str, str]] = {
    "edit": {"numba": "assay.ops.edit:compare", "reference": "assay.ops.reference:compare"},
    "cut": {"numba": "assay.ops.sweep:cut_sorted", "reference": "assay.ops.reference_sweep:cut"},
    "merge": {"numba": "assay.ops.sweep:merge", "reference": "assay.ops.reference_sweep:merge"},
    "matches": {
        "numba": "assay.ops._ngram_kernels:matches",
        "reference": "assay.ops.reference_ngram:matches",
    },
    "subsequences": {
        "numba": "assay.ops._ngram_kernels:subsequences",
        "reference": "assay.ops.reference_ngram:subsequences",
    },
    "ngrams": {
        "numba": "assay.ops._ngram_kernels:ngrams",
        "reference": "assay.ops.reference_ngram:ngrams",
    },
    "consensus": {
        "numba": "assay.ops._ngram_kernels:consensus",
        "reference": "assay.ops.reference_ngram:consensus",
    },
    "shifts": {
        "numba": "assay.ops._shift_kernels:shifted_edits",
        "reference": "assay.ops.reference_aligning:shifted_edits",
    },
    "stages": {
        "numba": "assay.ops._stage_kernels:staged_matches",
        "reference": "assay.ops.reference_aligning:staged_matches",
    },
    "topk": {
        "numba": "assay.ops._similarity_scan:topk",
        "reference": "assay.ops.reference_ranks:topk",
    },
    "ranks": {
        "numba": "assay.ops._similarity_ranks:ranks",
        "reference": "assay.ops.reference_ranks:ranks",
    },
}


# What can rank vectors that lie on a GPU, best first: the launchers choose between the two
DEVICE_BACKENDS = ("triton", "torch")


def choose(op: str) -> Callable[..., Any]:
    """The implementation of an op."""
    return _load(op, os.environ.get("ASSAY_BACKEND") or None)


def on_device() -> str | None:
    """What ASSAY_BACKEND asks for where vectors lie on a GPU; None: the best that works."""
    asked = os.environ.get("ASSAY_BACKEND") or None
    if asked is not None and asked not in DEVICE_BACKENDS:
        known = ", ".join(DEVICE_BACKENDS)
        raise InputError(f"ASSAY_BACKEND must be one of {known} on a GPU, got {asked!r}")
    return asked


@functools.cache
def _load(op: str, asked: str | None) -> Callable[..., Any]:
    row = BACKENDS[op]
    if asked is not None and asked not in row:
        raise InputError(f"ASSAY_BACKEND must be one of {', '.join(row)} for {op}, got {asked!r}")
    for name, place in row.items():
        if asked not in (None, name):
            continue
        module, function = place.split(":")
        try:
            chosen: Callable[..., Any] = getattr(importlib.import_module(module), function)
        except ImportError:
            if asked is not None:
                raise
            continue
        reason = "ASSAY_BACKEND" if asked else "first that can be imported"
        logging.getLogger("assay").debug("%s: backend %s (%s)", op, name, reason)
        return chosen
    raise ImportError(f"{op}: none of {', '.join(row)} can be imported")
