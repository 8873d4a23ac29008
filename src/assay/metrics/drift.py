"""Drift: how far the outputs of two versions of a model are apart.

Outputs are taken apart into arrays, and arrays into rows along their last axis (logits of an item,
its embedding). All is counted in float64.

    max_abs_difference   largest |a - b|; inf where one is nan or infinite and the other is not so
    cosine               mean over rows of the cosine of a and b
    min_cosine           least of them
    argmax_agreement     share of rows of two and more floats whose largest stands in one place, the
                         first of equals
    identical            share of elements that are equal (nan equals nan); a text is one element

A row of zeros has cosine 1 with another, 0 with any other row; rows with nan or infinity have 1
where they are identical, else 0.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.resampling import fixed_point, from_fixed
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped, peak, summed
from assay.ops.leaves import Leaf, leaves

__all__ = ["Drift", "count_drift", "drift_of"]


@dataclass(frozen=True, eq=False)
class Drift(State):
    """Counts of rows and elements of pairs of outputs, in all and, as groups, of each output.

    cosines: sum over rows, in multiples of 2^-32. skipped: outputs that are neither
    numbers nor text.
    """

    rows: int = summed()
    cosines: int = summed()
    minus_min_cosine: float | None = peak()
    argmax_rows: int = summed()
    argmax_equal: int = summed()
    elements: int = summed()
    equal: int = summed()
    max_abs: float | None = peak()
    groups: Mapping[tuple[str], "Drift"] = grouped()
    by: tuple[str, ...] | None = fixed()
    skipped: tuple[str, ...] | None = fixed()

    def total_scores(self) -> list[Score]:
        """Distances and agreement; nan where nothing is there to compare."""
        mean = float(from_fixed(np.array(self.cosines))) / self.rows if self.rows else math.nan
        low = math.nan if self.minus_min_cosine is None else -self.minus_min_cosine
        apart = math.nan if self.max_abs is None else self.max_abs
        return [
            self._score("max_abs_difference", apart, self.elements, "absolute", "lower"),
            self._score("cosine", mean, self.rows),
            self._score("min_cosine", low, self.rows),
            self._score(
                "argmax_agreement", _share(self.argmax_equal, self.argmax_rows), self.argmax_rows
            ),
            self._score("identical", _share(self.equal, self.elements), self.elements),
        ]

    def _score(
        self, name: str, value: float, n: int, unit: str = "fraction", better: Better = "higher"
    ) -> Score:
        unit = "cosine" if name.endswith("cosine") else unit
        return Score(name, value, unit, better, n, {}, f"{name}|rows:last axis", provenance())


def count_drift(before: Any, after: Any) -> Drift:
    """Compare two outputs: arrays, tensors, numbers, or tuples, lists, dictionaries of them.

    Both must have one structure, and arrays of one shape, else an InputError that names the place.
    Each array is a group of its own if there are several, with its place as the tag `output`.
    `max_abs_difference` in 0.., better lower; `cosine` and `min_cosine` of rows, `argmax_agreement`
    and `identical` as shares, better higher. Of no numbers they are nan.

    >>> d = count_drift([[1.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.5, 0.0]])
    >>> d["max_abs_difference"], d["argmax_agreement"], d["identical"]
    (2.0, 0.5, 0.5)
    """
    return drift_of([*leaves(before)], [*leaves(after)])


def drift_of(ours: Sequence[Leaf], theirs: Sequence[Leaf]) -> Drift:
    """The same of outputs that are taken apart already."""
    at, then_at = ({path: (array, value) for path, array, value in side} for side in (ours, theirs))
    if odd := sorted(at.keys() ^ then_at.keys()):
        raise InputError(
            f"count_drift: outputs differ in structure: {len(ours)} and {len(theirs)} arrays, "
            f"{odd[0]} is in one only; let both return the same"
        )
    groups: dict[tuple[str], Drift] = {}
    skipped = []
    for path, (a, text) in at.items():
        b, other = then_at[path]
        if a is None or b is None:
            if isinstance(text, str) and isinstance(other, str):
                groups[path,] = Drift(elements=1, equal=int(text == other))
            else:
                skipped.append(path)
            continue
        if a.shape != b.shape:
            raise InputError(
                f"count_drift: {path} has shape {a.shape} before and {b.shape} after; "
                "they must be equal"
            )
        groups[path,] = _of_arrays(a, b)
    total = sum(groups.values(), start=Drift())
    parts = groups if len(groups) > 1 else {}
    return dataclasses.replace(total, groups=parts, by=("output",), skipped=tuple(skipped))


def _of_arrays(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Drift:
    if not a.size:
        return Drift()
    floats = a.dtype.kind in "fc" and b.dtype.kind in "fc" and a.ndim and a.shape[-1] > 1
    wide = np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64
    width = a.shape[-1] if a.ndim else 1
    a, b = (side.astype(wide).reshape(-1, width) for side in (a, b))  # [rows, width]
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    apart = np.where(np.isnan(apart), np.inf, apart)
    cosines = _cosines(a, b, same.all(axis=1))
    agree = np.argmax(a.real, axis=1) == np.argmax(b.real, axis=1) if floats else np.zeros(0, bool)
    return Drift(
        len(a),
        int(fixed_point(cosines).sum()),
        -float(cosines.min()),
        len(agree),
        int(agree.sum()),
        a.size,
        int(same.sum()),
        float(apart.max()),
    )


def _cosines(
    a: npt.NDArray[Any], b: npt.NDArray[Any], same: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """The cosine of each row; 1 of identical rows."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        # scaled, so that no square is lost or infinite
        a, b = (
            side / np.maximum(np.abs(side).max(axis=1, keepdims=True), 1e-300) for side in (a, b)
        )
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        dots = np.sum(a * b.conj(), axis=1).real
        cosines = np.where(norms > 0, dots / np.where(norms > 0, norms, 1), 0.0)
    return np.where(same, 1.0, np.clip(cosines, -1, 1))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
