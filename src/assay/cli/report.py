"""`assay report`: a page of HTML about runs and about the errors of single items."""

import glob
import os
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer

from assay.cli.explorers import Columns, label_rows, of_runs, ranking_rows, transcript_rows
from assay.cli.progress import steps
from assay.cli.shared import check_named, check_output, printing
from assay.core.errors import DataError, InputError, TrackerError

__all__ = ["report"]

TRANSCRIPTS, RANKINGS, LABELS = "Transcripts", "Rankings", "Labels"
PAGE = "report.html"  # what it is called among the artifacts of a run


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN_DIR", help="Directories of runs, or globs of them."),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The page to write.")
    ] = PAGE,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="The title.")] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What runs are judged by; else val_macro_f1, if it is "
                     "there, or the first metric that says which way is better."),
    ] = None,
    log: Annotated[
        bool,
        typer.Option("--log", help="Keep the page as an artifact of the (first) run, and send it "
                     "to the run's trackers."),
    ] = False,
    transcripts: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", rich_help_panel=TRANSCRIPTS, help="Show the errors of these "
                     "transcripts; given twice, reference and hypothesis, as for assay score "
                     "transcripts."),
    ] = None,
    reference: Annotated[
        str, typer.Option(metavar="COLUMN", rich_help_panel=TRANSCRIPTS,
                          help="Column of the references.")
    ] = "reference",
    hypothesis: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", rich_help_panel=TRANSCRIPTS,
                     help="Column of the hypotheses; may be given again. [default: hypothesis]"),
    ] = None,
    unit: Annotated[
        str, typer.Option(metavar="UNIT", rich_help_panel=TRANSCRIPTS, help="word or char.")
    ] = "word",
    normalise: Annotated[
        str,
        typer.Option(metavar="NAME", rich_help_panel=TRANSCRIPTS, help="Normaliser of both sides: "
                     "none, basic, whisper-basic, whisper-english."),
    ] = "none",
    key: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", rich_help_panel=TRANSCRIPTS,
                     help="Column that joins a reference and a hypothesis file."),
    ] = None,
    rankings: Annotated[
        str | None,
        typer.Option(metavar="FILE", rich_help_panel=RANKINGS, help="Show the errors of this TREC "
                     "run, or table with columns query, item and score."),
    ] = None,
    qrels: Annotated[
        str | None,
        typer.Option(metavar="FILE", rich_help_panel=RANKINGS, help="What is relevant: TREC qrels, "
                     "or a table with columns query, item and, where it is graded, gain."),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(metavar="FILE", rich_help_panel=RANKINGS, help="A table with columns id and "
                     "text: what is shown of queries and items."),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", rich_help_panel=LABELS,
                     help="Show the mistakes in these predictions."),
    ] = None,
    target: Annotated[
        str, typer.Option(metavar="COLUMN", rich_help_panel=LABELS,
                          help="Column of the true labels.")
    ] = "target",
    prediction: Annotated[
        str | None, typer.Option(metavar="COLUMN", rich_help_panel=LABELS,
                                 help="Column of the predicted labels.")
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", rich_help_panel=LABELS, help="Column of scores that are "
                     "high for the positive label, or one for each of --classes, as in "
                     "p_cat,p_dog."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="LABEL,LABEL", rich_help_panel=LABELS,
                     help="The labels of several --score columns, in their order."),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(metavar="LABEL", rich_help_panel=LABELS, help="The label that a high score "
                     "speaks for, and that F1 is of."),
    ] = None,
    text: Annotated[
        str | None, typer.Option(metavar="COLUMN", rich_help_panel=LABELS,
                                 help="Column that is shown of an item.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Column of transcripts or labels to filter by; may be "
                     "given again."),
    ] = None,
    id: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of transcripts or labels that says what items "
                     "are called."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Format of those files, where the name does not say."),
    ] = None,
    items: Annotated[
        int, typer.Option(metavar="N", min=1, help="Items that are in the page at most; of more "
                          "the worst.")
    ] = 100_000,
) -> None:  # fmt: skip
    """A page of HTML about runs: tables, diagrams, runs side by side, and single
    errors to look through. It is one file that needs nothing else.

    Tables and artifacts (CSV, Parquet) that a run has kept are shown as errors if
    they have the columns reference and hypothesis; target and prediction or score;
    or query, item, score and gain. Where stages have kept per-item files, their
    differences have p, as in assay summary.
    """
    from assay.cli.significance import of_stages
    from assay.core.optional import require
    from assay.ops.normalise import NAMED
    from assay.report.page import write_page

    require("jinja2")
    require("matplotlib")
    check_named(("--unit", unit, ("word", "char")), ("--normalise", normalise, NAMED))
    _check({
        "--transcripts": (transcripts, {"--hypothesis": hypothesis, "--key": key}),
        "--rankings": (rankings, {"--qrels": qrels, "--names": names}),
        "--labels": (labels, {"--prediction": prediction, "--score": score, "--classes": classes,
                              "--text": text}),
        "--transcripts or --labels": (transcripts or labels, {"--by": by, "--id": id}),
    })  # fmt: skip
    if not (runs or transcripts or rankings or labels):
        raise InputError("name the directory of a run, or give --transcripts, --rankings or "
                         "--labels")  # fmt: skip
    if rankings and not qrels:
        raise InputError("--rankings needs --qrels, which says what is relevant")
    if log and not runs:
        raise InputError("--log keeps the page in a run; name its directory")
    given = [
        path for path in (*(transcripts or ()), *(labels or ()), rankings, qrels, names) if path
    ]
    check_output("--output", output, [path for path in given if path != "-"])
    columns = Columns(list(dict.fromkeys(by or ())), id, None)
    records = _records(runs or ())
    explorers: dict[str, Any] = {}
    with_text = columns._replace(text=text)
    for name in dict.fromkeys(hypothesis or ["hypothesis"]) if transcripts else ():
        explorers[_called(TRANSCRIPTS, name, hypothesis)] = transcript_rows(
            transcripts or (), reference, name, columns, most=items, unit=unit,
            normalise=normalise, key=key, format=format,
        )  # fmt: skip
    if rankings:
        explorers[RANKINGS] = ranking_rows(rankings, qrels or "", names, most=items, format=format)
    figures: Sequence[Any] = ()
    if labels:
        scores = [name.strip() for own in score or () for name in own.split(",")]
        declared = [name.strip() for name in classes.split(",")] if classes else None
        if not (prediction or scores):
            raise InputError("--labels needs --prediction, --score, or both")
        if len(scores) > 1 and len(declared or ()) != len(scores):
            raise InputError(f"--classes must be {len(scores)}, one for each --score column")
        explorers[LABELS], figures = label_rows(
            labels, target, prediction, scores, with_text, most=items, classes=declared,
            positive=positive, format=format,
        )  # fmt: skip
    with steps(2) as begin:
        begin("what runs have kept")
        kept, left = of_runs(records, items, explorers)
        begin("diagrams")
        path = write_page(
            output, records, {**explorers, **kept}, title=title, metric=metric,
            positive=positive or "positive", figures=figures,
            notes=[f"Left out: {told}" for told in left],
            significance=partial(of_stages, positive=positive),
        )  # fmt: skip
    if log:
        _log(records[0].directory, path)
    with printing():
        for told in left:
            print(f"left out: {told}")
        print(path)


