"""Two calls side by side, drift of outputs, batch sizes and streams of tokens."""

import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay.core.errors import InputError, MergeError
from assay.core.state import State
from latency_kit import SimulatedClock, endless

torch = pytest.importorskip("torch")

MS = 1_000_000


@pytest.fixture
def clock(monkeypatch) -> SimulatedClock:
    return SimulatedClock(monkeypatch)


# -- side by side ----------------------------------------------------------------------------------


def test_runs_alternate_in_an_order_that_a_seed_decides(clock) -> None:
    def order(seed: int) -> str:
        log: list[str] = []
        a, b = clock.call(10 * MS, log, "a"), clock.call(5 * MS, log, "b")
        state = assay.latency_compare(a, b, warmup=0, drift=False, seed=seed)
        assert state.before.runs == state.after.runs == len(log) / 2
        return "".join(log)

    first = order(0)
    rounds = {first[i : i + 2] for i in range(0, len(first), 2)}
    assert rounds == {"ab", "ba"}
    assert 0.2 < np.mean([first[i] == "a" for i in range(0, len(first), 2)]) < 0.8
    assert order(0) == first
    assert order(1) != first


def test_a_speedup_worked_by_hand(clock) -> None:
    state = assay.latency_compare(clock.call(10 * MS), clock.call(4 * MS), names=("fp32", "int8"))
    assert state["speedup"] == pytest.approx(2.5, rel=1e-3)
    assert state["speedup_low"] <= state["speedup"] <= state["speedup_high"]
    assert state.before["latency_ms/p50"] == pytest.approx(10, rel=1e-3)
    flat = state.as_dict()
    assert flat["int8/latency_ms/p50"] == pytest.approx(4, rel=1e-3)
    assert flat["speedup"] == state.speedup
    better = {score.name: score.better for score in state.scores()}
    assert (better["speedup"], better["max_abs_difference"]) == ("higher", "lower")


def test_the_interval_of_the_ratio_covers_it(clock) -> None:
    drawn = np.random.default_rng(11)
    # what slows one run slows its neighbour too
    shared = np.repeat(drawn.lognormal(0, 0.1, 10_000_000 // 100), 2)
    place = iter(range(len(shared)))
    a = clock.call(endless(lambda: 3e6 * drawn.lognormal(0, 0.3) * shared[next(place)]))
    b = clock.call(endless(lambda: 2e6 * drawn.lognormal(0, 0.2) * shared[next(place)]))
    covered = 0
    for _ in range(200):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", assay.MeasurementWarning)
            state = assay.latency_compare(a, b, warmup=0, drift=False, min_runs=60, max_time_s=0.6)
        low, high = state.speedup_interval
        covered += low <= 1.5 <= high
    assert covered >= 200 * (0.95 - 2 * 0.0155)


def test_what_drifts_in_time_falls_on_both_alike(clock) -> None:
    growing = iter(np.linspace(1, 3, 800))
    a, b = (clock.call(endless(lambda: 1e8 * next(growing))) for _ in range(2))
    state = assay.latency_compare(a, b, warmup=0, drift=False, min_runs=300, precision=0.9,
                                  max_time_s=1000)  # fmt: skip
    assert state.before["latency_ms/max"] > 2.5 * state.before["latency_ms/min"]
    assert state.speedup == pytest.approx(1, abs=0.01)


def test_comparisons_add(clock) -> None:
    def once(factor: float, value: float) -> assay.LatencyComparison:
        step_a, step_b = clock.call(10 * MS), clock.call(round(factor * MS))
        return assay.latency_compare(
            lambda: (step_a(), np.array([1.0, 2.0]))[1],
            lambda: (step_b(), np.array([1.0, value]))[1],
        )

    one, two = once(4, 2.5), once(4, 0.5)
    both = one + two
    assert both.to_bytes() == (two + one).to_bytes()
    assert State.from_bytes(both.to_bytes()).as_dict() == both.as_dict()
    assert both["max_abs_difference"] == 1.5
    assert both["argmax_agreement"] == 0.5
    assert both["identical"] == 0.5
    assert both.before.runs == one.before.runs + two.before.runs
    assert (both + assay.LatencyComparison.zero()).to_bytes() == both.to_bytes()
    assert np.isnan(assay.LatencyComparison.zero()["speedup"])


def test_comparisons_of_other_names_do_not_add(clock) -> None:
    one, two = (
        assay.latency_compare(clock.call(MS), clock.call(MS), names=names)
        for names in (("a", "b"), ("a", "c"))
    )
    with pytest.raises(MergeError, match="names differs"):
        _ = one + two


def test_an_error_says_whose_it_is(clock) -> None:
    calls = iter(range(100))

    def fail() -> None:
        clock.ns += MS
        if next(calls) == 3:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError) as caught:
        assay.latency_compare(clock.call(MS), fail, warmup=0, drift=False)
    assert caught.value.__notes__ == ["assay: raised by timed run 4 of call b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ("a", "a")}, "latency_compare: names must be two different ones, got"),
        ({"names": ("a",)}, "latency_compare: names must be two different ones, got"),
        ({"drift": 1}, "latency_compare: drift must be True or False, got 1"),
        ({"items": 0}, "latency_compare: items must be a whole number of at least 1, got 0"),
    ],
)
def test_options_of_a_comparison(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match="^" + message):
        assay.latency_compare(int, int, **options)
    with pytest.raises(InputError, match=r"^latency_compare: fn must be callable, got int"):
        assay.latency_compare(int, 3)


