"""Trackers that are told of a run from elsewhere: they write where they are told to, and tell their
makers nothing."""

import os
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from assay.core.errors import AssayError
from assay.core.journal_lines import journal_lines
from assay.core.record import File, RunRecord, read_journal, take_line
from assay.trackers.mlflow import MLflow
from assay.trackers.tensorboard import TensorBoard
from assay.trackers.wandb import WandB
from run_kit import END, HEAD, metric, points, write_journal

EVIL = "../../../evil"
TRACKERS = {
    "tensorboard": TensorBoard,
    "wandb": lambda place: WandB(dir=place),
    "mlflow": lambda place: MLflow(f"sqlite:///{place}/mlflow.db", EVIL),
}


@pytest.fixture(autouse=True)
def environment():
    """As it was, behind each test."""
    with patch.dict(os.environ):
        yield


def foreign(folder: Path) -> Path:
    """A run whose names all lead elsewhere; its files are its own."""
    tags = {"stage": EVIL, "fold": EVIL, EVIL: EVIL}
    about = {"time": 2.0, "step": 1, "name": EVIL, "tags": tags}
    run = write_journal(
        folder,
        {**HEAD, "name": EVIL, "tags": tags, "params": {EVIL: EVIL}},
        metric(EVIL, tags=tags, suffix=f"/{EVIL}"),
        points(0, 1.0, **{EVIL: 0.5}),
        {"kind": "params", "time": 1.0, "params": {EVIL: "x" * 7_000}, "tags": tags},
        {"kind": "histogram", **about, "edges": [0, 1], "counts": [3]},
        *({"kind": kind, **about, "path": f"{kind}.csv"} for kind in ("table", "artifact")),
        {"kind": "figure", **about, "path": "figure.png"},
        END,
    )
    for name in ("table.csv", "artifact.csv", "figure.png"):
        (run / name).write_text("a,b\n1,2\n")
    return run


@pytest.mark.filterwarnings("ignore")  # of the SDKs
@pytest.mark.parametrize(
    "name", ["tensorboard", *(pytest.param(n, marks=pytest.mark.slow) for n in ("wandb", "mlflow"))]
)
def test_no_name_of_a_run_leads_out_of_a_tracker_s_place(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    place = tmp_path / "x" / "y" / "place"
    place.mkdir(parents=True)
    run = foreign(tmp_path / "x" / "y" / "run")
    before = {*tmp_path.rglob("*")}
    tracker, record = TRACKERS[name](place), RunRecord(str(run), keep=False)
    entries = [entry for line in journal_lines(str(run)) if (entry := take_line(record, line))]
    tracker.start(record)
    for entry in entries:
        try:
            tracker.artifact(entry) if isinstance(entry, File) else tracker.log([entry])
        except AssayError:
            assert name == "mlflow"  # which refuses such names itself
    tracker.finish("finished")
    made = {path for path in {*tmp_path.rglob("*")} - before if path.is_file()}
    assert made
    outside = {path for path in made if not path.is_relative_to(place)}
    assert not {path for path in outside if not path.is_relative_to(tmp_path / "home")}
    assert not [*tmp_path.parent.glob("evil*")]


@pytest.mark.parametrize("id", ["../x", "a/b", "", "..", "a*"])
def test_no_id_of_a_run_is_a_path_or_a_pattern(id, tmp_path):
    """Trackers find a run again by it, in folders whose names it is a part of."""
    run = write_journal(tmp_path / "run", {**HEAD, "id": id})
    with pytest.raises(AssayError, match="is damaged"):
        read_journal(str(run))


def test_no_folder_of_another_place_is_taken_for_one_of_this(tmp_path, monkeypatch):
    """W&B's of a run that was begun before are deleted; the name of a place is no pattern."""
    folders = [tmp_path / name / "wandb" / "offline-run-1-abc" for name in ("a[b]*", "abc")]
    for folder in folders:
        folder.mkdir(parents=True)
    sdk = SimpleNamespace(Settings=dict, init=lambda **options: 1 / 0)
    monkeypatch.setattr("assay.trackers.wandb.require", lambda name: sdk)
    with pytest.raises(ZeroDivisionError):
        WandB(dir=tmp_path / "a[b]*").start(RunRecord("x", id="abc"))
    assert [folder.exists() for folder in folders] == [False, True]


@pytest.mark.parametrize(
    ("made", "module", "variable"),
    [
        (lambda: MLflow("sqlite://"), "mlflow", "MLFLOW_DISABLE_TELEMETRY"),
        (WandB, "wandb", "WANDB_ERROR_REPORTING"),
    ],
)
@pytest.mark.parametrize("own", [None, "as before"])
def test_makers_of_trackers_are_told_nothing_unasked(made, module, variable, own, monkeypatch):
    monkeypatch.delenv(variable, raising=False)
    if own:
        monkeypatch.setenv(variable, own)

    def require(name: str) -> None:
        assert os.environ[variable] == (own or {"mlflow": "true", "wandb": "false"}[name])
        raise ImportError("asked for")

    monkeypatch.setattr(f"assay.trackers.{module}.require", require)
    with pytest.raises(ImportError, match="asked for"):
        made().start(RunRecord("x", id="abc"))
