"""Rows of embeddings with an id and a label each, as the batches of a loop bring them."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.run.batches import as_ids, ids_of, on_gpu

__all__ = ["STORES", "Rows", "Vectors", "relevant_rows"]

Ints = npt.NDArray[np.int64]

STORES = ("host", "bfloat16")


class Rows(NamedTuple):
    """Rows [n, d] in order of their ids, each once: an array or a tensor, None without any."""

    rows: Any
    ids: Ints
    labels: Ints


class Vectors:
    """What was kept of one side.

    store: "host", in the type they came in, or "bfloat16", rounded, on the device they came on.
    """

    def __init__(self, what: str, store: str) -> None:
        self._what, self._store = what, store
        self._parts: list[tuple[Any, Any, Any]] = []  # rows, ids, labels
        self._event: Any = None
        self.width = 0
        self.numbered = 0  # rows that came without ids

    def add(self, rows: Any, ids: Any, labels: Any) -> None:
        """Copies rows [n, d]; of a GPU, without waiting."""
        if getattr(rows, "ndim", 0) != 2:
            raise InputError(
                f"update: {self._what} must be an array or tensor [n, d], got "
                f"{getattr(rows, 'shape', type(rows).__name__)}"
            )
        n, width = rows.shape
        if self._parts and self.width != width:
            raise InputError(f"update: {self._what} has width {width}, batches before {self.width}")
        if self._parts and isinstance(rows, np.ndarray) != isinstance(
            self._parts[0][0], np.ndarray
        ):
            raise InputError(f"update: {self._what} must be arrays or tensors in all batches")
        if ids is None:
            ids = np.arange(self.numbered, self.numbered + n)
            self.numbered += n
        elif self.numbered:
            raise InputError("update: give ids= with each batch, or with none")
        else:
            ids = ids_of(ids, n, f"{self._what}_ids")
        labels = ids if labels is None else ids_of(labels, n, f"{self._what}_labels")
        self.width = int(width)
        self._parts.append((self._kept(rows), ids, labels))

    def _kept(self, rows: Any) -> Any:
        if isinstance(rows, np.ndarray):
            if self._store == "bfloat16":
                raise InputError(
                    f"update: store='bfloat16' keeps tensors, and {self._what} is an array of "
                    f"{rows.dtype}; give tensors, or store='host'"
                )
            return rows.copy()
        rows = rows.detach()
        if self._store == "bfloat16":
            import torch

            return rows.to(torch.bfloat16, copy=True)
        if not on_gpu(rows):
            return rows.clone()
        import torch

        own = rows.to("cpu", non_blocking=True)
        self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._event.record(torch.cuda.current_stream(rows.device))
        return own

    def read(self) -> Rows:
        """All rows, the first one of each id; waits for those on their way."""
        if self._event is not None:
            self._event.synchronize()  # those before are done as well
        if not self._parts:
            return Rows(None, np.zeros(0, np.int64), np.zeros(0, np.int64))
        parts, *named = zip(*self._parts, strict=True)
        ids, labels = (np.concatenate([as_ids(part) for part in column]) for column in named)
        ids, first = np.unique(ids, return_index=True)
        if isinstance(parts[0], np.ndarray):
            return Rows(np.concatenate(parts)[first], ids, labels[first])
        import torch

        rows = torch.cat(parts)
        return Rows(rows[torch.from_numpy(first).to(rows.device)], ids, labels[first])


def relevant_rows(labels: Ints, gallery: Ints) -> tuple[Ints, Ints]:
    """The gallery rows with the label of each query, in order, and how many there are."""
    order = np.argsort(gallery, kind="stable")
    known = gallery[order]
    starts, ends = (np.searchsorted(known, labels, side) for side in ("left", "right"))
    lengths = ends - starts
    places = np.arange(lengths.sum()) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    return order[places], lengths
