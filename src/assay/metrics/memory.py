"""VRAM while something runs: what torch allocates and reserves, what the device holds in all.

    allocated    live tensors, by torch's allocator; its peak is exact
    reserved     what the allocator holds of the device; its peak is exact
    device       used memory of the device, whoever uses it; sampled, so a spike shorter than the
                 period may be missed
    non_torch    device - reserved: contexts, other libraries, other processes; where both were read

On the CPU "allocated" is the resident memory of the whole process, tagged `memory=rss`; on ROCm and
MPS torch's own numbers, tagged `memory=rocm` and `memory=mps` (whose peaks are sampled).
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from assay.core.checks import number, one_of
from assay.core.errors import InputError
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped, peak, summed
from assay.ops.memory import Watch, resolve, source_of

__all__ = ["DeviceMemory", "Memory", "VramSampler"]

GIB = 2**30
OUTWARD = {"train": "peak_train_vram_gb", "inference": "inference_vram_gb"}
FIELDS = {
    "peak_allocated_bytes": "allocated",
    "peak_reserved_bytes": "reserved",
    "peak_device_bytes": "used",
    "peak_non_torch_bytes": "outside",
    "baseline_allocated_bytes": "baseline_allocated",
    "baseline_reserved_bytes": "baseline_reserved",
    "baseline_device_bytes": "baseline_used",
}


@dataclass(frozen=True, eq=False)
class DeviceMemory(State):
    """Peaks of one device, in bytes, and what there was before; None where a source does not tell.

    phases: the same of what came after each mark. samples, lost: how many were taken, and failed.
    """

    allocated: int | None = peak()
    reserved: int | None = peak()
    used: int | None = peak()
    outside: int | None = peak()
    baseline_allocated: int | None = peak()
    baseline_reserved: int | None = peak()
    baseline_used: int | None = peak()
    samples: int = summed()
    lost: int = summed()
    phases: Mapping[tuple[str], "DeviceMemory"] = grouped()
    by: tuple[str, ...] | None = fixed()

    def total_scores(self) -> list[Score]:
        """Peaks and baselines that the source tells."""
        values = ((name, getattr(self, field)) for name, field in FIELDS.items())
        return [_score(name, v, "bytes", self.samples) for name, v in values if v is not None]


@dataclass(frozen=True, eq=False)
class Memory(State):
    """Peaks of all devices: scores are the largest over devices, with `/sum` the sum over them
    (left out where one does not tell), then those of each device with its name as the tag
    `device`, and of each phase.

    Adding keeps the larger of equal devices; under a launcher a device is one of its rank, so that
    the sum over ranks is that of all of them. source: "cuda", "rocm", "mps" or "rss".
    """

    devices: Mapping[tuple[str], DeviceMemory] = grouped()
    by: tuple[str, ...] | None = fixed()
    mode: str | None = fixed()
    source: str | None = fixed()
    sampler: str | None = fixed()

    def total_scores(self) -> list[Score]:
        """The outward name in GiB, then bytes: the largest over devices, and the sum."""
        scores = []
        n = sum(device.samples for device in self.devices.values())
        for name, field in {OUTWARD[self.mode or "inference"]: "allocated", **FIELDS}.items():
            told = [getattr(device, field) for device in self.devices.values()]
            known = [value for value in told if value is not None]
            if not known and told:
                continue
            in_gb = name.endswith("_gb")
            unit, scale = ("GiB", GIB) if in_gb else ("bytes", 1)
            totals: dict[str, float] = {"": max(known, default=math.nan)}
            if len(known) == len(told):
                totals["/sum"] = sum(known)
            for suffix, total in totals.items():
                value = total / scale if in_gb else total
                scores.append(_score(name + suffix, value, unit, n, self.sampler))
        return [self._tagged(score) for score in scores]

    def scores(self) -> list[Score]:
        """The totals, then each device's, then those of its phases."""
        scores = self.total_scores()
        for (device,), state in sorted(self.devices.items()):
            scores += [self._tagged(score).tagged(device=device) for score in state.scores()]
        return scores

    def phase(self, name: str) -> dict[str, int]:
        """Bytes of one phase: the largest over devices of each score."""
        found = [
            d.phases[name,].total_scores() for d in self.devices.values() if (name,) in d.phases
        ]
        if not found:
            known = sorted({key for d in self.devices.values() for (key,) in d.phases})
            raise InputError(f"phase: no mark {name!r}; there are {known}")
        values: dict[str, int] = {}
        for score in (score for scores in found for score in scores):
            values[score.name] = max(values.get(score.name, 0), int(score.value))
        return values

    def _tagged(self, score: Score) -> Score:
        return score if self.source in (None, "cuda") else score.tagged(memory=str(self.source))


