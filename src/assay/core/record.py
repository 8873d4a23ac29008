"""RunRecord: what a run has told, as its journal holds it.

A journal is the file `journal.jsonl` in the directory of the run: a JSON object a line, in UTF-8,
only ever appended to. `time` is in seconds since 1970 and grows from line to line of a process.
Values that JSON has no number for are the texts "NaN", "Infinity" and "-Infinity". Version 1:

    run        version id name time params tags trackers versions host pid      the first line
    resume     the same fields: another process goes on
    metric     name tags key suffix unit better signature        before the first of its points
    points     time step values {key: value} n {key: items}      n of scores alone
    histogram  time step name tags edges counts
    params     time params tags                                  more of them, or of a stage or fold
    artifact, figure, table      time step name tags path        path in the directory of the run
    end        time status error                                 finished or failed

`trackers` are their spec()s. `key` is the flat name of a metric and is its own: where two names
would be written alike, the later one has a number behind it, its suffix. Of points of one key and
step the one of the latest time counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from assay.core.directions import better_of
from assay.core.fitting import misfit
from assay.core.history import History, Point
from assay.core.journal_lines import Line, check_version, damaged, journal_lines
from assay.core.score import Better, flat_key

__all__ = [
    "GROUP_TAGS",
    "Best",
    "Entry",
    "File",
    "Histogram",
    "Metric",
    "Params",
    "Point",
    "Points",
    "RunRecord",
    "read_journal",
    "take_line",
]

Made = TypeVar("Made")

GROUP_TAGS = ("stage", "fold")  # what trackers that know runs within runs make one of

STAGES = {
    "baseline": "baseline training",
    "kd": "knowledge distillation",
    "prune": "pruning",
    "quant": "quantisation",
}


@dataclass(frozen=True)
class Metric:
    """What is measured: a name under some tags. key: its flat name, of its own in the run."""

    name: str
    tags: Mapping[str, str]
    key: str
    unit: str = ""
    better: Better = None
    signature: str = ""
    suffix: str = ""

    @cached_property
    def direction(self) -> Better:
        """Which way is better: as it was told, else as the name says."""
        return self.better or better_of(self.name)

    @cached_property
    def group(self) -> tuple[tuple[str, str], ...]:
        """The tags of the stage and the fold it is of, outermost first."""
        return group_of(self.tags)

    @cached_property
    def key_in_group(self) -> str:
        """Its flat name without the tags of its group."""
        others = {tag: value for tag, value in self.tags.items() if tag not in GROUP_TAGS}
        return flat_key(self.name, others) + self.suffix


class Best(NamedTuple):
    """The best value of a metric, and the first step that had it."""

    step: int
    value: float


@dataclass(frozen=True, slots=True)
class Points:
    """Values of one step, logged together."""

    time: float
    step: int
    values: list[tuple[Metric, float]]
    n: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters of the run, or of one of its stages and folds."""

    params: Mapping[str, Any]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values fell between edges [n + 1]; counts [n]."""

    time: float
    step: int
    name: str
    tags: Mapping[str, str]
    edges: list[float]
    counts: list[int]

    @property
    def key(self) -> str:
        return flat_key(self.name, self.tags)


@dataclass(frozen=True, slots=True)
class File:
    """A file of the run. kind: artifact, figure or table; path: in the directory of the run."""

    kind: str
    time: float
    step: int | None
    name: str
    tags: Mapping[str, str]
    path: str


Entry = Points | Params | Histogram | File

TIMES = (-62_135_596_800, 253_402_300_800)  # the years 1 to 9999

KINDS: dict[str, type] = {
    **dict.fromkeys(
        ("id", "name", "key", "suffix", "unit", "signature", "path", "status", "error"), str
    ),
    **dict.fromkeys(("tags", "params", "versions"), dict),
    **dict.fromkeys(("trackers", "edges", "counts"), list),
}  # of the fields of a journal's lines


def group_of(tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The tags that name a stage and a fold, outermost first."""
    return tuple((tag, tags[tag]) for tag in GROUP_TAGS if tag in tags)


