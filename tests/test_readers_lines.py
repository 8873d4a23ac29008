"""Line-aligned files and Kaldi text files."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay.readers.blocks
from assay.core.errors import DataError, InputError
from assay.readers import read
from readers_kit import rows

# everything str.splitlines would cut at, except \n; \r\n is a line end, so no \r last
LINE = st.text(
    st.sampled_from(" \t\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x00")
    | st.characters(exclude_categories=["Cs"], exclude_characters="\n"),
    max_size=12,
).filter(lambda line: not line.endswith("\r"))
KEY = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\r\ufeff"),
    min_size=1,
    max_size=5,
)


@pytest.fixture(params=[1, 5, 8 << 20])
def block_bytes(request, monkeypatch):
    monkeypatch.setattr(assay.readers.blocks, "BLOCK_BYTES", request.param)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(LINE, LINE), min_size=1).filter(lambda pairs: pairs[0][0][:1] != "\ufeff"),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from([1, 7, 8 << 20]),
)
def test_round_trip(tmp_path_factory, pairs, end, final, block):
    folder = tmp_path_factory.mktemp("lines")
    pairs[0] = (pairs[0][0], pairs[0][1].lstrip("\ufeff"))
    final = final or not all(pairs[-1])  # an empty last line is only there if it is ended
    for name, side in zip(("ref.txt", "hyp.txt"), zip(*pairs, strict=True), strict=True):
        text = end.join(side) + (end if final else "")
        (folder / name).write_text(text, "utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assay.readers.blocks, "BLOCK_BYTES", block)
        assert rows([folder / "ref.txt", folder / "hyp.txt"]) == pairs


def test_only_newlines_end_a_line(write, block_bytes):
    odd = "a\u2028b\x0bc\x0cd\x1ce\x85f\rg"
    assert rows([write("r.txt", odd + "\r\n\r\nx"), write("h.txt", f"y\n\n{odd}\n")]) == [
        (odd, "y"), ("", ""), ("x", odd),
    ]  # fmt: skip


def test_a_blank_line_stays_a_pair(write, block_bytes):
    assert rows([write("r.txt", "\na\n\n\n"), write("h.txt", "b\n\n\nc\n")]) == [
        ("", "b"), ("a", ""), ("", ""), ("", "c"),
    ]  # fmt: skip


def test_names_order_and_progress(write):
    source = read([write("r.txt", "a\nb\n"), write("h.txt", "cc\ndd")])
    (part,) = source.parts()
    assert part.size == 9
    (batch,) = source.batches(part)
    assert batch.rows.schema.names == ["reference", "hypothesis"]
    assert (batch.first_row, batch.consumed) == (0, 9)


def test_any_number_of_aligned_files(write):
    paths = [write(f"{i}.txt", f"{i}\n{i * 2}\n") for i in range(1, 4)]
    assert rows(paths, ["a", "b", "c"]) == [("1", "2", "3"), ("2", "4", "6")]
    assert rows(paths[0], "a") == [("1",), ("2",)]
    with pytest.raises(InputError, match="one path for each text column and nothing else; got 3"):
        rows(paths)


@pytest.mark.parametrize("more", ["reference", "hypothesis"])
def test_length_mismatch_names_both_counts(write, block_bytes, more):
    long, short = "a\n" * 5, "a\n\n\na"
    paths = [write("r.txt", long), write("h.txt", short)]
    counts = r"r.txt has 5, \S*h.txt has 4"
    if more == "hypothesis":
        paths, counts = paths[::-1], r"h.txt has 4, \S*r.txt has 5"
    with pytest.raises(DataError, match=f"need equal numbers of lines: .*{counts}; write an empty"):
        rows(paths)


def test_undecodable(write, block_bytes):
    with pytest.raises(DataError, match=r"h.txt: line 3: .*not UTF-8: byte 0xe9 at offset 1"):
        rows([write("r.txt", "a\nb\nc\n"), write("h.txt", b"a\nb\nc\xe9d\n")])
    with pytest.raises(DataError, match=r"text: line 2: .*not UTF-8: byte 0xe9 at offset 4"):
        rows([write("text", b"u1 a\nu2 c\xe9d\n")] * 2, format="kaldi")


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(KEY, st.tuples(LINE, LINE), min_size=1), st.sampled_from([1, 8 << 20]))
def test_kaldi_round_trip(tmp_path_factory, table, block):
    folder = tmp_path_factory.mktemp("kaldi")
    for name, side, keys in (("ref", 0, list(table)), ("hyp", 1, sorted(table))):
        lines = [f"{key} {table[key][side]}\n" for key in keys]
        (folder / name).write_text("".join(lines), "utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assay.readers.blocks, "BLOCK_BYTES", block)
        got = rows([folder / "ref", folder / "hyp"], keep="id", format="kaldi")
    assert got == [(ref, hyp, key) for key, (ref, hyp) in table.items()]


def test_kaldi_one_separator_and_empty_utterances(write):
    ref = write("ref", "u1 a  b \nu2\nu3 \nu4\tc\nu5  d\n")
    hyp = write("hyp", "u5 x\r\nu4\r\nu3\r\nu2 y\r\nu1 z")
    assert rows([ref, hyp], format="kaldi") == [
        ("a  b ", "z"), ("", "y"), ("", ""), ("c", ""), (" d", "x"),
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["", " u2 a", "\ta"])
def test_kaldi_line_without_a_key(write, line):
    ref = write("ref", f"u1 a\n{line}\nu3 b\n")
    with pytest.raises(DataError, match="ref: line 2: no utterance id; a Kaldi line is"):
        rows([ref, ref], format="kaldi")


def test_kaldi_duplicate_key(write):
    ref, hyp = write("ref", "u1 a\nu2 b\nu1 c\n"), write("hyp", "u1 a\nu2 b\n")
    with pytest.raises(DataError, match=r"1 more than once in \S*ref: 'u1'"):
        rows([ref, hyp], format="kaldi")


def test_lines_have_no_columns_to_keep(write):
    paths = [write("r.txt", "a\n"), write("h.txt", "a\n")]
    with pytest.raises(InputError, match="got 2 paths for reference, hypothesis, speaker"):
        rows(paths, keep="speaker")
    with pytest.raises(DataError, match="no column 'speaker'; there: 'id', 'text'"):
        rows(paths, keep="speaker", format="kaldi")
