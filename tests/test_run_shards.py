"""run.scan: order, errors at their place, bounded lead, early ends. Sources and counts are fakes:
a batch is its place, `sleeps` says how long decoding and counting of it take."""

import gc
import itertools
import random
import threading
import time
import weakref
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import DataError, InputError
from assay.core.protocols import Batch, Part, Source
from assay.core.threads import parallel
from assay.run import shards
from assay.run.shards import scan

ROWS = 3


class Boom(Exception):
    pass


class Place(NamedTuple):
    """Stands for the rows of a batch."""

    part: int
    turn: int

    @property
    def num_rows(self):
        return ROWS


class Fake:
    """A source of parts with so many batches each; reading fails at some places."""

    def __init__(self, sizes, broken=(), sleep=lambda place: None):
        self.sizes, self.broken, self.sleep = sizes, set(broken), sleep
        self.read, self.closed = [], []
        self.busy = [threading.Lock() for _ in sizes]

    def parts(self):
        return [Part(i, f"part-{i}", size=100) for i in range(len(self.sizes))]

    def batches(self, part):
        try:
            for turn in range(self.sizes[part.index] + 1):
                assert self.busy[part.index].acquire(blocking=False), "two threads in one part"
                try:
                    place = Place(part.index, turn)
                    self.sleep(place)
                    if place in self.broken:
                        raise Boom(place)
                finally:
                    self.busy[part.index].release()
                if turn < self.sizes[part.index]:
                    self.read.append(place)
                    yield Batch(place, turn * ROWS, 10 * (turn + 1), str)
        finally:
            self.closed.append(part.index)

    def places(self):
        return [Place(i, t) for i, size in enumerate(self.sizes) for t in range(size)]


def threads_of_scans():
    return [t for t in threading.enumerate() if t.name.startswith(shards.THREADS)]


@pytest.fixture(params=[1, 2, 8], ids=lambda n: f"{n}-threads")
def threads(request, monkeypatch):
    monkeypatch.setenv("ASSAY_THREADS", str(request.param))
    return request.param


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setenv("ASSAY_THREADS", "2")


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    assert not threads_of_scans()


def test_a_fake_is_a_source():
    fake: Source = Fake([1])
    assert [batch.rows for batch in fake.batches(fake.parts()[0])] == [(0, 0)]


# -- order -----------------------------------------------------------------------------------------


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


def test_one_file_keeps_two_threads_busy(two_threads):
    at_once = threading.Barrier(2, timeout=10)

    def sleep(place):  # while batch 1 is decoded, batch 0 is counted
        if place.turn == 1:
            at_once.wait()

    def count(rows):
        if rows.turn == 0:
            at_once.wait()

    assert len(list(scan(Fake([2], sleep=sleep), count))) == 2


def test_many_parts_are_decoded_at_once(two_threads):
    at_once = threading.Barrier(2, timeout=10)
    list(scan(Fake([1, 1], sleep=lambda p: p.turn == 0 and at_once.wait()), lambda rows: rows))


def test_what_a_count_calls_runs_in_line(two_threads):
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


# -- errors ----------------------------------------------------------------------------------------


def test_an_error_in_reading_is_raised_at_its_place(threads):
    fake = Fake([3, 5, 4], broken=[(1, 2)])
    results = scan(fake, lambda rows: rows)
    before = fake.places()[:5]
    assert [next(results).result for _ in before] == before
    with pytest.raises(Boom) as caught:
        next(results)
    assert caught.value.args == ((1, 2),)
    with pytest.raises(StopIteration):
        next(results)


def test_an_error_in_opening_a_part(threads):
    class Unreadable(Fake):
        def batches(self, part):
            if part.index == 1:
                raise Boom("not a generator")
            return super().batches(part)

    results = scan(Unreadable([1, 1]), lambda rows: rows)
    assert next(results).result == (0, 0)
    with pytest.raises(Boom, match="not a generator"):
        next(results)


def test_an_error_at_the_end_of_a_part(threads):
    results = scan(Fake([2, 2], broken=[(0, 2)]), lambda rows: rows)
    assert [next(results).result for _ in range(2)] == [(0, 0), (0, 1)]
    with pytest.raises(Boom):
        next(results)


def test_an_error_in_parts_comes_before_any_thread(threads):
    class Missing(Fake):
        def parts(self):
            raise DataError("no such file")

    with pytest.raises(DataError, match="no such file"):
        next(scan(Missing([1]), lambda rows: rows))


@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    data=st.data(),
    threads=st.sampled_from([1, 2, 8]),
)
@settings(max_examples=40)
def test_the_earliest_error_wins_and_all_before_it_is_given(sizes, data, threads):
    fake = Fake(sizes)
    places = fake.places()
    if not places:
        return
    unread = data.draw(st.sets(st.sampled_from(places), max_size=3), label="broken in reading")
    uncounted = data.draw(st.sets(st.sampled_from(places), max_size=3), label="and in counting")
    slow = data.draw(st.sets(st.sampled_from(places), max_size=3), label="slow")
    fake = Fake(sizes, unread, lambda place: place in slow and time.sleep(0.003))

    def count(rows):
        if rows in uncounted:
            raise Boom(rows)
        return rows

    expected = min(unread | uncounted, default=None)
    met = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_THREADS", str(threads))
        results = scan(fake, count)
        met.extend(next(results).result for p in places if expected is None or p < expected)
        with pytest.raises(StopIteration if expected is None else Boom) as caught:
            next(results)
    assert met == places[: len(met)]
    assert expected is None or caught.value.args == (expected,)


