"""Tables of measurements on the site: a hook of mkdocs.

A comment such as `<!-- bench: cpu -->` on a page becomes what is known here: results that are in
git, what compilers made of kernels, and what a roofline predicts.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cases
import compile_report
import gpu
import rows
from figures import both, measured, numbers, seconds

RESULTS = Path(__file__).parent / "results"
PLACE = re.compile(r"^<!-- bench: (\w+) -->$", re.M)
GPUS = {
    "sm_80": "A100",
    "sm_90": "H100, H200",
    "sm_100": "B200",
    "gfx942": "MI300",
}  # target -> what it is for
CASES_HEAD = ("case", "n", "assay", "peers, times ours", "floor", "MiB", "largest error", "goals")
CASES_ALIGNED = "|---|--:|--:|---|--:|--:|--:|---|"
GOAL = re.compile(r"\((?:at least|at most|below) \S+?(?:: (met|missed))?(?:, aim .*)?\)$")

Row = Mapping[str, str]


def on_page_markdown(markdown: str, **_: Any) -> str:
    return PLACE.sub(lambda found: "\n".join(TABLES[found[1]]()), markdown)


def table(head: Iterable[str], aligned: str, cells: Iterable[Iterable[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield aligned
    for row in cells:
        yield f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in row)} |"
    yield ""


# -- cases -----------------------------------------------------------------------------------------


def cpu() -> Iterator[str]:
    found = rows.load(RESULTS / "cpu.csv")
    goals = [(row["case"], GOAL.search(goal)) for row in found for goal in goals_of(row)]
    judged = [(case, goal[1]) for case, goal in goals if goal and goal[1]]
    missed = dict.fromkeys(case for case, verdict in judged if verdict == "missed")
    fastest = {case: peers[0] for case, (_, peers, _) in numbers(found).items() if peers}
    lost = [case for case, peer in fastest.items() if float(peer["ratio"]) < 1]
    yield (
        f"Of {len(judged)} goals {sum(verdict == 'met' for _, verdict in judged)} were met"
        f"{named('; one was missed by', missed)}. Of {len(fastest)} cases with a peer, a peer was "
        f"faster in {len(lost)}{named(':', lost)}.\n"
    )
    yield f"{measured(found)}.\n"
    for subject, own in cases.SUBJECTS.items():
        if some := list(of_cases(found, own)):
            yield f"## {subject}\n"
            yield from table(CASES_HEAD, CASES_ALIGNED, some)


def named(words: str, names: Iterable[str]) -> str:
    told = ", ".join(f"`{name}`" for name in names)
    return f"{words} {told}" * bool(told)


def goals_of(row: Row) -> list[str]:
    return [goal for goal in row["goals"].split("; ") if goal]


def of_cases(found: Sequence[Row], wanted: Iterable[Any]) -> Iterator[list[str]]:
    """A row a case that was run; what was wrong or absent is told in the place of a time."""
    timed, by_case = numbers(found), defaultdict(list)
    for row in found:
        by_case[row["case"]].append(row)
    for case in (case for case in wanted if case.name in by_case):
        own = by_case[case.name]
        ours, _, floor = timed.get(case.name, (own[0], [], None))
        others = [row for row in own if row["role"] == "peer"]
        yield [
            f"`{case.name}`<br>{case.what}<br>*Floor: {case.floor}.*",
            f"{int(ours['n']):,}",
            cell(ours),
            "<br>".join(f"{row['contender']} {cell(row, ratio=True)}" for row in others),
            seconds(floor) if floor else "",
            both("memory_mib", "{:g}", [ours, *others]),
            both("max_error", "{:.1g}", [ours, *others]),
            "<br>".join(marked(goal) for goal in goals_of(ours)),
        ]


def cell(row: Row, ratio: bool = False) -> str:
    if not row["median_ms"]:
        return f"{row['status']}: {row['note']}"
    if not ratio:
        return seconds(row)
    times = f"{float(row['ratio']):.3g}×"
    return f"{seconds(row)}, {f'**{times}**' if float(row['ratio']) < 1 else times}"


def marked(goal: str) -> str:
    found = GOAL.search(goal)
    return f"**{goal}**" if found and found[1] == "missed" else goal


# -- GPUs ------------------------------------------------------------------------------------------


def measured_on_gpus() -> Iterator[str]:
    """A table a device."""
    path = RESULTS / "gpu.csv"
    found = rows.load(path) if path.exists() else []
    if not found:
        yield "**Nothing yet**: no GPU was at hand.\n"
    for device in dict.fromkeys(row["gpu"] for row in found):
        own = [row for row in found if row["gpu"] == device]
        yield f"### {device}\n"
        yield from table(CASES_HEAD, CASES_ALIGNED, of_cases(own, cases.CASES))
        yield f"{measured(own)}.\n"


def predicted() -> Iterator[str]:
    yield f"{gpu.PREDICTED[:1].upper()}{gpu.PREDICTED[1:]}.\n"
    yield from table(
        ("call", "queries x rows x width", "product ms", "rows read once ms", "at least ms"),
        "|---|---|--:|--:|--:|",
        (
            (call, shape, f"{product:.2f}", f"{read:.2f}", f"{max(product, read):.2f}")
            for call, shape, product, read in gpu.predictions()
        ),
    )


def compiled() -> Iterator[str]:
    """A row a target, then all kernels of each."""
    with compile_report.RESULTS.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    by_target = {
        target: [row for row in found if row["target"] == target]
        for target in compile_report.TARGETS
    }
    yield f"{len(found)} kernels, by Triton {', '.join({row['triton']: 0 for row in found})}.\n"
    yield from table(
        (
            *("target", "GPU", "kernels", "registers a thread, at most", "spilled"),
            *("shared KiB a block, at most", "tensor-core instructions"),
        ),
        "|---|---|--:|--:|--:|--:|---|",
        (
            (
                f"`{target}`", GPUS[target], len(own), most(own, "registers"), most(own, "spills"),
                most(own, "shared_bytes") // 1024,
                named("", dict.fromkeys(row["tensor"] for row in own if row["tensor"])),
            )
            for target, own in by_target.items()
        ),
    )  # fmt: skip
    for target, own in by_target.items():
        yield f"### {target}\n"
        yield from table(
            (
                *("kernel", "layout, type", "tile", "warps", "registers", "shared KiB"),
                *("tensor-core", "blocks", "instructions a score after"),
            ),
            "|---|---|---|--:|--:|--:|---|--:|--:|",
            map(kernel, own),
        )


def most(found: Iterable[Row], column: str) -> int:
    return max(int(row[column]) for row in found)


def kernel(row: Row) -> list[object]:
    return [
        row["kernel"],
        ", ".join(filter(None, (row["layout"], row["dtype"]))),
        f"{row['rows']} x {row['columns']} x {row['step']}" if row["tensor"] else "",
        row["warps"],
        row["registers"],
        f"{int(row['shared_bytes']) / 1024:g}",
        f"{row['tensor_count']} {row['tensor']}" if row["tensor"] else "",
        row["blocks"],
        row["extra"] if row["tensor"] else "",
    ]


TABLES: Mapping[str, Callable[[], Iterator[str]]] = {
    "compiled": compiled,
    "cpu": cpu,
    "gpu": measured_on_gpus,
    "predicted": predicted,
}
