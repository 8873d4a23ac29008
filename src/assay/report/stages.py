"""Stages of a pipeline side by side: how good, how large, how fast, against the first one."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from assay.core.errors import InputError
from assay.core.record import RunRecord
from assay.core.score import Better
from assay.report.folds import folds
from assay.report.groups import Records, Series, as_records, mean, named, numeric, series_of
from assay.report.render import Cell, Marked, Table, shown

__all__ = ["stages", "with_stages_alike"]

TITLES = {
    "baseline": "Baseline",
    "kd": "Student (KD)",
    "prune": "Pruned",
    "quant": "Quantized",
}
QUALITY = ("accuracy", "macro_f1", "f1")
SPARSE = 0.1  # zeros from which on a size is marked; quantised weights have a few percent anyway
MIB = 2**20

# Where a figure is found, the first that was logged: its name, and what it is divided by.
_SIZE = {
    "size_mb": 1,
    "quantized_size_mb": 1,
    "size_on_disk_bytes": MIB,
    "student/size_on_disk_bytes": MIB,
    "model_size_mb": 1,
}
_SPEED = {"ms_per_sample": 1, "after/ms_per_sample": 1, "latency_ms/p50": 1}
_SPEED_BEFORE = {"baseline_ms_per_sample": 1, "before/ms_per_sample": 1}
_SPARSITY = {"sparsity": 1, "student/sparsity": 1, "sparsity_prunable": 1}

# What a time depends on: as a parameter of the stage, and in the signature of a latency.
_CONDITIONS = {"device": "device", "threads": "threads", "batch": "items"}


class _Stage(NamedTuple):
    """before_ms: what the baseline takes, timed beside this stage."""

    name: str
    quality: Mapping[str, float | None]
    size: float | None
    speed: float | None
    before_ms: float | None
    sparsity: float | None
    conditions: Mapping[str, Any]


def stages(
    records: Records,
    positive: str = "positive",
    *,
    baseline: str | None = None,
    significance: Mapping[str, Mapping[str, float]] | None = None,
) -> Table:
    """One row for each stage, told by the tag `stage` of metrics or of whole runs.

    positive: what the class is called that F1 is of. baseline: the stage that the others are held
    against, by default the first. significance: stage -> accuracy, macro_f1 or f1 -> the p-value of
    its difference to the baseline, as compare() of per-item counts finds it.

    Columns: `Stage, Accuracy, Macro F1, F1 (positive), Size (MB), Speed (ms), Sparse, Device,
    Threads, Batch`, then differences to the baseline, each of the first three with its p. MB are
    2^20 bytes; Sparse is the share of zeros, and from a tenth on people see `260 (sparse)`.

    Accuracy and F1: what was logged under those names (or test_…) at last; else val_… of the epoch
    with the best val_macro_f1; else their means over folds. Size: size_mb, quantized_size_mb,
    size_on_disk_bytes or model_size_mb. Speed: ms_per_sample or latency_ms/p50. Device, threads and
    batch: parameters of the stage, else as the latency's Score tells them.

    A difference of speed needs one device, threads and batch: a stage that is measured elsewhere
    logs its baseline's time there as baseline_ms_per_sample. Else there is none, and the note says
    why.
    """
    several = as_records(records, "stages")
    by_stage: dict[str, list[Series]] = {}
    for one in series_of(several):
        if "stage" in one.tags:
            by_stage.setdefault(one.tags["stage"], []).append(one)
    if not by_stage:
        where = ", ".join(record.directory for record in several[:3])
        raise InputError(
            f"stages: nothing in {where} is of a stage; log it as run.log(…, stage='baseline')"
        )
    first = next(iter(by_stage)) if baseline is None else baseline
    _check(by_stage, first, significance or {})
    found = {name: _stage(several, name, own) for name, own in by_stage.items()}
    found = {n: own._replace(name=n) if own.name in by_stage else own for n, own in found.items()}
    heads = ("Accuracy", "Macro F1", f"F1 ({positive})")
    rows, why = [], []
    for name, stage in found.items():
        own_p = (significance or {}).get(name, {})
        row: list[Cell] = [stage.name, *stage.quality.values(), _size(stage)]
        row += [stage.speed, stage.sparsity, *stage.conditions.values()]
        if name == first:
            rows.append([*row, *[None] * (2 * len(heads) + 2)])
            continue
        for key, value in stage.quality.items():
            row += [_delta(value, found[first].quality[key]), own_p.get(key)]
        row.append(_delta(stage.size, found[first].size))
        speed, refused = _speed_delta(stage, found[first])
        rows.append([*row, speed])
        why += [refused] * bool(refused)
    deltas = [cell for head in heads for cell in (f"Delta {head}", f"p {head}")]
    columns = (
        *("Stage", *heads, "Size (MB)", "Speed (ms)", "Sparse", "Device", "Threads", "Batch"),
        *(*deltas, "Delta Size (MB)", "Delta Speed (ms)"),
    )
    better: dict[str, Better] = {**dict.fromkeys(heads, "higher"), "Size (MB)": "lower"}
    if all(stage.conditions == found[first].conditions for stage in found.values()):
        better["Speed (ms)"] = "lower"
    note = "; ".join(why)
    return Table("Stages", columns, rows, spare=len(columns) - 7, note=note, better=better)


def with_stages_alike(records: Sequence[RunRecord]) -> list[RunRecord] | None:
    """Those of several runs that have stages, where two have one in common: a pipeline each. Else
    None: they are parts of one."""
    owners: dict[str, set[int]] = {}
    for one in series_of(records):
        if "stage" in one.tags:
            owners.setdefault(one.tags["stage"], set()).add(id(one.record))
    if all(len(own) == 1 for own in owners.values()):
        return None
    return [own for own in records if any(id(own) in several for several in owners.values())]


def _check(
    there: Collection[str], baseline: str, significance: Mapping[str, Mapping[str, float]]
) -> None:
    for what, name in [("baseline", baseline), *(("significance", own) for own in significance)]:
        if name not in there:
            raise InputError(
                f"stages: {what} must name a stage that was logged, got {name!r}; "
                f"there are {', '.join(there)}"
            )
    for name in (name for own in significance.values() for name in own):
        if name not in QUALITY:
            raise InputError(f"stages: significance must be of {', '.join(QUALITY)}, got {name!r}")


def _stage(records: Sequence[RunRecord], name: str, series: Sequence[Series]) -> _Stage:
    by_name = _by_name(name, series)
    speed, source = _figure(by_name, _SPEED)
    return _Stage(
        TITLES.get(name, name),
        _quality(records, name, by_name),
        _figure(by_name, _SIZE)[0],
        speed,
        _figure(by_name, _SPEED_BEFORE)[0],
        _figure(by_name, _SPARSITY)[0],
        _conditions(records, name, source),
    )


def _by_name(stage: str, series: Sequence[Series]) -> dict[str, list[Series]]:
    """Those of the stage itself by flat name; where it has none, those of its folds."""
    names = named(series)
    found: dict[str, list[Series]] = {}
    for one in sorted(series, key=lambda one: "fold" in one.tags):
        own = found.setdefault(names[one.what], [])
        if not own or "fold" in own[0].tags:
            own.append(one)
        elif "fold" not in one.tags:
            raise InputError(
                f"stages: stage {stage!r} has {names[one.what]!r} twice, in "
                f"{own[0].record.directory} and {one.record.directory}; give one of them"
            )
    return found


def _figure(
    by_name: Mapping[str, Sequence[Series]], known: Mapping[str, int]
) -> tuple[float | None, Series | None]:
    """The last value of the first that there is, a mean over folds, and where it is from."""
    for name, over in known.items():
        if name in by_name:
            value = mean(one.last() for one in by_name[name]).mean
            return _plain(value / over), by_name[name][0]
    return None, None


def _quality(
    records: Sequence[RunRecord], stage: str, by_name: Mapping[str, Sequence[Series]]
) -> dict[str, float | None]:
    finals = {
        key: _figure(by_name, {key: 1, f"test_{key}": 1, f"test/{key}": 1})[0] for key in QUALITY
    }
    if any(value is not None for value in finals.values()):
        return finals
    for of_folds in (False, True):
        level = [name for name, own in by_name.items() if ("fold" in own[0].tags) == of_folds]
        own = {key: _first(level, (f"val_{key}", f"val/{key}")) for key in QUALITY}
        by = own["macro_f1"] or own["accuracy"] or own["f1"]
        if by is None:
            continue
        if of_folds:
            means = folds(records, by, stage).means
            return {key: means[name].mean if name else None for key, name in own.items()}
        best = by_name[by][0].best()
        return {
            key: by_name[name][0].values().get(best.step) if name and best else None
            for key, name in own.items()
        }
    return finals


def _first(there: Collection[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in there), None)


def _conditions(records: Sequence[RunRecord], stage: str, speed: Series | None) -> dict[str, Cell]:
    """What the stage was timed under: as its parameters say, or its latency, or the run's own."""
    told = speed.metric.signature.split("|") if speed else []
    signature = dict(part.partition(":")[::2] for part in told)
    found: dict[str, Cell] = {}
    for name, in_signature in _CONDITIONS.items():
        places = [record.group_params.get((("stage", stage),), {}).get(name) for record in records]
        places.append(signature.get(in_signature))
        places += [
            record.params.get(name)
            for record in records
            # What a pipeline calls its batch is that of its training.
            if record.tags.get("stage") == stage or (name != "batch" and "stage" not in record.tags)
        ]
        found[name] = numeric(next((value for value in places if value is not None), None))
    return found


