"""run.scan: an error is raised at its place, after all results before it, and says where it is."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import DataError, InputError
from assay.run.shards import scan
from shards_kit import Boom, Fake

pytestmark = pytest.mark.usefixtures("no_thread_stays")


@pytest.mark.parametrize(
    ("sizes", "broken"),
    [([3, 5, 4], (1, 2)), ([2, 2], (0, 2))],
    ids=["in-a-batch", "at-the-end-of-a-part"],
)
def test_an_error_in_reading_is_raised_at_its_place(threads, sizes, broken):
    fake = Fake(sizes, [broken])
    results = scan(fake, lambda rows: rows)
    before = [place for place in fake.places() if place < broken]
    assert [next(results).result for _ in before] == before
    with pytest.raises(Boom) as caught:
        next(results)
    assert caught.value.args == (broken,)
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


def test_a_refused_number_of_threads(monkeypatch):
    monkeypatch.setenv("ASSAY_THREADS", "many")
    with pytest.raises(InputError, match="ASSAY_THREADS must be a whole number >= 1, got 'many'"):
        next(scan(Fake([1]), lambda rows: rows))
