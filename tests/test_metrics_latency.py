"""latency(): against waits of known length, a simulated clock, numpy and scipy."""

import gc
import pickle
import time
import warnings
from itertools import chain, repeat
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

import assay
from assay.core.errors import MergeError
from assay.core.state import State
from assay.metrics.durations import Durations, achieved_level, counts_of, median_ranks
from assay.ops import durations
from latency_kit import SimulatedClock, endless
from latency_kit import timing as measured

MS = 1_000_000


@pytest.fixture
def clock(monkeypatch) -> SimulatedClock:
    return SimulatedClock(monkeypatch)


def state_of(ns: Any, **changed: Any) -> assay.Latency:
    options = {"items": 4, "audio_ms": None, "conditions": ("device:x",), "precision": 0.02}
    own = {name: changed.pop(name) for name in list(changed) if name in options}
    return assay.Latency.of(measured(ns, **changed), **{**options, **own})


# -- true lengths ----------------------------------------------------------------------------------


@pytest.mark.parametrize("length_ns", [50_000, 500_000, 5_000_000, 50_000_000])
def test_a_wait_of_known_length(length_ns: int) -> None:
    """A busy machine may spoil a measurement, but not ten in a row."""
    seen: list[int] = []

    def wait() -> None:
        begin = now = time.perf_counter_ns()
        while now < begin + length_ns:
            now = time.perf_counter_ns()
        seen.append(now - begin)

    for _ in range(10):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", assay.MeasurementWarning)
            state = assay.latency(wait, min_runs=10, max_time_s=0.6)
        truth = float(np.median(seen[-state.runs :]))
        low, high = (end * MS for end in state.interval_ms)
        quiet = truth < length_ns * 1.001  # then the length itself must be covered too
        covered = low <= truth <= high and (not quiet or low <= length_ns <= high)
        if covered and abs(state["latency_ms/p50"] * MS / truth - 1) <= 0.02:
            return
    pytest.fail(f"{length_ns}: {state!r}, the waits were {truth} ns")


@pytest.mark.parametrize("shape", ["normal", "skewed", "two peaks"])
def test_the_interval_covers_the_median_as_often_as_it_says(clock, shape: str) -> None:
    """Through the whole of latency(), whose rule for stopping looks at the widths."""
    drawn = np.random.default_rng(7)
    draws, truth = {
        "normal": (lambda: drawn.normal(1e6, 1e5), 1e6),
        "skewed": (lambda: 1e6 * drawn.lognormal(0, 0.4), 1e6),
        "two peaks": (
            lambda: drawn.normal(1e6, 2e4) if drawn.random() < 0.7 else drawn.normal(2e6, 2e4),
            # 0.5 / 0.7 of the first peak lie below
            1e6 + 2e4 * 0.5659488,
        ),
    }[shape]
    call = clock.call(endless(draws))
    covered = 0
    for _ in range(400):
        state = assay.latency(call, warmup=2, precision=0.1, max_time_s=60)
        low, high = state.durations.enclosing_ns
        covered += low * (1 - 2**-11) <= truth <= high * (1 + 2**-11) + clock.tick
    assert covered >= 400 * (0.94 - 2 * 0.012)  # two standard errors


@pytest.mark.parametrize("n", [6, 9, 30, 101])
def test_the_interval_needs_no_distribution(n: int) -> None:
    low, high = median_ranks(n)
    drawn = np.sort(np.random.default_rng(n).exponential(size=(20_000, n)), axis=1)
    covered = np.mean((drawn[:, low - 1] <= np.log(2)) & (np.log(2) <= drawn[:, high - 1]))
    assert covered >= 0.945
    assert covered == pytest.approx(achieved_level(n), abs=0.005)


@pytest.mark.parametrize("n", [*range(40), 100, 301, 1000, 99_999])
def test_ranks_are_those_of_the_binomial(n: int) -> None:
    ranks = median_ranks(n)
    if ranks is None:
        assert n < 6
        return
    low, high = ranks
    assert high == n + 1 - low
    assert binom.cdf(low - 1, n, 0.5) <= 0.025 < binom.cdf(low, n, 0.5)
    assert achieved_level(n) == pytest.approx(1 - 2 * binom.cdf(low - 1, n, 0.5))


# -- what is told ----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**50), min_size=1, max_size=400))
def test_quantiles_are_numpys(ns: list[int]) -> None:
    seen = Durations(counts_of(ns), sum(ns), -min(ns), max(ns))
    for q in (0.25, 0.5, 0.9, 0.95, 0.99):
        exact = float(np.quantile(ns, q, method="inverted_cdf"))
        assert seen.quantile_ns(q) == pytest.approx(exact, rel=2**-11, abs=0)
    values = dict(seen.values_ms())
    assert values["mean"] == sum(ns) / len(ns) / MS
    assert (values["min"], values["max"]) == (min(ns) / MS, max(ns) / MS)


