"""Reference and hypothesis in two tables, joined by key."""

import json
import os
import pickle
import random
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import DataError, InputError
from assay.readers import read
from readers_kit import rows

WANT = {"text": ["text", "pred"], "key": "id"}


@pytest.fixture
def write(tmp_path):
    def write(name, table):
        path = tmp_path / name
        if name.endswith("jsonl"):
            path.write_text("".join(json.dumps(row) + "\n" for row in table))
        elif name.endswith("csv"):
            lines = [",".join(table[0]), *(",".join(map(str, row.values())) for row in table)]
            path.write_text("\n".join(lines))
        else:
            pq.write_table(pa.Table.from_pylist(table), path, row_group_size=2)
        return path

    return write


@pytest.mark.parametrize("right", ["h.csv", "h.jsonl", "h.parquet"])
@pytest.mark.parametrize("left", ["r.csv", "r.jsonl", "r.parquet"])
def test_any_format_on_either_side(write, left, right):
    keys = [3, 1, 2, 5, 4]
    ref = write(left, [{"id": key, "text": f"r{key}", "who": f"w{key}"} for key in keys])
    hyp = write(right, [{"pred": f"h{key}", "id": key} for key in sorted(keys)])
    source = read([ref, hyp], **WANT, keep=["who"])
    batches = list(source)
    assert batches[0].schema.names == ["text", "pred", "who"]
    assert [tuple(row.values()) for batch in batches for row in batch.to_pylist()] == [
        (f"r{key}", f"h{key}", f"w{key}") for key in keys
    ]


def test_the_key_may_be_kept_and_the_names_may_be_the_same(write):
    ref = write("r.csv", [{"id": "007", "text": "a"}])
    hyp = write("h.csv", [{"id": "007", "text": "b"}])
    assert rows([ref, hyp], ["text", "text"], keep="id", key="id") == [("a", "b", "007")]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), unique=True), st.randoms())
def test_round_trip(tmp_path_factory, keys, shuffle):
    folder = tmp_path_factory.mktemp("join")
    table = [{"id": key, "text": f"r{key}", "pred": f"h{key}"} for key in keys]
    for name in ("r.jsonl", "h.jsonl"):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in table) or "\n")
        shuffle.shuffle(table)
    assert rows([folder / "r.jsonl", folder / "h.jsonl"], **WANT, keep="id") == [
        (f"r{key}", f"h{key}", key) for key in keys
    ]


def test_every_problem_is_listed_at_once(write):
    left = ["a", "b", "b", "c", *(f"x{i}" for i in range(12))]
    ref = write("r.csv", [{"id": key, "text": ""} for key in left])
    hyp = write("h.csv", [{"id": key, "pred": ""} for key in ["c", "d", "a", "d", "a", "b"]])
    with pytest.raises(DataError) as caught:
        read([ref, hyp], **WANT).parts()
    told = str(caught.value).replace(str(ref), "r.csv").replace(str(hyp), "h.csv")
    assert told.split("\n  ") == [
        "cannot join by 'id': every key must stand once on either side; drop the rows "
        "of these keys, or add what is missing:",
        "12 in r.csv but not in h.csv: 'x0', 'x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', 'x8', 'x9' "
        "and 2 more",
        "1 in h.csv but not in r.csv: 'd'",
        "1 more than once in r.csv: 'b'",
        "2 more than once in h.csv: 'd', 'a'",
    ]


@pytest.mark.parametrize(
    ("left", "right", "told"),
    [
        ("ab", "a", "1 in r.csv but not in h.csv: 'b'"),
        ("a", "ab", "1 in h.csv but not in r.csv: 'b'"),
        ("aa", "a", "1 more than once in r.csv: 'a'"),
        ("a", "aa", "1 more than once in h.csv: 'a'"),
    ],
)
def test_each_problem_alone_is_one(write, left, right, told):
    ref = write("r.csv", [{"id": key, "text": ""} for key in left])
    hyp = write("h.csv", [{"id": key, "pred": ""} for key in right])
    with pytest.raises(DataError) as caught:
        read([ref, hyp], **WANT).parts()
    message = str(caught.value).replace(str(ref), "r.csv").replace(str(hyp), "h.csv")
    assert message.split("\n  ")[1:] == [told]


