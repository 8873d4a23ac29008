"""Quick runs held against one that was kept: what is lost, what is not, and what cannot be told."""

import itertools
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import reference
import rows
import run
from cases import CASES
from gate import Contender, Took
from outcomes import run_case
from timing import StopRule

from bench_kit import fake


def peer(*seconds):
    """A right one that takes these times in turn, once it was checked."""
    times = itertools.chain((9.0,), seconds, itertools.repeat(seconds[-1]))
    return lambda: Contender(
        lambda: Took(next(times), 1.0, 3 << 20), lambda took: {"x": took.result}
    )


def beside(**peers):
    return fake(peers={name: peer(*seconds) for name, seconds in peers.items()}, goals=())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A kept run in which `slow` takes a hundred times our time."""
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    monkeypatch.setattr(run, "LOCAL", tmp_path / "local")
    assert run.main(["--quick", "--name", "quick"], [beside(slow=[0.1])]) == 0
    return tmp_path


def keep(folder, of, **changes):
    """Change the kept rows of a contender."""
    kept = rows.load(folder / "quick.csv")
    own = [row | (changes if row["contender"] == of else {}) for row in kept]
    rows.save(own, folder / "quick.csv")


@pytest.fixture
def quick(folder, capsys):
    """The exit code of a quick run of a case, and what it printed."""

    def main(case):
        capsys.readouterr()
        code = run.main(["--quick"], [case])
        return code, capsys.readouterr().out

    return main


def test_less_than_half_of_a_ratio_is_a_failure_that_says_how_to_look_further(quick):
    code, told = quick(beside(slow=[0.049]))
    assert code == 1
    lost, look, meant, last = told.splitlines()[-4:]
    assert lost.startswith("fake: LOST: slow takes 49 times our time, 100 times by ")
    assert lost.endswith("quick.csv; timed twice, it was less than 0.5 of that")
    assert look == (
        "  look further, on a quiet machine: python bench/run.py fake --against "
        "bench/results/cpu.csv"
    )
    assert meant == "  where it is meant: python bench/run.py fake --quick --name quick"
    assert last.startswith("1 cases held against ")
    assert last.endswith("quick.csv, 1 lost")


@pytest.mark.parametrize("seconds", [0.051, 0.06, 0.1, 1.0])
def test_forty_percent_are_none(quick, seconds):
    code, told = quick(beside(slow=[seconds]))
    assert code == 0
    assert "LOST" not in told
    assert "0 lost" in told


def test_what_is_lost_once_is_timed_again_and_the_second_time_counts(quick, folder):
    assert quick(beside(slow=[0.02, 0.09]))[0] == 0
    (row,) = (row for row in rows.load(folder / "local" / "quick.csv") if row["role"] == "peer")
    assert float(row["ratio"]) == 90
    assert quick(beside(slow=[0.02, 0.03, 0.09]))[0] == 1
    assert quick(beside(slow=[0.09, 0.02]))[0] == 0


def test_a_peer_alone_that_became_faster_is_no_loss_of_ours(quick, folder):
    run.main(["--quick", "--name", "quick"], [beside(slow=[0.1], other=[0.2])])
    assert quick(beside(slow=[0.01], other=[0.15]))[0] == 0
    assert quick(beside(slow=[0.049], other=[0.09]))[0] == 1
    assert quick(beside(other=[0.09]))[0] == 1  # `slow` may be absent


def test_the_floor_is_asked_where_there_is_no_peer(quick, folder):
    run.main(["--quick", "--name", "quick"], [beside()])
    assert quick(beside())[0] == 0
    keep(folder, "floor", ratio="1.1", ratio_of_min="1.1")
    code, told = quick(beside())
    assert code == 1
    assert "floor takes 0.5 times our time" in told


def test_what_cannot_be_told_is_said_and_fails_nothing(quick, folder):
    assert (
        "fake: held against nothing: n is 4000 there, 5 here" in quick(fake(quick=5, goals=()))[1]
    )
    keep(folder, "slow", contender="quick one")
    keep(folder, "floor", ratio="")
    code, told = quick(beside(slow=[0.001]))
    assert code == 0
    assert "fake: held against nothing: nobody was timed in both" in told
    keep(folder, "assay", case="gone")
    code, told = quick(beside(slow=[0.001]))
    assert code == 0
    assert "fake: held against nothing: the case is not in it. To keep this one: " in told
    assert "0 cases held" in told


def test_without_a_kept_run_there_is_nothing_to_compare_with(folder, capsys):
    (folder / "quick.csv").unlink()
    with pytest.raises(SystemExit) as stopped:
        run.main(["--quick"], [fake()])
    assert stopped.value.code == 2
    assert "quick.csv" in capsys.readouterr().err


def test_full_runs_and_the_kept_one_itself_are_held_against_nothing(folder, capsys):
    slow = beside(slow=[0.001])
    assert run.main([], [slow]) == 0
    assert run.main(["--quick", "--name", "quick"], [slow]) == 0
    assert "held" not in capsys.readouterr().out
    assert run.main(["--quick", "--name", "other"], [beside(slow=[0.0001])]) == 1


def test_wrong_results_fail_a_quick_run_too(quick):
    code, told = quick(fake(1.5))
    assert code == 1
    assert "0 cases held" in told


def test_fastest_calls_count_where_the_median_is_lost(folder):
    kept = rows.load(folder / "quick.csv")
    outcome = run_case(beside(slow=[0.03]), quick=True)
    assert reference.is_lost(reference.held(outcome, kept))
    outcome.entries["slow"].ratio_of_min = 60.0
    assert reference.held(outcome, kept)[:3] == ("slow", 60, 100)
    assert not reference.is_lost(reference.held(outcome, kept))


def test_what_is_timed_again_takes_as_long_as_in_full(folder):
    case = replace(beside(slow=[0.03]), rule=StopRule(min_rounds=3, max_rounds=3, slice_s=0.0))
    kept = rows.load(folder / "quick.csv")
    assert len(run_case(case, quick=True).ours.times.rounds) == 1
    again = run_case(case, quick=True, fair=partial(reference.is_fair, kept=kept))
    assert len(again.ours.times.rounds) == 3


def test_fewer_cores_are_expected_to_do_less(monkeypatch, folder):
    kept = rows.load(folder / "quick.csv")
    outcome = run_case(beside(slow=[0.03]), quick=True)
    for there, lost in ((8, True), (16, False)):
        own = [row | {"cores": str(there)} for row in kept]
        monkeypatch.setattr(reference, "cores", lambda: 5)
        found = reference.held(outcome, own)
        assert found == ("slow", pytest.approx(30), 100 * 5 / there, 0.5)
        assert reference.is_lost(found) is lost
    monkeypatch.setattr(reference, "cores", lambda: 99)
    assert reference.held(outcome, own)[2] == 100


def test_on_another_processor_a_quarter_is_enough(quick, folder, monkeypatch):
    monkeypatch.setattr(reference, "cpu", lambda: "another")
    assert quick(beside(slow=[0.026]))[0] == 0
    code, told = quick(beside(slow=[0.024]))
    assert code == 1
    assert "less than 0.25 of that" in told


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone has it")
def test_more_cores_are_left_alone_until_the_run_has_ended():
    before = os.sched_getaffinity(0)
    with reference.as_many_cores([{"cores": "1"}]):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
    for kept in ([], [{"cores": "999"}]):
        with reference.as_many_cores(kept):
            assert os.sched_getaffinity(0) == before


def test_every_case_is_in_the_kept_run_at_its_size():
    kept = rows.load(Path(run.__file__).parent / "results" / run.QUICK)
    ratios = {row["case"] for row in kept if row["role"] != "ours" and row["ratio"]}
    known = {row["case"]: int(row["n"]) for row in kept if row["case"] in ratios}
    wanted = {case.name: case.quick for case in CASES if not case.gpu}
    assert known == wanted, "python bench/run.py CASE --quick --name quick keeps one"
    assert {row["mode"] for row in kept} == {"quick"}
    assert [*dict.fromkeys(row["case"] for row in kept)] == [*wanted]
