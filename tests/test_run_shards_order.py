"""run.scan: results come in the order of the rows, whatever takes long, however many threads."""

import random
import threading
import time

import pyarrow as pa
import pytest

from assay.core.threads import parallel
from assay.run.shards import scan
from shards_kit import Fake
from waiting_kit import PATIENCE_S

pytestmark = pytest.mark.usefixtures("no_thread_stays")


@pytest.mark.parametrize(
    "sizes",
    [[], [0], [1], [40], [0, 0, 3, 0], [5, 1, 0, 7], [1] * 60],
    ids=lambda sizes: f"{len(sizes)}-parts-{sum(sizes)}-batches",
)
def test_results_stand_in_the_order_of_the_rows(threads, sizes):
    fake = Fake(sizes)
    found = list(scan(fake, lambda rows: rows))
    assert [c.result for c in found] == fake.places()
    assert [(c.part.index, c.part.name) for c in found] == [
        (p.part, f"part-{p.part}") for p in fake.places()
    ]
    assert [c.consumed for c in found] == [10 * (p.turn + 1) for p in fake.places()]
    assert sorted(fake.closed) == list(range(len(sizes)))


def test_order_holds_whatever_takes_long(threads):
    rng = random.Random(threads)
    sleeps = {}

    def sleep(place):
        time.sleep(sleeps.setdefault(place, rng.choice([0, 0, 0.001, 0.004])))

    fake = Fake([6, 0, 3, 11, 1, 4], sleep=sleep)

    def count(rows):
        sleep((rows, "count"))
        return rows

    assert [c.result for c in scan(fake, count)] == fake.places()


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_one_file_keeps_two_threads_busy(threads):
    at_once = threading.Barrier(2, timeout=PATIENCE_S)

    def sleep(place):  # while batch 1 is decoded, batch 0 is counted
        if place.turn == 1:
            at_once.wait()

    def count(rows):
        if rows.turn == 0:
            at_once.wait()

    assert len(list(scan(Fake([2], sleep=sleep), count))) == 2


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_many_parts_are_decoded_at_once(threads):
    at_once = threading.Barrier(2, timeout=PATIENCE_S)
    list(scan(Fake([1, 1], sleep=lambda p: p.turn == 0 and at_once.wait()), lambda rows: rows))


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_what_a_count_calls_runs_in_line(threads):
    def count(rows):
        me = threading.current_thread().name
        return set(parallel(lambda _: threading.current_thread().name, range(8))) == {me}

    assert all(c.result for c in scan(Fake([4]), count))


def test_sums_are_the_same_bytes_for_any_number_of_threads(monkeypatch):
    texts = [f"the cat {'sat ' * (i % 4)}on {i % 7}" for i in range(3000)]
    heard = [text.replace("cat", "hat", i % 2).removesuffix("3") for i, text in enumerate(texts)]
    table = pa.table({"r": texts, "h": heard, "g": [f"g{i % 5}" for i in range(3000)]})
    from assay.metrics.words import EditCounts, count_words
    from assay.readers import read

    def count(rows):
        by = {"g": rows.column(2)}
        return count_words(rows.column(0), rows.column(1), by=by, confusions=True)

    found = set()
    for threads in ("1", "2", "8"):
        monkeypatch.setenv("ASSAY_THREADS", threads)
        chunks = pa.Table.from_batches(table.to_batches(max_chunksize=171))
        total = EditCounts.zero()
        for counted in scan(read(chunks, ["r", "h"], "g"), count):
            total += counted.result
        found.add(total.to_bytes())
    assert len(found) == 1


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_scans_may_run_side_by_side(threads):
    left, right = Fake([5, 3]), Fake([2, 7, 1])
    pairs = zip(scan(left, lambda rows: rows), scan(right, lambda rows: rows), strict=False)
    assert [(a.result, b.result) for a, b in pairs] == list(
        zip(left.places(), right.places(), strict=False)
    )
