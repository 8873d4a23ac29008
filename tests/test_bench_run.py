"""bench/run.py: which cases it runs, what it writes of them, and older runs beside new ones."""

import csv

import pytest
import rows
import run
from outcomes import run_case

from bench_kit import fake


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


def test_wrong_result_fails_the_run_and_prints_no_time(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LOCAL", tmp_path)
    assert run.main([], [fake(1.5)]) == 1
    printed = capsys.readouterr().out
    assert "WRONG" in printed
    assert " ms, " not in printed
    (ours, peer) = rows.load(tmp_path / "full.csv")
    assert (ours["status"], ours["median_ms"]) == ("WRONG", "")
    assert (peer["contender"], peer["median_ms"]) == ("slow", "")


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
