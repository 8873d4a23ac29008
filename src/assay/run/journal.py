"""Run: everything that a training or an evaluation tells, kept, and sent on.

What is logged is appended to a journal in the directory of the run (core/record.py has its form)
before `log` returns: killing the process loses nothing. It is put on the disk every few seconds and
at the end, so that a machine that loses power loses that much. Trackers are fed from the journal by
another process (sender.py); the loop never waits for them and never fails because of them.
"""

import os
import secrets
import time
import traceback
from collections.abc import Mapping, Sequence
from threading import RLock
from types import TracebackType
from typing import Any, Self

from assay.core.errors import InputError, TrackerError
from assay.core.record import Best, read_journal
from assay.core.score import Score
from assay.run import files, values
from assay.run.board import Board
from assay.run.delivery import Delivery, say, specs_of
from assay.run.journal_file import JournalFile, encoded
from assay.run.keeper import Keeper
from assay.run.names import Known, Names, counts_text, defined_by
from assay.run.opening import opened, rank, record_there
from assay.run.system import Sampler
from assay.run.values import (
    LATE,
    as_params,
    as_scores,
    as_text,
    fetched,
    number,
    texts,
    waits,
    whole_step,
)

__all__ = ["Run"]

SYNC_S = 5.0  # how much a machine that loses power may lose
WATCH_S = 1.0  # how often trackers are looked at
SYSTEM_S = 10.0  # between samples of the system


