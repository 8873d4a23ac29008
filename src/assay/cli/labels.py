"""`assay score labels`: predicted labels, scores of them, or both."""

import math
import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from assay.cli.corpus import Scale, Task, add_up, scaled, tagged
from assay.cli.intervals import DEFAULT, NONE, IntervalOption, of_labels, resamples_of
from assay.cli.label_counts import Asked, Counts, count_rows, counts_of, finished, merge_error
from assay.cli.label_scores import Shown, Tuning, notes, scores_of, tables_of
from assay.cli.shared import (
    Csv,
    Json,
    Markdown,
    check_output,
    check_own_columns,
    form_of,
    print_scores,
    status,
)
from assay.core.errors import InputError, MergeError

if TYPE_CHECKING:
    from assay.run.jobs import Done
    from assay.run.totals import Total

__all__ = ["Shown", "labels", "show"]

COLUMNS, SCORES, OUTPUT = "Columns", "Scores", "Output"

TAGS = ("class", "threshold")  # that scores have of their own


@scaled
def labels(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Files, globs, URLs, or - for standard input."),
    ],
    target: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Column of the true labels: text or whole numbers.",
            rich_help_panel=COLUMNS,
        ),
    ] = "target",
    prediction: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of the predicted labels.", rich_help_panel=COLUMNS
        ),
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of scores that are high for the positive label. Or one column for each "
            "of --labels, as in p_cat,p_dog.",
            rich_help_panel=COLUMNS,
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL,LABEL",
            help="The labels there are, in order; a row with another one is refused.",
            rich_help_panel=COLUMNS,
        ),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL",
            help="The label that f1, precision and recall are of, and that a high score speaks "
            "for; by default 1 of 0 and 1, or of -1 and 1, and true of false and true.",
            rich_help_panel=COLUMNS,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of weights of the rows.", rich_help_panel=COLUMNS
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column to group by; may be given again.",
            rich_help_panel=COLUMNS,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="File format, where the name does not say: jsonl, csv, tsv, tsv-raw, parquet, "
            "arrow.",
            rich_help_panel=COLUMNS,
        ),
    ] = None,
    k: Annotated[
        str | None,
        typer.Option(
            "--k",
            metavar="K,K",
            help="With a --score column for each label: how often the true label is among the K "
            "of highest score.",
            rich_help_panel=SCORES,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="SCORE",
            help="Where rows are positive: at this score or above; by default 0.5.",
            rich_help_panel=SCORES,
        ),
    ] = None,
    threshold_grid: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST:LAST:STEP",
            help="Thresholds to choose the best one from, ends included, or a list as in "
            "0.3,0.5; by default every score.",
            rich_help_panel=SCORES,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the best threshold is best for: macro_f1 (the default), f1, accuracy, "
            "balanced_accuracy, mcc, youden, …",
            rich_help_panel=SCORES,
        ),
    ] = None,
    per_item: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write labels and scores of every row to this Parquet file.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    plots: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Draw roc.png, precision_recall.png, threshold.png and reliability.png there.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    interval: IntervalOption = DEFAULT,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
    *,
    scale: Scale,
) -> None:
    """Accuracy, F1, ROC-AUC, the best threshold, calibration and the rest of a classifier, from
    its predictions (--prediction), its scores (--score), or both."""
    from assay.readers import read

    form = form_of(json, csv, markdown)
    resamples = resamples_of(interval)
    asked = _asked(
        target, prediction, score, labels, positive, weights, by, threshold, per_item, resamples
    )
    asked = asked._replace(k=_cuts(k, asked))
    tuning = _tuning(asked, {"--threshold": threshold, "--threshold-grid": threshold_grid,
                             "--metric": metric, "--plots": plots})  # fmt: skip
    source = read(paths[0] if len(paths) == 1 else paths, (), asked.columns, format=format)
    if per_item:
        check_output("--per-item", per_item, paths)
        check_own_columns(asked.by, _own_columns(asked))
    if plots is not None:
        from assay.cli.label_plots import check_folder

        check_folder(plots)
        if scale.state_out is not None:
            raise InputError("--plots goes with the count of all rows, not with --state-out")
    shown = Shown(str(source), asked, metric, threshold_grid, resamples)
    finish = partial(_made, asked=asked, tuning=tuning, source=str(source), plots=plots)
    task = Task(
        "labels", paths, source, partial(count_rows, asked=asked), "rows", headline,
        _definition(asked, format), shown, per_item,
    )  # fmt: skip
    try:
        made = add_up(scale, task, finish)
    except MergeError as error:
        raise merge_error(error, asked, str(source)) from None
    if made is not None:
        _print(made, asked, tuning, resamples, form)


