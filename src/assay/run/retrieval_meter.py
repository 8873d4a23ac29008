"""RetrievalMeter: embeddings of a loop, ranked when all of them are there."""

from collections.abc import Callable, Mapping
from typing import Any

from assay.core.checks import one_of
from assay.core.errors import InputError, StateFormatError
from assay.core.protocols import DIRECTIONS, GalleryCount
from assay.core.state import State
from assay.run.counting import definition, same_count
from assay.run.named_meter import NamedMeter
from assay.run.ring import SIDES, Ranking
from assay.run.vectors import STORES, Rows, Vectors
from assay.run.world import TIMEOUT_S, World

__all__ = ["RetrievalMeter"]


class RetrievalMeter(NamedMeter):
    """Keeps the embeddings of a loop and ranks all of them in compute(), over all ranks.

    count: count_ranks, or a functools.partial with its metric, k, convention, ….
    store: "host", host memory in the type they came in, or "bfloat16", rounded, on the device they
        came on: half the memory, and ranks of the rounded ones.
    both_directions, directions: as count_ranks. prefix, tags, sync, group, timeout_s: as Meter.

    A gallery row is relevant to the queries of its label. Labels are ids by default, so pairs need
    neither: row i of the query batch belongs to row i of the gallery batch.

    Ranks and scores have the same digits on any number of processes. The whole gallery is on no
    rank; of memory, a rank needs its share of both sides and two shards more.

    >>> import assay
    >>> import numpy as np
    >>> meter = RetrievalMeter(assay.count_ranks, prefix="val_")
    >>> meter.update(np.eye(3), np.array([[1, 0.2, 0], [0, 0.1, 1], [0.1, 0.9, 0.2]]))
    >>> round(meter.compute()["val_recall_at_1"], 4)
    0.3333
    """

    def __init__(
        self,
        count: GalleryCount | Callable[..., Any],
        *,
        store: str = "host",
        both_directions: bool = False,
        directions: tuple[str, str] = DIRECTIONS,
        prefix: str = "",
        tags: Mapping[str, str] | None = None,
        sync: bool = True,
        group: Any = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        super().__init__(prefix, tags, sync, group, timeout_s)
        self._count = count
        self._ranking = Ranking(count, both_directions, directions)
        self._store = one_of(store, "store", STORES)
        self.reset()

    def reset(self) -> None:
        """Forget all embeddings."""
        self._query, self._gallery = (Vectors(side, self._store) for side in SIDES)

    def update(
        self,
        query: Any = None,
        gallery: Any = None,
        *,
        ids: Any = None,
        query_ids: Any = None,
        gallery_ids: Any = None,
        query_labels: Any = None,
        gallery_labels: Any = None,
    ) -> None:
        """Keep a batch of query [n, d], of gallery [m, d], or of both.

        ids: integers [n], of both sides where they are pairs; else query_ids and gallery_ids. A row
        counts once for its id, however often it comes and on whatever rank; without ids rows are
        numbered, on one process only. query_labels, gallery_labels: integers; by default the ids.
        Five captions a clip: update(captions, clips, query_ids=caption_ids, gallery_ids=clip_ids,
        query_labels=clip_ids).
        """
        if query is None and gallery is None:
            raise InputError("update: give query, gallery or both")
        # Both are made before one is kept, so that a bad batch leaves no half of it.
        batches = [
            (side, side.batch(rows, ids if own is None else own, labels))
            for side, rows, own, labels in (
                (self._query, query, query_ids, query_labels),
                (self._gallery, gallery, gallery_ids, gallery_labels),
            )
            if rows is not None
        ]
        for side, batch in batches:
            side.add(batch)

    @property
    def state(self) -> State | None:
        """The ranks of this process's queries in its own gallery; None without any rows."""
        return self._ranking.alone(self._query.read(), self._gallery.read())

    def over(self, world: World) -> State | None:
        """The ranks of all queries in the whole gallery; None where no rank has rows."""
        return self._ranking.over(world, self._named_rows)

    def _named_rows(self) -> tuple[Rows, Rows]:
        if self._query.numbered or self._gallery.numbered:
            raise InputError(
                "RetrievalMeter: with several ranks rows need ids, the same for a row wherever it "
                "is; give ids= in update()"
            )
        return self._query.read(), self._gallery.read()

    # -- checkpoints ---------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What was kept: text, and of each side tensors (arrays become tensors too, so torch is
        needed), which torch.load reads with weights only; of the size of all embeddings."""
        return {
            "count": definition(self._count),
            "store": self._store,
            "query": self._query.state_dict(),
            "gallery": self._gallery.state_dict(),
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from a state_dict(); what was kept before is forgotten. StateFormatError for what
        is none, or is of another count function, other options of it, or another store."""
        if {*saved} != {"count", "store", *SIDES}:
            raise StateFormatError(
                "RetrievalMeter.load_state_dict: needs count, store, query and gallery, as "
                f"state_dict() gives them, got {sorted(saved)}"
            )
        same_count("RetrievalMeter", saved, self._count)
        if saved["store"] != self._store:
            raise StateFormatError(
                f"RetrievalMeter.load_state_dict: the checkpoint was kept with store="
                f"{saved['store']!r}, and this meter has store={self._store!r}; give it the same"
            )
        self._query, self._gallery = (
            Vectors.loaded(side, self._store, saved[side]) for side in SIDES
        )
