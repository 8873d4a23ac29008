"""A run as people use it otherwise than the manual says."""

import math
import os
import threading
import time
from pathlib import Path

import pytest
import torch

import assay
from assay.core.errors import InputError
from assay.core.record import Best, read_journal
from assay.run import delivery, journal
from assay.run.values import whole_step
from assay.trackers.tensorboard import TensorBoard
from run_kit import Scripted, values_of


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "exp"


def test_threads_that_count_steps_lose_no_point(folder, monkeypatch):
    """Who has read which step is next is made to wait there, so that others would read it too."""

    def slowly(step):
        time.sleep(0.002)
        return whole_step(step)

    monkeypatch.setattr(journal, "whole_step", slowly)
    began = threading.Barrier(4)

    def log(run):
        began.wait()
        for _ in range(10):
            run.log({"x": 1.0})

    with assay.Run(folder) as run:
        threads = [threading.Thread(target=log, args=(run,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [step for step, _ in values_of(folder)["x"]] == list(range(40))


def test_the_best_values_before_the_block_and_after_it(folder):
    run = assay.Run(folder)
    assert run.best == {}
    with run:
        run.log({"val_f1": 0.5})
    assert run.best == {"val_f1": Best(0, 0.5)}


def test_a_name_that_is_no_text_under_a_prefix(folder):
    with (
        assay.Run(folder) as run,
        pytest.raises(InputError, match=r"names must be text that is not empty, got 1"),
    ):
        run.log({1: 2.0}, prefix="val_")


@pytest.mark.parametrize("seconds", [math.inf, 1e12, 0, -1])
def test_how_long_the_end_waits(folder, seconds):
    with assay.Run(folder, trackers=[lambda values, step: None], flush_s=seconds) as run:
        run.log({"a": 1.0})
    assert read_journal(str(folder)).status == "finished"


@pytest.mark.parametrize("trackers", ["mlflow", Scripted(), print, 3])
def test_trackers_are_a_list(folder, trackers):
    with pytest.raises(InputError, match="Run: trackers must be a list of them, got"):
        assay.Run(folder, trackers=trackers)


def test_a_process_that_goes_elsewhere_takes_its_run_along(tmp_path, monkeypatch, capsys):
    """As Hydra does."""
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setattr(delivery, "NOTICE_S", 1e9)  # however long it takes to import
    with assay.Run("exp", trackers=[TensorBoard("tb")], flush_s=600) as run:
        os.chdir(other)
        run.table([{"a": 1}], "t")
        run.log({"a": 1.0})
        assert Path(run.save(b"x")).read_bytes() == b"x"
    assert list(other.iterdir()) == []
    assert (tmp_path / "exp" / "tables" / "t.csv").exists()
    assert capsys.readouterr().err.splitlines() == [
        "assay: exp: finished, 1 points in exp",
        f"assay: tensorboard {tmp_path}/tb: tensorboard --logdir {tmp_path}/tb",
    ]


def test_an_exception_that_cannot_be_written(folder):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    with pytest.raises(Mute), assay.Run(folder):
        raise Mute
    record = read_journal(str(folder))
    assert record.status == "failed"
    assert "Mute" in record.error
    with assay.Run(folder, resume=True):  # nobody holds it
        pass


def test_a_journal_that_was_deleted_has_left_nothing_behind(folder, monkeypatch):
    """Where its trackers were with it means nothing for the next one."""
    from assay.run.cursor import Cursor

    spec = {"tracker": "scripted"}
    monkeypatch.setattr(delivery, "launch", lambda directory: None)
    cursor = Cursor(str(folder / "sent" / "x"), spec)
    cursor.path, cursor.sent, cursor.points = Cursor.of(str(folder), spec).path, 5_000, 99
    cursor.save()
    with assay.Run(folder, trackers=[Scripted()], flush_s=0):
        pass
    assert Cursor.of(str(folder), spec).sent == 0


def test_a_disk_that_is_full_where_the_trackers_are_noted(folder, monkeypatch, caplog):
    from assay.run.cursor import Cursor

    def full(self):
        raise OSError(28, "No space left on device", self.path)

    monkeypatch.setattr(Cursor, "save", full)
    with assay.Run(folder, trackers=[Scripted()], flush_s=0) as run:
        run.log({"a": 1.0})
    (message,) = caplog.messages
    assert message.startswith(f"assay: nothing is sent to trackers: {folder}/sent/scripted-")
    assert message.endswith(f": No space left on device; later: assay resync {folder}")
    assert values_of(folder) == {"a": [(0, 1.0)]}


@pytest.mark.parametrize("use", [
    lambda run: run.artifact(run.directory + "/journal.jsonl", name=3),
    lambda run: run.figure(b"\x89PNG", 3),
    lambda run: run.histogram([1.0], ""),
    lambda run: run.histogram(["a"], "w"),
    lambda run: run.histogram([1e308, -1e308], "w"),
])  # fmt: skip
def test_what_would_damage_the_journal_is_refused(folder, use):
    with assay.Run(folder, name=3) as run, pytest.raises(InputError, match=r"must|needs a name"):
        use(run)
    assert read_journal(str(folder)).name == "3"


def test_a_model_is_saved_and_not_called(folder):
    model = torch.nn.Linear(2, 2)
    with assay.Run(folder) as run:
        path = run.save(model)
    assert torch.equal(torch.load(path, weights_only=False).weight, model.weight)


@pytest.mark.parametrize("values", [[1.0, 1.0 + 2**-52], [1e16, 1e16 + 2], [1e16], [0.0], [3.0, 3]])
def test_values_too_close_together_for_bins(folder, values):
    with assay.Run(folder) as run:
        run.histogram(values, "w")
    (histogram,) = read_journal(str(folder)).histograms
    assert sum(histogram.counts) == len(values)
    assert histogram.edges[0] < min(values) <= max(values) < histogram.edges[-1]
    assert sorted(set(histogram.edges)) == histogram.edges


def test_a_directory_has_a_name():
    with pytest.raises(InputError, match="Run: directory must be a path, got ''"):
        assay.Run("")
