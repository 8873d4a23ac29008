"""The process that sends, from the trainer's side: what is said of it, how long it is awaited."""

import os
import subprocess
import sys
import time

import pytest

import assay
from assay.core.errors import TrackerError
from assay.core.record import read_journal
from assay.run import delivery, journal
from assay.run.cursor import DONE, STOPPED, WAITING, Cursor

SPEC = {"tracker": "fake", "uri": "u"}


class Fake:
    """A tracker that is only ever made by the process that sends."""

    def spec(self):
        return SPEC

    def start(self, record):
        raise AssertionError

    log = artifact = finish = start


@pytest.fixture(autouse=True)
def first_rank(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(journal, "WATCH_S", 0.02)


@pytest.fixture
def sender(monkeypatch):
    """sender(code): what is started in its place; it finds the directory in argv."""
    started = []

    def use(code):
        def launch(directory):
            process = subprocess.Popen([sys.executable, "-c", code, directory])
            started.append(process)
            return process

        monkeypatch.setattr(delivery, "launch", launch)
        return started

    yield use
    for process in started:
        process.returncode = None  # as it is left running
        process.kill()
        process.wait()


STATES = """
import sys, time
from assay.run.cursor import Cursor
cursor = Cursor.of(sys.argv[1], {"tracker": "fake", "uri": "u"})
"""
WAITS = "cursor.state, cursor.error, cursor.since = 'waiting', 'no route', time.time()\n"


def patiently(what):
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_end_waits_for_a_tracker_that_takes_it(tmp_path, sender, capsys):
    sender(
        STATES
        + "time.sleep(0.5)\ncursor.state, cursor.points, cursor.closing = 'done', 1, 'look'\n"
        "cursor.save()\ntime.sleep(60)"
    )
    with assay.Run(tmp_path / "exp", trackers=[Fake()]) as run:
        run.log({"a": 1}, step=0)
    assert capsys.readouterr().err.splitlines() == [
        f"assay: exp: finished, 1 points in {tmp_path}/exp",
        "assay: fake u: look",
    ]


def test_the_end_has_an_end(tmp_path, sender, capsys, monkeypatch):
    monkeypatch.setattr(delivery, "NOTICE_S", 0.1)
    started = sender(STATES + "cursor.points = 1\ncursor.save()\ntime.sleep(60)")
    before = time.monotonic()
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=1.5) as run:
        run.log({"a": 1, "b": 2, "c": 3}, step=0)
        patiently(lambda: Cursor.of(run.directory, SPEC).points)
    assert time.monotonic() - before < 20
    assert capsys.readouterr().err.splitlines() == [
        f"assay: exp: finished, 3 points in {tmp_path}/exp",
        "assay: waiting up to 1.5 s for trackers; what is left is sent without this",
        "assay: fake u: 2 of 3 points are not sent (it takes longer); later: assay resync "
        f"{tmp_path}/exp",
    ]
    assert len(started) == 1
    os.kill(started[0].pid, 0)  # it goes on


def test_a_tracker_that_is_known_to_be_away_is_not_waited_for(tmp_path, sender, capsys, caplog):
    sender(STATES + WAITS + "cursor.over = True\ncursor.save()\ntime.sleep(60)")
    before = time.monotonic()
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=60) as run:
        patiently(lambda: caplog.messages)
        run.log({"a": 1}, step=0)
    assert time.monotonic() - before < 30
    assert caplog.messages == [
        f"assay: fake u: no route; the run goes on, and what is logged waits in {tmp_path}/exp"
    ]
    assert "fake u: 1 of 1 points are not sent (no route); later" in capsys.readouterr().err


def test_each_outage_is_told_once(tmp_path, sender, caplog):
    again = WAITS + "cursor.save()\ntime.sleep(0.3)\n"
    up = "cursor.state, cursor.error = 'sending', ''\ncursor.save()\ntime.sleep(0.3)\n"
    sender(STATES + again + up + again + up + "time.sleep(60)")
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=0):
        patiently(lambda: len(caplog.messages) > 1)
        time.sleep(0.5)
    assert len(caplog.messages) == 2


def test_what_an_earlier_process_came_to_is_not_this_ones_end(tmp_path, sender, capsys):
    with assay.Run(tmp_path / "exp") as run:
        run.log({"a": 1}, step=0)
    for state in (DONE, STOPPED, WAITING):
        cursor = Cursor.of(str(tmp_path / "exp"), SPEC)
        cursor.state, cursor.over, cursor.error, cursor.since = state, True, "old", 1.0
        cursor.save()
        capsys.readouterr()
        sender("import time; time.sleep(60)")
        with assay.Run(tmp_path / "exp", resume=True, trackers=[Fake()], flush_s=0.3):
            pass
        assert "points are not sent (it takes longer)" in capsys.readouterr().err


def test_a_sender_that_was_killed_is_started_again(tmp_path, sender):
    started = sender("import time; time.sleep(60)")
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=0):
        for count in (1, 2):
            patiently(lambda count=count: len(started) == count)
            started[-1].kill()
        patiently(lambda: len(started) == 3)


def test_a_sender_that_fails_is_told_and_left(tmp_path, sender, caplog, capsys):
    started = sender("import sys; sys.exit(3)")
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=60) as run:
        patiently(lambda: caplog.messages)
        run.log({"a": 1}, step=0)
    assert caplog.messages == [
        "assay: nothing more is sent to trackers: the sender ended with code 3, see "
        f"{tmp_path}/exp/sent/log.txt; later: assay resync {tmp_path}/exp"
    ]
    assert len(started) == 1
    assert read_journal(str(tmp_path / "exp")).status == "finished"

    def use():
        with assay.Run(tmp_path / "more", trackers=[Fake()], strict=True, flush_s=60):
            pass

    with pytest.raises(TrackerError, match="ended with code 3"):
        use()


def test_a_python_that_does_not_start(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(sys, "executable", "/no/python")
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=60) as run:
        run.log({"a": 1}, step=0)
    assert caplog.messages == [
        "assay: nothing is sent to trackers: /no/python: No such file or directory; later: "
        f"assay resync {tmp_path}/exp"
    ]


def test_who_is_tired_of_waiting_hears_what_is_left(tmp_path, sender, capsys, monkeypatch):
    sender("import time; time.sleep(60)")

    def interrupt(seconds):
        raise KeyboardInterrupt

    def use():
        with assay.Run(tmp_path / "exp", trackers=[Fake()]) as run:
            run.log({"a": 1}, step=0)
            monkeypatch.setattr(delivery.time, "sleep", interrupt)

    with pytest.raises(KeyboardInterrupt):
        use()
    monkeypatch.undo()
    assert "1 of 1 points are not sent (it takes longer); later" in capsys.readouterr().err
    assert read_journal(str(tmp_path / "exp")).status == "finished"
