"""Footprint: parameters, bytes and zeros of a model, and how two models compare."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped
from assay.ops.footprint import COLUMNS, PATTERNS, weigh

__all__ = [
    "Footprint",
    "FootprintComparison",
    "LayerFootprint",
    "compare_footprint",
    "footprint",
]

MIB = 2**20

_UNITS: dict[str, tuple[str, Better]] = {
    "params": ("parameters", "lower"),
    "stored_params": ("numbers", "lower"),
    "trainable_params": ("parameters", None),
    "trainable_share": ("fraction", None),
    "param_bytes": ("bytes", "lower"),
    "buffer_bytes": ("bytes", "lower"),
    "mask_bytes": ("bytes", "lower"),
    "model_size_mb": ("MiB", "lower"),
    "size_on_disk_bytes": ("bytes", "lower"),
    "sparsity": ("fraction", "higher"),
    "sparsity_prunable": ("fraction", "higher"),
    **{f"conforming_{n}_{m}": ("fraction", "higher") for n, m in PATTERNS},
}


class LayerFootprint(NamedTuple):
    """What one module holds itself, those inside it left aside, what was met before too.

    layer: its path, "" is the model. bytes: of parameters and buffers. sparsity: zeros among the
    weights that could be read, or nan. pattern: "dense", "1:4", "2:4", "4:8" (the first that all of
    them have) or "unstructured" of what is prunable, "" where nothing is.
    """

    layer: str
    kind: str
    params: int
    trainable: int
    bytes: int
    sparsity: float
    pattern: str


@dataclass(frozen=True, eq=False)
class Footprint(State):
    """What a model holds. Nothing of it adds: the ranks of one training hold the same model, so two
    footprints are equal or a MergeError. (Parts of a model, each on a rank of its own, are other
    models.)

    layer_names, layer_kinds: modules that hold something, in order. counts int64 [layers, 16]: the
    columns of assay.ops.footprint. dtype_bytes: bytes by type. disk_bytes: None of a model on meta.
    """

    layer_names: tuple[str, ...] | None = fixed()
    layer_kinds: tuple[str, ...] | None = fixed()
    counts: npt.NDArray[np.int64] | None = fixed()
    dtype_bytes: Mapping[str, int] | None = fixed()
    disk_bytes: int | None = fixed()

    def check(self) -> None:
        """Refuse counts that are not of these layers."""
        layers = len(self.layer_names or ())
        shape = (layers, len(COLUMNS)) if self.counts is None else self.counts.shape
        if len(self.layer_kinds or ()) != layers or shape != (layers, len(COLUMNS)):
            raise InputError(f"counts have shape {shape}, for {layers} layers")
        super().check()

    @cached_property
    def totals(self) -> dict[str, int]:
        """Sums of the columns over all layers."""
        sums = [0] * len(COLUMNS) if self.counts is None else self.counts.sum(axis=0).tolist()
        return dict(zip(COLUMNS, sums, strict=True))

    @property
    def model_bytes(self) -> int:
        """Bytes of parameters and buffers in memory."""
        return self.totals["param_bytes"] + self.totals["buffer_bytes"]

    @property
    def bytes_by_dtype(self) -> dict[str, int]:
        """The same by type, packed ones by the type they are packed in."""
        return dict(self.dtype_bytes or {})

    @cached_property
    def layers(self) -> list[LayerFootprint]:
        """A row for each module that holds something; pandas.DataFrame takes the list. A weight
        that several share is in the first row that has it, so the rows add up to the model."""
        rows = () if self.counts is None else self.counts.tolist()
        return [
            _layer(name, kind, dict(zip(COLUMNS, row, strict=True)))
            for name, kind, row in zip(
                self.layer_names or (), self.layer_kinds or (), rows, strict=True
            )
        ]

    def total_scores(self) -> list[Score]:
        """Parameters, bytes, then shares of zeros."""
        if self.counts is None:
            return []
        t = self.totals
        values: dict[str, tuple[float, int]] = {
            "params": (t["params"], 1),
            "stored_params": (t["stored"], 1),
            "trainable_params": (t["trainable"], 1),
            "trainable_share": (_ratio(t["trainable"], t["params"]), 1),
            "param_bytes": (t["param_bytes"], 1),
            "buffer_bytes": (t["buffer_bytes"], 1),
            "mask_bytes": (t["mask_bytes"], 1),
            "model_size_mb": (self.model_bytes / MIB, 1),
            "size_on_disk_bytes": (math.nan if self.disk_bytes is None else self.disk_bytes, 1),
            "sparsity": (_ratio(t["zeros"], t["read"]), t["read"]),
            "sparsity_prunable": (_ratio(t["prunable_zeros"], t["prunable"]), t["prunable"]),
            **{
                f"conforming_{key}": (
                    _ratio(t[f"conforming_{key}"], t[f"groups_{key}"]),
                    t[f"groups_{key}"],
                )
                for key in (f"{n}_{m}" for n, m in PATTERNS)
            },
        }
        return [_score(name, value, *_UNITS[name], n) for name, (value, n) in values.items()]

    def scores(self) -> list[Score]:
        """The totals, then bytes by type, with the tag `dtype`."""
        return super().scores() + [
            _score("model_bytes", held, "bytes", "lower", 1).tagged(dtype=dtype)
            for dtype, held in self.bytes_by_dtype.items()
        ]

    def layer_scores(self) -> list[Score]:
        """Parameters, bytes and sparsity of each module, with its path as the tag `layer`."""
        return [
            _score(name, value, unit, better, 1).tagged(layer=layer.layer)
            for layer in self.layers
            for name, value, unit, better in (
                ("params", layer.params, *_UNITS["params"]),
                ("model_bytes", layer.bytes, "bytes", "lower"),
                ("sparsity", layer.sparsity, *_UNITS["sparsity"]),
            )
        ]

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{name}</th>" for name in LayerFootprint._fields)
        rows = [
            f"<tr><td>{escape(row.layer) or '(model)'}</td><td>{escape(row.kind)}</td>"
            f"<td>{row.params:,}</td><td>{row.trainable:,}</td><td>{row.bytes:,}</td>"
            f"<td>{row.sparsity:.4g}</td><td>{row.pattern}</td></tr>"
            for row in self.layers
        ]
        return f"{super()._repr_html_()}<table><tr>{heads}</tr>{''.join(rows)}</table>"


@dataclass(frozen=True, eq=False)
class FootprintComparison(State):
    """The footprints of a model before and after: teacher and student, original and quantised.

    models: ("teacher",) and ("student",) -> its footprint. Equal or a MergeError, as footprints.
    """

    models: Mapping[tuple[str, ...], Footprint] = grouped()
    by: tuple[str, ...] | None = fixed()

    def total_scores(self) -> list[Score]:
        """Ratios and reductions; then the sizes they stand on. All of each model follows in
        scores(), with the tag `model`."""
        if not self.models:
            return []
        before, after = self.models["teacher",], self.models["student",]
        sizes = {
            "params": (before.totals["params"], after.totals["params"]),
            "bytes": (before.model_bytes, after.model_bytes),
            "disk": (before["size_on_disk_bytes"], after["size_on_disk_bytes"]),
        }
        ratios = {basis: _ratio(*pair) for basis, pair in sizes.items()}
        cuts = {basis: 100 * (1 - _ratio(new, old)) for basis, (old, new) in sizes.items()}
        named: list[tuple[str, float, str, Better, str]] = [
            ("compression_ratio", ratios["params"], "ratio", "higher", "params"),
            ("compression_ratio_bytes", ratios["bytes"], "ratio", "higher", "bytes"),
            ("compression_ratio_disk", ratios["disk"], "ratio", "higher", "disk"),
            ("size_reduction_pct", cuts["bytes"], "percent", "higher", "bytes"),
            ("disk_reduction_pct", cuts["disk"], "percent", "higher", "disk"),
            ("original_size_mb", before["model_size_mb"], "MiB", None, "bytes"),
            ("quantized_size_mb", after["model_size_mb"], "MiB", "lower", "bytes"),
            ("teacher_params", before["params"], "parameters", None, "params"),
            ("student_params", after["params"], "parameters", "lower", "params"),
            ("trainable_share", after["trainable_share"], "fraction", None, "params"),
        ]
        return [
            _score(name, value, unit, better, 1, f"basis:{basis}")
            for name, value, unit, better, basis in named
        ]


def footprint(model: Any) -> Footprint:
    """Weigh a torch module: parameters, bytes in memory and on disk, zeros; of it and each layer.

    `params`: numbers the model means, a shared weight once; two 4-bit weights in a byte are two,
    and weights of dynamic int8 layers, and those in buffers as GPTQ and AWQ keep them, count, which
    `parameters()` does not list. `stored_params`: numbers that are stored for them, scales
    included. `trainable_params` require a gradient, so `trainable_share` is what LoRA's adapters
    are of the model. `param_bytes`, `buffer_bytes`: distinct storages, whole, with scales of
    quantised weights; `mask_bytes` are the masks of pruning among the buffers. `model_size_mb`:
    both, in 2^20 bytes. `size_on_disk_bytes`: what torch.save writes of the state_dict to an open
    file. Bytes and parameters are 0.., less is better; parts of packed int8 layers are taken as
    torch saves them.

    `sparsity` in 0..1: zeros among all parameters as the forward pass sees them (masks applied,
    quantised ones unpacked). `sparsity_prunable`: the same of parameters named weight, of two or
    more dimensions, embeddings and norms left out. `conforming_2_4`: of their groups of four along
    the inputs, those with at most two that are not zero; `conforming_1_4`, `conforming_4_8`
    likewise. Shares of nothing are nan, and so are those of a model on meta and its size on disk;
    its other numbers are right. A weight that cannot be unpacked is left out of the shares.

    Errors: InputError for what is no module, has lazy parameters without a shape, or cannot be
    saved.

    >>> import torch
    >>> m = footprint(torch.nn.Linear(3, 5))
    >>> m["params"], m["param_bytes"], m["sparsity_prunable"]
    (20, 80, 0.0)
    """
    return _footprint(model, "footprint", "model")


def compare_footprint(teacher: Any, student: Any) -> FootprintComparison:
    """How much smaller one model is than another: after distillation, pruning, quantisation, LoRA.

    teacher, student: torch modules, or their footprints, of a model that is gone. Each score names
    its basis in the signature. `compression_ratio` is parameters over parameters, as the papers on
    distillation have it, and 1 for a quantised model; `compression_ratio_bytes` is of bytes in
    memory, `compression_ratio_disk` of the saved files; higher is smaller, inf of an empty student,
    nan of two empty ones. `size_reduction_pct`: of bytes in memory, 75 for a quarter, negative
    where it grew, as a model does that carries masks. `original_size_mb`, `quantized_size_mb`: in
    2^20 bytes. `trainable_share`: of the student.

    >>> import torch
    >>> c = compare_footprint(torch.nn.Linear(7, 8), torch.nn.Linear(7, 2))
    >>> c["compression_ratio"], c["size_reduction_pct"], c["student_params"]
    (4.0, 75.0, 16)
    """
    pair = {"teacher": teacher, "student": student}
    models: dict[tuple[str, ...], Footprint] = {
        (name,): _footprint(one, "compare_footprint", name) for name, one in pair.items()
    }
    return FootprintComparison(models, ("model",))


def _footprint(model: Any, what: str, name: str) -> Footprint:
    if isinstance(model, Footprint):
        return model
    held = weigh(what, model, name)
    return Footprint(held.names, held.kinds, held.counts, held.bytes_by_dtype, held.disk_bytes)


def _layer(name: str, kind: str, row: Mapping[str, int]) -> LayerFootprint:
    if not row["prunable"]:
        pattern = ""
    elif not row["prunable_zeros"]:
        pattern = "dense"
    else:
        whole = (
            f"{n}:{m}" for n, m in PATTERNS if row[f"conforming_{n}_{m}"] * m == row["prunable"]
        )
        pattern = next(whole, "unstructured")
    held = row["param_bytes"] + row["buffer_bytes"]
    sparsity = _ratio(row["zeros"], row["read"])
    return LayerFootprint(name, kind, row["params"], row["trainable"], held, sparsity, pattern)


def _ratio(part: float, whole: float) -> float:
    if whole:
        return part / whole
    return math.inf if part > 0 else math.nan


def _score(
    name: str, value: float, unit: str, better: Better, n: int, definition: str = "storages:once"
) -> Score:
    return Score(name, value, unit, better, n, {}, f"{name}|{definition}", provenance())
