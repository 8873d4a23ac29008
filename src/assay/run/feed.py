"""A journal, as it grows, handed to one tracker.

How far that went is kept after each batch (cursor.py); a batch that is sent again after a crash is
the only repetition. One that a tracker fails at, though it answers, is halved until it is clear at
which entry: the others arrive, and that one is tried again every few minutes, at the end, and first
the next time.
"""

import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar, cast

from assay.core.errors import DataError, MissingDependency, Refused
from assay.core.journal_lines import JOURNAL, Line, NewerJournal, journal_lines
from assay.core.paths import path_inside
from assay.core.protocols import Tracker
from assay.core.record import Entry, File, Points, RunRecord, take_line
from assay.run.cursor import DONE, SENDING, STOPPED, WAITING, Cursor
from assay.run.failures import GivenUp, Unsendable, in_words, is_outage
from assay.run.pending import Failed, Pending, halves, singles, told

__all__ = ["Feed"]

POLL_S = 0.5  # how often the journal is looked at; what comes in between goes in one batch
IN_A_ROW = 50  # entries that fail one after another, after which it is the tracker that fails
FAILED = 1_000  # entries that wait for another time, after which nothing else is sent
AGAIN_S = 300.0  # after which what failed is sent once more
BATCH_LINES, BATCH_POINTS = 1_000, 5_000
FIRST_DELAY_S, LAST_DELAY_S = 1.0, 60.0  # between attempts, doubled each time

T = TypeVar("T")


