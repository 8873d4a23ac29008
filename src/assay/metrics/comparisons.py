"""What intervals and comparisons come out as."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from assay.core.errors import InputError
from assay.core.optional import require
from assay.metrics.significance import holm_adjusted

__all__ = ["Comparison", "Interval", "holm"]


class _Row:
    """A result that shows itself as one row of a table."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dataclasses.asdict(self)  # type: ignore[call-overload,no-any-return]

    def to_pandas(self) -> Any:
        """A pandas DataFrame of one row; pandas.concat joins several."""
        pd = require("pandas")

        return pd.DataFrame([self.as_dict()])

    def _repr_html_(self) -> str:
        from html import escape

        row = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in self.as_dict().items()}
        head, cells = (
            "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in line)
            for tag, line in (("th", row), ("td", row.values()))
        )
        return f"<table><tr>{head}</tr><tr>{cells}</tr></table>"


@dataclasses.dataclass(frozen=True)
class Interval(_Row):
    """A score and where it could as well have been.

    low, high: nan where nothing varies that could be drawn again (a single item). n: items.
    clusters: how many groups of items were drawn instead, or None. resamples: 0 where there were
    none, and then seed is None. undefined: resamples without a value (a denominator of 0), which
    are left out.
    """

    metric: str
    value: float
    low: float
    high: float
    level: float
    method: str
    n: int
    resamples: int = 0
    seed: int | None = None
    clusters: int | None = None
    undefined: int = 0


@dataclasses.dataclass(frozen=True)
class Comparison(_Row):
    """Two systems over the same items: delta = value_b - value_a, its interval, and a p-value.

    p_value: two-sided, of no difference. p_adjusted: the same among several comparisons, see
    holm(). better: which of "higher" and "lower" is. The others as in Interval.
    """

    metric: str
    value_a: float
    value_b: float
    delta: float
    low: float
    high: float
    p_value: float
    level: float
    method: str
    n: int
    resamples: int = 0
    seed: int | None = None
    clusters: int | None = None
    undefined: int = 0
    better: str | None = None
    p_adjusted: float | None = None


def holm(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """The same comparisons with p_adjusted: of all that were looked at, give all.

    Source: Holm, Scandinavian Journal of Statistics 1979.

    >>> from assay import compare, count_labels
    >>> target = [0, 1] * 20
    >>> a = count_labels(target, [0, 1, 1, 1] * 10, items=True)
    >>> b = count_labels(target, target, items=True)
    >>> both = holm(compare(a, b, name, method="permutation") for name in ("accuracy", "f1"))
    >>> [round(one.p_adjusted, 4) for one in both]
    [0.0039, 0.0039]
    """
    if isinstance(comparisons, (str, Comparison)) or not np.iterable(comparisons):
        raise InputError(f"holm: comparisons must be several, got {comparisons!r}")
    given = list(comparisons)
    for one in given:
        if not isinstance(one, Comparison):
            raise InputError(f"holm: comparisons must be what compare() returns, got {one!r}")
    adjusted = holm_adjusted([one.p_value for one in given])
    return [dataclasses.replace(one, p_adjusted=p) for one, p in zip(given, adjusted, strict=True)]
