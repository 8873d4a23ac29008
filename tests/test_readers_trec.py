"""TREC runs and judgements, and the same columns of other files, against a plain reading."""

import bz2
import gzip
import json
import math

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay.readers.blocks
from assay.core.errors import DataError, InputError
from assay.readers import read
from assay.readers.rankings import Rows, read_ids, read_judgements, read_run
from readers_kit import rows

NAME = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="\ufeff"),
    min_size=1,
    max_size=5,
).filter(lambda name: len(name.encode().split()) == 1)
SCORE = st.floats(allow_nan=False)
GAP = st.sampled_from([" ", "\t", "  ", " \t ", "\x0b", "\x0c "])
COLUMNS = ("query", "item", "score")


@pytest.fixture(params=[1, 40, 8 << 20])
def block_bytes(request, monkeypatch):
    monkeypatch.setattr(assay.readers.blocks, "BLOCK_BYTES", request.param)


@settings(max_examples=80)
@given(
    st.lists(st.tuples(NAME, NAME, SCORE, GAP), min_size=1),
    st.sampled_from(["\n", "\r\n", "\n\n", " \n ", "\n\t\n"]),
    st.booleans(),
    st.sampled_from([1, 30, 8 << 20]),
)
def test_round_trip(tmp_path_factory, entries, end, final, block):
    path = tmp_path_factory.mktemp("trec") / "a.run"
    lines = [gap.join([q, "Q0", d, "1", repr(s), "tag"]) for q, d, s, gap in entries]
    path.write_bytes((end.join(lines) + (end if final else "")).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assay.readers.blocks, "BLOCK_BYTES", block)
        assert rows(path, (), COLUMNS) == [entry[:3] for entry in entries]


def test_every_column_in_the_order_asked(write):
    path = write("a.trec", "q1 Q0 d1 1 2.5 me\nq1 Q0 d2 2 1 me\n")
    (batch,) = read(path, ("tag", "query"), ("rank", "score", "iteration", "item"))
    assert batch.to_pydict() == {
        "tag": ["me", "me"],
        "query": ["q1", "q1"],
        "rank": [1, 2],
        "score": [2.5, 1.0],
        "iteration": ["Q0", "Q0"],
        "item": ["d1", "d2"],
    }
    assert rows(write("a.qrels", "q1\t0\td1\t-1\n"), (), ["gain"]) == [(-1.0,)]


@pytest.mark.parametrize("suffix", ["gz", "zst", "bz2"])
def test_compressed(tmp_path, suffix):
    data = b"q1 0 d1 1\nq2 0 d2 0\n"
    path = tmp_path / f"a.qrels.{suffix}"
    if suffix == "zst":
        with pa.CompressedOutputStream(str(path), "zstd") as out:
            out.write(data)
    else:
        path.write_bytes({"gz": gzip, "bz2": bz2}[suffix].compress(data))
    assert rows(path, (), ["query", "gain"]) == [("q1", 1.0), ("q2", 0.0)]


def test_numbers_as_c_reads_them(write):
    path = write("a.run", "q Q0 +d 1 +1.5 t\nq Q0 e 1 1e-3 t\nq Q0 f 1 -inf t\nq Q0 g 1 .5 t\n")
    assert rows(path, (), ["item", "score"]) == [
        ("+d", 1.5), ("e", 0.001), ("f", -math.inf), ("g", 0.5)
    ]  # fmt: skip


