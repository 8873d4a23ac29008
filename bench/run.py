"""Benchmarks: `python bench/run.py [PATTERN] [--quick] [--gpu] [--against old.csv] [--list]`.

Each case is checked first and timed only if its result is right; then ours, the peers and the
floor take turns. Exit code 1: a result of ours was wrong, missing or could not be checked. A goal
that is missed is printed, and does not change the exit code: times depend on the machine.
"""

import argparse
import fnmatch
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import gpu
import rows
import show
from case import Case
from cases import CASES
from outcomes import run_case

RESULTS = Path(__file__).parent / "results"  # in git: runs worth keeping
LOCAL = Path(__file__).parents[1] / "build" / "bench"


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


def main(arguments: Sequence[str] | None = None, cases: Sequence[Case] = CASES) -> int:
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Time assay and its peers.")
    parser.add_argument("pattern", nargs="?", default="", help="part of a case's name, or a glob")
    parser.add_argument("--quick", action="store_true", help="small sizes; all gates")
    parser.add_argument(
        "--gpu", action="store_true", help="the cases of a GPU; without one, its roofline"
    )
    parser.add_argument("--against", type=Path, metavar="CSV", help="compare with an older run")
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    parser.add_argument(
        "--name", help="write bench/results/NAME.csv, not build/bench/full.csv or quick.csv"
    )
    options = parser.parse_args(arguments)

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
    try:
        old = rows.load(options.against) if options.against else None
    except (OSError, ValueError) as error:
        parser.error(f"--against: {error}")

    command = ["python bench/run.py", options.pattern, "--quick" if options.quick else ""]
    about = rows.machine(" ".join(filter(None, command)))
    outcomes, new = [], []
    for case in wanted:
        started = time.perf_counter()
        outcomes.append(run_case(case, quick=options.quick))
        new += rows.as_rows(outcomes[-1], about)
        status = outcomes[-1].ours.status
        print(f"{case.name}: {status}, {time.perf_counter() - started:.1f} s", file=sys.stderr)
    last = LOCAL / ("quick.csv" if options.quick else "full.csv")
    path = RESULTS / f"{options.name}.csv" if options.name else last
    rows.save(new, path)
    show.print_outcomes(outcomes, about)
    if old is not None:
        same = all((row["cpu"], row["cores"]) == (about["cpu"], str(about["cores"])) for row in old)
        show.print_changes(rows.changes(new, old), same)
    print(f"rows: {os.path.relpath(path)}")
    return int(any(outcome.ours.status != "ok" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
