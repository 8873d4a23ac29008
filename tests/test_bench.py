"""The benchmark harness itself: what it refuses, what it writes, how it measures."""

# ruff: noqa: E402 -- bench/ is a folder of scripts, found once it is on the path

import csv
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"
sys.path.insert(0, str(BENCH))

import corpus
import memory
import outcomes
import processes
import rows
import run
from case import STEADY, Case, Goal
from cases import CASES
from gate import Contender, Took, Work, Wrong, largest_error
from outcomes import Entry, Outcome, judge, run_case
from timing import StopRule, Times, interleave

ONCE = StopRule(min_rounds=1, max_rounds=1, slice_s=0.0)


@pytest.fixture(autouse=True)
def no_subprocess(monkeypatch):
    monkeypatch.setattr(outcomes, "peak_of", lambda *_: 3 << 20)


def fake(value=1.0, *, truth=1.0, peers=None, **options):
    """A case whose contenders take a fixed time and give a fixed value."""

    def contender(result, seconds):
        return lambda: Contender(lambda: Took(seconds, result), lambda took: {"x": took.result})

    work = Work(
        ours=contender(value, 0.001),
        truth=lambda: {"x": truth},
        floor=lambda: Took(0.0005, None),
        peers={"slow": contender(truth, 0.1)} if peers is None else peers,
    )
    options = {"goals": (Goal("faster", 80, 150, "slow"),), **options}
    return Case("fake", "", lambda n: work, "none", rule=ONCE, quick_rule=ONCE, **options)


# -- the gate --------------------------------------------------------------------------------------


def test_wrong_result_is_not_timed():
    result = run_case(fake(1.5), quick=True)
    assert result.ours.status == "WRONG"
    assert "x differs by 0.5" in result.ours.note
    assert all(entry.times is None for entry in result.entries.values())
    assert judge(result)[0].met is None


def test_wrong_result_fails_the_run_and_prints_no_time(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LOCAL", tmp_path)
    assert run.main([], [fake(1.5)]) == 1
    printed = capsys.readouterr().out
    assert "WRONG" in printed
    assert " ms, " not in printed
    (ours, peer) = rows.load(tmp_path / "full.csv")
    assert (ours["status"], ours["median_ms"]) == ("WRONG", "")
    assert (peer["contender"], peer["median_ms"]) == ("slow", "")


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
    "case", [pytest.param(c, id=c.name) for c in CASES if c.build.__module__ == "text"]
)
def test_every_text_case_passes_its_gate(case):
    small = outcomes.Outcome(case, case.warm, True)
    runs = outcomes._gate(small, case.build(case.warm))
    assert {entry.name: entry.note for entry in small.entries.values() if entry.note} == {}
    assert runs.keys() == {"assay", "floor", *(peer.name for peer in small.peers)}
    for goal in case.goals:
        assert goal.peer in runs or goal.kind == "memory"


def test_case_names_differ():
    assert len({case.name for case in CASES}) == len(CASES)


# -- measuring -------------------------------------------------------------------------------------


class Clock:
    """A clock that only moves when a contender runs."""

    def __init__(self):
        self.now, self.ran = 0.0, []

    def __call__(self):
        return self.now

    def contender(self, name, *seconds):
        times = itertools.cycle(seconds)

        def runs():
            self.ran.append(name)
            self.now += next(times)

        return runs


def test_contenders_take_turns_and_ratios_stay_inside_a_round():
    # The machine slows down threefold in the second round: ratios do not move.
    clock = Clock()
    contenders = {"a": clock.contender("a", 1, 3), "b": clock.contender("b", 4, 12)}
    times = interleave(contenders, StopRule(min_rounds=2, settled=0.0, budget_s=16), clock)
    assert clock.ran == ["a", "b", "b", "a"]
    assert times["b"].ratio_to(times["a"]) == 4
    assert times["a"].rounds == [1, 3]
    assert times["a"].min == 1


def test_a_slice_ends_by_the_clock_whatever_a_contender_tells():
    """One that tells the time of a small part would be called for ever."""
    clock = Clock()
    run = clock.contender("a", *[5] * 4)

    def told():
        run()
        return Took(1e-6, None)

    times = interleave({"a": told}, StopRule(1, 1, slice_s=8), clock)
    assert times["a"].calls == [1e-6] * 2


def test_short_calls_are_repeated_for_a_slice():
    clock = Clock()
    times = interleave({"a": clock.contender("a", 1, 5, 2)}, StopRule(1, 1, slice_s=8), clock)
    assert times["a"].calls == [1, 5, 2]
    assert times["a"].rounds == [2]


def test_a_contender_may_measure_itself():
    times = interleave({"a": lambda: Took(2.5, None, 7, cpu_s=4.0)}, ONCE)
    assert (times["a"].rounds, times["a"].peak_bytes) == ([2.5], 7)
    assert 4.0 <= times["a"].cpu[0] < 5.0


def test_stop_rule():
    rule = StopRule(min_rounds=3, max_rounds=5, budget_s=10, settled=0.01)

    def times(*ratios):
        return {"a": Times([1.0] * len(ratios)), "b": Times([*ratios])}

    assert not rule.done(times(2, 2), 99)
    assert rule.done(times(2, 2, 2), 0)
    assert not rule.done(times(1, 2, 3), 0)
    assert rule.done(times(1, 2, 3), 10)
    assert rule.done(times(1, 2, 3, 4, 5), 0)


