"""A run's directory, taken for this process: locked, its journal open, its first line written."""

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from assay.core.errors import DataError
from assay.core.journal_lines import JOURNAL, VERSION
from assay.core.record import RunRecord, read_journal
from assay.run.journal_file import JournalFile, Lock, encoded, log
from assay.run.sender import LOCK

__all__ = ["Opened", "opened", "rank", "record_there"]


LAUNCHED = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK")  # torchrun, Open MPI, MPICH and Intel MPI


class Opened(NamedTuple):
    """before: what is in the journal that is gone on with. begin: the byte it goes on from."""

    lock: Lock
    journal: JournalFile
    before: RunRecord | None
    begin: int


def opened(directory: str, head: Mapping[str, Any], *, resume: bool, strict: bool) -> Opened:
    """Take a directory and write the first line of a run or of its continuation, made of `head`.

    DataError where it cannot be written, where a run is being written, or has been and resume is
    not asked for.
    """
    lock = Lock(os.path.join(directory, LOCK))
    try:
        os.makedirs(directory, exist_ok=True)
        taken = lock.take()
    except OSError as error:
        raise DataError(
            f"{directory}: no run can be written there: {error.strerror}; name another directory"
        ) from error
    if not taken:
        raise DataError(
            f"{directory}: {lock.holder()} is writing a run there; name another directory"
        )
    with _released_on_error(lock):
        before = record_there(directory)
        if before is not None and not resume:
            raise DataError(
                f"{directory}: holds the run {before.name!r} ({before.status}) already; "
                "resume=True goes on with it, or name another directory"
            )
        journal = JournalFile(directory, strict)
        begin = journal.size
        about = {"kind": "resume" if before else "run", "version": VERSION, **head}
        about |= {"versions": _versions(), "host": socket.gethostname(), "pid": os.getpid()}
        journal.append(encoded(about | ({"id": before.id} if before else {})))
    return Opened(lock, journal, before, begin)


def record_there(directory: str) -> RunRecord | None:
    """The run that is in a directory, if one has begun there."""
    if not os.path.exists(os.path.join(directory, JOURNAL)):
        return None
    record = read_journal(directory)
    return record if record.id else None


def rank() -> int:
    """0 for the first of several processes, or the only one; else another number."""
    torch = sys.modules.get("torch")
    distributed: Any = getattr(torch, "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    for name in LAUNCHED:
        if name in os.environ:
            return _number(name)
    if _number("SLURM_NTASKS") > 1 and (task := _number("SLURM_PROCID")):
        log.warning(
            "assay: task %d of %s of Slurm records nothing, task 0 does; where each task is a run "
            "of its own, set RANK=0 in all of them",
            task,
            os.environ["SLURM_NTASKS"],
        )
        return task
    # Lightning gives the processes that it starts no RANK.
    return max(_number("NODE_RANK"), _number("LOCAL_RANK"))


def _number(variable: str) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else 0


@contextmanager
def _released_on_error(lock: Lock) -> Iterator[None]:
    try:
        yield
    except BaseException:
        lock.release()
        raise


def _versions() -> dict[str, str]:
    from importlib import metadata

    names = ["assay", *(name for name in ("numpy", "torch") if name in sys.modules)]
    return {"python": sys.version.split()[0], **{name: metadata.version(name) for name in names}}
