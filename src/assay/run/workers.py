"""What a worker of an engine does with one shard, whichever process or machine it is on.

It counts with one thread: there are as many workers as CPUs. What it tells of how far it is has to
travel, so it comes once, at the end, and small.
"""

import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from glob import escape, glob
from itertools import takewhile
from typing import Any

from assay.core.protocols import Part
from assay.run.jobs import Done, Job, Shard, Watch, local
from assay.run.totals import Total

__all__ = ["ENVIRONMENT", "Seen", "count_shard"]

# of a worker; pyarrow's own allocator keeps what was freed
ENVIRONMENT = {"ASSAY_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}

SMALL = 1 << 14  # bytes of a state that is sent along to be watched


@dataclass(frozen=True)
class Seen:
    """How many bytes of each part were read, and what is shown of the counts."""

    parts: tuple[tuple[Part, int], ...]
    total: Total

    def tell(self, watch: Watch) -> None:
        """Call watch for each part; all that was counted comes with the first."""
        fresh = self.total
        for part, consumed in self.parts:
            watch(part, consumed, fresh)
            fresh = Total()


def count_shard(job: Job, shard: Shard) -> tuple[Done, Seen]:
    """Count a shard. It may have been begun before, by a worker that was killed."""
    if (path := job.item_file(shard)) is not None:
        for left in glob(f"{escape(path)}.*.partial"):
            os.unlink(left)
    read: dict[int, tuple[Part, int]] = {}

    def note(part: Part, consumed: int, fresh: Total) -> None:
        read[part.index] = part, consumed

    (done,) = local(job, [shard], note)
    states = dict(takewhile(_is_small, _without_groups(done.total)))
    return done, Seen(tuple(read.values()), Total(done.total.items, states))


def _without_groups(total: Total) -> Iterator[tuple[str, Any]]:
    for name, state in total.states.items():
        own: Any = state
        none: dict[str, Any] = {f.name: {} for f in fields(own) if f.metadata["kind"] == "grouped"}
        yield name, replace(own, **none)


def _is_small(named: tuple[str, Any]) -> bool:
    return len(pickle.dumps(named)) <= SMALL
