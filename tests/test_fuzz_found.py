"""Cases that fuzzing has found, each as small as it gets."""

import json
import zlib

import numpy as np
import pytest

from assay.core.errors import DataError, StateFormatError
from assay.readers.arrays import read_vectors
from assay.readers.rankings import read_judgements
from assay.readers.vector_files import VectorFiles
from assay.run.cursor import Cursor
from assay.run.frequencies import Frequencies

HEADER = b"\x93NUMPY\x01\x00v\x00"


@pytest.mark.parametrize(
    "header",
    [b"{'descr': (", b"{'descr': '<f4', 'shape': (2, 3" + b"(" * 50, b"[" * 110],
    ids=["a bracket", "many brackets", "lists"],
)  # fmt: skip
def test_a_header_of_numpy_that_is_no_python(tmp_path, header):
    path = tmp_path / "a.npy"
    path.write_bytes(HEADER + header.ljust(117) + b"\n" + bytes(24))
    for read in (read_vectors, VectorFiles):
        with pytest.raises(DataError, match=r"a\.npy: the file is cut short or damaged"):
            read(str(path))


def test_an_honest_header_is_read(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3, dtype=np.float32))
    assert read_vectors(str(tmp_path / "a.npy")).sum() == 3


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"sent": "x"}', '{"unsent": {}}', '{"sent": null}']
)
def test_a_cursor_that_is_none_begins_anew(tmp_path, text):
    cursor = Cursor.of(str(tmp_path), {"tracker": "x"})
    cursor.sent = 7
    cursor.save()
    assert Cursor.of(str(tmp_path), {"tracker": "x"}, 10).sent == 7
    with open(cursor.path, "w") as file:
        file.write(text)
    assert Cursor.of(str(tmp_path), {"tracker": "x"}, 10).sent == 0


@pytest.mark.parametrize(
    "row", [[1, "a", "b", 2], ["x", "a", "b", -1], ["x", "a", "b", 2**63], ["x", "a", "b", True]]
)
def test_errors_that_are_none(row):
    with pytest.raises(StateFormatError, match=r"^errors hold"):
        Frequencies.from_bytes(zlib.compress(json.dumps(row).encode()))


@pytest.mark.parametrize("number", ["\u20281", "\u0661", "1_0"])
def test_a_number_that_only_python_reads(tmp_path, number):
    path = tmp_path / "a.qrels"
    path.write_text(f"q 0 d {number}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.qrels: line 1: gain is .*, expected a number"):
        list(read_judgements(str(path), "trec"))
