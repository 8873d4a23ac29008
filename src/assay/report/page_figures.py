"""Which diagrams the journals of runs allow, drawn as SVG."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from assay.core.record import Histogram, RunRecord
from assay.report import plot
from assay.report.folds import Folds
from assay.report.groups import Series, directed, series_of
from assay.report.plot_ablation import Bars, stage_bars
from assay.report.plot_efficiency import latency_distribution, vram_timeline
from assay.report.plot_pareto import Point, pareto_scatter
from assay.report.plot_training import NAMED, Spread, fold_spread, training_curves
from assay.report.plot_training import Series as Line
from assay.report.render import Table

__all__ = ["Figure", "best_first", "curves", "histograms", "memory", "number", "spreads"]
__all__ += ["stage_figures", "thresholds"]

CURVES = 12  # metrics that are drawn
HISTOGRAMS = 6
THRESHOLDS, CURVES_OF_ONE = 6, 6  # diagrams by threshold, and metrics in one
SPREADS = 12  # metrics of folds

# Endings of names of durations, and nanoseconds in one.
TIMES = {"_ns": 1.0, "_us": 1e3, "_ms": 1e6, "_s": 1e9}


class Figure(NamedTuple):
    """A diagram: what it is of, and its <svg> element."""

    title: str
    svg: bytes


def curves(records: Sequence[RunRecord], judged: str | None) -> tuple[list[Figure], list[str]]:
    """Each metric by step, a line for each run, stage and fold, the same colour in all pictures;
    the metric that runs are judged by is the first. And what is left out."""
    by_name: dict[str, list[Series]] = {}
    for one in series_of(records):
        if len(one.record.series(one.metric.key)[0]) > 1:
            by_name.setdefault(one.metric.key_in_group, []).append(one)
    names = sorted(by_name, key=lambda n: (n != judged, not n.startswith("val"), "/" in n))
    notes = []
    places = {}
    best = best_first(records, judged)
    if best and any(len(own) > NAMED for own in by_name.values()):
        places = {_line(one): place for place, one in enumerate(best)}
        notes.append(f"Of more than {NAMED} lines those that are best by {judged} have a colour.")
    figures: list[Figure] = []
    for name in names[:CURVES]:
        lines = []
        for one in sorted(by_name[name], key=lambda one: places.get(_line(one), len(places))):
            steps, values = one.record.series(one.metric.key)
            found = one.best()
            best_step = found.step if found and math.isfinite(found.value) else None
            lines.append(Line(_group(one, len(records) > 1) or name, steps, values, best_step))
        axis = ("Step", by_name[name][0].metric.unit or "Value")
        figures.append(Figure(name, training_curves(lines, name, axis, "svg")))
    if left := len(names) - len(figures):
        notes.append(f"{left} further metrics with curves are not drawn.")
    return figures, notes


def best_first(records: Sequence[RunRecord], judged: str | None) -> list[Series]:
    """The series of a metric that have a best value, the best one first."""
    own = [one for one in series_of(records) if one.metric.key_in_group == judged]
    values = [(best.value * (-1 if directed(own) == "higher" else 1), place)
              for place, one in enumerate(own) if (best := one.best())]  # fmt: skip
    return [own[place] for _, place in sorted(values)]


def _line(one: Series) -> tuple[str, tuple[tuple[str, str], ...]]:
    return one.record.directory, one.metric.group


def _group(one: Series, several: bool) -> str:
    """The run, if there are several, the stage and the fold that a metric is of."""
    run = [one.record.name] if several else []
    return ", ".join([*run, *(f"{tag} {value}" for tag, value in one.metric.group)])


def spreads(found: Folds, title: str) -> tuple[list[Figure], list[str]]:
    """The values of folds, those within 0..1, metric by metric. And what is left out."""
    rows = {name: [fold.values.get(name, math.nan) for fold in found.folds] for name in found.means}
    shares = [
        Spread(name, own) for name, own in rows.items() if all(not v > 1 and not v < 0 for v in own)
    ]
    if not shares:
        return [], []
    notes = []
    if others := [name for name in rows if name not in {own.label for own in shares}]:
        notes.append(f"Not within 0..1, and so not drawn: {', '.join(others)}.")
    if (left := len(shares) - SPREADS) > 0:
        notes.append(f"{left} further metrics of folds are not drawn.")
    return [Figure(title, fold_spread(shares[:SPREADS], title, format="svg"))], notes


def stage_figures(table: Table) -> list[Figure]:
    """Bars of what stages are measured by, and what quality costs size and time."""
    names = [str(row[0]) for row in table.rows]
    place = {name: number for number, name in enumerate(table.columns)}
    measures = [name for name in table.columns[1:6] if _values(table, place[name])]
    bars = []
    for name in measures:
        alike = name in table.better  # times of other devices are not better or worse
        bars.append(Bars(name + ("" if alike else ", conditions differ"),
                         [number(row[place[name]]) for row in table.rows],
                         table.better.get(name)))  # fmt: skip
    figures = [Figure("Stages", stage_bars(names, bars, "Stages", "svg"))] if bars else []
    quality = next((name for name in ("Macro F1", "Accuracy") if name in measures), None)
    for cost in ("Size (MB)", "Speed (ms)"):
        if quality and cost in measures and cost in table.better and len(names) > 1:
            points = [Point(name, number(row[place[cost]]), number(row[place[quality]]))
                      for name, row in zip(names, table.rows, strict=True)]  # fmt: skip
            svg = pareto_scatter(points, f"{quality} against {cost}", (cost, quality),
                                 ("lower", "higher"), "svg")  # fmt: skip
            figures.append(Figure(f"{quality} against {cost}", svg))
    return figures


def _values(table: Table, column: int) -> bool:
    return any(row[column] is not None for row in table.rows)


def number(cell: Any) -> float:
    return math.nan if cell is None or isinstance(cell, str) else cell


def thresholds(records: Sequence[RunRecord]) -> tuple[list[Figure], list[str]]:
    """Metrics that were logged at several thresholds (tag `threshold`), at their last step. And
    what is left out."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    ways: dict[str, float] = {}
    for one in series_of(records):
        at, last = _threshold(one.tags), one.last()
        if at is not None and last is not None:
            key = _group(one, len(records) > 1), one.metric.name
            found.setdefault(key, []).append((at, last))
            ways[one.metric.name] = -1 if one.metric.direction == "lower" else 1
    groups: dict[str, list[plot.Curve]] = {}
    for (group, name), points in found.items():
        if len(points) > 1:
            x, y = zip(*sorted(points), strict=True)
            groups.setdefault(group, []).append(plot.Curve(name, x, y))
    figures: list[Figure] = []
    left = sum(len(own) - CURVES_OF_ONE for own in groups.values() if len(own) > CURVES_OF_ONE)
    notes = [f"{left} further metrics by threshold are not drawn."] * (left > 0)
    if (more := len(groups) - THRESHOLDS) > 0:
        notes.append(f"Thresholds of {more} further runs, stages or folds are not drawn.")
    for group, own in list(groups.items())[:THRESHOLDS]:
        title = "Metrics by threshold" + (f": {group}" if group else "")
        marks = _best_threshold(own[0], ways[own[0].label])
        svg = plot.threshold(own[:CURVES_OF_ONE], marks, title, format="svg")
        figures.append(Figure(title, svg))
    return figures, notes


