"""Ablations: a metric against one factor, against two, and against a reference."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from assay.core.checks import one_of
from assay.core.errors import InputError
from assay.core.record import RunRecord, group_of
from assay.core.score import Better
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
    numeric,
    series_of,
    unique,
)
from assay.report.pareto import pareto
from assay.report.render import Cell, Table, typed

__all__ = ["Ablation", "Levels", "Trial", "ablation", "levels_of"]

NONE = "(none)"  # the level of a factor that a trial does not have
Level = str | int | float
Levels = tuple[Level, ...]


class Trial(NamedTuple):
    """One measurement: the levels of all factors, and the values that were found there."""

    levels: Levels
    values: Mapping[str, float]


@dataclass(frozen=True)
class Ablation:
    """What ablation() finds.

    factors: their names. metrics: flat names, and which way is better. trials: all measurements.
    Each table has a row for a combination of levels, n trials in it, and for each metric the mean
    and standard deviation (n - 1 in the denominator) of those that have it.
    """

    factors: Sequence[str]
    metrics: Mapping[str, Better]
    trials: Sequence[Trial]

    def tables(
        self,
        reference: Mapping[str, Any] | None = None,
        front: Sequence[str] = (),
        significance: Mapping[Levels, Mapping[str, float]] | None = None,
    ) -> dict[str, Table]:
        """All of them: `by_rank`, `by_rank_bits` and the like, of several factors
        `configurations`, and where they are asked for `deltas` and `front`."""
        found = {f"by_{factor}": self.marginal(factor) for factor in self.factors}
        for a, b in combinations(self.factors, 2):
            found[f"by_{a}_{b}"] = self.pairwise(a, b)
        if len(self.factors) > 1:
            found["configurations"] = self.configurations()
        if reference is not None:
            found["deltas"] = self.deltas(reference, significance)
        if front:
            found["front"] = self.front(front)
        return found

    def configurations(self) -> Table:
        """One row for each combination of levels, with means over its trials."""
        return self._table("Configurations", range(len(self.factors)))

    def deltas(
        self,
        reference: Mapping[str, Any],
        significance: Mapping[Levels, Mapping[str, float]] | None = None,
    ) -> Table:
        """What each combination's means have above those of one of them.

        reference: factor -> level, which single that one out. significance: levels, in the order of
        factors -> metric -> the p-value, as compare() of per-item counts finds it. InputError where
        reference names no combination, or several.
        """
        groups, base = self._groups(range(len(self.factors))), self.combination(reference)
        p_values = significance or {}
        if unknown := [levels for levels in p_values if levels not in groups]:
            raise InputError(
                f"deltas: significance must be of combinations, as {base}, got {unknown[0]}"
            )
        with_p = [name for name in self.metrics if any(name in own for own in p_values.values())]
        rows: list[list[Cell]] = []
        for levels, trials in groups.items():
            row: list[Cell] = [*map(typed, levels), self._count(trials)]
            for name in self.metrics:
                value, other = (_mean(own, name).mean for own in (trials, groups[base]))
                row += [value, None if levels == base else value - other]
                row += [p_values.get(levels, {}).get(name)] * (name in with_p)
            rows.append(row)
        heads = [*self.factors, "n"]
        for name in self.metrics:
            heads += [name, f"delta {name}", *[f"p {name}"] * (name in with_p)]
        told = ", ".join(f"{f} {level}" for f, level in zip(self.factors, base, strict=True))
        return Table(f"Differences to {told}", unique(heads), rows)

    def front(self, metrics: Sequence[str]) -> Table:
        """The combinations with two or three metrics, say of quality, memory and latency, and
        whether nothing beats them in all of these: `front` says yes.

        InputError for a metric that is not among those of the ablation, or says no direction.
        """
        if len(metrics) not in (2, 3) or len(set(metrics)) < len(metrics):
            raise InputError(f"front: metrics must be two or three, got {', '.join(metrics)}")
        for name in metrics:
            if self.metrics.get(name) is None:
                known = ", ".join(own for own, better in self.metrics.items() if better)
                raise InputError(
                    f"front: metrics must say which way is better, got {name!r}; "
                    f"of those in the ablation these do: {known or 'none'}"
                )
        groups = self._groups(range(len(self.factors)))
        values = [[_mean(trials, name).mean for name in metrics] for trials in groups.values()]
        better = {name: self.metrics[name] for name in metrics}
        best = set(pareto(values, [*better.values()]).tolist())
        rows = [
            [*map(typed, levels), *own, "yes" if number in best else "no"]
            for number, (levels, own) in enumerate(zip(groups, values, strict=True))
        ]
        heads = unique([*self.factors, *metrics, "front"])
        return Table(f"Pareto front of {' and '.join(metrics)}", heads, rows)

    def _count(self, trials: Sequence[Trial]) -> int:
        """Values of the metric that has most: one may be of a run, another of each fold in it."""
        return max(_mean(trials, name).n for name in self.metrics)

    def _groups(self, places: Iterable[int]) -> dict[Levels, list[Trial]]:
        """Trials by their levels of some factors, in order of levels."""
        places = list(places)
        found: dict[Levels, list[Trial]] = {}
        for trial in self.trials:
            found.setdefault(tuple(trial.levels[place] for place in places), []).append(trial)
        return {key: found[key] for key in sorted(found, key=lambda key: [*map(natural, key)])}

    def _table(self, title: str, places: Iterable[int], note: str = "") -> Table:
        places = list(places)
        heads = unique([
            *(self.factors[place] for place in places),
            "n",
            *(head for name in self.metrics for head in (name, f"{name} std")),
        ])  # fmt: skip
        rows: list[list[Cell]] = []
        for levels, trials in self._groups(places).items():
            row: list[Cell] = [*map(typed, levels), self._count(trials)]
            for name in self.metrics:
                row += _mean(trials, name)[:2]
            rows.append(row)
        means, stds = heads[len(places) + 1 :: 2], heads[len(places) + 2 :: 2]
        return Table(
            title, heads, rows, note=note,
            spread=dict(zip(means, stds, strict=True)),
            better=dict(zip(means, self.metrics.values(), strict=True)),
        )  # fmt: skip

    def marginal(self, factor: str) -> Table:
        """The mean of each metric at each level of a factor, over all levels of the others."""
        place = self._place(factor)
        others = [other for other in range(len(self.factors)) if other != place]
        met = [
            Counter(tuple(trial.levels[other] for other in others) for trial in trials)
            for trials in self._groups([place]).values()
        ]
        note = ""
        if others and any(own != met[0] for own in met):
            note = f"not every {factor} was tried with the same levels of "
            note += ", ".join(self.factors[other] for other in others) + ", whose effect is in here"
        return self._table(f"By {factor}", [place], note)

    def pairwise(self, a: str, b: str) -> Table:
        """The same for each pair of levels of two factors."""
        return self._table(f"By {a} and {b}", [self._place(a), self._place(b)])

    def _place(self, factor: str) -> int:
        return self.factors.index(one_of(factor, "ablation: factor", self.factors))

    def combination(self, reference: Mapping[str, Any]) -> Levels:
        """The only combination with these levels, or an InputError."""
        known = self._groups(range(len(self.factors)))
        sought = {self._place(factor): _level(value) for factor, value in reference.items()}
        found = [
            levels for levels in known if all(levels[p] == level for p, level in sought.items())
        ]
        if len(found) == 1:
            return found[0]
        told = ", ".join(f"{factor}={level}" for factor, level in reference.items()) or "nothing"
        some = "; ".join(", ".join(map(str, levels)) for levels in found[:3] or [*known][:3])
        raise InputError(
            f"deltas: reference must single out one combination of {', '.join(self.factors)}, "
            f"got {told}, which is {len(found)} of them; say all factors, as of {some}"
        )


def ablation(records: Records, factors: Sequence[str], metrics: Sequence[str]) -> Ablation:
    """Metrics against factors: LoRA rank, bit-width, adapter placement, any.

    records: runs or their directories. factors: tags of metrics or runs, or parameters of runs or
    of their stages, looked for in this order; a trial without one has the level `(none)`. Each run
    is a trial, or each set of such tags in it, and each fold. metrics: flat names without the tags
    that are factors; the first one chooses the epoch (the best, as a Score or the name says, else
    the last), the others have their value of that epoch, else their last one.

    InputError for a factor that nothing has, or a metric.

    >>> from assay import Run
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Run(folder) as run:
    ...         for rank, wer in (4, 0.31), (8, 0.25):
    ...             run.log({"wer": wer}, rank=rank)
    ...     print(ablation(folder, ["rank"], ["wer"]).marginal("rank").to_text())
    By rank
    rank  n     wer
       4  1  0.3100
       8  1  0.2500
    <BLANKLINE>
    """
    several = as_records(records, "ablation")
    factors, metrics = (_names(given, what) for given, what in
                        ((factors, "factors"), (metrics, "metrics")))  # fmt: skip
    # Factors that are parameters of stages make a trial of each stage.
    of_stages = any(own.keys() & {*factors} for r in several for own in r.group_params.values())
    apart = ("stage", "fold") if of_stages else ("fold",)
    series = series_of(several, {*factors, *apart})
    names = named(series)
    sought = {chosen(metric, names, "ablation"): metric for metric in metrics}
    groups: dict[tuple[Any, ...], dict[Identity, Series]] = {}
    levels: dict[tuple[Any, ...], list[Any]] = {}
    for one in series:
        if one.what not in sought:
            continue
        own = [_found(one.record, one.tags, factor) for factor in factors]
        key = (id(one.record), *map(str, own), *(one.tags.get(tag) for tag in apart))
        levels[key] = own
        groups.setdefault(key, {})[one.what] = one
    for place, factor in enumerate(factors):
        if all(own[place] is None for own in levels.values()):
            known = sorted(
                {tag for one in series for tag in one.tags}.union(*(r.params for r in several))
            )
            raise InputError(
                f"ablation: factor {factor!r} is no tag and no parameter; "
                f"there are {', '.join(known) or 'none'}"
            )
    trials = [
        Trial(tuple(map(_level, levels[key])), _values(own, [*sought], names))
        for key, own in groups.items()
    ]
    better = {names[w]: directed(s for s in series if s.what == w) for w in sought}
    return Ablation(factors, better, trials)


def _names(given: Sequence[str], what: str) -> list[str]:
    if isinstance(given, str) or not given:
        raise InputError(f"ablation: {what} must be a list of names, got {given!r}")
    return list(dict.fromkeys(given))


def levels_of(record: RunRecord, tags: Mapping[str, str], factors: Sequence[str]) -> Levels:
    """The levels of factors in a run, where something has these tags."""
    return tuple(_level(_found(record, tags, factor)) for factor in factors)


def _found(record: RunRecord, tags: Mapping[str, str], factor: str) -> Any:
    if factor in tags:
        return tags[factor]
    own = record.group_params.get(group_of(tags), {})
    return own.get(factor, record.params.get(factor))


def _level(value: Any) -> Level:
    if value is None:
        return NONE
    found = numeric(str(value) if isinstance(value, bool) else value)
    return NONE if found is None else found


def _values(
    group: Mapping[Identity, Series], sought: Sequence[Identity], names: Mapping[Identity, str]
) -> dict[str, float]:
    best = group[sought[0]].best() if sought[0] in group else None
    found = {}
    for what, one in group.items():
        value = one.values().get(best.step) if best else None
        value = one.last() if value is None else value
        if value is not None:
            found[names[what]] = value
    return found


def _mean(trials: Sequence[Trial], metric: str) -> Mean:
    return mean(trial.values.get(metric) for trial in trials)
