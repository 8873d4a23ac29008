"""What fails at a tracker holds nothing else up, and comes again without what has arrived."""

import threading
import time

import pytest

import assay
from assay.core.errors import InputError
from assay.core.record import Points
from assay.run import feed as feeding
from assay.run.cursor import DONE, STOPPED, Cursor, is_sent
from assay.run.failures import in_words, is_outage
from assay.run.feed import Feed
from assay.trackers import made_of
from run_kit import END, HEAD, Scripted, metric, points, write_journal
from waiting_kit import PATIENCE_S, wait_until

ABOUT = {"kind": "artifact", "time": 1.0, "step": None, "tags": {}}


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(feeding, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(feeding, "LAST_DELAY_S", 0.01)
    monkeypatch.setattr(feeding, "POLL_S", 0.01)


class Without(Scripted):
    """Raises for files, or for the points of some steps."""

    def __init__(self, files=None, steps=(), **more):
        super().__init__(**more)
        self.no_files, self.steps, self.tried = files, steps, 0

    def log(self, entries):
        if any(isinstance(entry, Points) and entry.step in self.steps for entry in entries):
            self.calls += 1
            raise RuntimeError("500")
        super().log(entries)

    def artifact(self, file):
        if self.no_files is not None:
            self.tried += 1
            raise self.no_files
        super().artifact(file)


def fed(folder, tracker, **more):
    cursor = Cursor.of(str(folder), tracker.spec())
    feed = Feed(str(folder), tracker, cursor, attempts=3, **{"follow": False, **more})
    feed.wake.set()
    feed.run()
    return Cursor.of(str(folder), tracker.spec())


def with_files(folder, count):
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number}.txt").write_text("x")
    files = [{**ABOUT, "name": str(number), "path": f"{number}.txt"} for number in range(count)]
    lines = [metric("loss"), *files, points(0, 9.0, loss=1.0), END]
    return write_journal(folder, HEAD, *lines)


@pytest.mark.parametrize("error", [RuntimeError("500"), ConnectionError("no route"), OSError(28)])
def test_files_whose_place_is_away_keep_no_number_back(tmp_path, error):
    tracker = Without(files=error)
    cursor = fed(with_files(tmp_path, 60), tracker)
    assert tracker.points == [("loss", 0, 1.0)]
    assert (cursor.state, len(cursor.unsent), tracker.status) == (DONE, 60, "finished")
    with open(tmp_path / "journal.jsonl", "a") as file:
        file.write('{"kind": "points", "time": 99.0, "step": 1, "values": {"loss": 2.0}}\n')
    again = Without(files=error)
    assert len(fed(tmp_path, again).unsent) == 60
    assert again.points == [("loss", 1, 2.0)]  # what failed is tried first, and given up
    well = Scripted()
    assert is_sent(fed(tmp_path, well))
    assert sorted(well.files) == sorted(f"{number}.txt" for number in range(60))


def test_of_many_files_that_have_no_place_few_are_tried(tmp_path):
    tracker = Without(files=TimeoutError("timed out"))
    fed(with_files(tmp_path, 60), tracker)
    assert tracker.tried == 3


def test_while_the_run_goes_on_what_failed_is_tried_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(feeding, "AGAIN_S", 0.05)
    tracker = Without(files=ConnectionError("no route"), steps=(0,))
    write_journal(
        with_files(tmp_path, 2), HEAD, metric("loss"), {**ABOUT, "name": "a", "path": "0.txt"},
        points(0, 9.0, loss=1.0), points(1, 10.0, loss=2.0),
    )  # fmt: skip
    cursor = Cursor.of(str(tmp_path), tracker.spec())
    feed = Feed(str(tmp_path), tracker, cursor, follow=True, attempts=2)
    thread = threading.Thread(target=feed.run)
    thread.start()
    wait_until(lambda: len(cursor.unsent) == 2)
    assert tracker.points == [("loss", 1, 2.0)]
    tracker.no_files, tracker.steps = None, ()
    wait_until(lambda: not cursor.unsent)
    assert (tracker.points[1:], tracker.files) == ([("loss", 0, 1.0)], ["0.txt"])
    feed.wake.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_one_that_takes_nothing_more_gets_nothing_twice(tmp_path):
    lines = [points(step, 100.0 + step, loss=1.0) for step in range(200)]
    write_journal(tmp_path, HEAD, metric("loss"), *lines)
    tracker = Without(steps=range(40, 200))
    cursor = Cursor.of(str(tmp_path), tracker.spec())
    feed = Feed(str(tmp_path), tracker, cursor, follow=True, attempts=2)
    thread = threading.Thread(target=feed.run)
    thread.start()
    wait_until(lambda: tracker.calls >= 300)
    tracker.steps = ()
    feed.wake.set()
    thread.join(PATIENCE_S)
    assert sorted(step for _, step, _ in tracker.points) == list(range(200))


