"""The process that sends, from the trainer's side: what is said of it, how long it is awaited."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

import assay
from assay.core.errors import TrackerError
from assay.core.record import read_journal
from assay.run import delivery, journal
from assay.run.cursor import DONE, STOPPED, WAITING, Cursor
from waiting_kit import wait_until

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
    monkeypatch.setattr(delivery, "NOTICE_S", 1e9)  # a slow machine says it where it is not asked


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


class Clock:
    """The time of the end alone: it passes where that waits, and nowhere else."""

    now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(delivery, "time", made)
    return made


STATES = """
import os, sys, time
from assay.run.cursor import Cursor
folder = sys.argv[1]
cursor = Cursor.of(folder, {"tracker": "fake", "uri": "u"})
"""
WAITS = "cursor.state, cursor.error, cursor.since = 'waiting', 'no route', time.time()\n"


def test_the_end_waits_for_a_tracker_that_takes_it(tmp_path, sender, capsys):
    sender(
        STATES + "while '\"end\"' not in open(f'{folder}/journal.jsonl').read(): time.sleep(0.01)\n"
        "cursor.state, cursor.points, cursor.closing = 'done', 1, 'look'\n"
        "cursor.save()\ntime.sleep(600)"
    )
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=600) as run:
        run.log({"a": 1}, step=0)
    assert capsys.readouterr().err.splitlines() == [
        f"assay: exp: finished, 1 points in {tmp_path}/exp",
        "assay: fake u: look",
    ]


def test_the_end_has_an_end(tmp_path, sender, capsys, monkeypatch, clock):
    monkeypatch.setattr(delivery, "NOTICE_S", 0.1)
    started = sender(STATES + "cursor.points = 1\ncursor.save()\ntime.sleep(600)")
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=1.5) as run:
        run.log({"a": 1, "b": 2, "c": 3}, step=0)
        wait_until(lambda: Cursor.of(run.directory, SPEC).points)
    assert 1.5 <= clock.now < 1.6
    assert capsys.readouterr().err.splitlines() == [
        f"assay: exp: finished, 3 points in {tmp_path}/exp",
        "assay: waiting up to 1.5 s for trackers; what is left is sent without this",
        "assay: fake u: 2 of 3 points are not sent (it takes longer); later: assay resync "
        f"{tmp_path}/exp",
    ]
    assert len(started) == 1
    os.kill(started[0].pid, 0)  # it goes on


def test_a_tracker_that_is_known_to_be_away_is_not_waited_for(
    tmp_path, sender, capsys, caplog, clock
):
    sender(STATES + WAITS + "cursor.over = True\ncursor.save()\ntime.sleep(600)")
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=60) as run:
        wait_until(lambda: caplog.messages)
        run.log({"a": 1}, step=0)
    assert clock.now == 0
    assert caplog.messages == [
        f"assay: fake u: no route; the run goes on, and what is logged waits in {tmp_path}/exp"
    ]
    assert "fake u: 1 of 1 points are not sent (no route); later" in capsys.readouterr().err


def test_each_outage_is_told_once(tmp_path, sender, caplog, monkeypatch):
    watch, looks = delivery.Delivery.watch, []
    monkeypatch.setattr(delivery.Delivery, "watch", lambda own: (watch(own), looks.append(1)))
    seen = "cursor.save()\nwhile not os.path.exists(f'{{folder}}/{}'): time.sleep(0.01)\n".format
    up = "cursor.state, cursor.error = 'sending', ''\n"
    sender(STATES + WAITS + seen(0) + up + seen(1) + WAITS + seen(2) + up + "cursor.save()\n"
           "time.sleep(600)")  # fmt: skip
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=0):
        for step, told in enumerate([1, 1, 2]):
            wait_until(lambda told=told: len(caplog.messages) == told)
            often = len(looks) + 5
            wait_until(lambda often=often: len(looks) >= often)
            (tmp_path / "exp" / str(step)).touch()
    assert len(caplog.messages) == 2


def test_what_an_earlier_process_came_to_is_not_this_ones_end(tmp_path, sender, capsys):
    with assay.Run(tmp_path / "exp") as run:
        run.log({"a": 1}, step=0)
    for state in (DONE, STOPPED, WAITING):
        cursor = Cursor.of(str(tmp_path / "exp"), SPEC)
        cursor.state, cursor.over, cursor.error, cursor.since = state, True, "old", 1.0
        cursor.save()
        capsys.readouterr()
        sender("import time; time.sleep(600)")
        with assay.Run(tmp_path / "exp", resume=True, trackers=[Fake()], flush_s=0.3):
            pass
        assert "points are not sent (it takes longer)" in capsys.readouterr().err


def test_a_sender_that_was_killed_is_started_again(tmp_path, sender):
    started = sender("import time; time.sleep(600)")
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=0):
        for count in (1, 2):
            wait_until(lambda count=count: len(started) == count)
            started[-1].kill()
        wait_until(lambda: len(started) == 3)


def test_a_sender_that_fails_is_told_and_left(tmp_path, sender, caplog, capsys):
    started = sender("import sys; sys.exit(3)")
    with assay.Run(tmp_path / "exp", trackers=[Fake()], flush_s=600) as run:
        wait_until(lambda: caplog.messages)
        run.log({"a": 1}, step=0)
    assert caplog.messages == [
        "assay: nothing more is sent to trackers: the sender ended with code 3, see "
        f"{tmp_path}/exp/sent/log.txt; later: assay resync {tmp_path}/exp"
    ]
    assert len(started) == 1
    assert read_journal(str(tmp_path / "exp")).status == "finished"

    def use():
        with assay.Run(tmp_path / "more", trackers=[Fake()], strict=True, flush_s=600):
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
    sender("import time; time.sleep(600)")

    def interrupt(seconds):
        raise KeyboardInterrupt

    def use():
        with assay.Run(tmp_path / "exp", trackers=[Fake()]) as run:
            run.log({"a": 1}, step=0)
            own = SimpleNamespace(monotonic=time.monotonic, sleep=interrupt)
            monkeypatch.setattr(delivery, "time", own)

    with pytest.raises(KeyboardInterrupt):
        use()
    monkeypatch.undo()
    assert "1 of 1 points are not sent (it takes longer); later" in capsys.readouterr().err
    assert read_journal(str(tmp_path / "exp")).status == "finished"
