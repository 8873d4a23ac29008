"""Arrow files: as pyarrow, pandas and polars write them, in batches, and damaged ones."""

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from assay import read
from assay.core.errors import DataError

TABLE = pa.table({"said": ["a b", "c", "d"], "heard": ["a", "c", ""], "n": [3, 1, 2]})


def written(path, table=TABLE, **options):
    with pa.ipc.new_file(path, table.schema) as out:
        out.write_table(table, **options)
    return path


def rows(path, text=("said", "heard"), keep="n"):
    return [row for batch in read(path, text, keep) for row in zip(*batch.to_pydict().values())]  # noqa: B905


EXPECTED = [("a b", "a", 3), ("c", "c", 1), ("d", "", 2)]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_batches_are_the_table(tmp_path, size):
    path = written(tmp_path / "t.arrow", max_chunksize=size)
    assert rows(path) == EXPECTED
    assert rows(path, "heard", "said") == [(b, a) for a, b, _ in EXPECTED]
    source = read(path, (), "n")
    ((part, batch),) = [(p, b) for p in source.parts() for b in source.batches(p)][-1:]
    assert batch.consumed == part.size == path.stat().st_size


def test_what_others_write(tmp_path):
    pd.DataFrame(TABLE.to_pydict()).to_feather(tmp_path / "p.feather")
    pl.from_arrow(TABLE).write_ipc(tmp_path / "q.arrow", compression="lz4")
    for name in ("p.feather", "q.arrow"):
        assert rows(tmp_path / name) == EXPECTED


def test_no_rows(tmp_path):
    assert rows(written(tmp_path / "t.arrow", TABLE.slice(0, 0))) == []


def test_what_is_refused(tmp_path):
    path = written(tmp_path / "t.arrow", max_chunksize=2)
    with pytest.raises(DataError, match=r"no column 'sayd'; .*did you mean 'said'"):
        rows(path, "sayd")
    with pytest.raises(DataError, match="column 'n' holds int64, expected text"):
        rows(path, "n")
    nulls = written(tmp_path / "n.arrow", pa.table({"said": ["a", "b", None]}), max_chunksize=2)
    with pytest.raises(DataError, match="row 3: column 'said' is null"):
        rows(nulls, "said", ())
    (tmp_path / "cut.arrow").write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cut\.arrow"):
        rows(tmp_path / "cut.arrow")
    (tmp_path / "t.arrow.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match="Arrow is compressed inside and read from its end"):
        rows(tmp_path / "t.arrow.gz")