def test_little_is_read_behind_an_error(threads):
    fake = Fake([1, 1, *[5] * 50], broken=[(0, 0)])
    with pytest.raises(Boom):
        list(scan(fake, lambda rows: rows))
    assert len(fake.read) <= (shards.AHEAD + 2) * threads


def test_an_input_error_of_the_count_says_where_the_rows_are_from(threads):
    def count(rows):
        if rows == (1, 2):
            raise InputError("reference[1] has no words")

    with pytest.raises(DataError) as caught:
        list(scan(Fake([1, 4]), count))
    assert str(caught.value) == "part-1: rows 7 to 9: reference[1] has no words"
    assert isinstance(caught.value.__cause__, InputError)


def test_a_data_error_of_the_count_stays_as_it_is(threads):
    def count(rows):
        raise DataError("it knows its place")

    with pytest.raises(DataError, match=r"^it knows its place$"):
        list(scan(Fake([1]), count))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError])
def test_any_exception_of_a_thread_reaches_the_caller(threads, kind):
    def count(rows):
        raise kind("once")

    with pytest.raises(kind, match="once"):
        list(scan(Fake([2, 2]), count))


# -- the lead over the caller ----------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[500], [1] * 500, [250, 250]], ids=["file", "parts", "both"])
def test_threads_wait_for_a_slow_caller(threads, sizes):
    fake = Fake(sizes)
    lead = 0
    for done, _ in enumerate(scan(fake, lambda rows: rows), 1):
        if done < 60:
            time.sleep(0.001)
        lead = max(lead, len(fake.read) - done)
    assert len(fake.read) == 500
    # what waits, what each thread has in hand, and what the caller's own part may be ahead
    assert lead <= (shards.AHEAD + 2) * threads


def test_a_slow_first_part_does_not_fill_memory_with_the_others(threads):
    fake = Fake([10, *[50] * 20], sleep=lambda place: place.part == 0 and time.sleep(0.003))
    lead = 0
    for done, _ in enumerate(scan(fake, lambda rows: rows), 1):
        lead = max(lead, len(fake.read) - done)
    assert lead <= (shards.AHEAD + 2) * threads


def test_a_thread_takes_the_earliest_part():
    fake = Fake([1, 1, 1])
    shared = shards._Scan(fake, fake.parts(), None, threads=1)
    taken = [shared.take() for _ in range(3)]
    for order in itertools.permutations(taken):
        for reader in order:
            shared.give_back(reader)
        assert [shared.take() for _ in range(3)] == taken


@pytest.mark.parametrize("slow", [0, 1])
def test_the_part_of_the_caller_goes_first(threads, slow):
    """Where the lead is used up, only reading that part helps; anything else would hang."""
    fake = Fake([60, 60, 60], sleep=lambda place: place.part == slow and time.sleep(0.001))
    for counted in scan(fake, lambda rows: rows):
        time.sleep(0.001 * (counted.result.part == 0))


def test_a_batch_is_given_up_once_it_is_counted(two_threads):
    alive = weakref.WeakSet()

    class Rows:
        num_rows = 1

    class Many(Fake):
        def batches(self, part):
            for turn in range(100):
                rows = Rows()
                alive.add(rows)
                yield Batch(rows, turn, 0, str)

    peak = 0
    for _ in scan(Many([100]), lambda rows: None):
        peak = max(peak, len(alive))
    assert peak <= 5


# -- an early end ----------------------------------------------------------------------------------


def test_a_caller_who_stops_ends_the_threads_and_closes_the_files(threads):
    fake = Fake([100, 100])
    results = scan(fake, lambda rows: rows)
    assert next(results).result == (0, 0)
    results.close()
    assert not threads_of_scans()
    assert len(fake.read) < 100
    gc.collect()
    assert 0 in fake.closed


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_an_exception_of_the_caller_ends_the_threads(threads, kind):
    fake = Fake([100])

    def use():
        for counted in scan(fake, lambda rows: rows):
            if counted.result.turn == 3:
                raise kind

    with pytest.raises(kind):
        use()
    gc.collect()
    assert not threads_of_scans()


def test_a_scan_that_is_never_begun_starts_no_thread(threads):
    results = scan(Fake([3]), lambda rows: rows)
    assert not threads_of_scans()
    results.close()


def test_a_read_that_hangs_does_not_keep_the_caller(two_threads, monkeypatch):
    monkeypatch.setattr(shards, "PATIENCE_S", 0.05)
    release = threading.Event()
    fake = Fake([2], sleep=lambda place: place.turn == 1 and release.wait(20))
    results = scan(fake, lambda rows: rows)
    next(results)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 5
    release.set()
    for thread in threads_of_scans():
        thread.join(10)


def test_scans_may_run_side_by_side(two_threads):
    left, right = Fake([5, 3]), Fake([2, 7, 1])
    pairs = zip(scan(left, lambda rows: rows), scan(right, np.array), strict=False)
    assert len(list(pairs)) == 8
    gc.collect()


def test_a_refused_number_of_threads(monkeypatch):
    monkeypatch.setenv("ASSAY_THREADS", "many")
    with pytest.raises(InputError, match="ASSAY_THREADS must be a whole number >= 1, got 'many'"):
        next(scan(Fake([1]), lambda rows: rows))
