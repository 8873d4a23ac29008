"""What becomes of a case: nothing is timed that is not right, and goals are judged by the rest."""

import numpy as np
import pytest
import rows
from case import Case, Goal
from gate import Contender, Work, Wrong, largest_error
from outcomes import Entry, Outcome, judge, run_case
from timing import Times

from bench_kit import fake


def test_wrong_result_is_not_timed():
    result = run_case(fake(1.5), quick=True)
    assert result.ours.status == "WRONG"
    assert "x differs by 0.5" in result.ours.note
    assert all(entry.times is None for entry in result.entries.values())
    assert judge(result)[0].met is None


def test_peers_that_are_absent_fail_or_are_wrong_are_named():
    def absent():
        raise ImportError("No module named 'other'")

    def fails():
        raise RuntimeError("out of order\nsecond line")

    def wrong():
        return Contender(lambda: 7.0, lambda x: {"x": x})

    result = run_case(fake(peers={"a": absent, "f": fails, "w": wrong}, goals=()), quick=True)
    assert [(peer.name, peer.status, peer.note) for peer in result.peers] == [
        ("a", "absent", "ImportError: No module named 'other'"),
        ("f", "failed", "RuntimeError: out of order"),
        ("w", "WRONG", "x differs by 6 at 0: 7.0, not 1.0"),
    ]
    assert result.ours.times is not None
    assert all(peer.times is None for peer in result.peers)


def test_without_a_truth_nothing_is_timed():
    def no_oracle():
        raise ImportError("No module named 'oracle'")

    work = Work(lambda: Contender(float, lambda x: {"x": x}), no_oracle, float)
    result = run_case(Case("fake", "", lambda n: work, "none"), quick=True)
    assert result.ours.status == "unchecked"
    assert "No module named 'oracle'" in result.ours.note
    assert result.ours.times is None


def test_a_case_that_cannot_be_built_is_reported():
    def build(n):
        raise OSError("disk full")

    result = run_case(Case("fake", "", build, "none"), quick=True)
    assert (result.ours.status, result.ours.note) == (
        "failed",
        "to build the case: OSError: disk full",
    )


@pytest.mark.parametrize(
    ("found", "truth", "error"),
    [
        ({"x": [1, 2]}, {"x": [1, 2], "y": 3}, 0.0),
        ({"x": 1.25}, {"x": 1.0}, 0.25),
        ({"x": [np.inf, -np.inf]}, {"x": [np.inf, -np.inf]}, 0.0),
        ({"x": []}, {"x": []}, 0.0),
    ],
)
def test_largest_error(found, truth, error):
    assert largest_error(found, truth, 0.5) == error


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({}, "gives"),
        ({"y": 1}, "gives"),
        ({"x": [1, 2, 3]}, "shape"),
        ({"x": [1, 4]}, "differs by 2 at 1: 4, not 2"),
        ({"x": [1, np.nan]}, "differs by inf at 1"),
        ({"x": [1, np.inf]}, "differs by inf at 1"),
    ],
)
def test_largest_error_refuses(found, message):
    with pytest.raises(Wrong, match=message):
        largest_error(found, {"x": [1, 2]}, 1.0)


@pytest.mark.parametrize(
    ("goal", "value", "met", "aim_met"),
    [
        (Goal("faster", 4, 6, "peer"), 5.0, True, False),
        (Goal("faster", 5, None, "peer"), 5.0, True, None),
        (Goal("faster", 6, 9, "peer"), 5.0, False, False),
        (Goal("over_floor", 1.15), 2.0, False, None),
        (Goal("above_floor", 0.2, 0.1), 1.0, False, False),
        (Goal("seconds", 5, 3), 2.0, True, True),
        (Goal("tail", 1, 0.5), 2.0, False, False),
        (Goal("memory", 200), 64.0, True, None),
    ],
)
def test_goals(goal, value, met, aim_met):
    entries = {
        "assay": Entry("assay", times=Times([2.0], [2.0]), memory_bytes=64 << 20),
        "peer": Entry("peer", times=Times([10.0], [10.0]), ratio=5.0),
        "floor": Entry("floor", times=Times([1.0], [1.0])),
    }
    result = Outcome(fake(goals=(goal,)), 1, False, entries)
    (verdict,) = judge(result)
    assert (verdict.value, verdict.met, verdict.aim_met) == (value, met, aim_met)


def test_a_goal_of_the_full_size_is_not_judged_on_a_small_one():
    case = fake(size_matters=True)
    assert judge(run_case(case, quick=True))[0].met is None
    assert judge(run_case(case, quick=False))[0].met is True


def test_verdicts_in_words():
    (verdict,) = judge(run_case(fake(), quick=False))
    assert rows.describe(verdict) == "100x slow (at least 80: met, aim 150: missed)"
