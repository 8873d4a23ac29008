"""Diagrams of efficiency: how latencies are distributed, and memory over time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from assay.core.errors import InputError
from assay.report._sheet import (
    COLORS,
    DASHES,
    INK,
    PAPER,
    Curve,
    Floats,
    Format,
    Sheet,
    drawable,
    far_apart,
    finite,
    logarithmic,
    told,
)

__all__ = ["Phase", "latency_distribution", "vram_timeline"]

BINS = 80  # bars of a distribution that are still seen
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
TIMES = (("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9))
SIZES = (("bytes", 1.0), ("KiB", 2.0**10), ("MiB", 2.0**20), ("GiB", 2.0**30))
PHASES = 400  # spans that are shaded
KINDS = 4  # of phases
SHADES = (0.34, 0.22, 0.12, 0.05)  # of the kinds, so that grey print tells them apart


class Phase(NamedTuple):
    """What went on between two times, in seconds: forward, backward, step."""

    label: str
    start: float
    end: float


def latency_distribution(
    edges: Any, counts: Any, title: str, name: str = "Latency", format: Format = "png"
) -> bytes:
    """How many runs took how long, with p50, p90 and p99 marked.

    edges [bins + 1]: ascending, in nanoseconds. counts [bins]: whole numbers. A quantile is the
    middle of the bin in which the least duration lies that such a share of runs reach or stay
    below. More bins than 80 are added up to 80 of equal width, on a logarithmic axis where the
    longest is eight times the shortest. name: of the axis; its unit is chosen and told.
    InputError for edges or counts of other shapes.

    >>> latency_distribution([1_000_000, 2_000_000, 3_000_000], [40, 2], "Batch 1")[1:4]
    b'PNG'
    """
    edges, counts = np.asarray(edges, float), np.asarray(counts)
    if edges.ndim != 1 or counts.shape != (max(len(edges) - 1, 0),) or (np.diff(edges) <= 0).any():
        raise InputError(
            "latency_distribution: edges must ascend, one more than counts, "
            f"got {list(edges.shape)} and {list(counts.shape)}"
        )
    n = int(counts.sum()) if counts.size else 0
    with Sheet((6.4, 4.2), f"{title}\n({n:,} runs)", format) as sheet:
        axes = sheet.axes()
        if not n:
            sheet.named(axes, name, "Runs")
            sheet.nothing(axes, "no run")
            return sheet.done()
        held = np.flatnonzero(counts)
        first, last = held[0], held[-1] + 1
        middles = (edges[:-1] + edges[1:]) / 2
        below = np.cumsum(counts)
        found = {q: middles[np.searchsorted(below, max(1, np.ceil(share * n)))]
                 for q, share in QUANTILES.items()}  # fmt: skip
        unit, scale = _unit(TIMES, found["p50"])
        log = far_apart(middles[held], 8)
        edges, counts = _fewer(edges[first : last + 1], counts[first:last], log)
        if log:
            logarithmic(axes, "x", middles[held])
        some = counts > 0
        axes.bar(edges[:-1][some] / scale, counts[some], np.diff(edges)[some] / scale,
                 align="edge", color=COLORS[0], edgecolor=PAPER, linewidth=0.3)  # fmt: skip
        top = float(counts.max())
        for place, (q, value) in enumerate(found.items(), 1):
            axes.plot([value / scale] * 2, [0, top], color=COLORS[place], linestyle=DASHES[place],
                      linewidth=1.8, label=f"{q}: {value / scale:.4g} {unit}")  # fmt: skip
        axes.set_ylim(0, 1.06 * top)
        sheet.named(axes, f"{told(name)} ({unit}){', logarithmic' if log else ''}", "Runs")
        sheet.legend(axes)
        return sheet.done()


def _fewer(edges: Floats, counts: Floats, log: bool) -> tuple[Floats, Floats]:
    if len(counts) <= BINS:
        return edges, counts
    spaced = np.geomspace if log and edges[0] > 0 else np.linspace
    wider = spaced(edges[0], edges[-1], BINS + 1)
    added, _ = np.histogram((edges[:-1] + edges[1:]) / 2, wider, weights=counts)
    return wider, added.round().astype(np.int64)


def vram_timeline(
    lines: Sequence[Curve], title: str, phases: Sequence[Phase] = (), name: str = "Memory",
    format: Format = "png",
) -> bytes:  # fmt: skip
    """Memory over time, its peak marked, with phases shaded.

    lines: x in seconds, y in bytes; the peak is that of the first. phases: of at most four kinds,
    told apart by their labels; of more than 400 the first are shaded, and the title says so. name:
    of the axis; its unit is chosen and told.

    >>> line = Curve("allocated", [0.0, 0.1, 0.2], [2**20, 2**22, 2**20])
    >>> vram_timeline([line], "One step", [Phase("forward", 0.0, 0.1)])[1:4]
    b'PNG'
    """
    kinds = list(dict.fromkeys(phase.label for phase in phases))[:KINDS]
    shaded = [phase for phase in phases if phase.label in kinds][:PHASES]
    said = []
    if more := len(phases) - len(shaded):
        said.append(f"{more:,} of {len(phases):,} phases not shaded")
    if more := len(lines[len(COLORS) :]):
        said.append(f"{more} lines left out")
    lines = lines[: len(COLORS)]
    with Sheet((6.8, 4.2), title, format, said) as sheet:
        axes = sheet.axes()
        values = finite(line.y for line in lines)
        unit, scale = _unit(SIZES, values.max(initial=0.0))
        sheet.named(axes, "Time (s)", f"{told(name)} ({unit})")
        if not values.size:
            sheet.nothing(axes, "no sample")
            return sheet.done()
        scaled = [line._replace(y=drawable(line.y) / scale) for line in lines]
        sheet.curves(axes, scaled)
        for kind, label in enumerate(kinds):
            spans = [(own.start, own.end - own.start) for own in shaded if own.label == label]
            axes.broken_barh(spans, (0, 1), transform=axes.get_xaxis_transform(), linewidth=0,
                             color=COLORS[kind + 1], alpha=SHADES[kind], zorder=0.5,
                             label=told(label))  # fmt: skip
        x, y = drawable(lines[0].x), scaled[0].y
        if np.isfinite(y).any():
            peak = int(np.nanargmax(y))
            axes.plot([x[peak]], [y[peak]], "o", markersize=10, color="none", markeredgecolor=INK,
                      markeredgewidth=1.5, zorder=5,
                      label=f"peak: {y[peak]:.4g} {unit} at {x[peak]:.4g} s")  # fmt: skip
        axes.set_ylim(0, 1.08 * values.max() / scale or 1.0)
        sheet.legend(axes)
        return sheet.done()


def _unit(units: Sequence[tuple[str, float]], value: float) -> tuple[str, float]:
    """The largest unit of which there is one."""
    return next((own for own in reversed(units) if value >= own[1]), units[0])
