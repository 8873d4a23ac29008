"""The README's Python is run as it stands, and its tables and its chart are what was measured."""

import doctest
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import readme
import rows

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"

RESULTS = rows.load(readme.RESULTS)
TIMED = {"role": "ours", "status": "ok", "n": "20000", "median_ms": "1.5", "ratio": "1"}


def test_every_example_prints_what_it_says() -> None:
    failed, run = doctest.testfile(str(README), module_relative=False)
    assert run >= 10
    assert failed == 0


def test_it_has_the_numbers_of_the_last_run_that_was_kept():
    text = README.read_text("utf-8")
    assert readme.page(text, RESULTS) == text, "python bench/readme.py writes them anew"
    assert readme.CHART.read_text("utf-8") == readme.chart(RESULTS)


def test_other_numbers_make_another_page():
    """A peer that was faster is named, and one that was wrong is not shown."""
    about = dict.fromkeys(rows.COLUMNS, "") | {"date": "2026-01-02T03:04:05Z", "case": "cer"}
    found = [
        about | TIMED | {"contender": "assay", "memory_mib": "2000", "max_error": "0"},
        about | TIMED | {"contender": "slow", "role": "peer", "median_ms": "3000"},
        about | TIMED | {"contender": "fast", "role": "peer", "median_ms": "0.05", "ratio": "0.5"},
        about | TIMED | {"contender": "bad", "role": "peer", "status": "WRONG", "ratio": "0.1"},
    ]
    text = readme.page(README.read_text("utf-8"), found)
    assert "| 20,000 | 1.5 ms | fast 50 µs | 0.5× |  | 2000 | 0 |" in text
    assert "Of 1 cases with a peer, a peer was faster in 1: `cer`." in text
    assert "bad" not in text
    ElementTree.fromstring(readme.chart(found))


def test_a_part_that_is_not_there():
    with pytest.raises(ValueError, match=r"0 parts <!-- numbers: … -->, expected one"):
        readme.page("# assay\n", RESULTS)


def test_it_has_every_metric():
    (table,) = re.findall(r"<!-- metrics: .*?<!-- /metrics -->", README.read_text("utf-8"), re.S)
    assert set(readme.METRICS) <= set(re.findall(r"`([^`]+)`", table))
