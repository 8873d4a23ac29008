"""Timer and Timings: epochs, scores, sums; against numpy and statistics worked by hand."""

import itertools
import json
import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay import State, Timer, Timings
from assay.core.errors import DeviceError, InputError
from assay.metrics.timings import ScopeTimes
from assay.ops import durations, probe


def times_of(ns: list[int], device: list[int] = (), failed: int = 0, unclosed: int = 0) -> Any:
    """The state of scopes that took so long."""

    def tally(values: list[int]) -> Any:
        buckets, counts = np.unique(durations.bucket_of(values), return_counts=True)
        found = dict(zip(buckets.tolist(), counts.tolist(), strict=True))
        ends = (min(values), max(values)) if len(values) else (None, None)
        return (sum(values), *ends, found)

    return ScopeTimes.of(("step", tally(ns), tally(list(device)), failed, unclosed))


def timings(ns: list[int]) -> Timings:
    return Timings(scopes={("step",): times_of(ns)}, total_ns=sum(ns), epochs=1, epoch_ns=sum(ns))


# -- the state -------------------------------------------------------------------------------------


def test_scores_worked_by_hand() -> None:
    ns = [1_000_000] * 290 + [3_000_000] * 8 + [9_000_000] * 2
    state = times_of(ns, device=[500_000, 700_000], failed=2, unclosed=1)
    scores = {score.name: score for score in state.scores()}
    assert scores["count"].value == scores["count"].n == 300
    assert scores["total_s"].value == 0.332
    assert scores["time_ms/mean"].value == pytest.approx(332 / 300)
    for name, value in (("p50", 1.0), ("p90", 1.0), ("p95", 1.0), ("p99", 3.0)):
        score = scores[f"time_ms/{name}"]
        assert score.value == pytest.approx(value, rel=durations.ERROR)
        assert (score.unit, score.better, score.n) == ("ms", "lower", 300)
    assert (state["time_ms/min"], state["time_ms/max"]) == (1.0, 9.0)
    assert (state["device_count"], state["device_total_s"]) == (2, 0.0012)
    assert state["device_time_ms/mean"] == 0.6
    assert (state["failed"], state["unclosed"]) == (2, 1)
    assert len({score.signature for score in scores.values()}) == len(scores)


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=400), st.integers(1, 3))
def test_quantiles_and_moments_equal_numpy(ns: list[int], times: int) -> None:
    ns = ns * times
    state = times_of(ns)
    for name, q in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        enough = name == "p50" or len(ns) * (1 - q) >= 3 - 1e-9
        assert (f"time_ms/{name}" in state.as_dict() or enough) or len(ns) < 300
        if enough:
            truth = float(np.quantile(ns, q, method="inverted_cdf")) / 1e6
            assert state[f"time_ms/{name}"] == pytest.approx(truth, rel=durations.ERROR)
        else:
            with pytest.raises(KeyError, match=rf"time_ms/{name} takes \d+ runs, there are"):
                state[f"time_ms/{name}"]
    assert state["time_ms/mean"] == pytest.approx(np.mean(np.array(ns, object)) / 1e6)
    assert (state["time_ms/min"], state["time_ms/max"]) == (min(ns) / 1e6, max(ns) / 1e6)


@given(st.lists(st.lists(st.integers(0, 2**50), max_size=20), min_size=1, max_size=5))
def test_parts_in_any_order_add_to_the_whole(parts: list[list[int]]) -> None:
    whole = times_of(list(itertools.chain(*parts)))
    for order in (parts, parts[::-1]):
        total = sum((times_of(part) for part in order), ScopeTimes.zero())
        assert total.to_bytes() == whole.to_bytes()
    again = State.from_bytes(whole.to_bytes())
    assert isinstance(again, ScopeTimes)
    assert again.as_dict() == whole.as_dict()


def test_ranks_and_runs_add() -> None:
    a, b = timings([1000, 2000]), timings([3000])
    other = Timings(scopes={("load",): times_of([5])}, total_ns=5, lost=2, skipped=1)
    total = a + b + other + Timings.zero()
    assert total.scope("step")["count"] == 3
    assert total.scope("load")["count"] == 1
    assert (total.total_time_s, total.epoch_time_s) == (6005e-9, 3e-6)
    assert (total["device_times_lost"], total["device_times_skipped"]) == (2, 1)
    assert (b + other + a).to_bytes() == total.to_bytes()
    again = Timings.from_bytes(total.to_bytes())
    assert again.as_dict() == total.as_dict()
    assert again.to_bytes() == total.to_bytes()


def test_scores_of_scopes_are_tagged() -> None:
    state = timings([1_000_000]) + Timings(scopes={("step/forward",): times_of([2_000_000])})
    flat = state.as_dict("train/")
    assert flat["train/total_time_s"] == flat["train/epoch_time_s"] == 0.001
    assert flat["train/scope_step/time_ms/mean"] == 1.0
    assert flat["train/scope_step_forward/time_ms/max"] == 2.0
    assert json.dumps(flat)
    frame = state.to_pandas()
    assert set(frame.scope.dropna()) == {"step", "step/forward"}
    assert all(math.isfinite(score.value) for score in state.scores())


def test_a_scope_that_was_not_timed() -> None:
    with pytest.raises(InputError) as caught:
        timings([1]).scope("forward")
    assert str(caught.value) == "scope 'forward' was not timed; there are: step"
    with pytest.raises(InputError, match="there are: none"):
        Timings.zero().scope("forward")


def test_nothing_timed() -> None:
    assert ScopeTimes.zero().as_dict() == {"count": 0, "total_s": 0.0}
    empty = Timings.zero()
    assert empty.as_dict() == {"total_time_s": 0.0}
    assert math.isnan(empty.epoch_time_s)
    assert math.isnan(empty.epoch_train_time_s)
    assert math.isnan(empty.evaluation_time_s)