def test_a_model_before_and_after_dynamic_quantisation() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 8))
    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, torch.qint8)
        with torch.inference_mode():
            x = torch.randn(64, 256)
            before, after = model(x).numpy(), small(x).numpy()
            state = assay.latency_compare(
                model, small, x, items=64, max_time_s=0.4, precision=0.5, min_runs=5
            )
    assert state["max_abs_difference"] == np.abs(before - after).max()
    assert 0 < state["max_abs_difference"] < 0.2
    assert state["argmax_agreement"] == np.mean(before.argmax(1) == after.argmax(1))
    cosine = np.sum(before * after, 1) / np.linalg.norm(before, axis=1)
    cosine = cosine / np.linalg.norm(after, axis=1)
    assert state["cosine"] == pytest.approx(cosine.mean(), abs=1e-6)
    assert state["min_cosine"] == pytest.approx(cosine.min(), abs=1e-6)
    assert "dtype:float32" in state.before.signature
    assert "packed_int" in state.after.signature


# -- drift -----------------------------------------------------------------------------------------

Rows = st.lists(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=1, max_size=6
)


@given(Rows, st.data())
def test_drift_is_numpys(rows: list[list[float]], data: Any) -> None:
    other = data.draw(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3),
                               min_size=len(rows), max_size=len(rows)))  # fmt: skip
    a, b = np.array(rows, np.float32), np.array(other, np.float32)
    drift = assay.count_drift(a, torch.tensor(b))
    wide, tall = a.astype(float), b.astype(float)
    assert drift["max_abs_difference"] == np.abs(wide - tall).max()
    assert drift["argmax_agreement"] == np.mean(a.argmax(1) == b.argmax(1))
    assert drift["identical"] == np.mean(a == b)
    norms = np.linalg.norm(wide, axis=1) * np.linalg.norm(tall, axis=1)
    safe = norms > 1e-30
    if safe.all():
        cosines = np.sum(wide * tall, axis=1) / norms
        assert drift["min_cosine"] == pytest.approx(cosines.min(), abs=1e-9)
        assert drift["cosine"] == pytest.approx(cosines.mean(), abs=1e-9)
    parts = [assay.count_drift(a[i : i + 1], b[i : i + 1]) for i in range(len(a))]
    assert sum(parts).to_bytes() == drift.to_bytes()


def test_drift_of_what_is_not_finite() -> None:
    nan, inf = np.nan, np.inf
    same = assay.count_drift([[nan, inf, 1.0]], [[nan, inf, 1.0]])
    assert (same["max_abs_difference"], same["cosine"], same["identical"]) == (0, 1, 1)
    apart = assay.count_drift([[nan, 1.0], [inf, 0.0]], [[0.0, 1.0], [-inf, 0.0]])
    assert (apart["max_abs_difference"], apart["cosine"], apart["identical"]) == (inf, 0, 0.5)
    zero = assay.count_drift([[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]])
    assert (zero["cosine"], zero["min_cosine"]) == (0.5, 0)
    tiny = assay.count_drift([[1e-200, 0.0]], [[1e-200, 1e-200]])
    assert tiny["cosine"] == pytest.approx(0.5**0.5)
    huge = assay.count_drift([[1e300, 1e300]], [[1e300, -1e300]])
    assert huge["cosine"] == pytest.approx(0)


