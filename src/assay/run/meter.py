"""Meter: a count function called batch by batch, on one process or many.

Nothing here waits for a GPU before compute(): count functions of tensors on a device start work
there and return, and their states add without being read.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from assay.core.errors import InputError, StateFormatError
from assay.core.state import State
from assay.run.batches import Batch, text_size
from assay.run.counting import definition, function_of, same_count
from assay.run.named_meter import NamedMeter
from assay.run.repeats import RowIds, repeated
from assay.run.sync import add_over_ranks
from assay.run.tally import Tally
from assay.run.world import TIMEOUT_S, World

__all__ = ["Meter", "counted_over"]


class Meter(NamedMeter):
    """Counts batch by batch, and adds over all ranks of torch.distributed when read.

    count: a count function (`count_words`, `count_scores`, a functools.partial of one).
    prefix, tags: what scores are called: {prefix}{tags}/{name}; a tag that is None is none.
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
        super().__init__(prefix, tags, sync, group, timeout_s)
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

    @property
    def state(self) -> State | None:
        """What this process has counted; None before the first update."""
        return self._tally.total()

    def over(self, world: World) -> State | None:
        """The state of all ranks, which have met."""
        return counted_over(world, {"": self})[""]

    # -- checkpoints ---------------------------------------------------------------------------

    def state_dict(self) -> dict[str, str]:
        """What this process has counted, and by what count function, as text (Base64 of bytes,
        which torch.load reads with weights only, and JSON holds), for a checkpoint amid an epoch.
        Rows counted before it can no longer be left out."""
        total, ids = self._tally.settled()
        data = b"" if total is None else total.to_bytes()
        parts = {"state": data, "ids": ids.astype("<i8").tobytes()}
        return {
            "count": definition(self._count),
            **{name: base64.b64encode(part).decode() for name, part in parts.items()},
        }

    def load_state_dict(self, saved: Mapping[str, str]) -> None:
        """Go on from a state_dict(); what was counted before is forgotten. StateFormatError for
        what is none, or was counted by another count function or with other options; a state_dict()
        of an early version, which does not say by which, is refused too."""
        if {*saved} != {"count", "state", "ids"}:
            raise StateFormatError(
                "Meter.load_state_dict: needs count, state and ids, as state_dict() gives them, "
                f"got {sorted(saved)}"
            )
        same_count("Meter", saved, self._count)
        try:
            data, ids = (base64.b64decode(saved[name], validate=True) for name in ("state", "ids"))
            seen = np.frombuffer(ids, "<i8").astype(np.int64)
        except ValueError as error:
            raise StateFormatError(f"Meter.load_state_dict: {error}") from None
        state = State.from_bytes(data) if data else None
        self._tally = Tally.loaded(self._count, state, seen)


def counted_over(
    world: World, meters: Mapping[str, Meter], others: tuple[str, ...] = ()
) -> dict[str, State | None]:
    """The states of all ranks in one exchange, by the names of meters. others: names of meters that
    are no part of it, which must be the same on all ranks too."""
    beside: dict[str, State | None] = dict.fromkeys(others)

    def own() -> dict[str, State | None]:
        return {name: meter.state for name, meter in meters.items()} | beside

    def without_repeats() -> dict[str, State | None]:
        drops = repeated(world, lambda: _ids_of(meters))
        states = {name: meter._tally.total(drops[name]) for name, meter in meters.items()}
        return states | beside

    added = add_over_ranks(
        world,
        own,
        ids=lambda: {name: meter._tally.ids for name, meter in meters.items()},
        again=without_repeats,
    )
    return {name: added[name] for name in meters}


def _ids_of(meters: Mapping[str, Meter]) -> dict[str, RowIds]:
    """The rows of each meter; those that had the same updates have the same."""
    found: dict[str, RowIds] = {}
    for name, meter in meters.items():
        like = next(
            (other for other in found if meters[other]._tally.had_rows_of(meter._tally)), None
        )
        found[name] = meter._tally.rows()._replace(like=like)
    return found
