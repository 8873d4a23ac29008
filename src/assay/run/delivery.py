"""How a trainer has its trackers: the process that sends, a thread for each callable, what is told
of them."""

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from assay.core.errors import InputError, TrackerError
from assay.core.protocols import Tracker
from assay.core.record import Entry, File, Points, RunRecord
from assay.run.cursor import (
    DONE,
    SENDING,
    STOPPED,
    WAITING,
    Cursor,
    is_sent,
    missing,
    tracker_name,
)
from assay.run.feed import Feed
from assay.run.journal_file import log
from assay.run.sender import SENDER_LOG, launch

__all__ = ["Delivery", "specs_of"]

RESTARTS = 3  # of a sender that was killed
LONGEST_S = 1e6  # that threads can be waited for
NOTICE_S = 2.0  # after which the end says what it waits for
SAVED_AFTER_S = 0.05  # how often the end looks how far the sender is

Told = Callable[[dict[str, float], int], Any]


def specs_of(trackers: Sequence[Any]) -> tuple[list[dict[str, Any]], list[Told]]:
    """The specs of trackers, and the callables among them."""
    if isinstance(trackers, (str, Tracker)) or not isinstance(trackers, Iterable):
        raise InputError(f"Run: trackers must be a list of them, got {trackers!r}")
    specs: list[dict[str, Any]] = []
    callables: list[Told] = []
    for tracker in trackers:
        if isinstance(tracker, Tracker):
            if (spec := tracker.spec()) in specs:
                raise InputError(f"Run: trackers has {tracker_name(spec)} twice")
            specs.append(spec)
        elif callable(tracker):
            callables.append(tracker)
        else:
            raise InputError(
                "Run: trackers must be of assay.trackers, or functions of values and step, "
                f"got {tracker!r}"
            )
    return specs, callables


class _Callable:
    """A function of values and step as a tracker; it is told of points alone."""

    def __init__(self, told: Told, number: int) -> None:
        self.told = told
        self.name = getattr(told, "__qualname__", type(told).__name__)
        self.number = number

    def spec(self) -> dict[str, Any]:
        return {"tracker": self.name, "number": self.number or None}

    def start(self, record: RunRecord) -> bool:
        return False

    def log(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, Points):
                self.told({metric.key: value for metric, value in entry.values}, entry.step)

    def artifact(self, file: File) -> None:
        pass

    def finish(self, status: str) -> str:
        return ""