@dataclass
class RunRecord:
    """A run as its journal tells of it.

    status: finished, failed, or unfinished where no end is written: it goes on, or was killed.
    params: of the whole run, flat names. written: points in the journal, repeated ones included.
    A record that is read as it grows (`take`) and is not asked for values later need not keep them.
    """

    directory: str
    keep: bool = True
    id: str = ""
    name: str = ""
    started: float = 0.0
    ended: float | None = None
    status: str = "unfinished"
    error: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    trackers: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)
    files: dict[tuple[str, str], File] = field(default_factory=dict)
    histograms: list[Histogram] = field(default_factory=list)
    group_params: dict[tuple[tuple[str, str], ...], dict[str, Any]] = field(default_factory=dict)
    written: int = 0
    _histories: dict[str, History] = field(default_factory=dict)

    # -- reading -------------------------------------------------------------------------------

    def points(self, key: str) -> list[Point]:
        """All points of a metric, one a step, in order of steps."""
        return self._history(key).points()

    def series(self, key: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Steps [n] and values [n] of a metric."""
        return self._history(key).series()

    def best(self, key: str) -> Best | None:
        """The best value and the first step that has it; None without one, or where nothing says
        which way is better. NaN is never best."""
        better = self.metrics[key].direction if key in self.metrics else None
        if better is None:
            return None
        steps, values = self.series(key)
        sought = values if better == "higher" else -values
        usable = np.flatnonzero(~np.isnan(values))
        if not len(usable):
            return None
        at = usable[np.argmax(sought[usable])]
        return Best(int(steps[at]), float(values[at]))

    @property
    def artifacts(self) -> list[File]:
        return self._of_kind("artifact")

    @property
    def figures(self) -> list[File]:
        return self._of_kind("figure")

    @property
    def tables(self) -> list[File]:
        return self._of_kind("table")

    def pipeline(self) -> dict[str, str]:
        """Its `pipeline` and `pipeline_description`: as given among the parameters, else from the
        stages that were logged; empty without either.

        >>> RunRecord("x", params={"pipeline": "baseline_kd"}).pipeline()["pipeline_description"]
        'Two stages: baseline training, then knowledge distillation.'
        """
        given = self.params.get("pipeline")
        stages = str(given).split("_") if given is not None else self.stages
        if not stages:
            return {}
        description = self.params.get("pipeline_description") or _sentence(stages)
        return {"pipeline": str(given or "_".join(stages)), "pipeline_description": description}

    def _history(self, key: str) -> History:
        if key not in self.metrics:
            raise KeyError(f"{self.directory}: no metric {key!r}; there are {sorted(self.metrics)}")
        return self._histories.get(key) or History()

    def _of_kind(self, kind: str) -> list[File]:
        return [file for file in self.files.values() if file.kind == kind]

    # -- growing -------------------------------------------------------------------------------

    def take(self, line: Mapping[str, Any]) -> Entry | None:
        """Take in a line of the journal; what trackers are told of it, if anything."""
        kind = line["kind"]
        if kind == "points":
            return self._take_points(line)
        _check(line)
        if kind in ("run", "resume"):
            self._take_process(line)
            return Params(line["params"], {})
        elif kind == "metric":
            fields = {name: value for name, value in line.items() if name != "kind"}
            self.metrics[line["key"]] = metric = _fitting(Metric(**fields))
            self._take_stage(metric.tags)
        elif kind == "params":
            self._take_params(line["params"], line["tags"])
            return Params(line["params"], line["tags"])
        elif kind == "histogram":
            return self._take_histogram(line)
        elif kind in ("artifact", "figure", "table"):
            return self._take_file(line)
        elif kind == "end":
            self.status, self.error, self.ended = line["status"], line["error"], line["time"]
        else:
            raise ValueError(f"kind {kind!r} is not known")
        return None

    def _take_process(self, line: Mapping[str, Any]) -> None:
        self.id, self.name = line["id"], line["name"]
        self.started = self.started or line["time"]
        self.ended, self.status, self.error = None, "unfinished", ""
        self.params |= line["params"]
        self.tags |= line["tags"]
        self.versions |= line["versions"]
        self.trackers += [spec for spec in line["trackers"] if spec not in self.trackers]

    def _take_points(self, line: Mapping[str, Any]) -> Points:
        time, step, n = line["time"], line["step"], line.get("n", {})
        if type(step) is not int or step.bit_length() > 63 or not _is_time(time):
            raise ValueError(f"step {step!r:.40} or time {time!r:.40} is no number of a journal")
        values = [(self.metrics[key], float(value)) for key, value in line["values"].items()]
        self.written += len(values)
        if self.keep:
            for metric, value in values:
                history = self._histories.get(metric.key)
                if history is None:
                    history = self._histories[metric.key] = History()
                history.add(step, time, value, n.get(metric.key))
        return Points(time, step, values, n)

    def _take_params(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        group = group_of(tags)
        (self.group_params.setdefault(group, {}) if group else self.params).update(params)
        self._take_stage(tags)

    def _take_histogram(self, line: Mapping[str, Any]) -> Histogram:
        fields = {name: value for name, value in line.items() if name != "kind"}
        histogram = _fitting(Histogram(**fields))
        if self.keep:
            self.histograms.append(histogram)
        return histogram

    def _take_file(self, line: Mapping[str, Any]) -> File:
        file = _fitting(File(**line))
        self.files[file.kind, file.path] = file
        self._take_stage(file.tags)
        return file

    def _take_stage(self, tags: Mapping[str, str]) -> None:
        if (stage := tags.get("stage")) and stage not in self.stages:
            self.stages.append(stage)


def read_journal(directory: str) -> RunRecord:
    """Everything a run has told. A last line that was cut off by a crash is left out.

    DataError without a journal, at a damaged line (its number is named), or for a journal of a
    later version.
    """
    record = RunRecord(str(directory))
    for line in journal_lines(record.directory):
        take_line(record, line)
    return record


def take_line(record: RunRecord, line: Line) -> Entry | None:
    """Take in a line of the journal; what trackers are told of it, if anything. DataError for a
    damaged one."""
    data = line.data
    if data is None:
        raise damaged(record.directory, line.number)
    check_version(record.directory, data)
    try:
        return record.take(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise damaged(record.directory, line.number, why) from error


def _check(line: Mapping[str, Any]) -> None:
    """TypeError where a field is no such thing: files from elsewhere come in here, and what they
    name becomes paths and queries of trackers."""
    for name, kind in KINDS.items():
        if not isinstance(line.get(name, kind()), kind):
            raise TypeError(f"{name} is {line[name]!r:.40}")
    texts = [*line.get("tags", {}).values(), *(own["tracker"] for own in line.get("trackers", ()))]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"one of {texts!r:.40} is no text")
    if not line.get("id", "x").replace("-", "x").isalnum():
        raise ValueError(f"id {line['id']!r:.40} is none")
    if type(line.get("step") or 0) is not int or not _is_time(line.get("time", 0)):
        raise TypeError(f"step {line.get('step')!r:.40} or time {line['time']!r:.40} is none")


def _fitting(made: Made) -> Made:
    if told := misfit(made):
        raise TypeError(told)
    return made


def _is_time(value: Any) -> bool:
    """Whether these are seconds since 1970 that a calendar has."""
    return type(value) in (int, float) and TIMES[0] <= value < TIMES[1]


def _sentence(stages: list[str]) -> str:
    named = [STAGES.get(stage, stage) for stage in stages]
    if len(named) == 1:
        return f"One stage: {named[0]}."
    numbers = ("Two", "Three", "Four", "Five", "Six")
    count = numbers[len(named) - 2] if len(named) < 7 else str(len(named))
    *first, last = named
    return f"{count} stages: {', '.join(first)}, then {last}."