class VramSampler:
    """Memory of devices while a block runs.

        with assay.VramSampler(mode="train") as v:
            loss = model(x); v.mark("backward"); loss.backward()
        v["peak_train_vram_gb"], v.state, v.timeline()

    device: None is torch's current GPU, or the CPU where there is none; "cuda:1", "all", a list.
    mode: "inference" gives `inference_vram_gb`, "train" `peak_train_vram_gb`: the allocator's peak
    in GiB (2^30 bytes), the largest over devices; with `/sum` their sum. The same in bytes:
    `peak_allocated_bytes`, reserved, device, non_torch, and baselines at the start; lower is
    better. period_s: between samples of the device's used memory, 0.0005..3600; without the
    compiled module a Python thread takes them, which costs a busy loop some percent at 1 ms.

    At the start the allocator's cache is emptied and its peak reset, as is customary; a sampler
    inside another one on the same device leaves the cache, and the outer one keeps its peak.
    mark(name) says that what follows belongs to a phase. An exception inside passes, and `state`
    holds what was seen until then. Starting twice, stopping what does not run and reading before
    the end are an InputError; after stop() inside the block, its end does nothing.

    >>> with VramSampler("cpu") as v:
    ...     v.mark("load")
    ...     data = bytearray(1 << 20)
    >>> v["inference_vram_gb"] > 0, v.state.source, v["peak_allocated_bytes"] >= 1 << 20
    (True, 'rss', True)
    """

    def __init__(
        self,
        device: Any = None,
        *,
        mode: Literal["inference", "train"] = "inference",
        period_s: float = 0.001,
    ) -> None:
        one_of(mode, "VramSampler: mode", OUTWARD)
        if not 0.0005 <= number(period_s, "VramSampler: period_s") <= 3600:
            raise InputError(f"VramSampler: period_s must be in 0.0005..3600, got {period_s!r}")
        self._mode, self._period, self._asked = mode, period_s, device
        self._watches: list[Watch] = []
        self._state: Memory | None = None

    def start(self) -> Self:
        """Begin; `with` does this."""
        if self._watches:
            raise InputError("VramSampler: it was started before; make another one")
        devices = resolve(self._asked)
        sources = [source_of(device) for device in devices]
        if len({source.name for source in sources}) > 1:
            raise InputError(
                f"VramSampler: device {devices} are of different kinds; take a sampler for each"
            )
        watches = [
            Watch(name, source, self._period) for name, source in zip(devices, sources, strict=True)
        ]
        started: list[Watch] = []
        try:
            for watch in watches:
                watch.start()
                started.append(watch)
        except BaseException:
            for watch in started:
                watch.stop()
            raise
        self._watches = watches
        return self

    def mark(self, name: str) -> None:
        """What follows belongs to the phase `name`, until the next mark."""
        self._must_run("mark")
        if not str(name):
            raise InputError(f"VramSampler.mark: a phase needs a name, got {name!r}")
        for watch in self._watches:
            watch.mark(str(name))

    def stop(self) -> Memory:
        """End; the end of `with` does this."""
        self._must_run("stop")
        failed = []
        for watch in self._watches:
            try:
                watch.stop()
            except Exception as error:  # the others must end all the same
                failed.append(error)
        self._state = _memory(self._watches, self._mode)
        if failed:
            raise failed[0]
        return self._state

    @property
    def state(self) -> Memory:
        """What was seen, a state that adds."""
        if self._state is None:
            raise InputError(
                "VramSampler: still running; read it after the end of the block"
                if self._watches
                else "VramSampler: it was never started; use `with`, or start()"
            )
        return self._state

    def timeline(self, device: str | None = None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Seconds since the start and bytes, float64 and int64 [n], as sampled of one device."""
        self.state  # noqa: B018  refuses what still runs
        names = [watch.device for watch in self._watches]
        if device is not None and device not in names:
            raise InputError(f"timeline: no device {device!r}; there are {names}")
        watch = self._watches[0 if device is None else names.index(device)]
        points = np.array(watch.samples.timeline, np.int64).reshape(-1, 2)
        return points[:, 0] / 1e9, points[:, 1]

    def scores(self) -> list[Score]:
        """Those of `state`."""
        return self.state.scores()

    def as_dict(self, prefix: str = "") -> dict[str, float]:
        """All scores under flat names, for trackers and training frameworks."""
        return self.state.as_dict(prefix)

    def __getitem__(self, name: str) -> float:
        return self.state[name]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._state is not None:
            return
        try:
            self.stop()
        except Exception as own:
            if error is None:
                raise
            error.add_note(f"assay: and the memory sampler could not end: {own}")

    def _must_run(self, call: str) -> None:
        if not self._watches:
            raise InputError(f"VramSampler.{call}: it was never started; use `with`, or start()")
        if self._state is not None:
            raise InputError(f"VramSampler.{call}: it was stopped before; read `state`")


def _memory(watches: list[Watch], mode: str) -> Memory:
    rank = os.environ.get("RANK", "")
    place = f"rank{rank}:" if rank.isdecimal() else ""
    devices = {(f"{place}{watch.device}",): _of_device(watch) for watch in watches}
    first = watches[0]
    sampler = first.samples.source if first.samples else "none"
    return Memory(devices, ("device",), mode, first.source.name, sampler)


def _of_device(watch: Watch) -> DeviceMemory:
    base = watch.baseline
    samples = watch.samples
    phases = {(name,): DeviceMemory(**vars(peaks)) for name, peaks in watch.phases.items()}
    return DeviceMemory(
        **vars(watch.peaks),
        baseline_allocated=base.allocated,
        baseline_reserved=base.reserved,
        baseline_used=base.used,
        samples=samples.count if samples else 0,
        lost=samples.errors if samples else 0,
        phases=phases,
        by=("phase",),
    )


def _score(
    name: str, value: float, unit: str, n: int, sampler: str | None = None, better: Better = "lower"
) -> Score:
    better = None if name.startswith("baseline") else better
    signature = f"{name}|GiB:2^30" if unit == "GiB" else name
    signature += f"|sampler:{sampler}" if sampler else ""
    return Score(name, value, unit, better, n, {}, signature, provenance())
