"""What the tests of trackers share: an MLflow server, its database read by SQL, event files and
W&B's files read by their owners' readers."""

import os
import random
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time
import urllib.request
import zlib
from contextlib import closing, suppress
from pathlib import Path

import assay

QUIET = {"PYTHONWARNINGS": "ignore"}  # of the SDKs, in processes of their own


def resync(folder, **more):
    """`assay resync` in a process of its own, as a person runs it."""
    command = [sys.executable, "-m", "assay", "resync", str(folder)]
    about = {"capture_output": True, "text": True, "timeout": 600, **more}
    return subprocess.run(command, env=os.environ | QUIET, check=False, **about)


def free_port() -> int:
    """A port for a server that goes and comes back: below those that the system deals out, of which
    it may give one to somebody else meanwhile."""
    for port in random.SystemRandom().sample(range(10_000, 30_000), 100):
        with socket.socket() as own, suppress(OSError):
            own.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


class Server:
    """`mlflow server` on a loopback port, over one database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = None
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.database = folder / "mlflow.db"

    def start(self) -> None:
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
            *("--port", str(self.port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{self.database}"),
            *("--artifacts-destination", str(self.folder / "files")),
        ]
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                env=os.environ | QUIET | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )
        deadline = time.monotonic() + 300
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


class Database:
    """What MLflow's database holds, by SQL alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, query, *values):
        with closing(sqlite3.connect(self.path, timeout=30)) as connection:
            return connection.execute(query, values).fetchall()

    def runs(self, run_id):
        """name -> id of the runs that a journal has there."""
        query = (
            "select r.name, r.run_uuid from runs r join tags t on t.run_uuid = r.run_uuid "
            "where t.key = 'assay.run_id' and t.value = ?"
        )
        found = self.rows(query, run_id)
        assert len({name for name, _ in found}) == len(found)
        return dict(found)

    def points(self, run):
        query = "select key, step, value, is_nan, timestamp from metrics where run_uuid = ?"
        return sorted(self.rows(query, run))

    def params(self, run):
        return dict(self.rows("select key, value from params where run_uuid = ?", run))

    def tags(self, run):
        return dict(self.rows("select key, value from tags where run_uuid = ?", run))

    def status(self, run):
        return self.rows("select status from runs where run_uuid = ?", run)[0][0]


def png(width, height):
    """A black picture."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(bytes(height * (width + 1)))), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def log_two_folds(folder, trackers, **options):
    """A run as people have them: stages, folds, names that trackers do not take, all kinds of
    files. Returns its id."""
    params = {"pipeline": "baseline_kd", "lr": 0.1, "flag": True, "note": "x" * 7000}
    with assay.Run(
        folder, params=params, tags={"team": "speech"}, trackers=trackers, flush_s=600, **options
    ) as run:
        for fold in (1, 2):
            for epoch in range(3):
                values = {"val_loss": 1 / (epoch + 1), "recall@10": 0.5 + epoch / 10}
                run.log(values, step=epoch, stage="baseline", fold=fold)
        run.log({"macro_f1±": 0.25, "nan": float("nan"), "big": float("-inf")}, step=7)
        run.log_params({"alpha": 0.5}, stage="kd")
        run.log({"soft_loss": 2.0}, step=0, stage="kd")
        run.histogram([1.0, 2.0, 4.0], "weights", step=3)
        run.figure(png(2, 1), "roc", step=2)
        run.figure(b"\x89PNG, or not", "broken")
        run.table([{"fold": 1, "f1": 0.5}], "best_metrics")
        run.save(b"model", "best.pt")
    return run.id
