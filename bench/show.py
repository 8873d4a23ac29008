"""Outcomes as tables on a terminal or in a file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

from outcomes import FLOOR, MIB, Entry, Outcome, judge
from reference import Held, is_lost
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rows import Row, describe

__all__ = ["print_cases", "print_changes", "print_held", "print_outcomes", "print_predictions"]

PIPED_WIDTH = 160  # where there is no terminal to ask
BUSY = 0.3  # of the cores, by others, when the run began


def console() -> Console:
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def print_predictions(title: str, found: Iterable[tuple[str, str, float, float]]) -> None:
    """What a GPU could do at best."""
    table = Table(title=title)
    for name in ("case", "shape", "product ms", "gallery read once ms", "at least ms"):
        table.add_column(name)
    for case, shape, product, read in found:
        least = max(product, read)
        table.add_row(case, shape, f"{product:.2f}", f"{read:.2f}", f"{least:.2f}")
    console().print(table)


def print_outcomes(outcomes: Sequence[Outcome], about: Row) -> None:
    table = Table(
        title=f"{about['cpu']}, {about['cores']} cores, load {about['load']}; "
        f"{'; '.join(filter(None, (about['gpu'], about['os'])))}; "
        f"Python {about['python']}; {about['versions']}",
        show_lines=True,
    )
    for name in ("case", "ours", "peers", "floor", "memory MiB", "max error", "goals"):
        table.add_column(name)
    for outcome in outcomes:
        table.add_row(
            f"[bold]{outcome.case.name}[/bold]\nn={outcome.size:,}",
            _cell(outcome.ours),
            "\n".join(f"{peer.name}: {_cell(peer, ratio=True)}" for peer in outcome.peers) or "-",
            _floor(outcome.entries.get(FLOOR)),
            _memory(outcome),
            "-" if outcome.ours.error is None else f"{outcome.ours.error:g}",
            _goals(outcome),
        )
    out = console()
    out.print(table)
    for line in _notes(outcomes, about):
        out.print(line)


def _notes(outcomes: Sequence[Outcome], about: Row) -> Iterator[str]:
    yield "ms and ratios: median over rounds in which all took turns (of the fastest calls)"
    yield "cpu: one call, all threads; memory: peak above the start of a call, or of a process"
    floors: dict[str, list[str]] = {}
    for outcome in outcomes:
        floors.setdefault(outcome.case.floor, []).append(outcome.case.name)
    for floor, names in floors.items():
        yield f"floor of {', '.join(names)}: {floor}"
    if outcomes[0].quick:
        yield "quick sizes: the goals are meant for full ones"
    if about["load"] and about["load"] > BUSY * about["cores"]:
        yield (
            f"[yellow]the machine was busy (load {about['load']}): we use every core, so ratios "
            "to peers that use one come out low[/yellow]"
        )


def print_changes(changes: Iterable[Row], same_machine: bool) -> None:
    table = Table(
        title="against the older run",
        caption=None if same_machine else "Another machine: only ratios compare.",
    )
    for name in ("case", "contender", "ms", "time", "ratio to ours"):
        table.add_column(name)
    for row in changes:
        if row["note"]:
            table.add_row(row["case"], row["contender"], row["note"], "", "")
            continue
        old_ms, new_ms = row["old_median_ms"], row["new_median_ms"]
        ratios = f"{row['old_ratio']:.3g} → {row['new_ratio']:.3g}"
        table.add_row(
            row["case"],
            row["contender"],
            f"{old_ms:.4g} → {new_ms:.4g}",
            f"{100 * (new_ms / old_ms - 1):+.0f} %",
            "" if row["contender"] == "assay" else ratios,
        )
    console().print(table)


def print_held(held: Mapping[str, Held | str], path: str) -> None:
    """What was lost against the kept run at path, and what was not in it."""
    lines = []
    for name, found in held.items():
        keep = f"python bench/run.py {name} --quick --name quick"
        if isinstance(found, str):
            lines.append(f"{name}: held against nothing: {found}. To keep this one: {keep}")
        elif is_lost(found):
            lines += [
                f"[red]{name}: LOST[/red]: {escape(found.contender)} takes {found.ratio:.3g} times "
                f"our time, {found.expected:.3g} times by {path}; timed twice, it was less than "
                f"{found.left:g} of that",
                f"  look further, on a quiet machine: python bench/run.py {name} --against "
                "bench/results/cpu.csv",
                f"  where it is meant: {keep}",
            ]
    known = [found for found in held.values() if isinstance(found, Held)]
    lines.append(f"{len(known)} cases held against {path}, {sum(map(is_lost, known))} lost")
    console().print("\n".join(lines), soft_wrap=True)


def print_cases(cases: Iterable) -> None:
    table = Table(show_lines=True)
    for name in ("case", "what", "n (quick)", "floor", "goals"):
        table.add_column(name)
    for case in cases:
        goals = [
            " ".join(filter(None, (g.kind, g.peer, f"{g.bound:g}", g.aim and f"aim {g.aim:g}")))
            for g in case.goals
        ]
        size = f"{case.size:,} ({case.quick:,})"
        table.add_row(case.name, case.what, size, case.floor, "\n".join(goals))
    console().print(table)


def _cell(entry: Entry, ratio: bool = False) -> str:
    if entry.times is None:
        color = "red" if entry.status in ("WRONG", "failed", "unchecked") else "yellow"
        return f"[{color}]{entry.status}[/{color}] {escape(entry.note)}".strip()
    times = f"{1e3 * entry.times.median:.4g} ({1e3 * entry.times.min:.4g}) ms"
    if not ratio:
        return f"{times}\ncpu {1e3 * median(entry.times.cpu):.4g} ms"
    slower, fastest = entry.ratio or 0.0, entry.ratio_of_min or 0.0
    return f"{times}, [{'red' if slower < 1 else 'bold'}]{slower:.3g}x[/] ({fastest:.3g}x)"


def _floor(entry: Entry | None) -> str:
    if entry is None or entry.times is None or not entry.ratio:
        return "-"
    return f"{1e3 * entry.times.median:.4g} ms\nours {1 / entry.ratio:.3g}x"


def _memory(outcome: Outcome) -> str:
    def amount(entry: Entry) -> str:
        return "-" if entry.memory_bytes is None else f"{entry.memory_bytes / MIB:.4g}"

    return "\n".join([amount(outcome.ours), *(f"{amount(e)} {e.name}" for e in outcome.peers)])


def _goals(outcome: Outcome) -> str:
    colors = {(True, True): "green", (True, None): "green", (True, False): "yellow"}
    lines = []
    for verdict in judge(outcome):
        color = "red" if verdict.met is False else colors.get((verdict.met, verdict.aim_met), "dim")
        lines.append(f"[{color}]{escape(describe(verdict))}[/{color}]")
    return "\n".join(lines)
