"""`assay resync`: what it says, and when it refuses. Trackers are real in test_trackers_*.py."""

import os
import threading

import pytest

import assay
from assay.core.record import read_journal
from assay.run import feed, sender
from cli_kit import assay as command
from run_kit import END, HEAD, Scripted, lines_of, metric, points, write_journal
from waiting_kit import PATIENCE_S, wait_until


@pytest.fixture
def scripted(monkeypatch):
    """Trackers that are made of any spec; they do not hurry, and nothing here waits."""
    made = []

    def make(spec):
        tracker = Scripted(spec.get("script", ()))
        tracker.spec = lambda: dict(spec)
        made.append(tracker)
        return tracker

    monkeypatch.setattr("assay.trackers.made_of", make)
    monkeypatch.setattr(feed, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(sender, "LOOK_S", 0.01)
    return made


def journal(folder, *trackers, end=END):
    head = {**HEAD, "trackers": list(trackers)}
    return write_journal(folder, head, metric("loss"), points(0, 1.0, loss=1), end)


def test_each_tracker_has_its_line(tmp_path, scripted):
    folder = journal(tmp_path / "exp", {"tracker": "a", "uri": "u"}, {"tracker": "b", "x": None})
    for _ in range(2):  # a second time says the same
        done = command("resync", folder)
        assert (done.code, done.err) == (0, "")
        assert done.out == "a u: 1 points sent\n  look here\nb: 1 points sent\n  look here\n"
    assert [tracker.points for tracker in scripted] == [[("loss", 0, 1.0)]] * 2 + [[]] * 2


def test_what_is_not_sent(tmp_path, scripted, monkeypatch):
    folder = journal(tmp_path / "exp", {"tracker": "a"}, {"tracker": "b"})

    def make(spec):
        return Scripted([OSError(111, "Connection refused")] * 9 if spec["tracker"] == "a" else ())

    monkeypatch.setattr("assay.trackers.made_of", make)
    monkeypatch.setattr(Scripted, "spec", lambda self: {})
    done = command("resync", folder)
    assert done.code == 2
    assert done.out == "b: 1 points sent\n  look here\n"
    assert done.err == "error: not everything is sent; try again later\na: Connection refused\n"


def test_a_tracker_of_a_later_version(tmp_path):
    done = command("resync", journal(tmp_path / "exp", {"tracker": "aim"}))
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: not everything is sent; try again later\n"
        "aim: tracker must be one of mlflow, wandb, tensorboard, got 'aim'\n"
    )


def test_a_run_without_a_tracker(tmp_path):
    folder = journal(tmp_path / "exp")
    done = command("resync", folder)
    assert (done.code, done.out) == (0, f"{folder}: its run has no tracker\n")


@pytest.mark.parametrize("name", ["", "nowhere", "empty"])
def test_what_is_no_run(tmp_path, name):
    (tmp_path / "empty").mkdir()
    done = command("resync", tmp_path / name)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"error: {tmp_path / name}: holds no journal.jsonl; name the directory of a run\n"
    )


def test_a_run_that_is_being_sent(tmp_path, scripted, monkeypatch):
    folder = journal(tmp_path / "exp", {"tracker": "a"}, end=metric("other"))
    trainer, sending = (sender.Lock(str(folder / name)) for name in ("lock", "sent/lock"))
    (folder / "sent").mkdir()
    assert trainer.take()
    assert sending.take()
    done = command("resync", folder)
    assert (done.code, done.err) == (
        2,
        f"error: {folder}: the run goes on, and process {os.getpid()} is sending it\n",
    )
    sending.release()
    done = command("resync", folder)  # a run that goes on without a sender
    assert (done.code, done.out) == (0, "a: 1 points sent\n")
    trainer.release()
    assert command("resync", folder).out == "a: 1 points sent\n  look here\n"


def test_it_follows_a_run_to_its_end_and_takes_up_trackers_that_come(tmp_path, scripted):
    folder = tmp_path / "exp"
    with assay.Run(folder) as run:
        run.log({"loss": 0.0}, step=0)
    found = []
    with assay.Run(folder, resume=True) as run:
        run.log({"loss": 1.0}, step=1)
        # as another process would have written it
        run._entry({**lines_of(folder)[0], "kind": "resume", "trackers": [{"tracker": "a"}]})
        thread = threading.Thread(
            target=lambda: found.append(command("resync", folder, "--follow"))
        )
        thread.start()
        wait_until(lambda: scripted and scripted[0].points)
        run._entry({**lines_of(folder)[0], "kind": "resume", "trackers": [{"tracker": "b"}]})
        run.log({"loss": 2.0}, step=2)
        wait_until(lambda: len(scripted) == 2 and len(scripted[1].points) == 3)
        assert thread.is_alive()
    thread.join(PATIENCE_S)
    assert found[0].out == "a: 3 points sent\n  look here\nb: 3 points sent\n  look here\n"
    assert [t.points for t in scripted] == [[("loss", s, float(s)) for s in range(3)]] * 2
    assert [t.status for t in scripted] == ["finished"] * 2
    assert read_journal(str(folder)).written == 3


def test_the_help_says_what_may_come_twice():
    done = command("resync", "--help")
    assert done.code == 0
    for words in ("RUN_DIR", "--follow", "no point twice", "written anew, whole", "journal.jsonl"):
        assert words in done.out


def test_a_tracker_that_hangs_has_not_got_it(tmp_path, scripted, monkeypatch):
    folder, answer = journal(tmp_path / "exp", {"tracker": "a"}), threading.Event()
    monkeypatch.setattr(Scripted, "log", lambda self, entries: answer.wait(PATIENCE_S))
    monkeypatch.setattr(sender, "LINGER_S", 0.1)
    done = command("resync", folder)
    answer.set()
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: not everything is sent; try again later\na: it does not answer\n"


def test_a_directory_that_takes_no_notes(tmp_path):
    folder = write_journal(tmp_path / "exp", HEAD, END)
    (folder / "sent").touch()
    done = command("resync", folder)
    assert done.code == 2
    assert done.err == f"error: {folder}/sent/lock: cannot be written: File exists\n"


def test_a_journal_that_begins_no_run(tmp_path):
    folder = write_journal(tmp_path / "exp", b"{oops", metric("loss"), END)
    done = command("resync", folder)
    assert (done.code, done.out) == (2, "")
    assert "journal.jsonl: line 1 is damaged (it begins no run)" in done.err


def test_a_killed_run_is_closed_however_fast_its_tracker_is(tmp_path, scripted, monkeypatch):
    begin = sender.threading.Thread.start

    def at_once(thread):
        begin(thread)
        if thread.name.startswith("assay-"):
            thread.join()

    monkeypatch.setattr(sender.threading.Thread, "start", at_once)
    folder = journal(tmp_path / "exp", {"tracker": "a"}, end=metric("other"))
    assert command("resync", folder).out == "a: 1 points sent\n  look here\n"
    assert scripted[0].status == "killed"
