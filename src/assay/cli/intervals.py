"""Intervals beside the scores of a corpus: the option, and what is printed of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import typer

from assay.core.errors import InputError

__all__ = ["NONE", "IntervalOption", "Intervals", "drawn", "of_labels", "resamples_of"]

DEFAULT = "bootstrap:1000"
MANY = 200_000  # scores that are not drawn again

IntervalOption = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        help="Intervals (95 %) of the whole corpus: bootstrap:RESAMPLES, or none.",
    ),
]


class Intervals(NamedTuple):
    """ends: flat name of a score -> low and high. facts: what they are, for JSON; note: for under
    a table."""

    ends: Mapping[str, tuple[float, float]]
    facts: Mapping[str, Any]
    note: str

    def as_json(self) -> dict[str, Any]:
        """What JSON says of them."""
        return {"interval": dict(self.facts)} if self.facts else {}

    def beside(self, scores: Sequence[Any]) -> list[Any]:
        """The table that stands under one of groups, which has no room for them."""
        from assay.report.render import Table

        known = [score for score in scores if score.key() in self.ends]
        if not known:
            return []
        tags = list(dict.fromkeys(tag for score in known for tag in score.tags))
        rows = [
            (*(score.tags.get(t) for t in tags), score.name, score.value, *self.ends[score.key()])
            for score in known
        ]
        return [Table("", (*tags, "score", "value", "low", "high"), rows, note=self.note)]


NONE = Intervals({}, {}, "")


def resamples_of(option: str) -> int:
    """How often --interval draws; 0 for none."""
    found = re.fullmatch(r"bootstrap(?::(\d{1,9}))?|none", option)
    number = int(found[1] or DEFAULT.split(":")[1]) if found and option != "none" else 0
    if not found or (option != "none" and number < 1):
        raise InputError(f"--interval must be none or as in {DEFAULT}, got {option!r}")
    return number


def drawn(bags: Sequence[tuple[Any, Mapping[str, str]]], resamples: int, items: str) -> Intervals:
    """The intervals of what is in bags, each with the tags of its scores."""
    from assay.metrics.intervals import intervals

    ends: dict[str, tuple[float, float]] = {}
    facts: dict[str, Any] = {}
    for of, tags in bags:
        scores = {score.name: score.tagged(**tags) for score in of.total_scores()}
        for name, found in intervals(of, scores, resamples=resamples).items():
            ends[scores[name].key()] = found.low, found.high
            facts = {"method": found.method, "level": found.level, "resamples": resamples,
                     "seed": found.seed}  # fmt: skip
    level = f"{100 * facts['level']:g} %"
    note = f"low, high: {level} bootstrap of {items}, {resamples:,} resamples, seed {facts['seed']}"
    return Intervals(ends, facts, note)


def of_labels(confusion: Any, sweep: Any, resamples: int) -> Intervals:
    """The intervals of predictions and of the area of one score; those of many scores by DeLong,
    which costs one sort."""
    from assay.metrics.intervals import intervals

    ends: dict[str, tuple[float, float]] = {}
    methods: dict[str, str] = {}
    for state, method in ((confusion, "bootstrap"), (sweep, _method_of(sweep))):
        names = [s.name for s in (state.total_scores() if state is not None else ())]
        names = [name for name in names if _has_interval(state, name)]
        if not names:
            continue
        for name, found in intervals(state, names, method=method, resamples=resamples).items():
            ends.setdefault(name, (found.low, found.high))
            methods[method] = {
                "bootstrap": f"bootstrap of rows, {resamples:,} resamples, seed {found.seed}",
                "delong": "DeLong",
            }[method]
    if not ends:
        return NONE
    facts = {"methods": methods, "level": 0.95}
    return Intervals(ends, facts, f"low, high: 95 % {'; areas by '.join(methods.values())}")


def _method_of(sweep: Any) -> str:
    return "delong" if sweep is not None and sweep.n > MANY else "bootstrap"


def _has_interval(state: Any, name: str) -> bool:
    try:
        state.resampling(name)
    except (InputError, AttributeError):  # several scores have none
        return False
    return True
