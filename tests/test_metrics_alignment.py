"""Alignments as arrays, as objects and as pictures."""

import numpy as np
import pytest

from assay import align
from assay.metrics.alignment import Chunk


def test_arrays_first() -> None:
    found = align(["the cat sat", "", "a b"], ["the dog sat down", "x", "b"])
    assert found.kind.tolist() == [0, 1, 0, 3, 3, 2, 0]
    assert found.offsets.tolist() == [0, 4, 5, 7]
    assert found.ref_start.tolist() == [0, 1, 2, 3, 0, 0, 1]
    assert found.ref_end.tolist() == [1, 2, 3, 3, 0, 1, 2]
    assert found.hyp_start.tolist() == [0, 1, 2, 3, 0, 0, 0]
    assert found.hyp_end.tolist() == [1, 2, 3, 4, 1, 0, 1]
    assert found.counts.tolist() == [[2, 1, 0, 1], [0, 0, 0, 1], [1, 0, 1, 0]]
    assert (found.kind.dtype, found.ref_start.dtype, found.offsets.dtype) == (
        np.uint8,
        np.int32,
        np.int64,
    )


def test_objects_when_asked_for() -> None:
    found = align(["a b"], ["b"])
    assert found[0] == [
        Chunk("delete", 0, 1, 0, 0, ["a"], []),
        Chunk("equal", 1, 2, 0, 1, ["b"], ["b"]),
    ]
    assert found[-1] == found[0]
    assert [len(chunks) for chunks in found] == [2]
    assert align([""], [""])[0] == []


@pytest.mark.parametrize("index", [1, -2, 99])
def test_an_index_out_of_range(index: int) -> None:
    with pytest.raises(IndexError, match=f"^alignment {index} of 1$"):
        align(["a"], ["a"])[index]


def test_text_of_words() -> None:
    found = align(["the cat sat on it", "a"], ["oh the dog sat it", "a"])
    assert found.text(0).splitlines() == [
        "REF: ** the cat sat on it",
        "HYP: oh the dog sat ** it",
        "     I      S       D",
    ]
    assert found.text().splitlines()[4:] == ["REF: a", "HYP: a"]
    assert found.text(-1) == found.text(1)


def test_text_of_characters() -> None:
    assert align("kitten", "sitting", unit="char").text().splitlines() == [
        "REF: kitten*",
        "HYP: sitting",
        "     S   S I",
    ]


def test_text_of_wide_and_combining_characters() -> None:
    lines = align(["日本 e\u0301 x"], ["日 e y"]).text().splitlines()
    assert lines == ["REF: 日本 e\u0301 x", "HYP: 日   e y", "     S    S S"]


def test_text_of_what_cannot_be_printed() -> None:
    lines = align([["a\n", "\ud800", ""]], [["a\n", "\x1b[31m", "b"]]).text().splitlines()
    assert lines == ["REF: a\\x0a \\xd800   ''", "HYP: a\\x0a \\x1b[31m b", "           S        S"]


def test_text_in_colour() -> None:
    text = align(["a b"], ["a c d"]).text(color=True)
    plain = text.replace("\x1b[33m", "").replace("\x1b[36m", "").replace("\x1b[0m", "")
    assert plain == align(["a b"], ["a c d"]).text()
    assert "\x1b" not in plain
    assert "\x1b[36md\x1b[0m" in text or "\x1b[36mc\x1b[0m" in text


def test_alignments_under_a_normaliser_show_its_words() -> None:
    found = align(["The CAT!"], ["the dog"], normalise="basic")
    assert found.tokens(0) == (["the", "cat"], ["the", "dog"])
    assert found.text().splitlines()[0] == "REF: the cat"
