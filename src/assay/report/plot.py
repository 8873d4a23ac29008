"""Diagrams of a classifier as PNG: ROC, precision-recall, a metric by threshold, reliability.

Arrays come in, bytes go out; no file is touched and no setting of matplotlib is read or changed, so
the same arrays give the same picture anywhere. Colours are those of Okabe and Ito, told apart by
colour-blind readers too; lines differ in their dashes as well.

A curve of more points than a picture can show is thinned: its width is cut into 2,048 columns,
half a pixel each, and of the points in each only the first, the last, the lowest and the highest
are kept (M4: Jugel et al., VLDB 2014). The line through them covers the same pixels, but for the
shade of those at its edge.
"""

import io
import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.optional import require
from assay.report.render import printable

__all__ = ["DPI", "Curve", "Mark", "precision_recall", "reliability", "roc", "thinned", "threshold"]

Floats = npt.NDArray[Any]

DPI = 200
COLUMNS = 2048

INK, GREY = "#222222", "#767676"
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D00")
DASHES = ("-", (0, (6, 2)), (0, (2, 1.2)), (0, (6, 2, 1.5, 2)), (0, (10, 2)), (0, (1, 1)),
          (0, (4, 1, 1, 1, 1, 1)), (0, (8, 3, 3, 3)))  # fmt: skip

# a point on top of another leaves that one to be seen
MARKS: tuple[dict[str, Any], ...] = (
    {"marker": "D", "markersize": 6.5, "color": COLORS[1], "markeredgecolor": "white",
     "markeredgewidth": 0.8},
    {"marker": "o", "markersize": 11, "color": "none", "markeredgecolor": INK,
     "markeredgewidth": 1.5},
)  # fmt: skip

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.labelsize": 10.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.fontsize": 9,
    "legend.frameon": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "none",
    "lines.solid_capstyle": "butt",
    "savefig.dpi": DPI,
    "figure.facecolor": "white",
}


class Curve(NamedTuple):
    """A line: x and y [m] in the order it is drawn, and what the legend says of it."""

    label: str
    x: Any
    y: Any


class Mark(NamedTuple):
    """A point on a curve, and what the legend says of it."""

    label: str
    x: float
    y: float


def roc(curves: Sequence[Curve], marks: Sequence[Mark] = (), title: str = "") -> bytes:
    """True by false positive rate, with the diagonal of chance."""
    with _Sheet((5.4, 5.4), title) as sheet:
        axes = sheet.axes()
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (3, 3)), label="chance")
        sheet.curves(axes, curves)
        sheet.marks(axes, marks)
        _unit_square(axes)
        axes.set(xlabel="False positive rate", ylabel="True positive rate")
        sheet.legend(axes, "lower right")
        return sheet.png()


def precision_recall(
    curves: Sequence[Curve], marks: Sequence[Mark] = (), title: str = "", share: float | None = None
) -> bytes:
    """Precision by recall, x downwards from 1, drawn as the steps whose area is average precision.
    share: of positives, which is the precision of chance."""
    with _Sheet((5.4, 5.4), title) as sheet:
        axes = sheet.axes()
        if share is not None:
            axes.axhline(share, color=GREY, linewidth=1, linestyle=(0, (3, 3)),
                         label=f"chance ({share:.3f})")  # fmt: skip
        sheet.curves(axes, curves, drawstyle="steps-post")
        sheet.marks(axes, marks)
        _unit_square(axes)
        axes.set(xlabel="Recall", ylabel="Precision")
        sheet.legend(axes, "lower left")
        return sheet.png()