class Feed:
    """Sends a journal to a tracker until the run is over. `follow`: wait for more at its end.

    attempts: how often a call that fails is made, the first one included; while the run goes on, a
    tracker that does not answer is asked for ever. singly: entries are sent one by one.
    """

    def __init__(
        self,
        directory: str,
        tracker: Tracker,
        cursor: Cursor,
        *,
        follow: bool,
        attempts: int = 5,
        singly: bool = False,
    ) -> None:
        self.directory, self.tracker, self.cursor = directory, tracker, cursor
        self.follow, self.attempts, self.singly = follow, attempts, singly
        self.record = RunRecord(directory, keep=False)
        self.place = self.line = 0  # up to where the journal has been read
        self._failed: list[Failed] = []  # what the tracker failed at while it took others
        self._again_at = 0.0
        self._later: dict[tuple[str, int], float] = {}
        self.wake = threading.Event()  # set once nobody writes to the journal any longer

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
        again = self._read_head()
        if self._insisting(lambda: self.tracker.start(self.record)):
            cursor.sent = cursor.line = cursor.points = cursor.refused = 0
            again, cursor.unsent = [], []
            self._later = self._repeated()
        self.place, self.line, self.record.written = cursor.sent, cursor.line, cursor.points
        self._failed = [Failed(pending, Unsendable()) for pending in again]
        self._try_again()
        while True:
            over = self._is_over()  # asked first: what is written before the end is then there
            if batch := self._read():
                self._deliver(batch)
            elif over:
                break
            else:
                self.wake.wait(POLL_S)
            if self._failed and time.monotonic() >= self._again_at:
                self._try_again()
        if self.follow:
            self._try_again()
        self._arrived()
        self._close()

    def _nothing_new(self) -> bool:
        """Was all of this journal sent, and the tracker told that the run is over?"""
        size = os.path.getsize(os.path.join(self.directory, JOURNAL))
        cursor = self.cursor
        return cursor.state == DONE and cursor.sent == size and not cursor.unsent

    def _read_head(self) -> list[Pending]:
        """Take in what arrived before, at least the first line; what of it did not arrive."""
        unsent = {(own["line"], own["what"]) for own in self.cursor.unsent}
        again: list[Pending] = []
        refused = self.cursor.refused if self.cursor.sent else 0  # damaged lines are told once
        while True:
            for line in journal_lines(self.directory):
                entry = self._take(line)
                if entry is not None and any(line.number == number for number, _ in unsent):
                    found = singles(Pending(entry, line.number))
                    again += (one for one in found if (one.line, one.name) in unsent)
                if self.record.id and line.end >= self.cursor.sent:
                    break
            if self.record.id:
                self.cursor.refused = refused
                return again
            if self._is_over():
                raise DataError(f"{self.directory}: no run has begun there")
            self.wake.wait(POLL_S)

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

    def _read(self) -> list[Pending]:
        """The next entries, up to a batch of them."""
        entries: list[Pending] = []
        points = 0
        for line in journal_lines(self.directory, self.place, self.line):
            self.place, self.line = line.end, line.number
            if (entry := self._take(line)) is not None:
                if self._later and isinstance(entry, Points):
                    entry = self._lasting(entry)
                if isinstance(entry, Points) and not entry.values:
                    continue
                entries.append(Pending(entry, line.number))
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

    def _deliver(self, batch: list[Pending]) -> None:
        """Send entries, files last: no number waits for a file."""
        self._send_rows([one for one in batch if not isinstance(one.entry, File)])
        if files := [one for one in batch if isinstance(one.entry, File)]:
            self._arrived([Failed(one, Unsendable("not there yet")) for one in files])
            self._send_files(files)
        self._arrived()

    def _try_again(self) -> None:
        """Send what the tracker failed at once more; nothing else waits for it."""
        again, self._failed = [failed.pending for failed in self._failed], []
        for pending in again:
            if not isinstance(pending.entry, File):
                try:
                    self._log([pending], 1)
                except (Refused, Unsendable) as error:
                    self._set_aside([Failed(pending, error)])
        self._deliver([pending for pending in again if isinstance(pending.entry, File)])
        self._again_at = time.monotonic() + AGAIN_S

    def _send_rows(self, rows: list[Pending]) -> None:
        """In order. What fails is halved; where single ones fail one after another, the tracker
        takes nothing at all, and they are sent again as long as the run goes on."""
        at_once, attempts, limit = BATCH_LINES, self.attempts, IN_A_ROW
        if self.singly:
            at_once, attempts, limit = 1, 1, FAILED
        parts = deque((part, attempts) for part in _parts(rows, at_once))
        in_a_row: list[Failed] = []
        over = self._is_over()
        while parts:
            part, left = parts.popleft()
            try:
                self._log(part, left)
            except (Refused, Unsendable) as error:
                if smaller := halves(part) if at_once > 1 else []:
                    parts.extendleft((half, 1) for half in reversed(smaller))
                    continue
                in_a_row.append(Failed(part[0], error))
                if len(in_a_row) < limit and len(in_a_row) + len(self._failed) < FAILED:
                    continue
                self._wait_for_it(error, over)
                again = _parts([failed.pending for failed in in_a_row], at_once)
                parts.extendleft((part, attempts) for part in reversed(again))
            else:
                self._set_aside(in_a_row)
            in_a_row, over = [], self._is_over()
        self._set_aside(in_a_row)

    def _wait_for_it(self, error: Exception, over: bool) -> None:
        """The tracker fails at everything. over: and has since the run was over."""
        if isinstance(error, Refused):
            raise error
        if over:
            raise GivenUp from error
        self.wake.wait(LAST_DELAY_S)

    def _log(self, batch: Sequence[Pending], attempts: int) -> None:
        entries = [pending.entry for pending in batch]
        self._insisting(lambda: self.tracker.log(entries), attempts)

    def _send_files(self, files: list[Pending]) -> None:
        """One by one. Where they have a place of their own that is away, as one for artifacts may
        be while the server answers, all but the first are left for another time."""
        attempts, left = self.attempts, deque(files)
        while left:
            pending = left.popleft()
            try:
                self._artifact(pending, attempts)
            except Refused as error:
                self._refuse(str(error))
            except Unsendable as error:
                failed = [*left, pending] if is_outage(error) else [pending]
                self._set_aside([Failed(one, error) for one in failed])
                if len(failed) > 1:
                    return
                attempts = 1

    def _artifact(self, pending: Pending, attempts: int) -> None:
        file = cast(File, pending.entry)
        try:
            path = path_inside(self.directory, file.path)
        except DataError as error:
            self._refuse(str(error))
            return
        if not os.path.exists(path):
            self._refuse(f"{file.path} is gone")
        else:
            self._insisting(lambda: self.tracker.artifact(file), attempts, outages=False)

    def _set_aside(self, failed: list[Failed]) -> None:
        """Entries that the tracker does not take: never, or not this time."""
        for one in failed:
            if isinstance(one.error, Refused):
                self._refuse(str(one.error))
            else:
                self._failed.append(one)

    def _close(self) -> None:
        status = self.record.status if self.record.status != "unfinished" else "killed"
        if status == "killed" and not self.wake.is_set():
            return  # sent by hand while the run goes on
        self.cursor.closing = self._insisting(lambda: self.tracker.finish(status))
        self.cursor.state = DONE

    # -- when --------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        return not self.follow or self.wake.is_set()

    def _insisting(
        self, call: Callable[[], T], patience: int | None = None, outages: bool = True
    ) -> T:
        """Call until it works: the longer it does not, the more rarely. Once the run is over, as
        often as `attempts` says, those before the end included, and at least once.

        patience: after how many attempts Unsendable is raised of a tracker that answers; without
        `outages`, of any.
        """
        delay, failed = FIRST_DELAY_S, 0
        while True:
            over = self._is_over()
            try:
                result = call()
            except (Refused, MissingDependency):
                raise
            except Exception as error:
                failed += 1
                self._fail(error)
                self.cursor.over = over
                self._save()
                if patience and failed >= patience and not (outages and is_outage(error)):
                    raise Unsendable from error
                if over and failed >= self.attempts:
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

    def _arrived(self, but: Sequence[Failed] = ()) -> None:
        """Everything that was read is there, but for what failed and this."""
        self.cursor.unsent = [told(failed) for failed in (*self._failed, *but)]
        self.cursor.sent, self.cursor.line = self.place, self.line
        self.cursor.points = self.record.written
        self._save()

    def _fail(self, error: Exception) -> None:
        if self.cursor.state != WAITING:
            self.cursor.since = time.time()
        self.cursor.state, self.cursor.error = WAITING, in_words(error)

    def _refuse(self, reason: str) -> None:
        self.cursor.refused += 1
        self.cursor.reason = reason

    def _save(self) -> None:
        try:
            self.cursor.save()
        except OSError as error:  # a full disk: what is sent goes on, and is sent again later
            self.cursor.error = self.cursor.error or in_words(error)


def _parts(rows: list[Pending], size: int) -> list[Sequence[Pending]]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]
