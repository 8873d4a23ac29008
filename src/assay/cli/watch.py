"""How far a count is: a bar on a terminal, else a line now and then, or lines of JSON."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from assay.cli.shared import on_terminal
from assay.core.protocols import Part
from assay.run.jobs import Shard
from assay.run.totals import Total

__all__ = ["Headline", "Watching", "watching"]

# name -> (what, over what), or a state that has a value; either adds
Headline = Callable[[Total], Mapping[str, Any]]

BAR = 12  # characters
FRAME_S, LINE_S, JSON_S = 0.1, 10.0, 1.0  # how often each of the three is told


@dataclass(frozen=True)
class _Ratio:
    """A part of some items."""

    part: int
    items: int

    def __add__(self, other: "_Ratio") -> "_Ratio":
        return _Ratio(self.part + other.part, self.items + other.items)

    @property
    def value(self) -> float:
        return self.part / self.items


class Watching:
    """A run.jobs.Watch that adds up what it sees, and tells it when it is time."""

    def __init__(
        self,
        parts: Sequence[Part],
        shards: Sequence[Shard],
        finished: Sequence[Shard],
        headline: Headline,
        tell: Callable[[dict[str, Any]], None],
        every: float,
    ) -> None:
        sizes = [part.size for part in parts]
        self.total = None if None in sizes else sum(filter(None, sizes)) or None
        self.before = sum(sizes[at] or 0 for s in finished for at in range(s.start, s.stop))
        self.shards, self.shards_done = len(shards), len(finished)
        self.headline, self.tell, self.every = headline, tell, every
        self.items_before, self.items, self.bytes = 0, 0, 0
        self.read: dict[int, int] = {}  # bytes of each part
        self.sums: dict[str, Any] = {}
        self.began = time.monotonic()
        self.due = self.began + every

    def __call__(self, part: Part, consumed: int, fresh: Total) -> None:
        self.items += fresh.items
        self.bytes += consumed - self.read.get(part.index, 0)
        self.read[part.index] = consumed
        self._sum(fresh)
        if (now := time.monotonic()) >= self.due:
            self.due = now + self.every
            self.tell(self.facts())

    def kept(self, total: Total) -> None:
        """A shard that an earlier run has finished."""
        self.items_before += total.items
        self._sum(total)

    def done(self, shards: int) -> None:
        """So many more shards are done."""
        self.shards_done += shards

    def _sum(self, total: Total) -> None:
        if total.states:
            for name, found in self.headline(total).items():
                own = _Ratio(*found) if isinstance(found, tuple) else found
                self.sums[name] = self.sums[name] + own if name in self.sums else own

    def facts(self) -> dict[str, Any]:
        """All that is known, of finished shards too; rates are of this run. left_s, total_bytes:
        None where the size of the input is unknown."""
        elapsed = max(time.monotonic() - self.began, 1e-9)
        rate = self.bytes / elapsed
        left = None
        if self.total and rate:
            left = max(0.0, (self.total - self.before - self.bytes) / rate)
        return {
            "items": self.items_before + self.items,
            "items_per_s": self.items / elapsed,
            "bytes": self.before + self.bytes,
            "bytes_per_s": rate,
            "total_bytes": self.total,
            "shards_done": self.shards_done,
            "shards": self.shards,
            "elapsed_s": elapsed,
            "left_s": left,
            "values": {name: own.value for name, own in self.sums.items() if own.items},
        }


@contextmanager
def watching(
    parts: Sequence[Part],
    shards: Sequence[Shard],
    finished: Sequence[Shard],
    things: str,
    headline: Headline,
    as_json: bool,
) -> Iterator[Watching]:
    """Tell on standard error how far it is. things: what is counted; as_json: in lines of JSON."""
    if as_json:
        watch = Watching(parts, shards, finished, headline, _print_json, JSON_S)
        yield watch
        _print_json(watch.facts())
    elif on_terminal():
        with _bar(things) as tell:
            watch = Watching(parts, shards, finished, headline, tell, FRAME_S)
            tell(watch.facts())
            yield watch
    else:

        def say(facts: dict[str, Any]) -> None:
            print(_line(facts, things), file=sys.stderr, flush=True)

        yield Watching(parts, shards, finished, headline, say, LINE_S)


def _print_json(facts: dict[str, Any]) -> None:
    print(json.dumps(facts), file=sys.stderr, flush=True)


def _line(facts: Mapping[str, Any], things: str) -> str:
    """The facts in a line, such as 41 %, 1,234,567 pairs, 800,000/s, 0:12 left, wer 0.1234. What
    matters least stands last, where a narrow terminal cuts."""
    told = [f"{facts['items']:,} {things}", f"{facts['items_per_s']:,.0f}/s"]
    if facts["total_bytes"]:
        told.insert(0, f"{100 * facts['bytes'] / facts['total_bytes']:.0f} %")
    if facts["left_s"] is not None:
        told.append(f"{_clock(facts['left_s'])} left")
    else:
        told.append(f"{_clock(facts['elapsed_s'])} so far")
    if facts["shards"] > 1:
        told.append(f"{facts['shards_done']} of {facts['shards']} shards")
    told += [f"{name} {value:.4f}" for name, value in facts["values"].items()]
    told.append(f"{facts['bytes_per_s'] / 1e6:,.1f} MB/s")
    return ", ".join(told)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def _bar(things: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (BarColumn(BAR), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def tell(facts: dict[str, Any]) -> None:
            told = _line(facts, things)[: console.width - BAR - 1]  # or the bar gives way
            bar.update(task, description=told, total=facts["total_bytes"], completed=facts["bytes"])

        yield tell
