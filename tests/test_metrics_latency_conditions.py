"""latency(): what it refuses, what it records and warns of, and an accelerator that is played."""

import functools
import warnings
from itertools import chain, repeat
from typing import Any

import pytest

import assay
from assay.core.errors import InputError
from assay.metrics import latency as module
from assay.ops import clocks, conditions, timing
from assay.ops.conditions import Call, look
from latency_kit import SimulatedClock

torch = pytest.importorskip("torch")

MS = 1_000_000


@pytest.fixture
def clock(monkeypatch) -> SimulatedClock:
    return SimulatedClock(monkeypatch)


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"items": 0}, "latency: items must be a whole number of at least 1, got 0"),
        ({"items": True}, "latency: items must be"),
        ({"items": 2.5}, "latency: items must be"),
        ({"warmup": -1}, "latency: warmup must be a whole number of at least 0, got -1"),
        ({"min_runs": 0}, "latency: min_runs must be"),
        ({"max_time_s": 0}, "latency: max_time_s must be positive and finite, got 0"),
        ({"max_time_s": float("inf")}, "latency: max_time_s must be positive and finite, got inf"),
        ({"max_time_s": "10"}, "latency: max_time_s must be a number, got '10'"),
        ({"precision": 0}, "latency: precision must be between 0 and 1, got 0"),
        ({"precision": float("nan")}, "latency: precision must be between 0 and 1, got nan"),
        ({"mode": "eval"}, "latency: mode must be one of inference, train, got 'eval'"),
        ({"audio_s": 0}, "latency: audio_s must be at least 0.001 s, got 0"),
        ({"device": "tpu"}, "device must be cpu, cuda, mps or another with events, got 'tpu'"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        assay.latency(int, **options)
    assert str(caught.value).startswith(message)


def test_a_device_that_is_not_there() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match=r"device 'cuda': torch .* sees none; take 'cpu'"):
        assay.latency(int, device="cuda")


def test_a_device_as_torch_has_it(clock) -> None:
    found = assay.latency(clock.call(MS), device=torch.device("cpu"))
    assert found.conditions == assay.latency(clock.call(MS), device="cpu").conditions


def test_calls_that_do_not_run() -> None:
    with pytest.raises(InputError, match=r"fn must be callable, got int; .*not latency\(fn\(x\)\)"):
        assay.latency(len("x"))
    with pytest.raises(InputError, match="fn returned a generator: nothing of it has run"):
        assay.latency(lambda: (i for i in range(3)))

    async def later() -> None: ...

    async def stream() -> Any:
        yield 1

    with pytest.raises(InputError, match="fn returned a generator: nothing of it has run"):
        assay.latency(stream)
    with pytest.raises(InputError, match="fn returned an awaitable: nothing of it has run"):
        assay.latency(later)


# -- conditions ------------------------------------------------------------------------------------


def net() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout()).eval()


GLOBAL = net()


class Pipeline:
    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, x: Any) -> Any:
        return self.model(x)

    def run(self, x: Any) -> Any:
        return self.model(x)


def test_modules_are_found_where_they_are_used() -> None:
    model = net()
    calls = [
        Call(model),
        Call(model.forward),
        Call(lambda x: model(x) * 2),
        Call(functools.partial(lambda m, x: m(x), model)),
        Call(lambda m: m, (model,)),
        Call(lambda m: m, (), {"m": [model]}),
        Call(Pipeline(model)),
        Call(Pipeline(model).run),
        Call(torch.no_grad()(lambda x: model(x) * 2)),
    ]
    for call in calls:
        assert look(call).modules == [model]
    assert look(Call(lambda x: GLOBAL(x) * 2)).modules == [GLOBAL]
    assert look(Call(len, ("abc",))) == ([], [])
    later: Any

    def unassigned() -> Any:
        return later

    assert look(Call(unassigned)) == ([], [])
    later = 1


def latency_of(fn: Any, *args: Any, **options: Any) -> assay.Latency:
    return assay.latency(fn, *args, warmup=1, min_runs=1, max_time_s=0.05, precision=0.9, **options)


def test_conditions_are_recorded(monkeypatch) -> None:
    monkeypatch.setattr(module, "warn_of", lambda *_: None)
    model, x = net(), torch.ones(2, 4)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        told = dict(entry.split(":", 1) for entry in latency_of(model, x).conditions)
    assert told.pop("device")
    assert told == {
        "threads": str(torch.get_num_threads()),
        "dtype": "float32",
        "autocast": "bfloat16",
        "module": "eval",
        "grad": "off",
        "compiled": "no",
        "mode": "inference",
        "events": "none",
    }
    half = latency_of(model.to(torch.bfloat16), x.bfloat16())
    assert "dtype:bfloat16" in half.signature
    assert "grad:on" in half.signature
    assert torch.is_grad_enabled()


def test_a_compiled_module_is_seen() -> None:
    compiled = torch.compile(net(), backend="eager")
    assert look(Call(compiled)).compiled
    assert not look(Call(net())).compiled
    assert look(Call(compiled)).mode == "eval"
    compiled.train()
    assert look(Call(compiled)).training == "Sequential"