# -- the timer -------------------------------------------------------------------------------------


def test_a_loop_of_epochs() -> None:
    timer = Timer()
    for _ in range(2):
        with timer.epoch():
            for _ in range(3):
                with timer("step"):
                    with timer("forward"):
                        time.sleep(0.001)
                    with timer("backward"):
                        pass
            with timer.evaluation(), timer("evaluate"):
                time.sleep(0.004)
    state = timer.state
    assert [state.scope(p)["count"] for p in ("step", "step/forward", "step/backward")] == [6] * 3
    assert state.scope("evaluate")["count"] == 2
    assert state.scope("step")["total_s"] >= state.scope("step/forward")["total_s"] >= 0.006
    assert state["epoch_time_s"] == pytest.approx(timer.epoch_time_s)
    assert state["epoch_train_time_s"] >= 0.003
    assert state["evaluation_time_s"] >= 0.004
    assert state["epoch_time_s"] == pytest.approx(
        state["epoch_train_time_s"] + state["evaluation_time_s"]
    )
    assert timer.total_time_s >= state.total_time_s >= 2 * state.epoch_time_s
    first, second = timer.epochs
    assert first.time_s == pytest.approx(first.train_time_s + first.evaluation_s)
    assert (first.time_s + second.time_s) / 2 == pytest.approx(timer.epoch_time_s)
    assert timer.epoch_train_time_s < timer.epoch_time_s


def test_an_evaluation_within_another_counts_once() -> None:
    timer = Timer()
    with timer.epoch(), timer.evaluation(), timer.evaluation():
        time.sleep(0.002)
    (epoch,) = timer.epochs
    assert timer.state.evaluations == 1
    assert epoch.train_time_s >= 0


def test_evaluation_outside_of_epochs() -> None:
    timer = Timer()
    with timer.epoch():
        pass
    with timer.evaluation():
        time.sleep(0.002)
    assert timer.epoch_train_time_s == timer.epoch_time_s
    assert timer.state["evaluation_time_s"] >= 0.002


def test_an_epoch_that_fails_is_none() -> None:
    timer = Timer()
    with pytest.raises(RuntimeError, match="out of memory"), timer.epoch():
        raise RuntimeError("out of memory")
    assert timer.epochs == ()
    assert math.isnan(timer.epoch_time_s)
    nested = timer.epoch()
    with timer.epoch(), pytest.raises(InputError, match="an epoch is open already; epochs do not"):
        nested.__enter__()
    assert len(timer.epochs) == 1


def test_reset_begins_anew() -> None:
    timer = Timer()
    with timer.epoch(), timer("step"):
        pass
    time.sleep(0.002)
    begin = time.perf_counter()
    timer.reset()
    assert timer.total_time_s <= time.perf_counter() - begin
    assert timer.epochs == ()
    assert timer.state.scopes == {}
    with timer.epoch():
        timer.reset()
    assert len(timer.epochs) == 1


def test_the_call_is_the_timer_s_own() -> None:
    # Nothing in Python stands between `timer("x")` and the scope.
    assert Timer.__call__ is probe.ScopeTimer.__call__
    assert "__call__" not in vars(Timer)
    assert assay.Timer is Timer


def test_a_device_of_another_kind() -> None:
    for device in ("mps", "xpu:0", -1):
        with pytest.raises(InputError, match="device must be None, 'cpu'"):
            Timer(device)
    with pytest.raises(InputError, match="stream=7 is of a device; name it with device="):
        Timer(stream=7)
    Timer("cpu")


@pytest.mark.skipif(probe.native_reason() is not None, reason="the native extension is not built")
def test_no_driver(fresh_python: Any, tmp_path: Any) -> None:
    code = """
import assay
try:
    assay.Timer("cuda:0")
except assay.AssayError as error:
    print(type(error).__name__, error)
"""
    told = fresh_python(code, env={"ASSAY_LIBCUDA_PATH": str(tmp_path / "none.so")})
    assert told.startswith("DeviceError no CUDA driver: ")
    assert issubclass(DeviceError, RuntimeError)


@pytest.mark.skipif(probe.native_reason() is not None, reason="the native extension is not built")
def test_a_loop_on_a_device(fresh_python: Any, fake_cuda: Any) -> None:
    code = """
import ctypes, os
import assay
fake = ctypes.CDLL(os.environ["ASSAY_LIBCUDA_PATH"])
fake.fake_advance.argtypes = [ctypes.c_longlong]
timer = assay.Timer("cuda:0", stream=0x1000)
for step in range(300):
    with timer("step"), timer("forward"):
        fake.fake_advance(1_000_000)
state = timer.state
forward = state.scope("step/forward")
print(forward["device_count"], forward["device_total_s"], forward["device_time_ms/max"])
print(abs(forward["device_time_ms/p99"] - 1) < 1e-3, timer.lost, timer.pending)
fake.fake_fail(b"cuEventRecord", 700, ctypes.c_long(0), ctypes.c_long(-1))
with timer("step"):
    pass
print(timer.state["device_times_lost"], timer.device_error)
default = assay.Timer(1)
with default("step"):
    pass
print(default.state.scope("step")["count"], default.lost)
"""
    env = {"ASSAY_LIBCUDA_PATH": str(fake_cuda)}
    assert fresh_python(code, env=env).splitlines() == [
        "300 0.3 1.0",
        "True 0 0",
        "1 cuEventRecord returned 700, CUDA_ERROR_ILLEGAL_ADDRESS: a kernel failed, the context "
        "is lost",
        "1 1",
    ]
