"""Results as CSV: one row a contender, with the machine and the versions it ran on.

case, contender, role   role: ours, peer or floor
status, note            ok; WRONG, absent, failed, unchecked, and why
n, mode                 items; full or quick sizes
rounds, calls           how often it was timed
median_ms, min_ms       median over rounds; the fastest call
p20_ms, p80_ms          over all calls
ratio                   its time over ours: median over rounds
memory_mib, max_error   peak above the start of a call (of a process: its peak)
goals                   value, bound and aim of each goal, in the row of ours
gpu                     of a case that needs one: which, and its driver
load                    runnable processes in the last minute, when the run began
"""

import csv
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from outcomes import FLOOR, MIB, OURS, Entry, Outcome, Verdict, judge

__all__ = [
    "COLUMNS", "as_rows", "changes", "cores", "cpu", "describe", "load", "machine", "merged",
    "save",
]  # fmt: skip

FIGURES = (
    "rounds",
    "calls",
    "median_ms",
    "min_ms",
    "p20_ms",
    "p80_ms",
    "cpu_ms",
    "ratio",
    "ratio_of_min",
)
COLUMNS = (
    *("case", "contender", "role", "status", "note", "n", "mode"),
    *FIGURES,
    *("memory_mib", "max_error", "goals"),
    *("cpu", "cores", "gpu", "load", "os", "python", "versions", "date", "commit", "command"),
)
PACKAGES = (
    *("assay", "numpy", "numba", "pyarrow", "jiwer", "rapidfuzz", "kaldialign", "scikit-learn"),
    *("torch", "triton", "faiss-cpu", "pytrec_eval-terrier", "sacrebleu", "nltk", "pycocoevalcap"),
    *("torchmetrics", "mlflow", "ray"),
)
YOUNG = ("gpu",)  # columns that older files lack
ROOT = Path(__file__).parents[1]

Row = dict[str, Any]


def machine(command: str, gpu: str = "") -> Row:
    """What a row says of where, when and with which versions it was measured."""
    return {
        "cpu": cpu(),
        "cores": cores(),
        "gpu": gpu,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else "",
        "os": " ".join([platform.system(), platform.machine(), *platform.libc_ver()]),
        "python": platform.python_version(),
        "versions": "; ".join(filter(None, map(_version, PACKAGES))),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": _commit(),
        "command": command,
    }


def as_rows(outcome: Outcome, about: Row) -> list[Row]:
    """The rows of one case."""
    verdicts = "; ".join(map(describe, judge(outcome)))
    return [
        {
            "case": outcome.case.name,
            "contender": entry.name,
            "role": {OURS: "ours", FLOOR: "floor"}.get(entry.name, "peer"),
            "status": entry.status,
            "note": entry.note,
            "n": outcome.size,
            "mode": "quick" if outcome.quick else "full",
            **_figures(entry),
            "goals": verdicts if entry.name == OURS else "",
            **about,
        }
        for entry in outcome.entries.values()
    ]


def describe(verdict: Verdict) -> str:
    """A verdict in words, such as `93.1x jiwer.wer (at least 80: met, aim 150: missed)`."""
    goal = verdict.goal
    form, what, bound = {
        "faster": ("{:.3g}x", goal.peer, "at least"),
        "over_floor": ("{:.3g}x", "floor", "at most"),
        "above_floor": ("{:.3g} s", "above floor", "at most"),
        "seconds": ("{:.3g} s", "", "at most"),
        "tail": ("{:.3g} s", "one in a thousand", "at most"),
        "memory": ("{:.4g} MiB", "", "below"),
        "peak_over_floor": ("{:.3g}x", "floor's peak", "at most"),
    }[goal.kind]
    value = "not measured" if verdict.value is None else form.format(verdict.value)
    words = {True: ": met", False: ": missed", None: ""}
    limits = f"{bound} {goal.bound:g}{words[verdict.met]}"
    if goal.aim is not None:
        limits += f", aim {goal.aim:g}{words[verdict.aim_met]}"
    return " ".join(filter(None, (value, what, f"({limits})")))


def save(rows: Iterable[Row], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    unfinished.replace(path)


def load(path: Path) -> list[dict[str, str]]:
    """Rows of an older run; a file with other columns is a ValueError."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {*COLUMNS} - {*(reader.fieldnames or ())} - {*YOUNG}
        if missing:
            raise ValueError(f"{path}: not a benchmark result, columns missing: {sorted(missing)}")
        return [dict.fromkeys(YOUNG, "") | row for row in reader]


def merged(new: Sequence[Row], old: Sequence[Row], order: Iterable[str]) -> list[Row]:
    """Old rows, those of cases that were run again replaced, in the order of cases. Cases that are
    no more are left out."""
    by_case: dict[str, list[Row]] = {}
    again = {row["case"] for row in new}
    for row in (*new, *(row for row in old if row["case"] not in again)):
        by_case.setdefault(row["case"], []).append(row)
    return [row for case in order for row in by_case.get(case, ())]


def changes(new: Sequence[Row], old: Sequence[dict[str, str]]) -> list[Row]:
    """Rows of both runs side by side: medians, and ratios, which a busy machine moves less.

    `note` says why a row cannot be compared: not in the old run, another size, not timed.
    """
    known = {(row["case"], row["contender"]): row for row in old}
    found = []
    for row in new:
        was = known.get((row["case"], row["contender"]))
        change: Row = {"case": row["case"], "contender": row["contender"], "note": ""}
        if was is None:
            change["note"] = "not in the older run"
        elif str(was["n"]) != str(row["n"]):
            change["note"] = f"n was {was['n']}, is {row['n']}"
        elif not was["median_ms"] or row["median_ms"] == "":
            change["note"] = f"was {was['status']}, is {row['status']}"
        else:
            for name in ("median_ms", "ratio"):
                change[f"old_{name}"], change[f"new_{name}"] = float(was[name]), float(row[name])
        found.append(change)
    return found


def _figures(entry: Entry) -> Row:
    figures: Row = dict.fromkeys(FIGURES, "")
    figures["memory_mib"] = "" if entry.memory_bytes is None else f"{entry.memory_bytes / MIB:.1f}"
    figures["max_error"] = "" if entry.error is None else f"{entry.error:g}"
    if entry.times is None:
        return figures
    times = entry.times
    seconds = {
        "median_ms": times.median,
        "min_ms": times.min,
        "p20_ms": times.quantile(0.2),
        "p80_ms": times.quantile(0.8),
        "cpu_ms": median(times.cpu) if times.cpu else 0.0,
    }
    return figures | {
        "rounds": len(times.rounds),
        "calls": len(times.calls),
        "ratio": f"{entry.ratio:.4g}",
        "ratio_of_min": f"{entry.ratio_of_min:.4g}",
        **{name: f"{1e3 * value:.4g}" for name, value in seconds.items()},
    }


def cpu() -> str:
    """The model of the processor."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def cores() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "--short", "HEAD")
        return commit and commit + ("+changes" if git("status", "--porcelain") else "")
    except OSError:  # no git here
        return ""