def _size(stage: _Stage) -> Cell:
    if stage.size is None or stage.sparsity is None or stage.sparsity < SPARSE:
        return stage.size
    return Marked(stage.size, f"{shown(stage.size)} (sparse)")


def _delta(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else _plain(value - base)


def _speed_delta(stage: _Stage, base: _Stage) -> tuple[float | None, str]:
    """The difference, if it is one of a like with a like; what people are told of it."""
    if stage.speed is None:
        return None, ""
    if stage.before_ms is not None:
        told = (
            f"{stage.name}: Delta Speed to the baseline's {stage.before_ms:.4g} ms, timed beside it"
        )
        return _delta(stage.speed, stage.before_ms), told
    if base.speed is None:
        return None, ""
    own, its = stage.conditions, base.conditions
    unlike = [name for name in own if own[name] != its[name]]
    if own["device"] is None and its["device"] is None:
        unlike = ["device"]
    if not unlike:
        return _delta(stage.speed, base.speed), ""
    name = unlike[0]
    sides = [f"{name} {'unknown' if side[name] is None else side[name]}" for side in (own, its)]
    return None, (
        f"{stage.name}: no Delta Speed, as it was timed with {sides[0]}, {base.name} with "
        f"{sides[1]}; time that beside it and log it as this stage's baseline_ms_per_sample"
    )


def _plain(value: float) -> float:
    """A whole number as one, so that 260.0 is read as 260."""
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value