class Run:
    """A run: `with assay.Run("outputs/exp", params={…}, trackers=[…]) as run: run.log(…, step=3)`.

    directory: made if it is not there; one run has one. name: by default its last part. params: a
    mapping, nested ones get flat names. tags: of the whole run. trackers: of `assay.trackers`, and
    functions of (values, step), which get a thread.
    resume: go on with the run that is in the directory, if one is; a repeated step overwrites.
    strict: raise a TrackerError where a tracker does not take what was logged, and a DataError
    where the disk does not; else one warning is logged each time it begins.
    system: sample processor, memory and GPUs every 10 s. console: print a row a step; the name of a
    metric marks its best one; what is tagged per="step", as losses of batches, has no row.
    flush_s: how long the end waits for trackers that answer.

    An exception in the block marks the run failed. On ranks other than 0 (of torch.distributed, or
    as torchrun, mpirun, Slurm or Lightning number processes) nothing is written or sent; `best` and
    `is_best` work.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Run(f"{folder}/exp") as run:
    ...     for epoch in range(3):
    ...         run.log({"val_macro_f1": 0.5 + epoch / 10}, step=epoch, fold=1)
    ...     run.best["fold_1/val_macro_f1"]
    Best(step=2, value=0.7)
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        name: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        trackers: Sequence[Any] = (),
        resume: bool = False,
        strict: bool = False,
        system: bool = False,
        console: bool | str = False,
        flush_s: float = 30.0,
    ) -> None:
        self._given = os.fspath(directory)
        if not self._given:
            raise InputError("Run: directory must be a path, got ''")
        self.directory = os.path.abspath(self._given)  # wherever the process goes from here
        self.name = str(name or os.path.basename(self.directory) or "run")
        self.id = ""
        self._params, self._tags = as_params(params or {}), as_params(tags or {}, "tags")
        self._specs, self._callables = specs_of(trackers)
        self._resume, self._strict, self._system = resume, strict, system
        self._flush_s = flush_s
        self._silent = rank() != 0
        watched = console if isinstance(console, str) else None
        self._board = Board(watched) if console and not self._silent else None
        self._names = Names(self._entry)
        self._copied: dict[str, str] = {}
        self._guard = RLock()
        self._keeper = Keeper()
        self._written, self._last, self._pid = 0, 0.0, 0
        self._journal: JournalFile | None = None
        self._delivery: Delivery | None = None

    # -- logging -----------------------------------------------------------------------------------

    def log(
        self, logged: Any, /, step: int | None = None, *, prefix: str = "", **tags: Any
    ) -> None:
        """Record numbers of a step: a dictionary, a State, or Scores.

        Values may be tensors on a device: they are copied when they are ready, and nothing waits
        for them. step: by default one after the last one of each name, from 0. prefix: before each
        name. tags: split, stage, fold and the like, None for none; trackers that know runs within
        runs make one of each stage and fold. InputError for what is no number; NaN and infinities
        are recorded.
        """
        self._check()
        now = self._now()
        if not isinstance(logged, Mapping):
            if waits(logged):
                self._keeper.do(lambda: self._log_scores(logged.scores(), now, step, prefix, tags))
            else:
                self._log_scores(as_scores(logged), now, step, prefix, tags)
            return
        found = self._names.under(tags)
        rows: list[tuple[Known, Any]] = []
        late = False
        for own, value in logged.items():
            name = prefix + own if prefix and isinstance(own, str) else own
            if type(value) is not float:
                value = number(name, value)
                if value is LATE:
                    late, value = True, logged[own]
            rows.append((found.get(name) or self._names.introduce(name, tags), value))
        if late:
            self._log_late(rows, now, step)
        else:
            self._write(rows, now, step)

    def log_params(self, params: Mapping[str, Any], **tags: Any) -> None:
        """Record parameters that were not known at the beginning, or, with stage= or fold=, those
        of one of them; what trackers make of late ones stands in `assay.trackers`."""
        self._check()
        flat = as_params(params)
        line = {"kind": "params", "time": self._now(), "params": flat, "tags": texts(tags)}
        self._entry(line)

    def histogram(self, array: Any, name: str, step: int | None = None, **tags: Any) -> None:
        """Record how values are distributed: 64 bins of equal width over the finite ones."""
        self._check()
        if self._silent:
            return
        edges, counts = values.histogram(array, name)
        line = self._about("histogram", name, step or 0, tags)
        self._entry({**line, "edges": edges, "counts": counts})

    def artifact(self, path: str | os.PathLike[str], name: str | None = None, **tags: Any) -> None:
        """Record a file or a folder: it is copied into the run's directory, if it is not there.

        name: by default the last part of the path. The same file again replaces what was recorded;
        InputError where another one, which is still there, has the name.
        """
        self._check()
        if not self._silent:
            name, inside = files.copy_in(self.directory, path, name, tags, self._copied)
            self._entry({**self._about("artifact", name, None, tags), "path": inside})

    def figure(self, figure: Any, name: str, step: int | None = None, **tags: Any) -> None:
        """Record a matplotlib figure, or the bytes of a PNG, as figures/{tags}/NAME.png."""
        self._check()
        if not self._silent:
            path = files.save_figure(self.directory, figure, name, step, tags)
            self._entry({**self._about("figure", name, step, tags), "path": path})

    def table(self, rows: Any, name: str, step: int | None = None, **tags: Any) -> None:
        """Record rows (mappings, a mapping of columns, a data frame) as tables/{tags}/NAME.csv."""
        self._check()
        if not self._silent:
            path = files.save_table(self.directory, rows, name, step, tags)
            self._entry({**self._about("table", name, step, tags), "path": path})

    def save(self, content: Any, name: str = "best.pt", **tags: Any) -> str:
        """Write a model as models/{tags}/NAME, whole or not at all, and record it; the path.

        content: bytes, what torch.save takes, or a function that returns either, as
        `model.state_dict`. It is called on every rank, as one of a sharded model must be; a model
        is not.
        """
        self._check()
        made = content() if files.is_function(content) else content
        inside = files.inside("models", name, tags)
        if not self._silent:
            files.save_model(self.directory, made, inside)
            self._entry({**self._about("artifact", name, None, tags), "path": inside})
        return os.path.join(self.directory, inside)

    # -- asking ------------------------------------------------------------------------------------

    @property
    def best(self) -> dict[str, Best]:
        """The best value so far of each metric, under its flat name, and the first step that had
        it; of those where a Score or the name says which way is better."""
        self._settle()
        return self._names.best()

    def is_best(self, name: str, **tags: Any) -> bool:
        """Is the latest value better than all of the steps before? The first one is; an equal one,
        or NaN, is not. InputError where nothing says which way is better."""
        self._check()
        self._settle()
        known = self._names.directed(name, tags)
        if self._board:
            self._board.watch(known.metric.key_in_group)
        return known.best is not None and known.best.step == known.step

    # -- beginning and end -------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._pid = os.getpid()
        self._keeper = Keeper()
        if self._silent:
            before = record_there(self.directory) if self._resume else None
            if before is not None:
                self._names.restore(before)  # is_best must agree on all ranks
        else:
            self._begin()
        self._keeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pid != os.getpid():  # a fork of the one that entered
            return
        if self._system and not self._silent:
            self._keeper.do(self._sample)
        self._keeper.stop()
        self._pid = 0
        if self._journal is None or self._delivery is None:
            return
        if self._board:
            self._board.close()
        well = kind is None or (isinstance(error, SystemExit) and not error.code)
        status = "finished" if well else "failed"
        why = "" if well else "".join(traceback.format_exception_only(kind, error)).strip()[:2000]
        journal, delivery = self._journal, self._delivery
        end = {"kind": "end", "time": self._now(), "status": status, "error": why}
        try:
            journal.append(encoded(end))
            journal.close()
        finally:
            self._lock.release()
        say(f"{self.name}: {status}, {self._written:,} points in {self._given}")
        try:
            delivery.flush(self._flush_s)
        finally:  # whoever is tired of waiting hears too what is left
            for line in [*journal.losses(), *delivery.report(self._written)]:
                say(line)
        if self._strict and well and not delivery.is_done:
            raise delivery.failure or TrackerError(
                f"{self.directory}: not everything is sent; later: assay resync {self.directory}"
            )

    def _begin(self) -> None:
        head: dict[str, Any] = {
            "id": secrets.token_hex(6), "name": self.name, "time": self._now(),
            "params": self._params, "tags": texts(self._tags),
            "trackers": self._specs,
        }  # fmt: skip
        self._lock, self._journal, before, begin = opened(
            self.directory, head, resume=self._resume, strict=self._strict
        )
        self.id, specs = before.id if before else head["id"], self._specs
        if before:
            self._names.restore(before)
            self._written = before.written
            specs = before.trackers + [spec for spec in specs if spec not in before.trackers]
        self._delivery = Delivery(self.directory, specs, self._callables, begin)
        self._delivery.start()
        self._keeper.every(WATCH_S, self._delivery.watch)
        self._keeper.every(SYNC_S, self._journal.sync)
        if self._board:
            self._keeper.every(WATCH_S, self._flush_board)
        if self._system:
            self._sampler = Sampler()
            self._keeper.every(SYSTEM_S, self._sample)

    # -- writing -----------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._pid != os.getpid():
            raise InputError(
                "Run: must be used by the process that entered it, inside its block: "
                "with assay.Run(…) as run:"
            )
        if self._strict and self._delivery and self._delivery.failure:
            raise self._delivery.failure

    def _now(self) -> float:
        """The time, which grows from call to call: of two points of a step the later one counts."""
        with self._guard:
            self._last = now = max(time.time(), self._last + 1e-6)
        return now

    def _entry(self, line: dict[str, Any]) -> None:
        if self._journal is not None:
            self._journal.append(encoded(line))

    def _about(self, kind: str, name: Any, step: int | None, tags: Mapping[str, Any]) -> Any:
        if not isinstance(name, str) or not name:
            raise InputError(f"run.{kind}: name must be text that is not empty, got {name!r}")
        step = None if step is None else whole_step(step)
        return {"kind": kind, "time": self._now(), "step": step, "name": name, "tags": texts(tags)}

    def _log_scores(
        self, scores: list[Score], now: float, step: int | None, prefix: str, tags: dict[str, Any]
    ) -> None:
        rows, items = [], {}
        for score in scores:
            own = score.tagged(**texts(tags))
            name = prefix + own.name
            known = self._names.under(own.tags).get(name)
            if known is None or known.definition != defined_by(own):
                known = self._names.introduce(name, own.tags, own)
            rows.append((known, number(name, own.value)))
            items[known.metric.key] = own.n
        self._write(rows, now, step, items)

    def _log_late(self, rows: list[tuple[Known, Any]], now: float, step: int | None) -> None:
        """Leave rows with tensors of a device to the thread, which may wait for them."""
        waiting = [value for _, value in rows if not isinstance(value, (int, float))]
        read = fetched(waiting)

        def write() -> None:
            ready = iter(read())
            done = [
                (known, value if isinstance(value, (int, float)) else next(ready))
                for known, value in rows
            ]
            self._write(done, now, step)

        self._keeper.do(write)

    def _write(
        self,
        rows: list[tuple[Known, Any]],
        now: float,
        step: int | None,
        items: Mapping[str, int] | None = None,
    ) -> None:
        with self._guard:
            if step is None:
                by_step: dict[int, list[tuple[Known, Any]]] = {}
                for row in rows:
                    by_step.setdefault(row[0].step + 1, []).append(row)
                for own, some in by_step.items():
                    self._write(some, now, own, items)
                return
            step = whole_step(step)
            parts = []
            for known, value in rows:
                # Of a finite number the difference to itself is 0.
                text = (
                    repr(value) if type(value) is float and value - value == 0 else as_text(value)
                )
                parts.append(known.prefix + text)
                known.note(step, value)
            if self._journal is None or not parts:
                return
            n = f',"n":{counts_text(rows, items)}' if items else ""
            head = f'{{"kind":"points","time":{now!r},"step":{step},"values":'
            line = f"{head}{{{','.join(parts)}}}{n}}}\n"
            self._journal.append(line.encode("utf-8", "replace"))
            self._written += len(parts)
            if self._board is not None:
                self._board.log(step, [(known.metric, value) for known, value in rows])

    def _settle(self) -> None:
        """Have every value at hand that was logged."""
        self._keeper.settle()
        if any(known.stale for known in self._names.by_key.values()) and not self._silent:
            self._names.restore(read_journal(self.directory))

    def _sample(self) -> None:
        self.log(self._sampler.sample())

    def _flush_board(self) -> None:
        with self._guard:
            if self._board is not None:
                self._board.flush()
