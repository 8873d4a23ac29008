"""Diagrams of scores of labels: curves from their counts, files from the pictures."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Literal

from assay.cli.label_counts import Asked, Counts
from assay.cli.label_scores import HEADS, Tuning
from assay.core.errors import DataError

__all__ = ["check_folder", "of_scores", "pictures", "write"]

CURVES = 8  # of classes in one picture


def check_folder(folder: str) -> None:
    """Refuse what cannot be a folder of pictures, and a Python that cannot make them."""
    from assay.core.optional import require

    require("matplotlib")
    if not folder or "://" in folder:
        raise DataError(f"--plots: {folder!r} is no folder; name one on this machine")
    above = os.path.abspath(folder)
    while not os.path.exists(above):
        above = os.path.dirname(above)
    if not os.path.isdir(above):
        raise DataError(f"--plots: {above} is a file; name a folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise DataError(f"--plots: {above} cannot be written to; name another folder")


def write(folder: str, made: Mapping[str, bytes]) -> None:
    """Put the pictures there: all of them, or none."""
    from assay.core.output import whole_file, writing

    with writing(folder):
        os.makedirs(folder, exist_ok=True)
    with ExitStack() as stack:
        for name, data in made.items():
            path = os.path.join(folder, name)
            temporary = stack.enter_context(whole_file(path, "roc.png"))
            with writing(path), open(temporary, "wb") as out:
                out.write(data)


def pictures(counts: Counts, asked: Asked, tuning: Tuning) -> dict[str, bytes]:
    """File name -> PNG; reliability only of probabilities, thresholds only of one score."""
    if asked.scores[1:]:
        return _of_classes(counts.sweep, asked)
    return of_scores(counts.sweep, asked, tuning)


def of_scores(
    sweep: Any, asked: Asked, tuning: Tuning, format: Literal["png", "svg"] = "png"
) -> dict[str, bytes]:
    """File name -> picture, of one score a row."""
    from assay.report import plot

    best = sweep.best_threshold(tuning.metric, grid=tuning.grid)
    name = HEADS.get(tuning.metric, tuning.metric)
    told = {f"best {name}: threshold {best.threshold:.4g}": best.threshold}
    given = f"threshold {asked.threshold:g}"
    told[given] = asked.threshold
    title = f"{asked.scores[0]}: {sweep.n:,} rows, positive where {asked.target} is {sweep.label}"

    def marks(x: str, y: str) -> list[plot.Mark]:
        return [plot.Mark(label, _value(sweep, x, t), _value(sweep, y, t))
                for label, t in told.items() if t == t]  # fmt: skip

    fpr, tpr, _ = sweep.roc_curve()
    on_roc = [mark._replace(x=1 - mark.x) for mark in marks("specificity", "recall")]
    own = plot.Curve(f"AUC {sweep.roc_auc:.4f}", fpr, tpr)
    made = {"roc.png": plot.roc([own], on_roc, title, format=format)}
    precision, recall, _ = sweep.precision_recall_curve()
    own = plot.Curve(f"AP {sweep.average_precision:.4f}", recall, precision)
    share = sweep.positives / (sweep.positives + sweep.negatives)
    made["precision_recall.png"] = plot.precision_recall(
        [own], marks("recall", "precision"), title, share, format=format
    )
    shown = dict.fromkeys((tuning.metric, "precision", "recall"))
    curves = [plot.Curve(HEADS.get(n, n), *sweep.best_threshold(n).curve) for n in shown]
    at = [plot.Mark(label, t, _value(sweep, tuning.metric, t))
          for label, t in told.items() if t == t]  # fmt: skip
    grid = None if tuning.grid is None else plot.Curve(f"{name} on the grid", *best.curve)
    made["threshold.png"] = plot.threshold(curves, at, title, grid, format=format)
    if sweep.are_probabilities:
        bins = sweep.calibration()
        made["reliability.png"] = plot.reliability(
            bins.edges, bins.count, bins.score, bins.positives, f"ECE {bins.ece:.4f}", title,
            format=format,
        )  # fmt: skip
    return made


def _value(sweep: Any, metric: str, threshold: float) -> float:
    return float(sweep.best_threshold(metric, grid=[threshold]).value)


def _of_classes(sweep: Any, asked: Asked) -> dict[str, bytes]:
    """A curve for each class against all others; of many those of the lowest area."""
    from assay.report import plot

    found = [(label, sweep.of(label)) for label in sweep.labels]
    there = [(label, own) for label, own in found if own.roc_auc == own.roc_auc]
    drawn = sorted(there, key=lambda pair: pair[1].roc_auc)[:CURVES]
    places = {label: place for place, (label, _) in enumerate(found)}
    drawn.sort(key=lambda pair: places[pair[0]])
    title = f"{sweep.n:,} rows, each label of {asked.target} against all others"
    if len(drawn) < len(found):
        title += f"\n(the {len(drawn)} of lowest area of {len(found)})"
    areas = [plot.Curve(f"{label}: AUC {own.roc_auc:.4f}", *own.roc_curve()[:2])
             for label, own in drawn]  # fmt: skip
    steps = [plot.Curve(f"{label}: AP {own.average_precision:.4f}",
                        *own.precision_recall_curve()[1::-1]) for label, own in drawn]  # fmt: skip
    made = {"roc.png": plot.roc(areas, title=title)}
    made["precision_recall.png"] = plot.precision_recall(steps, title=title)
    if not sweep.uneven:
        bins = sweep.top[1].calibration()
        made["reliability.png"] = plot.reliability(
            bins.edges, bins.count, bins.score, bins.positives, f"ECE {bins.ece:.4f}",
            f"{sweep.n:,} rows, {asked.target}",
            ("Mean of the highest score", "Share of rows where its class is right"),
        )  # fmt: skip
    return made
