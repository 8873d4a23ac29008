"""Rows of embeddings with an id and a label each, as the batches of a loop bring them."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError, StateFormatError
from assay.run.batches import as_ids, ids_of, on_gpu

__all__ = ["STORES", "Batch", "Rows", "Vectors", "as_tensor"]

Ints = npt.NDArray[np.int64]

STORES = ("host", "bfloat16")

_SAVED = {"rows", "ids", "labels", "array", "named"}


class Rows(NamedTuple):
    """Rows [n, d] in order of their ids, each once: an array or a tensor, None without any."""

    rows: Any
    ids: Ints
    labels: Ints


class Batch(NamedTuple):
    """Rows of one update. ids and labels int64 [n], on the host or on a GPU; named: whether ids
    were given."""

    rows: Any
    ids: Any
    labels: Any
    named: bool


class Vectors:
    """What was kept of one side.

    store: "host", in the type they came in, or "bfloat16", rounded, on the device they came on.
    """

    def __init__(self, what: str, store: str) -> None:
        self._what, self._store = what, store
        self._parts: list[Batch] = []
        self._event: Any = None
        self.numbered = 0  # rows that came without ids

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles have: events of a GPU stay here."""
        self._arrive()
        return self.__dict__.copy()

    def _arrive(self) -> None:
        if self._event is not None:
            self._event.synchronize()  # those before are done as well
            self._event = None

    def batch(self, rows: Any, ids: Any, labels: Any) -> Batch:
        """A copy of rows [n, d]; of a GPU, without waiting. InputError for what cannot be added."""
        if getattr(rows, "ndim", 0) != 2:
            raise InputError(
                f"update: {self._what} must be an array or tensor [n, d], got "
                f"{getattr(rows, 'shape', type(rows).__name__)}"
            )
        if not hasattr(rows, "detach"):
            rows = np.asarray(rows)
        n = len(rows)
        if n and self._parts:
            self._refuse_unlike(rows, ids is not None)
        own = (
            np.arange(self.numbered, self.numbered + n)
            if ids is None
            else ids_of(ids, n, f"{self._what}_ids")
        )
        labels = own if labels is None else ids_of(labels, n, f"{self._what}_labels")
        return Batch(self._kept(rows), own, labels, ids is not None)

    def add(self, batch: Batch) -> None:
        """Keep a batch; an empty one may be of any type and width, as some loops make it."""
        if not len(batch.ids):
            return
        self._parts.append(batch)
        self.numbered += 0 if batch.named else len(batch.ids)

    def _refuse_unlike(self, rows: Any, named: bool) -> None:
        first = self._parts[0]
        if rows.shape[1] != first.rows.shape[1]:
            raise InputError(
                f"update: {self._what} has width {rows.shape[1]}, batches before "
                f"{first.rows.shape[1]}"
            )
        if isinstance(rows, np.ndarray) != isinstance(first.rows, np.ndarray):
            raise InputError(f"update: {self._what} must be arrays or tensors in all batches")
        if named != first.named:
            raise InputError(f"update: of {self._what}, give ids= with each batch, or with none")

    def _kept(self, rows: Any) -> Any:
        if isinstance(rows, np.ndarray):
            if self._store == "bfloat16":
                raise InputError(
                    f"update: store='bfloat16' keeps tensors, and {self._what} is an array of "
                    f"{rows.dtype}; give tensors, or store='host'"
                )
            return rows.copy()
        import torch

        rows = rows.detach()
        if self._store == "bfloat16":
            return rows.to(torch.bfloat16, copy=True)
        if not on_gpu(rows):
            return rows.to("cpu", copy=True)
        own = rows.to("cpu", non_blocking=True)
        self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._event.record(torch.cuda.current_stream(rows.device))
        return own

    def read(self) -> Rows:
        """All rows, the first one of each id; waits for those on their way."""
        self._arrive()
        if not self._parts:
            return Rows(None, np.zeros(0, np.int64), np.zeros(0, np.int64))
        parts, *named, _ = zip(*self._parts, strict=True)
        ids, labels = (np.concatenate([as_ids(part) for part in column]) for column in named)
        ids, first = np.unique(ids, return_index=True)
        if isinstance(parts[0], np.ndarray):
            return Rows(np.concatenate(parts)[first], ids, labels[first])
        import torch

        device = parts[-1].device  # those of a checkpoint may lie elsewhere
        rows = torch.cat([part.to(device) for part in parts])
        return Rows(rows[torch.from_numpy(first).to(device)], ids, labels[first])

    # -- checkpoints ---------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Tensors: rows [n, d] or None, ids and labels [n]; whether rows are arrays, and whether
        their ids were given."""
        import torch

        found = self.read()
        return {
            "rows": as_tensor(found).rows,
            "ids": torch.from_numpy(found.ids),
            "labels": torch.from_numpy(found.labels),
            "array": isinstance(found.rows, np.ndarray),
            "named": bool(self._parts) and self._parts[0].named,
        }

    @classmethod
    def loaded(cls, what: str, store: str, saved: Any) -> Self:
        """One that goes on from a state_dict(); a StateFormatError for what is none."""
        if not isinstance(saved, Mapping) or {*saved} != _SAVED:
            raise _refused(what, f"needs {', '.join(sorted(_SAVED))}", saved)
        side, rows = cls(what, store), saved["rows"]
        if rows is None:
            return side
        if getattr(rows, "ndim", 0) != 2 or not hasattr(rows, "detach"):
            raise _refused(f"{what} rows", "must be a tensor [n, d]", rows)
        if store == "bfloat16" and str(rows.dtype) != "torch.bfloat16":
            raise _refused(f"{what} rows", "must be bfloat16, as the store", rows)
        for name in ("ids", "labels"):
            own = saved[name]
            if str(getattr(own, "dtype", "")) != "torch.int64" or own.shape != rows.shape[:1]:
                raise _refused(f"{what} {name}", f"must be a tensor int64 [{len(rows)}]", own)
        ids, labels = as_ids(saved["ids"]), as_ids(saved["labels"])
        rows = rows.detach() if store == "bfloat16" else rows.detach().cpu()
        rows = rows.numpy() if saved["array"] else rows
        side.add(Batch(rows, ids, labels, bool(saved["named"])))
        return side


def as_tensor(side: Rows) -> Rows:
    """The same with a tensor for an array."""
    if not isinstance(side.rows, np.ndarray):
        return side
    import torch

    return side._replace(rows=torch.from_numpy(np.ascontiguousarray(side.rows)))


def _refused(what: str, rule: str, value: Any) -> StateFormatError:
    got = f"{value!r:.80}"
    if hasattr(value, "dtype"):
        got = f"{value.dtype} of shape {tuple(value.shape)}"
    return StateFormatError(f"RetrievalMeter.load_state_dict: {what} {rule}, got {got}")