def show(done: "Done", shown: Shown, form: str, missing: int = 0) -> None:
    """Print the scores of what was counted. missing: shards that are."""
    tuning = _tuning(shown.asked, {"--metric": shown.metric, "--threshold-grid": shown.grid})
    made = _made(done, shown.asked, tuning, shown.source, missing=missing)
    _print(made, shown.asked, tuning, shown.resamples, form)


# -- what is asked ---------------------------------------------------------------------------------


def _asked(
    target: str, prediction: str | None, score: Sequence[str] | None, labels: str | None,
    positive: str | None, weights: str | None, by: Sequence[str] | None, threshold: float | None,
    per_item: str | None, resamples: int,
) -> Asked:  # fmt: skip
    """The columns that the options name; an InputError where they do not go together."""
    scores = tuple(_names("--score", ",".join(score))) if score else ()
    declared = tuple(_names("--labels", labels)) if labels is not None else None
    if prediction is None and not scores:
        raise InputError(
            "give --prediction, the column of predicted labels, or --score, that of scores, or both"
        )
    if scores[1:] and declared is None:
        raise InputError(
            "several --score columns are one for each label; name those with --labels, in the "
            "same order"
        )
    if scores[1:] and len(declared or ()) != len(scores):
        raise InputError(
            f"--labels must be {len(scores)}, one for each --score column, got "
            f"{len(declared or ())}: {labels}"
        )
    if scores[1:] and weights is not None:
        raise InputError("--weights goes with predictions and with one --score column")
    if scores[1:] and positive is not None and prediction is None:
        raise InputError("--positive goes with predictions and with one --score column")
    if declared is not None and positive is not None and positive not in declared:
        raise InputError(f"--positive must be one of --labels {labels}, got {positive!r}")
    if threshold is not None and not math.isfinite(threshold):
        raise InputError(f"--threshold must be a finite number, got {threshold}")
    groups = tuple(dict.fromkeys(by or ()))
    if clash := [name for name in groups if name in TAGS]:
        raise InputError(
            f"--by: scores are tagged with a {clash[0]!r} of their own; rename the column"
        )
    given = 0.5 if threshold is None else threshold
    return Asked(
        target, prediction, scores, weights, groups, declared, positive, given, bool(per_item),
        bool(resamples),
    )  # fmt: skip


def _cuts(text: str | None, asked: Asked) -> tuple[int, ...]:
    """The cut-offs of --k."""
    if text is None:
        return ()
    if len(asked.scores) < 2 or asked.prediction is not None:
        raise InputError("--k goes with a --score column for each label, without --prediction")
    most = len(asked.scores)
    cuts = [
        int(part) if re.fullmatch(r"[0-9]{1,9}", part.strip()) else 0 for part in text.split(",")
    ]
    if any(not 1 <= cut <= most for cut in cuts):
        raise InputError(f"--k must be whole numbers in 1..{most}, as in 1,{most}; got {text!r}")
    return tuple(dict.fromkeys(cuts))