def test_scores_of_runs_worked_by_hand() -> None:
    state = state_of([1000 * k for k in range(1, 101)], overhead_ns=0)  # 1..100 µs
    expected = {"p50": 50, "p90": 90, "p95": 95, "p50_low": 40, "p50_high": 61, "iqr": 50,
                "mean": 50.5, "min": 1, "max": 100}  # fmt: skip
    for name, value in expected.items():
        assert state[f"latency_ms/{name}"] * 1000 == pytest.approx(value, rel=2**-10)
    assert state["throughput"] == pytest.approx(4 / 50.5e-6)
    assert state["ms_per_sample"] == pytest.approx(50.5e-3 / 4)
    assert (state["runs"], state["warmup_runs"], state["first_run_ms"]) == (100, 2, 7e-6)
    assert state["converged"] == 0
    units = {s.name: (s.unit, s.better) for s in state.scores()}
    assert units["latency_ms/p50"] == ("ms", "lower")
    assert units["throughput"] == ("items/s", "higher")
    assert state.as_dict("val_")["val_latency_ms/p50"] == state["latency_ms/p50"]
    assert "device_latency_ms/p50" not in state.as_dict()


@given(st.one_of(st.integers(0, 5000), st.integers(0, 2**62), st.builds(pow, st.just(2),
       st.integers(0, 62))))  # fmt: skip
def test_buckets_are_the_formulas(ns: int) -> None:
    for value in {max(0, ns - 1), ns}:
        e = max(0, value.bit_length() - 11)
        bucket = (e << 10) + (value >> e)
        assert durations.bucket_of(value) == bucket
        assert durations.middle_of(bucket) == pytest.approx(value, rel=2**-11)


@pytest.mark.parametrize(
    ("n", "told"),
    [(29, []), (30, ["p90"]), (59, ["p90"]), (60, ["p90", "p95"]), (299, ["p90", "p95"]),
     (300, ["p90", "p95", "p99"])],
)  # fmt: skip
def test_quantiles_that_runs_are_too_few_for(n: int, told: list[str]) -> None:
    state = state_of(range(1, n + 1))
    for q, needed in {"p90": 30, "p95": 60, "p99": 300}.items():
        if q in told:
            assert state[f"latency_ms/{q}"] > 0
        else:
            why = f"latency_ms/{q} takes {needed} runs, there are {n}; ask for min_runs={needed}"
            with pytest.raises(KeyError, match=why):
                _ = state[f"latency_ms/{q}"]


def test_a_score_that_there_is_none_of() -> None:
    with pytest.raises(KeyError, match="device_latency_ms/p50 is of runs on an accelerator"):
        _ = state_of([1, 2])["device_latency_ms/p50"]
    with pytest.raises(KeyError, match="Latency has no score 'p50'; it has"):
        _ = state_of([1, 2])["p50"]


def test_few_runs_have_no_interval() -> None:
    state = state_of([5, 5, 5, 5, 5])
    assert np.isnan(state["latency_ms/p50_low"])
    assert not state.converged
    assert "not converged" in repr(state)


def test_nothing_timed() -> None:
    nothing = assay.Latency.zero()
    assert np.isnan(nothing["latency_ms/p50"])
    assert np.isnan(nothing["throughput"])
    assert nothing["runs"] == 0


def test_the_interval_allows_for_clock_and_histogram() -> None:
    state = state_of([100_000] * 20, overhead_ns=500)
    low, high = (end * MS for end in state.interval_ms)
    assert low == pytest.approx(99_500, abs=100)
    assert 100_000 < high < 100_150


# -- adding ----------------------------------------------------------------------------------------

Runs = st.lists(st.integers(1, 2**40), min_size=1, max_size=30)


@given(st.lists(st.tuples(Runs, st.sampled_from([None, True, False])), min_size=1, max_size=5))
def test_parts_add_to_the_whole(parts: list[tuple[list[int], bool | None]]) -> None:
    states = [state_of(ns, device_ns=ns, throttled=flag) for ns, flag in parts]
    whole = sum(states[::-1])
    assert whole.to_bytes() == sum(states).to_bytes()
    everything = list(chain.from_iterable(ns for ns, _ in parts))
    alone = state_of(everything)
    for name in ("latency_ms/p50", "latency_ms/p50_low", "latency_ms/mean", "latency_ms/max",
                 "latency_ms/min", "throughput", "runs", "converged"):  # fmt: skip
        np.testing.assert_equal(whole[name], alone[name])
    assert whole["device_latency_ms/p50"] == whole["latency_ms/p50"]
    assert whole["warmup_runs"] == 2 * len(parts)
    again = State.from_bytes(whole.to_bytes())
    assert (again + assay.Latency.zero()).to_bytes() == whole.to_bytes()
    assert pickle.loads(pickle.dumps(whole)).as_dict() == pytest.approx(
        whole.as_dict(), nan_ok=True
    )
    known = [flag for _, flag in parts if flag is not None]
    if known:
        assert whole["throttled"] == sum(known) / len(known)


