"""Meters: several meters at once."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from assay.core.errors import InputError, StateFormatError
from assay.core.score import Score, flatten
from assay.core.state import State
from assay.run.batches import Batch, text_size
from assay.run.meter import Meter, counted_over
from assay.run.retrieval_meter import RetrievalMeter
from assay.run.values import texts
from assay.run.world import TIMEOUT_S, World

__all__ = ["Meters"]


class Meters:
    """Several meters at once, added over ranks in one exchange.

    meters: names (for this object only) and count functions, Meters of their own prefix and tags,
    or RetrievalMeters, which rank one after the other when all else is added.
    update() gives a batch to all that count batches; `meters["name"].update(…)` to one, as each
    RetrievalMeter needs it.
    prefix, tags, sync, group, timeout_s: as Meter; those of single meters but prefix and tags do
    not count here.

    >>> import assay
    >>> both = Meters({"words": assay.count_words, "chars": assay.count_chars}, prefix="val_")
    >>> both.update(["ab c"], ["ab d"])
    >>> found = both.compute()
    >>> found["val_wer"], found["val_cer"]
    (0.5, 0.25)
    """

    def __init__(
        self,
        meters: Mapping[str, Meter | RetrievalMeter | Callable[..., Any]],
        *,
        prefix: str = "",
        tags: Mapping[str, str] | None = None,
        sync: bool = True,
        group: Any = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        if not isinstance(meters, Mapping):
            raise InputError(
                f"Meters: meters must be a mapping of names, got {type(meters).__name__}; "
                "give {'words': count_words}"
            )
        self._meters: dict[str, Meter | RetrievalMeter] = {
            name: meter if isinstance(meter, (Meter, RetrievalMeter)) else Meter(meter)
            for name, meter in meters.items()
        }
        self._counting = {n: m for n, m in self._meters.items() if isinstance(m, Meter)}
        self.prefix, self.tags = prefix, texts(tags or {})
        self._sync, self._group, self._timeout_s = sync, group, timeout_s

    def __getitem__(self, name: str) -> Any:
        if name not in self._meters:
            raise KeyError(f"Meters has no meter {name!r}; it has {list(self._meters)}")
        return self._meters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._meters)

    def __len__(self) -> int:
        return len(self._meters)

    def update(self, *columns: Any, ids: Any = None, **options: Any) -> None:
        """Give one batch to every meter that counts batches; see Meter.update."""
        if self._meters and not self._counting:
            raise InputError(
                "Meters.update: none of the meters counts batches; give embeddings to each "
                f"RetrievalMeter: meters[{next(iter(self._meters))!r}].update(…)"
            )
        if ids is None and not options and (size := text_size(columns)) is not None:
            for meter in self._counting.values():
                meter._tally.take_text(columns, size)
            return
        batch = Batch.of(columns, options, ids)
        for meter in self._counting.values():
            meter._tally.take(batch)

    def reset(self) -> None:
        """Forget everything that was counted and kept."""
        for meter in self._meters.values():
            meter.reset()

    @property
    def state(self) -> dict[str, State | None]:
        """What this process has counted, by name."""
        return {name: meter.state for name, meter in self._meters.items()}

    def synced(self) -> dict[str, State | None]:
        """The states of all ranks, by name."""
        world = World.met(self._group, self._timeout_s) if self._sync else None
        if world is None:
            return self.state
        # Under names of their own, so that ranks with other kinds of meters are told.
        others = [f"{n} (RetrievalMeter)" for n in self._meters if n not in self._counting]
        added = counted_over(world, self._counting, tuple(others))
        return {
            name: added[name] if name in added else meter.over(world)
            for name, meter in self._meters.items()
        }

    def scores(self) -> list[Score]:
        """The scores of all meters, with tags."""
        return [score for own in self._scores().values() for score in own]

    def _scores(self) -> dict[str, list[Score]]:
        return {
            name: [score.tagged(**self.tags) for score in self._meters[name].scores_of(state)]
            for name, state in self.synced().items()
        }

    def compute(self) -> dict[str, float]:
        """All scores under flat names; InputError where two meters give the same name, which tags
        or a prefix of one tell apart. Equal counts, as `items` of two meters of the same batches,
        are one."""
        flat: dict[str, float] = {}
        for name, scores in self._scores().items():
            own = flatten(scores, self.prefix + self._meters[name].prefix)
            common = {
                key
                for key in flat.keys() & own.keys()
                if flat[key] != own[key] or not isinstance(own[key], int)
            }
            if common:
                raise InputError(
                    f"Meters: {name!r} and a meter before it both give {min(common)!r}; give "
                    "one of them a prefix or tags: Meter(count, tags={'model': …})"
                )
            flat |= own
        return flat

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """The state_dict() of every meter, by name."""
        return {name: {**meter.state_dict()} for name, meter in self._meters.items()}

    def load_state_dict(self, saved: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from a state_dict(). StateFormatError where its names are others."""
        if {*saved} != {*self._meters}:
            raise StateFormatError(
                f"Meters.load_state_dict: it is of {[*saved]}, and the meters are {[*self._meters]}"
            )
        for name, meter in self._meters.items():
            meter.load_state_dict(saved[name])