def test_a_run_that_ends_just_then_has_it_asked_once_more(tmp_path, monkeypatch):
    lines = [points(step, 100.0 + step, loss=1.0) for step in range(200)]
    write_journal(tmp_path, HEAD, metric("loss"), *lines, END)
    tracker = Without(steps=range(40, 200))
    cursor = Cursor.of(str(tmp_path), tracker.spec())
    feed = Feed(str(tmp_path), tracker, cursor, follow=True, attempts=2)
    waits = feed._wait_for_it

    def ends_now(*failed):
        tracker.steps = ()
        feed.wake.set()
        waits(*failed)

    monkeypatch.setattr(feed, "_wait_for_it", ends_now)
    feed.run()
    assert sorted(step for _, step, _ in tracker.points) == list(range(200))
    assert tracker.status == "finished"


def test_what_a_tracker_never_takes_is_told_and_keeps_nothing_new_back(tmp_path):
    many = {f"m{number}": 1.0 for number in range(45)}
    lines = [*map(metric, many), metric("loss")]
    bad = [points(step, 1.0, **many) for step in (0, 2)]
    write_journal(tmp_path, HEAD, *lines, bad[0], points(1, 2.0, loss=1.0), bad[1])
    tracker = Without(steps=(0, 2))
    cursor = fed(tmp_path, tracker)
    assert (cursor.state, len(cursor.unsent)) == (DONE, 90)
    write_journal(
        tmp_path, HEAD, *lines, bad[0], points(1, 2.0, loss=1.0), bad[1], points(3, 3.0, loss=2.0)
    )
    again = Without(steps=(0, 2))
    cursor = fed(tmp_path, again)
    assert again.points == [("loss", 3, 2.0)]
    assert (cursor.state, len(cursor.unsent)) == (DONE, 90)


def test_entries_that_wait_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(feeding, "FAILED", 5)
    lines = [points(step, 100.0 + step, loss=1.0) for step in range(20)]
    write_journal(tmp_path, HEAD, metric("loss"), *lines, END)
    cursor = fed(tmp_path, Without(steps=range(0, 20, 2)))
    assert (cursor.state, cursor.error, cursor.points) == (STOPPED, "500", 0)
    assert is_sent(fed(tmp_path, Scripted()))


def test_a_damaged_line_is_told_once(tmp_path):
    write_journal(tmp_path, HEAD, metric("loss"), b"{oops", points(0, 1.0, loss=1.0))
    assert fed(tmp_path, Scripted()).refused == 1
    with open(tmp_path / "journal.jsonl", "a") as file:
        file.write('{"kind": "points", "time": 99.0, "step": 1, "values": {"loss": 2.0}}\n')
    assert fed(tmp_path, Scripted()).refused == 1


def test_a_first_line_that_is_damaged_is_no_run(tmp_path):
    write_journal(tmp_path, b"{oops", metric("loss"))
    cursor = fed(tmp_path, Scripted())
    assert (cursor.state, cursor.error) == (STOPPED, f"{tmp_path}: no run has begun there")


def test_a_function_is_told_of_whole_steps_and_again_at_the_end_alone(tmp_path):
    told = []

    def function(values, step):
        told.append((step, dict(values)))
        values["val"]

    before = time.monotonic()
    with assay.Run(tmp_path / "exp", trackers=[function], flush_s=600) as run:
        for step in range(100):
            run.log({"a": 1.0, "b": 2.0}, step=step)
        run.log({"val": 1.0}, step=100)
    assert time.monotonic() - before < 300  # no waiting for what nobody will take
    steps = [(step, {"a": 1.0, "b": 2.0}) for step in range(100)]
    assert told == [*steps, (100, {"val": 1.0}), *steps]


def test_a_cursor_of_another_journal_counts_for_nothing(tmp_path):
    lines = [points(step, 100.0 + step, loss=1.0) for step in range(20)]
    write_journal(tmp_path, HEAD, metric("loss"), *lines)
    fed(tmp_path, Scripted())
    assert Cursor.of(str(tmp_path), {"tracker": "scripted"}, 9**9).points == 20
    assert Cursor.of(str(tmp_path), {"tracker": "scripted"}, 100).points == 0


def test_no_password_is_kept():
    error = RuntimeError("API request to https://me:pw@host/api failed")
    assert in_words(error) == "API request to https://…@host/api failed"


def test_a_server_that_answers_is_not_away():
    error = OSError("413 Client Error")
    error.response = object()
    assert not is_outage(error)


@pytest.mark.parametrize("options", [{"uri": 3}, {"what": 1}])
def test_a_spec_that_fits_no_tracker(options):
    with pytest.raises(InputError, match="tracker mlflow cannot be made of"):
        made_of({"tracker": "mlflow", **options})


def test_numbers_are_told_as_sent_while_a_file_is_tried(tmp_path):
    seen = []

    class Slow(Scripted):
        def artifact(self, file):
            cursor = Cursor.of(str(tmp_path), {"tracker": "scripted"})
            seen.append((cursor.points, [own["what"] for own in cursor.unsent]))
            super().artifact(file)

    assert is_sent(fed(with_files(tmp_path, 2), Slow()))
    assert seen == [(1, ["0.txt", "1.txt"])] * 2
