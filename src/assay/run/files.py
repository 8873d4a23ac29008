"""Files of a run: written whole into its directory, so that they stay as they were logged."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from assay.core.csv_text import csv_text
from assay.core.errors import DataError, InputError
from assay.core.output import whole_file, write_whole, writing
from assay.core.score import flat_key
from assay.run.values import texts

__all__ = [
    "copy_in",
    "inside",
    "is_function",
    "save_figure",
    "save_model",
    "save_table",
]

_UNSAFE = re.compile(r"[^\w.\- ]")


def inside(
    folder: str, name: Any, tags: Mapping[str, Any], suffix: str = "", step: int | None = None
) -> str:
    """A path in the run's directory for a name; tags and slashes make folders, as of a fold nothing
    may replace what another one has, and nothing leads out of it."""
    if not isinstance(name, str) or not name.strip("/ ."):
        raise InputError(f"run: a file needs a name, got {name!r}")
    own = flat_key("x", texts(tags)).split("/")[:-1]
    parts = [
        "_" if part in ("", ".", "..") else _UNSAFE.sub("_", part)
        for part in [*own, *name.split("/")]
    ]
    if step is not None:
        root, extension = os.path.splitext(parts[-1])
        parts[-1] = f"{root}-{step}{extension}"
    if suffix and not parts[-1].lower().endswith(suffix):
        parts[-1] += suffix
    return "/".join([folder, *parts])


def _place(directory: str, path: str) -> str:
    """Where a file of the run goes; its folder is there."""
    target = os.path.join(directory, path)
    with writing(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
    return target


def _write_by(directory: str, path: str, write: Callable[[str], Any]) -> None:
    """Have `write` make a file under another name, which then becomes `path`."""
    target = _place(directory, path)
    with whole_file(target, "model.pt") as temporary, writing(target):
        write(temporary)


def copy_in(
    directory: str,
    source: str | os.PathLike[str],
    name: str | None,
    tags: Mapping[str, Any],
    copied: dict[str, str],
) -> tuple[str, str]:
    """Copy a file or a folder into the run's directory: its name, and its path there. What is
    there already stays where it is. copied: path there -> what was copied to it by this process."""
    source = os.fspath(source)
    if not os.path.exists(source):
        raise DataError(f"run.artifact: {source}: there is no such file")
    name = name or os.path.basename(os.path.normpath(source))
    here = os.path.relpath(os.path.realpath(source), os.path.realpath(directory))
    if not here.startswith(os.pardir) and here != os.curdir:
        return name, here.replace(os.sep, "/")
    if os.path.realpath(directory).startswith(os.path.join(os.path.realpath(source), "")) or (
        here == os.curdir
    ):
        raise InputError(
            f"run.artifact: {source}: holds the run's own directory {directory}, which would be "
            "copied into itself; name what shall be kept of it"
        )
    path = inside("artifacts", name, tags)
    target = os.path.join(directory, path)
    own = os.path.realpath(source)
    earlier = copied.get(path, own)
    if earlier != own and os.path.exists(earlier):
        parts = own.split(os.sep)[-2:]
        raise InputError(
            f"run.artifact: {source} would replace {earlier}, which was recorded as {name!r}; give "
            f"one of them another name, as in name={'/'.join(parts)!r}"
        )
    copied[path] = own
    if os.path.isdir(source):
        with writing(target):
            shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        _write_by(directory, path, lambda temporary: shutil.copyfile(source, temporary))
    return name, path


def save_figure(
    directory: str, figure: Any, name: str, step: int | None, tags: Mapping[str, Any]
) -> str:
    """Write a figure (matplotlib's, or the bytes of a PNG); its path."""
    path = inside("figures", name, tags, ".png", step)
    if isinstance(figure, bytes):
        if figure.startswith((b"<svg", b"<?xml")):
            raise InputError(
                "run.figure: figure must be a matplotlib figure or the bytes of a PNG, got an SVG; "
                'draw it with format="png"'
            )
        write_whole(_place(directory, path), figure, "figure.png")
    elif hasattr(figure, "savefig"):
        _write_by(directory, path, lambda temporary: figure.savefig(temporary, format="png"))
    else:
        raise InputError(
            "run.figure: figure must be a matplotlib figure or the bytes of a PNG, "
            f"got {type(figure).__name__}"
        )
    return path


def save_table(
    directory: str, rows: Any, name: str, step: int | None, tags: Mapping[str, Any]
) -> str:
    """Write rows as CSV; the path."""
    path = inside("tables", name, tags, ".csv", step)
    records = _records(rows)
    columns = list(dict.fromkeys(column for record in records for column in record))
    lines = [columns, *([record.get(column, "") for column in columns] for record in records)]
    data = csv_text(lines).encode("utf-8", "replace")
    write_whole(_place(directory, path), data, "table.csv")
    return path


def is_function(content: Any) -> bool:
    """Is it to be called? Models are callable too, and some arrays."""
    return (
        callable(content) and not hasattr(content, "state_dict") and not hasattr(content, "shape")
    )


def save_model(directory: str, content: Any, path: str) -> None:
    """Write bytes as they are, anything else by torch.save."""
    if isinstance(content, (bytes, bytearray, memoryview)):
        write_whole(_place(directory, path), content, "model.pt")
        return
    torch = sys.modules.get("torch")
    if torch is None:
        raise InputError(
            "run.save: content must be bytes where torch is not loaded, "
            f"got {type(content).__name__}; give a function that returns bytes"
        )
    _write_by(directory, path, lambda temporary: torch.save(content, temporary))


def _records(rows: Any) -> list[Mapping[str, Any]]:
    """Rows as mappings, of whatever holds rows."""
    if hasattr(rows, "to_dicts"):  # polars
        rows = rows.to_dicts()
    elif hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas
        rows = rows.to_dict("records")
    elif hasattr(rows, "to_pylist"):  # Arrow
        rows = rows.to_pylist()
    elif isinstance(rows, Mapping):
        if len({len(column) for column in rows.values()}) > 1:
            lengths = {name: len(column) for name, column in rows.items()}
            raise InputError(f"run.table: columns must be of one length, got {lengths}")
        rows = [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]
    if isinstance(rows, Iterable) and not isinstance(rows, (str, bytes)):
        records = list(rows)
        if all(isinstance(record, Mapping) for record in records):
            return records
    raise InputError(
        "run.table: rows must be a list of mappings, a mapping of columns or a data frame, "
        f"got {type(rows).__name__}"
    )
