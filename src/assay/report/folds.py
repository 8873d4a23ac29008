"""Folds of a cross-validation: the best epoch of each, and the mean over them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from assay.core.errors import DataError, InputError
from assay.core.paths import path_inside
from assay.core.record import RunRecord, group_of
from assay.core.score import Better, flat_key
from assay.report.groups import (
    Identity,
    Mean,
    Records,
    Series,
    as_records,
    chosen,
    directed,
    mean,
    named,
    natural,
    series_of,
    unique,
)
from assay.report.render import Cell, Table

__all__ = ["Fold", "Folds", "folds", "over_folds"]

# A table of folds has a column for each of these, in this order, and then for what else there is.
_COLUMNS = (
    "val_loss",
    "val_accuracy",
    "val_macro_f1",
    "val_f1",
    "val_roc_auc",
    "val_best_threshold",
)

LEVEL = 0.95


class Fold(NamedTuple):
    """best_epoch: the first step that has the best value; None where there is none. values: of that
    epoch, by flat name. model: the path of the file that `run.save(…, fold=…)` kept, or None."""

    name: str
    best_epoch: int | None
    values: Mapping[str, float]
    model: str | None


class Folds(NamedTuple):
    """What folds() finds.

    metric: the flat name of what the best epoch is chosen by. best: the fold whose best epoch is
    the best of all, the first of equals; None where no fold has a value. means: of each metric over
    the folds. table: `fold, best_epoch`, then metrics. aggregate: `metric, mean, std, n, low,
    high`.
    """

    metric: str
    stage: str | None
    folds: Sequence[Fold]
    best: Fold | None
    means: Mapping[str, Mean]
    table: Table
    aggregate: Table


def folds(records: Records, metric: str = "val_macro_f1", stage: str | None = None) -> Folds:
    """The best epoch of each fold by a metric, all metrics of that epoch, and their means.

    records: a run or its directory, or several: folds are told by the tag `fold` of metrics or of
    whole runs. stage: which one's, if several stages have folds. Higher or lower is better as a
    Score of the metric says, else its name; NaN is never best. The mean is over the folds that have
    a value, n says how many; std has n - 1 in the denominator and is nan for one fold, as is the
    95 % interval of the mean by Student's t.

    InputError without folds, for an unknown metric or stage, one that says no direction, and a fold
    that two runs have.

    >>> from assay import Run
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Run(folder) as run:
    ...         for fold, value in (1, 0.7), (2, 0.8):
    ...             run.log({"val_macro_f1": value, "val_loss": 0.5}, step=4, fold=fold)
    ...     found = folds(folder)
    >>> found.best.name, found.best.best_epoch, round(found.means["val_macro_f1"].std, 4)
    ('2', 4, 0.0707)
    """
    several = as_records(records, "folds")
    of_stage = _of_stage(several, stage)
    names = named(of_stage)
    what = chosen(metric, names, "folds")
    better = directed(one for one in of_stage if one.what == what)
    if better is None:
        raise InputError(
            f"folds: nothing says whether {names[what]!r} is better when it is higher; log a "
            "Score, or call it as in val_loss or val_macro_f1"
        )
    by_fold: dict[str, dict[Identity, Series]] = {}
    for one in of_stage:
        own = by_fold.setdefault(one.tags["fold"], {})
        if one.what in own:
            raise InputError(
                f"folds: fold {one.tags['fold']!r} has {names[one.what]!r} twice, in "
                f"{own[one.what].record.directory} and {one.record.directory}; give one of them"
            )
        own[one.what] = one
    refused: list[str] = []
    found = [
        _fold(name, by_fold[name], what, names, refused) for name in sorted(by_fold, key=natural)
    ]
    usable = [fold for fold in found if fold.best_epoch is not None]
    pick = max if better == "higher" else min
    best = pick(usable, key=lambda fold: fold.values[names[what]], default=None)
    columns = list(dict.fromkeys((*_COLUMNS, *names.values())))
    means = {
        name: mean((fold.values.get(name) for fold in found), LEVEL)
        for name in columns
        if name in names.values()
    }
    directions = {
        name: directed(s for s in of_stage if s.what == own) for own, name in names.items()
    }
    return Folds(
        names[what],
        of_stage[0].tags.get("stage"),
        found,
        best,
        means,
        Table(
            f"Best epoch of each fold by {names[what]}",
            unique(("fold", "best_epoch", *columns)),
            [(f.name, f.best_epoch, *(f.values.get(name) for name in columns)) for f in found],
            spare=len(columns) - len(_COLUMNS),
            note="; ".join(filter(None, [_left_out(found, names[what]), *refused])),
            better=directions,
        ),
        Table(
            f"Mean over {len(found)} folds" if len(found) > 1 else "The one fold",
            ("metric", "mean", "std", "n", "low", "high"),
            [(name, m.mean, m.std, m.n, m.low, m.high) for name, m in means.items()],
            note=_about_means([*means.values()], len(found)),
        ),
    )


def over_folds(found: Sequence[tuple[str, Folds]]) -> Table:
    """Several cross-validations side by side: a row for each, with the mean of each metric over its
    folds, and their standard deviation.

    found: what each is called, and what folds() finds. Columns: `run`, `stage`, `folds` that have a
    best epoch, then metrics, the one that chooses the epoch first.
    """
    first = dict.fromkeys(own.metric for _, own in found)
    names = list(first | dict.fromkeys(name for _, own in found for name in own.means))
    heads = unique(["run", "stage", "folds", *(h for n in names for h in (n, f"{n} std"))])
    means, stds = heads[3::2], heads[4::2]
    better: dict[str, Better] = {}
    for head, name in zip(means, names, strict=True):
        better[head] = next((own.table.better.get(name) for _, own in found), None)
    rows: list[list[Cell]] = []
    for name, own in found:
        usable = sum(fold.best_epoch is not None for fold in own.folds)
        row: list[Cell] = [name, own.stage, usable]
        for metric in names:
            row += [*own.means[metric][:2]] if metric in own.means else [None, None]
        rows.append(row)
    notes = [f"{name}: {own.table.note}" for name, own in found if own.table.note]
    return Table(
        f"Means over folds, at the best epoch of each by {', '.join(first)}", heads, rows,
        spare=max(0, len(heads) - 5), note="; ".join(notes),
        spread=dict(zip(means, stds, strict=True)), better=better,
    )  # fmt: skip


def _of_stage(records: Sequence[RunRecord], stage: str | None) -> list[Series]:
    """Metrics of folds, of one stage, or of none if there are such."""
    where = ", ".join(record.directory for record in records[:3])
    where += ", …" if len(records) > 3 else ""
    tagged = [one for one in series_of(records) if "fold" in one.tags]
    if not tagged:
        raise InputError(f"folds: nothing in {where} is of a fold; log it as run.log(…, fold=1)")
    stages = list(dict.fromkeys(one.tags.get("stage") for one in tagged))
    known = ", ".join(repr(own) for own in stages if own is not None) or "none"
    if stage is None and None not in stages:
        if len(stages) > 1:
            raise InputError(f"folds: several stages of {where} have folds; give one, of {known}")
        stage = stages[0]
    if stage not in stages:
        raise InputError(
            f"folds: stage must be one that has folds, got {stage!r}; there is {known}"
        )
    return [one for one in tagged if one.tags.get("stage") == stage]


def _fold(
    name: str,
    series: Mapping[Identity, Series],
    what: Identity,
    names: Mapping[Identity, str],
    refused: list[str],
) -> Fold:
    best = series[what].best() if what in series else None
    values = {}
    if best is not None:
        for own, one in series.items():
            value = one.values().get(best.step)
            if value is not None:
                values[names[own]] = value
    first = next(iter(series.values()))
    try:
        model = _model(first.record, first.tags)
    except DataError as error:
        model = None
        refused.append(f"fold {name}: its model is left out, as {error}")
    return Fold(name, best.step if best else None, values, model)


def _model(record: RunRecord, tags: Mapping[str, str]) -> str | None:
    """The file that was saved for a stage and fold: one called best, or the only one."""
    group = group_of(tags)
    folder = flat_key("", dict(group)).removesuffix("_")
    found = [
        file
        for file in record.artifacts
        if file.path.startswith("models/")
        and (group_of({**record.tags, **file.tags}) == group or file.name.startswith(folder))
    ]
    called = [file for file in found if file.name.rpartition("/")[2].startswith("best")] or found
    return path_inside(record.directory, called[0].path) if len(called) == 1 else None


def _left_out(found: Sequence[Fold], metric: str) -> str:
    """Which folds have no best epoch."""
    empty = ", ".join(fold.name for fold in found if fold.best_epoch is None)
    return empty and f"fold {empty}: left out, as {metric} is nan or missing at every epoch"


def _about_means(means: Sequence[Mean], folds: int) -> str:
    if folds < 2:
        return "one fold only: a standard deviation and an interval of the mean need two"
    note = f"low, high: {100 * LEVEL:g} % interval of the mean by Student's t, a little too narrow "
    note += "as folds share training items"
    if any(one.n < folds for one in means):
        note += f"; n: of {folds} folds those with a value"
    return note
