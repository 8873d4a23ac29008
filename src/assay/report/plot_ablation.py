"""Diagrams that compare configurations: trends over a factor, bars of stages."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from assay.core.errors import InputError
from assay.core.score import Better
from assay.report._sheet import (
    COLORS,
    DASHES,
    GREY,
    INK,
    LARGEST,
    MARKERS,
    Floats,
    Format,
    Sheet,
    drawable,
    far_apart,
    finite,
    logarithmic,
    told,
)
from assay.report.render import Marked

__all__ = ["Bars", "Trend", "ablation_trend", "stage_bars"]

NAMED = len(COLORS)
LEVELS = 40  # of a factor without numbers
STAGES, MEASURES = 30, 8


class Trend(NamedTuple):
    """A metric's mean [k] at each of k levels, numbers or names, of a factor. stds [k]: nan or
    absent where there is none."""

    label: str
    levels: Sequence[Any]
    means: Any
    stds: Any = None


class Bars(NamedTuple):
    """A measure of each stage [k], nan where it has none; name: with its unit."""

    name: str
    values: Sequence[float]
    better: Better | None = None


def ablation_trend(
    trends: Sequence[Trend], title: str, names: tuple[str, str], format: Format = "png"
) -> bytes:
    """Means by level of a factor, with standard deviations as error bars where they are given.

    Levels that are all numbers stand on a scaled axis, or on a logarithmic one where all are powers
    of two, or all of ten, and their largest is at least four times the least; others stand beside
    one another in the order of their first appearance. At most eight trends are drawn, and of names
    the first 40; the title says what is left out. names: of factor and metric, with their units.
    InputError where levels, means and stds differ in length.

    >>> trend = Trend("fusion", [4, 8, 16], [0.6, 0.7, 0.75], [0.02, 0.01, 0.02])
    >>> ablation_trend([trend], "Adapters", ("LoRA rank", "Recall@1"))[1:4]
    b'PNG'
    """
    for own in trends:
        lengths = [
            len(own.levels),
            len(own.means),
            len(own.means if own.stds is None else own.stds),
        ]
        if len(set(lengths)) > 1:
            raise InputError(
                "ablation_trend: levels, means and stds must be of one length, "
                f"got {', '.join(map(str, lengths))} of {own.label!r}"
            )
    said = [f"{len(trends) - NAMED} trends left out"] if len(trends) > NAMED else []
    trends = trends[:NAMED]
    levels = list(dict.fromkeys(level for own in trends for level in own.levels))
    numeric = all(map(_is_number, levels))
    if not numeric and len(levels) > LEVELS:
        said.append(f"{len(levels) - LEVELS} levels left out")
        levels = levels[:LEVELS]
    places = {level: float(level) if numeric else place for place, level in enumerate(levels)}
    with Sheet((6.4, 4.6), title, format, said) as sheet:
        axes = sheet.axes()
        base = _base(finite([levels])) if numeric else None
        sheet.named(axes, told(names[0]) + (", logarithmic" if base else ""), names[1])
        for place, own in enumerate(trends):
            kept = [k for k, level in enumerate(own.levels) if level in places]
            kept.sort(key=lambda k, own=own: places[own.levels[k]])  # type: ignore[misc]
            x = np.array([places[own.levels[k]] for k in kept])
            if not numeric:
                x = x + 0.06 * (place - (len(trends) - 1) / 2)  # bars beside one another
            stds = drawable(np.full(len(own.levels), np.nan) if own.stds is None else own.stds)
            axes.errorbar(
                x, drawable(own.means)[kept], yerr=stds[kept], color=COLORS[place],
                linestyle=DASHES[place] if numeric else "none", marker=MARKERS[place],
                markersize=5.5, linewidth=1.6, elinewidth=1.1, capsize=3.5,
                zorder=3 - 0.01 * place, label=told(own.label),
            )  # fmt: skip
        if base:
            logarithmic(axes, "x", finite([levels]), at_values=True)
        elif numeric and 0 < len(levels) <= 8:
            axes.set_xticks(levels, [f"{level:g}" for level in levels])
        elif not numeric:
            shown_levels = [told(level, 24) for level in levels]
            steep = sum(map(len, shown_levels)) > 60
            axes.set_xticks(
                range(len(levels)), shown_levels, parse_math=False, rotation=35 if steep else 0,
                ha="right" if steep else "center", rotation_mode="anchor",
            )  # fmt: skip
            axes.set_xlim(-0.5, len(levels) - 0.5)
        if not finite(own.means for own in trends).size:
            sheet.nothing(axes, "no finite value")
        sheet.legend(axes)
        return sheet.done()


def _is_number(level: Any) -> bool:
    number = isinstance(level, (int, float)) and not isinstance(level, bool)
    return number and abs(level) < LARGEST


def _base(levels: Floats) -> int | None:
    """2 or 10 where all levels are powers of it and lie far enough apart."""
    if far_apart(levels, 4):
        for base in (2, 10):
            powers = np.log(levels) / math.log(base)
            if np.allclose(powers, np.round(powers), atol=1e-9):
                return base
    return None


def stage_bars(
    stages: Sequence[str], bars: Sequence[Bars], title: str, format: Format = "png"
) -> bytes:
    """A panel for each measure, in it a bar for each stage with its number behind it.

    At most 30 stages and eight measures are drawn; the title says what is left out. InputError
    where a measure has not one value for each stage.

    >>> stage_bars(["Baseline", "Pruned"], [Bars("Size (MB)", [44, 26], "lower")], "Stages")[1:4]
    b'PNG'
    """
    for own in bars:
        if len(own.values) != len(stages):
            raise InputError(
                f"stage_bars: {own.name!r} must have a value for each of {len(stages)} stages, "
                f"got {len(own.values)}"
            )
    said = [f"{len(stages) - STAGES} stages left out"] if len(stages) > STAGES else []
    said += [f"{len(bars) - MEASURES} measures left out"] if len(bars) > MEASURES else []
    stages, bars = stages[:STAGES], bars[:MEASURES]
    columns = max(1, min(len(bars), 2))
    rows = max(1, -(-len(bars) // columns))
    size = (2.0 + 2.6 * columns, 0.5 + rows * (0.85 + 0.32 * max(len(stages), 1)))
    with Sheet(size, title, format, said) as sheet:
        grid = sheet.figure.subplots(rows, columns, squeeze=False).ravel()
        sheet.figure.suptitle(sheet.title, x=0.01, ha="left", fontsize=10, parse_math=False)
        for place, axes in enumerate(grid):
            if place >= len(bars) or not stages:
                axes.set_axis_off()
                continue
            own = bars[place]
            values = drawable(own.values[:STAGES])
            there = np.isfinite(values)
            axes.barh(np.flatnonzero(there), values[there], 0.68, color=COLORS[0])
            low, high = min(0.0, values[there].min(initial=0)), values[there].max(initial=0)
            axes.set_xlim(low * 1.6, high * 1.6 or float(not low))  # room for the numbers
            for row, value in enumerate(own.values[:STAGES]):
                known = there[row]
                axes.annotate(
                    _number(value) if known else "no value", (values[row] if known else 0, row),
                    (4, 0) if not known or values[row] >= 0 else (-4, 0),
                    textcoords="offset points", va="center", fontsize=8.5, parse_math=False,
                    ha="left" if not known or values[row] >= 0 else "right",
                    color=INK if known else GREY,
                )  # fmt: skip
            way = f"\n{own.better} is better" if own.better else ""
            axes.set_title(told(own.name, 32) + way, fontsize=9, parse_math=False)
            names = [told(stage, 28) for stage in stages] if place % columns == 0 else []
            axes.set_yticks(range(len(stages)), names or [""] * len(stages), parse_math=False)
            axes.set_ylim(len(stages) - 0.5, -0.5)
            axes.grid(False)
            axes.spines["bottom"].set_visible(False)
            axes.set_xticks([])
        if not stages or not bars:
            sheet.nothing(grid[0], "no stage with a measure")
        return sheet.done()


def _number(value: float) -> str:
    """Behind a bar: four digits, or the text that people read for it."""
    if isinstance(value, Marked):
        return told(value.text)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