def warned(call: Any, *args: Any, **options: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        latency_of(call, *args, **options)
    assert {entry.filename for entry in caught} <= {__file__}
    assert all(entry.category is assay.MeasurementWarning for entry in caught)
    return [str(e.message) for e in caught if "median" not in str(e.message)]


def test_train_mode_is_warned_of() -> None:
    model, x = net(), torch.ones(2, 4)
    with torch.inference_mode():
        assert warned(model, x) == []
        model[1].train()
        (text,) = warned(model, x)
        assert text.startswith("latency: Sequential.1 is in train mode, so dropout and batch norm")
        model.train()
        (text,) = warned(lambda: model(x))
        assert text.startswith("latency: Sequential is in train mode")
        assert text.endswith("call .eval(), or say mode='train'")
        assert warned(model, x, mode="train") == []


def test_recorded_gradients_are_warned_of() -> None:
    model, x = net(), torch.ones(2, 4)
    (text,) = warned(model, x)
    assert text.startswith("latency: gradients are recorded; call it under torch.inference_mode()")
    assert warned(model, x, mode="train") == []
    assert warned(torch.no_grad()(lambda: model(x))) == []


def test_any_callable_without_torch(fresh_python) -> None:
    code = (
        "import sys, assay; state = assay.latency(sorted, list(range(50_000)), precision=0.9); "
        "print(state.runs >= 30, sorted({'torch', 'numba', 'scipy', 'pandas'} & {*sys.modules}))"
    )
    assert fresh_python(code) == "True []"


# -- an accelerator, played ------------------------------------------------------------------------


class Played:
    """A device that works off what it was given; a clock that waits only where it is told to."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock, self.busy_until, self.log = clock, 0, []

    def launch(self, ns: int) -> None:
        self.log.append("call")
        self.busy_until = max(self.busy_until, self.clock.ns) + ns

    def synchronize(self) -> None:
        self.log.append("synchronize")
        self.clock.ns = max(self.clock.ns, self.busy_until)


class Event:
    """Plays torch's: it records when the device gets to it."""

    def __init__(self, device: Played) -> None:
        self.device, self.at = device, 0

    def record(self) -> None:
        self.device.log.append("event")
        self.at = max(self.device.busy_until, self.device.clock.ns)

    def elapsed_time(self, other: "Event") -> float:
        return (other.at - self.at) / MS


@pytest.fixture
def played(clock, monkeypatch) -> Played:
    """Every clock is that of this device."""
    device = Played(clock)
    events = clocks.TorchEvents(lambda enable_timing: Event(device))

    def clock_of(_: str) -> clocks.Clock:
        return clocks.Clock("cuda:0", device.synchronize, events, "torch")

    monkeypatch.setattr(timing, "clock_of", clock_of)
    monkeypatch.setattr(conditions, "_name_of", str)
    return device


def test_device_time_and_waiting_time_have_their_own_names(clock, played) -> None:
    def launch() -> None:
        clock.ns += MS // 2  # before there is anything to do
        played.launch(MS)

    state = assay.latency(launch, warmup=1)
    run = ["synchronize", "event", "call", "event", "synchronize"]
    log = played.log
    calls = [place for place, entry in enumerate(log) if entry == "call"]
    assert all(log[place - 2 : place + 3] == run for place in calls)
    assert state["latency_ms/p50"] == pytest.approx(1.5, rel=1e-3)
    assert state["device_latency_ms/p50"] == pytest.approx(1.5, rel=1e-3)  # its idle time too
    assert state["device_latency_ms/p99"] == pytest.approx(1.5, rel=1e-3)
    assert state.device_durations.n == state.runs
    assert "events:torch" in state.signature


def test_lost_events_leave_no_device_time(clock, played, monkeypatch) -> None:
    monkeypatch.setattr(clocks.TorchEvents, "read", lambda self: [(0, 5)])
    with pytest.warns(assay.MeasurementWarning, match="events of some runs were lost"):
        state = assay.latency(clock.call(MS))
    with pytest.raises(KeyError, match="is not told: events of some runs were lost"):
        _ = state["device_latency_ms/p50"]


def test_a_throttled_device_is_said(clock, played, monkeypatch) -> None:
    seen = chain([(False, 1900), (True, 900)], repeat((None, None)))
    monkeypatch.setattr(clocks.Clock, "state", lambda self: next(seen))
    with pytest.warns(assay.MeasurementWarning, match="below its clock, for heat or power"):
        state = assay.latency(clock.call(MS))
    assert (state["throttled"], state["sm_clock_mhz"]) == (1, 900)
    assert "throttled" not in assay.latency(clock.call(MS)).as_dict()  # nothing tells


def test_audio(clock) -> None:
    assert assay.latency(clock.call(100 * MS), audio_s=2)["real_time_factor"] == pytest.approx(
        0.05, rel=1e-3
    )
