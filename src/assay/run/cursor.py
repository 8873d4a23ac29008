"""How far a tracker is with a journal: a file of its own beside it, replaced at once.

Whoever goes on later, in whichever process, goes on from there.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from assay.core.fitting import misfit

__all__ = ["DONE", "SENDING", "STOPPED", "WAITING", "Cursor", "is_sent", "missing", "tracker_name"]

SENDING, WAITING, DONE, STOPPED = "sending", "waiting", "done", "stopped"
NAMED = 5  # entries that are not sent, in a message


def tracker_name(spec: Mapping[str, Any]) -> str:
    """What messages call a tracker: its kind, and what it is made of."""
    values = [str(value) for name, value in spec.items() if name != "tracker" and value is not None]
    return " ".join([str(spec.get("tracker")), *values])


@dataclass
class Cursor:
    """How far a tracker is. sent: bytes of the journal that arrived; line: how many lines that are;
    points: how many points. refused: entries it will never take, and the last reason. unsent: those
    it failed at while it took others, as {line, what, step, error}: the next time begins with them.
    since: when it last stopped answering. over: it knows that the run is over. closing: how to look
    at it."""

    path: str | None
    spec: dict[str, Any]
    sent: int = 0
    line: int = 0
    points: int = 0
    refused: int = 0
    reason: str = ""
    unsent: list[dict[str, Any]] = field(default_factory=list)
    state: str = SENDING
    error: str = ""
    since: float = 0.0
    over: bool = False
    closing: str = ""

    @classmethod
    def of(cls, directory: str, spec: Mapping[str, Any], size: int | None = None) -> Self:
        """The one of a tracker, as it was left; a damaged file counts as none, since trackers
        take what they have again. So does, with the size of the journal, one that is beyond: it
        is of another that was there, or a machine lost power."""
        digest = hashlib.blake2b(json.dumps(spec, sort_keys=True).encode(), digest_size=4)
        kind = re.sub(r"\W", "_", spec["tracker"])  # a journal from elsewhere may name any file
        path = os.path.join(directory, "sent", f"{kind}-{digest.hexdigest()}.json")
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            cursor = cls(**{**found, "path": path, "spec": dict(spec)})
        except (OSError, ValueError, TypeError, RecursionError):
            return cls(path, dict(spec))
        if misfit(cursor):
            return cls(path, dict(spec))
        return cursor if size is None or cursor.sent <= size else cls(path, dict(spec))

    def save(self) -> None:
        if self.path is None:
            return
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        temporary = f"{self.path}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({k: v for k, v in asdict(self).items() if k != "path"}, file)
        os.replace(temporary, self.path)


def is_sent(cursor: Cursor) -> bool:
    """Has the tracker what there was when its feed ended? One that hangs has no end."""
    ended = cursor.state == DONE or (cursor.state == SENDING and cursor.over)
    return ended and not cursor.unsent


def missing(cursor: Cursor) -> list[str]:
    """A line for each of the first entries that the tracker failed at, and one for the others.

    >>> missing(Cursor(None, {}, unsent=[{"line": 7, "what": "loss", "step": 3, "error": "no"}]))
    ['not sent: loss of step 3 (line 7): no']
    """
    lines = []
    for own in cursor.unsent[:NAMED]:
        step = "" if own["step"] is None else f" of step {own['step']}"
        lines.append(f"not sent: {own['what']}{step} (line {own['line']}): {own['error']}")
    if more := len(cursor.unsent) - NAMED:
        lines += [f"not sent: {more:,} more"] if more > 0 else []
    return lines
