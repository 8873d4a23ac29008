"""Runs that are kept: rows of some cases beside those of others, what they tell of a machine, and
the pages of the site that show them."""

import csv
import re
from dataclasses import replace

import compile_report
import figures
import gpu
import pytest
import rows
import run
import site_tables
from case import Goal
from gate import Contender
from outcomes import Entry, Outcome, judge
from timing import Times

from bench_kit import fake

ABOUT = rows.machine("python bench/run.py")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    monkeypatch.setattr(run, "LOCAL", tmp_path / "local")
    return tmp_path


def named(name, **options):
    return replace(fake(**options), name=name)


def kept(path):
    return [(row["case"], row["command"]) for row in rows.load(path) if row["role"] == "ours"]


# -- some cases of a kept run ----------------------------------------------------------------------


def test_rows_of_other_cases_stay_in_the_order_of_cases(folder, capsys):
    path, table = folder / "some.csv", [named(name) for name in ("a", "b", "gone")]
    assert run.main(["--name", "some"], table) == 0
    whole = "python bench/run.py"
    assert kept(path) == [("a", whole), ("b", whole), ("gone", whole)]
    table = [named(name) for name in ("new", "a", "b")]
    assert run.main(["--name", "some", "b"], table) == 0
    assert kept(path) == [("a", whole), ("b", f"{whole} b")]
    assert run.main(["--name", "some", "new"], table) == 0
    assert kept(path) == [("new", f"{whole} new"), ("a", whole), ("b", f"{whole} b")]
    assert len(rows.load(path)) == 9  # three contenders each


def test_the_last_run_is_only_what_was_run(folder):
    table = [named("a"), named("b")]
    for pattern in ("a", "b"):
        assert run.main([pattern], table) == 0
    assert kept(folder / "local" / "full.csv") == [("b", "python bench/run.py b")]


def test_quick_rows_do_not_go_among_full_ones(folder, capsys):
    assert run.main(["--name", "some"], [fake()]) == 0
    before = (folder / "some.csv").read_bytes()
    (folder / "quick.csv").write_text(",".join(rows.COLUMNS) + "\n")
    with pytest.raises(SystemExit) as stopped:
        run.main(["--name", "some", "--quick"], [fake()])
    assert stopped.value.code == 2
    assert "some.csv has no quick runs; give another name" in " ".join(
        capsys.readouterr().err.split()
    )
    assert (folder / "some.csv").read_bytes() == before


def test_files_of_before_there_were_gpus_are_read(folder):
    path = folder / "old.csv"
    run.main(["--name", "old"], [named("a"), named("b")])
    with path.open() as file:
        old = list(csv.DictReader(file))
    with path.open("w") as file:
        writer = csv.DictWriter(file, [name for name in rows.COLUMNS if name != "gpu"],
                                extrasaction="ignore")  # fmt: skip
        writer.writeheader()
        writer.writerows(old)
    assert {row["gpu"] for row in rows.load(path)} == {""}
    assert run.main(["--name", "old", "b"], [named("a"), named("b")]) == 0
    assert kept(path) == [("a", "python bench/run.py"), ("b", "python bench/run.py b")]


def test_an_interrupted_run_keeps_the_cases_that_it_finished(folder, monkeypatch):
    def stops(n):
        raise KeyboardInterrupt

    table = [named("a"), replace(named("b"), build=stops)]
    with pytest.raises(KeyboardInterrupt):
        run.main(["--name", "some"], table)
    assert kept(folder / "some.csv") == [("a", "python bench/run.py")]


def test_what_fails_while_it_is_timed_ends_that_case_alone(folder, capsys):
    def fails_later():
        answers = iter([1.0])
        return Contender(lambda: next(answers), lambda x: {"x": x})

    def no_disk():
        raise OSError("disk full")

    work = fake().build(1)
    table = [
        replace(named("a"), build=lambda n: replace(work, peers={"p": fails_later})),
        replace(named("b"), build=lambda n: replace(work, floor=no_disk)),
        named("c"),
    ]
    assert run.main(["--name", "some"], table) == 1
    ours = [row for row in rows.load(folder / "some.csv") if row["role"] == "ours"]
    assert [(row["status"], row["note"]) for row in ours] == [
        ("failed", "while it was timed: StopIteration: "),
        ("failed", "while it was timed: OSError: disk full"),
        ("ok", ""),
    ]


# -- what a row says of its machine ----------------------------------------------------------------


def test_a_caption_has_all_that_rows_of_several_runs_differ_in():
    first = ABOUT | {"cpu": "X", "cores": "2", "gpu": "", "versions": "a 1; b 2",
                     "date": "2026-01-02T03:04:05Z", "os": "L", "python": "3"}  # fmt: skip
    assert figures.measured([first] * 3) == (
        "X, 2 cores; L; Python 3; a 1; b 2; 2026-01-02; `python bench/run.py`"
    )
    later = first | {"versions": "a 1; b 3; c 4", "date": "2026-02-02T03:04:05Z", "command": "new"}
    other = later | {"cpu": "Y", "command": "newer"}
    assert figures.measured([other, later, first]) == (
        "Y, X, 2 cores; L; Python 3; a 1; b 3 and 2; c 4; 2026-01-02 to 2026-02-02; "
        "`python bench/run.py`, and 2 later for some cases: each row names its own"
    )


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19", "535.104.05"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  R", "550.54.15"),
        ("6.8.5\n", "6.8.5"),
        ("", "not told"),
    ],
)  # fmt: skip
def test_the_driver(tmp_path, monkeypatch, text, release):
    (tmp_path / "version").write_text(text)
    monkeypatch.setattr(gpu, "DRIVERS", (tmp_path / "absent", tmp_path / "version"))
    assert gpu._driver() == release


