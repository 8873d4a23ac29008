"""Meters: a count function called batch by batch, on one process or many.

Nothing here waits for a GPU before compute(): count functions of tensors on a device start work
there and return, and their states add without being read.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from assay.core.errors import InputError, StateFormatError
from assay.core.score import Score, flatten
from assay.core.state import State
from assay.run.batches import Batch, text_size
from assay.run.repeats import Rows, repeated
from assay.run.sync import add_over_ranks
from assay.run.tally import Tally, function_of
from assay.run.world import TIMEOUT_S, World

__all__ = ["Meter", "Meters"]


class Meter:
    """Counts batch by batch, and adds over all ranks of torch.distributed when read.

    count: a count function (`count_words`, `count_scores`, a functools.partial of one).
    prefix, tags: what scores are called: {prefix}{tags}/{name}.
    sync: whether compute(), scores() and synced() are of all ranks, where torch.distributed is set
    up; then all ranks must call them, as often and in the same order. group: its process group;
    timeout_s: how long the other ranks are waited for.

    Results have the same digits for any number of ranks and batches. Batches that are lists of str
    are counted together, up to about 1 MiB of text at a time. InputError for a count function
    whose batches do not add, such as count_ranks: see RetrievalMeter.

    >>> import assay
    >>> meter = Meter(assay.count_words, prefix="val_")
    >>> meter.update(["a b c"], ["a x c"])
    >>> meter.update(["d"], ["d"])
    >>> meter.compute()["val_wer"], meter.state.hits
    (0.25, 3)
    """

    def __init__(
        self,
        count: Callable[..., Any],
        *,
        prefix: str = "",
        tags: Mapping[str, str] | None = None,
        sync: bool = True,
        group: Any = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        known, _ = function_of(count)
        if not callable(known):
            raise InputError(f"Meter: count must be a count function, got {count!r}")
        if hasattr(known, "target_scores"):
            raise InputError(
                f"Meter: {getattr(known, '__name__', known)} of a batch ranks among the batch, and "
                "such ranks do not add up to those among the whole gallery; use RetrievalMeter, "
                "which keeps embeddings and ranks all of them"
            )
        self._count = count
        self.prefix, self.tags = prefix, dict(tags or {})
        self._sync, self._group, self._timeout_s = sync, group, timeout_s
        self.reset()

    def reset(self) -> None:
        """Forget everything that was counted."""
        self._tally = Tally(self._count)

    def update(self, *columns: Any, ids: Any = None, **options: Any) -> None:
        """Count one batch; columns and options as the count function takes them.

        ids: integers [n], the same for a row wherever it is counted; rows with an id that was
        counted before are left out, also those that another rank counts (samplers of
        torch.distributed and Accelerate repeat rows at the end of an epoch). For that the last
        16 MiB of batches with ids are kept; a row that two ranks have counted before those is a
        SyncError in compute(). With items=True ids are needed, and name the rows of items.
        What the count function raises it raises here; for text, some updates later.
        """
        if ids is None and not options and (size := text_size(columns)) is not None:
            self._tally.take_text(columns, size)
        else:
            self._tally.take(Batch.of(columns, options, ids))

    # -- reading -------------------------------------------------------------------------------

    @property
    def state(self) -> State | None:
        """What this process has counted; None before the first update."""
        return self._tally.total()

    def synced(self) -> State | None:
        """The state of all ranks, the same on each; None where none has counted anything."""
        return _synced({"": self}, self._sync, self._group, self._timeout_s)[""]

    def scores(self) -> list[Score]:
        """The scores of synced(), with the meter's tags."""
        return self._scores_of(self.synced())

    def _scores_of(self, state: State | None) -> list[Score]:
        return [] if state is None else [score.tagged(**self.tags) for score in state.scores()]

    def compute(self) -> dict[str, float]:
        """The scores of synced() under flat names; empty before the first update on any rank."""
        return flatten(self.scores(), self.prefix)

    # -- checkpoints ---------------------------------------------------------------------------

    def state_dict(self) -> dict[str, str]:
        """What this process has counted, as text (Base64 of bytes, which torch.load reads with
        weights only, and JSON holds), for a checkpoint amid an epoch. Rows counted before it can no
        longer be left out."""
        total, ids = self._tally.settled()
        data = b"" if total is None else total.to_bytes()
        parts = {"state": data, "ids": ids.astype("<i8").tobytes()}
        return {name: base64.b64encode(part).decode() for name, part in parts.items()}

    def load_state_dict(self, saved: Mapping[str, str]) -> None:
        """Go on from a state_dict(); what was counted before is forgotten. StateFormatError for
        what is none."""
        if {*saved} != {"state", "ids"}:
            raise StateFormatError("Meter.load_state_dict: not what state_dict() gave")
        try:
            data, ids = (base64.b64decode(saved[name], validate=True) for name in ("state", "ids"))
        except ValueError as error:
            raise StateFormatError(f"Meter.load_state_dict: {error}") from None
        state = State.from_bytes(data) if data else None
        seen = np.frombuffer(ids, "<i8").astype(np.int64)
        self._tally = Tally.loaded(self._count, state, seen)


