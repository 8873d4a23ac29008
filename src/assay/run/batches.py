"""What updates of a meter were given, until it is counted.

Three reasons to wait: many small batches of text are counted faster as one; rows with ids may turn
out to be repeated on another rank; and what lies on a GPU is on its way to the host.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError

__all__ = ["Batch", "all_ids", "as_ids", "counted", "ids_of", "new_rows", "on_gpu"]
__all__ += ["text_size", "wants_ids"]

Ints = npt.NDArray[np.int64]

ITEM = 64  # bytes of a string, besides its characters, or of a row in a state
BATCH = 2048  # bytes of a batch and its state, besides rows


class Batch(NamedTuple):
    """Columns and options of one update, which nobody changes any more. text: all columns are
    lists of str and there are no options. size: about how many bytes are held. event: of copies
    that are on their way from a GPU to the host."""

    columns: tuple[Any, ...]
    options: Mapping[str, Any]
    ids: Any
    text: bool
    size: int
    event: Any = None

    @classmethod
    def of(cls, columns: tuple[Any, ...], options: Mapping[str, Any], ids: Any) -> "Batch":
        """A copy of what may change; an InputError for ids that are not those of the rows."""
        text = not options and text_size(columns) is not None
        if ids is not None and not columns:
            raise InputError("update: ids name the rows of a batch, and there is no batch")
        own = None if ids is None else ids_of(ids, len(columns[0]))
        if own is None:
            return cls(columns, options, None, False, 0)  # counted before update() returns
        columns = tuple(map(_held, columns))
        options = {name: _held(value) for name, value in options.items()}
        size = _size_of(columns, options)
        if not on_gpu(own):
            return cls(columns, options, own, text, size)
        return cls(columns, options, _sent(own), text, size, _sending(own.device))

    def to_host(self) -> "Batch":
        """The same with all columns on their way to the host. Nothing is waited for: copies go to
        pinned memory, and the event tells when they are done."""
        values = (*self.columns, *self.options.values())
        device = next(value.device for value in values if on_gpu(value))
        columns = tuple(map(_sent, self.columns))
        options = {name: _sent(value) for name, value in self.options.items()}
        size = _size_of(columns, options)
        event = _sending(device)
        return self._replace(columns=columns, options=options, size=size, event=event)

    def arrived(self) -> "Batch":
        """The same, when all of it is there."""
        if self.event is not None:
            self.event.synchronize()
        return self

    @property
    def own_ids(self) -> Ints:
        """The ids, when they are there."""
        return as_ids(self.arrived().ids)

    @property
    def on_gpu(self) -> bool:
        """Whether a column lies on a GPU."""
        return any(map(on_gpu, (*self.columns, *self.options.values())))

    def rows(self, keep: Ints) -> "Batch":
        """Some rows, by number."""
        n = len(self.columns[0])
        if len(keep) == n:
            return self
        ids = None if self.ids is None else self.own_ids[keep]
        columns = tuple(_rows(column, keep, "a column") for column in self.columns)
        options = {name: _option_rows(v, keep, n, name) for name, v in self.options.items()}
        return self._replace(columns=columns, options=options, ids=ids)


def text_size(columns: tuple[Any, ...]) -> int | None:
    """About how many bytes lists of str take; None for anything else, and for lists of different
    lengths, of which the count function says what is wrong."""
    size = 0
    for column in columns:
        if type(column) not in (list, tuple) or {*map(type, column)} != {str}:
            return None
        if len(column) != len(columns[0]):
            return None
        size += sum(map(len, column)) + ITEM * len(column)
    return size if columns else None


def counted(count: Callable[..., Any], batches: Sequence[Batch], pass_ids: bool) -> list[Any]:
    """States that add up to the count of all batches; those of text are counted as one.
    pass_ids: whether the count function keeps rows of items, by id."""
    texts = [batch for batch in batches if batch.text]
    states = [_count(count, batch, pass_ids) for batch in batches if not batch.text]
    if len(texts) == 1:
        states.append(_count(count, texts[0], pass_ids))
    elif texts:
        columns = zip(*(batch.columns for batch in texts), strict=True)
        joined = tuple([row for part in column for row in part] for column in columns)
        ids = np.concatenate([batch.own_ids for batch in texts]) if pass_ids else None
        states.append(_count(count, Batch(joined, {}, ids, True, 0), pass_ids))
    return states


def new_rows(seen: Ints, batches: Sequence[Batch], without: Ints) -> list[Batch]:
    """The batches less rows whose id stands in `seen` or `without` (both sorted) or in a row
    before. Rows without ids are all new."""
    with_ids = [batch for batch in batches if batch.ids is not None]
    if not with_ids:
        return list(batches)
    own = [batch.own_ids for batch in with_ids]
    ids = np.concatenate(own)
    new = np.zeros(len(ids), np.bool_)
    new[np.unique(ids, return_index=True)[1]] = True
    for known in (seen, without):
        new &= ~_among(ids, known)
    ends = np.cumsum([len(part) for part in own])
    parts = iter(np.split(new, ends[:-1]))
    return [
        batch if batch.ids is None else batch.rows(np.flatnonzero(next(parts)))
        for batch in batches
    ]  # fmt: skip


def all_ids(batches: Iterable[Batch]) -> Ints:
    """The ids of batches, one after the other."""
    own = [batch.own_ids for batch in batches if batch.ids is not None]
    return np.concatenate([np.zeros(0, np.int64), *own])


def wants_ids(options: Mapping[str, Any]) -> bool:
    """Whether rows of single items are kept, which have ids."""
    return bool(options.get("items"))


def _count(count: Callable[..., Any], batch: Batch, pass_ids: bool) -> Any:
    wanted = batch.ids is not None and (pass_ids or wants_ids(batch.options))
    ids = {"ids": batch.own_ids} if wanted else {}
    return count(*batch.columns, **batch.options, **ids)


def ids_of(ids: Any, n: int, what: str = "ids") -> Any:
    """int64 [n], a copy, or a tensor of them that is on a GPU and read later by as_ids()."""
    own = ids.detach().clone() if on_gpu(ids) else as_ids(ids, what)
    if tuple(own.shape) != (n,):
        raise InputError(f"update: {what} must be {n} integers, one a row, got shape {own.shape}")
    return own


def as_ids(ids: Any, what: str = "ids") -> Ints:
    """int64 on the host."""
    array = np.asarray(ids.detach().cpu() if hasattr(ids, "detach") else ids)
    if array.size and array.dtype.kind not in "iu":
        raise InputError(f"update: {what} must be integers, got {array.dtype}")
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"update: {what} must fit in int64, got {array.max()}")
    return array.astype(np.int64)


def _among(ids: Ints, known: Ints) -> npt.NDArray[np.bool_]:
    if not len(known):
        return np.zeros(len(ids), np.bool_)
    at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.asarray(known[at] == ids)


# -- values of any kind ------------------------------------------------------------------------


def on_gpu(value: Any) -> bool:
    """Whether it is a tensor on a GPU."""
    return bool(getattr(value, "is_cuda", False))


def _sent(value: Any) -> Any:
    return value.detach().to("cpu", non_blocking=True) if on_gpu(value) else value


def _sending(device: Any) -> Any:
    """An event after what a GPU was told so far."""
    import torch

    event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event


def _held(value: Any) -> Any:
    """The value, or a copy of what its owner may change."""
    if isinstance(value, (list, np.ndarray)):
        return value.copy()
    if isinstance(value, tuple):
        return tuple(map(_held, value))
    if isinstance(value, Mapping):
        return {name: _held(column) for name, column in value.items()}
    if hasattr(value, "detach"):
        return value.detach().clone()
    return value.copy() if hasattr(value, "iloc") else value


def _size_of(columns: tuple[Any, ...], options: Mapping[str, Any]) -> int:
    """About how many bytes a batch, its ids and its state take."""
    rows = BATCH + len(columns[0]) * (ITEM + 8)
    return rows + sum(map(_size, (*columns, *options.values())))


def _size(value: Any) -> int:
    if isinstance(value, (list, tuple)):
        if value and isinstance(value[0], str):
            return sum(map(len, value)) + ITEM * len(value)
        return sum(map(_size, value))
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    return int(getattr(value, "nbytes", ITEM))


def _rows(column: Any, keep: Ints, what: str) -> Any:
    if isinstance(column, (list, tuple)):
        return [column[row] for row in keep.tolist()]
    if hasattr(column, "iloc"):
        return column.iloc[keep]
    if isinstance(column, np.ndarray):
        return column[keep]
    if hasattr(column, "detach") or hasattr(column, "gather"):  # a tensor, a polars column
        return column[keep.tolist()]
    if hasattr(column, "take") and not hasattr(column, "ndim"):  # of Arrow
        return column.take(keep)
    if hasattr(column, "__array__"):
        return np.asarray(column)[keep]
    raise InputError(
        f"update: an id stands twice, and rows of {what}, a {type(column).__name__}, cannot be "
        "left out; give lists, arrays or tensors"
    )


def _option_rows(value: Any, keep: Ints, n: int, name: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _option_rows(column, keep, n, name) for key, column in value.items()}
    if isinstance(value, tuple) and value and all(_is_column(part, n) for part in value):
        return tuple(_rows(part, keep, name) for part in value)
    return _rows(value, keep, name) if _is_column(value, n) else value


def _is_column(value: Any, n: int) -> bool:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__len__"):
        return False
    return getattr(value, "ndim", 1) > 0 and len(value) == n
