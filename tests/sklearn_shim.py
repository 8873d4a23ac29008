"""A pytest plugin that puts assay's functions in the place of scikit-learn's.

    PYTHONPATH=tests python -m pytest -p sklearn_shim --pyargs sklearn.metrics.tests.test_ranking

The public names of sklearn.metrics are rebound before its tests are collected; estimators, scorers
and scikit-learn's own functions keep the originals, which they have bound already. Tests whose ids
are in sklearn_deselected.txt are left out. The file that SKLEARN_SHIM_OUT names gets a line for
each test that called one of ours: its outcome, a tab, its id.
"""

import functools
import os
from pathlib import Path

DESELECTED = Path(__file__).parent / "sklearn_deselected.txt"
IMPORTED_PRIVATELY = ("d2_brier_score", "d2_log_loss_score")  # from where they are written

calls = 0
outcomes: dict[str, str] = {}


def deselected():
    """id -> reason."""
    lines = DESELECTED.read_text().splitlines()
    rows = (line.partition("  # ") for line in lines if line and not line.startswith("#"))
    return {test.strip(): reason.strip() for test, _, reason in rows}


def counting(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        global calls
        calls += 1
        return function(*args, **kwargs)

    return call


def pytest_configure():
    import sklearn.metrics
    import sklearn.metrics._classification

    from assay.compat import sklearn as ours

    for name in ours.__all__:
        if not hasattr(sklearn.metrics, name) and name not in IMPORTED_PRIVATELY:
            continue
        mine = counting(getattr(ours, name))
        setattr(sklearn.metrics, name, mine)
        if name in IMPORTED_PRIVATELY:
            setattr(sklearn.metrics._classification, name, mine)


def pytest_collection_modifyitems(config, items):
    left_out = deselected()
    config.hook.pytest_deselected(items=[item for item in items if short(item) in left_out])
    items[:] = [item for item in items if short(item) not in left_out]


def pytest_runtest_setup(item):
    item.calls_before = calls


def pytest_runtest_makereport(item, call):
    if call.when == "call" and calls > item.calls_before:
        outcomes[short(item)] = "passed" if call.excinfo is None else call.excinfo.typename


def short(item):
    """An id without the place where scikit-learn is installed."""
    path, _, name = item.nodeid.partition("::")
    return f"{Path(path).name}::{name}"


def pytest_sessionfinish():
    if "SKLEARN_SHIM_OUT" in os.environ:
        lines = (f"{how}\t{test}\n" for test, how in outcomes.items())
        Path(os.environ["SKLEARN_SHIM_OUT"]).write_text("".join(lines))
