"""`assay score rankings`: of embeddings, which it ranks, or of a run that something else ranked."""

import os
import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from assay.cli.corpus import Scale, scaled
from assay.cli.embeddings import (
    CUTS,
    Asked,
    fitting_cuts,
    fitting_depth,
    score_embeddings,
    side,
)
from assay.cli.intervals import DEFAULT, IntervalOption, resamples_of
from assay.cli.ranking_parts import Shown, is_large, score_parts, states_of
from assay.cli.ranking_runs import Runs, named_error, score_runs
from assay.cli.ranking_scores import print_ranks
from assay.cli.shared import (
    Csv,
    Json,
    Markdown,
    check_named,
    check_output,
    form_of,
    status,
)
from assay.core.errors import DataError, InputError
from assay.core.protocols import DIRECTIONS

__all__ = ["Shown", "rankings", "show"]

EMBEDDINGS, RUN, OUTPUT = "Embeddings", "A run", "Output"


@scaled
def rankings(
    queries: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Vectors of the queries: .npy, .npz (FILE.npz:NAME of several arrays), or "
            "lists in a column of a Parquet or Arrow file (FILE:COLUMN). A quoted glob stands for "
            "several files, in order of their names.",
            rich_help_panel=EMBEDDINGS,
        ),
    ] = None,
    gallery: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Vectors of what is ranked.", rich_help_panel=EMBEDDINGS),
    ] = None,
    relevance: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="What is relevant: TREC qrels, or a table with columns query, item and, where it "
            "is graded, gain; rows of the arrays, from 0, or ids. Or the word diagonal: row i is "
            "relevant to query i.",
            rich_help_panel=EMBEDDINGS,
        ),
    ] = None,
    query_ids: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Ids of the queries, one a line, or FILE:COLUMN of a table.",
            rich_help_panel=EMBEDDINGS,
        ),
    ] = None,
    gallery_ids: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Ids of the gallery.", rich_help_panel=EMBEDDINGS),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="cosine (the default), dot or l2.", rich_help_panel=EMBEDDINGS
        ),
    ] = None,
    both: Annotated[
        bool,
        typer.Option(
            "--both", help="Also rank the queries of each gallery row.", rich_help_panel=EMBEDDINGS
        ),
    ] = False,
    directions: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="What --both calls the two, as in audio_to_text,text_to_audio.",
            rich_help_panel=EMBEDDINGS,
        ),
    ] = None,
    exclude_self: Annotated[
        bool,
        typer.Option(
            "--exclude-self",
            help="Row i is not there for query i: queries and gallery are the same.",
            rich_help_panel=EMBEDDINGS,
        ),
    ] = False,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the --query-ids table to group queries by; may be given again.",
            rich_help_panel=EMBEDDINGS,
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Rankings: a TREC run, or a table with columns query, item and score. A quoted "
            "glob stands for several files, each query whole in one of them.",
            rich_help_panel=RUN,
        ),
    ] = None,
    qrels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="What is relevant: TREC qrels, or a table as for --relevance.",
            rich_help_panel=RUN,
        ),
    ] = None,
    complete: Annotated[
        bool,
        typer.Option(
            "--complete",
            help="Queries of the qrels that the run lacks count 0, as trec_eval -c.",
            rich_help_panel=RUN,
        ),
    ] = False,
    k: Annotated[
        str | None,
        typer.Option(metavar="K,K", help="Where rankings are cut; by default 1,5,10."),
    ] = None,
    convention: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Whose definitions: cross-modal, trec, ranx, sentence-transformers, "
            "torchmetrics, sklearn, clap, dcase.",
        ),
    ] = "cross-modal",
    ties: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Order of equal scores, if not the convention's: index, item-descending, "
            "item-ascending, optimistic, pessimistic, expected, grouped.",
        ),
    ] = None,
    empty: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="What queries without relevant items mean, if not as the convention says: "
            "skip, zero, nan, error.",
        ),
    ] = None,
    gain: Annotated[
        str, typer.Option(metavar="NAME", help="Gains in nDCG: linear or exponential.")
    ] = "linear",
    level: Annotated[
        float | None,
        typer.Option(metavar="GAIN", min=0, help="The least gain of a relevant item."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Format of run, qrels and relevance, where the name does not say: trec, jsonl, "
            "csv, tsv, tsv-raw, parquet.",
        ),
    ] = None,
    per_item: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write the values of every query to this Parquet file.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    run_out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write the best of each query to this TREC run (of l2: minus the distance).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="How many of each query --run-out writes; by default 100.",
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
    """Recall@k, average precision, nDCG and the rest, exactly and at full depth, of embeddings
    (--queries, --gallery, --relevance) or of a given run (--run, --qrels)."""
    from assay.metrics.rank_conventions import CONVENTIONS, EMPTY, TIES
    from assay.ops.similarity import METRICS
    from assay.readers.files import expand
    from assay.readers.rankings import TABLES

    of_embeddings = {
        "--queries": queries, "--gallery": gallery, "--relevance": relevance,
        "--query-ids": query_ids, "--gallery-ids": gallery_ids, "--metric": metric, "--both": both,
        "--directions": directions, "--exclude-self": exclude_self, "--by": by,
        "--run-out": run_out, "--depth": depth,
    }  # fmt: skip
    of_run = {"--run": run, "--qrels": qrels, "--complete": complete}
    from_run = _from_run(of_embeddings, of_run)
    form = form_of(json, csv, markdown)
    check_named(
        ("--metric", metric, METRICS),
        ("--convention", convention, CONVENTIONS),
        ("--ties", ties, TIES),
        ("--empty", empty, EMPTY),
        ("--gain", gain, ("linear", "exponential")),
        ("--format", format, TABLES),
    )
    resamples = resamples_of(interval)
    if depth is not None and run_out is None:
        raise InputError("--depth goes with --run-out")
    definition: dict[str, Any] = {
        "convention": convention, "ties": ties, "empty": empty, "gain": gain, "level": level,
    }  # fmt: skip
    outputs = {"--per-item": per_item, "--run-out": run_out}
    if from_run:
        _check_outputs(outputs, [run or "", qrels or ""])
        definition |= {"k": _cuts(k) or CUTS, "complete": complete}
        if scale != Scale() or len(expand(run or "")) > 1:
            runs = Runs(run or "", qrels or "", format)
            if (found := score_runs(scale, runs, definition, per_item, resamples)) is not None:
                show(*found, form)
            return
        state = _score_run(run or "", qrels or "", format, definition, per_item)
    else:
        given = [path for path in (queries, gallery, relevance, query_ids, gallery_ids) if path]
        _check_outputs(outputs, given)
        by = list(dict.fromkeys(by or []))
        if by and not query_ids:
            raise InputError("--by names a column of the --query-ids table; give that too")
        parts = scale != Scale() or is_large(queries or "", gallery or "")
        asked = Asked(
            side(queries or "", query_ids, by, parts),
            side(gallery or "", gallery_ids, (), parts),
            metric or "cosine",
            exclude_self,
            both,
            _directions(directions, both),
            by,
        )
        definition["k"] = fitting_cuts(_cuts(k), asked)
        if run_out:
            depth = fitting_depth(depth, asked)
        if parts:
            inputs = dict(zip(("--queries", "--gallery", "--relevance", "--query-ids",
                               "--gallery-ids"), (queries, gallery, relevance, query_ids,
                                                  gallery_ids), strict=True))  # fmt: skip
            found = score_parts(
                scale, asked, inputs, format, definition, per_item, run_out, depth or 0, resamples
            )
            if found is not None:
                show(*found, form)
            return
        state = score_embeddings(
            asked, relevance or "", format, definition, per_item, run_out, depth or 0
        )
    print_ranks(state, resamples, form)


