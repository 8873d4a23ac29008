"""Counting where the data is: record batches in, a row with a state out, as engines call it."""

import itertools
import pickle
import random
import subprocess
import sys

import dask
import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay.core.errors import InputError, MergeError, StateFormatError

SAID = ["a b c", "d", "", "e f", "g h i j", "k"]
HEARD = ["a x c", "d d", "z", "e f", "g", ""]
VOICE = ["x", "y", "x", None, "y", "x"]
TABLE = pa.table({"said": SAID, "heard": HEARD, "voice": VOICE, "id": range(6)})


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 6), max_size=5), seed=st.integers(0, 9), size=st.integers(1, 6))
def test_any_partition_in_any_order_has_the_bytes_of_the_whole(cuts, seed, size):
    counts = assay.state_rows(assay.count_words, "said", "heard", by="voice", confusions=True)
    ends = [0, *sorted(cuts), 6]
    rows = []
    for a, b in itertools.pairwise(ends):
        rows += counts(TABLE.slice(a, b - a).to_batches(size))
    random.Random(seed).shuffle(rows)
    whole = assay.count_words(SAID, HEARD, by={"voice": pa.array(VOICE)}, confusions=True)
    assert assay.add_states(rows).to_bytes() == whole.to_bytes()
    assert sum(row.column("rows")[0].as_py() for row in rows) == 6


def test_it_keeps_to_what_mapinarrow_wants():
    """An iterator of record batches in, one out, of one schema; nothing of an empty partition."""
    counts = assay.state_rows(assay.count_words, "said", "heard")
    found = counts(iter(TABLE.to_batches(2)))
    (row,) = found
    assert row.schema == pa.schema([("state", pa.binary()), ("rows", pa.int64())])
    assert [*counts(iter(()))] == []
    assert [*counts(TABLE.slice(0, 0).to_batches())] == []


def test_it_travels_to_another_process():
    """As a worker of Spark or Dask gets it: pickled, into a Python that has loaded nothing."""
    counts = assay.state_rows(
        assay.count_labels, "y", "z", named={"weights": "w"}, positive=1
    )  # fmt: skip
    table = pa.table({"y": [1, 0, 1], "z": [1, 1, 1], "w": [2.0, 1.0, 0.5]})
    program = (
        "import pickle, sys, pyarrow as pa\n"
        "counts, batches = pickle.load(sys.stdin.buffer)\n"
        "sys.stdout.buffer.write(pickle.dumps([*counts(batches)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps((counts, table.to_batches())), capture_output=True, check=True,
    )  # fmt: skip
    state = assay.add_states(pickle.loads(done.stdout))
    whole = assay.count_labels([1, 0, 1], [1, 1, 1], weights=[2.0, 1.0, 0.5], positive=1)
    assert state.to_bytes() == whole.to_bytes()


def test_duckdb_hands_its_batches_over():
    database = duckdb.connect()
    database.register("pairs", TABLE)
    counts = assay.state_rows(assay.count_words, "said", "heard", by="voice")
    batches = database.sql("select * from pairs where id < 5").to_arrow_reader(2)
    state = assay.add_states(counts(batches))
    whole = assay.count_words(SAID[:5], HEARD[:5], by={"voice": pa.array(VOICE[:5])})
    assert state.to_bytes() == whole.to_bytes()


def test_dask_counts_its_partitions():
    counts = assay.state_rows(assay.count_words, "said", "heard")
    partitions = [TABLE.slice(start, 2).to_batches() for start in (0, 2, 4)]
    tasks = [dask.delayed(list)(dask.delayed(counts)(batches)) for batches in partitions]
    rows = itertools.chain(*dask.compute(*tasks, scheduler="threads"))
    assert assay.add_states(rows).to_bytes() == assay.count_words(SAID, HEARD).to_bytes()


def test_items_by_their_ids():
    counts = assay.state_rows(
        assay.count_words, "said", "heard", named={"ids": "id"}, items=True
    )  # fmt: skip
    state = assay.add_states([*counts(TABLE.to_batches(2))])
    assert state.per_item("id").tolist() == [*range(6)]


def test_many_rows_of_a_table():
    counts = assay.state_rows(assay.count_words, "said", "heard")
    rows = pa.Table.from_batches([row for _ in range(150) for row in counts(TABLE.to_batches(1))])
    assert assay.add_states(rows).pairs == 900


def test_what_is_refused():
    counts = assay.state_rows(assay.count_words, "said", "herd")
    with pytest.raises(InputError, match="state_rows: no column 'herd'; there: said, heard"):
        [*counts(TABLE.to_batches())]
    with pytest.raises(InputError, match="no rows"):
        assay.add_states([])
    bad = pa.table({"state": pa.array([b"assay.state\x00"], pa.binary())})
    with pytest.raises(StateFormatError, match="cut short"):
        assay.add_states(bad)
    with pytest.raises(StateFormatError, match="null"):
        assay.add_states(pa.table({"state": pa.array([None], pa.binary())}))
    (words,) = assay.state_rows(assay.count_words, "said", "heard")(TABLE.to_batches())
    (chars,) = assay.state_rows(assay.count_chars, "said", "heard")(TABLE.to_batches())
    with pytest.raises(MergeError, match="unit"):
        assay.add_states([words, chars])
