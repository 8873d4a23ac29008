"""Rows of results in words, for the README and the site."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["both", "measured", "numbers", "seconds", "told"]

Row = Mapping[str, str]


def numbers(found: Iterable[Row]) -> dict[str, tuple[Row, list[Row], Row | None]]:
    """case -> rows of ours, of its peers from the fastest on, and of the floor, of what was right
    and timed."""
    by_case: dict[str, list[Row]] = defaultdict(list)
    for row in found:
        if row["status"] == "ok" and row["median_ms"]:
            by_case[row["case"]].append(row)
    out = {}
    for case, own in by_case.items():
        roles = {role: [row for row in own if row["role"] == role] for role in ("ours", "floor")}
        peers = [row for row in own if row["role"] == "peer"]
        peers.sort(key=lambda row: float(row["median_ms"]))
        if roles["ours"]:
            out[case] = roles["ours"][0], peers, next(iter(roles["floor"]), None)
    return out


def seconds(row: Row) -> str:
    ms = float(row["median_ms"])
    return (
        f"{ms / 1e3:.3g} s" if ms >= 1e3 else f"{ms:.3g} ms" if ms >= 0.1 else f"{1e3 * ms:.3g} µs"
    )


def both(column: str, form: str, rows: Iterable[Row]) -> str:
    """A figure of each row that has it."""
    return ", ".join(form.format(float(row[column])) for row in rows if row[column])


def measured(found: Sequence[Row]) -> str:
    """Where, with what, when and how rows were measured; of rows of several runs, all of it."""
    commands = [row["command"] for row in sorted(found, key=lambda row: row["date"])]
    first, *later = dict.fromkeys(commands)
    more = f", and {len(later)} later for some cases: each row names its own" * bool(later)
    parts = [told("gpu", found), f"{told('cpu', found)}, {told('cores', found)} cores"]
    parts += [told("os", found), f"Python {told('python', found)}", _versions(found)]
    return "; ".join(filter(None, [*parts, _days(found), f"`{first}`{more}"]))


def told(column: str, found: Iterable[Row]) -> str:
    return ", ".join(filter(None, dict.fromkeys(row[column] for row in found)))


def _versions(found: Iterable[Row]) -> str:
    """Of each package all that there were."""
    known: dict[str, list[str]] = defaultdict(list)
    for versions in dict.fromkeys(row["versions"] for row in found):
        for package, _, number in (each.rpartition(" ") for each in versions.split("; ")):
            known[package] += [number] * (number not in known[package])
    return "; ".join(f"{name} {' and '.join(numbers)}".strip() for name, numbers in known.items())


def _days(found: Iterable[Row]) -> str:
    days = sorted({row["date"][:10] for row in found})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