def _best_threshold(curve: plot.Curve, way: float) -> list[plot.Mark]:
    """Of equal values the one nearest to 0.5, then the lower; none of a curve without values."""
    usable = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if math.isfinite(y)]
    if not usable:
        return []
    x, y = max(usable, key=lambda point: (way * point[1], -abs(point[0] - 0.5), -point[0]))
    return [plot.Mark(f"best {curve.label}: threshold {x:g}", x, y)]


def _threshold(tags: Mapping[str, str]) -> float | None:
    try:
        return float(tags["threshold"])
    except (KeyError, ValueError):
        return None


def histograms(records: Sequence[RunRecord]) -> tuple[list[Figure], list[str]]:
    """How durations are distributed that were logged as histograms: names that end in a unit. And
    what is left out."""
    figures: list[Figure] = []
    left = 0
    for record in records:
        latest: dict[str, Histogram] = {own.key: own for own in record.histograms}
        for key, own in latest.items():
            scale = next((TIMES[end] for end in TIMES if own.name.endswith(end)), None)
            if scale is None:
                continue
            if len(figures) >= HISTOGRAMS:
                left += 1
                continue
            title = f"{record.name}: {key}" if len(records) > 1 else key
            edges = [edge * scale for edge in own.edges]
            svg = latency_distribution(edges, own.counts, title, own.name.rpartition("_")[0], "svg")
            figures.append(Figure(title, svg))
    return figures, [f"{left} further histograms are not drawn."] * (left > 0)


def memory(record: RunRecord) -> list[Figure]:
    """What a run sampled of memory while it went on (system=True), by time."""
    lines: dict[str, list[plot.Curve]] = {"Memory of GPUs": [], "Memory of the process": []}
    for key, metric in record.metrics.items():
        if metric.name.startswith("system/") and metric.name.endswith("_bytes"):
            points = record.points(key)
            title = "Memory of GPUs" if "gpu" in metric.name else "Memory of the process"
            if len(points) > 1:
                times = [point.time - record.started for point in points]
                label = metric.name.removeprefix("system/").removesuffix("_bytes")
                lines[title].append(plot.Curve(label, times, [point.value for point in points]))
    return [
        Figure(title, vram_timeline(own, title, name="Memory", format="svg"))
        for title, own in lines.items()
        if own
    ]
