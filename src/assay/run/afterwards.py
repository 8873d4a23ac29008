"""What is added to a run that is over: it stays as it ended, and its trackers get it too."""

import os
import time

from assay.core.errors import DataError
from assay.core.record import read_journal
from assay.run.files import copy_in
from assay.run.journal_file import JournalFile, Lock, encoded
from assay.run.sender import LOCK

__all__ = ["keep"]


def keep(directory: str, path: str, name: str) -> None:
    """Record a file as an artifact of a run that is over, as run.artifact does in one that goes on.

    Its trackers get it by the next resync(). DataError where there is no run, where it goes on, and
    where its directory cannot be written.
    """
    read_journal(directory)
    lock = Lock(os.path.join(directory, LOCK))
    try:
        taken = lock.take()
    except OSError as error:
        raise DataError(f"{directory}: cannot be written: {error.strerror}") from error
    if not taken:
        raise DataError(
            f"{directory}: the run goes on, written by {lock.holder()}; in it, call run.artifact()"
        )
    try:
        name, inside = copy_in(directory, path, name, {}, {})
        journal = JournalFile(directory, strict=True)
        about = {"kind": "artifact", "time": time.time(), "step": None, "name": name, "tags": {}}
        journal.append(encoded({**about, "path": inside}))
        journal.close()
    finally:
        lock.release()