def threshold(
    curves: Sequence[Curve], marks: Sequence[Mark] = (), title: str = "", grid: Curve | None = None
) -> bytes:
    """Metrics by threshold, the first one in front; x upwards. grid: points that were looked at;
    marks: thresholds, with a line down to the axis."""
    with _Sheet((6.4, 4.6), title) as sheet:
        axes = sheet.axes()
        widths = (2.0, *[1.1] * len(curves))
        sheet.curves(axes, curves, widths, drawstyle="steps-pre")
        if grid is not None:
            axes.plot(grid.x, grid.y, "o", color=COLORS[0], markersize=4, label=_told(grid.label))
        for place, mark in enumerate(marks):
            color = MARKS[place % len(MARKS)]["markeredgecolor" if place % 2 else "color"]
            axes.plot([mark.x, mark.x], [0, mark.y], color=color, linewidth=0.9,
                      linestyle=(0, (1, 2)), zorder=2.5)  # fmt: skip
        sheet.marks(axes, marks)
        every = np.concatenate([np.asarray(curve.x, float) for curve in curves])
        low, high = (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        room = 0.02 * (high - low) or 0.5
        axes.set_xlim(low - room, high + room)
        lowest = min((float(np.nanmin(curve.y)) for curve in curves if len(curve.y)), default=0.0)
        axes.set_ylim(min(-0.02, lowest - 0.02), 1.02)
        axes.set(xlabel="Threshold (positive at or above)", ylabel="Value")
        sheet.legend(axes, "outside lower center")
        return sheet.png()


def reliability(
    edges: Any, count: Any, score: Any, share: Any, label: str, title: str = "",
    names: tuple[str, str] = ("Mean score", "Share of positives"),
) -> bytes:  # fmt: skip
    """Share of positives by mean score of each bin, with the diagonal of calibrated scores; below
    it, how many items a bin has. edges [bins + 1]; the others [bins], nan where a bin is empty.
    names: of the axes."""
    with _Sheet((5.4, 6.6), title) as sheet:
        axes, below = sheet.figure.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": (4, 1)}
        )
        sheet.figure.get_layout_engine().set(hspace=0, h_pad=0.03)
        sheet.titled(axes)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (3, 3)),
                  label="calibrated")  # fmt: skip
        there = np.asarray(count) > 0
        own = np.asarray(score)[there], np.asarray(share)[there]
        axes.vlines(own[0], *np.sort([own[0], own[1]], axis=0), color=COLORS[1], linewidth=1.2,
                    label="gap")  # fmt: skip
        axes.plot(*own, "o-", color=COLORS[0], linewidth=1.8, markersize=5, label=_told(label))
        axes.set(ylabel=names[1], xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        sheet.legend(axes, "upper left")
        below.bar(edges[:-1], count, width=np.diff(edges), align="edge", color=COLORS[0],
                  edgecolor="white", linewidth=0.6)  # fmt: skip
        below.set(xlabel=names[0], ylabel="Items")
        below.yaxis.set_major_locator(_ticks(3))
        sheet.figure.align_ylabels()
        return sheet.png()


def thinned(x: Any, y: Any, columns: int = COLUMNS) -> tuple[Floats, Floats]:
    """The points of a line that its picture hangs on; x goes one way, up or down.

    >>> x, y = thinned([0, 0.1, 0.2, 0.3, 1], [0, 5, -5, 0, 1], 1)
    >>> x.tolist(), y.tolist()
    ([0.0, 0.1, 0.2, 1.0], [0.0, 5.0, -5.0, 1.0])
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) <= 4 * columns:
        return x, y
    low, high = float(np.nanmin(x)), float(np.nanmax(x))
    place = np.minimum((x - low) * (columns / ((high - low) or 1.0)), columns - 1).astype(np.int64)
    first = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
    last = np.append(first[1:], len(x)) - 1
    column = np.repeat(np.arange(len(first)), last - first + 1)
    order = np.lexsort((y, column))  # by column, then height
    kept = np.unique(np.concatenate([first, last, order[first], order[last]]))
    return x[kept], y[kept]


class _Sheet:
    """A figure in our own style, drawn without a display and without pyplot."""

    def __init__(self, size: tuple[float, float], title: str) -> None:
        self.size, self.title = size, title

    def __enter__(self) -> "_Sheet":
        matplotlib = require("matplotlib")
        agg = require("matplotlib.backends.backend_agg")
        self.context = matplotlib.rc_context()
        self.context.__enter__()
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        self.figure = require("matplotlib.figure").Figure(self.size, layout="constrained")
        agg.FigureCanvasAgg(self.figure)
        return self

    def __exit__(self, *raised: Any) -> None:
        self.context.__exit__(*raised)

    def axes(self) -> Any:
        return self.titled(self.figure.add_subplot())

    def titled(self, axes: Any) -> Any:
        axes.set_title(printable(self.title, keep="\n"), color=INK, parse_math=False)
        return axes

    def curves(
        self, axes: Any, curves: Sequence[Curve], widths: Sequence[float] = (), **options: Any
    ) -> None:
        for place, curve in enumerate(curves):
            axes.plot(
                *thinned(curve.x, curve.y),
                color=COLORS[place % len(COLORS)],
                linestyle=DASHES[place % len(DASHES)],
                linewidth=widths[place] if widths else 1.8,
                zorder=3 - 0.01 * place,  # the first in front
                label=_told(curve.label),
                **options,
            )

    def marks(self, axes: Any, marks: Sequence[Mark]) -> None:
        for place, mark in enumerate(marks):
            if math.isfinite(mark.x) and math.isfinite(mark.y):
                style = MARKS[place % len(MARKS)]
                axes.plot([mark.x], [mark.y], linestyle="none", zorder=5 - 0.1 * place,
                          clip_on=False, label=_told(mark.label), **style)  # fmt: skip

    def legend(self, axes: Any, place: str) -> None:
        named = axes.get_legend_handles_labels()
        if place.startswith("outside"):
            legend = self.figure.legend(*named, loc=place, ncols=2)
        else:
            legend = axes.legend(*named, loc=place)
        for text in legend.get_texts():
            text.set_parse_math(False)

    def png(self) -> bytes:
        out = io.BytesIO()
        with warnings.catch_warnings():
            # a label may hold characters that the font lacks; boxes stand there then
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.figure.savefig(out, format="png", metadata={"Software": None})
        return out.getvalue()


def _unit_square(axes: Any) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")


def _ticks(number: int) -> Any:
    return require("matplotlib.ticker").MaxNLocator(number, integer=True)


def _told(text: str) -> str:
    """Text of data as a legend shows it: one that begins with _ would be left out."""
    shown = printable(text)
    return f" {shown}" if shown.startswith("_") else shown
