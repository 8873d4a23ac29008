"""CSV and TSV: cells are text exactly as written, whatever pyarrow, pandas or Excel would make
of them."""

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay.readers.blocks
from assay.core.errors import DataError
from assay.readers import read
from readers_kit import rows

TEXT = st.text(
    st.sampled_from('",\t\n\r \x0b\x0c\x1c\x00\u2028\ufeff')
    | st.characters(exclude_categories=["Cs"]),
    max_size=12,
)


@pytest.fixture
def write(tmp_path):
    def write(data, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


@pytest.fixture(params=[4, 8 << 20], ids=["tiny-blocks", "blocks"])
def block_bytes(request, monkeypatch):
    monkeypatch.setattr(assay.readers.blocks, "BLOCK_BYTES", request.param)


@pytest.mark.parametrize("block", [1, 24, 8 << 20])
@pytest.mark.parametrize("name", ["data.csv", "data.tsv"])
@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT)), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_round_trip(tmp_path_factory, block, name, pairs, quoting):
    path = tmp_path_factory.mktemp("csv") / name
    with path.open("w", newline="", encoding="utf-8") as file:
        delimiter = "\t" if name.endswith("tsv") else ","
        writer = csv.writer(file, delimiter=delimiter, quoting=quoting)
        writer.writerow(["a", "n", "b"])
        writer.writerows((a, "1", b) for a, b in pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assay.readers.blocks, "BLOCK_BYTES", block)
        assert rows(path, ["b", "a"]) == [(b, a) for a, b in pairs]


@settings(max_examples=300, deadline=None)
@given(st.text('a",\n', max_size=25), st.sampled_from([1, 8 << 20]))
def test_agrees_with_python_or_refuses(tmp_path_factory, text, block):
    """Whatever the quotes look like: the same cells as Python's csv module, or an error."""
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_text("h,i\n" + text)
    theirs = [tuple(cells) for cells in csv.reader(io.StringIO(text)) if cells]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assay.readers.blocks, "BLOCK_BYTES", block)
        sound = all(len(cells) == 2 for cells in theirs)
        try:
            ours = rows(path, ["h", "i"])
        except DataError as error:
            ours = str(error)
    if isinstance(ours, str):
        assert "a closing quote" in ours or "never closes" in ours or not sound
    else:
        assert ours == theirs


CELLS = ["", "NA", "null", "NaN", "007", "1e5", "true", "2020-01-01", " x "]


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_text_as_written(write, cell):
    assert rows(write(f"a,b\n{cell},{cell}\n"), "a", keep="b") == [(cell, cell)]
    assert next(iter(read(write("a,b\n1,2\n"), "a", keep="b"))).schema.types == [pa.string()] * 2


def test_quoted_newlines_and_quotes(write, block_bytes):
    path = write('a,b\r\n"x\r\ny","say ""hi"""\r\n5" pipe,"a,b"\r\n"",\r\n')
    assert rows(path, ["a", "b"]) == [("x\r\ny", 'say "hi"'), ('5" pipe', "a,b"), ("", "")]


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_no_rows_below_the_header(write, end):
    assert rows(write("a,b" + end), ["a", "b"]) == []


def test_blank_lines_are_skipped(write, block_bytes):
    assert rows(write("\n\na,b\n\nx,y\n\n\nz,w"), ["a", "b"]) == [("x", "y"), ("z", "w")]


def test_nothing_but_blank_lines(write, block_bytes):
    with pytest.raises(
        DataError, match=r"data.csv: no header; the first row must name the columns"
    ):
        rows(write("\n\n\n"), ["a", "b"])


def test_byte_order_mark(write, block_bytes):
    assert rows(write('\ufeff"a",b\nx,y\n'), ["a", "b"]) == [("x", "y")]


def test_a_row_far_longer_than_a_block(write, monkeypatch):
    monkeypatch.setattr(assay.readers.blocks, "BLOCK_BYTES", 1 << 16)
    long = 'many "words",\n' * 1_000_000
    quoted = long.replace('"', '""')
    assert rows(write(f'a,b\nx,y\n"{quoted}",z\nu,v'), ["a", "b"]) == [
        ("x", "y"), (long, "z"), ("u", "v"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("text,hyp", r"header: no column 'a'; there: 'text', 'hyp'; name one of these"),
        ("A ,b", r"header: no column 'a'; there: 'A ', 'b'"),
        (" a,b", r"header: no column 'a'; there: ' a', 'b'; did you mean ' a'\?"),
        ("a,a,b", "header: 2 columns are named 'a'; rename all but one"),
        (b"a\xff,b", "header: not UTF-8"),
    ],
)
def test_header(write, header, message):
    header = header if isinstance(header, bytes) else header.encode()
    with pytest.raises(DataError, match=f"data.csv: {message}"):
        rows(write(header + b"\nx,y\n"), "a")


def test_columns_of_one_name_that_nobody_asked_for(write, block_bytes):
    assert rows(write("a,n,n\nx,1,2\ny,3,4\n"), "a") == [("x",), ("y",)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x,y,z", r"line 8: expected 2 cells as in the header, got 3: 'x,y,z'; put a cell"),
        ("x", r"line 8: expected 2 cells as in the header, got 1: 'x'"),
        (b"x,y,\xff", r"line 8: expected 2 cells as in the header, got 3"),
        (b"x,\xff", r"line 8: column 'b' is not UTF-8: byte 0xff at offset 0 of the value"),
        ('"so" it goes,y', r'line 8: text follows a closing quote; write "" for a quote; a TSV'),
        ('"x,y', r"line 8: (a quote opens a cell here and never closes|text follows a closing)"),
    ],
)
def test_what_is_wrong_with_a_line(write, block_bytes, line, message):
    line = line if isinstance(line, bytes) else line.encode()
    # rows on several lines and blank lines, so that rows and lines differ
    before = b'a,b\n"p\nq",r\n\nx,y\nx,y\nx,y\n'
    path = write(before + line + b"\n" + b"x,y\n" * 5)
    with pytest.raises(DataError, match=f"data.csv: {message}"):
        rows(path, ["a", "b"])


def test_a_stray_quote_does_not_swallow_rows(write, block_bytes):
    """Python's csv reads one row of these three, its first cell 'tis so\\tx\\nfine\\ty\\nno'."""
    path = write('a\tb\n"tis so\tx\nfine\ty\n"no\tz\n', "data.tsv")
    with pytest.raises(DataError, match=r"line 4: text follows a closing quote.*tsv-raw"):
        rows(path, ["a", "b"])
    assert rows(path, ["a", "b"], format="tsv-raw") == [
        ('"tis so', "x"),
        ("fine", "y"),
        ('"no', "z"),
    ]


def test_a_long_cell_still_has_a_place(write):
    data = "a,b\n" + "x" * 200_000 + ",y\nx,y,z\n"
    with pytest.raises(DataError, match=r"data.csv: row 2 below the header: expected 2 cells"):
        rows(write(data), ["a", "b"])


def test_rows_are_bounded_in_batches(write):
    source = read(write("a,b\n" + "x,y\n" * 100_000), ["a", "b"])
    (part,) = source.parts()
    batches = list(source.batches(part))
    assert [batch.first_row for batch in batches] == [0, 65536]
    assert batches[-1].consumed == part.size
