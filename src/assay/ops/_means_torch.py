"""Values on a device: exact sums of them there, and rows that are kept."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assay.ops._held_torch import Bad, Columns, Counter, Held, first_bad
from assay.ops._labels_torch import _add_limbs, _limbs
from assay.ops.exact import LIMBS

__all__ = ["MeanCounter", "RowKeeper", "Sums"]


class Sums(NamedTuple):
    """limbs [2, LIMBS]: of weight times value, and of weights. counts [4]: items, and those whose
    value is NaN, inf, -inf. bad: the first weight that is none."""

    limbs: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    bad: Bad | None


@dataclass(frozen=True)
class MeanCounter(Counter):
    """Adds columns value [n] and, if weighted, weight [n]."""

    weighted: bool

    @property
    def folds(self) -> bool:
        """Sums have a bounded size."""
        return True

    def fold(self, columns: Columns) -> tuple[Tensor, Tensor]:
        """The sums of some items; see Counter."""
        values = columns[0].double()
        bad = torch.zeros_like(values, dtype=torch.bool)
        table = torch.zeros(2 * LIMBS + 5, dtype=torch.int64, device=values.device)
        sums, counts = table[: 2 * LIMBS], table[2 * LIMBS :]
        counts[0] = len(values)
        if self.weighted:
            weights = columns[1].double()
            bad = ~(weights.isfinite() & (weights >= 0))
            row = torch.ones_like(values, dtype=torch.int64)
            _add_limbs(sums, row, *_limbs(weights, bad))
            values = (values * weights).masked_fill(bad | (weights == 0), 0.0)
        special = (values.isnan(), values == torch.inf, values == -torch.inf)
        for place, there in enumerate(special):
            counts[1 + place] = there.sum()
        _add_limbs(sums, torch.zeros_like(values, dtype=torch.int64),
                   *_limbs(values, ~values.isfinite()))  # fmt: skip
        counts[4] = bad.sum()
        return table, first_bad(bad, columns)

    def found(self, held: Held) -> Sums:
        """See Counter."""
        table, bad = held.totals()
        if table is None:
            table = np.zeros(2 * LIMBS + 5, np.int64)
        return Sums(table[: 2 * LIMBS].reshape(2, LIMBS), table[2 * LIMBS : -1], bad)


@dataclass(frozen=True)
class RowKeeper(Counter):
    """Keeps its columns; equal keys are of one state."""

    key: Any

    @property
    def folds(self) -> bool:
        """Rows do not."""
        return False

    def fold(self, columns: Columns) -> tuple[Tensor, Tensor]:
        """Never called."""
        raise NotImplementedError

    def found(self, held: Held) -> tuple[npt.NDArray[Any], ...]:
        """The columns, on the host."""
        return tuple(column.cpu().numpy() for column in held.columns())