@pytest.mark.parametrize(
    "changed", [{"items": 8}, {"conditions": ("device:y",)}, {"audio_ms": 3}, {"events": "torch"}]
)
def test_states_of_other_conditions_do_not_add(changed: dict[str, Any]) -> None:
    with pytest.raises(MergeError, match="differs"):
        _ = state_of([1], audio_ms=2) + state_of([1], **{"audio_ms": 2, **changed})


# -- the loop --------------------------------------------------------------------------------------


def test_warm_up_goes_on_until_runs_get_no_faster(clock) -> None:
    call = clock.call(chain([500 * MS, 400 * MS, 300 * MS, 200 * MS, 100 * MS], repeat(20 * MS)))
    state = assay.latency(call)
    assert state["first_run_ms"] == pytest.approx(500, rel=1e-3)
    assert state["latency_ms/max"] == pytest.approx(20, rel=1e-3)
    assert state["warmup_runs"] == 9  # the first, then windows of two: 350, 150, 20, 20


def test_warm_up_as_it_is_asked_for(clock) -> None:
    log: list[Any] = []
    state = assay.latency(clock.call(MS, log), warmup=4)
    waits = len(log) - state.runs
    assert (state["warmup_runs"], waits) == (4, 4)
    assert assay.latency(clock.call(MS), warmup=0)["warmup_runs"] == 0


def test_quick_calls_run_three_hundred_times(clock) -> None:
    assert assay.latency(clock.call(MS)).runs == 375  # 300, and once more after a quarter
    assert assay.latency(clock.call(10 * MS)).runs == pytest.approx(62, abs=2)  # half a second
    assert assay.latency(clock.call(100 * MS)).runs == 37
    assert assay.latency(clock.call(100 * MS), min_runs=60).runs == 75


def test_runs_go_on_until_the_median_is_known(clock) -> None:
    drawn = np.random.default_rng(3)
    state = assay.latency(clock.call(endless(lambda: 1e6 * drawn.lognormal(0, 0.25))))
    assert state.converged
    assert state.runs > 2000
    assert state.durations.relative_width <= 0.02


def test_time_that_is_up_is_said(clock) -> None:
    drawn = np.random.default_rng(3)
    call = clock.call(endless(lambda: 1e9 * drawn.lognormal(0, 0.5)))
    with pytest.warns(assay.MeasurementWarning, match=r"stopped after \d+ runs with the median "):
        state = assay.latency(call, max_time_s=20)
    assert not state.converged
    assert state["converged"] == 0
    assert 10 <= state.runs <= 30
    with pytest.warns(assay.MeasurementWarning, match="after 1 runs with the median without an"):
        assert assay.latency(call, max_time_s=1e-9, warmup=0).runs == 1


def test_a_clock_that_is_not_negligible_is_said() -> None:
    with pytest.warns(assay.MeasurementWarning, match=r"the clock may add \d+ ns to a median of"):
        assay.latency(int, precision=0.9)


def test_garbage_is_not_collected_within_a_run(clock) -> None:
    seen, starts = set(), []
    step = clock.call(MS)

    def call() -> None:
        seen.add(gc.isenabled())
        starts.append([[] for _ in range(1000)])  # more than one young generation
        step()

    collected = []
    gc.callbacks.append(lambda phase, info: collected.append(info["generation"]))
    try:
        assay.latency(call, warmup=3)
    finally:
        gc.callbacks.pop()
    assert seen == {False}
    assert gc.isenabled()
    assert collected.count(0) > 100


def test_the_collector_comes_back_after_an_error_and_stays_off_where_it_was() -> None:
    def fail() -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError):
        assay.latency(fail)
    assert gc.isenabled()
    gc.disable()
    try:
        assay.latency(lambda: assay.latency(time.sleep, 0.001, precision=0.9), max_time_s=0.5,
                      warmup=1, min_runs=1, precision=0.9)  # fmt: skip
        assert not gc.isenabled()
    except assay.MeasurementWarning:
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_measurements_inside_of_one_another_keep_the_collector_off(clock) -> None:
    seen = set()

    def outer() -> None:
        assay.latency(clock.call(MS))
        seen.add(gc.isenabled())

    assay.latency(outer, warmup=1, min_runs=6, precision=0.9)
    assert seen == {False}
    assert gc.isenabled()


def test_outputs_are_dropped_outside_of_a_run() -> None:
    class Output:
        alive = 0

        def __init__(self) -> None:
            Output.alive += 1
            assert Output.alive == 1

        def __del__(self) -> None:
            Output.alive -= 1

    with pytest.warns(assay.MeasurementWarning):
        assay.latency(Output, warmup=3, precision=0.9)
    assert Output.alive == 0


@pytest.mark.parametrize(("runs", "where"), [(0, "warm-up run 1"), (2, "warm-up run 3"),
                                             (7, "timed run 3")])  # fmt: skip
def test_what_a_call_raises_passes_with_a_note(runs: int, where: str) -> None:
    calls = iter(range(1000))

    def fail() -> None:
        if next(calls) == runs:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        assay.latency(fail, warmup=5)
    assert caught.value.__notes__ == [f"assay: raised by {where}"]
