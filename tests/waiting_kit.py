"""How tests wait: for the thing itself, and as long as nothing but a failure takes."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE_S = 120.0  # a busy machine may stop for seconds at any moment


def wait_until(holds: Callable[[], Any]) -> None:
    """Return once it holds; an assertion fails where it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def tasks() -> set[str]:
    """The threads of this process, as the system has them; of no other system than Linux."""
    return {*os.listdir("/proc/self/task")} if sys.platform == "linux" else set()


def wait_for_samples(sampling: set[str]) -> None:
    """Until the thread of a sampler has waited often, as it does between two samples."""

    def waits() -> int:
        texts = [Path(f"/proc/self/task/{task}/status").read_text() for task in sampling]
        return sum(
            int(text.rpartition("\nvoluntary_ctxt_switches:")[2].split()[0]) for text in texts
        )

    if not sampling:  # no Linux
        time.sleep(0.1)
        return
    often = waits() + 20
    wait_until(lambda: waits() >= often)
