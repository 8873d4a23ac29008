"""One growing table in the terminal: a row a step, the best so far marked.

Stages and folds share its columns; where one has others, the table begins again. Plain lines. On a
terminal the last one is written again as values of its step come in; elsewhere a row is written
when the next step begins or nothing has come for a while.
"""

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TextIO

from assay.core.directions import better_of
from assay.core.record import Metric
from assay.core.score import flat_key

__all__ = ["Board"]

QUIET_S = 1.0  # without a value, after which a step is taken for done
WIDTH = 10  # of a column at least
COLUMNS = 8  # what a terminal of usual width has room for
MARK = "*"
GROUPS = 20  # whose best rows are named at the end; of more the best of all
BURST = 60  # rows at once; then one a second


class Board:
    """log() or note() values, flush() when it is quiet, close() at the end.

    watched: the key whose best row is marked, of each stage and fold; by default the first one that
    says which way is better and is no loss, else the first that says it. Where steps come faster
    than rows can be read, some are left out, never the last.
    """

    def __init__(
        self,
        watched: str | None = None,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.watched = watched
        self._chosen = False  # by us, and to be given up for a better one
        self._out, self._clock = out, clock
        self._columns: list[str] = []
        self._left_out: set[str] = set()
        self._step: int | None = None
        self._group = ""  # the stage and fold of the row
        self._wide = WIDTH  # of their column
        self._row: dict[str, float] = {}
        self._shown: dict[str, float] = {}  # what was written of this step
        self._noted = self._counted = clock()
        self._room = float(BURST)  # rows that may be written now
        self._best: dict[str, tuple[float, int]] = {}  # by group
        self._open = False  # the last line of a terminal has no end yet

    def watch(self, key: str) -> None:
        """Mark the best of this, if nothing else was asked for."""
        if self.watched is None or self._chosen:
            self.watched, self._chosen, self._best = key, False, {}

    def log(self, step: int, points: Iterable[tuple[Metric, float]]) -> None:
        """Values of a step came, of any stages and folds."""
        by_group: dict[str, dict[str, float]] = {}
        for metric, value in points:
            if metric.tags.get("per") == "step":  # of a batch: too many for rows
                continue
            group = flat_key("", dict(metric.group)).removesuffix("_").rstrip("/")
            by_group.setdefault(group, {})[metric.key_in_group] = value
        for group, values in by_group.items():
            self.note(step, values, group)

    def note(self, step: int, values: dict[str, float], group: str = "") -> None:
        """Values of a step of one group came; those of the system have steps of their own."""
        values = {key: value for key, value in values.items() if not key.startswith("system/")}
        if not values:
            return
        if (step, group) != (self._step, self._group):
            self._write()
            self._end_line()
            fits = values.keys() <= {*self._columns} and bool(group) == bool(self._group)
            if group != self._group and not fits:
                self._columns, self._left_out = [], set()
            self._wide = max(self._wide, _width(group))
            self._step, self._group, self._row, self._shown = step, group, {}, {}
        self._row.update(values)
        self._noted = self._clock()

    def flush(self) -> None:
        """Write the row if its step seems done."""
        if self._clock() - self._noted >= QUIET_S:
            self._write()

    def close(self) -> None:
        self._room = 1.0
        self._write()
        self._end_line()
        best, told = self._best, "best"
        if len(best) > GROUPS:
            sign = -1 if _is_lower(self.watched or "") else 1
            first = max(best, key=lambda group: best[group][0] * sign)
            best, told = {first: best[first]}, f"best of {len(best)}"
        for group, (value, step) in best.items():
            self._print(f"{told}: {_of(group)}step {step}, {self.watched} {_shown(value)}\n")

    # -- writing -----------------------------------------------------------------------------------

    @property
    def _terminal(self) -> bool:
        with suppress(ValueError):  # closed
            return bool(getattr(self._stream, "isatty", bool)())
        return False

    @property
    def _stream(self) -> Any:
        return self._out or sys.stdout

    def _write(self) -> None:
        self._judge()
        now = self._clock()
        self._room = min(self._room + (now - self._counted) / QUIET_S, BURST)
        self._counted = now
        if not self._row or self._row == self._shown or self._room < 1:
            return
        self._room -= 1
        self._head()
        if self._row.keys() <= self._left_out:
            return
        cells = [_shown(self._row.get(key)).rjust(_width(key)) for key in self._columns]
        mark = MARK if self._best.get(self._group, (0, None))[1] == self._step else ""
        line = "  ".join(
            [str(self._step).rjust(6), *self._label(self._group), *cells, mark]
        ).rstrip()
        if self._terminal:
            self._print(f"\r\x1b[K{line}" if self._open else line)
            self._open = True
        else:
            self._print(line + "\n")
        self._shown = dict(self._row)

    def _head(self) -> None:
        """A line of names, again where a new one comes."""
        new = [key for key in self._row if key not in self._columns and key not in self._left_out]
        room = COLUMNS - len(self._columns)
        self._columns += new[:room]
        self._left_out |= set(new[room:])
        if not new[:room]:
            return
        self._end_line()
        keys = (key.rjust(_width(key)) for key in self._columns)
        names = "  ".join(["step".rjust(6), *self._label("of"), *keys])
        more = f"  (and {len(self._left_out)} more)" if self._left_out else ""
        self._print(names + more + "\n")

    def _judge(self) -> None:
        """Is the row the best so far?"""
        if self.watched is None or (self._chosen and _is_lower(self.watched)):
            known = sorted((key for key in self._row if better_of(key)), key=_is_lower)
            if known and known[0] != self.watched:
                self.watched, self._chosen, self._best = known[0], True, {}
        value = self._row.get(self.watched or "")
        if value is None or value != value or self._step is None:
            return
        sign = -1 if _is_lower(self.watched or "") else 1
        best = self._best.get(self._group)
        if best is None or best[1] == self._step or value * sign > best[0] * sign:
            self._best[self._group] = value, self._step

    def _label(self, text: str) -> list[str]:
        """The column of stages and folds, where there are any."""
        return [text.ljust(self._wide)] if self._group else []

    def _end_line(self) -> None:
        if self._open:
            self._print("\n")
            self._open = False

    def _print(self, text: str) -> None:
        with suppress(OSError, ValueError, AttributeError):  # closed, or none: the run goes on
            self._stream.write(text)
            self._stream.flush()


def _is_lower(key: str) -> bool:
    return better_of(key) == "lower"


def _of(group: str) -> str:
    return f"{group}, " if group else ""


def _width(key: str) -> int:
    return max(WIDTH, len(key))


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int) or value == int(value if abs(value) < 1e15 else 0):
        return f"{int(value):,}" if abs(value) >= 1 else f"{value:g}"
    return f"{value:.4f}" if 0.001 <= abs(value) < 100_000 else f"{value:.3g}"
