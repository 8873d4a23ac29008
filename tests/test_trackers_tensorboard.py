"""TensorBoard's event files where writing them goes wrong."""

import resource

import pytest

from assay.core.record import Metric, Points, RunRecord
from assay.trackers.tensorboard import TensorBoard


def steps_in(folder):
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    (path,) = folder.rglob("events.out.*")
    found = (Event.FromString(raw) for raw in RawEventFileLoader(str(path)).Load())
    return [event.step for event in found if event.summary.value]


def entries(*steps):
    return [Points(1.0, step, [(Metric("loss", {}, "loss"), 0.5)], {}) for step in steps]


@pytest.fixture
def tracker(tmp_path):
    made = TensorBoard(tmp_path)
    made.start(RunRecord("x", id="abc", name="exp"))
    return made


def test_a_full_disk_leaves_nothing_of_a_batch_and_the_next_attempt_is_whole(tmp_path, tracker):
    tracker.log(entries(0, 1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        for _ in range(3):
            with pytest.raises(OSError, match=r"too large|No space"):
                tracker.log(entries(*range(2, 50)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert steps_in(tmp_path) == [0, 1]
    tracker.log(entries(*range(2, 50)))
    assert steps_in(tmp_path) == list(range(50))


def test_of_a_batch_that_fails_nothing_is_written(tmp_path, tracker):
    with pytest.raises(AttributeError):
        tracker.log([*entries(0), Points(1.0, 1, [(None, 0.5)], {})])
    tracker.log(entries(0))
    tracker.finish("finished")
    assert steps_in(tmp_path) == [0, 0]  # and the end


@pytest.mark.parametrize("name", ["界/" * 300, "a\0b", "..", "x\n" * 200])
def test_the_name_of_a_run_is_no_path(tmp_path, name):
    TensorBoard(tmp_path).start(RunRecord("x", id="abc", name=name))
    (folder,) = tmp_path.iterdir()
    assert folder.name.endswith("-abc")