@pytest.mark.skipif(not memory.CLEAR.exists(), reason="resident peaks are read from Linux's /proc")
def test_memory_of_arrays_is_seen():
    assert 30 << 20 <= memory.extra_bytes(lambda: np.ones(4 << 20)) <= 40 << 20


def test_a_process_is_timed_and_its_failure_told():
    took = processes.spawn([sys.executable, "-c", "print('x' * 3)"])
    assert took.result == "xxx\n"
    assert took.seconds > 0
    assert took.peak_bytes > 1 << 20
    with pytest.raises(RuntimeError, match="exit code 1: ValueError: no"):
        processes.spawn([sys.executable, "-c", "raise ValueError('no')"])


# -- goals -----------------------------------------------------------------------------------------


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


# -- rows ------------------------------------------------------------------------------------------


def test_rows_say_everything(tmp_path):
    result = run_case(fake(), quick=True)
    path = tmp_path / "new" / "run.csv"
    rows.save(rows.as_rows(result, rows.machine("python bench/run.py --quick")), path)
    with path.open() as file:
        ours, peer, floor = csv.DictReader(file)
    assert tuple(ours) == rows.COLUMNS
    assert [row["role"] for row in (ours, peer, floor)] == ["ours", "peer", "floor"]
    assert (ours["median_ms"], peer["median_ms"], floor["median_ms"]) == ("1", "100", "0.5")
    assert (ours["ratio"], peer["ratio"], floor["ratio"]) == ("1", "100", "0.5")
    assert (ours["memory_mib"], floor["memory_mib"]) == ("3.0", "")
    assert (ours["max_error"], ours["status"], ours["mode"]) == ("0", "ok", "quick")
    assert ours["goals"] == "100x slow (at least 80: met, aim 150: missed)"
    for name in ("cpu", "cores", "os", "python", "versions", "date", "command"):
        assert ours[name], name
    assert "numpy " in ours["versions"]


def test_against_an_older_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    monkeypatch.setattr(run, "LOCAL", tmp_path)
    assert run.main(["--name", "old"], [fake()]) == 0
    capsys.readouterr()
    assert run.main(["--against", str(tmp_path / "old.csv")], [fake()]) == 0
    assert "+0 %" in capsys.readouterr().out


def test_changes_tell_what_cannot_be_compared():
    def row(n=5, ms="2", status="ok", contender="assay"):
        return {
            "case": "c", "contender": contender, "n": n, "status": status, "median_ms": ms,
            "ratio": "1",
        }  # fmt: skip

    old = [row(ms="4"), row(contender="a", n=9), row(contender="b", ms="", status="WRONG")]
    new = [row(), row(contender="a"), row(contender="b"), row(contender="c")]
    found = rows.changes(new, old)
    assert (found[0]["old_median_ms"], found[0]["new_median_ms"]) == (4.0, 2.0)
    assert [change["note"] for change in found] == [
        "",
        "n was 9, is 5",
        "was WRONG, is ok",
        "not in the older run",
    ]


def test_a_file_that_is_no_result_is_refused(tmp_path, capsys):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit) as stopped:
        run.main(["--against", str(path)], [fake()])
    assert stopped.value.code == 2
    assert "other.csv: not a benchmark result, columns missing" in capsys.readouterr().err


# -- choosing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("count_words", ["count_words", "count_words_arrow", "count_words_kaldi"]),
        ("*_start", ["cold_start", "cached_start"]),
        ("cer", ["cer"]),
        ("nothing", []),
    ],
)
def test_patterns(pattern, names):
    assert [case.name for case in run.chosen(pattern)] == names


def test_a_pattern_without_a_case_lists_the_names(capsys):
    with pytest.raises(SystemExit):
        run.main(["nothing"])
    assert "no case matches 'nothing'; there are count_words, " in capsys.readouterr().err


def test_list_runs_nothing(capsys):
    assert run.main(["--list", "cer"]) == 0
    printed = capsys.readouterr().out
    assert "jiwer.cer" in printed
    assert "20,000 (4,000)" in printed


# -- data ------------------------------------------------------------------------------------------


def test_corpus_is_as_described_and_the_same_again():
    made = corpus.corpus(4000)
    ref, hyp = made.lists()
    words = sum(len(text.split(" ")) for text in ref)
    assert 21 < words / len(ref) < 23
    assert all(text == " ".join(text.split()) for text in ref)
    length = sum(map(len, ref)) / words
    assert 4.8 < length < 5.8  # with the space
    kinds = corpus.ERROR_KINDS
    assert sum(kinds.values()) == pytest.approx(1.0)
    grown = (len(made.hyp_ids) - words) / words
    assert abs(grown) < 0.01  # as many insertions as deletions
    corpus.word_table.cache_clear()
    assert corpus.corpus(4000).lists() == (ref, hyp)


def test_corpus_error_rate():
    import assay

    state = assay.count_words(*corpus.corpus(4000).columns())
    assert 0.10 < state.wer < 0.12
    assert min(state.substitutions, state.deletions, state.insertions) > 0.1 * state.errors


def test_parquet_is_written_once(tmp_path):
    import pyarrow.parquet as pq

    path = corpus.parquet(250, tmp_path, rows_per_part=100)
    table = pq.read_table(path)
    assert table.column_names == ["id", "text", "pred"]
    assert table["id"].to_pylist() == list(range(250))
    stamp = path.stat().st_mtime_ns
    assert corpus.parquet(250, tmp_path).stat().st_mtime_ns == stamp
    assert not list(tmp_path.glob("*.unfinished"))


def test_stop_rules_of_quick_runs_are_short():
    assert all(case.quick_rule.budget_s <= STEADY.budget_s for case in CASES)
