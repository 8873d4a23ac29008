"""Trackers before anything is started: what they are made of, what they refuse, what they load."""

import json
import sys
from pathlib import Path

import pytest

import assay
from assay.core.errors import InputError, MissingDependency
from assay.core.protocols import Tracker
from assay.trackers import TRACKERS, made_of
from assay.trackers._shared import fitting

MADE = {
    "mlflow": lambda: assay.trackers.mlflow.MLflow("sqlite:///runs.db", experiment="exp"),
    "wandb": lambda: assay.trackers.wandb.WandB(project="exp", entity="us", dir="w"),
    "tensorboard": lambda: assay.trackers.tensorboard.TensorBoard("tb"),
}


@pytest.mark.parametrize("name", TRACKERS)
def test_a_spec_is_plain_and_makes_the_same_again(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracker = MADE[name]()
    assert isinstance(tracker, Tracker)
    spec = tracker.spec()
    assert json.loads(json.dumps(spec)) == spec
    assert spec["tracker"] == name
    monkeypatch.chdir("/")  # a sender may be started anywhere
    assert made_of(spec).spec() == spec


def test_specs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert MADE["mlflow"]().spec() == {
        "tracker": "mlflow", "uri": f"sqlite:///{tmp_path}/runs.db", "experiment": "exp",
    }  # fmt: skip
    assert MADE["wandb"]().spec() == {
        "tracker": "wandb", "project": "exp", "mode": "offline", "entity": "us",
        "dir": f"{tmp_path}/w",
    }  # fmt: skip
    assert MADE["tensorboard"]().spec() == {"tracker": "tensorboard", "logdir": f"{tmp_path}/tb"}


def test_nothing_is_loaded_before_start(fresh_python):
    code = (
        "import sys, assay\n"
        "assay.trackers.mlflow.MLflow('sqlite:///x.db'); assay.trackers.wandb.WandB()\n"
        "assay.trackers.tensorboard.TensorBoard('tb'); dir(assay.trackers)\n"
        "print({'mlflow', 'wandb', 'tensorboard', 'torch', 'pyarrow'} & set(sys.modules))"
    )
    assert fresh_python(code) == "set()"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("./mlruns", "MLflow: uri must be a database or a server, got './mlruns': MLflow takes no"),
        ("file:///tmp/mlruns", "sqlite:///mlflow.db is one file"),
        ("", "must be a database or a server, got ''"),
        (
            "https://me:secret@host/x",
            "must hold no user, password or token, got https://…@host: it",
        ),
        ("postgresql://me:secret@db/x", "put it into MLFLOW_TRACKING_URI and leave the argument"),
        ("https://host/x?token=secret", "must hold no user, password or token"),
        ("https://host/x?Token=abc", "must hold no user, password or token"),
        ("https://host/x?api_key=abc", "must hold no user, password or token"),
    ],
)
def test_uris_that_are_refused_and_not_repeated(uri, message):
    with pytest.raises(InputError) as caught:
        assay.trackers.mlflow.MLflow(uri)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["databricks", "databricks://me", "http://127.0.0.1:5000", "sqlite://", "mysql://db/x"]
)
def test_uris_that_stay_as_they_are(uri):
    assert assay.trackers.mlflow.MLflow(uri).spec()["uri"] == uri


def test_an_unknown_mode():
    with pytest.raises(InputError, match="WandB: mode must be one of offline, online, got 'off'"):
        assay.trackers.wandb.WandB(mode="off")


def test_an_unknown_tracker():
    with pytest.raises(InputError, match="must be one of mlflow, wandb, tensorboard, got 'aim'"):
        made_of({"tracker": "aim"})
    with pytest.raises(AttributeError, match=r"module 'assay.trackers' has no attribute 'aim'"):
        _ = assay.trackers.aim


@pytest.mark.parametrize("name", TRACKERS)
def test_an_sdk_that_is_absent_is_said_at_once(name, monkeypatch):
    class Absent:
        def find_spec(self, wanted, path=None, target=None):
            if wanted.partition(".")[0] == name:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for loaded in [m for m in sys.modules if m.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setattr("assay.trackers._shared.find_spec", lambda package: None)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    with pytest.raises(MissingDependency, match=rf"pip install 'assay\[{name}\]'$"):
        MADE[name]()


def test_nothing_to_adopt():
    with pytest.raises(InputError, match=r"no run is active; begin one by mlflow.start_run\(\)"):
        assay.trackers.mlflow.MLflow.active()
    with pytest.raises(InputError, match=r"no run is active; begin one by wandb.init\(\)"):
        assay.trackers.wandb.WandB.active()


def test_a_tracker_is_named_once():
    one, two = MADE["tensorboard"](), MADE["tensorboard"]()
    with pytest.raises(InputError) as caught:
        assay.Run("x", trackers=[one, two])
    assert str(caught.value) == f"Run: trackers has tensorboard {Path('tb').resolve()} twice"


def test_long_keys_are_cut_and_stay_apart():
    one, two = (fitting("x" * 300 + end, 250) for end in "ab")
    assert len(one) == len(two) == 250
    assert one != two
    assert one == fitting("x" * 300 + "a", 250)
    assert fitting("x" * 250, 250) == "x" * 250


def test_a_class_that_is_looked_for_in_the_package_is_pointed_to():
    import assay.trackers

    with pytest.raises(AttributeError, match=r"'MLflow'; it is assay\.trackers\.mlflow\.MLflow"):
        _ = assay.trackers.MLflow