class Meters:
    """Several meters at once, added over ranks in one exchange.

    meters: names (for this object only) and count functions, or Meters of their own prefix and
    tags. update() gives a batch to all of them; `meters["name"].update(…)` to one.
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
        meters: Mapping[str, Meter | Callable[..., Any]],
        *,
        prefix: str = "",
        tags: Mapping[str, str] | None = None,
        sync: bool = True,
        group: Any = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._meters = {
            name: meter if isinstance(meter, Meter) else Meter(meter)
            for name, meter in meters.items()
        }
        self.prefix, self.tags = prefix, dict(tags or {})
        self._sync, self._group, self._timeout_s = sync, group, timeout_s

    def __getitem__(self, name: str) -> Meter:
        if name not in self._meters:
            raise KeyError(f"Meters has no meter {name!r}; it has {list(self._meters)}")
        return self._meters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._meters)

    def __len__(self) -> int:
        return len(self._meters)

    def update(self, *columns: Any, ids: Any = None, **options: Any) -> None:
        """Give one batch to every meter; see Meter.update."""
        if ids is None and not options and (size := text_size(columns)) is not None:
            for meter in self._meters.values():
                meter._tally.take_text(columns, size)
            return
        batch = Batch.of(columns, options, ids)
        for meter in self._meters.values():
            meter._tally.take(batch)

    def reset(self) -> None:
        """Forget everything that was counted."""
        for meter in self._meters.values():
            meter.reset()

    @property
    def state(self) -> dict[str, State | None]:
        """What this process has counted, by name."""
        return {name: meter.state for name, meter in self._meters.items()}

    def synced(self) -> dict[str, State | None]:
        """The states of all ranks, by name."""
        return dict(_synced(self._meters, self._sync, self._group, self._timeout_s))

    def scores(self) -> list[Score]:
        """The scores of all meters, with tags."""
        return [
            score.tagged(**self.tags)
            for name, state in self.synced().items()
            for score in self._meters[name]._scores_of(state)
        ]

    def compute(self) -> dict[str, float]:
        """All scores under flat names; InputError where two meters give the same name, which tags
        or a prefix of one tell apart."""
        flat: dict[str, float] = {}
        for name, state in self.synced().items():
            meter = self._meters[name]
            scores = [score.tagged(**self.tags) for score in meter._scores_of(state)]
            own = flatten(scores, self.prefix + meter.prefix)
            if common := flat.keys() & own.keys():
                raise InputError(
                    f"Meters: {name!r} and a meter before it both give {min(common)!r}; give "
                    "one of them a prefix or tags: Meter(count, tags={'model': …})"
                )
            flat |= own
        return flat

    def state_dict(self) -> dict[str, dict[str, str]]:
        """The state_dict() of every meter, by name."""
        return {name: meter.state_dict() for name, meter in self._meters.items()}

    def load_state_dict(self, saved: Mapping[str, Mapping[str, str]]) -> None:
        """Go on from a state_dict(). StateFormatError where its names are others."""
        if {*saved} != {*self._meters}:
            raise StateFormatError(
                f"Meters.load_state_dict: it is of {[*saved]}, and the meters are {[*self._meters]}"
            )
        for name, meter in self._meters.items():
            meter.load_state_dict(saved[name])


def _synced(
    meters: Mapping[str, Meter], sync: bool, group: Any, timeout_s: float
) -> Mapping[str, State | None]:
    world = World.of(group, timeout_s) if sync else None
    if world is None:
        return {name: meter.state for name, meter in meters.items()}
    world.meet()

    def without_repeats() -> dict[str, State | None]:
        drops = repeated(world, lambda: _ids_of(meters))
        return {name: meter._tally.total(drops[name]) for name, meter in meters.items()}

    return add_over_ranks(
        world,
        lambda: {name: meter.state for name, meter in meters.items()},
        ids=lambda: {name: meter._tally.ids for name, meter in meters.items()},
        again=without_repeats,
    )


def _ids_of(meters: Mapping[str, Meter]) -> dict[str, Rows]:
    """The rows of each meter; those that had the same updates have the same."""
    found: dict[str, Rows] = {}
    for name, meter in meters.items():
        like = next(
            (other for other in found if meters[other]._tally.had_rows_of(meter._tally)), None
        )
        found[name] = meter._tally.rows()._replace(like=like)
    return found
