"""Tracking: what a loop waits for when it logs n scalars, held against MLflow's own call.

Ours has three trackers: MLflow in a database, TensorBoard, and a server that is not there. Between
calls there is a pause that is not timed: a loop that does nothing else is at times put aside by the
system, for longer than any of this takes, and logs more than anybody sends.
"""

import atexit
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gate import Contender, Took, Work

NOBODY = "http://127.0.0.1:9"  # the port of `discard`, where nothing listens

PAUSE_S = 5e-4


@cache
def folder() -> Path:
    """Of one process; removed at its end."""
    made = tempfile.TemporaryDirectory(prefix="assay-bench-", ignore_cleanup_errors=True)
    atexit.register(made.cleanup)
    return Path(made.name)


def values(n: int, step: int) -> dict[str, float]:
    return {f"metric_{i}": (step + i) / 7 for i in range(n)}


class _Steps:
    """Values of one step after another, made before they are timed."""

    def __init__(self, n: int) -> None:
        self.step = 0
        self.made = [values(n, step) for step in range(1_000)]

    def next(self) -> tuple[int, dict[str, float]]:
        self.step += 1
        return self.step, self.made[self.step % len(self.made)]

    def last(self) -> Mapping[str, float]:
        return self.made[self.step % len(self.made)]


@cache
def _open_run() -> Any:
    import assay

    trackers = [
        assay.trackers.mlflow.MLflow(f"sqlite:///{folder()}/sent.db", experiment="bench"),
        assay.trackers.tensorboard.TensorBoard(folder() / "tb"),
        assay.trackers.mlflow.MLflow(NOBODY, experiment="dead"),
    ]
    run = assay.Run(folder() / "run", trackers=trackers, flush_s=0).__enter__()

    def end() -> None:
        run.__exit__(None, None, None)
        sender = int((folder() / "run" / "sent" / "lock").read_text() or 0)
        if sender:  # a loop without work in between logs more than anybody sends
            os.kill(sender, 9)

    atexit.register(end)
    return run


@cache
def _open_peer() -> str:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder()}/peer.db")
    mlflow.set_experiment("bench")
    atexit.register(mlflow.end_run)
    return str(mlflow.start_run().info.run_id)


def timed(call: Callable[[], Any]) -> Took:
    """One call after a pause."""
    time.sleep(PAUSE_S)
    start = time.perf_counter()
    call()
    return Took(time.perf_counter() - start, None)


def log(n: int) -> Work:
    steps = _Steps(n)

    def ours() -> Contender:
        from assay.core.record import read_journal

        run = _open_run()

        def one() -> Took:
            step, made = steps.next()
            return timed(lambda: run.log(made, step=step))

        def read(_: Took) -> Mapping[str, float]:
            record = read_journal(run.directory)
            return {key: record.points(key)[-1].value for key in record.metrics}

        return Contender(one, read)

    def mlflow() -> Contender:
        import mlflow

        run = _open_peer()

        def one() -> Took:
            step, made = steps.next()
            return timed(lambda: mlflow.log_metrics(made, step=step, synchronous=True))

        def read(_: Took) -> Mapping[str, float]:
            found: Mapping[str, float] = mlflow.get_run(run).data.metrics
            return found

        return Contender(one, read)

    return Work(
        ours=ours,
        peers={"mlflow.log_metrics": mlflow},
        truth=lambda: _Now(steps),
        floor=_write(n),
    )


class _Now(dict[str, float]):
    """What was logged last: each contender takes a step of its own."""

    def __init__(self, steps: _Steps) -> None:
        super().__init__(steps.last())
        self.steps = steps

    def __getitem__(self, name: str) -> float:
        return self.steps.last()[name]


def _write(n: int) -> Callable[[], Any]:
    line = f'{{"kind":"points","time":1795805123.123456,"step":100,"values":{values(n, 1)}}}\n'
    handle = os.open(folder() / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    data = line.encode()
    return lambda: timed(lambda: os.write(handle, data))
