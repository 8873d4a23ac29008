"""p-values for tables of runs, of the per-item files that the runs have kept."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from assay.cli.compare import compared, read_rows
from assay.core.errors import DataError, InputError
from assay.core.paths import path_inside

__all__ = ["called", "item_files", "of_stages", "p_values"]

_BOOTSTRAP = {"method": "bootstrap", "level": 0.95, "seed": 0}
LEAST, MOST = 1000, 10_000  # resamples
OF_A_TEST = 100  # resamples: with fewer the least p there is, corrected, would say nothing


def item_files(
    records: Iterable[Any], group: Callable[[Any, Mapping[str, str]], Hashable | None]
) -> dict[Any, str]:
    """group of (run, tags) -> the per-item file that was kept of it as an artifact, if it is one
    alone; None is no group, and files of folds are of none."""
    found: dict[Any, list[str]] = {}
    for record in records:
        for file in record.artifacts:
            tags = {**record.tags, **file.tags}
            own = group(record, tags)
            if own is not None and "fold" not in tags and file.path.endswith(".parquet"):
                path = path_inside(record.directory, file.path)
                if _is_per_item(path):
                    found.setdefault(own, []).append(path)
    return {own: paths[0] for own, paths in found.items() if len(paths) == 1}


def _is_per_item(path: str) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return b"assay.items" in (pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def p_values(
    files: Mapping[Any, str], base: Any, metrics: Mapping[str, str], positive: str | None = None
) -> tuple[dict[Any, dict[str, float]], str]:
    """Of each group and metric against the base, corrected for all of them (Holm), and a note; of
    nothing where the base has no file.

    metrics: what it is called in the table -> in per-item files. A metric whose columns a file
    lacks, or that cannot be paired, has no p; the note says why.
    """
    from assay.metrics.comparisons import holm

    if base not in files or len(files) < 2:
        return {}, ""
    tests = (len(files) - 1) * len(metrics)
    resamples = min(max(LEAST, OF_A_TEST * tests), MOST)
    made: dict[tuple[Any, str], Any] = {}
    told: list[str] = []
    try:
        rows = {group: read_rows(path) for group, path in files.items()}
    except DataError as error:
        return {}, f"no p: {error}"
    for group in (own for own in files if own != base):
        for name, item_name in metrics.items():
            try:
                made[group, name] = compared(
                    item_name,
                    (files[base], files[group]),
                    (rows[base], rows[group]),
                    None,
                    positive if item_name == "f1" else None,
                    {**_BOOTSTRAP, "resamples": resamples},
                )
            except InputError as error:
                told.append(f"no p of {name}: {error}")
    found: dict[Any, dict[str, Any]] = {}
    for (group, name), one in zip(made, holm(made.values()), strict=True):
        found.setdefault(group, {})[name] = one.p_adjusted
    if made:
        told.insert(0, f"p: paired bootstrap of per-item files, {resamples:,} resamples, seed 0, "
                    f"corrected for {len(made)} tests (Holm)")  # fmt: skip
    return found, "; ".join(dict.fromkeys(told))


def of_stages(records: Sequence[Any], positive: str | None) -> tuple[Any, str]:
    """p-values of stages that have kept a per-item file, against the first stage, and a note."""
    from assay.report.groups import series_of

    names = dict.fromkeys(one.tags["stage"] for one in series_of(records) if "stage" in one.tags)
    files = item_files(
        records, lambda record, tags: tags["stage"] if tags.get("stage") in names else None
    )
    metrics = {name: name for name in ("accuracy", "macro_f1", "f1")}
    return p_values(files, next(iter(names)), metrics, positive)


def called(metrics: Sequence[str]) -> dict[str, str]:
    """Flat names -> names in per-item files: without tags, and with the sign for `at`."""
    return {name: name.rpartition("/")[2].replace("_at_", "@") for name in metrics}
