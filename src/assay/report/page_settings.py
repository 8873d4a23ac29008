"""What settings do to a metric, and what it costs: of several runs, or of trials in one run."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from assay.core.errors import InputError
from assay.core.record import RunRecord
from assay.core.score import Better, flat_key
from assay.report.ablation import ablation
from assay.report.groups import Series, directed, listed, mean, numeric, series_of
from assay.report.page_figures import Figure, number
from assay.report.plot_ablation import Trend, ablation_trend
from assay.report.plot_pareto import Point, pareto_scatter
from assay.report.render import Table

__all__ = ["Settings", "fronts", "settings_of", "trends"]

LEVELS = 40  # of a factor
FACTORS = 6
FRONTS = 2
TOLD = 12  # names of settings that are left out

# Tags that tell values of one trial apart, or parts of it.
NO_FACTORS = {"class", "direction", "fold", "label", "memory", "split", "stage", "threshold"}

# What costs something, by the end of its name, in the order in which it is looked for.
COSTS = ("ms_per_sample", "latency_ms/p50", "latency_ms", "size_mb", "size_on_disk_bytes",
         "vram_gb", "vram_mb", "params", "flops", "_ms", "_bytes", "_s")  # fmt: skip
BEFORE = ("baseline_", "before/", "original_")  # of what is compared with, beside it


class Settings(NamedTuple):
    """metric: what is looked at, without the tags that are factors. factors: names of parameters
    and tags that have several levels, tags: those that are tags of metrics. left: what else
    differs, and why it is no factor."""

    metric: str
    factors: Sequence[str]
    tags: Sequence[str]
    left: Sequence[str]


def settings_of(records: Sequence[RunRecord], judged: str) -> Settings:
    """What differs between runs, or between the trials of one run."""
    own = [one for one in series_of(records) if one.metric.key_in_group == judged]
    if len(records) > 1:
        settings = [{**record.tags, **record.params} for record in records]
        factors, left = _factors(settings, len(records))
        return Settings(judged, factors, (), left)
    name = own[0].metric.name if own else judged
    same = [one.metric.tags for one in series_of(records) if one.metric.name == name]
    tags, left = _factors([{k: v for k, v in t.items() if k not in NO_FACTORS} for t in same],
                          len(same))  # fmt: skip
    if tags:
        return Settings(name, tags, tags, left)
    params = [*records[0].group_params.values()]
    everywhere = set(params[0]).intersection(*params) if params else set()
    trials = [{k: v for k, v in own.items() if k in everywhere} for own in params]
    factors, more = _factors(trials, len(trials))
    return Settings(judged, factors, (), [*left, *more])


def _factors(settings: Sequence[dict[str, object]], trials: int) -> tuple[list[str], list[str]]:
    """Names with a few levels: fewer than there are trials, or numbers. And the others that
    differ, with why they are none."""
    found: list[str] = []
    left: list[str] = []
    for name in dict.fromkeys(name for own in settings for name in own):
        levels = {str(own.get(name)) for own in settings}
        numbers = not any(isinstance(numeric(level), str) for level in levels)
        if 1 < len(levels) <= LEVELS and (len(levels) < trials or numbers):
            found.append(name)
        elif len(levels) > LEVELS:
            left.append(f"{name} ({len(levels):,} levels)")
        elif len(levels) > 1:
            left.append(f"{name} (another text in each)")
    return found, left


def trends(
    records: Sequence[RunRecord], settings: Settings
) -> tuple[list[Figure], list[Table], list[str]]:
    """The metric against each factor: pictures, tables, and what is left out."""
    figures: list[Figure] = []
    tables: list[Table] = []
    left = [*settings.left, *settings.factors[FACTORS:]]
    metric = settings.metric
    for factor in settings.factors[:FACTORS]:
        try:
            table = ablation(records, [factor], [metric]).marginal(factor)
        except InputError:  # the metric has further tags
            left.append(f"{factor} (no one {metric} for each level)")
            continue
        place = {name: column for column, name in enumerate(table.columns)}
        value, std = next(iter(table.spread.items()))
        means, stds = ([number(row[place[name]]) for row in table.rows] for name in (value, std))
        trend = Trend(metric, [row[0] for row in table.rows], means, stds)
        title = f"{metric} by {factor}"
        figures.append(Figure(title, ablation_trend([trend], title, (factor, metric), "svg")))
        tables.append(table)
    notes = []
    if left:
        notes.append(f"Settings that differ and are left out: {listed(left, TOLD)}.")
    return figures, tables, notes


def fronts(records: Sequence[RunRecord], settings: Settings) -> list[Figure]:
    """The metric against the first two costs that differ; a point a run, or a trial in it."""
    values: dict[str, dict[str, list[float]]] = {}  # trial -> metric -> of each fold
    ways: dict[str, Better] = {}
    for one in series_of(records):
        trial, name = _trial(one, settings, len(records) > 1)
        best = one.best()
        value = best.value if best else one.last()
        if value is not None:
            values.setdefault(trial, {}).setdefault(name, []).append(value)
        ways.setdefault(name, directed([one]))
    quality, way = settings.metric, ways.get(settings.metric)
    found = [{name: mean(own).mean for name, own in one.items()} for one in values.values()]
    both = [one for one in found if quality in one]
    figures: list[Figure] = []
    for cost in _costs(ways):
        known = {one[cost] for one in both if math.isfinite(one.get(cost, math.nan))}
        if not way or cost == quality or len(known) < 2 or len(figures) == FRONTS:
            continue
        points = [Point(trial, one.get(cost, math.nan), one[quality])
                  for trial, one in zip(values, found, strict=True) if quality in one]  # fmt: skip
        title = f"{quality} against {cost}"
        svg = pareto_scatter(points, title, (cost, quality), ("lower", way), "svg")
        figures.append(Figure(title, svg))
    return figures


def _trial(one: Series, settings: Settings, several: bool) -> tuple[str, str]:
    """What the trial of a series is called, and its metric without what tells trials apart."""
    told = [one.record.name] if several else []
    told += [one.metric.tags["stage"]] if "stage" in one.metric.tags else []
    told += [f"{tag} {one.metric.tags[tag]}" for tag in settings.tags if tag in one.metric.tags]
    apart = {"stage", "fold", *settings.tags}
    rest = {tag: value for tag, value in one.metric.tags.items() if tag not in apart}
    return ", ".join(told), flat_key(one.metric.name, rest) + one.metric.suffix


def _costs(ways: dict[str, Better]) -> list[str]:
    lower = [name for name, way in ways.items() if way == "lower" and not name.startswith(BEFORE)]
    return list(dict.fromkeys(name for end in COSTS for name in lower if name.endswith(end)))
