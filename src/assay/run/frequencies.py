"""How often each of many texts occurs, exactly, in memory that does not grow.

Up to HELD different rows are held; more go to a temporary database of SQLite, which keeps a few
MiB of them in memory and deletes itself.
"""

import json
import sqlite3
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import finalize

from assay.core.errors import DataError, StateFormatError
from assay.core.state_bytes import inflated

__all__ = ["Frequencies"]

HELD = 250_000
CACHE_KIB = 32 << 10

QUICK = 1  # zlib's level

Key = tuple[str, str, str]


class Frequencies:
    """Counts of rows of three texts: what it is a count of, reference, hypothesis."""

    def __init__(self, held: int = HELD) -> None:
        self.limit = held
        self.held: dict[Key, int] = {}
        self.database: Any = None

    def add(self, counts: Mapping[Key, int] | Iterable[tuple[Key, int]]) -> None:
        """Add counts of rows."""
        held = self.held
        for key, count in counts.items() if isinstance(counts, Mapping) else counts:
            held[key] = held.get(key, 0) + count
            if len(held) > self.limit:
                self._spill()
                held = self.held

    def rows(self) -> Iterator[tuple[Key, int]]:
        """All rows in order, each once."""
        if self.database is None:
            yield from sorted(self.held.items())
            return
        self._spill()
        with _disk():
            for a, b, c, times in self.database.execute("SELECT * FROM rows ORDER BY a, b, c"):
                yield (a, b, c), times

    def top(self, limit: int) -> dict[tuple[str, str], list[tuple[str, str, int]]]:
        """The most frequent rows of each first text and kind, as (reference, hypothesis, times);
        ties in order of the texts. kind: substitutions, deletions, insertions, by which side is
        empty."""
        found: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
        for (what, reference, hypothesis), times in self.rows():
            kind = "deletions" if not hypothesis else "insertions"
            kind = "substitutions" if reference and hypothesis else kind
            best = found.setdefault((what, kind), [])
            best.append((reference, hypothesis, times))
            if len(best) >= 8 * limit + 1024:
                best[:] = _most(best, limit)
        return {key: _most(best, limit) for key, best in found.items()}

    def to_bytes(self) -> bytes:
        """All rows in order, as packed lines of JSON."""
        lines = (json.dumps([*key, times], ensure_ascii=False) for key, times in self.rows())
        return zlib.compress("\n".join(lines).encode(), QUICK)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Frequencies":
        """What to_bytes() gave."""
        found = cls()
        found.add(_lines(inflated(data)))
        return found

    def __reduce__(self) -> Any:  # a database stays where it is
        return Frequencies.from_bytes, (self.to_bytes(),)

    def _spill(self) -> None:
        with _disk():
            if self.database is None:
                # a temporary file without a name, which any thread may be the last to hold
                self.database = sqlite3.connect("", check_same_thread=False)
                finalize(self, self.database.close)
                self.database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
                self.database.execute("PRAGMA journal_mode = OFF")
                self.database.execute(
                    "CREATE TABLE rows (a TEXT, b TEXT, c TEXT, n INTEGER, PRIMARY KEY (a, b, c)) "
                    "WITHOUT ROWID"
                )
            # in order of the key: the tree is walked once
            self.database.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?) "
                "ON CONFLICT (a, b, c) DO UPDATE SET n = n + excluded.n",
                ((*key, count) for key, count in sorted(self.held.items())),
            )
        self.held = {}


def _lines(data: bytes) -> Iterator[tuple[Key, int]]:
    for line in data.decode().split("\n") if data else ():
        what, reference, hypothesis, times = json.loads(line)
        key = what, reference, hypothesis
        if not all(isinstance(text, str) for text in key) or type(times) is not int:
            raise StateFormatError(f"errors hold {line!r:.60}, which is none")
        if not 0 < times < 1 << 63:
            raise StateFormatError(f"errors hold one {times} times")
        yield key, times


def _most(rows: list[tuple[str, str, int]], limit: int) -> list[tuple[str, str, int]]:
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))[:limit]


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise DataError(
            f"{tempfile.gettempdir()}: errors that do not fit in memory cannot be written: "
            f"{error}; name a folder with room in TMPDIR, or leave --errors out"
        ) from error
