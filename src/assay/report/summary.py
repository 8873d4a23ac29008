"""From journals of runs to the tables of a paper, and to their files.

folds(), stages() and ablation() have files of their own; here is what is written of them, and the
table of many runs.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace

from assay.core.errors import DataError, InputError
from assay.core.output import whole_file, write_whole, writing
from assay.core.score import Better
from assay.report.ablation import ablation
from assay.report.folds import folds, over_folds
from assay.report.groups import Records, as_records, chosen, directed, named, series_of, unique
from assay.report.pareto import pareto
from assay.report.render import Cell, Table, typed
from assay.report.stages import stages

__all__ = [
    "ablation",
    "folds",
    "over_folds",
    "pareto",
    "runs",
    "stacked",
    "stages",
    "write_folds",
    "write_stages",
    "write_tables",
]

_UNSAFE = re.compile(r"[/\\:\x00-\x1f\x7f\ud800-\udfff]")
_SHOWN = 4  # metrics of a run that a narrow terminal has


def runs(records: Records, metrics: Sequence[str] = ()) -> Table:
    """One row for each run: what tells it from the others, and the best value of each metric.

    records: runs or their directories. Columns: `run` (its name, or its directory where names
    repeat), `status`, the parameters and tags in which they differ, then metrics: those named, by
    default all that say which way is better; one that does not has its last value.
    InputError for an unknown metric.

    >>> from assay import Run
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for seed, accuracy in (1, 0.5), (2, 0.75):
    ...         with Run(f"{folder}/seed{seed}", params={"seed": seed}) as run:
    ...             run.log({"accuracy": accuracy}, direction="higher")
    ...     print(runs([f"{folder}/seed1", f"{folder}/seed2"]).to_text())
    Runs
    run    status    seed  higher/accuracy
    seed1  finished     1           0.5000
    seed2  finished     2           0.7500
    <BLANKLINE>
    """
    several = as_records(records, "runs")
    series = series_of(several, ())
    names = named(series)
    ways = {what: directed(one for one in series if one.what == what) for what in names}
    asked = [chosen(metric, names, "runs") for metric in metrics]
    sought = asked or [what for what, way in ways.items() if way]
    by_run: dict[int, dict[object, Cell]] = {id(record): {} for record in several}
    for one in series:
        best = one.best()
        by_run[id(one.record)][one.what] = best.value if best else one.last()
    settings = [record.tags | record.params for record in several]
    differing = [
        key
        for key in dict.fromkeys(key for own in settings for key in own)
        if len({str(own.get(key)) for own in settings}) > 1
    ]
    called = [record.name for record in several]
    if len(set(called)) < len(called):
        called = [record.directory for record in several]
    rows = [
        [
            called[i],
            record.status,
            *(_cell(settings[i].get(key)) for key in differing),
            *(by_run[id(record)].get(what) for what in sought),
        ]
        for i, record in enumerate(several)
    ]
    heads = unique(["run", "status", *differing, *(names[what] for what in sought)])
    first = len(heads) - len(sought)
    better: dict[str, Better] = {
        head: ways[what] for head, what in zip(heads[first:], sought, strict=True)
    }
    return Table("Runs", heads, rows, spare=max(0, len(sought) - _SHOWN), better=better)


def stacked(tables: Sequence[tuple[str | None, Table]], head: str) -> Table:
    """Tables of one kind as one, with a column in front that says whose rows they are; of a single
    table that one."""
    first = tables[0][1]
    if len(tables) == 1:
        return first
    columns = list(dict.fromkeys(name for _, table in tables for name in table.columns))
    rows: list[list[Cell]] = []
    for name, table in tables:
        for row in table.rows:
            own = dict(zip(table.columns, row, strict=True))
            rows.append([name, *(own.get(column) for column in columns)])
    notes = list(dict.fromkeys(table.note for _, table in tables if table.note))
    if len(notes) > 1:
        notes = [f"{name}: {table.note}" for name, table in tables if table.note]
    return replace(
        first, title=f"{first.title}, {head} by {head}", columns=unique([head, *columns]),
        rows=rows, note="; ".join(notes),
    )  # fmt: skip


def write_folds(
    records: Records,
    name: str,
    metric: str = "val_macro_f1",
    stage: str | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> list[str]:
    """Write what folds() finds; the paths. directory: by default that of the (first) run.

    fold_summary_NAME.csv, best_metrics_NAME.csv, and best_model_NAME with the ending of the file
    that `run.save(…, fold=…)` kept for the best fold, if it kept one. DataError where one cannot be
    written: that file is as it was before.
    """
    several = as_records(records, "write_folds")
    found = folds(several, metric, stage)
    into = several[0].directory if directory is None else os.fspath(directory)
    paths = [
        _write(found.table, into, f"fold_summary_{_plain(name)}.csv"),
        _write(found.aggregate, into, f"best_metrics_{_plain(name)}.csv"),
    ]
    model = found.best and found.best.model
    if model:
        if not os.path.isfile(model):
            raise DataError(f"{model}: the file that was saved for the best fold is not there")
        path = os.path.join(into, f"best_model_{name}{os.path.splitext(model)[1]}")
        with whole_file(path, "best_model.pt") as temporary, writing(path):
            shutil.copyfile(model, temporary)
        paths.append(path)
    return paths


def write_stages(
    records: Records,
    name: str,
    directory: str | os.PathLike[str] = "outputs",
    positive: str = "positive",
    *,
    baseline: str | None = None,
    significance: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """Write the table of stages() as pipeline_summary_NAME.csv; the path."""
    table = stages(records, positive, baseline=baseline, significance=significance)
    return _write(table, os.fspath(directory), f"pipeline_summary_{_plain(name)}.csv")


def write_tables(
    tables: Mapping[str, Table], name: str, directory: str | os.PathLike[str] = "outputs"
) -> list[str]:
    """Write each table, as those of Ablation.tables(), as its key and NAME: by_rank_NAME.csv; the
    paths."""
    keys = unique(_UNSAFE.sub("_", key) for key in tables)
    return [
        _write(table, os.fspath(directory), f"{key}_{_plain(name)}.csv")
        for key, table in zip(keys, tables.values(), strict=True)
    ]


def _write(table: Table, directory: str, name: str) -> str:
    path = os.path.join(directory, name)
    with writing(path):
        os.makedirs(directory, exist_ok=True)
    write_whole(path, table.to_csv().encode("utf-8", "replace"), "summary.csv")
    return path


def _plain(name: str) -> str:
    """A name that can be a part of a file's."""
    if not name or _UNSAFE.search(name):
        raise InputError(
            f"name must be a part of a file's name, without slashes, as in 'exp1', got {name!r}"
        )
    return name


def _cell(value: object) -> Cell:
    """A parameter as a cell."""
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return typed(value)
    return str(value)