def test_fields_nobody_asked_for_are_not_looked_at(write):
    assert rows(write("a.run", "q Q0 d first 1 t\n"), (), ["score"]) == [(1.0,)]
    assert rows(write("b.run", "q Q0 d first 1 t\n"), ["score"]) == [("1",)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{ok}\n{ok}q Q0 d 1 2\n", "line 4: expected 6 fields (query iteration item rank score "
         "tag), got 5: 'q Q0 d 1 2'"),
        ("{ok}q Q0 d 1 2 my tag\n", "line 2: expected 6 fields (query iteration item rank score "
         "tag), got 7: 'q Q0 d 1 2 my tag'"),
        ("{ok} \n{ok}q Q0 d 1 high t\n", "line 4: score is 'high', expected a number"),
        ("{ok}q Q0 d 1 1_0 t\n", "line 2: score is '1_0', expected a number"),
        ("{ok}\n{ok}q Q0 d 1 NaN t\n", "line 4: score is NaN, expected a number; drop the line"),
        ("", "the file is empty; was it written?"),
    ],
    ids=["short", "long", "word", "underscore", "nan", "empty"],
)  # fmt: skip
def test_a_bad_line_is_named(write, block_bytes, data, message):
    path = write("a.run", data.format(ok="q Q0 c 1 3 t\n"))
    with pytest.raises(DataError) as caught:
        rows(path, (), COLUMNS)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_bytes_that_are_not_utf_8_are_named(write, block_bytes):
    path = write("a.qrels", b"q 0 d 1\n\nq 0 caf\xe9 1\n")
    with pytest.raises(DataError) as caught:
        read_judgements(str(path))
    assert str(caught.value).startswith(f"{path}: line 3: column 'item' is not UTF-8: byte 0xe9")


def test_columns_that_are_not_there(write):
    with pytest.raises(DataError, match=r"a\.qrels: no column 'score'; there: 'query', "):
        rows(write("a.qrels", "q 0 d 1\n"), (), ["score"])


# -- runs and judgements of any format -------------------------------------------------------------

RECORDS = [("1", "7", 0.25), ("1", "3", 2.0), ("2", "7", 1.0)]


def spelled(tmp_path, kind, names, numbers):
    """RECORDS as a file. names: of the columns; numbers: ids are numbers where that may be."""
    path = tmp_path / f"a.{kind.partition(' ')[0]}"
    records = [
        dict(zip(names, (int(q), int(d), x) if numbers else (q, d, x), strict=True))
        for q, d, x in RECORDS
    ]
    table = pa.Table.from_pylist(records)
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=2)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    elif kind == "run":
        path.write_text("".join(f"{q} Q0 {d} 0 {x} t\n" for q, d, x in RECORDS))
    elif kind == "qrels":
        path.write_text("".join(f"{q} 0 {d} {x}\n" for q, d, x in RECORDS))
    else:
        delimiter = {"csv": ",", "tsv": "\t"}[kind]
        pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(delimiter=delimiter))
    return str(path)


@pytest.mark.parametrize("numbers", [True, False])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "trec"])
def test_all_formats_are_one_table(tmp_path, kind, numbers):
    for names in (("query", "item"), ("query_id", "docid"), ("query-id", "corpus-id")):
        own = "run" if kind == "trec" else kind
        run = read_run(spelled(tmp_path, own, (*names, "score"), numbers))
        assert [tuple(row.values()) for row in run.to_pylist()] == RECORDS
        own = "qrels" if kind == "trec" else kind
        for gain in ("gain", "relevance", "score"):
            path = spelled(tmp_path, own, (*names, gain), numbers)
            assert read_judgements(path).rename_columns(run.column_names).equals(run)
            by_row = read_judgements(path, queries=Rows("q.npy", 3), items=Rows("g.npy", 8))
            assert by_row.column("query").to_pylist() == [1, 1, 2]
            assert by_row.column("item").to_pylist() == [7, 3, 7]
    assert run.schema.types == [pa.string(), pa.string(), pa.float64()]


def test_gains_may_be_absent(write):
    assert read_judgements(str(write("a.csv", "item,query\nd,q\n"))).to_pylist() == [
        {"query": "q", "item": "d"}
    ]
    with pytest.raises(DataError, match=r"a\.csv: header: no column 'score'; there: 'item', "):
        read_run(str(write("a.csv", "item,query\nd,q\n")))


def test_a_name_that_says_nothing_is_trec(write):
    for name in ("qrels", "qrels.txt", "qrels.dev"):
        assert read_judgements(str(write(name, "q 0 d 1\n"))).num_rows == 1
    path = str(write("qrels.tsv", "q\t0\td\t1\n"))
    with pytest.raises(DataError, match=r"no column 'query'; .*have no header: --format trec"):
        read_judgements(path)
    assert read_judgements(path, "trec").to_pylist() == [{"query": "q", "item": "d", "gain": 1.0}]


