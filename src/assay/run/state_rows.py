"""Counting where the data is: a function of Arrow record batches that gives a row with a state.

Whoever runs functions over partitions can run it: Spark's mapInArrow, a Dask task, a reader of
DuckDB. The rows that come back are added by `add_states`.

    counts = assay.state_rows(assay.count_words, "reference", "hypothesis")
    rows = frame.mapInArrow(counts, "state binary, rows bigint").toArrow()   # Spark
    rows = counts(duckdb.sql("from 'data/*.parquet'").to_arrow_reader())  # DuckDB
    assay.add_states(rows)["wer"]
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from assay.core.errors import InputError, StateFormatError
from assay.core.state import State

__all__ = ["StateRows", "add_states", "state_rows"]


class StateRows:
    """What state_rows() gives; it can be pickled where its count function can."""

    def __init__(
        self,
        count: Callable[..., State],
        columns: tuple[str, ...],
        by: tuple[str, ...],
        named: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> None:
        self.count, self.columns, self.by = count, columns, by
        self.named, self.options = dict(named), dict(options)

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """One record batch of one row, the columns `state` (binary) and `rows` (int64); nothing
        where there is no batch."""
        import pyarrow as pa

        states, rows = [], 0
        for batch in batches:
            states.append(self._counted(batch))
            rows += batch.num_rows
            if len(states) == 64:  # memory does not grow with the partition
                states = [_sum(states)]
        if states:
            state = pa.array([_sum(states).to_bytes()], pa.binary())
            yield pa.record_batch([state, pa.array([rows], pa.int64())], names=["state", "rows"])

    def _counted(self, batch: Any) -> State:
        wanted = [*self.columns, *self.by, *self.named.values()]
        if missing := [name for name in wanted if name not in batch.schema.names]:
            raise InputError(
                f"state_rows: no column {missing[0]!r}; there: {', '.join(batch.schema.names)}"
            )
        own = {name: batch.column(column) for name, column in self.named.items()}
        if self.by:
            own["by"] = {name: batch.column(name) for name in self.by}
        return self.count(*map(batch.column, self.columns), **own, **self.options)


def state_rows(
    count: Callable[..., State],
    *columns: str,
    by: str | Sequence[str] = (),
    named: Mapping[str, str] | None = None,
    **options: Any,
) -> StateRows:
    """A function of Arrow record batches that yields a record batch with their state.

    count: a count function whose results add. columns: the columns it is called with, in order.
    by: columns to group by. named: argument -> column, as {"weights": "w"}. options: further
    arguments of count. The function takes any iterable of record batches and yields one of one row:
    `state` binary, as State.to_bytes(), and `rows` int64; nothing where there are no batches.

    Errors: InputError of a column that is not there, and what `count` refuses. Items of several
    batches need ids of their own (items=True with named={"ids": …}).

    >>> import pyarrow as pa
    >>> from assay.metrics.words import count_words
    >>> counts = state_rows(count_words, "said", "heard")
    >>> batches = pa.table({"said": ["a b", "c"], "heard": ["a", "c"]}).to_batches(1)
    >>> partitions = [*counts(batches[:1]), *counts(batches[1:])]
    >>> add_states(partitions).wer
    0.3333333333333333
    """
    names = (by,) if isinstance(by, str) else tuple(by)
    return StateRows(count, columns, names, named or {}, options)


def add_states(rows: Any) -> Any:
    """The sum of states that state_rows() gave, in any order.

    rows: a table (anything with an Arrow stream), or an iterable of record batches, with the column
    `state`. InputError where there is no row; StateFormatError of bytes that are no state;
    MergeError of states that do not add.
    """
    import pyarrow as pa

    if hasattr(rows, "__arrow_c_stream__"):
        rows = pa.RecordBatchReader.from_stream(rows)
    states: list[Any] = []
    for batch in rows:
        for data in batch.column("state"):
            if not data.is_valid:
                raise StateFormatError("add_states: a state is null")
            states.append(State.from_bytes(data.as_py()))
            if len(states) == 64:
                states = [_sum(states)]
    if not states:
        raise InputError("add_states: no rows; was anything counted?")
    return _sum(states)


def _sum(states: list[Any]) -> Any:
    """Added as a tree: what was added before is not copied for each of them."""
    while len(states) > 1:
        pairs = zip(states[::2], states[1::2], strict=False)
        states = [a + b for a, b in pairs] + states[len(states) & ~1 :]
    return states[0]
