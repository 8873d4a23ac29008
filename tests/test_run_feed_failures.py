"""A tracker that answers and fails at something: the rest arrives, and that is tried again."""

import threading

import pytest

import assay
from assay.core.record import File, Histogram, Points
from assay.run import feed as feeding
from assay.run.cursor import DONE, STOPPED, WAITING, Cursor, is_sent, missing
from assay.run.failures import in_words, is_outage
from assay.run.feed import Feed
from cli_kit import assay as command
from run_kit import END, HEAD, Scripted, metric, points, write_journal
from waiting_kit import PATIENCE_S, wait_until

STEPS = range(10)


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(feeding, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(feeding, "LAST_DELAY_S", 0.01)
    monkeypatch.setattr(feeding, "POLL_S", 0.01)


class Failing(Scripted):
    """Raises what `error` gives for an entry, if anything."""

    def __init__(self, error, **more):
        super().__init__(**more)
        self.error = error

    def log(self, entries):
        for entry in entries:
            if (error := self.error(entry)) is not None:
                self.calls += 1
                raise error
        super().log(entries)

    def artifact(self, file):
        if (error := self.error(file)) is not None:
            raise error
        super().artifact(file)


def at(*steps, key="loss"):
    """An error for the value of `key` at some steps."""

    def error(entry):
        named = isinstance(entry, Points) and any(known.key == key for known, _ in entry.values)
        return RuntimeError(f"no {key} here\nand more") if named and entry.step in steps else None

    return error


def never(entry):
    return None


def journal(folder, *more, steps=STEPS):
    lines = [points(step, 100.0 + step, loss=step / 2, f1=1.0) for step in steps]
    return write_journal(folder, HEAD, metric("loss"), metric("f1"), *lines, *more)


def fed(folder, tracker, **more):
    cursor = Cursor.of(str(folder), tracker.spec())
    feed = Feed(str(folder), tracker, cursor, follow=False, attempts=3, **more)
    feed.wake.set()
    feed.run()
    return Cursor.of(str(folder), tracker.spec())


def following(folder, tracker):
    """A feed of a run that goes on, and the thread that it runs in."""
    feed = Feed(str(folder), tracker, Cursor.of(str(folder), tracker.spec()), follow=True)
    thread = threading.Thread(target=feed.run, daemon=True)
    thread.start()
    return feed, thread


def all_but(*left):
    every = [
        (key, step, value) for step in STEPS for key, value in (("loss", step / 2), ("f1", 1.0))
    ]
    return sorted(point for point in every if point[:2] not in left)


def test_all_but_the_value_it_fails_at_arrive_and_that_one_the_next_time(tmp_path):
    tracker = Failing(at(3, 7))
    cursor = fed(journal(tmp_path, END), tracker)
    assert sorted(tracker.points) == all_but(("loss", 3), ("loss", 7))
    assert (cursor.state, cursor.points, tracker.status) == (DONE, 20, "finished")
    assert not is_sent(cursor)
    assert cursor.unsent == [
        {"line": 7, "what": "loss", "step": 3, "error": "no loss here"},
        {"line": 11, "what": "loss", "step": 7, "error": "no loss here"},
    ]
    assert missing(cursor)[0] == "not sent: loss of step 3 (line 7): no loss here"

    half = Failing(at(7))
    cursor = fed(tmp_path, half)
    assert half.points == [("loss", 3, 1.5)]
    assert [own["step"] for own in cursor.unsent] == [7]

    whole = Failing(never)
    cursor = fed(tmp_path, whole)
    assert whole.points == [("loss", 7, 3.5)]
    assert is_sent(cursor)
    assert (cursor.points, cursor.unsent) == (20, [])
    last = Failing(never)
    fed(tmp_path, last)
    assert last.calls == 0


def test_a_tracker_that_writes_anew_forgets_what_it_failed_at(tmp_path):
    fed(journal(tmp_path, END), Failing(at(3), anew=True))
    cursor = fed(tmp_path, again := Failing(never, anew=True))
    assert sorted(again.points) == all_but()
    assert is_sent(cursor)


def test_one_that_fails_at_everything_is_away(tmp_path):
    tracker = Failing(lambda entry: RuntimeError("500"))
    cursor = fed(journal(tmp_path, END, steps=range(1_000)), tracker)
    assert (cursor.state, cursor.error, cursor.points, cursor.unsent) == (STOPPED, "500", 0, [])
    assert tracker.calls < 200
    again = Failing(never)
    assert is_sent(fed(tmp_path, again))
    assert len(again.points) == 2_000


def test_one_that_fails_at_everything_while_the_run_goes_on_is_waited_for(tmp_path):
    away = threading.Event()
    away.set()
    tracker = Failing(lambda entry: RuntimeError("500") if away.is_set() else None)
    journal(tmp_path, steps=range(100))
    feed = Feed(
        str(tmp_path), tracker, Cursor.of(str(tmp_path), {"tracker": "scripted"}), follow=True
    )
    thread = threading.Thread(target=feed.run)
    thread.start()
    wait_until(lambda: tracker.calls >= 150)  # halved, given up, and begun again
    assert feed.cursor.state == WAITING
    away.clear()
    wait_until(lambda: tracker.points)
    feed.wake.set()  # what it failed at before is tried again
    thread.join(PATIENCE_S)
    assert is_sent(feed.cursor)
    assert len(tracker.points) == 200


def test_a_retry_that_is_cut_off_forgets_nothing(tmp_path):
    fed(journal(tmp_path, END), Failing(at(3, 7)))
    seen = []

    def error(entry):
        seen.append(
            [own["step"] for own in Cursor.of(str(tmp_path), {"tracker": "scripted"}).unsent]
        )
        return ConnectionError("gone")

    cursor = fed(tmp_path, Failing(error))
    assert seen == [[3, 7]] * 3  # what a process that is killed in between would leave
    assert (cursor.state, [own["step"] for own in cursor.unsent]) == (STOPPED, [3, 7])


def test_files_that_cannot_be_sent_keep_no_number_back(tmp_path):
    about = {"kind": "figure", "time": 1.0, "tags": {}}
    for step in range(3):
        (tmp_path / f"{step}.png").write_text("x")
    files = [{**about, "step": step, "name": "cm", "path": f"{step}.png"} for step in range(3)]
    denied = PermissionError(13, "Permission denied")
    tracker = Failing(lambda entry: denied if isinstance(entry, File) and entry.step != 1 else None)
    cursor = fed(journal(tmp_path, *files, points(10, 300.0, loss=5.0), END), tracker)
    assert ("loss", 10, 5.0) in tracker.points
    assert tracker.files == ["1.png"]
    assert missing(cursor) == [
        "not sent: 0.png of step 0 (line 14): Permission denied",
        "not sent: 2.png of step 2 (line 16): Permission denied",
    ]
    again = Failing(never)
    assert is_sent(fed(tmp_path, again))
    assert again.files == ["0.png", "2.png"]


def test_histograms_and_parameters_are_named_too(tmp_path):
    about = {"time": 2.0, "step": 4, "name": "w", "tags": {}, "edges": [0, 1], "counts": [3]}
    tracker = Failing(
        lambda entry: RuntimeError("no") if isinstance(entry, Histogram) or hasattr(entry, "params")
        else None
    )  # fmt: skip
    cursor = fed(journal(tmp_path, {"kind": "histogram", **about}, END), tracker)
    assert [(own["line"], own["what"]) for own in cursor.unsent] == [(1, "parameters"), (14, "w")]
    assert is_sent(fed(tmp_path, again := Failing(never)))
    assert again.params == {"lr": 0.1}


def test_one_that_has_not_answered_for_long_gets_one_attempt_at_the_end(tmp_path):
    journal(tmp_path)
    tracker = Failing(lambda entry: ConnectionError("no route"))
    feed = Feed(
        str(tmp_path), tracker, Cursor.of(str(tmp_path), {"tracker": "scripted"}), follow=True
    )
    thread = threading.Thread(target=feed.run)
    thread.start()
    wait_until(lambda: tracker.calls >= 8)
    feed.wake.set()
    before = tracker.calls
    thread.join(PATIENCE_S)
    assert feed.cursor.state == STOPPED
    assert tracker.calls - before <= 2  # the one that was being made, and one more


def test_a_function_that_fails_is_told_of_everything_else_once(tmp_path):
    told = []

    def function(values, step):
        if step == 3:
            raise ValueError("three")
        told.append(step)

    with assay.Run(tmp_path / "exp", trackers=[function], flush_s=600) as run:
        for step in range(6):
            run.log({"loss": 1.0}, step=step)
    assert told == [0, 1, 2, 4, 5]


def test_resync_names_what_is_not_sent(tmp_path, monkeypatch):
    tracker = Failing(at(*range(8)))
    tracker.spec = lambda: {"tracker": "a"}
    monkeypatch.setattr("assay.trackers.made_of", lambda spec: tracker)
    folder = tmp_path / "exp"
    journal(folder, END)
    text = (folder / "journal.jsonl").read_text()
    (folder / "journal.jsonl").write_text(
        text.replace('"trackers": []', '"trackers": [{"tracker": "a"}]')
    )
    done = command("resync", folder)
    assert (done.code, done.out) == (2, "")
    lines = done.err.splitlines()
    assert lines[0] == "error: not everything is sent; try again later"
    assert lines[1] == "a: not sent: loss of step 0 (line 4): no loss here"
    assert (len(lines), lines[-1]) == (7, "a: not sent: 3 more")
    tracker.error = never
    done = command("resync", folder)
    assert (done.code, done.out) == (0, "a: 20 points sent\n  look here\n")


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (OSError(28, "No space left on device"), True),
        (PermissionError(13, "Permission denied"), False),
        (ValueError("5"), False),
    ],
)
def test_what_is_about_the_way_to_a_tracker(error, outage):
    assert is_outage(error) is outage
    wrapped = RuntimeError("API request failed")
    wrapped.__cause__ = error
    assert is_outage(wrapped) is outage


def test_the_reason_that_is_told_has_no_password():
    error = ValueError("\n  no API at https://me:secret@mlflow.example/api\nTraceback")
    assert in_words(error) == "no API at https://…@mlflow.example/api"
