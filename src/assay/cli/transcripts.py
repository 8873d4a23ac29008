"""`assay score transcripts`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from assay.cli.corpus import BAGS, Scale, Task, add_up, scaled, tagged
from assay.cli.intervals import DEFAULT, NONE, IntervalOption, drawn, resamples_of
from assay.cli.shared import (
    Csv,
    Json,
    Markdown,
    check_named,
    check_output,
    check_own_columns,
    check_plain,
    form_of,
    no_rows,
    print_scores,
)
from assay.core.errors import DataError, InputError

if TYPE_CHECKING:
    from assay.run.jobs import Answer, Done
    from assay.run.totals import Total

__all__ = ["count_transcripts", "show", "transcripts"]

UNITS = {
    "word": ("word",),
    "char": ("char",),
    "grapheme": ("grapheme",),
    "both": ("word", "char"),
}
RATES = {
    "word": ("wer", "mer", "wil", "wip", "sentence_error_rate"),
    "char": ("cer",),
    "grapheme": ("cer",),
}


@scaled
def transcripts(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Files, globs, URLs, or - for standard input. Two line-aligned, Kaldi or trn "
            "files, stm and ctm, or two files with --key, are reference and hypothesis.",
        ),
    ],
    reference: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of the references.")
    ] = "reference",
    hypothesis: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of the hypotheses.")
    ] = "hypothesis",
    unit: Annotated[
        str,
        typer.Option(
            metavar="UNIT", help="word, char, grapheme (what one sees as a character), or both."
        ),
    ] = "both",
    normalise: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Normaliser of both sides: none, basic, whisper-basic, whisper-english.",
        ),
    ] = "none",
    empty: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="What a pair without reference means: jiwer, nan, inf, skip, error.",
        ),
    ] = "jiwer",
    policy: Annotated[
        str,
        typer.Option(metavar="NAME", help="Whose alignments are counted: jiwer, kaldi or sclite."),
    ] = "jiwer",
    keywords: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Words and phrases, one a line: also count errors on these and on other words, of "
            "every pair; not with --empty skip.",
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Column to group by; may be given again."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column that joins a reference and a hypothesis file."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="File format, where the name does not say: jsonl, csv, tsv, tsv-raw, parquet, "
            "lines, kaldi, trn, stm.",
        ),
    ] = None,
    per_item: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the counts of every pair to this Parquet file."),
    ] = None,
    errors: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Also list this many of the most frequent errors of a kind."
        ),
    ] = 0,
    interval: IntervalOption = DEFAULT,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
    *,
    scale: Scale,
) -> None:
    """Word and character error rates of recognised text, as jiwer, kaldi or sclite counts them."""
    from assay.metrics.edit_counts import EMPTY, EditCounts
    from assay.metrics.keywords import KeywordCounts
    from assay.metrics.transcript_definitions import transcript_definitions
    from assay.ops.edit import POLICIES
    from assay.ops.normalise import NAMED
    from assay.readers import read

    form = form_of(json, csv, markdown)
    if errors and csv:
        raise InputError("--errors goes with the console, --json or --markdown, not with --csv")
    check_named(
        ("--unit", unit, UNITS),
        ("--normalise", normalise, NAMED),
        ("--empty", empty, EMPTY),
        ("--policy", policy, POLICIES),
    )
    if keywords and empty == "skip":
        raise InputError(
            "--keywords counts every pair, so it does not go with --empty skip; ask for the two in "
            "commands of their own, or leave pairs without a reference out of the input"
        )
    listed = None if keywords is None else read_keywords(keywords)
    resamples = resamples_of(interval)
    by = by or []
    inputs = paths[0] if len(paths) == 1 else paths
    open_source = partial(read, inputs, (reference, hypothesis), key=key, format=format)
    source, extra = open_source(by), by
    key = getattr(source, "key", None)  # Kaldi files have one without asking
    if key and per_item and key not in by:
        extra = [*by, key]
        source = open_source(extra)
    if per_item:
        check_output("--per-item", per_item, paths)
        zeros: list[Any] = [
            EditCounts.zero(unit="word" if name == "word" else "char", detail=("items",))
            for name in UNITS[unit]
        ]
        zeros += [KeywordCounts.zero(detail=("items",))] if listed else []
        check_own_columns(extra, {"row", *(name for zero in zeros for name in zero.item_columns())})
    count = partial(
        count_transcripts,
        units=UNITS[unit],
        extra=tuple(extra),
        groups=len(by),
        options={
            "normalise": normalise,
            "empty": empty,
            "policy": policy,
            "confusions": errors > 0,
            "items": per_item is not None,
        },
        keywords=listed,
        bagged=resamples > 0,
    )
    definition = {
        "--reference": reference,
        "--hypothesis": hypothesis,
        "--unit": unit,
        "--normalise": normalise,
        "--empty": empty,
        "--policy": policy,
        "--keywords": listed,
        "--by": by,
        "--key": key,
        "--format": format,
        "--errors": errors > 0,
        "--interval": resamples > 0,
    }
    shown = Shown(str(source), errors, resamples)
    task = Task("transcripts", paths, source, count, "pairs", headline, definition, shown, per_item)
    made = per_item and transcript_definitions(UNITS[unit], normalise, empty, policy, listed)
    locked = normalise.startswith("whisper") or unit == "grapheme"
    task = task._replace(definitions=made or None, locked=locked)
    done = add_up(scale, task, partial(_with_rows, source=str(source)))
    if done is not None:
        show(done, shown, form)


def headline(total: "Total") -> dict[str, tuple[int, int]]:
    """What the corpus value so far is a quotient of."""
    name: str
    state: Any
    name, state = next(iter(total.states.items()))
    return {"wer" if name == "word" else "cer": (state.errors, state.reference_units)}


def count_transcripts(
    rows: Any,
    units: tuple[str, ...],
    extra: tuple[str, ...],
    groups: int,
    options: dict[str, Any],
    bagged: bool = False,
    keywords: list[str] | None = None,
) -> "Answer":
    """Count a batch of reference, hypothesis and further columns, the first `groups` of which
    group the counts.

    With items=True the pairs that were counted, with their further columns, are to be written.
    bagged: they are also put into bags. keywords: they are also counted against this list.
    """
    from assay.metrics.words import count_and_bag, count_chars, count_words
    from assay.run.jobs import Answer
    from assay.run.totals import Total

    check_plain(zip(extra, rows.columns[2:], strict=True))
    counters: dict[str, Any] = {
        "word": count_words,
        "char": count_chars,
        "grapheme": partial(count_chars, unit="grapheme"),
    }
    by = {name: rows.column(2 + i) for i, name in enumerate(extra[:groups])}
    texts = rows.column(0), rows.column(1)
    if bagged:
        found = [count_and_bag(unit, *texts, RATES[unit], by=by, **options) for unit in units]
        states, bags = map(list, zip(*found, strict=True))
    else:
        states, bags = [counters[unit](*texts, by=by, **options) for unit in units], []
    if keywords:
        listed, more = _of_keywords(texts, keywords, by, options, bagged)
        states, bags = [*states, listed], [*bags, *more]
    written = None
    if options["items"]:
        places = states[0].per_item("id")
        columns = {name: rows.column(2 + i).take(places) for i, name in enumerate(extra)}
        for state in states:
            columns |= state.item_columns()
        written = columns, places, rows.num_rows
        states = [state.totals() for state in states]
    errors = None
    if options["confusions"]:
        errors = _errors(states)
        states = [_without_errors(state) for state in states]
    names = [*units, "keywords"]
    named = dict(zip(names, states, strict=False))
    named |= {f"{BAGS}{name}": of for name, of in zip(names, bags, strict=False)}
    return Answer(Total(states[0].pairs, named), written, errors)


def _errors(states: Sequence[Any]) -> dict[tuple[str, str, str], int]:
    """How often each (unit, reference, hypothesis) occurs; one side of it may be empty."""
    return {
        (state.unit, reference or "", hypothesis or ""): times
        for state in states
        for (reference, hypothesis), times in getattr(state, "confusions", {}).items()
    }


def _without_errors(state: Any) -> Any:
    """The same without tables of errors, its own and those of its groups."""
    if not hasattr(state, "confusions"):
        return state
    groups = {key: _without_errors(own) for key, own in state.groups.items()}
    return replace(state, confusions={}, groups=groups)


def read_keywords(path: str) -> list[str]:
    """The words and phrases of a file, one a line; empty lines are left out."""
    try:
        with open(path, encoding="utf-8") as file:
            found = [line.strip() for line in file if line.strip()]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from None
    if not found:
        raise DataError(f"{path}: no keywords; one a line is expected")
    return found


def _of_keywords(
    texts: tuple[Any, Any],
    keywords: list[str],
    by: dict[str, Any],
    options: dict[str, Any],
    bagged: bool,
) -> tuple[Any, list[Any]]:
    """The state of keywords, and where intervals are wanted its bags."""
    from assay.metrics.bootstrap import fill_bags
    from assay.metrics.keywords import KEYWORD_SCORES, count_keywords

    own = {name: options[name] for name in ("normalise", "policy")}
    kept = bagged or options["items"]
    state = count_keywords(*texts, keywords=keywords, by=by, items=kept, **own)
    bags = [fill_bags(state, list(KEYWORD_SCORES))] if bagged else []
    return state if options["items"] else state.totals(), bags


def _with_rows(done: "Done", source: str) -> "Done":
    """The same, which must have some."""
    counted: Any = next(iter(done.total.states.values()), None)
    if counted is None or not counted.pairs + counted.empty_references:
        raise no_rows(source)
    return done


class Shown(NamedTuple):
    """What decides how counts are printed. errors: how many of each kind are listed."""

    source: str
    errors: int
    resamples: int


def show(done: "Done", shown: Shown, form: str, missing: int = 0) -> None:
    """Print the scores of what was counted. missing: shards that are."""
    from assay.metrics.keywords import KEYWORD_SCORES
    from assay.report import render

    _with_rows(done, shown.source)
    counted: Mapping[str, Any] = done.total.states
    states = {name: own for name, own in counted.items() if not name.startswith(BAGS)}
    bags = [own for name, own in done.total.states.items() if name.startswith(BAGS)]
    found = drawn([(of, {}) for of in bags], shown.resamples, "pairs") if bags else NONE
    scores = [score for state in states.values() for score in state.scores()]
    scores, found, lost = tagged(scores, found, done, missing)
    kinds = ("substitutions", "deletions", "insertions")
    head = ("reference", "hypothesis", "times")
    most = done.errors.top(shown.errors) if shown.errors else {}
    wrong = {
        state.unit: {kind: most.get((state.unit, kind), []) for kind in kinds}
        for state in states.values()
        if shown.errors and hasattr(state, "confusions")
    }
    grouped = any(score.tags for score in scores)
    if grouped:
        tables = [render.scores_table(scores)]
        if listed := [score for score in scores if score.name in KEYWORD_SCORES]:
            heads = {name: name.removeprefix("keyword_") for name in KEYWORD_SCORES}
            tables.append(render.scores_table(listed, "keywords", columns=heads))
        tables += found.beside(scores)
    else:
        tables = [render.score_list(scores, note=found.note, intervals=found.ends)]
    tables += [
        render.Table(f"most frequent {kind} of {unit}s", head, rows)
        for unit, lists in wrong.items()
        for kind, rows in lists.items()
        if rows
    ]
    named = {
        unit: {
            kind: [dict(zip(head, row, strict=True)) for row in rows] for kind, rows in of.items()
        }
        for unit, of in wrong.items()
    }
    more: dict[str, Any] = {"errors": named} if shown.errors else {}
    print_scores(form, scores, tables, found.ends, **more, **lost, **found.as_json())
