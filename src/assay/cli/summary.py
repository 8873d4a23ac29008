"""`assay summary`: folds, stages and ablations of runs as tables, on the screen and as files."""

import os
from dataclasses import replace
from typing import Annotated, Any

import typer

from assay.cli.shared import Json, Markdown, printing
from assay.core.errors import InputError

__all__ = ["summary"]

Named = dict[str, Any]  # the name of a table's file -> the table


def summary(
    runs: Annotated[list[str], typer.Argument(metavar="RUN_DIR", help="Directories of runs.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What the best epoch is chosen by, val_macro_f1 by default; of --by and of "
            "several runs what is shown. May be given again.",
        ),
    ] = None,
    stage: Annotated[
        str | None, typer.Option(metavar="NAME", help="The stage whose folds are meant.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(metavar="LABEL", help="The class that F1 is of.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FACTOR",
            help="An ablation: --metric against this parameter or tag. May be given again.",
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FACTOR=LEVEL", help="With --by: differences to this. May be given again."
        ),
    ] = None,
    front: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC", help="With --by: the Pareto front of two or three of the metrics."
        ),
    ] = None,
    write: Annotated[
        str | None, typer.Option(metavar="NAME", help="Also write files, called by this name.")
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Where to; by default the run's directory for folds, else outputs."
        ),
    ] = None,
    json: Json = False,
    markdown: Markdown = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX, for booktabs.")] = False,
) -> None:
    """Tables of runs: their folds and stages, where they have such, or the runs side by side.

    Runs that are folds of one cross-validation, each fold in one of them, are put
    together; of runs that have the same folds each is a row of means, and of runs
    that have the same stages each has its rows.

    --write NAME writes fold_summary_NAME.csv, best_metrics_NAME.csv and the model
    of the best fold as best_model_NAME.pt; pipeline_summary_NAME.csv; of several
    such runs over_folds_NAME.csv besides, and pipelines_NAME.csv; or, of --by,
    by_FACTOR_NAME.csv, configurations_NAME.csv and so on. Where stages, or levels
    of --by, have kept per-item files as artifacts, differences have p, which is
    corrected for all of them (Holm).
    """
    from assay.core.record import read_journal

    if json + markdown + latex > 1:
        raise InputError("--json, --markdown and --latex exclude each other; give one")
    if not by and (reference or front):
        raise InputError("--reference and --front are of an ablation; say --by FACTOR")
    if into is not None and write is None:
        raise InputError("--into is where --write NAME writes to; give a name")
    records = [read_journal(directory) for directory in dict.fromkeys(runs)]
    tables: Named
    paths: list[str]
    if by:
        tables, paths = _ablation(records, by, metric, reference, front, write, into)
    else:
        tables, paths = _pipeline(records, metric, stage, positive, write, into)
    _print(tables, paths, "json" * json or "markdown" * markdown or "latex" * latex)


def _ablation(
    records: list[Any],
    by: list[str],
    metric: list[str] | None,
    reference: list[str] | None,
    front: list[str] | None,
    write: str | None,
    into: str | None,
) -> tuple[Named, list[str]]:
    from assay.cli.significance import called, item_files, p_values
    from assay.report.ablation import levels_of
    from assay.report.summary import ablation, write_tables

    if not metric:
        raise InputError("--by needs what to show: --metric NAME; the first one chooses the epoch")
    pairs = [text.partition("=") for text in reference or ()]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise InputError(
            f"--reference must be a factor and its level, as in rank=8, got {wrong[0]!r}"
        )
    levels = {name: level for name, _, level in pairs}
    found = ablation(records, by, metric)
    significance: Any = {}
    note = ""
    if levels:
        files = item_files(records, lambda record, tags: levels_of(record, tags, found.factors))
        base = found.combination(levels)
        significance, note = p_values(files, base, called([*found.metrics]))
    tables = found.tables(levels or None, front or (), significance)
    if note:
        tables["deltas"] = replace(tables["deltas"], note=note)
    return tables, write_tables(tables, write, into or "outputs") if write else []


