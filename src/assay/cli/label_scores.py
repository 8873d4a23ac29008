"""Scores of labels from their counts, and the tables that show them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from assay.cli.intervals import AT, Intervals
from assay.cli.label_counts import Asked, Counts

__all__ = ["Shown", "Tuning", "notes", "scores_of", "tables_of"]

TUNED = "tuned_on_same_data"  # the tag `threshold` of what was chosen on the rows it is measured on
CLASSES = 40  # rows of the table of classes
SQUARE = 10  # labels of a table of targets by predictions
GRID = 25  # thresholds of a table of them

# whose intervals are shown of groups
OF_GROUPS = ("accuracy", "macro_f1", "f1", "roc_auc", "average_precision", "brier")

PREDICTED = {
    "accuracy": "accuracy", "balanced_accuracy": "balanced", "macro_f1": "macro F1", "f1": "F1",
    "precision": "precision", "recall": "recall", "mcc": "MCC",
}  # fmt: skip
RANKED = {
    "roc_auc": "ROC-AUC", "average_precision": "AP", "ks": "KS", "brier": "Brier",
    "log_loss": "log loss", "ece": "ECE",
}  # fmt: skip
HEADS = {"accuracy": "accuracy", "macro_f1": "macro F1", "f1": "F1", "precision": "precision",
         "recall": "recall"}  # fmt: skip


class Shown(NamedTuple):
    """What decides how counts are printed. metric, grid: as typed, or None."""

    source: str
    asked: Asked
    metric: str | None
    grid: str | None
    resamples: int


class Tuning(NamedTuple):
    """Which metric the best threshold is of, over which grid (None: all scores)."""

    metric: str
    grid: Any


def scores_of(counts: Counts, asked: Asked, tuning: Tuning) -> list[Any]:
    """Scores of the predictions, then of the scores, then at the threshold that was given and at
    the best one, which have the tag `threshold`."""
    scores: list[Any] = []
    if counts.confusion is not None:
        scores += counts.confusion.scores()
    if counts.sweep is not None:
        known = {score.key() for score in scores}
        scores += [score for score in counts.sweep.scores() if score.key() not in known]
    if len(asked.scores) == 1:
        every: list[tuple[dict[str, str], Any]] = [({}, counts.sweep)]
        for key, state in sorted(counts.sweep.groups.items()):
            every.append((dict(zip(asked.by, key, strict=True)), state))
        for tags, state in every:
            for score in _at(state, asked.threshold, str(asked.threshold)) + _best(state, tuning):
                scores.append(replace(score, tags={**tags, **score.tags}))
    return scores


def _at(sweep: Any, threshold: float, tag: str) -> list[Any]:
    """The metrics of the confusion at a threshold."""
    from assay.core.score import Score, provenance

    signature = f"{sweep.signature}|threshold:{threshold}"
    scores = []
    for name in AT:
        value = sweep.best_threshold(name, grid=[threshold]).value
        unit = "coefficient" if name == "mcc" else "fraction"
        tags = {"threshold": tag}
        told = f"{name}|{signature}"
        scores.append(Score(name, value, unit, "higher", sweep.n, tags, told, provenance()))
    return scores


def _best(sweep: Any, tuning: Tuning) -> list[Any]:
    """The best threshold, and the metrics there."""
    best = sweep.best_threshold(tuning.metric, grid=tuning.grid)
    own: list[Any] = best.scores()
    if best.threshold != best.threshold:  # there is none
        return own
    others = [score for score in _at(sweep, best.threshold, TUNED) if score.name != tuning.metric]
    return own + others


# -- tables ----------------------------------------------------------------------------------------


def tables_of(
    counts: Counts, scores: Sequence[Any], asked: Asked, tuning: Tuning, found: Intervals
) -> list[Any]:
    """What people are shown: predictions, classes, scores, thresholds."""
    from assay.report import render

    grouped = bool(asked.by)
    plain = [s for s in scores if not {"threshold", "class"} & s.tags.keys()]
    own = {s.name for s in counts.sweep.total_scores()} if counts.sweep is not None else set()
    tables = []
    if counts.confusion is not None:
        name = asked.prediction or "the highest score"
        title = f"{name}: predictions of {asked.target}"
        shown = [s for s in plain if s.name not in own or s.name == "items"]
        if grouped:
            tables.append(render.scores_table(shown, title, columns=PREDICTED, items="rows"))
        else:
            tables.append(render.score_list(shown, title, intervals=found.ends))
        tables += _classes(counts.confusion, asked)
    if counts.sweep is not None:
        title = f"{', '.join(asked.scores)}: scores of {asked.target}"
        if grouped:
            ranked = [s for s in plain if s.name in own]
            tables.append(render.scores_table(ranked, title, columns=RANKED, items="rows"))
        else:
            there = own if counts.confusion is None else own - {"items"}
            shown = [s for s in plain if s.name in there]
            tables.append(render.score_list(shown, title, intervals=found.ends))
    if grouped:
        tables += found.beside([s for s in plain if not s.tags or s.name in OF_GROUPS])
    elif found.note and tables:
        tables[-1] = replace(tables[-1], note=found.note)
    if len(asked.scores) == 1:
        tables += _thresholds(scores, asked, tuning, counts.sweep)
    elif asked.scores:
        tables.append(_areas(scores, asked))
    given = [s for s in scores if s.tags == {"threshold": str(asked.threshold)} and s.name in HEADS]
    tables += [replace(table, note="") for table in found.beside(given)]
    said = [*notes(counts, asked), *found.missing]
    if said and tables:
        tables[-1] = replace(tables[-1], note="; ".join(filter(None, [tables[-1].note, *said])))
    return tables


def _classes(confusion: Any, asked: Asked) -> list[Any]:
    """A row for each class, and targets by predictions where they are few."""
    from assay.report import render

    found = confusion.per_class()
    heads = ("label", "precision", "recall", "f1", "support")
    rows = list(zip(*(found[name].tolist() for name in heads), strict=True))
    total, title = len(rows), "By class"
    if total > CLASSES:
        rows = sorted(rows, key=lambda row: row[3])[:CLASSES]
        title = f"By class: the {CLASSES} of lowest F1 of {total:,}"
    heads = ("label", "precision", "recall", "F1", "support" if not asked.weights else "weight")
    tables = [render.Table(title, heads, [(str(row[0]), *row[1:]) for row in rows], spare=1)]
    if 2 <= total <= SQUARE:
        names = [*map(str, confusion.classes)]
        cells = zip(names, confusion.matrix.tolist(), strict=True)
        square = [(name, *row) for name, row in cells]
        title = "Rows of each label (down), by predicted label (across)"
        tables.append(render.Table(title, ("", *names), square))
    return tables


def _areas(scores: Sequence[Any], asked: Asked) -> Any:
    """The areas of each class against all others."""
    from assay.report import render

    names = ("roc_auc", "average_precision")
    own = [s for s in scores if s.tags.keys() == {"class"} and s.name in names]
    found: dict[str, dict[str, float]] = {}
    for score in own:
        found.setdefault(score.tags["class"], {})[score.name] = score.value
    rows = [[label, *map(values.get, names)] for label, values in found.items()]
    return render.Table("Each class against all others", ("label", "ROC-AUC", "AP"), rows)


def _thresholds(scores: Sequence[Any], asked: Asked, tuning: Tuning, sweep: Any) -> list[Any]:
    """The metrics at the threshold that was given and at the best one, of all rows and of groups;
    and the values over a short grid."""
    from assay.report import render

    groups: dict[tuple[str, ...], dict[str, float]] = {}
    for score in scores:
        if "threshold" in score.tags:
            by = [score.tags.get(name, render.ALL) or render.EMPTY for name in asked.by]
            groups.setdefault((*by, score.tags["threshold"]), {})[score.name] = score.value
    heads = HEADS if tuning.metric in HEADS else {**HEADS, tuning.metric: tuning.metric}
    over = "all scores" if tuning.grid is None else "the grid"
    best = f"best {HEADS.get(tuning.metric, tuning.metric)} over {over}"
    rows = []
    for (*by, tag), values in groups.items():
        tuned = tag == TUNED
        threshold = values.get("best_threshold", asked.threshold)
        rest = (values.get(name) for name in heads)
        rows.append((*by, best if tuned else "given", f"{threshold:.6g}", *rest))
    note = (
        "positive at or above a threshold; the best one was chosen on the rows it is measured on "
        "(threshold: tuned_on_same_data), so its values are optimistic: choose it on other rows"
    )
    tables = [
        render.Table(
            "At a threshold", (*asked.by, "", "threshold", *heads.values()), rows,
            spare=len(heads) - 1, note=note,
        )
    ]  # fmt: skip
    if tuning.grid is not None and len(tuning.grid) <= GRID:
        curve = sweep.best_threshold(tuning.metric, grid=tuning.grid).curve
        points = list(zip(*(side.tolist() for side in curve), strict=True))
        head = HEADS.get(tuning.metric, tuning.metric)
        tables.insert(0, render.Table("Over the grid", ("threshold", head), points))
    return tables


def notes(counts: Counts, asked: Asked) -> list[str]:
    """What people should know who read the numbers."""
    from assay.readers.columns import listed

    said = []
    if counts.confusion is not None and asked.labels is None:
        of_target = {target for target, _ in counts.confusion.cells}
        unknown = [label for label in counts.confusion.classes if label not in of_target]
        if unknown:
            said.append(f"predicted, but never a target: {listed(unknown, 5)}")
    if asked.scores[1:]:
        there = {label for label, n in counts.seen.items() if n}
        missing = [label for label in asked.labels or () if label not in there]
        if missing:
            said.append(
                f"never a target, so without an area, and the mean has none: {listed(missing, 5)}"
            )
        if counts.sweep.uneven:
            said.append(
                f"{counts.sweep.uneven:,} rows of scores are no probabilities that sum to 1, so "
                "there is no Brier score, log loss or ECE"
            )
    elif asked.scores and not counts.sweep.are_probabilities:
        said.append("some scores lie outside 0..1, so there is no Brier score, log loss or ECE")
    return said
