"""Peak memory of one call: resident pages, so NumPy's, Numba's and C++'s count.

`python bench/memory.py CASE CONTENDER SIZE` is a fresh process that builds the input, warms up on
a small one, gives free heap back, and prints by how many bytes one call raises the resident size
above what it was: a buffer that is kept for the next call would hide there otherwise.
"""

import ctypes
import gc
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["extra_bytes", "peak_of"]

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"


def peak_of(case: str, contender: str, size: int) -> int | None:
    """Extra bytes at the peak of one call in a fresh process; None where that cannot be told."""
    command = [sys.executable, __file__, case, contender, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"memory of {case}, {contender}: {last}", file=sys.stderr)
        return None
    extra: int | None = json.loads(done.stdout)
    return extra


def extra_bytes(run: Callable[[], Any]) -> int | None:
    """By how much one call raises this process's resident size at its peak. Linux only."""
    gc.collect()
    _trim_heap()
    try:
        CLEAR.write_text(RESET_PEAK)
        before = _resident("VmRSS")
        run()
        return max(0, _resident("VmHWM") - before)
    except OSError:
        return None


def _resident(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", STATUS.read_text())
    return int(found[1]) * 1024 if found else 0


def _trim_heap() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc
    if trim is not None:
        trim(0)


def _main(name: str, contender: str, size: int) -> None:
    from cases import CASES

    case = next(case for case in CASES if case.name == name)

    def runner(n: int) -> Callable[[], Any]:
        work = case.build(n)
        return (work.ours if contender == "assay" else work.peers[contender])().run

    runner(case.warm)()
    print(json.dumps(extra_bytes(runner(size))))


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
