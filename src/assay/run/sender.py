"""Sends journals to trackers, in a process of its own.

The trainer starts it (`launch`) and never waits for it; when the trainer is killed it sends what is
journalled, and ends. The same by hand is `assay resync`. A tracker has a thread, so that one that
does not answer keeps no other waiting.

What may arrive twice, when a process that sends is killed between a batch and the note of it:

    mlflow        nothing: its database keeps one of equal points (key, step, timestamp, value)
    wandb         offline nothing: the run is written anew, whole; online a batch of rows
    tensorboard   nothing: the event file is written anew, whole
    a callable    it is told of everything once, and of nothing after the process ended
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from assay.core.errors import AssayError, DataError
from assay.core.journal_lines import JOURNAL, damaged, journal_lines
from assay.core.output import writing
from assay.core.protocols import Tracker
from assay.core.record import RunRecord, take_line
from assay.run.cursor import STOPPED, Cursor, tracker_name
from assay.run.feed import Feed
from assay.run.journal_file import Lock

__all__ = ["LOCK", "SENDER_LOG", "Make", "launch", "resync"]

LOCK, SENDER_LOCK = "lock", "sent/lock"  # in the directory of a run
SENDER_LOG = "sent/log.txt"

LOOK_S = 0.25  # how often it is seen whether the trainer lives
NICE = 10  # the trainer comes first
LINGER_S = 120.0  # for calls that hang when everything else is done

Make = Callable[[Mapping[str, Any]], Tracker]


def launch(directory: str) -> subprocess.Popen[bytes]:
    """Start the process that sends a run's journal as it grows."""
    # -P: the folder a trainer is started in may hold a file called as a module.
    command = [sys.executable, "-P", "-m", "assay", "resync", directory, "--follow"]
    with open(os.path.join(directory, SENDER_LOG), "ab") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,  # what ends the trainer does not end it
        )
    with suppress(OSError, AttributeError):  # gone already; Windows
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
    return process


def resync(directory: str, make: Make, follow: bool = False) -> list[Cursor]:
    """Send what the trackers of a run lack; how far each one is then. make: a tracker of a spec.

    follow: wait for more as long as the trainer lives. DataError without a journal, or where the
    run goes on and another process is sending it.
    """
    if not os.path.exists(os.path.join(directory, JOURNAL)):
        raise DataError(f"{directory}: holds no {JOURNAL}; name the directory of a run")
    trainer, lock = Lock(os.path.join(directory, LOCK)), Lock(os.path.join(directory, SENDER_LOCK))
    with writing(os.path.join(directory, SENDER_LOCK)):
        os.makedirs(os.path.dirname(lock.path), exist_ok=True)
        while not lock.take():  # that of a run which is over ends soon
            if not follow and not trainer.is_free():
                raise DataError(f"{directory}: the run goes on, and {lock.holder()} is sending it")
            time.sleep(LOOK_S)
    try:
        return _Senders(directory, make, follow, trainer).run()
    finally:
        lock.release()


class _Senders:
    """The feeds of one run."""

    def __init__(self, directory: str, make: Make, follow: bool, trainer: Lock) -> None:
        self.directory, self.make, self.follow, self.trainer = directory, make, follow, trainer
        self.feeds: list[Feed] = []
        self.threads: list[threading.Thread] = []
        self.broken: list[Cursor] = []
        self.known: list[Mapping[str, Any]] = []
        self.record = RunRecord(directory, keep=False)
        self.place = self.number = 0

    def run(self) -> list[Cursor]:
        over = not self.follow and self.trainer.is_free()
        self._look(over)
        while self.follow and not self.trainer.is_free():
            time.sleep(LOOK_S)
            self._look()
        self._look()  # what was written before the end
        if not self.record.id:
            raise damaged(self.directory, 1, "it begins no run")
        if self.follow or self.trainer.is_free():
            for feed in self.feeds:
                feed.wake.set()
        deadline, sent = time.monotonic() + LINGER_S, -1
        while any(thread.is_alive() for thread in self.threads) and time.monotonic() < deadline:
            time.sleep(0.05)
            if (now := sum(feed.cursor.sent for feed in self.feeds)) != sent:  # it gets on
                deadline, sent = time.monotonic() + LINGER_S, now
        return [feed.cursor for feed in self.feeds] + self.broken

    def _look(self, over: bool = False) -> None:
        """Trackers are named by the first line, and by those of processes that went on."""
        for line in journal_lines(self.directory, self.place, self.number):
            self.place, self.number = line.end, line.number
            if line.data and line.data.get("kind") in ("run", "resume", "end"):
                take_line(self.record, line)
        for spec in self.record.trackers:
            if spec not in self.known:
                self.known.append(spec)
                self._begin(spec, over)

    def _begin(self, spec: Mapping[str, Any], over: bool) -> None:
        size = os.path.getsize(os.path.join(self.directory, JOURNAL))
        cursor = Cursor.of(self.directory, spec, size)
        try:
            tracker = self.make(spec)
        except AssayError as error:
            cursor.state, cursor.error, cursor.over = STOPPED, str(error), True
            cursor.since = time.time()
            cursor.save()
            self.broken.append(cursor)
            return
        feed = Feed(self.directory, tracker, cursor, follow=self.follow)
        if over:
            feed.wake.set()
        thread = threading.Thread(target=feed.run, name=f"assay-{tracker_name(spec)}", daemon=True)
        self.feeds.append(feed)
        self.threads.append(thread)
        thread.start()