def test_ids_become_rows(write):
    path = str(write("a.qrels", "x 0 ü 1\n\ny 0 x 2\n"))
    queries = Rows("q.txt", 2, pa.chunked_array([["y"], ["x"]]))
    items = Rows("g.txt", 2, pa.chunked_array([["x"], ["ü"]]))
    found = read_judgements(path, queries=queries, items=items)
    assert found.to_pydict() == {"query": [1, 0], "item": [1, 0], "gain": [1.0, 2.0]}
    with pytest.raises(DataError) as caught:
        read_judgements(path, queries=Rows("g.txt", 2, items.ids), items=items)
    assert str(caught.value) == f"{path}: line 3: query 'y' is not in g.txt"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0,8,1", "item 8 must be a row of g.npy, 0..7"),
        ("0,-1,1", "item -1 must be a row of g.npy, 0..7"),
        ("3,0,1", "query 3 must be a row of q.npy, 0..2"),
        ("0,d1,1", "item 'd1' is no row number of g.npy; name the rows with --query-ids"),
        ("0,1.0,1", "item '1.0' is no row number of g.npy"),
        ("0,1,much", "gain is 'much', expected a number"),
        ("0,1,", "gain is '', expected a number"),
        ("0,1,nan", "gain is NaN, expected a number"),
    ],
)
def test_a_bad_judgement_is_named(write, block_bytes, line, message):
    path = str(write("a.csv", f"query,item,gain\n0,0,1\n\n{line}\n"))
    with pytest.raises(DataError) as caught:
        read_judgements(path, queries=Rows("q.npy", 3), items=Rows("g.npy", 8))
    assert str(caught.value).startswith(f"{path}: line 4: {message}")


def test_other_types_are_refused(tmp_path):
    path = str(tmp_path / "a.parquet")
    for column, message in (
        ([1.5, 2.0], "row 1: column 'query' holds double, expected text or whole numbers"),
        ([1, None], "row 2: column 'query' is null; drop the row or fill it in"),
    ):
        pq.write_table(pa.table({"query": column, "item": ["a", "b"], "score": [1, 2]}), path)
        with pytest.raises(DataError) as caught:
            read_run(path)
        assert str(caught.value) == f"{path}: {message}"
    pq.write_table(pa.table({"query": pa.array([], "string")}), path)
    with pytest.raises(DataError, match="no column 'item'"):
        read_run(path)


# -- ids -------------------------------------------------------------------------------------------


def test_ids(write, block_bytes):
    assert read_ids(str(write("a.txt", "x y\nz\n"))).to_pydict() == {"id": ["x y", "z"]}
    assert read_ids(str(write("ids", "x\n"))).to_pydict() == {"id": ["x"]}
    path = str(write("a.csv", "clip,id,voice\nx,1,a\ny,2,b\n"))
    assert read_ids(path).to_pydict() == {"id": ["1", "2"]}
    assert read_ids(f"{path}:clip", ["voice"]).to_pydict() == {
        "id": ["x", "y"], "voice": ["a", "b"]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", "x\ny\nx\n", "line 3: the id 'x' stands there twice; every row needs its own"),
        ("a.csv", "id\nx\n\nx\n", "line 4: the id 'x' stands there twice"),
        ("a.csv", "clip\nx\n", "header: no column 'id'; there: 'clip'"),
        ("a.csv", "id\n", "no rows; was it written?"),
    ],
)
def test_bad_ids_are_named(write, block_bytes, name, data, message):
    path = str(write(name, data))
    with pytest.raises(DataError) as caught:
        read_ids(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_lines_have_no_columns(write):
    path = str(write("a.txt", "x\n"))
    with pytest.raises(InputError, match="lines have no column 'clip'; give a table"):
        read_ids(f"{path}:clip")
    with pytest.raises(InputError, match="lines have no column 'voice'; give a table"):
        read_ids(path, ["voice"])
