"""Benchmarks: `python bench/run.py [PATTERN] [--quick] [--gpu] [--against old.csv] [--list]`.

Each case is checked first and timed only if its result is right; then ours, the peers and the
floor take turns. Exit code 1: a result of ours was wrong, missing or could not be checked, or with
--quick a ratio has fallen by more than half against results/quick.csv (reference.py). A goal that
is missed is printed, and does not change the exit code: times depend on the machine.
"""

import argparse
import fnmatch
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import gpu
import reference
import rows
import show
from case import Case
from cases import CASES
from outcomes import Outcome, run_case

RESULTS = Path(__file__).parent / "results"  # in git: runs worth keeping
LOCAL = Path(__file__).parents[1] / "build" / "bench"
QUICK = "quick.csv"  # the run that quick ones are held against
FLAGS = ("quick", "gpu")  # that decide what is run


def chosen(pattern: str, cases: Sequence[Case] = CASES, gpu: bool = False) -> list[Case]:
    """Cases whose name contains the pattern, or matches it where it has wildcards: those of a GPU,
    or the others."""
    wild = any(c in pattern for c in "*?[")
    return [
        case
        for case in cases
        if case.gpu == gpu
        and (fnmatch.fnmatch(case.name, pattern) if wild else pattern in case.name)
    ]


def parse(arguments: Sequence[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Time assay and its peers.")
    parser.add_argument("pattern", nargs="?", default="", help="part of a case's name, or a glob")
    parser.add_argument(
        "--quick", action="store_true",
        help="small sizes; fails where more than half of a ratio of results/quick.csv is lost",
    )  # fmt: skip
    parser.add_argument(
        "--gpu", action="store_true", help="the cases of a GPU; without one, its roofline"
    )
    parser.add_argument("--against", type=Path, metavar="CSV", help="compare with an older run")
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    parser.add_argument(
        "--name",
        help="write into bench/results/NAME.csv, where rows of other cases stay, not into "
        "build/bench/full.csv or quick.csv, which has the last run",
    )
    return parser, parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, cases: Sequence[Case] = CASES) -> int:
    parser, options = parse(arguments)
    wanted = chosen(options.pattern, cases, options.gpu)
    if not wanted:
        names = ", ".join(case.name for case in cases if case.gpu == options.gpu)
        parser.error(f"no case matches {options.pattern!r}; there are {names}")
    if options.list:
        show.print_cases(wanted)
        return 0
    if options.gpu and not gpu.available():
        show.print_predictions(gpu.PREDICTED, gpu.predictions())
        return 0
    mode = "quick" if options.quick else "full"
    path = RESULTS / f"{options.name}.csv" if options.name else LOCAL / f"{mode}.csv"
    is_held = options.quick and not options.gpu and path != RESULTS / QUICK
    try:
        old = rows.load(options.against) if options.against else None
        others = rows.load(path) if options.name and path.exists() else []
        kept = rows.load(RESULTS / QUICK) if is_held else []
    except (OSError, ValueError) as error:
        parser.error(f"to compare with: {error}")
    if any(row["mode"] != mode for row in others):
        parser.error(f"--name {options.name}: {path} has no {mode} runs; give another name")

    with reference.as_many_cores(kept):
        asked = [options.pattern, *(f"--{flag}" for flag in FLAGS if getattr(options, flag))]
        command = " ".join(filter(None, ["python bench/run.py", *asked]))
        about = rows.machine(command, gpu.device() if options.gpu else "")
        outcomes: list[Outcome] = []
        new: list[rows.Row] = []
        for case in wanted:
            outcomes.append(_run(case, options.quick, kept))
            new += rows.as_rows(outcomes[-1], about)
            rows.save(rows.merged(new, others, [case.name for case in cases]), path)
    show.print_outcomes(outcomes, about)
    if old is not None:
        same = all((row["cpu"], row["cores"]) == (about["cpu"], str(about["cores"])) for row in old)
        show.print_changes(rows.changes(new, old), same)
    print(f"rows: {os.path.relpath(path)}")
    right = [outcome for outcome in outcomes if outcome.ours.status == "ok"]
    held = {outcome.case.name: reference.held(outcome, kept) for outcome in right}
    if is_held:
        show.print_held(held, os.path.relpath(RESULTS / QUICK))
    return int(len(right) < len(outcomes) or any(map(reference.is_lost, held.values())))


def _run(case: Case, quick: bool, kept: Sequence[rows.Row]) -> Outcome:
    started = time.perf_counter()
    fair = partial(reference.is_fair, kept=kept)
    outcome = run_case(case, quick=quick, fair=fair)
    took = time.perf_counter() - started
    print(f"{case.name}: {outcome.ours.status}, {took:.1f} s", file=sys.stderr)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
