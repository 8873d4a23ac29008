"""A journal handed to a tracker: everything once, in order, whatever the tracker does."""

import json
import threading
import time

import pytest

from assay.core.errors import MissingDependency, Refused
from assay.core.record import Points, RunRecord
from assay.run import feed as feeding
from assay.run.cursor import DONE, STOPPED, WAITING, Cursor
from assay.run.feed import Feed
from run_kit import END, HEAD, Scripted, metric, points, write_journal
from waiting_kit import PATIENCE_S, wait_until


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(feeding, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(feeding, "LAST_DELAY_S", 0.05)
    monkeypatch.setattr(feeding, "POLL_S", 0.01)


def journal(folder, steps, *more):
    lines = [points(step, 100.0 + step, loss=step / 2) for step in steps]
    return write_journal(folder, HEAD, metric("loss"), *lines, *more)


def fed(folder, tracker, follow=False, dead=True):
    """What comes of sending a journal: the cursor as another process would find it."""
    cursor = Cursor.of(str(folder), tracker.spec())
    feed = Feed(str(folder), tracker, cursor, follow=follow, attempts=3)
    if dead:
        feed.wake.set()
    feed.run()
    return Cursor.of(str(folder), tracker.spec())


ALL = [("loss", step, step / 2) for step in range(10)]


def test_everything_once_and_how_to_look_at_it(tmp_path):
    tracker = Scripted()
    cursor = fed(journal(tmp_path, range(10), END), tracker)
    assert tracker.points == ALL
    assert tracker.params == {"lr": 0.1}
    assert tracker.status == "finished"
    assert (cursor.state, cursor.points, cursor.closing) == (DONE, 10, "look here")
    assert cursor.sent == (tmp_path / "journal.jsonl").stat().st_size


def test_a_second_time_sends_nothing(tmp_path):
    journal(tmp_path, range(10), END)
    fed(tmp_path, Scripted())
    again = Scripted()
    assert fed(tmp_path, again).state == DONE
    assert again.calls == 0


def test_it_goes_on_where_it_was_left(tmp_path):
    journal(tmp_path, range(4))
    first, second = Scripted(), Scripted()
    assert fed(tmp_path, first).state == DONE
    assert first.status == "killed"
    with open(tmp_path / "journal.jsonl", "ab") as file:
        for line in (points(4, 200.0, loss=2.0), END):
            file.write(json.dumps(line).encode() + b"\n")
    cursor = fed(tmp_path, second)
    assert (first.points, second.points) == (ALL[:4], ALL[4:5])
    assert (cursor.points, second.status) == (5, "finished")


def test_by_hand_while_the_run_goes_on_it_stays_open(tmp_path):
    tracker = Scripted()
    journal(tmp_path, range(4))
    cursor = fed(tmp_path, tracker, dead=False)
    assert (tracker.points, tracker.status, cursor.state) == (ALL[:4], None, "sending")


@pytest.mark.parametrize("where", range(4))
def test_a_call_that_fails_is_made_again(tmp_path, where):
    script = [None] * where + [ConnectionError("refused"), ConnectionError("refused")]
    tracker = Scripted(script)
    cursor = fed(journal(tmp_path, range(10), END), tracker)
    assert tracker.points == ALL
    assert (cursor.state, cursor.error) == (DONE, "")


def test_after_the_end_it_gives_up_and_another_time_goes_on(tmp_path):
    journal(tmp_path, range(10), END)
    down = Scripted([None, *[ConnectionError("no route")] * 99])
    cursor = fed(tmp_path, down)
    assert (cursor.state, cursor.error, cursor.points, cursor.over) == (
        STOPPED, "no route", 0, True,
    )  # fmt: skip
    assert down.calls == 1 + 3
    up = Scripted()
    assert fed(tmp_path, up).state == DONE
    assert up.points == ALL


def test_while_the_run_goes_on_it_never_gives_up(tmp_path):
    journal(tmp_path, range(10))
    seen = set()

    class Seen(Scripted):
        def _next(self):
            found = Cursor.of(str(tmp_path), self.spec())
            seen.add((found.state, found.since))
            super()._next()

    tracker = Seen([ConnectionError("no route")] * 8)
    cursor = Cursor.of(str(tmp_path), tracker.spec())
    feed = Feed(str(tmp_path), tracker, cursor, follow=True)
    thread = threading.Thread(target=feed.run)
    began = time.time()
    thread.start()
    wait_until(lambda: len(tracker.points) == 10)
    with open(tmp_path / "journal.jsonl", "ab") as file:
        file.write(json.dumps(points(10, 300.0, loss=5.0)).encode() + b"\n")
        file.write(b'{"kind":"poin')
    wait_until(lambda: len(tracker.points) == 11)
    feed.wake.set()
    thread.join(PATIENCE_S)
    assert tracker.points == [*ALL, ("loss", 10, 5.0)]
    assert tracker.status == "killed"
    outages = {since for state, since in seen if state == WAITING}
    assert len(outages) == 1  # one warning for one outage
    assert began <= outages.pop() <= time.time()


def test_what_a_tracker_refuses_keeps_nothing_else_back(tmp_path):
    def refuse(entry):
        return isinstance(entry, Points) and entry.step in (3, 7)

    tracker = Scripted(refuse=refuse)
    cursor = fed(journal(tmp_path, range(10), END), tracker)
    assert tracker.points == [p for p in ALL if p[1] not in (3, 7)]
    assert (cursor.state, cursor.refused, cursor.reason) == (DONE, 2, "not this one")


def test_a_tracker_that_refuses_everything_is_left_alone(tmp_path):
    tracker = Scripted(refuse=lambda entry: isinstance(entry, Points))
    cursor = fed(journal(tmp_path, range(10_000), END), tracker)
    assert (cursor.state, cursor.error) == (STOPPED, "not this one")
    assert tracker.calls < 200


@pytest.mark.parametrize("error", [Refused("deleted"), MissingDependency("pip install x")])
def test_what_no_attempt_can_help_is_not_tried_again(tmp_path, error):
    tracker = Scripted([error])
    cursor = fed(journal(tmp_path, range(10), END), tracker)
    assert (tracker.calls, cursor.state, cursor.error) == (1, STOPPED, str(error))


def test_files_come_in_their_place(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    about = {"kind": "artifact", "time": 1.0, "step": None, "tags": {}}
    files = [{**about, "name": name, "path": name} for name in ("a.txt", "gone.txt")]
    tracker = Scripted()
    cursor = fed(journal(tmp_path, range(2), *files, END), tracker)
    assert tracker.files == ["a.txt"]
    assert (cursor.state, cursor.refused, cursor.reason) == (DONE, 1, "gone.txt is gone")


def test_a_damaged_line_is_told_and_left_out(tmp_path):
    write_journal(
        tmp_path,
        HEAD,
        metric("loss"),
        points(0, 1.0, loss=0),
        b"{oops",
        points(1, 2.0, loss=0.5),
        END,
    )
    tracker = Scripted()
    cursor = fed(tmp_path, tracker)
    assert tracker.points == ALL[:2]
    assert cursor.refused == 1
    assert "journal.jsonl: line 4 is damaged" in cursor.reason


def test_a_later_version_is_not_sent(tmp_path):
    write_journal(tmp_path, {**HEAD, "version": 2}, END)
    tracker = Scripted()
    cursor = fed(tmp_path, tracker)
    assert (tracker.calls, cursor.state) == (0, STOPPED)
    assert "has version 2, this assay reads up to 1; upgrade assay" in cursor.error


def test_no_run_yet(tmp_path):
    write_journal(tmp_path, tail=b'{"kind"')
    cursor = fed(tmp_path, Scripted())
    assert (cursor.state, cursor.error) == (STOPPED, f"{tmp_path}: no run has begun there")


def test_a_tracker_that_writes_anew_gets_it_all_and_of_repeats_the_last(tmp_path):
    journal(tmp_path, range(4))
    fed(tmp_path, Scripted(anew=True))
    resumed = {**HEAD, "kind": "resume"}
    with open(tmp_path / "journal.jsonl", "ab") as file:
        for line in (resumed, points(2, 200.0, loss=7.0), points(3, 201.0, loss=8.0), END):
            file.write(json.dumps(line).encode() + b"\n")
    tracker = Scripted(anew=True)
    cursor = fed(tmp_path, tracker)
    assert tracker.points == [
        ("loss", 0, 0.0),
        ("loss", 1, 0.5),
        ("loss", 2, 7.0),
        ("loss", 3, 8.0),
    ]
    assert (cursor.state, cursor.points) == (DONE, 6)
    other = Scripted()
    other.spec = lambda: {"tracker": "other"}
    fed(tmp_path, other)
    assert len(other.points) == 6  # one that goes on is told of every point


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"sent": 3}', b'{"spec": 1, "what": 2}'])
def test_a_damaged_cursor_is_none(tmp_path, damage):
    tracker = Scripted()
    fed(journal(tmp_path, range(10), END), tracker)
    (path,) = (tmp_path / "sent").iterdir()
    path.write_bytes(damage)
    again = Scripted()
    assert fed(tmp_path, again).points == 10
    assert again.points == ALL


def test_batches_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(feeding, "BATCH_POINTS", 3)
    sizes = []
    tracker = Scripted(refuse=lambda entry: sizes.append(entry) or False)
    told = tracker.log
    lengths = []
    tracker.log = lambda entries: (lengths.append(len(entries)), told(entries))[1]
    fed(journal(tmp_path, range(10), END), tracker)
    assert max(lengths) == 3
    assert tracker.points == ALL


def test_a_cursor_is_moved_after_each_batch(tmp_path, monkeypatch):
    """What a process that is killed has sent is not sent again."""
    monkeypatch.setattr(feeding, "BATCH_POINTS", 2)
    seen = []
    tracker = Scripted()
    told = tracker.log

    def log(entries):
        seen.append(Cursor.of(str(tmp_path), tracker.spec()).points)
        told(entries)

    tracker.log = log
    fed(journal(tmp_path, range(6), END), tracker)
    assert seen == [0, 1, 3, 5]  # the first batch has the parameters and one point


def test_the_record_knows_the_run_when_a_tracker_starts(tmp_path):
    found = []
    tracker = Scripted()
    tracker.start = lambda record: found.append((record.id, record.name, dict(record.params)))
    fed(journal(tmp_path, range(3), END), tracker)
    fed(journal(tmp_path, range(9), END), tracker)
    assert found == [("abc123", "exp", {"lr": 0.1})] * 2
    assert isinstance(RunRecord("x"), RunRecord)


def test_no_file_from_outside_of_the_run_is_sent(tmp_path):
    """A journal that somebody else wrote may name any file of this machine."""
    (tmp_path / "secret").write_text("x")
    run = tmp_path / "run"
    run.mkdir()
    (run / "link").symlink_to(tmp_path / "secret")
    about = {"kind": "artifact", "time": 1.0, "step": None, "tags": {}, "name": "a"}
    paths = ["../secret", str(tmp_path / "secret"), "link"]
    tracker = Scripted()
    cursor = fed(journal(run, range(2), *({**about, "path": path} for path in paths), END), tracker)
    assert tracker.files == []
    assert (cursor.state, cursor.refused) == (DONE, 3)
    assert cursor.reason == f"link lies outside of {run}"


def test_a_cursor_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch):
    cursor = Cursor.of(str(tmp_path), {"tracker": "fake"})
    cursor.points = 3
    cursor.save()
    with monkeypatch.context() as without_room:
        without_room.setattr(json, "dump", lambda data, file: file.write('{"points": 4') and 1 / 0)
        cursor.points = 4
        with pytest.raises(ZeroDivisionError):
            cursor.save()
    assert Cursor.of(str(tmp_path), {"tracker": "fake"}).points == 3
