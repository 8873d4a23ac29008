"""Entries on their way to a tracker, whole and in the smallest parts that say the same."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from assay.core.record import Entry, File, Histogram, Points
from assay.run.failures import in_words

__all__ = ["Failed", "Pending", "halves", "singles", "told"]


class Pending(NamedTuple):
    """An entry that is to be sent, and the number of its line."""

    entry: Entry
    line: int

    @property
    def name(self) -> str:
        """What it is called; of several values the first."""
        entry = self.entry
        if isinstance(entry, Points):
            return entry.values[0][0].key
        if isinstance(entry, Histogram):
            return entry.key
        return entry.path if isinstance(entry, File) else "parameters"


class Failed(NamedTuple):
    """What could not be sent, and why."""

    pending: Pending
    error: Exception


def singles(pending: Pending) -> list[Pending]:
    """The smallest entries that say the same: points have one value each."""
    entry = pending.entry
    if not isinstance(entry, Points):
        return [pending]
    return [Pending(replace(entry, values=[value]), pending.line) for value in entry.values]


def halves(batch: Sequence[Pending]) -> list[Sequence[Pending]]:
    """A batch in two parts; none of what is as small as can be."""
    parts = batch if len(batch) > 1 else singles(batch[0])
    middle = len(parts) // 2
    return [parts[:middle], parts[middle:]] if middle else []


def told(failed: Failed) -> dict[str, Any]:
    """An entry of Cursor.unsent."""
    pending = failed.pending
    step = getattr(pending.entry, "step", None)
    error = in_words(failed.error)
    return {"line": pending.line, "what": pending.name, "step": step, "error": error}
