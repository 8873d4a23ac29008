"""COCO captions: a file of annotations and one of results, joined by image.

    annotations   {"annotations": [{"image_id": 9, "caption": "a dog"}, …], …}
    results       [{"image_id": 9, "caption": "the dog"}, …]

Every image has one result, and one annotation or more, in the order of the annotations. Both files
are one JSON value each, so they are read whole.
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

import pyarrow as pa

from assay.core.errors import DataError, InputError
from assay.core.protocols import Batch, Part
from assay.readers.blocks import RECORD_BYTES
from assay.readers.columns import Columns, listed, sliced
from assay.readers.files import File
from assay.readers.source import Rows

__all__ = ["Coco", "read_coco"]

IMAGE = "image_id"


class Coco(Rows):
    """A row for each image: its captions, its result, and where asked its `image_id`."""

    def __init__(self, annotations: Sequence[File], results: Sequence[File], want: Columns) -> None:
        if len(want.lists) != 1 or len(want.text) != 1:
            raise InputError(
                "read: COCO files have a column of references (lists) and one of hypotheses "
                f"(text), got {len(want.lists)} and {len(want.text)}"
            )
        if len(annotations) != 1 or len(results) != 1:
            raise InputError(
                "read: COCO files are one of annotations and one of results, got "
                f"{len(annotations)} and {len(results)}"
            )
        self.annotations, self.results, self.want = annotations[0], results[0], want
        want.require([IMAGE], str(self), want.keep or [IMAGE])
        self._lock = Lock()
        self._rows: pa.RecordBatch | None = None

    def __reduce__(self) -> Any:
        return Coco, ([self.annotations], [self.results], self.want)

    def __str__(self) -> str:
        return f"{self.annotations.name} and {self.results.name}"

    def parts(self) -> Sequence[Part]:
        sizes = self.annotations.size, self.results.size
        return [Part(0, str(self), size=None if None in sizes else sum(filter(None, sizes)))]

    def batches(self, part: Part) -> Iterator[Batch]:
        with self._lock:
            if self._rows is None:
                self._rows = self._read()
        rows, ids = self._rows, self._rows.column(0)
        place = partial(_image, self.results.name, ids)
        for batch in sliced(rows, 0, part.size or 0, place):
            yield batch._replace(rows=self.want.take(batch.rows, batch.where))

    def _read(self) -> pa.RecordBatch:
        captions = _captions(self.annotations, "annotations")
        references: dict[str, list[str]] = {}
        for one in captions:
            references.setdefault(str(one.image), []).append(one.text)
        results: dict[str, _Caption] = {}
        for one in _captions(self.results, None):
            if (first := results.setdefault(str(one.image), one)) is not one:
                raise DataError(
                    f"{self.results.name}: {one.place}: image_id {one.image!r} has a result at "
                    f"{first.place} already; an image has one"
                )
        absent = [image for image in references if image not in results]
        unknown = [image for image in results if image not in references]
        if absent or unknown:
            raise DataError(
                f"{self.results.name}: {len(absent)} images of {self.annotations.name} have no "
                f"result ({listed(absent, 5)}), {len(unknown)} results no annotation "
                f"({listed(unknown, 5)}); give the annotations of the images that are scored"
            )
        ids = list({str(one.image): one.image for one in captions}.values())
        whole = all(isinstance(image, int) and abs(image) < 1 << 63 for image in ids)
        return pa.RecordBatch.from_arrays(
            [
                pa.array(
                    ids if whole else list(map(str, ids)), pa.int64() if whole else pa.string()
                ),
                pa.array(references.values(), pa.list_(pa.string())),
                pa.array([results[image].text for image in references], pa.string()),
            ],
            [IMAGE, self.want.lists[0], self.want.text[0]],
        )


def read_coco(file: File, want: Columns) -> Iterator[Batch]:
    """Never rows by themselves: annotations and results are read together."""
    raise DataError(f"{file.name}: COCO files come in twos; give the annotations, then the results")


class _Caption(NamedTuple):
    image: int | str
    text: str
    place: str


def _image(name: str, ids: Any, row: int) -> str:
    return f"{name}: image_id {ids[row].as_py()!r}"


def _captions(file: File, within: str | None) -> list[_Caption]:
    """The entries of a file, or of the array of that name in it."""
    entries = _json(file)
    if within is not None:
        entries = entries.get(within) if isinstance(entries, dict) else None
    if not isinstance(entries, list):
        shape = f'an object with an array "{within}"' if within else "an array of results"
        raise DataError(
            f"{file.name}: expected {shape}; give the annotations first, then the results"
        )
    found = []
    for number, entry in enumerate(entries):
        place = f"{within or 'result'}[{number}]"
        one = entry if isinstance(entry, dict) else {}
        image, text = one.get(IMAGE), one.get("caption")
        if isinstance(image, bool) or not isinstance(image, int | str) or not isinstance(text, str):
            raise DataError(
                f"{file.name}: {place} must have an image_id (a number or a string) and a caption "
                f"(a string), got {json.dumps(entry)[:60]}"
            )
        try:
            text.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{file.name}: {place}: half a character is no text, write U+FFFD in its place"
            ) from None
        found.append(_Caption(image, text, place))
    return found


def _json(file: File) -> Any:
    with file.stream() as (stream, _):
        data = stream.read(RECORD_BYTES + 1)
    if len(data) > RECORD_BYTES:
        raise DataError(
            f"{file.name}: more than {RECORD_BYTES >> 20} MiB of JSON in one value; "
            "write JSON Lines with a list of references each"
        )
    try:
        return json.loads(bytes(data).removeprefix(b"\xef\xbb\xbf"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{file.name}: line {error.lineno}, column {error.colno}: not JSON ({error.msg}); "
            "was the file cut short?"
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file.name}: not JSON ({str(error)[:80]})") from None