def test_keys_are_compared_as_text(write):
    ref = write("r.csv", [{"id": "007", "text": ""}])
    hyp = write("h.jsonl", [{"id": 7, "pred": ""}])
    with pytest.raises(DataError, match=r"not in \S+h.jsonl: '007'\n.*not in \S+r.csv: '7'"):
        rows([ref, hyp], **WANT)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([{"id": "a", "pred": ""}, {"id": None, "pred": ""}], r"line 2: key 'id' is null; give"),
        ([{"id": 1.5, "pred": ""}], "line 1: key 'id' holds double, expected text or integers"),
        ([{"id": True, "pred": ""}], "line 1: key 'id' holds bool, expected text or integers"),
        ([{"ID": "a", "pred": ""}], r"line 1: no column 'id'; there: 'ID', 'pred'"),
        ([{"id": "a", "text": ""}], r"line 1: no column 'pred'; there: 'id', 'text'"),
        ([{"id": "a", "pred": None}], r"line 1: field 'pred' is null"),
    ],
)
def test_a_side_that_cannot_be_used(write, table, message):
    ref = write("r.csv", [{"id": "a", "text": ""}])
    hyp = write("h.jsonl", table)
    with pytest.raises(DataError, match=rf"h.jsonl: {message}"):
        rows([ref, hyp], **WANT)


def test_kept_columns_are_the_references(write):
    ref = write("r.csv", [{"id": "a", "text": "x", "who": "r"}])
    hyp = write("h.csv", [{"id": "a", "pred": "y", "who": "h", "more": "h"}])
    assert rows([ref, hyp], **WANT, keep="who") == [("x", "y", "r")]
    with pytest.raises(DataError, match=r"r.csv: header: no column 'more'"):
        rows([ref, hyp], **WANT, keep="more")


def test_parts_of_many_files_in_threads_and_processes(write, tmp_path):
    keys = list(range(1000))
    random.Random(0).shuffle(keys)
    for i in range(4):
        part = keys[i * 250 : (i + 1) * 250]
        write(f"r{i}.parquet", [{"id": key, "text": f"r{key}"} for key in part])
        write(f"h{i}.csv", [{"id": key, "pred": f"h{key}"} for key in sorted(keys)[i::4]])
    source = read([tmp_path / "r*.parquet", tmp_path / "h*.csv"], **WANT)
    want = [(f"r{key}", f"h{key}") for key in keys]
    found = {}

    def one(part):
        found[part.index] = [
            tuple(row.values()) for b in source.batches(part) for row in b.rows.to_pylist()
        ]

    threads = [threading.Thread(target=one, args=[part]) for part in source.parts()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row for index in sorted(found) for row in found[index]] == want
    again = pickle.loads(pickle.dumps(source))
    assert [tuple(row.values()) for batch in again for row in batch.to_pylist()] == want


def test_only_the_hypothesis_may_be_a_pipe(write):
    file = write("r.csv", [{"id": "a", "text": "x", "pred": "y"}])
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as pipe:
        pipe.write(b"id,pred\na,z\n")
    pipe = f"/dev/fd/{read_end}"
    with pytest.raises(InputError, match="the reference of a join is read twice, a pipe cannot"):
        read([pipe, file], **WANT, format="csv")
    assert rows([file, pipe], **WANT, format="csv") == [("x", "z")]
    os.close(read_end)


@pytest.mark.parametrize(("paths", "text"), [(1, 2), (3, 2), (2, 1), (2, 3)])
def test_a_join_has_two_sides(write, paths, text):
    file = write("r.csv", [{"id": "a", "text": "x"}])
    with pytest.raises(InputError, match=f"a join needs two paths and .*got {paths} and {text}"):
        read([file] * paths, ["text"] * text, key="id")
