"""The scope timers, compiled and in Python, held against each other and against their rules."""

import asyncio
import gc
import sys
import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.ops import durations, probe
from assay.ops.scopes import PlainScopeTimer, _Node

TIMERS = [PlainScopeTimer]
if probe.native_reason() is None:
    TIMERS.append(probe.ScopeTimer)

both = pytest.mark.parametrize("make", TIMERS, ids=lambda make: make.__module__)
native = pytest.mark.skipif(
    probe.native_reason() is not None, reason="the native extension is not built"
)


def counted(timer: Any) -> dict[str, tuple[int, int, int]]:
    """Path -> how many were timed, failed, left open."""
    return {path: (sum(host[3].values()), *rest) for path, host, _, *rest in timer.read()}


# -- scopes ----------------------------------------------------------------------------------------


@both
def test_nested_scopes_are_known_by_their_path(make: Any) -> None:
    timer = make()
    for _ in range(3):
        with timer("step"):
            with timer("forward"), timer("layer"):
                pass
            with timer("layer"):
                pass
    with timer("forward"):
        pass
    assert counted(timer) == {
        "step": (3, 0, 0),
        "step/forward": (3, 0, 0),
        "step/forward/layer": (3, 0, 0),
        "step/layer": (3, 0, 0),
        "forward": (1, 0, 0),
    }
    assert timer.open == []


@both
def test_a_name_in_itself(make: Any) -> None:
    timer = make()
    scope = timer("forward")
    assert timer("forward") is scope
    with scope as given, scope, timer("".join(["for", "ward"])):
        assert given is scope
        assert timer.open == ["forward", "forward/forward", "forward/forward/forward"]
    assert counted(timer) == {
        "forward": (1, 0, 0),
        "forward/forward": (1, 0, 0),
        "forward/forward/forward": (1, 0, 0),
    }


@both
def test_times_are_those_of_a_clock(make: Any) -> None:
    timer = make()
    begin = time.perf_counter_ns()
    with timer("outer"):
        for _ in range(5):
            with timer("wait"):
                end = time.perf_counter_ns() + 200_000
                while time.perf_counter_ns() < end:
                    pass
    spent = time.perf_counter_ns() - begin
    times = {path: host for path, host, *_ in timer.read()}
    total, least, most, counts = times["outer/wait"]
    assert 200_000 <= least <= most <= total <= times["outer"][0] <= spent
    assert total >= 1_000_000
    buckets = [bucket for bucket, n in counts.items() for _ in range(n)]
    assert len(buckets) == 5
    assert min(buckets) == durations.bucket_of(least)
    assert max(buckets) == durations.bucket_of(most)
    assert durations.middle_of(buckets).sum() == pytest.approx(total, rel=durations.ERROR)


@both
def test_an_exception_is_counted_and_goes_on(make: Any) -> None:
    timer = make()
    error = KeyError("kept")
    with pytest.raises(KeyError) as caught, timer("outer"), timer("inner"):
        raise error
    assert caught.value is error
    for value in range(3):
        with timer("loop"):
            if value == 1:
                continue
    assert counted(timer) == {"outer": (0, 1, 0), "outer/inner": (0, 1, 0), "loop": (3, 0, 0)}
    assert all(host[:3] == (0, None, None) for path, host, *_ in timer.read() if path != "loop")


@both
def test_a_scope_left_open_is_told_by_name(make: Any) -> None:
    timer = make()
    with timer("step"):
        timer("left").__enter__()
        timer("deeper").__enter__()
        assert timer.open == ["step", "step/left", "step/left/deeper"]
        assert counted(timer)["step/left"] == (0, 0, 1)
    assert timer.open == []
    assert counted(timer) == {
        "step": (1, 0, 0),
        "step/left": (0, 0, 1),
        "step/left/deeper": (0, 0, 1),
    }
    with timer("step"):
        pass
    assert counted(timer)["step"] == (2, 0, 0)


