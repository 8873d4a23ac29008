"""The sections of a page about runs: which tables and diagrams there are, and what is left out."""

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from assay.core.errors import DataError, InputError
from assay.core.record import RunRecord
from assay.report import page_figures as draw
from assay.report.folds import Folds, folds, over_folds
from assay.report.groups import Series, chosen, named, series_of
from assay.report.page_figures import Figure
from assay.report.page_pictures import Picture, pictures
from assay.report.page_settings import fronts, settings_of, trends
from assay.report.render import Cell, Table, json_value
from assay.report.stages import stages, with_stages_alike
from assay.report.summary import runs, stacked

__all__ = ["Card", "Section", "Significance", "comparison", "details", "sections_of", "when"]

CARDS = 6
ROWS = 1000  # of a table
COLUMNS = 24
UNITS = ("ms", "s", "bytes", "%", "GB", "MB")  # that are seen behind a number
COMPARED = 3  # runs that are side by side at first

# From the runs of a pipeline to stage -> metric -> p, and a note.
Significance = Callable[[Sequence[RunRecord]], tuple[Mapping[str, Mapping[str, float]], str]]


class Card(NamedTuple):
    """A figure to see at once: its name, its value, and what is told of it."""

    name: str
    value: str
    about: str


class Section(NamedTuple):
    """A part of the page. key: its address. explorer: items are shown in it."""

    key: str
    title: str
    cards: Sequence[Card] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    explorer: bool = False
    pictures: Sequence[Picture] = ()


def sections_of(
    records: Sequence[RunRecord],
    metric: str | None,
    positive: str,
    figures: Sequence[Figure],
    significance: Significance | None = None,
) -> list[Section]:
    """All sections that the runs have something for, but the details."""
    if not records:
        return [Section("thresholds", "Thresholds", figures=figures)] if figures else []
    judged = judged_by(records, metric)
    found = [_overview(records, judged)]
    several = len(records) > 1
    if several:
        table = runs(records)
        found.append(Section("runs", "Runs", tables=[_within(_judged_first(table, judged))]))
        found.append(Section("compare", "Side by side"))
    drawn, notes = draw.curves(records, judged)
    if drawn:
        found.append(Section("curves", "Training", figures=drawn, notes=notes))
    found += _folds(records, judged)
    found += _stages(records, positive, significance or _untested)
    found += _settings(records, judged)
    drawn, notes = draw.thresholds(records)
    if drawn or figures:
        both = [*drawn, *figures]
        found.append(Section("thresholds", "Thresholds", figures=both, notes=notes))
    drawn, notes = draw.histograms(records)
    if several:
        sampled = any(name.startswith("system/") for own in records for name in own.metrics)
        notes += ["Memory over time is drawn on the page of one run alone."] * sampled
    else:
        drawn += draw.memory(records[0])
    if drawn or notes:
        found.append(Section("cost", "Time and memory", figures=drawn, notes=notes))
    kept, notes = pictures(records)
    if kept or notes:
        found.append(Section("pictures", "Pictures", pictures=kept, notes=notes))
    return found


def comparison(records: Sequence[RunRecord], metric: str | None) -> dict[str, Any]:
    """What the page needs to put runs side by side: a row for each setting and metric. At first
    the best are."""
    judged = judged_by(records, metric)
    table = _judged_first(runs(records), judged)
    kept = table.rows[:ROWS]
    rows = [
        {"name": name, "better": table.better.get(name), "values": [json_value(r[c]) for r in kept]}
        for c, name in enumerate(table.columns)
        if c
    ]
    places = {id(record): place for place, record in enumerate(records[: len(kept)])}
    best = [places[id(one.record)] for one in draw.best_first(records[: len(kept)], judged)]
    first = list(dict.fromkeys([*best, *places.values()]))[:COMPARED]
    return {"runs": [row[0] for row in kept], "rows": rows, "first": first}


def when(seconds: float) -> str:
    """A time of a journal, to the minute."""
    if not seconds:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


# -- what is looked at -----------------------------------------------------------------------------


def judged_by(records: Sequence[RunRecord], metric: str | None) -> str | None:
    """The metric that runs are judged by, without stage and fold, as flat names are written."""
    series = series_of(records)
    ways = {one.metric.key_in_group: one.metric.direction for one in series}
    if metric is not None and metric not in ways:
        what = chosen(metric, named(series), "page")  # or says which there are
        return next(one.metric.key_in_group for one in series if one.what == what)
    if metric is not None:
        return metric
    if "val_macro_f1" in ways:
        return "val_macro_f1"
    usable = [name for name, way in ways.items() if way]
    better = [name for name in usable if ways[name] == "higher"]
    validated = [name for name in better or usable if name.startswith(("val", "test"))]
    return next(iter(validated or better or usable), None)


