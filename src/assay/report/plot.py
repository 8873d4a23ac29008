"""Diagrams of a classifier: ROC, precision-recall, a metric by threshold, reliability.

Arrays come in, bytes of a PNG or SVG go out. Lines of many points are thinned to what a picture can
show (`_sheet.thinned`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from assay.report._sheet import (
    CHANCE,
    COLORS,
    DOTTED,
    MARKS,
    PAPER,
    Curve,
    Format,
    Mark,
    Sheet,
    finite,
    told,
    whole_ticks,
)

__all__ = ["Curve", "Mark", "precision_recall", "reliability", "roc", "threshold"]


def roc(
    curves: Sequence[Curve], marks: Sequence[Mark] = (), title: str = "ROC", format: Format = "png"
) -> bytes:
    """True by false positive rate, with the diagonal of chance.

    >>> roc([Curve("AUC 1", [0, 0, 1], [0, 1, 1])])[1:4]
    b'PNG'
    """
    with Sheet((5.4, 5.4), title, format) as sheet:
        axes = sheet.axes()
        axes.plot([0, 1], [0, 1], label="chance", **CHANCE)
        sheet.curves(axes, curves)
        sheet.marks(axes, marks)
        _unit_square(axes)
        sheet.named(axes, "False positive rate", "True positive rate")
        sheet.legend(axes, "lower right")
        return sheet.done()


def precision_recall(
    curves: Sequence[Curve], marks: Sequence[Mark] = (), title: str = "Precision and recall",
    share: float | None = None, format: Format = "png",
) -> bytes:  # fmt: skip
    """Precision by recall, x downwards from 1, drawn as the steps whose area is average precision.
    share: of positives, which is the precision of chance.

    >>> precision_recall([Curve("AP 1", [0, 1, 1], [1, 1, 0.5])], share=0.5)[1:4]
    b'PNG'
    """
    with Sheet((5.4, 5.4), title, format) as sheet:
        axes = sheet.axes()
        if share is not None:
            axes.axhline(share, label=f"chance ({share:.3f})", **CHANCE)
        sheet.curves(axes, curves, drawstyle="steps-post")
        sheet.marks(axes, marks)
        _unit_square(axes)
        sheet.named(axes, "Recall", "Precision")
        sheet.legend(axes, "lower left")
        return sheet.done()


def threshold(
    curves: Sequence[Curve], marks: Sequence[Mark] = (), title: str = "Metrics by threshold",
    grid: Curve | None = None, format: Format = "png",
) -> bytes:  # fmt: skip
    """Metrics by threshold, the first one in front; x upwards. grid: points that were looked at;
    marks: thresholds, with a line down to the axis.

    >>> threshold([Curve("accuracy", [0.2, 0.8], [0.5, 1])], [Mark("best", 0.8, 1)])[1:4]
    b'PNG'
    """
    with Sheet((6.4, 4.6), title, format) as sheet:
        axes = sheet.axes()
        widths = (2.0, *[1.1] * len(curves))
        sheet.curves(axes, curves, widths, drawstyle="steps-pre")
        if grid is not None:
            axes.plot(grid.x, grid.y, "o", color=COLORS[0], markersize=4, label=told(grid.label))
        for place, mark in enumerate(marks):
            color = MARKS[place % len(MARKS)]["markeredgecolor" if place % 2 else "color"]
            axes.plot([mark.x, mark.x], [0, mark.y], color=color, linewidth=0.9,
                      linestyle=DOTTED, zorder=2.5)  # fmt: skip
        sheet.marks(axes, marks)
        every = finite(curve.x for curve in curves)
        low, high = (every.min(), every.max()) if every.size else (0.0, 1.0)
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        room = 0.02 * (high - low) or 0.5
        axes.set_xlim(low - room, high + room)
        lowest = finite(curve.y for curve in curves).min(initial=0.0)
        axes.set_ylim(lowest - 0.02, 1.02)
        sheet.named(axes, "Threshold (positive at or above)", "Value")
        sheet.legend(axes, "outside lower center")
        return sheet.done()


def reliability(
    edges: Any, count: Any, score: Any, share: Any, label: str, title: str = "Reliability",
    names: tuple[str, str] = ("Mean score", "Share of positives"), format: Format = "png",
) -> bytes:  # fmt: skip
    """Share of positives by mean score of each bin, with the diagonal of calibrated scores; below
    it, how many items a bin has. edges [bins + 1]; the others [bins], nan where a bin is empty.
    names: of the axes.

    >>> reliability([0, 0.5, 1], [3, 1], [0.2, 0.9], [0, 1], "ECE 0.175")[1:4]
    b'PNG'
    """
    with Sheet((5.4, 6.6), title, format) as sheet:
        axes, below = sheet.figure.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": (4, 1)}
        )
        sheet.figure.get_layout_engine().set(hspace=0, h_pad=0.03)
        sheet.titled(axes)
        axes.plot([0, 1], [0, 1], label="calibrated", **CHANCE)
        there = np.asarray(count) > 0
        own = np.asarray(score)[there], np.asarray(share)[there]
        axes.vlines(own[0], *np.sort([own[0], own[1]], axis=0), color=COLORS[1], linewidth=1.2,
                    label="gap")  # fmt: skip
        axes.plot(*own, "o-", color=COLORS[0], linewidth=1.8, markersize=5, label=told(label))
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        sheet.named(axes, "", names[1])
        sheet.legend(axes, "upper left")
        below.bar(edges[:-1], count, width=np.diff(edges), align="edge", color=COLORS[0],
                  edgecolor=PAPER, linewidth=0.6)  # fmt: skip
        sheet.named(below, names[0], "Items")
        below.yaxis.set_major_locator(whole_ticks(3))
        sheet.figure.align_ylabels()
        return sheet.done()


def _unit_square(axes: Any) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