@both
def test_an_end_that_comes_late_does_not_stop_the_loop(make: Any) -> None:
    """A generator that stands still within its scope is closed in another one; coroutines."""
    timer = make()

    def batches() -> Any:
        with timer("load"):
            yield

    for _ in range(2):
        waiting = batches()
        next(waiting)
        with timer("step"):
            waiting.close()
    assert counted(timer) == {"load": (0, 2, 0), "load/step": (0, 0, 2)}

    async def turn() -> None:
        with timer("turn"):
            await asyncio.sleep(0)

    async def both_turns() -> None:
        await asyncio.gather(turn(), turn())

    asyncio.run(both_turns())
    assert timer.open == []
    with pytest.raises(InputError, match="was not entered"):
        timer("step").__exit__(None, None, None)


@both
def test_an_exit_without_an_enter(make: Any) -> None:
    timer = make()
    words = (
        "scope 'forward' is exited and was not entered on this thread; a scope ends where it began"
    )
    with pytest.raises(InputError) as caught:
        timer("forward").__exit__(None, None, None)
    assert str(caught.value) == words
    with timer("forward"):
        pass
    with pytest.raises(InputError, match="was not entered"):
        timer("forward").__exit__(None, None, None)
    assert counted(timer) == {"forward": (1, 0, 0)}


@both
def test_a_scope_ends_on_the_thread_it_began_on(make: Any) -> None:
    timer = make()
    scope = timer("forward").__enter__()
    found: list[str] = []

    def end() -> None:
        try:
            scope.__exit__(None, None, None)
        except InputError as error:
            found.append(str(error))
        with timer("own"):  # no scope of another thread is around it
            found.extend(timer.open)

    thread = threading.Thread(target=end)
    thread.start()
    thread.join()
    assert "was not entered on this thread" in found[0]
    assert found[1:] == ["forward", "own"]
    scope.__exit__(None, None, None)
    assert counted(timer) == {"forward": (1, 0, 0), "own": (1, 0, 0)}