def show(done: Any, shown: Shown, form: str, missing: int = 0) -> None:
    """Print the scores of what was counted. missing: shards that are."""
    print_ranks(states_of(done, shown), shown.resamples, form, done, missing)


# -- what is asked ---------------------------------------------------------------------------------


def _from_run(of_embeddings: dict[str, Any], of_run: dict[str, Any]) -> bool:
    """Whether a run is scored; an InputError unless the options are those of one form."""
    sides = [[name for name, value in form.items() if value] for form in (of_embeddings, of_run)]
    if all(sides):
        raise InputError(f"{sides[0][0]} and {sides[1][0]} exclude each other: score embeddings "
                         "or a run")  # fmt: skip
    needed = ("--run", "--qrels") if sides[1] else ("--queries", "--gallery", "--relevance")
    missing = [name for name in needed if not (of_embeddings | of_run)[name]]
    if not any(sides):
        raise InputError("give --queries, --gallery and --relevance, or --run and --qrels")
    if missing:
        raise InputError(f"{' and '.join(missing)} missing; {', '.join(needed)} go together")
    return bool(sides[1])


def _cuts(k: str | None) -> tuple[int, ...]:
    """The numbers of --k; none if it is not given."""
    if k is None:
        return ()
    numbers = [int(cut) if re.fullmatch(r"\s*\d{1,18}\s*", cut) else 0 for cut in k.split(",")]
    if min(numbers) < 1:
        raise InputError(f"--k must be whole numbers of at least 1, as in 1,5,10; got {k!r}")
    return tuple(numbers)


def _directions(names: str | None, both: bool) -> tuple[str, str]:
    if names is None:
        return DIRECTIONS
    if not both:
        raise InputError("--directions goes with --both")
    pair = tuple(name.strip() for name in names.split(","))
    if len(pair) != 2 or not all(pair) or pair[0] == pair[1]:
        raise InputError(
            f"--directions must be two names, as in audio_to_text,text_to_audio; got {names!r}"
        )
    return pair[0], pair[1]


def _check_outputs(outputs: dict[str, str | None], inputs: Sequence[str]) -> None:
    """Refuse to write over an input, or two things to one file."""
    from assay.readers.arrays import named_part

    paths = [named_part(path)[0] for path in inputs if path != "diagonal"]
    given = {option: path for option, path in outputs.items() if path is not None}
    for option, path in given.items():
        check_output(option, path, paths)
    if len({os.path.realpath(path) for path in given.values()}) < len(given):
        raise InputError(f"{' and '.join(given)} are the same file; name two")


# -- scoring ---------------------------------------------------------------------------------------


def _score_run(
    run: str, qrels: str, format: str | None, definition: dict[str, Any], per_item: str | None
) -> Any:
    import numpy as np

    from assay.metrics.retrieval import count_rankings
    from assay.readers.rankings import read_judgements, read_run
    from assay.run.items import ItemFile

    with ItemFile.maybe(per_item) as items, status(f"reading {run}"):
        ranked, judged = read_run(run, format), read_judgements(qrels, format)
        try:
            state = count_rankings(ranked, judged, **definition)
        except InputError as error:
            raise named_error(error, run, qrels) from error
        if not len(state.queries):
            raise DataError(f"{run} and {qrels} have no query in common; are these a pair?")
        if items is not None:
            columns = state.item_columns()
            items.write(columns, np.arange(len(columns["id"])), 0)
    return state
