"""The paper that diagrams are drawn on: size, style, colours, legend, and the bytes at the end.

No file is touched, and no setting of matplotlib is read or left changed, so the same arrays give
the same picture anywhere. Colours are those of Okabe and Ito, their yellow, which paper swallows,
and the last one replaced; they are told apart by colour-blind readers too. Lines differ in their
dashes and markers as well, for prints in grey.

A picture as SVG has INK where the page has its own colour of text, so that it reads on a light page
and on a dark one.
"""

import io
import math
import textwrap
import threading
import warnings
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.cells import cell_len, set_cell_size

from assay.core.checks import one_of
from assay.core.optional import require
from assay.report import _svg
from assay.report.render import printable

Floats = npt.NDArray[Any]
Format = Literal["png", "svg"]

DPI = 200
COLUMNS = {"png": 2048, "svg": 128}  # that lines are thinned to; an SVG pays for each point

INK, GREY, PAPER = "#222222", "#767676", "#ffffff"
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK, "#7A3DF0")
DASHES = ("-", (0, (6, 2)), (0, (2, 1.2)), (0, (6, 2, 1.5, 2)), (0, (10, 2)), (0, (1, 1)),
          (0, (4, 1, 1, 1, 1, 1)), (0, (8, 3, 3, 3)))  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
DOTTED = (0, (1, 2))
CHANCE = {"color": GREY, "linewidth": 1, "linestyle": (0, (3, 3))}

# a point on top of another leaves that one to be seen
MARKS: tuple[dict[str, Any], ...] = (
    {"marker": "D", "markersize": 6.5, "color": COLORS[1], "markeredgecolor": PAPER,
     "markeredgewidth": 0.8},
    {"marker": "o", "markersize": 11, "color": "none", "markeredgecolor": INK,
     "markeredgewidth": 1.5},
)  # fmt: skip

# For what DejaVu Sans, which comes with matplotlib, has no letters of: those of these families that
# the machine has. An SVG needs none, as its reader brings the letters.
FAMILIES = ("Noto Sans CJK SC", "Noto Sans Bengali", "Noto Sans Devanagari", "Noto Sans Tamil",
            "Noto Sans Thai", "Microsoft YaHei", "Malgun Gothic", "Nirmala UI", "PingFang SC",
            "Arial Unicode MS", "Unifont")  # fmt: skip

STYLE = {
    "font.size": 10,
    "text.color": INK,
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
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.fontsize": 9,
    "legend.frameon": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "none",
    "legend.facecolor": PAPER,
    "lines.solid_capstyle": "butt",
    "savefig.dpi": DPI,
    "svg.fonttype": "none",
    "svg.hashsalt": "assay",
}

TITLE, LABEL = 300, 56  # characters at most
LARGEST = 1e100  # number, and ratio of two on one axis: matplotlib calculates with their squares
ROWS = 3  # of a legend below the axes that the size of a figure has room for

# Settings of matplotlib and filters of warnings belong to the process, so one draws at a time.
_DRAWING = threading.Lock()


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


class Sheet:
    """A figure in our own style, drawn without a display and without pyplot."""

    def __init__(
        self, size: tuple[float, float], title: str, format: Format, said: Sequence[str] = ()
    ) -> None:
        """said: what people must know of what they do not see."""
        self.format = one_of(format, "format", COLUMNS)
        lines = told(title, TITLE, keep="\n").split("\n")
        lines += [f"({'; '.join(said)})"] * bool(said)
        self.title = "\n".join(_wrapped(line, 10.5 * size[0]) for line in lines)
        self.size = size[0], size[1] + 0.17 * max(0, self.title.count("\n") - 1)

    def __enter__(self) -> "Sheet":
        matplotlib = require("matplotlib")
        agg = require("matplotlib.backends.backend_agg")
        fonts = require("matplotlib.font_manager").fontManager.get_font_names()
        with ExitStack() as stack:
            stack.enter_context(_DRAWING)
            stack.enter_context(matplotlib.rc_context())
            stack.enter_context(warnings.catch_warnings())
            # a label may hold characters that no font has; boxes stand there then
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            # or leave no room for axes; they are drawn where they are without a layout then
            warnings.filterwarnings("ignore", message="constrained_layout not applied")
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            paper = PAPER if self.format == "png" else "none"
            matplotlib.rcParams.update({
                "figure.facecolor": paper,
                "axes.facecolor": paper,
                "font.family": ["DejaVu Sans", *(own for own in FAMILIES if own in fonts)],
            })  # fmt: skip
            self.figure = require("matplotlib.figure").Figure(self.size, layout="constrained")
            agg.FigureCanvasAgg(self.figure)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._stack.close()

    def axes(self) -> Any:
        return self.titled(self.figure.add_subplot())

    def titled(self, axes: Any) -> Any:
        axes.set_title(self.title, color=INK, parse_math=False)
        return axes

    def named(self, axes: Any, x: str = "", y: str = "") -> None:
        """What the axes show, and in which unit."""
        for which, name, size in zip("xy", (x, y), self.size, strict=True):
            lines = _wrapped(told(name, 2 * LABEL), 10 * (size - 1))  # axes are smaller
            axes.set(**{f"{which}label": lines})
            getattr(axes, f"{which}axis").label.set_parse_math(False)

    def thinned(self, x: Any, y: Any) -> tuple[Floats, Floats]:
        return thinned(x, y, COLUMNS[self.format])

    def curves(
        self, axes: Any, curves: Sequence[Curve], widths: Sequence[float] = (), **options: Any
    ) -> None:
        for place, curve in enumerate(curves):
            axes.plot(
                *self.thinned(drawable(curve.x), drawable(curve.y)),
                color=COLORS[place % len(COLORS)],
                linestyle=DASHES[place % len(DASHES)],
                linewidth=widths[place] if widths else 1.8,
                zorder=3 - 0.01 * place,  # the first in front
                label=told(curve.label),
                **options,
            )

    def marks(self, axes: Any, marks: Sequence[Mark]) -> None:
        for place, mark in enumerate(marks):
            if math.isfinite(mark.x) and math.isfinite(mark.y):
                style = MARKS[place % len(MARKS)]
                axes.plot([mark.x], [mark.y], linestyle="none", zorder=5 - 0.1 * place,
                          label=told(mark.label), **style)  # fmt: skip

    def legend(self, axes: Any, place: str = "outside lower center") -> None:
        handles, labels = axes.get_legend_handles_labels()
        if not labels:
            return
        if place.startswith("outside"):
            columns = 1 if max(map(cell_len, labels)) > 5 * self.size[0] else 2
            more = -(-len(labels) // columns) - ROWS
            self.figure.set_size_inches(self.size[0], self.size[1] + 0.19 * max(0, more))
            legend = self.figure.legend(handles, labels, loc=place, ncols=columns)
        else:
            legend = axes.legend(handles, labels, loc=place)
        for text in legend.get_texts():
            text.set_parse_math(False)

    def nothing(self, axes: Any, why: str) -> None:
        """Say on empty axes why they are."""
        axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=GREY)
        axes.set(xticks=[], yticks=[])

    def done(self) -> bytes:
        """The picture."""
        out = io.BytesIO()
        if self.format == "png":
            self.figure.savefig(out, format="png", metadata={"Software": None})
            return out.getvalue()
        for artist in self.figure.findobj():
            artist.set_clip_on(False)  # limits hold all there is, and clips need names
        self.figure.savefig(out, format="svg", metadata={"Date": None})
        return _svg.inline(out.getvalue(), self.title, INK, PAPER)


