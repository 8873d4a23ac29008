"""`assay score captions`."""

import importlib
import operator
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, NamedTuple

import typer

from assay.cli.intervals import DEFAULT, NONE, IntervalOption, Intervals, drawn, resamples_of
from assay.cli.progress import progress
from assay.cli.shared import (
    Csv,
    Json,
    Markdown,
    check_named,
    check_output,
    check_own_columns,
    form_of,
    print_scores,
)
from assay.core.errors import DataError, InputError

__all__ = ["captions", "count_captions"]

OFFERED = ("bleu", "chrf", "rouge_l", "meteor", "ter", "cider")
VARIED = ("bleu", "meteor")
CUT = ("bleu", "rouge_l", "meteor", "cider")  # by a tokenizer: BLEU by any, the others by
OF_ALL = ("none", "ptb")


def captions(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Files, globs, URLs, or - for standard input. Line-aligned files are references "
            "and, last, the hypotheses; two files with --key are references and hypotheses; two of "
            "COCO's JSON are annotations and results.",
        ),
    ],
    references: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Column of the references, as lists or text; or COLUMN_1, COLUMN_2, …",
        ),
    ] = "references",
    hypothesis: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of the hypotheses.")
    ] = "hypothesis",
    metrics: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Of bleu (bleu:coco, bleu:nltk), chrf (chrf++), rouge_l, meteor (meteor:1.5), "
            "ter, cider.",
        ),
    ] = "bleu,chrf,rouge_l,cider",
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="ptb (as published COCO scores, needs Java) or none, of every metric that takes "
            "one; 13a, intl or char, of BLEU. By default 13a of BLEU, none of the others.",
        ),
    ] = None,
    normalise: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Normaliser of all texts: none, basic, whisper-basic, whisper-english.",
        ),
    ] = "none",
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Column to group by; may be given again."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column that joins references and hypotheses."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="File format, where the name does not say: jsonl, csv, tsv, tsv-raw, parquet, "
            "lines, kaldi, coco.",
        ),
    ] = None,
    per_item: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the values of every item to this Parquet file."),
    ] = None,
    interval: IntervalOption = DEFAULT,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """BLEU, chrF, ROUGE-L, METEOR, TER and CIDEr-D of texts with one or more references each."""
    from assay.ops.cutting import TOKENIZERS
    from assay.ops.normalise import NAMED
    from assay.readers import read

    form = form_of(json, csv, markdown)
    check_named(("--tokenizer", tokenizer, TOKENIZERS), ("--normalise", normalise, NAMED))
    asked = _asked(metrics, tokenizer, normalise)
    resamples = resamples_of(interval)
    by = by or []
    inputs = paths[0] if len(paths) == 1 else paths
    format = format or ("coco" if key is None and _are_coco(paths) else None)
    source: Any = read(inputs, hypothesis, by, lists=references, key=key, format=format)
    extra = [*by, key] if key and per_item and key not in by else by
    if extra is not by:
        source = read(inputs, hypothesis, extra, lists=references, key=key, format=format)
    zeros = [one.zero() for one in asked]
    if per_item:
        check_output("--per-item", per_item, paths)
        check_own_columns(extra, {"row", *(name for zero in zeros for name in zero.item_columns())})
    asked = _with_frequencies(asked, source)
    count = partial(
        count_captions,
        asked=asked,
        extra=tuple(extra),
        groups=len(by),
        items=per_item is not None,
        bagged=resamples > 0,
    )
    states, bags = _add_up(source, count, per_item, [one.zero() for one in asked])
    found = drawn([(of, {}) for of in bags], resamples, "items") if resamples else NONE
    _print(states, form, found)


# -- what is counted -------------------------------------------------------------------------------


class Asked(NamedTuple):
    """A metric: its count function, by name, and the options it is called with."""

    where: str
    options: Mapping[str, Any]

    def count(self, *columns: Any, **more: Any) -> Any:
        module, _, name = self.where.partition(":")
        return getattr(importlib.import_module(module), name)(*columns, **self.options, **more)

    def zero(self) -> Any:
        """The count of no items; refuses options that do not fit."""
        return self.count([], [], items=True)


def _asked(metrics: str, tokenizer: str | None, normalise: str) -> list[Asked]:
    from assay.metrics import METRICS

    known = [name for name in OFFERED if name in METRICS]
    asked: dict[str, Asked] = {}
    for text in metrics.split(","):
        name, _, variant = text.strip().partition(":")
        plain = name.rstrip("+")
        words = len(name) - len(plain)
        if plain not in known or (words and plain != "chrf") or (variant and plain not in VARIED):
            raise InputError(
                f"--metrics must name some of {', '.join(known)}, with variants as bleu:coco, "
                f"meteor:1.5, chrf++; got {text.strip()!r}"
            )
        if plain in asked:
            raise InputError(f"--metrics names {plain} twice; score its variants one by one")
        options: dict[str, Any] = {"normalise": normalise}
        options |= {"variant": variant} if variant else {}
        options |= {"word_order": words} if words else {}
        if tokenizer and (plain == "bleu" or (tokenizer in OF_ALL and plain in CUT)):
            options["tokenizer"] = tokenizer
        if plain == "cider":
            options["df"] = _frequencies([["a"]], options)  # until the references were read
        asked[plain] = Asked(METRICS[plain].where, options)
    if tokenizer not in (None, *OF_ALL) and "bleu" not in asked:
        raise InputError(f"--tokenizer {tokenizer} is of bleu, which --metrics does not name")
    return list(asked.values())


