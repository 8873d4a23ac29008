"""Who counts a corpus: the engines of run/ by name, and which of them the options mean."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from assay.cli.shared import check_named
from assay.core.errors import InputError

if TYPE_CHECKING:
    from assay.cli.corpus import Scale, Task

__all__ = ["ENGINES", "check_engine", "engine_for", "loaded", "one_cluster"]

ENGINES = {
    "local": "assay.run.jobs:local",
    "processes": "assay.run.process_engine:processes",  # local takes it, see Task.locked
    "ray": "assay.run.ray_engine:ray",
}
ASKED = ("local", "ray")

LOCKED_BYTES = 4 << 20  # of input from which on processes are worth their start


def check_engine(scale: "Scale", task: "Task") -> None:
    """Refuse options that do not fit the engine."""
    check_named(("--engine", scale.engine, ASKED))
    if scale.engine != "ray":
        if scale.ray_address is not None:
            raise InputError("--ray-address goes with --engine ray")
        return
    if scale.shard is not None:
        raise InputError(
            "--shard is for schedulers that start a command for each; leave it out with --engine "
            "ray, which counts all shards"
        )
    if task.per_item is not None and scale.work_dir is None:
        raise InputError(
            "--per-item with --engine ray needs --work-dir: every shard writes a file of its own, "
            "and the folder keeps account of them"
        )
    if getattr(task.source, "once", False):
        raise InputError(
            f"{task.source}: only this process can read a pipe, once; write it to a file for "
            "--engine ray"
        )


def engine_for(scale: "Scale", task: "Task", parts: Sequence[Any]) -> str:
    """The engine that was asked for; of local processes, where they are faster than threads: a lock
    is held, and there is enough to do for each of several shards."""
    from assay.core.threads import thread_count

    apart = (
        task.locked
        and scale.engine == "local"
        and scale.shard is None
        and (task.per_item is None or scale.work_dir is not None)
        and not getattr(task.source, "once", False)
        and len(parts) > 1
        and sum(part.size or 0 for part in parts) >= LOCKED_BYTES
        and thread_count() > 1
    )
    return "processes" if apart else scale.engine


@contextmanager
def one_cluster(scale: "Scale") -> Iterator[None]:
    """For several counts one after the other: the engine's cluster is started once."""
    if scale.engine != "ray":
        yield
        return
    from assay.run.ray_engine import connected

    with connected(scale.ray_address):
        yield


def loaded(engine: str, scale: "Scale") -> Any:
    """The run.jobs.Engine of this name."""
    module, _, name = ENGINES[engine].partition(":")
    found = getattr(import_module(module), name)
    return partial(found, address=scale.ray_address) if engine == "ray" else found
