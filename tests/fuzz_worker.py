"""Fuzzes targets in a process of its own, since a kernel may end it: FOLDER SEED SECONDS TARGET…

Each target has as many seconds, or, of none, a fixed number of cases; it is told how many there
were, and the most memory that the process had. The seed of a case is in
FOLDER/last before it runs, so that one that ends the process is known; `fuzz_worker.py FOLDER SEED
0 TARGET` begins with that case again.
"""

import random
import resource
import signal
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import fuzz_kit
from assay.core.errors import AssayError

ROOM = 8 << 30  # bytes of address space beyond what there is at the beginning
LONGEST = 60.0  # seconds of a case, on a busy machine too
CASES = 150


def main() -> None:
    folder, seed, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    signal.signal(signal.SIGALRM, _too_long)
    cases = {name: fuzz_kit.TARGETS[name](folder) for name in sys.argv[4:]}
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
    for name, case in cases.items():
        end, done = time.monotonic() + seconds, 0
        while time.monotonic() < end if seconds else done < fuzz_kit.FEW.get(name, CASES):
            own = seed + done
            (folder / "last").write_text(f"{own} {name}")
            signal.setitimer(signal.ITIMER_REAL, LONGEST)
            with suppress(AssayError):
                case(random.Random(own))
            signal.setitimer(signal.ITIMER_REAL, 0)
            done += 1
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"{name}: {done} cases, {most} MiB", flush=True)


def _too_long(*_: Any) -> None:
    raise TimeoutError(f"a case takes more than {LONGEST} s")


if __name__ == "__main__":
    main()
