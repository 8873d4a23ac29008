"""Damaged files and strange texts give an error of assay or what they hold: no other error, no
end of the process, no hang, no wrong count.

By default the same cases each time. ASSAY_FUZZ_SECONDS: of each target, other cases each day;
ASSAY_FUZZ_SEED: where their numbers begin. What was found is kept in test_fuzz_found.py and
test_security_states.py.
"""

import datetime
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fuzz_kit

SECONDS = os.environ.get("ASSAY_FUZZ_SECONDS", "0")
TODAY = datetime.datetime.now(datetime.UTC).date().toordinal() if float(SECONDS) else 0
SEED = os.environ.get("ASSAY_FUZZ_SEED", str(TODAY * 1_000_000))
WORKER = Path(__file__).with_name("fuzz_worker.py")
GROUPS = [[*fuzz_kit.READERS], [name for name in fuzz_kit.TARGETS if name not in fuzz_kit.READERS]]


@pytest.mark.parametrize("names", GROUPS, ids=["files", "states and texts"])
def test_anything_is_read_or_refused(tmp_path, names):
    most = 120 + 60 * float(SECONDS) * len(names)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(WORKER), str(tmp_path), SEED, SECONDS, *names],
        capture_output=True, text=True, check=False, timeout=most, cwd=WORKER.parent,
    )  # fmt: skip
    last = (tmp_path / "last").read_text().partition(" ")
    again = f"fuzz_worker.py FOLDER {last[0]} 0 {last[2]!r}"
    assert done.returncode == 0, f"{again}\n{done.stdout[-500:]}\n{done.stderr[-3000:]}"
    assert done.stdout.count(" cases") == len(names)