def told(text: str, most: int = LABEL, keep: str = "") -> str:
    """Text of data as a picture shows it: in one line, without its middle where it is long. A
    legend leaves out what begins with _, so a space stands before it."""
    shown = printable(str(text), keep).translate({0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"})
    if cell_len(shown) > most:
        tail = set_cell_size(shown[::-1], (most - 1) // 2).rstrip()[::-1]
        shown = f"{set_cell_size(shown, most // 2).rstrip()}…{tail}"
    return f" {shown}" if shown.startswith("_") else shown


def _wrapped(line: str, width: float) -> str:
    """In lines of a width in Latin letters; Chinese ones take two."""
    return textwrap.fill(line, int(width * len(line) / max(cell_len(line), 1)) or 1)


def thinned(x: Any, y: Any, columns: int) -> tuple[Floats, Floats]:
    """The points of a line that its picture hangs on; x goes one way, up or down.

    Its width is cut into columns, and of the points in each only the first, the last, the lowest,
    the highest and where gaps begin are kept (M4: Jugel et al., VLDB 2014). Where a column is half
    a dot wide, the line through them covers the same dots, but for the shade of those at its edge.

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
    gap = np.isnan(y)
    lowest = np.lexsort((np.where(gap, np.inf, y), column))[first]  # by column, then height
    highest = np.lexsort((np.where(gap, -np.inf, y), column))[last]
    begins = np.flatnonzero(gap & ~np.append(False, gap[:-1]))
    kept = np.unique(np.concatenate([first, last, lowest, highest, begins]))
    return x[kept], y[kept]


def drawable(values: Any) -> Floats:
    """Floats, with nan for what has no place: no finite numbers, and what would overflow."""
    given = np.asarray(values, float)
    return np.where(np.abs(given) < LARGEST, given, np.nan)


def finite(values: Iterable[Any]) -> Floats:
    """What has a place of all arrays."""
    every = np.concatenate([[], *(drawable(own).ravel() for own in values)])
    return np.asarray(every[~np.isnan(every)])


def far_apart(values: Floats, factor: float) -> bool:
    """Do they read better on a logarithmic axis: positive all, the largest many times the least?"""
    if values.size < 2 or values.min() <= 0:
        return False
    return bool(factor * values.min() <= values.max() and values.max() / LARGEST <= values.min())


def logarithmic(
    axes: Any, which: Literal["x", "y"], values: Floats, *, at_values: bool = False
) -> None:
    """Make an axis so, with plain numbers on it where there is room, or at the values."""
    ticker = require("matplotlib.ticker")
    axes.set(**{f"{which}scale": "log"})
    axis = getattr(axes, f"{which}axis")
    if at_values:
        axis.set_major_locator(ticker.FixedLocator(values))
    else:
        between = (1, 2, 5) if values.max() < 300 * values.min() else (1,)
        axis.set_major_locator(ticker.LogLocator(10, between, numticks=9))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(ticker.NullLocator())


def whole_ticks(number: int) -> Any:
    return require("matplotlib.ticker").MaxNLocator(number, integer=True)