def _are_coco(paths: Sequence[str]) -> bool:
    return len(paths) == 2 and all(path.removesuffix(".gz").endswith(".json") for path in paths)


def _frequencies(references: Any, options: Mapping[str, Any]) -> Any:
    from assay.metrics.cider import count_document_frequency

    return count_document_frequency(
        references, **{name: own for name, own in options.items() if name != "df"}
    )


def count_references(rows: Any, options: Mapping[str, Any]) -> Any:
    """The document frequencies of a batch, for CIDEr-D."""
    return _frequencies(rows.column(0), options)


def _with_frequencies(asked: list[Asked], source: Any) -> list[Asked]:
    """The same with the document frequencies of all references, where they are needed."""
    from assay.run.shards import scan

    against = next((one for one in asked if "df" in one.options), None)
    if against is None:
        return asked
    if source.once:
        raise InputError(
            f"{source}: cider reads references twice, a pipe cannot be; write it to a file, or "
            "leave cider out of --metrics"
        )
    total: Any = None
    count = partial(count_references, options=against.options)
    with progress(source, "items whose n-grams are counted") as advance:
        for counted in scan(source, count):
            total = counted.result if total is None else total + counted.result
            advance(counted, counted.result.documents)
    if total is None:
        raise DataError(f"{source}: no rows; was it written?")
    return [
        one if one is not against else one._replace(options={**one.options, "df": total})
        for one in asked
    ]


class Counts(NamedTuple):
    """Of a batch: the arguments of ItemFile.write or None; a State for each metric; where intervals
    are wanted, its items in bags."""

    written: tuple[Any, ...] | None
    states: list[Any]
    bags: list[Any]


def count_captions(
    rows: Any,
    asked: Sequence[Asked],
    extra: tuple[str, ...],
    groups: int,
    items: bool = False,
    bagged: bool = False,
) -> Counts:
    """Count a batch of references, hypothesis and further columns, the first `groups` of which
    group the counts.

    items: the values of all items, with their further columns, are to be written. bagged: items are
    also put into bags.
    """
    import numpy as np

    from assay.metrics.bootstrap import fill_bags

    for name, column in zip(extra, rows.columns[2:], strict=True):
        if column.type.num_fields:
            raise InputError(f"column {name!r} holds {column.type}, expected text or numbers")
    by = {name: rows.column(2 + i) for i, name in enumerate(extra[:groups])}
    texts = rows.column(0), rows.column(1)
    states = [one.count(*texts, by=by, items=items or bagged) for one in asked]
    bags = [fill_bags(state, [state.name]) for state in states] if bagged else []
    written = None
    if items:
        columns = {name: rows.column(2 + i) for i, name in enumerate(extra)}
        for state in states:
            columns |= state.item_columns()
        written = columns, np.arange(rows.num_rows), rows.num_rows
    return Counts(written, [state.totals() for state in states], bags)


def _add_up(
    source: Any, count: Any, per_item: str | None, zeros: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """The States and the bags of all rows; the values of every item go to a file as they come."""
    from assay.run.items import ItemFile
    from assay.run.shards import scan

    totals: list[Any] = []
    bags: list[Any] = []
    with ItemFile.maybe(per_item) as items, progress(source, "items") as advance:
        if items is not None:
            items.definitions = {zero.name: zero.definition for zero in zeros}
        for counted in scan(source, count):
            written, states, more = counted.result
            if items is not None:
                items.write(*written)
            before = totals[0].items if totals else 0
            more = [of.shifted(before) for of in more]
            totals = list(map(operator.add, totals, states)) if totals else states
            bags = list(map(operator.add, bags, more)) if bags else more
            advance(counted, states[0].items)
        if not totals or not totals[0].items:
            raise DataError(f"{source}: no rows; was it written?")
    return totals, bags


def _print(states: Sequence[Any], form: str, found: Intervals) -> None:
    from assay.report import render

    scores = [score for state in states for score in state.scores()]
    if any(score.tags for score in scores):
        heads = {state.name: state.name for state in states}
        tables = [
            render.scores_table(scores, columns=heads, items="items"),
            *found.beside(scores),
        ]
    else:
        tables = [render.score_list(scores, note=found.note, intervals=found.ends)]
    print_scores(form, scores, tables, found.ends, **found.as_json())
