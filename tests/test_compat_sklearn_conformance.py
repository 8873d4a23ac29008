"""scikit-learn's own tests of its metrics, run against assay's functions of the same names."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.9")

from sklearn_shim import deselected  # noqa: E402

MODULES = ("test_classification", "test_ranking", "test_common")
MOST = 0  # deselected tests; may only go down
SHARE = 0.03

RELEASE = tuple(map(int, sklearn.__version__.split(".")[:2]))


@pytest.mark.skipif(RELEASE != (1, 9), reason="the tests of scikit-learn 1.9")
@pytest.mark.slow
def test_scikit_learns_tests_hold(tmp_path, capsys):
    settings, out = tmp_path / "pytest.ini", tmp_path / "outcomes"
    settings.write_text("[pytest]\n")
    tests = Path(__file__).parent
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-c", settings,
            "--rootdir", Path(sklearn.__file__).parents[1], "-p", "no:cacheprovider",
            "-p", "sklearn_shim", "--tb=short", "--pyargs",
            *(f"sklearn.metrics.tests.{module}" for module in MODULES),
        ],
        env={**os.environ, "PYTHONPATH": str(tests), "SKLEARN_SHIM_OUT": str(out)},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    rows = [line.split("\t", 1) for line in out.read_text().splitlines()]
    count, left_out = Counter(how for how, _ in rows), deselected()
    with capsys.disabled():
        print(
            f"\nscikit-learn {sklearn.__version__}: {len(rows)} of its tests call assay, "
            f"{count['passed']} pass, {count['Skipped']} skip themselves, "
            f"{len(left_out)} are deselected"
        )
    assert {*count} <= {"passed", "Skipped"}
    assert len(rows) > 1800
    assert len(left_out) < SHARE * (len(rows) + len(left_out))


def test_the_list_of_deselected_tests_does_not_grow():
    found = deselected()
    assert len(found) <= MOST
    assert all(found.values()), "each id needs a reason: id  # reason"