def _check(sides: dict[str, tuple[Any, dict[str, Any]]]) -> None:
    """Refuse options that belong to files which are not given."""
    for needed, (given, options) in sides.items():
        for option, value in options.items():
            if value and not given:
                raise InputError(f"{option} goes with {needed} FILE")


def _called(kind: str, name: str, several: Sequence[str] | None) -> str:
    return f"{kind}: {name}" if several and len(several) > 1 else kind


def _records(given: Sequence[str]) -> list[Any]:
    """The runs of directories and globs, each once."""
    from assay.core.journal_lines import JOURNAL
    from assay.core.record import read_journal

    paths: list[str] = []
    for path in given:
        if os.path.exists(path) or not glob.has_magic(path):
            paths.append(path)
            continue
        found = [
            own for own in sorted(glob.glob(path)) if os.path.exists(os.path.join(own, JOURNAL))
        ]
        if not found:
            raise DataError(f"{path}: no directory of a run is called like that")
        paths += found
    for path in paths:
        inside = glob.glob(os.path.join(glob.escape(path), "*", JOURNAL))
        if inside and not os.path.exists(os.path.join(path, JOURNAL)):
            several = os.path.join(path, "*")
            raise DataError(f"{path}: is no run, but holds {len(inside)}; name them: '{several}'")
    with steps(len(paths)) as begin:
        records = []
        for path in {os.path.realpath(own): own for own in paths}.values():
            begin(f"reading {path}")
            records.append(read_journal(path))
    return records


def _log(directory: str, path: str) -> None:
    """Keep the page in the run, and send it to its trackers."""
    from assay.run.afterwards import keep
    from assay.run.cursor import is_sent, tracker_name
    from assay.run.sender import resync
    from assay.trackers import made_of

    keep(directory, path, PAGE)
    silent = [
        f"{tracker_name(cursor.spec)}: {cursor.error or 'it does not answer'}"
        for cursor in resync(directory, made_of)
        if not is_sent(cursor)
    ]
    if silent:
        raise TrackerError(
            f"{path} is written and kept in {directory}, but not sent; later: assay resync "
            f"{directory}\n" + "\n".join(silent)
        )
