"""Meters of what lies on a device: nothing is waited for before compute()."""

import copy
import functools
import pickle
from typing import Any

import numpy as np
import pytest

import assay
from assay import Meter, Meters
from assay.run import tally

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("ids", [False, True])
def test_nothing_on_a_device_is_read_before_compute(ids: bool, monkeypatch) -> None:
    """CPU tensors stand for those of a device; whatever is read goes through two methods."""
    from assay.ops import _held_torch, columns

    read = []
    monkeypatch.setattr(columns, "on_device", lambda data: hasattr(data, "detach"))
    for name in ("totals", "columns"):
        real = getattr(_held_torch.Held, name)
        monkeypatch.setattr(
            _held_torch.Held, name, lambda self, real=real: (read.append(1), real(self))[1]
        )
    rng = np.random.default_rng(0)
    target, score = rng.integers(0, 2, 600), rng.random(600)
    meters = Meters(
        {
            "labels": functools.partial(assay.count_labels, labels=[0, 1]),
            "scores": Meter(assay.count_scores, prefix="s_"),
            "loss": assay.count_mean,
        }
    )
    for start in range(0, 600, 2):
        rows = slice(start, start + 2)
        own = {"ids": np.arange(start, start + 2)} if ids else {}
        meters["labels"].update(torch.tensor(target[rows]), torch.tensor(target[rows]) ^ 1, **own)
        meters["scores"].update(torch.tensor(target[rows]), torch.tensor(score[rows]), **own)
        meters["loss"].update(torch.tensor(score[rows]), **own)
    assert read == []
    state = meters.state
    wanted = {
        "labels": assay.count_labels(target, 1 - target, labels=[0, 1]),
        "scores": assay.count_scores(target, score),
        "loss": assay.count_mean(score),
    }
    assert read == []
    for name, own_state in wanted.items():
        assert state[name].to_bytes() == own_state.to_bytes()
    assert read


class OnGpu:
    """Stands for a tensor on a GPU, whose copy arrives when told."""

    is_cuda, dtype, device = True, np.dtype(np.int64), "cuda:0"

    def __init__(self, rows: Any) -> None:
        self.rows, self.shape = np.array(rows), np.shape(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def detach(self) -> "OnGpu":
        return self

    def clone(self) -> "OnGpu":
        return OnGpu(self.rows)

    def to(self, device: str, non_blocking: bool) -> Any:
        assert (device, non_blocking) == ("cpu", True)
        return self.rows


@pytest.fixture
def events(monkeypatch) -> list[Any]:
    """Events of a GPU that there is not; those that are waited for say so."""
    events: list[Any] = []

    class Event:
        done, waited = False, 0

        def __init__(self) -> None:
            events.append(self)

        def record(self, stream: str) -> None:
            assert stream == "stream of cuda:0"

        def query(self) -> bool:
            return self.done

        def synchronize(self) -> None:
            self.waited += not self.done
            self.done = True

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    return events


def test_what_lies_on_a_gpu_is_not_waited_for(events: list[Any], monkeypatch) -> None:
    calls = []

    def count(reference: Any, hypothesis: Any) -> Any:
        calls.append(len(reference))
        return assay.count_words(reference, hypothesis, ignore_index=0)

    count.on_host = True
    meter = Meter(count)
    for k in range(3):
        meter.update(OnGpu([[1, 2], [3, 0]][: k + 1]), OnGpu([[1, 1], [3, 0]][: k + 1]))
    assert calls == []
    events[0].done = events[1].done = True
    meter.update(OnGpu([[1, 1]]), OnGpu([[1, 1]]))
    assert calls == [1, 2]
    assert [event.waited for event in events] == [0, 0, 0, 0]
    assert meter.state.hits == 1 + 2 + 2 + 2
    assert [event.waited for event in events] == [0, 0, 1, 1]
    monkeypatch.setattr(tally, "HELD", 0)
    meter.update(OnGpu([[1, 1]]), OnGpu([[1, 1]]))
    assert events[-1].waited == 1  # no room: the oldest is waited for


def test_ids_on_a_gpu_are_not_waited_for(events: list[Any], monkeypatch) -> None:
    def count(reference: Any, hypothesis: Any) -> Any:
        return assay.count_words(reference, hypothesis, ignore_index=0)

    count.on_host = True
    both = Meters({"tokens": count, "loss": Meter(lambda *own: assay.count_mean(own[0][:, 0]))})
    monkeypatch.setattr(tally, "HELD", 12 * 2200)  # 12 batches
    for k in range(20):
        columns = [np.array([[1.0, 2.0]])] * 2
        both["loss"].update(*columns, ids=OnGpu([k // 2]))
        both["tokens"].update(OnGpu([[1, 2]]), OnGpu([[1, 1]]), ids=OnGpu([k // 2]))
        for event in events[:-8]:
            event.done = True  # the GPU is a few batches behind
    assert sum(event.waited for event in events) == 0
    copied = copy.deepcopy(both)
    assert sum(event.waited for event in events) > 0
    assert copied.state["tokens"].hits == both.state["tokens"].hits == 10
    assert copied.state["loss"].n == 10


def test_what_is_on_a_device_is_copied_with_its_meter(monkeypatch) -> None:
    from assay.ops import columns

    monkeypatch.setattr(columns, "on_device", lambda data: hasattr(data, "detach"))
    meters = Meters({"loss": assay.count_mean, "scores": Meter(assay.count_scores, prefix="s_")})
    for k in range(3):
        meters["loss"].update(torch.tensor([1.0, k]), ids=None if k < 2 else [0, 1])
        meters["scores"].update(torch.tensor([0, 1]), torch.tensor([0.1 * k, 0.2]))
    found = meters.compute()
    for copied in (copy.deepcopy(meters), pickle.loads(pickle.dumps(meters))):
        assert copied.compute() == found
        copied["loss"].update(torch.tensor([5.0]))
        assert copied["loss"].state.n == 7
    assert meters.compute() == found
