"""Intervals beside the scores of a corpus: the option, and what is printed of them."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import typer

from assay.core.errors import InputError

__all__ = ["AT", "NONE", "IntervalOption", "Intervals", "drawn", "of_labels", "resamples_of"]

DEFAULT = "bootstrap:1000"
MANY = 200_000  # scores that are not drawn again
GROUPS = 50  # that have intervals

# of the confusion at a threshold
AT = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "f1",
    "precision",
    "recall",
    "specificity",
    "mcc",
)

IntervalOption = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        help="Intervals (95 %) of the whole corpus: bootstrap:RESAMPLES, or none.",
    ),
]


class Intervals(NamedTuple):
    """ends: flat name of a score -> low and high. facts: what they are, for JSON; note: for under
    a table. missing: lines that say what has none."""

    ends: Mapping[str, tuple[float, float]]
    facts: Mapping[str, Any]
    note: str
    missing: Sequence[str] = ()

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


def of_labels(counts: Any, asked: Any, resamples: int) -> Intervals:
    """The intervals of predictions and of scores, of all rows, of groups where they are few, and of
    predictions at the threshold that was given. Of many scores there is that of the area alone, by
    DeLong, which costs one sort."""
    found = _Found(resamples, {}, {}, [])
    for state in (counts.confusion, counts.sweep):
        if state is not None:
            names = found.add(state, {})
            for key, own in [*state.groups.items()][: GROUPS + 1]:
                if len(state.groups) <= GROUPS:
                    found.add(own, dict(zip(asked.by, key, strict=True)), names)
    if len(asked.scores) == 1 and asked.weights is None:
        found.add(counts.sweep.at(asked.threshold), {"threshold": str(asked.threshold)}, AT)
    found.missing.extend(_missing(counts, asked))
    return found.done()


def _missing(counts: Any, asked: Any) -> list[str]:
    """What has no interval, and why."""
    from assay.metrics.confusion import DRAWN

    said = []
    states = [state for state in (counts.confusion, counts.sweep) if state is not None]
    if counts.confusion is not None and not _has_interval(counts.confusion, "accuracy"):
        labels = len(counts.confusion.classes)
        why = f"{labels:,} labels" if labels > DRAWN else "so many weighted rows"
        said.append(f"predictions of {why} have no intervals")
    if len(asked.scores) > 1 and not _has_interval(counts.sweep, "roc_auc"):
        said.append("so many scores of several classes have no intervals")
    if len(asked.scores) == 1 and counts.sweep.n > MANY:
        said.append(f"of more than {MANY:,} scores the area alone has an interval")
    if any(len(state.groups) > GROUPS for state in states):
        said.append(f"more than {GROUPS} groups have no intervals")
    return said


class _Found(NamedTuple):
    """Intervals as they are found: ends by flat name, how they were made, what is missing."""

    resamples: int
    ends: dict[str, tuple[float, float]]
    methods: dict[str, str]
    missing: list[str]

    def add(
        self, state: Any, tags: Mapping[str, str], among: Collection[str] | None = None
    ) -> list[str]:
        """Those of a state, all or among some scores; which scores it has."""
        from assay.metrics.intervals import intervals

        scores = {score.name: score.tagged(**tags) for score in state.total_scores()}
        many = hasattr(state, "ks") and state.n > MANY
        method = "delong" if many else "bootstrap"
        names = ["roc_auc"] if many else [*scores]
        names = [name for name in names if among is None or name in among]
        names = [name for name in names if name in scores and _has_interval(state, name)]
        for name, one in intervals(state, names, method=method, resamples=self.resamples).items():
            self.ends.setdefault(scores[name].key(), (one.low, one.high))
            self.methods[method] = {
                "bootstrap": f"bootstrap of rows, {self.resamples:,} resamples, seed {one.seed}",
                "delong": "DeLong",
            }[method]
        return [*scores]

    def done(self) -> Intervals:
        if not self.ends:
            return NONE._replace(missing=self.missing)
        facts = {"methods": self.methods, "level": 0.95}
        note = f"low, high: 95 % {'; areas by '.join(self.methods.values())}"
        return Intervals(self.ends, facts, note, self.missing)


def _has_interval(state: Any, name: str) -> bool:
    try:
        state.resampling(name)
    except InputError:
        return False
    return True
