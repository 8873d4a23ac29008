"""MLflow, for real: a server that dies and comes back, its database read by SQL."""

import json
import shutil
import signal
import statistics
import subprocess
import sys
import time

import pytest

import assay
from assay.core.record import read_journal
from trackers_kit import Database, Server, log_two_folds, resync

pytest.importorskip("mlflow")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("mlflow"))
    made.start()
    yield made
    made.kill()


@pytest.fixture(autouse=True)
def first_rank(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # of the sender


def journalled(folder):
    """The points of a journal, as MLflow has them: by the keys in its one run."""
    record = read_journal(str(folder))
    found = []
    for line in (folder / "journal.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["kind"] == "points":
            for key, value in entry["values"].items():
                at = round(entry["time"] * 1000)
                found.append((record.metrics[key].key, entry["step"], float(value), 0, at))
    return sorted(found)


def test_a_run_with_stages_and_folds(server, tmp_path, capsys):
    folder = tmp_path / "exp"
    tracker = assay.trackers.mlflow.MLflow(server.uri, experiment="seeds")
    identity = log_two_folds(folder, [tracker])
    err = capsys.readouterr().err
    database = Database(server.database)
    runs = database.runs(identity)
    assert runs.keys() == {"exp", "baseline", "kd", "fold_1", "fold_2"}
    top, baseline = runs["exp"], runs["baseline"]
    assert f"assay: mlflow {server.uri} seeds: {server.uri}/#/experiments/" in err
    assert err.endswith(f"/runs/{top}\n")

    at = {p[0]: p for p in database.points(top)}
    assert at["macro_f1_std"][1:4] == (7, 0.25, 0)
    assert at["nan"][3] == 1
    assert at["big"][2] == -1.7976931348623157e308
    for name in ("fold_1", "fold_2"):
        found = [(key, step, value) for key, step, value, *_ in database.points(runs[name])]
        assert found == [
            *(("recall_at_10", epoch, 0.5 + epoch / 10) for epoch in range(3)),
            *(("val_loss", epoch, 1 / (epoch + 1)) for epoch in range(3)),
        ]
        assert database.tags(runs[name])["mlflow.parentRunId"] == baseline
    assert database.tags(baseline)["mlflow.parentRunId"] == top
    assert database.tags(top)["team"] == "speech"

    sentence = "Two stages: baseline training, then knowledge distillation."
    for run in runs.values():
        params = database.params(run)
        assert params["pipeline"] == "baseline_kd"
        assert params["pipeline_description"] == sentence
        assert database.status(run) == "FINISHED"
    assert database.params(top)["flag"] == "True"
    assert len(database.params(top)["note"]) == 6000
    assert database.params(top)["note"].endswith("… (whole in parameters.json)")
    assert database.params(runs["kd"])["alpha"] == "0.5"

    files = {p.name for p in (server.folder / "files").rglob(f"*{top}*/**/*") if p.is_file()}
    assert files == {
        *("parameters.json", "weights-3.json", "roc-2.png", "broken.png"),
        *("best_metrics.csv", "best.pt"),
    }  # fmt: skip


LOOP = """
import sys, time, assay
folder, uri = sys.argv[1:]
tracker = assay.trackers.mlflow.MLflow(uri, experiment="killed")
with assay.Run(folder, trackers=[tracker]) as run:
    for step in range(10**9):
        run.log({"loss": 1 / (step + 1), "acc": step * 0.1}, step=step)
        time.sleep(0.002)
"""


def test_server_and_trainer_die_and_nothing_is_lost_or_twice(server, tmp_path, capsys, caplog):
    folder, database = tmp_path / "killed", Database(server.database)
    trainer = subprocess.Popen([sys.executable, "-c", LOOP, str(folder), server.uri])
    count = (
        "select count(*) from metrics m join runs r on m.run_uuid = r.run_uuid "
        "join experiments e on r.experiment_id = e.experiment_id where e.name = 'killed'"
    )
    waiting_for(lambda: database.rows(count)[0][0] > 100)
    server.kill()  # in the middle of a batch, or not
    waiting_for(lambda: "waiting" in cursor_of(folder))
    trainer.send_signal(signal.SIGKILL)
    trainer.wait()

    # Another run begins while nobody answers.
    away = tmp_path / "away"
    tracker = assay.trackers.mlflow.MLflow(server.uri, experiment="away")
    took, step = [], 0
    with assay.Run(away, trackers=[tracker], flush_s=600) as run:
        deadline = time.monotonic() + 300
        while not caplog.messages and time.monotonic() < deadline:
            before = time.perf_counter()
            run.log({"loss": 1.0}, step=step)
            took.append(time.perf_counter() - before)
            step += 1
            time.sleep(0.005)
    assert statistics.median(took) < 0.1  # the machine may stand still, but not at every call
    assert caplog.messages == [
        f"assay: mlflow {server.uri} away: Connection refused; the run goes on, and what is logged "
        f"waits in {away}"
    ]
    err = capsys.readouterr().err
    assert (
        f"assay: mlflow {server.uri} away: {step:,} of {step:,} points are not sent "
        f"(Connection refused); later: assay resync {away}\n"
    ) in err
    server.start()
    # That of the killed one begins anew, as after a lost cursor: nothing may come twice.
    for cursor in (folder / "sent").glob("*.json"):
        cursor.unlink()
    for path, written in ((away, step), (folder, read_journal(str(folder)).written)):
        done = resync(path)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"mlflow {server.uri} {path.name}: {written:,} points sent\n" in done.stdout
        (at,) = database.runs(read_journal(str(path)).id).values()
        assert database.points(at) == journalled(path)
    assert database.status(at) == "KILLED"

    # The run goes on after that: the same run there.
    tracker = assay.trackers.mlflow.MLflow(server.uri, experiment="killed")
    with assay.Run(
        folder, resume=True, trackers=[tracker], params={"lr": 0.5}, flush_s=600
    ) as more:
        more.log({"loss": 7.0}, step=0)
    assert database.runs(more.id) == {"killed": at}
    assert database.points(at) == journalled(folder)
    assert (database.status(at), database.params(at)["lr"]) == ("FINISHED", "0.5")


def test_more_than_mlflow_takes_at_once(server, tmp_path):
    folder, database = tmp_path / "exp", Database(server.database)
    tracker = assay.trackers.mlflow.MLflow(server.uri, experiment="limits")
    names = {f"{'k' * 300}{i}": float(i) for i in range(2500)}
    params = {f"p{i}": i for i in range(250)} | {"long" * 90: "x"}
    with assay.Run(folder, trackers=[tracker], params=params, flush_s=600) as run:
        run.log(names, step=0)
    (at,) = database.runs(run.id).values()
    points = database.points(at)
    assert sorted(value for _, _, value, *_ in points) == list(map(float, range(2500)))
    assert {len(key) for key, *_ in points} == {250}
    assert len(database.params(at)) == 251


def test_a_database_without_a_server_and_an_active_run(server, tmp_path, capsys):
    folder, path = tmp_path / "exp", tmp_path / "mlflow.db"
    shutil.copy(server.database, path)  # its tables take seconds to make
    code = f"""
import mlflow, assay
mlflow.set_tracking_uri("sqlite:///{path}")
mlflow.set_experiment("seeds")
with mlflow.start_run(run_name="mine") as own:
    trackers = [assay.trackers.mlflow.MLflow.active()]
    with assay.Run({str(folder)!r}, trackers=trackers, flush_s=600) as run:
        run.log({{"loss": 0.5}}, step=1)
        run.log({{"loss": 0.25}}, step=1, fold=1)
    print(own.info.run_id, mlflow.get_run(own.info.run_id).info.status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    own, status = done.stdout.split()
    database = Database(path)
    assert status == "RUNNING"  # it is ended by who began it
    assert [p[:3] for p in database.points(own)] == [("loss", 1, 0.5)]
    (fold,) = database.runs(read_journal(str(folder)).id).values()
    assert database.tags(fold)["mlflow.parentRunId"] == own
    assert f"mlflow ui --backend-store-uri sqlite:///{path}\n" in done.stderr


def cursor_of(folder):
    return "".join(path.read_text() for path in (folder / "sent").glob("*.json"))


def waiting_for(what, seconds=300):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)
