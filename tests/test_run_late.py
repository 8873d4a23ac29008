"""Values that come late, and what a run adds by itself: samples of the system, a console table."""

import json
import math
import sys
import threading

import pytest
import torch

import assay
from assay.core.record import Best
from assay.run import journal
from run_kit import lines_of, values_of
from waiting_kit import PATIENCE_S, wait_until


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "exp"


class OnDevice:
    """A tensor of a device: reading it takes until `ready` is set."""

    is_cuda = False
    size = ()

    def __init__(self, value, ready):
        self.value, self.ready, self.device = value, ready, torch.device("meta")

    def numel(self):
        return 1

    def detach(self):
        return self

    def reshape(self, shape):
        return self

    def clone(self):
        return OnDevice(self.value, self.ready)

    def item(self):
        assert self.ready.wait(PATIENCE_S)
        return self.value


def test_a_value_on_a_device_is_not_waited_for(folder):
    ready = threading.Event()
    with assay.Run(folder) as run:
        tensor = OnDevice(0.5, ready)
        run.log({"loss": tensor, "lr": 1.0}, step=0)
        tensor.value = 99.0  # in place, after it was logged
        run.log({"other": 2.0}, step=0)
        assert [line["values"] for line in lines_of(folder) if line["kind"] == "points"] == [
            {"other": 2.0}
        ]
        ready.set()
        assert run.is_best("loss")
        assert run.best["loss"] == Best(0, 0.5)
    assert values_of(folder) == {"loss": [(0, 0.5)], "lr": [(0, 1)], "other": [(0, 2)]}


def test_of_a_late_value_and_a_repeated_step_the_later_call_counts(folder):
    ready = threading.Event()
    with assay.Run(folder) as run:
        run.log({"loss": OnDevice(1.0, ready)}, step=0)
        run.log({"loss": 2.0}, step=0)
        ready.set()
    assert values_of(folder) == {"loss": [(0, 2.0)]}


def test_the_system_is_sampled(folder, monkeypatch):
    monkeypatch.setattr(journal, "SYSTEM_S", 0.02)
    sample, samples = journal.Sampler.sample, []
    monkeypatch.setattr(journal.Sampler, "sample", lambda own: (samples.append(1), sample(own))[1])
    with assay.Run(folder, system=True):
        wait_until(lambda: len(samples) >= 3)
    found = values_of(folder)
    assert len(found["system/rss_bytes"]) >= 3
    if sys.platform == "linux":
        assert all(1e6 < value < 1e12 for _, value in found["system/rss_bytes"])
    assert [step for step, _ in found["system/cpu_percent"]] == list(
        range(len(found["system/cpu_percent"]))
    )


def test_a_table_grows_on_the_console(folder, capsys):
    with assay.Run(folder, console=True) as run:
        for epoch, f1 in enumerate([0.5, 0.75, 0.625]):
            run.log({"train_loss": 1 / (epoch + 1)}, step=epoch)
            run.log({"val_macro_f1": f1}, step=epoch)
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "  step  train_loss  val_macro_f1",
        "     0           1        0.5000  *",
        "     1      0.5000        0.7500  *",
        "     2      0.3333        0.6250",
        "best: step 1, val_macro_f1 0.7500",
    ]
    assert err == f"assay: exp: finished, 6 points in {folder}\n"


def test_the_journal_is_strict_json(folder):
    with assay.Run(folder, name='n"\n', tags={"ü": "\ud800"}) as run:
        run.log({"a": math.nan, "b": -math.inf, 'q"\\': 1.0}, step=0)

    def refuse(name):
        raise AssertionError(name)

    for line in (folder / "journal.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=refuse)
