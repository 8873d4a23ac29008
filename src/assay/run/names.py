"""The metrics of a run as its trainer knows them: their keys, their best values so far."""

import json
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any

from assay.core.errors import InputError
from assay.core.record import Best, Metric, RunRecord
from assay.core.score import Better, Score, flat_key
from assay.run.journal_file import log
from assay.run.values import texts

__all__ = ["Known", "Names", "counts_text", "defined_by"]


class Known:
    """A metric that was logged before. sign: 1 where higher is better, -1 lower, 0 unknown."""

    __slots__ = ("best", "metric", "prefix", "sign", "stale", "step", "value")

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.prefix = json.dumps(metric.key) + ":"
        self.step, self.value = -1, float("nan")  # the latest
        self.best: Best | None = None
        self.stale = False  # the best value was overwritten
        self.direct(metric.direction)

    @property
    def definition(self) -> tuple[str, Better, str]:
        return self.metric.unit, self.metric.better, self.metric.signature

    def direct(self, better: Better) -> None:
        self.sign = {"higher": 1, "lower": -1, None: 0}[better]

    def note(self, step: int, value: float) -> None:
        """A value was logged."""
        self.step, self.value = step, value
        best = self.best
        if best is None:
            if value == value:
                self.best = Best(step, value)
        elif value * self.sign > best.value * self.sign:
            self.best = Best(step, value)
        elif step == best.step and value != best.value:
            self.stale = True


def defined_by(score: Score) -> tuple[str, Better, str]:
    """What a metric is: unit, direction, definition."""
    return score.unit, score.better, score.signature


class Names:
    """All metrics of a run. tell: writes the line that introduces one into the journal."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self.by_key: dict[str, Known] = {}
        self._tell = tell
        self._under: dict[tuple[tuple[str, Any], ...], dict[str, Known]] = {}
        self._taken: set[tuple[Any, str]] = set()
        self._guard = Lock()

    def under(self, tags: Mapping[str, Any]) -> dict[str, Known]:
        """Those known under some tags, by name."""
        key = tuple(tags.items())
        found = self._under.get(key)
        if found is None:
            found = self._under[key] = self._under.setdefault(_as_tags(tags), {})
        return found

    def best(self) -> dict[str, Best]:
        """The best values so far, by key, of those where it is known which way is better."""
        found = self.by_key.items()
        return {key: known.best for key, known in found if known.sign and known.best is not None}

    def directed(self, name: str, tags: Mapping[str, Any]) -> Known:
        """One that was logged, by its name or its key, of which it is known which way is better."""
        known = self.under(tags).get(name) or self.by_key.get(name)
        if known is None:
            raise InputError(
                f"run.is_best: name must be one that was logged, got {name!r}; "
                f"logged are {', '.join(self.by_key) or 'none'}"
            )
        if not known.sign:
            raise InputError(
                f"run.is_best: nothing says whether {name!r} is better when it is higher; "
                "log a Score, or call it as in val_loss or val_macro_f1"
            )
        return known

    def introduce(self, name: Any, tags: Mapping[str, Any], score: Score | None = None) -> Known:
        """A metric that was not known, or is defined otherwise from now on."""
        if not isinstance(name, str) or not name:
            raise InputError(f"run.log: names must be text that is not empty, got {name!r}")
        as_tags = dict(_as_tags(tags))
        with self._guard:  # two threads may come with it at once
            return self._introduce(name, as_tags, score)

    def _introduce(self, name: str, as_tags: dict[str, str], score: Score | None) -> Known:
        known = self.under(as_tags).get(name)
        if known and (score is None or known.definition == defined_by(score)):
            return known
        suffix = known.metric.suffix if known else self._suffix(name, as_tags)
        told = defined_by(score) if score else ("", None, "")
        metric = Metric(name, as_tags, flat_key(name, as_tags) + suffix, *told, suffix)
        self._tell({"kind": "metric", **{k: getattr(metric, k) for k in _FIELDS}})
        return self._add(metric)

    def restore(self, record: RunRecord) -> None:
        """Those that a journal knows, with their latest and best values."""
        for metric in record.metrics.values():
            known = self._add(metric)
            if points := record.points(metric.key):
                known.step, known.value = points[-1].step, points[-1].value
            known.best, known.stale = record.best(metric.key), False

    def _add(self, metric: Metric) -> Known:
        found = self.under(metric.tags)
        known = found.get(metric.name)
        if known is None:
            known = found[metric.name] = self.by_key[metric.key] = Known(metric)
            self._taken |= {(None, metric.key), (metric.group, metric.key_in_group)}
        else:
            known.metric = metric
            known.direct(metric.direction)
        return known

    def _suffix(self, name: str, tags: dict[str, str]) -> str:
        """What makes its keys its own: in the run, and in the run of its stage and fold."""
        number = 1
        while True:
            suffix = f"_{number}" if number > 1 else ""
            metric = Metric(name, tags, flat_key(name, tags) + suffix, suffix=suffix)
            keys = {(None, metric.key), (metric.group, metric.key_in_group)}
            if not keys & self._taken:
                break
            number += 1
        if suffix:
            log.warning(
                "assay: %r is written as another metric of this run is; trackers have it as %r",
                flat_key(name, tags), metric.key,
            )  # fmt: skip
        return suffix


_FIELDS = ("name", "tags", "key", "suffix", "unit", "better", "signature")


def _as_tags(tags: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(texts(tags).items()))


def counts_text(rows: Iterable[tuple[Known, Any]], items: Mapping[str, int]) -> str:
    """How many items the values of a line were counted of, as JSON."""
    counts = (f"{known.prefix}{int(items[known.metric.key])}" for known, _ in rows)
    return "{" + ",".join(counts) + "}"