def test_outputs_of_many_forms() -> None:
    before = {"logits": torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16), "rest": (1, None, "a b")}
    after = {"logits": np.array([[1.0, 2.5]]), "rest": (1, None, "a c")}
    drift = assay.count_drift(before, after)
    assert drift["max_abs_difference"] == 0.5
    assert drift["identical"] == 2 / 4  # two logits, the number, the text
    flat = drift.as_dict()
    assert flat["output_output__logits__/max_abs_difference"] == 0.5
    assert drift.skipped == ()
    assert assay.count_drift(object(), object()).skipped == ("output",)
    assert np.isnan(assay.count_drift(object(), object())["identical"])
    empty = assay.count_drift(np.zeros((0, 3)), np.zeros((0, 3)))
    assert np.isnan(empty["cosine"])
    turned = assay.count_drift({"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.5})  # keys, not places
    assert turned["max_abs_difference"] == 0.5
    quantised = torch.quantize_per_tensor(torch.tensor([1.0, 2.0]), 0.5, 0, torch.qint8)
    assert assay.count_drift(quantised, [1.0, 2.0])["identical"] == 1
    assert np.isnan(assay.count_drift([1, 2], [1, 3])["argmax_agreement"])  # tokens, not scores
    assert assay.count_drift(SimpleNamespace(), SimpleNamespace()).skipped == ("output",)


def test_outputs_in_one_buffer_are_told_apart(clock) -> None:
    buffer = torch.zeros(1, 4)
    run = clock.call(MS)

    def writes(row: list[float]) -> Any:
        def call() -> Any:
            run()
            return buffer.copy_(torch.tensor([row]))

        return call

    found = assay.latency_compare(writes([4.0, 3, 2, 1]), writes([1.0, 2, 3, 4]))
    assert (found["max_abs_difference"], found["argmax_agreement"]) == (3, 0)


def test_outputs_that_cannot_be_compared() -> None:
    with pytest.raises(InputError, match=r"output\['b'\] is in one only; let both return the same"):
        assay.count_drift({"a": 1}, {"a": 1, "b": 2})
    with pytest.raises(InputError, match=r"output has shape \(2,\) before and \(3,\) after"):
        assay.count_drift(np.zeros(2), np.zeros(3))


# -- batch sizes -----------------------------------------------------------------------------------


def test_a_sweep_of_batch_sizes(clock) -> None:
    made = []

    def make(n: int) -> tuple[int, str]:
        made.append(n)
        return n, "x"

    def fn(n: int, x: str) -> None:
        clock.ns += (10 + n) * MS

    state = assay.latency_sweep(fn, make, (1, 8, 64))
    assert made == [1, 8, 64]
    assert state.at(8)["latency_ms/p50"] == pytest.approx(18, rel=1e-3)
    assert state.at(8)["throughput"] == pytest.approx(8 / 0.018, rel=1e-3)
    assert (state.best, state["best_batch"]) == (64, 64)
    assert state["best_throughput"] == state.at(64).throughput
    assert state.as_dict()["batch_64/latency_ms/p50"] == state.at(64)["latency_ms/p50"]
    again = State.from_bytes((state + state).to_bytes())
    assert again.at(64).runs == 2 * state.at(64).runs
    with pytest.raises(InputError, match=r"at: no batch size 2; there are \[1, 8, 64\]"):
        state.at(2)
    assert np.isnan(assay.LatencySweep.zero()["best_throughput"])


def test_a_batch_that_does_not_fit_ends_the_sweep(clock) -> None:
    def fn(n: int) -> None:
        if n > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        clock.ns += MS

    with pytest.warns(assay.MeasurementWarning, match="batch size 4 is out of memory"):
        state = assay.latency_sweep(fn, lambda n: n, (1, 2, 4, 8))
    assert sorted(state.groups) == [(1,), (2,)]
    assert state.out_of_memory == (4, 8)
    with pytest.raises(torch.OutOfMemoryError) as caught:  # nothing fits
        assay.latency_sweep(fn, lambda n: n, (4,))
    assert caught.value.__notes__[-1] == "assay: with batch size 4"


def test_bad_sweeps() -> None:
    for sizes in ((), (1, 1)):
        with pytest.raises(InputError, match="batch_sizes must be some, each once"):
            assay.latency_sweep(int, int, sizes)
    with pytest.raises(InputError, match="each of batch_sizes must be a whole number of at least"):
        assay.latency_sweep(int, int, (0,))
    with pytest.raises(InputError, match="make_input must be a function of the batch size"):
        assay.latency_sweep(int, 3)
    with pytest.raises(InputError, match="items is the batch size, and not an option"):
        assay.latency_sweep(int, int, items=3)


# -- streams ---------------------------------------------------------------------------------------


def test_a_stream_worked_by_hand(clock) -> None:
    def fn(n: int) -> Iterator[str]:
        clock.ns += 100 * MS  # the prompt
        for i in range(n):
            if i:
                clock.ns += 10 * MS
            yield "x" * (i + 1)

    state = assay.latency_stream(fn, 5, audio_s=2)
    assert state["time_to_first_token_ms/p50"] == pytest.approx(100, rel=1e-3)
    assert state["inter_token_ms/p50"] == pytest.approx(10, rel=1e-3)
    assert state["latency_ms/p50"] == pytest.approx(140, rel=1e-3)
    assert state["tokens_per_s"] == pytest.approx(5 / 0.14, rel=1e-3)
    assert state["decode_tokens_per_s"] == pytest.approx(100, rel=1e-3)
    assert state["real_time_factor"] == pytest.approx(0.07, rel=1e-3)
    assert state["tokens"] == 5 * state.latency.runs
    assert "throughput" not in state.as_dict()
    with pytest.raises(KeyError, match="time_to_first_token_ms/p99 takes 300 runs, there are"):
        _ = state["time_to_first_token_ms/p99"]

    counted = assay.latency_stream(fn, 5, tokens=len)
    assert counted["tokens"] == 15 * counted.latency.runs
    assert counted["decode_tokens_per_s"] == pytest.approx(14 / 0.04, rel=1e-3)
    with pytest.raises(MergeError, match="unit differs"):
        _ = counted + assay.latency_stream(fn, 5)
    both = counted + counted
    assert State.from_bytes(both.to_bytes()).as_dict() == both.as_dict()
    assert both["tokens_per_s"] == counted["tokens_per_s"]


def test_a_single_token(clock) -> None:
    state = assay.latency_stream(lambda: iter([clock.call(MS)()]))
    assert np.isnan(state["inter_token_ms/p50"])
    assert np.isnan(state["decode_tokens_per_s"])
    assert state["latency_ms/p50"] == pytest.approx(1, rel=1e-3)


def test_what_is_no_stream() -> None:
    with pytest.raises(InputError, match="fn must give an iterable of tokens, got int"):
        assay.latency_stream(lambda: 3)
    with pytest.raises(InputError, match="fn yielded nothing") as caught:
        assay.latency_stream(list)
    assert caught.value.__notes__ == ["assay: raised by warm-up run 1"]
    with pytest.raises(InputError, match="tokens must be a function of a chunk, got 3"):
        assay.latency_stream(lambda: [1], tokens=3)
    with pytest.raises(InputError, match=r"tokens\(chunk\) must be a whole number of at least 0"):
        assay.latency_stream(lambda: [sum(range(50_000))], tokens=lambda chunk: -1, precision=0.9)


def test_a_stream_that_breaks_off_raises_its_own_error() -> None:
    def fn() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        assay.latency_stream(fn)


def test_the_model_behind_a_stream_is_seen(clock) -> None:
    model = torch.nn.Linear(2, 2)

    def fn() -> Iterator[Any]:
        clock.ns += MS
        yield model

    with pytest.warns(assay.MeasurementWarning, match="^latency_stream: Linear is in train mode"):
        state = assay.latency_stream(fn)
    assert "module:train" in state.latency.signature