DEVICE = "NVIDIA H100 80GB HBM3, 80 GiB, driver 550.54.15, CUDA 13.0"


@pytest.fixture
def on_gpu(folder, monkeypatch):
    """Rows of a GPU as its owner would keep them."""
    monkeypatch.setattr(gpu, "available", lambda: True)
    monkeypatch.setattr(gpu, "device", lambda: DEVICE)
    monkeypatch.setattr(site_tables, "RESULTS", folder)
    table = [named("gpu_topk_few", gpu=True), named("cer")]
    assert run.main(["--gpu", "--name", "gpu"], table) == 0
    return rows.load(folder / "gpu.csv")


def test_rows_of_a_gpu_name_it_and_the_page_shows_them(on_gpu):
    assert {(row["case"], row["gpu"]) for row in on_gpu} == {("gpu_topk_few", DEVICE)}
    assert {row["command"] for row in on_gpu} == {"python bench/run.py --gpu"}
    page = site_tables.on_page_markdown("a\n<!-- bench: gpu -->\nb")
    assert f"### {DEVICE}\n" in page
    assert (
        "| `gpu_topk_few`<br>topk on a GPU, bfloat16, 1,000 queries of width 768<br>*Floor: "
        in page
    )
    assert "slow 100 ms, 100×" in page
    assert f"\n{DEVICE}; " in page
    assert "Nothing yet" not in page


def test_without_a_gpu_nothing_is_kept(folder, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "available", lambda: False)
    monkeypatch.setattr(site_tables, "RESULTS", folder)
    assert run.main(["--gpu", "--name", "gpu"]) == 0
    assert "predicted, not measured" in capsys.readouterr().out
    assert not [*folder.iterdir()]
    assert "**Nothing yet**" in site_tables.on_page_markdown("<!-- bench: gpu -->")


# -- the pages -------------------------------------------------------------------------------------


def test_a_page_has_every_case_that_was_kept_and_marks_what_was_missed():
    page = site_tables.on_page_markdown("<!-- bench: cpu -->")
    found = rows.load(site_tables.RESULTS / "cpu.csv")
    names = re.findall(r"^\| `(\w+)`<br>", page, re.M)
    assert names == [*dict.fromkeys(row["case"] for row in found)]
    goals = [goal for row in found for goal in row["goals"].split("; ")]
    met, missed = (
        [goal for goal in goals if re.search(rf"\([^,]*: {word}[,)]", goal)]
        for word in ("met", "missed")
    )
    assert f"Of {len(met) + len(missed)} goals {len(met)} were met" in page
    assert all(f"**{goal}**" in page for goal in missed)
    assert page.count("**") == 2 * (len(missed) + len(re.findall(r"\*\*0\.\d+×\*\*", page)))


def test_what_is_wrong_absent_or_slower_is_shown(folder, monkeypatch):
    monkeypatch.setattr(site_tables, "RESULTS", folder)
    about = ABOUT | dict.fromkeys((*rows.FIGURES, "memory_mib", "max_error", "goals"), "")
    about |= {"status": "ok", "n": "16", "median_ms": "2", "ratio": "1", "note": ""}
    wrong = {"status": "WRONG", "note": "x | y", "median_ms": "", "ratio": ""}
    rows.save(
        [
            about | {"case": "cer", "contender": "assay", "role": "ours"},
            about | {"case": "cer", "contender": "p", "role": "peer", "ratio": "0.25"},
            about | {"case": "cer", "contender": "q", "role": "peer", **wrong},
            about | {"case": "align", "contender": "assay", "role": "ours", **wrong},
        ],
        folder / "cpu.csv",
    )
    page = site_tables.on_page_markdown("<!-- bench: cpu -->")
    assert "a peer was faster in 1: `cer`." in page
    assert "| p 2 ms, **0.25×**<br>q WRONG: x &#124; y |" in page
    assert "| 16 | WRONG: x &#124; y |" in page


def test_what_was_compiled():
    page = site_tables.on_page_markdown("<!-- bench: compiled -->")
    with compile_report.RESULTS.open() as file:
        found = list(csv.DictReader(file))
    assert f"{len(found)} kernels, by Triton {found[0]['triton']}." in page
    own = [row for row in found if row["target"] == "sm_90"]
    most = max(int(row["registers"]) for row in own)
    shared = max(int(row["shared_bytes"]) for row in own) // 1024
    assert f"| `sm_90` | H100, H200 | {len(own)} | {most} | 0 | {shared} | `wgmma" in " ".join(
        page.replace("|  `", "| `").split()
    )
    assert len(re.findall(r"^\| (count|bucket|canonical) ", page, re.M)) == len(found)


def test_what_is_predicted_and_a_place_that_is_none():
    page = site_tables.on_page_markdown("<!-- bench: predicted -->")
    assert "Predicted, not measured: the roofline of an H100" in page
    assert page.count("topk, count_ranks") == len(gpu.predictions())
    with pytest.raises(KeyError, match="nothing"):
        site_tables.on_page_markdown("<!-- bench: nothing -->")


def test_a_peak_over_that_of_the_floor():
    entries = {
        name: Entry(name, times=Times([1.0], [1.0]), memory_bytes=peak)
        for name, peak in (("assay", 60 << 20), ("floor", 50 << 20))
    }
    goal = Goal("peak_over_floor", 1.1)
    (verdict,) = judge(Outcome(fake(goals=(goal,)), 1, False, entries))
    assert (verdict.value, verdict.met) == (1.2, False)
    assert rows.describe(verdict) == "1.2x floor's peak (at most 1.1: missed)"
    entries["floor"].memory_bytes = None
    (verdict,) = judge(Outcome(fake(goals=(goal,)), 1, False, entries))
    assert (verdict.value, verdict.met) == (None, None)
