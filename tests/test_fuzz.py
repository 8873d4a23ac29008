"""Damaged files and strange texts give an error of assay or what they hold: no other error, no
end of the process, no hang, no wrong count.

By default the same cases each time. ASSAY_FUZZ_SECONDS: of each target, other cases each day;
ASSAY_FUZZ_SEED: where their numbers begin. What was found is kept in test_fuzz_found.py and
test_security_states.py.
"""

import datetime
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import forged_kit
import fuzz_kit
from assay import State, metrics
from assay.readers import FORMATS
from fuzz_readers import READERS
from state_kit import ADDING, MADE

SECONDS = os.environ.get("ASSAY_FUZZ_SECONDS", "0")
TODAY = datetime.datetime.now(datetime.UTC).date().toordinal() if float(SECONDS) else 0
SEED = os.environ.get("ASSAY_FUZZ_SEED", str(TODAY * 1_000_000))
WORKER = Path(__file__).with_name("fuzz_worker.py")
OTHERS = [name for name in fuzz_kit.TARGETS if name not in READERS and name not in fuzz_kit.FEW]
GROUPS = {"files": [*READERS], "states and texts": OTHERS, "commands": [*fuzz_kit.FEW]}


@pytest.mark.parametrize("names", GROUPS.values(), ids=GROUPS)
def test_anything_is_read_or_refused(tmp_path, names):
    most = 1200 + 60 * float(SECONDS) * len(names)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(WORKER), str(tmp_path), SEED, SECONDS, *names],
        capture_output=True, text=True, check=False, timeout=most, cwd=WORKER.parent,
    )  # fmt: skip
    last = (tmp_path / "last").read_text().partition(" ")
    again = f"fuzz_worker.py FOLDER {last[0]} 0 {last[2]!r}"
    assert done.returncode == 0, f"{again}\n{done.stdout[-500:]}\n{done.stderr[-3000:]}"
    assert done.stdout.count(" cases") == len(names)


def test_every_format_is_fuzzed():
    assert set(FORMATS) <= set(READERS)


def test_every_kind_of_state_is_forged():
    for module in pkgutil.iter_modules(metrics.__path__, "assay.metrics."):
        importlib.import_module(module.name)
    own = {kind for kind in State._kinds.values() if kind.__module__.startswith("assay.")}
    bases = {base for kind in own for base in kind.__mro__[1:]}
    forged = {type(state) for state in forged_kit.samples().values()}
    assert own - bases == forged - bases


@given(st.randoms(use_true_random=False), st.sampled_from(ADDING))
def test_states_of_what_is_measured_add(rng, name):
    """The others have test_laws.py."""
    a, b, c = (MADE[name](rng) for _ in range(3))
    whole = a + b + c
    for other in (a + (b + c), c + b + a, type(a)() + whole, State.from_bytes(whole.to_bytes())):
        assert other.to_bytes() == whole.to_bytes()
        assert repr(other.scores()) == repr(whole.scores())
