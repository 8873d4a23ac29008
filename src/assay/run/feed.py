"""A journal, as it grows, handed to one tracker.

How far that went is kept in a file of the tracker (`sent/NAME.json` in the directory of the run),
replaced at once after each batch: whoever goes on later, in whichever process, goes on from there.
A batch that is sent again after a crash is the only repetition.
"""

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Self, TypeVar

from assay.core.errors import DataError, MissingDependency, Refused
from assay.core.journal_lines import JOURNAL, Line, NewerJournal, journal_lines
from assay.core.protocols import Tracker
from assay.core.record import Entry, File, Points, RunRecord, take_line

__all__ = ["DONE", "STOPPED", "Cursor", "Feed", "is_sent", "tracker_name"]

SENDING, WAITING, DONE, STOPPED = "sending", "waiting", "done", "stopped"

POLL_S = 0.5  # how often the journal is looked at; what comes in between goes in one batch
REFUSALS = 50  # one after another, after which a tracker is taken to refuse the run
BATCH_LINES, BATCH_POINTS = 1_000, 5_000
FIRST_DELAY_S, LAST_DELAY_S = 1.0, 60.0  # between attempts, doubled each time

T = TypeVar("T")


def tracker_name(spec: Mapping[str, Any]) -> str:
    """What messages call a tracker: its kind, and what it is made of."""
    values = [str(value) for name, value in spec.items() if name != "tracker" and value is not None]
    return " ".join([str(spec.get("tracker")), *values])


@dataclass
class Cursor:
    """How far a tracker is. sent: bytes of the journal that arrived; line: how many lines that are;
    points: how many points. refused: entries it will never take, and the last reason. since: when
    it last stopped answering. over: it knows that the run is over. closing: how to look at it."""

    path: str | None
    spec: dict[str, Any]
    sent: int = 0
    line: int = 0
    points: int = 0
    refused: int = 0
    reason: str = ""
    state: str = SENDING
    error: str = ""
    since: float = 0.0
    over: bool = False
    closing: str = ""

    @classmethod
    def of(cls, directory: str, spec: Mapping[str, Any]) -> Self:
        """The one of a tracker, as it was left; a damaged file counts as none, since trackers
        take what they have again."""
        digest = hashlib.blake2b(json.dumps(spec, sort_keys=True).encode(), digest_size=4)
        path = os.path.join(directory, "sent", f"{spec['tracker']}-{digest.hexdigest()}.json")
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            return cls(**{**found, "path": path, "spec": dict(spec)})
        except (OSError, ValueError, TypeError):
            return cls(path, dict(spec))

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
    return cursor.state == DONE or (cursor.state == SENDING and cursor.over)


class GivenUp(Exception):
    """The tracker does not answer, and nobody waits for it any longer."""


