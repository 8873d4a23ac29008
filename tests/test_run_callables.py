"""Functions as trackers of a run, in a thread of its own process."""

import time

import pytest

import assay
from assay.core.errors import InputError, TrackerError
from assay.core.record import read_journal
from assay.run import journal
from waiting_kit import wait_until


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "exp"


def test_functions_are_told_in_order(folder):
    told = []
    with assay.Run(folder, trackers=[lambda values, step: told.append((values, step))]) as run:
        for step in range(50):
            run.log({"recall@10": step}, step=step, fold=1)
    assert told == [({"fold_1/recall_at_10": float(s)}, s) for s in range(50)]
    with assay.Run(folder, resume=True, trackers=[lambda v, step: told.append(step)]) as run:
        run.log({"a": 1}, step=99)
    assert told[50:] == [99]  # what was told before is not told again


def test_a_function_that_fails_warns_once_and_loses_nothing(folder, caplog, capsys, monkeypatch):
    monkeypatch.setattr("assay.run.feed.FIRST_DELAY_S", 0.05)
    failing = [True]
    told = []

    def logger(values, step):
        if failing[0]:
            raise OSError("no route to host")
        told.append(step)

    with assay.Run(folder, trackers=[logger]) as run:
        for step in range(20):
            run.log({"a": step}, step=step)
        wait_until(lambda: caplog.messages)
        failing[0] = False
    assert sorted(set(told)) == list(range(20))
    (message,) = caplog.messages
    assert "logger: no route to host; the run goes on" in message
    assert f"waits in {folder}" in message


def test_a_function_that_never_works(folder, caplog, capsys, monkeypatch):
    monkeypatch.setattr("assay.run.feed.FIRST_DELAY_S", 0.05)

    def logger(values, step):
        raise OSError("gone")

    with assay.Run(folder, trackers=[logger]) as run:
        run.log({"a": 1}, step=0)
    assert "1 of 1 points are not sent (gone)" in capsys.readouterr().err
    with (
        pytest.raises(TrackerError),
        assay.Run(folder, resume=True, strict=True, trackers=[logger]) as run,
    ):
        run.log({"a": 1}, step=0)


def test_strict_raises_in_the_loop(folder, monkeypatch, capsys):
    monkeypatch.setattr(journal, "WATCH_S", 0.05)

    def logger(values, step):
        raise OSError("gone")

    with pytest.raises(TrackerError, match="logger: gone; the run goes on"):  # noqa: PT012, SIM117
        with assay.Run(folder, strict=True, trackers=[logger]) as run:
            for step in range(3000):
                run.log({"a": 1}, step=step)
                time.sleep(0.02)
    assert 0 < read_journal(str(folder)).written < 3000


def test_what_is_no_tracker(folder):
    with pytest.raises(InputError) as caught:
        assay.Run(folder, trackers=["mlflow"])
    assert str(caught.value) == (
        "Run: trackers must be of assay.trackers, or functions of values and step, got 'mlflow'"
    )