class Delivery:
    """The trackers of one run, from the trainer's side."""

    def __init__(
        self, directory: str, specs: Sequence[dict[str, Any]], callables: Sequence[Told], begin: int
    ) -> None:
        """begin: the byte of the journal that this process goes on from; callables are told of what
        comes behind it."""
        self.directory, self.specs, self._begin = directory, list(specs), begin
        self.failure: TrackerError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = 0
        self._warned: dict[str, float] = {}
        self._feeds: list[Feed] = []
        self._threads: list[threading.Thread] = []
        for number, told in enumerate(callables):
            tracker = _Callable(told, number)
            cursor = Cursor(None, tracker.spec(), sent=begin)
            self._feeds.append(
                Feed(directory, tracker, cursor, follow=True, attempts=2, singly=True)
            )

    def start(self) -> None:
        if self.specs:
            with self._or_told():
                for spec in self.specs:  # what an earlier process came to is not this one's end
                    cursor = Cursor.of(self.directory, spec, self._begin)
                    cursor.state, cursor.over, cursor.error = SENDING, False, ""
                    cursor.save()
                self._process = launch(self.directory)
        for feed in self._feeds:
            thread = threading.Thread(target=feed.run, name="assay-callable", daemon=True)
            self._threads.append(thread)
            thread.start()

    def watch(self) -> None:
        """Tell of a tracker that has stopped answering, once for each time it does."""
        for cursor in self._cursors():
            if cursor.state in (WAITING, STOPPED) and cursor.since > self._warned.get(
                _id(cursor), 0
            ):
                self._warned[_id(cursor)] = cursor.since
                name = tracker_name(cursor.spec)
                self._trouble(
                    f"{name}: {cursor.error}; the run goes on, and what is logged waits in "
                    f"{self.directory}"
                )
        if self._process is not None and self._process.poll():
            self._again(self._process.returncode)

    def flush(self, seconds: float) -> None:
        """Wait until the trackers have it all, at most so long; those that do not answer are not
        waited for."""
        deadline = time.monotonic() + min(seconds, LONGEST_S)
        notice = time.monotonic() + NOTICE_S
        for feed in self._feeds:
            feed.wake.set()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        while self._process is not None and self._process.poll() is None:
            if time.monotonic() >= deadline or all(map(_is_settled, self._cursors())):
                break
            time.sleep(SAVED_AFTER_S)
            if time.monotonic() >= notice:
                say(f"waiting up to {seconds:g} s for trackers; what is left is sent without this")
                notice = math.inf
        if self._process is None:
            return
        if self._process.poll() and not all(map(_is_settled, self._cursors())):
            self._ended(self._process.returncode)
        elif self._process.returncode is None:
            # It goes on by itself, which Popen would take for a process that was forgotten.
            self._process.returncode = 0

    def report(self, written: int) -> list[str]:
        """A line for each tracker: how to look at it, or what has not arrived."""
        lines = []
        for cursor in self._cursors():
            name = tracker_name(cursor.spec)
            if cursor.state != DONE:
                left = written - cursor.points
                what = f"{left:,} of {written:,} points are not sent"
                why = cursor.error or "it takes longer"
                later = f"; later: assay resync {self.directory}" if cursor.path else ""
                lines.append(
                    f"{name}: {what if left > 0 else 'the run is not closed'} ({why}){later}"
                )
            elif cursor.closing:
                lines.append(f"{name}: {cursor.closing}")
            lines += [f"{name}: {line}" for line in missing(cursor)]
            if cursor.refused:
                lines.append(f"{name}: refused {cursor.refused:,} entries ({cursor.reason})")
        return lines

    @property
    def is_done(self) -> bool:
        """Does every tracker have everything?"""
        return all(cursor.state == DONE and is_sent(cursor) for cursor in self._cursors())

    def _cursors(self) -> list[Cursor]:
        sent = [Cursor.of(self.directory, spec) for spec in self.specs]
        return sent + [feed.cursor for feed in self._feeds]

    @contextmanager
    def _or_told(self) -> Iterator[None]:
        """Where no sender can be started, as the disk is full or Python is gone, it is told."""
        try:
            yield
        except OSError as error:
            self._trouble(
                f"nothing is sent to trackers: {error.filename or self.directory}: "
                f"{error.strerror}; later: assay resync {self.directory}"
            )

    def _again(self, code: int) -> None:
        """The sender ended with an error: a bug, or it was killed."""
        self._process = None
        if code < 0 and self._restarts < RESTARTS:
            self._restarts += 1
            with self._or_told():
                self._process = launch(self.directory)
            return
        self._ended(code)

    def _ended(self, code: int) -> None:
        self._trouble(
            f"nothing more is sent to trackers: the sender ended with code {code}, see "
            f"{os.path.join(self.directory, SENDER_LOG)}; later: assay resync {self.directory}"
        )

    def _trouble(self, message: str) -> None:
        log.warning("assay: %s", message)
        self.failure = self.failure or TrackerError(message)


def _id(cursor: Cursor) -> str:
    return cursor.path or tracker_name(cursor.spec)


def _is_settled(cursor: Cursor) -> bool:
    """Has it all, or does not answer though it knows that the run is over."""
    return cursor.state in (DONE, STOPPED) or (cursor.state == WAITING and cursor.over)


def say(line: str) -> None:
    """A line for the person who runs this."""
    with suppress(OSError, ValueError, AttributeError):  # closed, or none
        print(f"assay: {line}", file=sys.stderr, flush=True)