def _best(records: Sequence[RunRecord], judged: str | None) -> dict[str, tuple[float, Series]]:
    """The best value of each metric over all runs, stages and folds, the one judged by first."""
    found: dict[str, tuple[float, Series]] = {}
    for one in series_of(records):
        best, name = one.best(), one.metric.key_in_group
        if best is None:
            continue
        sign = 1 if one.metric.direction == "higher" else -1
        if name not in found or sign * best.value > sign * found[name][0]:
            found[name] = best.value, one
    order = sorted(found, key=lambda name: (name != judged, not name.startswith(("val", "test"))))
    return {name: found[name] for name in order}


def _overview(records: Sequence[RunRecord], judged: str | None) -> Section:
    cards = []
    several = len(records) > 1
    for name, (value, one) in list(_best(records, judged).items())[:CARDS]:
        best = one.best()
        where = [one.record.name] if several else []
        where += [f"{tag} {own}" for tag, own in one.metric.group]
        if best is not None and len(one.values()) > 1:
            where.append(f"step {best.step}")
        about = ", ".join(where) or f"{one.metric.direction} is better"
        cards.append(Card(name, _number(value, one.metric.unit), about))
    notes = []
    if not several:
        record = records[0]
        notes = [*record.pipeline().values()][1:]
        notes += [f"The run failed: {record.error}"] * (record.status == "failed")
        if record.ended and record.started:
            cards.append(Card("duration", _duration(record.ended - record.started), "of the run"))
    return Section("overview", "Overview", cards=cards, notes=notes)


def _number(value: float, unit: str) -> str:
    """To four digits, or in full where it is a whole number."""
    whole = math.isfinite(value) and value == int(value) and abs(value) < 1e15
    shown = f"{value:,.0f}" if whole else f"{value:.4g}"
    return f"{shown} {unit}" if unit in UNITS else shown


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


# -- parts -----------------------------------------------------------------------------------------


def _folds(records: Sequence[RunRecord], judged: str | None) -> list[Section]:
    """Of one run, or of runs that are a fold each; of several runs with folds a row each."""
    tagged = [one for one in series_of(records) if "fold" in one.tags]
    if not tagged or judged is None:
        return []
    tables: list[Table] = []
    figures: list[Figure] = []
    notes: list[str] = []
    of_runs: list[tuple[str, Folds]] = []
    of_folds: list[tuple[str | None, Table]] = []
    means: list[tuple[str | None, Table]] = []
    whole = len(records) == 1 or all("fold" in record.tags for record in records)
    for group in [list(records)] if whole else [[record] for record in records]:
        own = [one for one in tagged if one.record in group]
        for stage in dict.fromkeys(one.tags.get("stage") for one in own):
            try:
                found = folds(group, judged, stage)
            except InputError as error:
                notes.append(str(error))
                continue
            title = f"Stage {stage}: " if stage else ""
            if whole:
                of_folds.append((stage, found.table))
                means.append((stage, found.aggregate))
                drawn, left = draw.spreads(found, title + "folds at their best epochs")
                figures += drawn
                notes += left
            else:
                of_runs.append((group[0].name, found))
    tables += [stacked(own, "stage") for own in (of_folds, means) if own]
    if of_runs:
        tables.append(_within(over_folds(of_runs)))
    return [Section("folds", "Folds", figures=figures, tables=tables, notes=_few(notes))]


def _stages(
    records: Sequence[RunRecord], positive: str, significance: Significance
) -> list[Section]:
    def table_of(own: Sequence[RunRecord]) -> Table:
        try:
            p_values, note = significance(own)
        except DataError as error:
            p_values, note = {}, f"no p: {error}"
        table = stages(own, positive, significance=p_values)
        return replace(table, note="; ".join(filter(None, (table.note, note))))

    if not any("stage" in one.tags for one in series_of(records)):
        return []
    if (own := with_stages_alike(records)) is not None:
        table = _within(stacked([(one.name, table_of([one])) for one in own], "run"))
        return [Section("stages", "Stages", tables=[table])]
    try:
        table = table_of(records)
    except InputError as error:
        return [Section("stages", "Stages", notes=[str(error)])]
    return [Section("stages", "Stages", figures=draw.stage_figures(table), tables=[table])]


