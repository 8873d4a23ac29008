"""Configurations by two metrics, with their Pareto front."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from assay.core.checks import one_of
from assay.core.score import Better
from assay.report._sheet import (
    COLORS,
    GREY,
    INK,
    Floats,
    Format,
    Sheet,
    drawable,
    far_apart,
    logarithmic,
    told,
)
from assay.report.pareto import pareto

__all__ = ["Point", "pareto_scatter"]

LABELS = 40  # of points
AROUND = ((1, 0.9), (1, -0.9), (-1, 0.9), (-1, -0.9), (1, 0), (-1, 0), (0, 1), (0, -1))


class Point(NamedTuple):
    """A configuration, by two of its metrics."""

    label: str
    x: float
    y: float


def pareto_scatter(
    points: Sequence[Point], title: str, names: tuple[str, str], better: tuple[Better, Better],
    format: Format = "png",
) -> bytes:  # fmt: skip
    """Configurations by two metrics, and the line of those that no other beats in both.

    better: which way is better along x and y; an axis on which lower is better runs backwards, and
    says so, so that the best corner is always the upper right. Points of the front are labelled
    first, then others, as far as there is room; the title says how many are without, and how many
    have no finite place. Axes are logarithmic where all values are positive and some a hundred
    times others. names: of x and y, with units.

    >>> points = [Point("small", 2.5, 0.81), Point("large", 9.0, 0.88)]
    >>> pareto_scatter(points, "Trade", ("Latency (ms)", "F1"), ("lower", "higher"))[1:4]
    b'PNG'
    """
    for way in better:
        one_of(way, "pareto_scatter: better", ("higher", "lower"))
    values = drawable([(own.x, own.y) for own in points]).reshape(-1, 2)
    there = np.all(np.isfinite(values), axis=1)
    labels = [told(own.label, 28).strip() for own, kept in zip(points, there, strict=True) if kept]
    values, missing = values[there], int((~there).sum())
    front = pareto(values, better)
    front = front[np.argsort(values[front, 0])][:: 1 if better[0] == "higher" else -1]
    said = [f"{missing} without a finite place"] if missing else []
    with Sheet((6.4, 5.2), title, format, said) as sheet:
        axes = sheet.axes()
        told_names = []
        for k, (which, name, way) in enumerate(zip("xy", names, better, strict=True)):
            log = far_apart(values[:, k], 100)
            if log:
                logarithmic(axes, which, values[:, k])  # type: ignore[arg-type]
            told_names.append(f"{told(name)}{', logarithmic' * log} – {way} is better →")
        sheet.named(axes, *told_names)
        if not len(values):
            sheet.nothing(axes, "no point with a finite place")
            return sheet.done()
        behind = np.setdiff1d(np.arange(len(values)), front)
        axes.set_title(sheet.title + "\n ", parse_math=False)  # room for what is said below
        axes.margins(0.12)
        axes.plot(*values[behind].T, "o", color=GREY, markersize=5, markeredgewidth=0,
                  label="not on the front" if len(behind) else "")  # fmt: skip
        axes.plot(*values[front].T, color=COLORS[0], linewidth=1.4, drawstyle="steps-pre",
                  marker="D", markersize=6.5, label="Pareto front")  # fmt: skip
        for which, way in zip("xy", better, strict=True):
            if way == "lower":
                getattr(axes, f"invert_{which}axis")()
        # the best corner has nothing but labels
        starts = axes.get_xlim()[0], axes.get_ylim()[0]
        corner = axes.transAxes.transform((1.2, 1.04))
        ends = axes.transData.inverted().transform(corner)
        limits = dict(zip(("xlim", "ylim"), zip(starts, ends, strict=True), strict=True))
        axes.set(**limits)
        for axis, own in zip((axes.xaxis, axes.yaxis), values.T, strict=True):
            if own.min() >= 0:  # the corner's room has no numbers below zero
                axis.set_ticks([tick for tick in axis.get_ticklocs() if tick >= 0])
        axes.set(**limits)
        sheet.legend(axes)
        left_out = _labelled(sheet, axes, values, labels, [*front, *behind], len(front))
        if left_out:
            unseen = f"\n(no room for {left_out} of {len(values)} labels)"
            axes.set_title(sheet.title + unseen, color=INK, parse_math=False)
        return sheet.done()


def _labelled(
    sheet: Sheet, axes: Any, values: Floats, labels: list[str], order: list[int], front: int
) -> int:
    """Put labels beside points where they cover nothing, in this order; how many found no room."""
    sheet.figure.draw_without_rendering()
    sheet.figure.set_layout_engine("none")  # places are final
    dot = sheet.figure.dpi / 72
    at = axes.transData.transform(values)
    steps = at[order[:front]]  # left to right; the line falls, then runs to the next
    falls = np.column_stack([steps[:-1, 0], steps[1:, 1], steps[:-1]])
    runs = np.column_stack([steps[:-1, 0], steps[1:, 1], steps[1:]])
    # [boxes, 4]: left, bottom, right, top
    taken = np.vstack([np.hstack([at - 4 * dot, at + 4 * dot]), falls, runs])
    room = np.array(axes.get_window_extent().extents)
    room[2] = sheet.figure.bbox.width
    placed = 0
    for number, row in enumerate(order):
        if placed >= LABELS:
            break
        text = axes.text(0, 0, labels[row], fontsize=8, transform=None, parse_math=False,
                         color=INK if number < front else GREY, va="bottom", zorder=6)  # fmt: skip
        extent = text.get_window_extent()
        width, height = extent.width, extent.height
        for right, up in AROUND:
            x = at[row, 0] + right * 6 * dot - width * (1 - right) / 2
            y = at[row, 1] + up * (3 * dot + height / 2) - height / 2
            box = np.array([x, y, x + width, y + height])
            inside = (box[:2] >= room[:2]).all() and (box[2:] <= room[2:]).all()
            apart = (box[2:] < taken[:, :2]).any(axis=1) | (taken[:, 2:] < box[:2]).any(axis=1)
            if inside and apart.all():
                # in points from the point, which every resolution has
                text.remove()
                axes.annotate(
                    labels[row], values[row], ((x - at[row, 0]) / dot, (y - at[row, 1]) / dot),
                    textcoords="offset points", fontsize=8, parse_math=False, va="bottom",
                    color=INK if number < front else GREY, zorder=6,
                )  # fmt: skip
                taken = np.vstack([taken, box])
                placed += 1
                break
        else:
            text.remove()
    return len(order) - placed
