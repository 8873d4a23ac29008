"""The threads of run.scan: how far they run ahead, which part they take, and when they end."""

import gc
import itertools
import threading
import time
import weakref

import pytest

from assay.core.protocols import Batch
from assay.run import shards
from assay.run.shards import scan
from shards_kit import Boom, Fake, threads_of_scans
from waiting_kit import PATIENCE_S

pytestmark = pytest.mark.usefixtures("no_thread_stays")


def most(threads):
    """What waits, what each thread has in hand, and what the caller's own part may be ahead."""
    return (shards.AHEAD + 2) * threads


@pytest.mark.parametrize("sizes", [[500], [1] * 500, [250, 250]], ids=["file", "parts", "both"])
def test_threads_wait_for_a_slow_caller(threads, sizes):
    fake = Fake(sizes)
    lead = 0
    for done, _ in enumerate(scan(fake, lambda rows: rows), 1):
        if done < 60:
            time.sleep(0.001)
        lead = max(lead, len(fake.read) - done)
    assert len(fake.read) == 500
    assert lead <= most(threads)


def test_a_slow_first_part_does_not_fill_memory_with_the_others(threads):
    fake = Fake([10, *[50] * 20], sleep=lambda place: place.part == 0 and time.sleep(0.003))
    lead = 0
    for done, _ in enumerate(scan(fake, lambda rows: rows), 1):
        lead = max(lead, len(fake.read) - done)
    assert lead <= most(threads)


def test_little_is_read_behind_an_error(threads):
    fake = Fake([1, 1, *[5] * 50], broken=[(0, 0)])
    with pytest.raises(Boom):
        list(scan(fake, lambda rows: rows))
    assert len(fake.read) <= most(threads)


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
    found = []
    for counted in scan(fake, lambda rows: rows):
        found.append(counted.result)
        time.sleep(0.001 * (counted.result.part == 0))
    assert found == fake.places()


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_a_batch_is_given_up_once_it_is_counted(threads):
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


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_a_read_that_hangs_does_not_keep_the_caller(threads, monkeypatch):
    monkeypatch.setattr(shards, "PATIENCE_S", 0.05)
    release = threading.Event()
    fake = Fake([2], sleep=lambda place: place.turn == 1 and release.wait(PATIENCE_S))
    results = scan(fake, lambda rows: rows)
    next(results)
    results.close()
    assert threads_of_scans()  # it still hangs
    release.set()
    for thread in threads_of_scans():
        thread.join(PATIENCE_S)