def _untested(records: Sequence[RunRecord]) -> tuple[Mapping[str, Mapping[str, float]], str]:
    return {}, ""


def _settings(records: Sequence[RunRecord], judged: str | None) -> list[Section]:
    """What settings do to the metric, and what it costs."""
    if judged is None:
        return []
    settings = settings_of(records, judged)
    drawn, tables, notes = trends(records, settings)
    # of one run without trials the stages have such a picture
    figures = [*(fronts(records, settings) if drawn or len(records) > 1 else ()), *drawn]
    if not (figures or notes):
        return []
    return [Section("settings", "Settings", figures=figures, tables=tables, notes=notes)]


def details(records: Sequence[RunRecord], further: Sequence[str] = ()) -> Section:
    """What was logged, as lists; of several runs what they share."""
    several = len(records) > 1
    files: list[list[Cell]] = [
        [*([record.name] if several else []), file.kind, file.name, file.path]
        for record in records
        for file in record.files.values()
    ]
    tables = [_shared(records)] if several else [_metrics(records[0]), _params(records[0])]
    head = ("run",) if several else ()
    tables.append(Table("Files in the run's directory", (*head, "kind", "name", "path"), files))
    versions = ", ".join(f"{name} {own}" for name, own in sorted(records[0].versions.items()))
    notes = [f"Versions: {versions}" + " (of the first run)" * several] if versions else []
    there = [_within(table) for table in tables if table.rows]
    return Section("details", "All that was logged", tables=there, notes=[*further, *notes])


def _metrics(record: RunRecord) -> Table:
    rows: list[list[Cell]] = []
    for one in series_of([record]):
        best, metric = one.best(), one.metric
        found = (best.value, best.step) if best else (None, None)
        told = (metric.direction or "", metric.unit)
        rows.append([metric.key, *found, one.last(), len(one.values()), *told])
    heads = ("metric", "best", "at step", "last", "points", "better", "unit")
    return Table("Metrics", heads, rows)


def _params(record: RunRecord) -> Table:
    groups: dict[str, Mapping[str, Any]] = {"": record.params, "(tag)": record.tags}
    for group, more in record.group_params.items():
        groups[", ".join(f"{tag} {value}" for tag, value in group)] = more
    rows = [[name, told, str(value)] for told, own in groups.items() for name, value in own.items()]
    return Table("Parameters and tags", ("name", "of", "value"), rows)


def _shared(records: Sequence[RunRecord]) -> Table:
    first, *others = ({**record.tags, **record.params} for record in records)
    rows = [[name, str(value)] for name, value in first.items()
            if all(name in own and own[name] == value for own in others)]  # fmt: skip
    return Table("Parameters and tags that all runs share", ("name", "value"), rows)


def _judged_first(table: Table, judged: str | None) -> Table:
    """The metric that runs are judged by before all others."""
    settings = len(table.columns) - len(table.better)
    metrics = sorted(range(settings, len(table.columns)),
                     key=lambda c: table.columns[c].rpartition("/")[2] != judged)  # fmt: skip
    places = [*range(settings), *metrics]
    rows = [[row[c] for c in places] for row in table.rows]
    return replace(table, columns=[table.columns[c] for c in places], rows=rows)


def _within(table: Table) -> Table:
    """The table as far as a page has room, and a note of what is left out."""
    said = []
    rows, columns = table.rows, table.columns
    if len(rows) > ROWS:
        said.append(f"the first {ROWS:,} of {len(rows):,} rows")
    if len(columns) > COLUMNS:
        said.append(f"the first {COLUMNS} of {len(columns)} columns")
    if not said:
        return table
    note = f"{table.note}; " if table.note else ""
    return replace(
        table, columns=columns[:COLUMNS], rows=[row[:COLUMNS] for row in rows[:ROWS]],
        note=f"{note}here are {' and '.join(said)}", spare=0,
        spread={m: s for m, s in table.spread.items() if {m, s} <= {*columns[:COLUMNS]}},
    )  # fmt: skip


def _few(notes: Sequence[str]) -> list[str]:
    """Different ones, three of many."""
    found = list(dict.fromkeys(notes))
    return found[:3] + [f"… and {len(found) - 3} more of the kind."] * (len(found) > 3)