class Feed:
    """Sends a journal to a tracker until the run is over. `follow`: wait for more at its end.

    attempts: how often a call that fails is made once the run is over, the first one included.
    """

    def __init__(
        self, directory: str, tracker: Tracker, cursor: Cursor, *, follow: bool, attempts: int = 5
    ) -> None:
        self.directory, self.tracker, self.cursor = directory, tracker, cursor
        self.follow, self.attempts = follow, attempts
        self.record = RunRecord(directory, keep=False)
        self.place = self.line = 0  # up to where the journal has been read
        self._in_a_row = 0  # entries that were refused
        self._later: dict[tuple[str, int], float] = {}
        self.wake = threading.Event()  # set once nobody writes to the journal any longer

    @property
    def name(self) -> str:
        return tracker_name(self.cursor.spec)

    def run(self) -> None:
        """Send everything; what goes wrong is in the cursor. Never raises."""
        try:
            self._send_all()
        except GivenUp:
            self.cursor.state = STOPPED
        except Exception as error:  # refused, a package that is missing, or a bug
            self._fail(error)
            self.cursor.state = STOPPED
        self.cursor.over = True
        self._save()

    # -- what is done ------------------------------------------------------------------------------

    def _send_all(self) -> None:
        if self._nothing_new():
            return
        cursor = self.cursor
        cursor.state, cursor.over, cursor.closing = SENDING, False, ""
        self._read_head()
        if self._insisting(lambda: self.tracker.start(self.record)):
            cursor.sent = cursor.line = cursor.points = cursor.refused = 0
            self._later = self._repeated()
        self.place, self.line, self.record.written = cursor.sent, cursor.line, cursor.points
        while True:
            over = self._is_over()  # asked first: what is written before the end is then there
            if batch := self._read():
                self._deliver(batch)
                self._arrived()
            elif over:
                break
            else:
                self.wake.wait(POLL_S)
        self._arrived()
        self._close()

    def _nothing_new(self) -> bool:
        """Was all of this journal sent, and the tracker told that the run is over?"""
        size = os.path.getsize(os.path.join(self.directory, JOURNAL))
        return self.cursor.state == DONE and self.cursor.sent == size

    def _read_head(self) -> None:
        """Take in what arrived before, at least the first line."""
        while not self.record.id:
            for line in journal_lines(self.directory):
                self._take(line)
                if line.end >= self.cursor.sent:
                    break
            else:
                if self._is_over():
                    raise DataError(f"{self.directory}: no run has begun there")
                self.wake.wait(POLL_S)
        self.cursor.refused = 0 if not self.cursor.sent else self.cursor.refused

    def _repeated(self) -> dict[tuple[str, int], float]:
        """The latest time of each point that was logged more than once."""
        highest: dict[str, int] = {}
        later: dict[tuple[str, int], float] = {}
        record = RunRecord(self.directory, keep=False)
        for line in journal_lines(self.directory):
            with suppress(DataError):
                entry = take_line(record, line)
                if not isinstance(entry, Points):
                    continue
                for metric, _ in entry.values:
                    if entry.step <= highest.get(metric.key, entry.step - 1):
                        later[metric.key, entry.step] = entry.time
                    else:
                        highest[metric.key] = entry.step
        return later

    def _read(self) -> list[Entry]:
        """The next entries, up to a batch of them."""
        entries: list[Entry] = []
        points = 0
        for line in journal_lines(self.directory, self.place, self.line):
            self.place, self.line = line.end, line.number
            if (entry := self._take(line)) is not None:
                if self._later and isinstance(entry, Points):
                    entry = self._lasting(entry)
                entries.append(entry)
                points += len(entry.values) if isinstance(entry, Points) else 1
            if len(entries) >= BATCH_LINES or points >= BATCH_POINTS:
                break
        return entries

    def _lasting(self, entry: Points) -> Points:
        """Without the points that were logged again later."""
        values = [
            (metric, value)
            for metric, value in entry.values
            if self._later.get((metric.key, entry.step), entry.time) <= entry.time
        ]
        return replace(entry, values=values)

    def _take(self, line: Line) -> Entry | None:
        """Take in a line; a damaged one is told, and left out."""
        try:
            return take_line(self.record, line)
        except NewerJournal:
            raise
        except DataError as error:
            self._refuse(str(error))
            return None

    def _deliver(self, batch: list[Entry]) -> None:
        """In order: files one by one, what stands between them together."""
        run: list[Entry] = []
        for entry in batch:
            if isinstance(entry, File):
                self._log(run)
                run = []
                self._artifact(entry)
            else:
                run.append(entry)
        self._log(run)

    def _log(self, entries: list[Entry]) -> None:
        if not entries:
            return
        try:
            self._insisting(lambda: self.tracker.log(entries))
            self._in_a_row = 0
        except Refused as error:
            if len(entries) == 1:
                self._in_a_row += 1
                if self._in_a_row == REFUSALS:
                    raise
                self._refuse(str(error))
                return
            middle = len(entries) // 2  # the others shall arrive
            self._log(entries[:middle])
            self._log(entries[middle:])

    def _artifact(self, file: File) -> None:
        if not os.path.exists(os.path.join(self.directory, file.path)):
            self._refuse(f"{file.path} is gone")
            return
        if _is_outside(self.directory, file.path):  # a journal from elsewhere may name any file
            self._refuse(f"{file.path} lies outside of {self.directory}")
            return
        try:
            self._insisting(lambda: self.tracker.artifact(file))
        except Refused as error:
            self._refuse(str(error))

    def _close(self) -> None:
        status = self.record.status if self.record.status != "unfinished" else "killed"
        if status == "killed" and not self.wake.is_set():
            return  # sent by hand while the run goes on
        self.cursor.closing = self._insisting(lambda: self.tracker.finish(status))
        self.cursor.state = DONE

    # -- when --------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        return not self.follow or self.wake.is_set()

    def _insisting(self, call: Callable[[], T]) -> T:
        """Call until it works: the longer it does not, the more rarely, and a few times at once
        when the run is over."""
        delay, left = FIRST_DELAY_S, self.attempts
        while True:
            over = self._is_over()
            try:
                result = call()
            except (Refused, MissingDependency):
                raise
            except Exception as error:
                if over:
                    left -= 1
                self._fail(error)
                self.cursor.over = over
                self._save()
                if not left:
                    raise GivenUp from error
            else:
                if self.cursor.state == WAITING:
                    self.cursor.state, self.cursor.error = SENDING, ""
                    self._save()
                return result
            if over:
                delay = FIRST_DELAY_S
                time.sleep(delay)
            elif self.wake.wait(delay * random.uniform(0.8, 1.2)):
                continue
            else:
                delay = min(2 * delay, LAST_DELAY_S)

    # -- what is told ------------------------------------------------------------------------------

    def _arrived(self) -> None:
        self.cursor.sent, self.cursor.line = self.place, self.line
        self.cursor.points = self.record.written
        self._save()

    def _fail(self, error: Exception) -> None:
        if self.cursor.state != WAITING:
            self.cursor.since = time.time()
        self.cursor.state, self.cursor.error = WAITING, _in_words(error)

    def _refuse(self, reason: str) -> None:
        self.cursor.refused += 1
        self.cursor.reason = reason

    def _save(self) -> None:
        try:
            self.cursor.save()
        except OSError as error:  # a full disk: what is sent goes on, and is sent again later
            self.cursor.error = self.cursor.error or _in_words(error)


def _is_outside(directory: str, path: str) -> bool:
    folder = os.path.realpath(directory)
    return os.path.commonpath([folder, os.path.realpath(os.path.join(folder, path))]) != folder


def _in_words(error: Exception) -> str:
    """What the system said, where it lies at the bottom; else the first line that says something,
    or the kind of the error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
