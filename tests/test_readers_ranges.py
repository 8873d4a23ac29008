"""JSON Lines in ranges of bytes: the rows, types and errors of the whole file."""

import json
import pickle

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import DataError
from assay.readers import jsonl, read

ROW = st.fixed_dictionaries(
    {
        "reference": st.text('ab é"\\\n', max_size=30),
        "hypothesis": st.text("ab", max_size=5),
        "n": st.integers(-5, 5),
    }
)


def written(path, rows, blank=False, end=True):
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    text = ("\n\n" if blank else "\n").join(lines) + ("\n" if end else "")
    path.write_bytes(text.encode())
    return path


def table(path, keep=("n",)):
    source = read(str(path), keep=keep)
    return pa.Table.from_batches(source), len(source.parts())


@settings(deadline=None)
@given(
    rows=st.lists(ROW, min_size=1, max_size=30), size=st.integers(1, 400), blank=st.booleans(),
    end=st.booleans(),
)  # fmt: skip
def test_ranges_of_any_size_hold_every_row_once(tmp_path_factory, rows, size, blank, end):
    path = written(tmp_path_factory.mktemp("ranges") / "d.jsonl", rows, blank, end)
    whole, _ = table(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "RANGE_BYTES", size)
        cut, parts = table(path)
    assert cut.equals(whole)
    assert (parts > 1) == (path.stat().st_size >= 2 * size)


def rows_of(count, start=0):
    return [{"reference": "a b", "hypothesis": "a", "n": start + i} for i in range(count)]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(jsonl, "RANGE_BYTES", 200)


def test_an_error_names_the_line_of_the_file(tmp_path, small):
    for bad, told in (
        ("{oops", "not one JSON object"),
        ('{"reference": 7, "hypothesis": "a"}', "field 'reference' is a number"),
        ('{"hypothesis": "a"}', "no column 'reference'"),
    ):
        for place in (0, 40, 99):
            lines = [json.dumps(row) for row in rows_of(100)]
            lines[place] = bad
            path = tmp_path / "bad.jsonl"
            path.write_text("\n".join(lines) + "\n")
            with pytest.raises(DataError, match=rf"bad\.jsonl: line {place + 1}: .*{told}"):
                table(path, keep=())


def test_types_are_those_of_the_first_records_in_every_range(tmp_path, small, monkeypatch):
    monkeypatch.setattr(jsonl, "SAMPLE", 20)
    rows = rows_of(40)
    rows += [{**row, "n": None} for row in rows_of(20)]
    whole, parts = table(written(tmp_path / "types.jsonl", rows))
    assert parts > 5
    assert whole.column("n").type == pa.int64()
    rows[50]["n"] = 0.5
    with pytest.raises(DataError, match=r"types\.jsonl: line 51: .*'n' as int64 was expected"):
        table(written(tmp_path / "types.jsonl", rows))


def test_a_record_longer_than_ranges(tmp_path, small):
    rows = rows_of(30)
    rows[11]["reference"] = "long " * 500
    whole, parts = table(written(tmp_path / "long.jsonl", rows))
    assert parts > 10
    assert whole.column("n").to_pylist() == [*range(30)]


def test_a_compressed_file_and_a_short_one_are_one_part(tmp_path, small):
    data = written(tmp_path / "d.jsonl", rows_of(30)).read_bytes()
    with pa.CompressedOutputStream(str(tmp_path / "d.jsonl.gz"), "gzip") as out:
        out.write(data)
    assert table(tmp_path / "d.jsonl.gz")[1] == 1
    assert table(written(tmp_path / "e.jsonl", rows_of(3)))[1] == 1


def test_a_worker_reads_the_same_parts(tmp_path, small):
    source = read(str(written(tmp_path / "d.jsonl", rows_of(60))), keep="n")
    other = pickle.loads(pickle.dumps(source))
    assert other.parts() == source.parts()
    part = source.parts()[3]
    rows = [[batch.rows for batch in own.batches(part)] for own in (source, other)]
    assert rows[0] == rows[1]
