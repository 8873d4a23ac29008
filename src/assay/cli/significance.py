"""p-values for tables of runs, of the per-item files that the runs have kept."""

import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from assay.cli.compare import compared, read_rows
from assay.core.errors import DataError, InputError

__all__ = ["called", "item_files", "p_values"]

_BOOTSTRAP = {"method": "bootstrap", "level": 0.95, "resamples": 1000, "seed": 0}
NOTE = "p: paired bootstrap of per-item files, 1,000 resamples, seed 0, each test for itself"


def item_files(
    records: Iterable[Any], group: Callable[[Any, Mapping[str, str]], Hashable | None]
) -> dict[Any, str]:
    """group of (run, tags) -> the per-item file that was kept of it as an artifact, if it is one
    alone; None is no group, and files of folds are of none."""
    found: dict[Any, list[str]] = {}
    for record in records:
        for file in record.artifacts:
            tags = {**record.tags, **file.tags}
            own, path = group(record, tags), os.path.join(record.directory, file.path)
            if own is not None and "fold" not in tags and _is_per_item(path):
                found.setdefault(own, []).append(path)
    return {own: paths[0] for own, paths in found.items() if len(paths) == 1}


def _is_per_item(path: str) -> bool:
    if not path.endswith(".parquet"):
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return b"assay.items" in (pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def p_values(
    files: Mapping[Any, str], base: Any, metrics: Mapping[str, str], positive: str | None = None
) -> tuple[dict[Any, dict[str, float]], str]:
    """Of each group and metric against the base, and a note; of nothing where the base has no file.

    metrics: what it is called in the table -> in per-item files. A metric whose columns a file
    lacks, or that cannot be paired, has no p; the note says why.
    """
    if base not in files or len(files) < 2:
        return {}, ""
    found: dict[Any, dict[str, float]] = {}
    told: list[str] = []
    try:
        rows = {group: read_rows(path) for group, path in files.items()}
    except DataError as error:
        return {}, f"no p: {error}"
    for group in (own for own in files if own != base):
        for name, item_name in metrics.items():
            try:
                one = compared(
                    item_name,
                    (files[base], files[group]),
                    (rows[base], rows[group]),
                    None,
                    positive if item_name == "f1" else None,
                    _BOOTSTRAP,
                )
            except InputError as error:
                told.append(f"no p of {name}: {error}")
                continue
            found.setdefault(group, {})[name] = one.p_value
    return found, "; ".join(dict.fromkeys([NOTE] * bool(found) + told))


def called(metrics: Sequence[str]) -> dict[str, str]:
    """Flat names -> names in per-item files: without tags, and with the sign for `at`."""
    return {name: name.rpartition("/")[2].replace("_at_", "@") for name in metrics}
