"""Targets and predictions of labels, checked, and how often each meets each."""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.compat.sklearn._columns import (
    array_of,
    column,
    is_sparse,
    kind_of,
    length_of,
    same_lengths,
    weights_of,
)
from assay.compat.sklearn._encode import (
    distinct,
    encoded,
    is_text,
    kind_among,
    label_type,
    span_of,
)  # fmt: skip
from assay.ops import labels as ops

__all__ = ["Pair", "Sums"]

Array = npt.NDArray[Any]

FEW = 64  # classes whose whole table is counted


class Sums(NamedTuple):
    """Of each label (or row): how often it is right, predicted, and in the target."""

    right: Array
    predicted: Array
    true: Array


class Pair:
    """Labels y_true and y_pred [n], or rows of several labels [n, L], with weights [n] or None."""

    def __init__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        plain = _is_plain(y_true) and _is_plain(y_pred)
        same_lengths(y_true, y_pred, sample_weight)
        kinds = ("labels", "labels")
        if plain:
            self.true, self.pred = y_true, y_pred
        else:
            of_true, self.true = kind_of(y_true, "y_true")
            of_pred, self.pred = kind_of(y_pred, "y_pred")
            kinds = (of_true, of_pred)
        self.n = length_of(self.true)
        if self.n < 1:
            raise ValueError(
                "Found empty input array (e.g., `y_true` or `y_pred`) while a minimum of 1 sample "
                "is required."
            )
        self.weights = None if sample_weight is None else weights_of(sample_weight, self.n)
        self.multilabel = kinds[0] == "multilabel-indicator"
        if not plain:
            self._settle(kinds)

    def _settle(self, kinds: tuple[str, str]) -> None:
        if kinds[0] != kinds[1]:
            told = [kind if kind != "labels" else kind_among(distinct(column(side)))
                    for kind, side in zip(kinds, (self.true, self.pred), strict=True)]  # fmt: skip
            raise ValueError(
                f"Classification metrics can't handle a mix of {told[0]} and {told[1]} targets"
            )
        if self.multilabel:
            if self.true.shape[1] != self.pred.shape[1]:
                raise ValueError(
                    "Multi-label binary indicator input with different numbers of labels"
                )
            if is_sparse(self.true) or is_sparse(self.pred):
                from scipy.sparse import csr_array

                self.true, self.pred = csr_array(self.true), csr_array(self.pred)
            return
        if kinds[0] != "labels":
            raise ValueError(f"{kinds[0]} is not supported")
        try:
            self.true, self.pred = column(self.true), column(self.pred)
        except TypeError:
            raise TypeError(
                "Sparse input is only supported when targets are of multilabel type"
            ) from None
        if is_text(self.true) != is_text(self.pred):
            raise ValueError(
                "Mix of label input types (string and number); Got "
                f"{distinct(self.true)} and {distinct(self.pred)}."
            )

    @property
    def kind(self) -> str:
        """binary, multiclass or multilabel-indicator."""
        return "multilabel-indicator" if self.multilabel else kind_among(self.labels)

    @cached_property
    def _table(self) -> tuple[Array, Array] | None:
        """The labels and their matrix, where both are few whole numbers without weights."""
        sides = (self.true, self.pred)
        if self.multilabel or self.weights is not None:
            return None
        if not all(side.dtype.kind in "ib" for side in sides):
            return None
        cells, low = ops.binary_cells(*sides), 0
        if cells is not None:
            matrix = np.array(cells, np.int64).reshape(2, 2)
        else:
            low, span = span_of(*sides)
            if span > FEW:
                return None
            codes = [side.astype(np.int64, copy=False) for side in sides]
            own, guess = (code - low if low else code for code in codes)
            matrix = ops.count_cells(own, guess, span)
        in_true = matrix.any(axis=1)
        there = np.flatnonzero(in_true | matrix.any(axis=0))
        labels = (there + low).astype(label_type(sides, int(in_true.sum()), len(there)))
        return labels, matrix if len(there) == len(matrix) else matrix[np.ix_(there, there)]

    @cached_property
    def _codes(self) -> tuple[Array, list[Array]]:
        return encoded(self.true, self.pred)

    @cached_property
    def labels(self) -> Array:
        """The labels there are, in order."""
        if self.multilabel:
            return np.arange(self.true.shape[1])
        return self._codes[0] if self._table is None else self._table[0]

    @cached_property
    def matrix(self) -> Array:
        """[K, K] in order of `labels`, targets in rows: int64, or float64 where weights are."""
        if self._table is not None:
            return self._table[1]
        own, guess = self._codes[1]
        return self._counted(own, guess, len(self.labels))

    def _counted(self, own: Array, guess: Array, size: int) -> Array:
        if self.weights is None:
            return ops.count_cells(own, guess, size)
        return _added(own * size + guess, self.weights, size * size).reshape(size, size)

    def matrix_of(self, labels: Any) -> Array:
        """The same of some labels: what is none of them is left out."""
        places = {label: i for i, label in enumerate(labels.tolist())}
        if len(self.labels) <= FEW:
            found = [places.get(label, -1) for label in self.labels.tolist()]
            at = [(i, place) for i, place in enumerate(found) if place >= 0]
            out = np.zeros((len(labels), len(labels)), self.matrix.dtype)
            if at:
                rows, own = (np.array(side) for side in zip(*at, strict=True))
                out[np.ix_(own, own)] = self.matrix[np.ix_(rows, rows)]
            return out
        place_of = np.array([places.get(label, -1) for label in self.labels.tolist()])
        own, guess = (place_of[codes] for codes in self._codes[1])
        there = (own >= 0) & (guess >= 0)
        weights = None if self.weights is None else self.weights[there]
        if weights is None:
            return ops.count_cells(own[there], guess[there], len(labels))
        codes = own[there] * len(labels) + guess[there]
        return _added(codes, weights, len(labels) ** 2).reshape(len(labels), -1)

    @cached_property
    def in_true(self) -> Array:
        """Whether each of the labels is in y_true."""
        if self.weights is None:
            return self._sums.true > 0
        return np.bincount(self._codes[1][0], minlength=len(self.labels)) > 0

    @cached_property
    def _sums(self) -> Sums:
        """Of all labels."""
        if self.multilabel:
            return self.rows(axis=0)
        if self.weights is None and len(self.labels) <= FEW:
            table = self.matrix
            return self._as_theirs(table.diagonal(), table.sum(axis=0), table.sum(axis=1))
        size, (own, guess) = len(self.labels), self._codes[1]
        right = own == guess
        weights = None if self.weights is None else self.weights.astype(np.float64)
        hits = _added(own[right], None, size) if weights is None else (
            _added(own, weights * right, size))  # fmt: skip
        return self._as_theirs(hits, _added(guess, weights, size), _added(own, weights, size))

    def _as_theirs(self, right: Array, predicted: Array, true: Array) -> Sums:
        """As scikit-learn's are: rounded on their way through its matrices, and floats of columns
        in which nothing is right."""
        if not self.multilabel and not right.any():
            right, true = right.astype(np.float64), true.astype(np.float64)
        if self.weights is None:
            return Sums(right, predicted, true)
        return Sums(right, right + (predicted - right), right + (true - right))

    def rows(self, axis: int, labels: Any = None) -> Sums:
        """Of rows of several labels: of each label (axis 0) or each row (axis 1)."""
        true, pred = (
            side if labels is None else side[:, labels] for side in (self.true, self.pred)
        )
        if is_sparse(true):
            sides = (true.multiply(pred) != 0, pred != 0, true != 0)
        else:
            sides = ((true != 0) & (pred != 0), pred != 0, true != 0)
        if self.weights is None:
            return Sums(*(np.asarray(side.sum(axis=axis)) for side in sides))
        if axis == 0:
            weights = self.weights.astype(np.float64)
            places = [side.nonzero() for side in sides]
            sums = [_added(column, weights[row], true.shape[1]) for row, column in places]
            return self._as_theirs(*(np.asarray(side, np.float64) for side in sums))
        return Sums(*(np.asarray(side.sum(axis=1)) * self.weights for side in sides))

    def sums(self, labels: Any = None, *, samplewise: bool = False) -> Sums:
        """Of some labels, those that never occur with 0; samplewise: of each row."""
        if self.multilabel:
            if labels is not None:
                labels = array_of(labels)
                self._refuse(labels)
            if samplewise:
                return self.rows(1, labels)
            return self._sums if labels is None else self.rows(0, labels)
        if samplewise:
            raise ValueError(
                "Samplewise metrics are not available outside of multilabel classification."
            )
        if labels is None:
            return self._sums
        own = array_of(labels)
        if own.dtype.kind in "US" and not is_text(self.true) and len(self.labels):
            raise TypeError("labels must be of the type of y_true and y_pred")
        places = {label: i for i, label in enumerate(self.labels.tolist())}
        found = np.array([places.get(label, -1) for label in own.tolist()], np.int64)
        return Sums(*(np.where(found < 0, side.dtype.type(0), side[found]) for side in self._sums))

    def _refuse(self, labels: Array) -> None:
        size = self.true.shape[1]
        if labels.max() > size - 1:
            raise ValueError(
                "All labels must be in [0, n labels) for multilabel targets. "
                f"Got {labels.max()} > {size - 1}"
            )
        if labels.min() < 0:
            raise ValueError(
                "All labels must be in [0, n labels) for multilabel targets. "
                f"Got {labels.min()} < 0"
            )

    @cached_property
    def agreement(self) -> Array:
        """Where y_pred is right, in every label: bool [n]."""
        if not self.multilabel:
            return np.asarray(self.true == self.pred)
        return np.asarray(self.mistakes == 0)

    @cached_property
    def mistakes(self) -> Array:
        """Wrong labels of each row of several."""
        return np.asarray((self.true != self.pred).sum(axis=1)).reshape(-1)


def _is_plain(data: Any) -> bool:
    return type(data) is np.ndarray and data.ndim == 1 and data.dtype.kind in "iub"


def _added(codes: Array, weights: Array | None, size: int) -> Array:
    """How often each code occurs, or the sum of its weights, added in order of rows."""
    if weights is None:
        return np.bincount(codes, minlength=size)
    if weights.dtype.kind not in "iub":
        return np.bincount(codes, weights, minlength=size)
    weights = weights.astype(np.int64)
    if np.abs(weights, dtype=np.float64).sum() < 1 << 53:
        return np.bincount(codes, weights, minlength=size).astype(np.int64)
    sums = np.zeros(size, np.int64)
    np.add.at(sums, codes, weights)
    return sums
