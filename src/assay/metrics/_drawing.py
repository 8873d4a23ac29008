"""Drawing the items of states again: what intervals and comparisons share."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.checks import one_of
from assay.core.errors import InputError
from assay.core.resampling import Items, RankedItems, Replicates, Resampled
from assay.metrics.significance import check_level
from assay.ops import resample
from assay.ops.groups import group_codes

__all__ = ["Asked", "check", "clusters", "for_areas", "minus", "percentiles", "replicates"]
__all__ += ["shares", "size", "units"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Asked(NamedTuple):
    """How it is drawn. cluster: codes of the items, or None."""

    level: float
    resamples: int
    seed: int
    cluster: Ints | None

    @property
    def drawn(self) -> dict[str, Any]:
        number = None if self.cluster is None else int(self.cluster.max(initial=-1)) + 1
        return {"resamples": self.resamples, "seed": self.seed, "clusters": number}


def replicates(
    value_of: Callable[[str, Ints], Floats], given: Mapping[str, Any], asked: Asked
) -> dict[str, Floats]:
    """The values of every resample of what is given by name, all of the same items."""
    values: dict[str, Floats] = {}
    tables = {name: items for name, items in given.items() if isinstance(items, Items)}
    for name, totals in _totals(tables, asked).items():
        values[name] = value_of(name, totals)
    for name, items in given.items():
        if isinstance(items, Replicates):
            values[name] = value_of(name, items.totals)
        elif isinstance(items, RankedItems):
            values[name] = _of_order(items, asked)
    return {name: values[name] for name in given}


def _of_order(items: RankedItems, asked: Asked) -> Floats:
    """The mean over columns, each under the same weights."""
    columns = [np.atleast_2d(side.T) for side in (items.positive, items.score)]
    total: Any = 0
    for positive, score in zip(*columns, strict=True):
        if items.of == "roc_auc" and items.weight is None:
            ranked = resample.rank(positive, score, asked.cluster)
            total += resample.aucs(ranked, asked.resamples, asked.seed)
        else:
            ordered = resample.ordered(positive, score, items.weight, asked.cluster)
            precise = items.of == "average_precision"
            total += resample.curves(ordered, asked.resamples, asked.seed, precise=precise)
    return np.asarray(total / len(columns[0]))


def _totals(tables: Mapping[str, Items], asked: Asked) -> dict[str, Ints]:
    """Totals of all, drawn together; a column that several of them have is drawn once."""
    if not tables:
        return {}
    first = next(iter(tables.values()))
    distinct: dict[bytes, int] = {}
    columns: list[Ints] = []
    places: dict[str, list[int]] = {}
    for name, items in tables.items():
        places[name] = []
        for column in items.columns.T:
            place = distinct.setdefault(column.tobytes(), len(distinct))
            places[name].append(place)
            if place == len(columns):
                columns.append(column)
    totals = resample.totals(
        np.column_stack(columns), asked.resamples, asked.seed,
        counts=first.counts, cluster=asked.cluster,
    )  # fmt: skip
    return {name: totals[:, place] for name, place in places.items()}


def percentiles(values: Floats, level: float) -> tuple[float, float, int]:
    """The middle `level` of the values, and how many are not defined; infinities are values."""
    ordered = np.sort(values[~np.isnan(values)])
    undefined = len(values) - len(ordered)
    if not len(ordered):
        return math.nan, math.nan, undefined
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        at = share * (len(ordered) - 1)
        below, above = ordered[math.floor(at)], ordered[math.ceil(at)]
        part = at - math.floor(at)
        ends.append(float(below if below == above else below + (above - below) * part))
    return ends[0], ends[1], undefined


def minus(x: Floats, y: Floats) -> Floats:
    """x - y, nan of two infinities."""
    with np.errstate(invalid="ignore"):
        return np.asarray(x - y)


# -- what is given ---------------------------------------------------------------------------------


def check(state: Any, metric: Any, level: float, method: str, known: Mapping[str, Any]) -> None:
    if not hasattr(state, "resampling"):
        raise InputError(
            f"{type(state).__name__} does not tell of its items; assay.core.resampling says how a "
            "state does"
        )
    if not isinstance(metric, str):
        raise InputError(f"metric must be the name of a score, got {metric!r}")
    check_level(level)
    one_of(method, "method", known)


def clusters(cluster: Any, items: Any) -> Ints | None:
    if cluster is None:
        return None
    if isinstance(items, RankedItems) and items.ids is None:  # in another order than they came
        raise InputError("cluster needs single items; count with items=True")
    if items is None or isinstance(items, Replicates) or getattr(items, "counts", None) is not None:
        raise InputError("cluster needs single items; this state has sums of them only")
    return group_codes({"cluster": cluster}, size(items))[1]


def size(items: Any) -> int:
    """How many items there are."""
    if isinstance(items, Replicates):
        return items.units
    if isinstance(items, RankedItems):
        return len(items.score)
    return len(items.columns) if items.counts is None else int(items.counts.sum())


def units(items: Any, asked: Asked) -> int:
    """How many things are drawn."""
    return size(items) if asked.cluster is None else int(asked.drawn["clusters"])


def shares(
    state: Resampled, metric: str, items: Any, method: str
) -> tuple[npt.NDArray[np.bool_], Ints]:
    """Which rows have the value 1, and how many items each is, where the score is their share."""
    if isinstance(items, Items) and items.weight is None:
        counts = np.ones(len(items.columns), np.int64) if items.counts is None else items.counts
        own = state.value_of(metric, items.columns)
        share = float((own * counts).sum() / max(counts.sum(), 1))
        if np.all((own == 0) | (own == 1)) and (
            not counts.sum() or math.isclose(share, state[metric], abs_tol=1e-9)
        ):
            return own == 1, counts
    raise InputError(
        f"{method}: {metric} is not a share of items that are right or wrong; use "
        "method='bootstrap'"
    )


def for_areas(metric: str, items: Any, asked: Asked) -> None:
    if not isinstance(items, RankedItems) or items.of != "roc_auc" or items.score.ndim > 1:
        raise InputError(f"delong: {metric} is no area under one ROC curve; use 'bootstrap'")
    if items.weight is not None:
        raise InputError("delong: items count one each; use method='bootstrap' with weights")
    if asked.cluster is not None:
        raise InputError("delong: items count one by one; use method='bootstrap' with cluster")