def _pipeline(
    records: list[Any],
    metric: list[str] | None,
    stage: str | None,
    positive: str | None,
    write: str | None,
    into: str | None,
) -> tuple[Named, list[str]]:
    """Folds and stages, or the runs."""
    from assay.report.summary import runs, write_tables

    tags = {tag for record in records for one in record.metrics.values() for tag in one.tags}
    tags |= {tag for record in records for tag in record.tags}
    tables: Named = {}
    paths: list[str] = []
    if "fold" in tags:
        found, paths = _folds(records, (metric or ["val_macro_f1"])[0], stage, write, into)
        tables |= found
    if "stage" in tags:
        found, more = _stages(records, positive, write, into or "outputs")
        tables |= found
        paths += more
    if not tables:
        tables["runs"] = runs(records, metric or ())
        if write:
            paths += write_tables(tables, write, into or "outputs")
    return tables, paths


def _folds(
    records: list[Any], metric: str, stage: str | None, write: str | None, into: str | None
) -> tuple[Named, list[str]]:
    """Of one cross-validation its folds and their means; of several a row of means for each."""
    from assay.report.groups import unique
    from assay.report.summary import folds, over_folds, write_folds, write_tables

    together = _validations(records)
    each = [folds(several, metric, stage) for several in together]
    if len(each) == 1:
        tables = {"fold_summary": each[0].table, "best_metrics": each[0].aggregate}
        return tables, write_folds(together[0], write, metric, stage, into) if write else []
    called = _called([several[0] for several in together])
    tables = {"over_folds": over_folds([*zip(called, each, strict=True)])}
    paths: list[str] = []
    if write:
        folders = unique(os.path.basename(os.path.abspath(own[0].directory)) for own in together)
        for several, folder in zip(together, folders, strict=True):
            own_into = os.path.join(into, folder) if into else None
            paths += write_folds(several, write, metric, stage, own_into)
        paths += write_tables(tables, write, into or "outputs")
    return tables, paths


def _validations(records: list[Any]) -> list[list[Any]]:
    """Runs with folds: together where no fold is in two of them, else one by one."""
    owners: dict[Any, set[int]] = {}
    for place, record in enumerate(records):
        for one in record.metrics.values():
            fold = {**record.tags, **one.tags}.get("fold")
            if fold is not None:
                owners.setdefault(fold, set()).add(place)
    places = sorted(set().union(*owners.values()))
    if all(len(own) == 1 for own in owners.values()):
        return [[records[place] for place in places]]
    return [[records[place]] for place in places]


def _stages(
    records: list[Any], positive: str | None, write: str | None, into: str
) -> tuple[Named, list[str]]:
    """Of one pipeline, or of several that have stages alike."""
    from assay.cli.significance import of_stages
    from assay.report.stages import with_stages_alike
    from assay.report.summary import stacked, stages, write_stages, write_tables

    title = positive or "positive"
    alike = with_stages_alike(records)
    found = []
    for several in [records] if alike is None else [[record] for record in alike]:
        significance, note = of_stages(several, positive)
        table = stages(several, title, significance=significance)
        note = "; ".join(filter(None, (table.note, note)))
        found.append(replace(table, note=note))
    if alike is None:
        options = {"significance": significance}
        paths = [write_stages(records, write, into, title, **options)] if write else []
        return {"pipeline_summary": found[0]}, paths
    tables = {"pipelines": stacked([*zip(_called(alike), found, strict=True)], "run")}
    return tables, write_tables(tables, write, into) if write else []


def _called(records: list[Any]) -> list[str]:
    """Runs by their names, or by their directories where names repeat."""
    names = [record.name for record in records]
    return names if len({*names}) == len(names) else [record.directory for record in records]


def _print(tables: Named, paths: list[str], form: str) -> None:
    import json

    from assay.report import render

    with printing():
        if form == "json":
            plain = {name: table.as_dict() for name, table in tables.items()}
            print(json.dumps({"tables": plain, "files": paths}, ensure_ascii=False))
        elif form == "markdown":
            print("\n".join(table.to_markdown() for table in tables.values()), end="")
        elif form == "latex":
            print("\n".join(table.to_latex() for table in tables.values()), end="")
        else:
            console = render.console()
            render.to_console(tables.values(), console)
            for path in paths:
                console.out(path)
