"""Diagrams of training: curves with their best epochs, and how far folds lie apart."""

import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from assay.core.errors import InputError
from assay.report._sheet import (
    COLORS,
    DASHES,
    DOTTED,
    GREY,
    INK,
    MARKERS,
    PAPER,
    Format,
    Sheet,
    drawable,
    far_apart,
    finite,
    logarithmic,
    thinned,
    told,
    whole_ticks,
)

__all__ = ["Series", "Spread", "fold_spread", "training_curves"]

NAMED = len(COLORS)  # series with a colour and a name
GREYS = 92  # more of them
GREY_COLUMNS = 24  # that these are thinned to
DOTS = 40  # points of a series that are seen one by one
ROWS = 40  # of a spread


class Series(NamedTuple):
    """A metric by epoch or step: x and y [m], y nan where there is none. best: the x of the point
    to mark."""

    label: str
    x: Any
    y: Any
    best: float | None = None


class Spread(NamedTuple):
    """A metric's value in each fold [n], nan where a fold has none."""

    label: str
    values: Any


def training_curves(
    series: Sequence[Series], title: str, names: tuple[str, str] = ("Epoch", "Value"),
    format: Format = "png",
) -> bytes:  # fmt: skip
    """A metric by epoch, the best one marked with a star and a line down to the axis.

    The first eight series have a colour each and a name, 92 more are grey, what comes after them
    is left out, and the title says so. Values are on a logarithmic axis where all are positive and
    some a thousand times others. names: of the axes, with units. InputError where a best is no x of
    its series, or where x and y differ in length.

    >>> training_curves([Series("fold 1", [1, 2, 3], [0.5, 0.7, 0.6], 2)], "Macro F1")[1:4]
    b'PNG'
    """
    drawn = [_in_order(own) for own in series]
    said = []
    named, grey = drawn[:NAMED], drawn[NAMED : NAMED + GREYS]
    if grey:
        said.append(f"the first {NAMED} of {len(drawn)} series in colour, {len(grey)} in grey")
    if more := len(drawn[NAMED + GREYS :]):
        said.append(f"{more} left out")
    values = finite(own.y for own in named + grey)
    if gaps := sum(len(own.y) for own in named + grey) - values.size:
        said.append(f"values that are no finite numbers: {gaps:,}")
    with Sheet((6.4, 4.6), title, format, said) as sheet:
        axes = sheet.axes()
        log = far_apart(values, 1000)
        if log:
            logarithmic(axes, "y", values)
        sheet.named(axes, names[0], told(names[1]) + ", logarithmic" * log)
        if not values.size:
            sheet.nothing(axes, "no finite value")
            return sheet.done()
        for own in grey:
            axes.plot(*thinned(own.x, own.y, GREY_COLUMNS), color=GREY, linewidth=0.5, alpha=0.5,
                      zorder=1.5)  # fmt: skip
        for place, own in enumerate(named):
            _draw(sheet, axes, own, place)
        low, high = axes.get_ylim()
        for own in named:
            if own.best is not None:
                axes.plot([own.best] * 2, [low, _best(own)], color=GREY, linewidth=0.9,
                          linestyle=DOTTED, zorder=2)  # fmt: skip
        axes.set_ylim(low, high)
        every = finite(own.x for own in named + grey)
        if every.min() == every.max():
            axes.set_xlim(every[0] - 1, every[0] + 1)
        if (every == np.round(every)).all():
            axes.xaxis.set_major_locator(whole_ticks(9))
        sheet.legend(axes)
        return sheet.done()


def _in_order(own: Series) -> Series:
    x, y = drawable(own.x), drawable(own.y)
    if x.shape != y.shape or x.ndim != 1:
        raise InputError(
            f"training_curves: x and y of {own.label!r} must be of one length, "
            f"got {list(x.shape)} and {list(y.shape)}"
        )
    if own.best is not None and not np.isfinite(y[x == own.best]).any():
        raise InputError(
            f"training_curves: best of {own.label!r} must be an x with a finite y, got {own.best!r}"
        )
    order = np.argsort(x, kind="stable")
    return own._replace(x=x[order], y=y[order])


def _best(own: Series) -> float:
    return float(own.y[(own.x == own.best) & np.isfinite(own.y)][0])


def _draw(sheet: Sheet, axes: Any, own: Series, place: int) -> None:
    color, label = COLORS[place], told(own.label)
    x, y = sheet.thinned(own.x, own.y)
    there = np.isfinite(y)
    beside = np.append(False, there[:-1]) | np.append(there[1:], False)
    dots = there & (~beside | (there.sum() <= DOTS))  # a lone point is no line
    if own.best is not None:
        label += f": best {_best(own):.4g} at {own.best:g}"
        axes.plot([own.best], [_best(own)], "*", markersize=13, color=color, zorder=5,
                  markeredgecolor=PAPER, markeredgewidth=0.8)  # fmt: skip
    axes.plot(x, y, color=color, linestyle=DASHES[place], linewidth=1.6, zorder=3 - 0.01 * place,
              marker=MARKERS[place], markersize=3.5, markevery=np.flatnonzero(dots).tolist(),
              label=label)  # fmt: skip


def fold_spread(
    spreads: Sequence[Spread], title: str, name: str = "Value", format: Format = "png"
) -> bytes:
    """Each fold's value as a point, and beside them mean ± standard deviation (n - 1 in the
    denominator); one row a metric, with n. Folds without a finite value are not counted.

    name: of the axis, with its unit. At most 40 rows are drawn; the title says what is left out.

    >>> fold_spread([Spread("accuracy", [0.81, 0.84, 0.83])], "Three folds", "Share")[1:4]
    b'PNG'
    """
    said = [f"{len(spreads) - ROWS} metrics left out"] if len(spreads) > ROWS else []
    spreads = spreads[:ROWS]
    with Sheet((6.4, 1.3 + 0.5 * max(len(spreads), 2)), title, format, said) as sheet:
        axes = sheet.axes()
        sheet.named(axes, name)
        labels = []
        for place, own in enumerate(spreads):
            values = finite([own.values])
            n, std = values.size, statistics.stdev(values.tolist()) if values.size > 1 else np.nan
            number = f"{values.mean():.4g}" if n else "no value"
            labels.append(f"{told(own.label, 32)}\n{number}"
                          + (f" ± {std:.2g}" if n > 1 else "") + f" (n = {n})")  # fmt: skip
            if not n:
                continue
            folds, means = ("", "") if axes.lines else ("folds", "mean ± standard deviation")
            # those of one value stand beside each other
            above = place - 0.12 - 0.16 * (np.arange(n) % 3 - 1) / 2
            axes.plot(values, above, "o", color=COLORS[0], markersize=5.5,
                      markeredgewidth=0, label=folds)  # fmt: skip
            axes.errorbar([values.mean()], [place + 0.22], xerr=None if n == 1 else [std],
                          fmt="D", color=INK, markersize=5, capsize=4, linewidth=1.4,
                          label=means)  # fmt: skip
        axes.set_yticks(range(len(spreads)), labels, parse_math=False)
        axes.set_ylim(max(len(spreads), 1) - 0.5, -0.5)
        axes.grid(False, axis="y")
        if not finite(own.values for own in spreads).size:
            sheet.nothing(axes, "no finite value")
        sheet.legend(axes)
        return sheet.done()