def _names(option: str, text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise InputError(f"{option} must be different names, as in cat,dog; got {text!r}")
    return names


def _tuning(asked: Asked, options: dict[str, Any]) -> Tuning:
    """What the best threshold is of; an InputError for options that need scores."""
    from assay.metrics.sweep import Sweep

    given = [option for option, value in options.items() if value is not None]
    if given and not asked.scores:
        raise InputError(f"{given[0]} goes with --score, the column of scores")
    if asked.scores[1:] and given and given != ["--plots"]:
        raise InputError(f"{given[0]} goes with one --score column, got {len(asked.scores)}")
    metric, grid = options["--metric"] or "macro_f1", options["--threshold-grid"]
    if grid is not None and ":" not in grid:
        grid = [_number(part, grid) for part in grid.split(",")]
    try:
        Sweep.zero().best_threshold(metric)
    except InputError as error:
        raise InputError(f"--metric: {error}") from None
    try:
        from assay.metrics.thresholds import grid_of

        return Tuning(metric, grid_of(grid))
    except InputError as error:
        told = re.sub(r"^grid\b", "--threshold-grid", str(error))
        raise InputError(told) from None


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(
            "--threshold-grid must be first:last:step or numbers, as in 0.3:0.6:0.05 or "
            f"0.3,0.5; got {whole!r}"
        ) from None


def _own_columns(asked: Asked) -> set[str]:
    """Columns that the per-item file has of its own."""
    names = {"row", "target"}
    if asked.prediction is not None or asked.scores[1:]:
        names |= {"prediction", "correct"}
    if asked.scores[1:]:
        names |= {f"score_{label}" for label in asked.labels or ()}
    elif asked.scores:
        names |= {"positive", "score", "above"}
    return names | ({"weight"} if asked.weights else set())


# -- scoring ---------------------------------------------------------------------------------------


def headline(total: "Total") -> dict[str, tuple[int, int]]:
    """What the corpus value so far is a quotient of."""
    confusion: Any = total.states.get("confusion")
    if confusion is None or confusion.weighted:
        return {}
    hits = sum(n for (target, prediction), n in confusion.cells.items() if target == prediction)
    return {"accuracy": (hits, total.items)}


def _definition(asked: Asked, format: str | None) -> dict[str, Any]:
    """All that decides what is counted."""
    return {
        "--target": asked.target,
        "--prediction": asked.prediction,
        "--score": list(asked.scores),
        "--labels": asked.labels and list(asked.labels),
        "--positive": asked.positive,
        "--weights": asked.weights,
        "--by": list(asked.by),
        "--k": list(asked.k),
        "--format": format,
        "--interval": asked.intervals,
    }


class Made(NamedTuple):
    """What is told of all rows: scores, and the Done they are of."""

    counts: Counts
    scores: list[Any]
    done: "Done"
    missing: int


def _made(
    done: "Done", asked: Asked, tuning: Tuning, source: str, plots: str | None = None,
    missing: int = 0,
) -> Made:  # fmt: skip
    """The scores of all rows; the plots of them are there if all went well."""
    counts = finished(counts_of(done.total), asked, source)
    scores = scores_of(counts, asked, tuning)
    if plots is not None:
        from assay.cli.label_plots import pictures, write

        write(plots, pictures(counts, asked, tuning))
    return Made(counts, scores, done, missing)


def _print(made: Made, asked: Asked, tuning: Tuning, resamples: int, form: str) -> None:
    from assay.report.render import json_value

    counts, found = made.counts, NONE
    if resamples:
        with status("drawing rows again"):
            found = of_labels(counts, asked, resamples)
    scores, found, lost = tagged(made.scores, found, made.done, made.missing)
    more: dict[str, Any] = {}
    if form == "json":
        if counts.confusion is not None:
            matrix = counts.confusion.matrix.tolist()
            more["confusion"] = {"labels": [*counts.confusion.classes], "matrix": matrix}
        if tuning.grid is not None:
            curve = counts.sweep.best_threshold(tuning.metric, grid=tuning.grid).curve
            sides = ([*map(json_value, side.tolist())] for side in curve)
            more["grid"] = dict(zip(("threshold", tuning.metric), sides, strict=True))
        if said := [*notes(counts, asked), *found.missing]:
            more["notes"] = said
    tables = tables_of(counts, scores, asked, tuning, found)
    print_scores(form, scores, tables, found.ends, **more, **lost, **found.as_json())
