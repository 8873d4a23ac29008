"""A Dataset of Ray: each of its blocks is a part."""

from collections.abc import Iterator, Sequence
from functools import partial
from threading import Lock
from typing import Any

from assay.core.optional import require
from assay.core.protocols import Batch, Part
from assay.readers.columns import MAX_ROWS, Columns, sliced
from assay.readers.source import Rows

__all__ = ["RayDataset"]


class RayDataset(Rows):
    """The rows of a Dataset in the order of its blocks. It is computed when parts() is first asked
    for, and its blocks stay in the cluster's memory, or on its disks, until they are read."""

    def __init__(self, dataset: Any, want: Columns, blocks: Sequence[Any] | None = None) -> None:
        self.dataset, self.want, self._blocks = dataset, want, blocks
        self._lock = Lock()

    def __reduce__(self) -> Any:  # a worker reads the same blocks
        return RayDataset, (None, self.want, self._found())

    def __str__(self) -> str:
        return "Ray Dataset"

    def _found(self) -> Sequence[Any]:
        with self._lock:
            if self._blocks is None:
                self._blocks = self.dataset.to_arrow_refs()
            return self._blocks

    def parts(self) -> Sequence[Part]:
        return [Part(i, f"{self}: block {i + 1}") for i in range(len(self._found()))]

    def batches(self, part: Part) -> Iterator[Batch]:
        table = require("ray").get(self._found()[part.index])
        if not table.num_rows:  # it may have no columns either
            return
        want, done = self.want.among(table.schema.names, part.name), 0
        for rows in table.to_batches(max_chunksize=MAX_ROWS):
            where = partial(_row, part.name, done)
            yield from sliced(want.take(rows, where), done, 0, where)
            done += rows.num_rows


def _row(part: str, first: int, row: int) -> str:
    return f"{part}: row {first + row + 1}"
