"""`assay score captions`."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from assay.cli.corpus import BAGS, Scale, Task, add_up, scaled, tagged
from assay.cli.engines import check_engine, one_cluster
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
from assay.core.errors import InputError

if TYPE_CHECKING:
    from assay.run.jobs import Answer, Done
    from assay.run.totals import Total

__all__ = ["captions", "count_captions", "show"]

OFFERED = ("bleu", "chrf", "rouge_l", "meteor", "ter", "cider")
VARIED = ("bleu", "meteor")
CUT = ("bleu", "rouge_l", "meteor", "cider")  # by a tokenizer: BLEU by any, the others by
OF_ALL = ("none", "ptb")


@scaled
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
    *,
    scale: Scale,
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
    definition = {
        "--references": references,
        "--hypothesis": hypothesis,
        "--metrics": metrics,
        "--tokenizer": tokenizer,
        "--normalise": normalise,
        "--by": by,
        "--key": key,
        "--format": format,
        "--interval": resamples > 0,
    }
    count = partial(
        count_captions,
        asked=asked,
        extra=tuple(extra),
        groups=len(by),
        items=per_item is not None,
        bagged=resamples > 0,
    )
    shown = Shown(str(source), resamples)
    task = Task("captions", paths, source, count, "items", headline, definition, shown, per_item)
    check_engine(scale, task)  # before all references are read
    with one_cluster(scale):
        asked = _with_frequencies(scale, asked, paths, source, definition)
        definitions = {zero.name: zero.definition for zero in [one.zero() for one in asked]}
        task = task._replace(count=partial(count, asked=asked), definitions=definitions)
        done = add_up(scale, task, partial(_with_rows, source=str(source)))
    if done is not None:
        show(done, shown, form)


def headline(total: "Total") -> dict[str, Any]:
    """What each metric's value so far is of: its counts, without those of groups."""
    counted: Mapping[str, Any] = total.states
    return {
        name: replace(own, groups={}) for name, own in counted.items() if not name.startswith(BAGS)
    }


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


def count_references(rows: Any, options: Mapping[str, Any]) -> "Answer":
    """The document frequencies of a batch, for CIDEr-D."""
    from assay.run.jobs import Answer
    from assay.run.totals import Total

    return Answer(Total(rows.num_rows, {"references": _frequencies(rows.column(0), options)}))


def _with_frequencies(
    scale: Scale, asked: list[Asked], paths: Sequence[str], source: Any, definition: Any
) -> list[Asked]:
    """The same with the document frequencies of all references, where they are needed; also for a
    single shard."""
    against = next((one for one in asked if "df" in one.options), None)
    if against is None:
        return asked
    if source.once:
        raise InputError(
            f"{source}: cider reads references twice, a pipe cannot be; write it to a file, or "
            "leave cider out of --metrics"
        )
    task = Task(
        "references", paths, source, partial(count_references, options=against.options),
        "items whose n-grams are counted", lambda total: {}, definition, None,
    )  # fmt: skip
    done = add_up(scale.before("references"), task, partial(_with_rows, source=str(source)))
    total = None if done is None else done.total.states["references"]
    return [
        one if one is not against else one._replace(options={**one.options, "df": total})
        for one in asked
    ]


def count_captions(
    rows: Any,
    asked: Sequence[Asked],
    extra: tuple[str, ...],
    groups: int,
    items: bool = False,
    bagged: bool = False,
) -> "Answer":
    """Count a batch of references, hypothesis and further columns, the first `groups` of which
    group the counts.

    items: the values of all items, with their further columns, are to be written. bagged: items are
    also put into bags.
    """
    import numpy as np

    from assay.metrics.bootstrap import fill_bags
    from assay.run.jobs import Answer
    from assay.run.totals import Total

    check_plain(zip(extra, rows.columns[2:], strict=True))
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
    named = {state.name: state.totals() for state in states}
    named |= {f"{BAGS}{state.name}": of for state, of in zip(states, bags, strict=False)}
    return Answer(Total(rows.num_rows, named), written)


def _with_rows(done: "Done", source: str) -> "Done":
    """The same, which must have some."""
    if not done.total.items:
        raise no_rows(source)
    return done


class Shown(NamedTuple):
    """What decides how counts are printed."""

    source: str
    resamples: int


def show(done: "Done", shown: Shown, form: str, missing: int = 0) -> None:
    """Print the scores of what was counted. missing: shards that are."""
    from assay.report import render

    _with_rows(done, shown.source)
    counted: Mapping[str, Any] = done.total.states
    states = [own for name, own in counted.items() if not name.startswith(BAGS)]
    bags = [own for name, own in counted.items() if name.startswith(BAGS)]
    found = drawn([(of, {}) for of in bags], shown.resamples, "items") if bags else NONE
    scores = [score for state in states for score in state.scores()]
    scores, found, lost = tagged(scores, found, done, missing)
    if any(score.tags for score in scores):
        heads = {state.name: state.name for state in states}
        tables = [
            render.scores_table(scores, columns=heads, items="items"),
            *found.beside(scores),
        ]
    else:
        tables = [render.score_list(scores, note=found.note, intervals=found.ends)]
    print_scores(form, scores, tables, found.ends, **lost, **found.as_json())