@both
def test_threads_add_up(make: Any) -> None:
    timer = make()

    def work(name: str) -> None:
        for _ in range(500):
            with timer("step"), timer(name):
                pass

    threads = [threading.Thread(target=work, args=(f"part {i % 2}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        timer.read()
    assert counted(timer) == {
        "step": (2000, 0, 0), "step/part 0": (1000, 0, 0), "step/part 1": (1000, 0, 0),
    }  # fmt: skip


@both
def test_timers_know_nothing_of_each_other(make: Any) -> None:
    first, second = make(), make()
    with first("a"), second("b"), first("c"), second("d"):
        pass
    assert list(counted(first)) == ["a", "a/c"]
    assert list(counted(second)) == ["b", "b/d"]
    many = [make() for _ in range(50)]
    with first("a"):
        for timer in many:
            with timer("x"):
                pass
        with first("c"):
            pass
    assert counted(first) == {"a": (2, 0, 0), "a/c": (2, 0, 0)}


@both
def test_reset_keeps_what_is_open(make: Any) -> None:
    timer = make()
    with timer("whole"):
        with timer("part"):
            pass
        timer.reset()
        assert timer.open == ["whole"]
    assert counted(timer) == {"whole": (1, 0, 0)}
    timer.reset()
    assert timer.read() == []


@both
@pytest.mark.parametrize(
    ("name", "told"),
    [
        (3, "the name of a scope must be a string, got 3"),
        (None, "the name of a scope must be a string, got None"),
        (b"x", "the name of a scope must be a string, got b'x'"),
        ("", "the name of a scope must not be empty or hold '/', which joins nested names; got ''"),
        ("a/b", "the name of a scope must not be empty or hold '/', which joins nested names; "
                "got 'a/b'"),
    ],
)  # fmt: skip
def test_names_that_are_none(make: Any, name: Any, told: str) -> None:
    with pytest.raises(InputError) as caught:
        make()(name)
    assert str(caught.value) == told


@both
def test_names_of_any_text(make: Any) -> None:
    timer = make()
    for name in ("naïve", "ß 1", "\U0001f600", "a" * 1000):
        with timer(name):
            pass
    assert list(counted(timer)) == ["naïve", "ß 1", "\U0001f600", "a" * 1000]


@both
def test_a_scope_entered_for_ever(make: Any) -> None:
    timer = make()
    for _ in range(1000):
        timer("again").__enter__()
    with pytest.raises(InputError, match="scope 'again': 1,000 scopes are open; is one entered"):
        timer("again").__enter__()
    assert len(timer.open) == 1000


@both
@pytest.mark.parametrize("arguments", [(), ("a", "b")])
def test_wrong_calls_are_type_errors(make: Any, arguments: tuple[str, ...]) -> None:
    with pytest.raises(TypeError):
        make()(*arguments)
    with pytest.raises(TypeError):
        make()("a").__exit__(None)


@given(st.data())
def test_both_count_the_same(data: st.DataObject) -> None:
    """Any order of entering, leaving, failing, forgetting."""
    timers = [make() for make in TIMERS]
    steps = data.draw(
        st.lists(
            st.tuples(st.sampled_from(["enter", "exit", "fail", "reset"]), st.sampled_from("abc")),
            max_size=30,
        )
    )
    outcomes = []
    for timer in timers:
        seen: list[Any] = []
        for what, name in steps:
            try:
                if what == "enter":
                    timer(name).__enter__()
                elif what == "reset":
                    timer.reset()
                else:
                    kind = KeyError if what == "fail" else None
                    timer(name).__exit__(kind, kind and kind(), None)
            except InputError as error:
                seen.append(str(error))
            seen.append(timer.open)
        outcomes.append([seen, counted(timer)])
    assert all(outcome == outcomes[0] for outcome in outcomes)


# -- buckets ---------------------------------------------------------------------------------------

LONG = st.integers(0, 2**63 - 1) | st.integers(0, 5000) | st.integers(0, 62).map(lambda e: 2**e)


@given(st.lists(LONG | LONG.map(lambda ns: max(ns - 1, 0)), min_size=1))
def test_buckets_are_the_same_everywhere(times: list[int]) -> None:
    node = _Node("x")
    for ns in times:
        node.add(ns)
    found = durations.bucket_of(times).tolist()
    assert sorted(node.counts) == sorted(set(found))
    if probe.native_reason() is None:
        assert [probe.native.bucket_of(ns) for ns in times] == found
    for ns, bucket in zip(times, found, strict=True):
        expected = (
            ns if ns < 2048 else ((ns.bit_length() - 11) << 10) + (ns >> (ns.bit_length() - 11))
        )
        assert bucket == expected
        assert abs(int(durations.middle_of(bucket)) - ns) <= ns * durations.ERROR + 0.5


@native
def test_buckets_follow_on_each_other() -> None:
    edges = np.concatenate([np.arange(2040, 2060), np.arange(4090, 4110), 2 ** np.arange(11, 62)])
    for ns in edges.tolist():
        before, after = probe.native.bucket_of(ns - 1), probe.native.bucket_of(ns)
        assert after - before in (0, 1)
    with pytest.raises(InputError, match="ns must be at least 0, got -1"):
        probe.native.bucket_of(-1)


# -- the compiled timer as an object ---------------------------------------------------------------


@native
def test_a_subclass_is_called_as_fast_as_its_base() -> None:
    class Own(probe.ScopeTimer):
        pass

    has_vectorcall = 1 << 11
    for kind in (probe.ScopeTimer, Own):
        assert kind.__flags__ & has_vectorcall
    with Own()("x"):
        pass


@native
def test_nothing_is_kept() -> None:
    class Own(probe.ScopeTimer):
        pass

    timer = Own()
    with timer("x"):
        pass
    scope, gone = timer("x"), weakref.ref(timer)
    name = "".join(["a", " name"])
    before = sys.getrefcount(name) + 1  # the timer's own
    timer(name)
    for _ in range(100):
        timer(name)
        timer.read()
        timer.open  # noqa: B018
    assert sys.getrefcount(name) == before
    del timer
    gc.collect()
    assert gone() is None
    with scope:  # outlives its timer
        pass
    timer = Own()
    timer.itself = timer
    gone = weakref.ref(timer)
    del timer
    gc.collect()
    assert gone() is None
