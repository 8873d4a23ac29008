"""TensorBoard and Weights & Biases: what they wrote, read back by their own readers."""

import json
import math
import os
import resource
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

import assay
from assay.core.record import read_journal
from trackers_kit import log_two_folds, resync

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def first_rank(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # of the sender


def events(folder):
    """(tag, step) -> the values of all events in a folder, in order."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    found = {}
    for path in sorted(folder.rglob("events.out.*")):
        for raw in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(raw)
            for value in event.summary.value:
                found.setdefault((value.tag, event.step), []).append((event.wall_time, value))
    return found


BLOCK = 32768  # of W&B's file, which is a log of LevelDB's form


def records(path):
    """The records of a .wandb file: in each block parts with a checksum, a length and a kind."""
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    place, whole = 7, b""
    while place < len(data):
        left = BLOCK - place % BLOCK
        if left < 7:  # too little for a head: filled with zeros
            place += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, place)
        part = data[place + 7 : place + 7 + size]
        place += 7 + size
        whole = part if kind in (1, 2) else whole + part  # full, first, middle, last
        if kind in (1, 4):
            yield whole


def rows(folder):
    """The rows, the configuration and the exit code in W&B's file, by its own messages."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.rglob("*.wandb")
    history, config, code = [], {}, None
    for data in records(path):
        record = Record.FromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "history":
            history.append(
                {
                    item.key or item.nested_key[0]: json.loads(item.value_json)
                    for item in record.history.item
                    if len(item.nested_key) < 2 or item.nested_key[1] == "_type"
                }
            )
        elif kind in ("run", "config"):
            told = record.run.config if kind == "run" else record.config
            for item in told.update:
                config[item.key or item.nested_key[0]] = json.loads(item.value_json)
        elif kind == "exit":
            code = record.exit.exit_code
    return history, config, code


def series_of(folder):
    record = read_journal(str(folder))
    return {(key, p.step): p for key in record.metrics for p in record.points(key)}


def both(tmp_path):
    return [
        assay.trackers.tensorboard.TensorBoard(tmp_path / "tb"),
        assay.trackers.wandb.WandB(project="exp"),
    ]


def check(folder, tmp_path, status):
    """Every point of the journal is in both, once, with its time."""
    wanted = series_of(folder)
    found = events(tmp_path / "tb")
    for (key, step), point in wanted.items():
        ((at, value),) = found[key, step]
        assert at == pytest.approx(point.time, abs=1e-5)
        with np.errstate(over="ignore"):
            held = np.float32(point.value)
        assert value.simple_value == held or math.isnan(held)
    history, config, code = rows(folder / "wandb")
    told = {}
    for row in history:
        for key, value in row.items():
            if not key.startswith("_") and key != "step":
                told.setdefault((key, row["step"]), []).append((row["_timestamp"], value))
    for place, point in wanted.items():
        ((at, value),) = told[place]
        assert at == pytest.approx(point.time, abs=1e-5)
        assert float(value) == point.value or math.isnan(point.value)
    assert code == {"finished": 0, "failed": 1, "killed": 255}[status]
    return found, told, config


def test_a_run_with_stages_and_folds(tmp_path, capsys):
    folder = tmp_path / "exp"
    identity = log_two_folds(folder, both(tmp_path), name="my exp")
    err = capsys.readouterr().err
    found, told, config = check(folder, tmp_path, "finished")

    assert f"assay: tensorboard {tmp_path}/tb: tensorboard --logdir {tmp_path}/tb\n" in err
    (at,) = (folder / "wandb").glob("offline-run-*")
    assert at.name.endswith(identity)
    assert f"wandb exp offline: wandb sync {at}\n" in err

    (image,) = [value for _, value in found["figures/roc", 2]]
    assert (image.image.width, image.image.height) == (2, 1)
    (histogram,) = [value.histo for _, value in found["weights", 3]]
    assert (histogram.num, histogram.min, histogram.max) == (3, 1, 4)
    assert sum(histogram.bucket) == 3
    (table,) = [value.tensor.string_val[0] for _, value in found["tables/best_metrics", 0]]
    assert table == b"fold,f1\n1,0.5\n"
    assert ("_hparams_/session_start_info", 0) in found
    assert ("_hparams_/session_end_info", 0) in found

    assert told["figures/roc", 2][0][1] == "image-file"
    assert told["weights", 3][0][1] == "histogram"
    assert told["tables/best_metrics", 0][0][1] == "table-file"
    assert (at / "files" / "figures" / "broken.png").exists()
    assert found["files/broken", 0]
    assert (at / "files" / "models" / "best.pt").read_bytes() == b"model"
    assert config["pipeline"] == "baseline_kd"
    assert config["pipeline_description"].startswith("Two stages: baseline training, then")
    assert (config["lr"], config["kd/alpha"]) == (0.1, 0.5)


def test_hyperparameters_are_read_by_tensorboard(tmp_path):
    from tensorboard.plugins.hparams import plugin_data_pb2

    folder = tmp_path / "exp"
    tracker = assay.trackers.tensorboard.TensorBoard(tmp_path / "tb")
    params = {"lr": 0.5, "layers": 3, "bn": True, "opt": "adam", "none": None}
    with (
        pytest.raises(ValueError, match="stop"),
        assay.Run(folder, params=params, trackers=[tracker], flush_s=600),
    ):
        raise ValueError("stop")
    found = events(tmp_path / "tb")
    ((_, start),) = found["_hparams_/session_start_info", 0]
    ((_, end),) = found["_hparams_/session_end_info", 0]
    about = plugin_data_pb2.HParamsPluginData.FromString(start.metadata.plugin_data.content)
    hparams = about.session_start_info.hparams
    assert hparams["lr"].number_value == 0.5
    assert hparams["layers"].number_value == 3
    assert hparams["bn"].bool_value is True
    assert hparams["opt"].string_value == "adam"
    assert "none" not in hparams
    about = plugin_data_pb2.HParamsPluginData.FromString(end.metadata.plugin_data.content)
    assert about.session_end_info.status == 2  # failure


LOOP = """
import sys, time, assay
folder, out = sys.argv[1:]
trackers = [assay.trackers.tensorboard.TensorBoard(out), assay.trackers.wandb.WandB(project="exp")]
with assay.Run(folder, trackers=trackers) as run:
    for step in range(10**9):
        run.log({"loss": 1 / (step + 1), "acc": step * 0.1}, step=step)
        time.sleep(0.01)
"""


def test_trainer_and_sender_are_killed_and_every_point_is_there_once(tmp_path, capsys):
    folder = tmp_path / "exp"
    trainer = subprocess.Popen([sys.executable, "-c", LOOP, str(folder), str(tmp_path / "tb")])
    deadline = time.monotonic() + 300
    while sum('"points": 0,' not in p.read_text() for p in (folder / "sent").glob("*.json")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    sender = int((folder / "sent" / "lock").read_text())
    os.kill(sender, signal.SIGKILL)
    trainer.kill()
    trainer.wait()
    done = resync(folder)
    assert done.returncode == 0, done.stderr
    check(folder, tmp_path, "killed")
    assert f"tensorboard --logdir {tmp_path}/tb" in done.stdout
    assert "wandb sync " in done.stdout

    # Gone on with: a repeated step is there with its last value alone.
    with assay.Run(folder, resume=True, flush_s=600) as run:
        for step in range(3):
            run.log({"loss": 100.0 + step}, step=step)
    check(folder, tmp_path, "finished")
    ((_, value),) = events(tmp_path / "tb")["loss", 1]
    assert value.simple_value == 101


def test_an_active_run_of_wandb_is_told(tmp_path):
    code = """
import wandb, assay, sys
settings = wandb.Settings(silent=True, console="off", x_disable_stats=True)
with wandb.init(project="own", mode="offline", settings=settings):
    with assay.Run("exp", trackers=[assay.trackers.wandb.WandB.active()], flush_s=600) as run:
        run.log({"recall@10": 0.5}, step=4, fold=1)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    history, _, _ = rows(tmp_path / "wandb")
    assert [(row["fold_1/recall_at_10"], row["step"]) for row in history] == [(0.5, 4)]


def test_a_logger_of_lightning_and_a_tracker_of_accelerate(tmp_path, fresh_python):
    """Their log methods, as they are."""
    code = f"""
import warnings
warnings.simplefilter("ignore")
import csv, assay
from accelerate.tracking import GeneralTracker
from lightning.pytorch.loggers import CSVLogger

class Own(GeneralTracker):
    name, requires_logging_directory = "own", False
    def __init__(self): self.seen = []
    @property
    def tracker(self): return self.seen
    def store_init_configuration(self, values): pass
    def log(self, values, step=None, **more): self.seen.append((values, step))

from accelerate import PartialState
PartialState(cpu=True)
own, logger = Own(), CSVLogger({str(tmp_path)!r}, name="csv")
with assay.Run({str(tmp_path / "exp")!r}, trackers=[own.log, logger.log_metrics]) as run:
    run.log({{"val_loss": 0.5}}, step=3)
logger.save()
print(own.seen)
print(open(logger.experiment.metrics_file_path).read().split())
"""
    assert fresh_python(code).splitlines()[-2:] == [
        "[({'val_loss': 0.5}, 3)]",
        "['step,val_loss', '3,0.5']",
    ]


def little_room():
    """For a process: no file may be longer."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))


def test_what_wandb_could_not_write_is_not_sent(tmp_path):
    folder = tmp_path / "exp"
    with assay.Run(folder) as run:
        for step in range(1_000):
            run.log({"loss": step / 7}, step=step)
    head, _, rest = (folder / "journal.jsonl").read_text().partition("\n")
    spec = json.dumps(assay.trackers.wandb.WandB(project="exp").spec())
    head = head.replace('"trackers":[]', f'"trackers":[{spec}]')
    (folder / "journal.jsonl").write_text(f"{head}\n{rest}")
    done = resync(folder, preexec_fn=little_room)
    assert done.returncode == 2
    assert "wandb exp offline: W&B could not write all of " in done.stderr
    done = resync(folder)
    assert (done.returncode, done.stdout.partition("\n")[0]) == (
        0, "wandb exp offline: 1,000 points sent",
    )  # fmt: skip
    history, _, _ = rows(folder / "wandb")
    assert [row["step"] for row in history] == list(range(1_000))


def test_wandb_gets_nothing_where_there_is_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr("assay.trackers.wandb.ROOM_BYTES", 1 << 80)
    tracker = assay.trackers.wandb.WandB()
    tracker._folder = str(tmp_path)
    with pytest.raises(OSError, match="No space left on device"):
        tracker.log([])
