"""The shared pool: order, laziness, nesting, errors, and how many threads there are."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from assay.core import threads
from assay.core.errors import InputError
from assay.core.threads import parallel, thread_count, worker_thread
from waiting_kit import PATIENCE_S


@pytest.fixture(autouse=True)
def four_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_THREADS", "4")


def where() -> str:
    return threading.current_thread().name


# -- parallel --------------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_tasks() -> None:
    def slow_first(k: int) -> int:
        time.sleep(0.002 * (k % 3 == 0))
        return k * k

    assert list(parallel(slow_first, range(50))) == [k * k for k in range(50)]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_tasks(count: int) -> None:
    assert list(parallel(str, range(count))) == [str(k) for k in range(count)]


def test_several_threads_work_at_once() -> None:
    together = threading.Barrier(4, timeout=PATIENCE_S)
    assert len(list(parallel(lambda _: together.wait(), range(4)))) == 4


def test_one_task_runs_in_the_callers_thread() -> None:
    assert list(parallel(lambda _: where(), [0])) == [where()]


def test_one_thread_means_the_callers_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_THREADS", "1")
    assert set(parallel(lambda _: where(), range(9))) == {where()}


def test_nested_calls_run_in_line() -> None:
    def outer(_: int) -> tuple[str, set[str]]:
        return where(), set(parallel(lambda _: where(), range(5)))

    for thread, inner in parallel(outer, range(40)):
        assert thread.startswith("assay")
        assert inner == {thread}


def test_a_worker_thread_of_another_pool_runs_in_line() -> None:
    found = []

    def work() -> None:
        worker_thread()
        found.extend(parallel(lambda _: where(), range(5)))

    other = threading.Thread(target=work, name="somebody")
    other.start()
    other.join()
    assert set(found) == {"somebody"}
    assert where() not in set(parallel(lambda _: where(), range(5)))


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for k in range(1000):
            taken.append(k)
            yield k

    results = parallel(str, tasks())
    for done in range(30):
        next(results)
        assert len(taken) <= done + 2 * 4 + 2
    results.close()
    assert len(taken) < 50


def test_an_error_reaches_the_caller_and_stops_the_rest() -> None:
    ran = []

    def work(k: int) -> int:
        ran.append(k)
        if k == 3:
            raise ZeroDivisionError("task 3")
        return k

    results = parallel(work, range(10_000))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError, match=r"^task 3$"):
        next(results)
    assert len(ran) < 100
    assert list(parallel(str, range(3))) == ["0", "1", "2"]


def test_an_error_of_the_tasks_reaches_the_caller() -> None:
    def tasks() -> Iterator[int]:
        yield from range(5)
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        list(parallel(str, tasks()))


def test_eight_callers_share_one_pool() -> None:
    names: list[set[str]] = [set() for _ in range(8)]

    def call(k: int) -> None:
        names[k] = set(parallel(lambda _: where(), range(50)))

    callers = [threading.Thread(target=call, args=(k,)) for k in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(names)
    assert len(set.union(*names)) <= 4


def test_the_pool_follows_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (2, 3):
        monkeypatch.setenv("ASSAY_THREADS", str(count))
        together = threading.Barrier(count, timeout=PATIENCE_S)
        assert len(list(parallel(lambda _: together.wait(), range(count)))) == count  # noqa: B023
        assert threads._pool._max_workers == count


# -- how many --------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["1", "7", "64"])
def test_threads_as_asked(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("ASSAY_THREADS", asked)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert thread_count() == int(asked)


@pytest.mark.parametrize("asked", ["0", "-1", "two", "", "1.5", " 2"])
def test_threads_that_are_no_number(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("ASSAY_THREADS", asked)
    message = rf"^ASSAY_THREADS must be a whole number >= 1, got '{asked}'$"
    with pytest.raises(InputError, match=message):
        thread_count()
    with pytest.raises(InputError, match=message):
        list(parallel(str, [1, 2]))


@pytest.mark.parametrize(
    ("cpus", "limit", "ranks", "expected"),
    [
        (8, 1 << 20, None, 8),
        (8, 3, None, 3),
        (8, 16, "4", 2),
        (8, 8, "3", 2),
        (2, 8, "4", 1),
        (8, 8, "0", 8),
        (8, 8, "many", 8),
    ],
)
def test_threads_are_shared_between_ranks(
    monkeypatch: pytest.MonkeyPatch, cpus: int, limit: int, ranks: str | None, expected: int
) -> None:
    monkeypatch.delenv("ASSAY_THREADS")
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if ranks is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", ranks)
    monkeypatch.setattr(threads, "_affinity", lambda: cpus)
    monkeypatch.setattr(threads, "_cgroup_limit", lambda: limit)
    assert thread_count() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity on this system")
def test_threads_follow_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_THREADS")
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [min(before)])
    try:
        assert thread_count() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", 1 << 20),
        ("150000 100000\n", 1),
        ("50000 100000\n", 1),
        ("400000 100000", 4),
    ],
)
def test_limits_of_a_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path, text: str, expected: int
) -> None:
    (tmp_path / "cpu.max").write_text(text)
    real = open
    monkeypatch.setattr("builtins.open", lambda path, *rest: real(tmp_path / "cpu.max", *rest))
    assert threads._cgroup_limit.__wrapped__() == expected


def test_no_container(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    real = open
    monkeypatch.setattr("builtins.open", lambda path, *rest: real(tmp_path / "none", *rest))
    assert threads._cgroup_limit.__wrapped__() == 1 << 20
