"""TensorBoard's event files where writing them goes wrong."""

import errno
import os
import resource

import pytest

from assay.core.record import Metric, Params, Points, RunRecord
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


def hparams_in(folder):
    """As TensorBoard's own reader has them."""
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.plugins.hparams import metadata

    reader = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    (run,) = reader.Runs()
    content = reader.SummaryMetadata(run, metadata.SESSION_START_INFO_TAG).plugin_data.content
    found = metadata.parse_session_start_info_plugin_data(content).hparams
    scalars = [event.step for event in reader.Tensors(run, "loss")]
    return {name: getattr(own, own.WhichOneof("kind")) for name, own in found.items()}, scalars


def test_parameters_that_come_late_are_among_the_hyperparameters(tmp_path, tracker):
    tracker.log([Params({"lr": 0.5}, {}), Params({"layers": 3}, {}), *entries(0)])
    assert len([*tmp_path.rglob("events.out.*")]) == 1
    assert hparams_in(tmp_path) == ({"lr": 0.5, "layers": 3}, [0])
    tracker.log([*entries(1), Params({"late": "yes", "lr": 0.25}, {}), *entries(2)])
    tracker.log([Params({"alpha": 1}, {"stage": "kd"}), Params({"later": True}, {})])
    tracker.log(entries(3))
    tracker.finish("finished")
    late = {"lr": 0.25, "layers": 3, "late": "yes", "later": True}
    assert hparams_in(tmp_path) == (late, [0, 1, 2, 3])
    tracker.start(RunRecord("x", id="abc", name="exp"))  # anew
    tracker.log(entries(0))
    assert len([*tmp_path.rglob("events.out.*")]) == 1


def test_late_parameters_that_cannot_be_written_repeat_no_point(tmp_path, tracker, monkeypatch):
    tracker.log([Params({"lr": 0.5}, {}), *entries(0)])
    monkeypatch.setattr("os.replace", _refuse)
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            tracker.log([Params({"late": 1}, {}), *entries(1)])
    monkeypatch.undo()
    tracker.log([Params({"late": 1}, {}), *entries(1)])
    assert hparams_in(tmp_path) == ({"lr": 0.5, "late": 1}, [0, 1])


def _refuse(*paths):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", ["界/" * 300, "a\0b", "..", "x\n" * 200])
def test_the_name_of_a_run_is_no_path(tmp_path, name):
    TensorBoard(tmp_path).start(RunRecord("x", id="abc", name=name))
    (folder,) = tmp_path.iterdir()
    assert folder.name.endswith("-abc")
