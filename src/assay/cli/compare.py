"""`assay compare`: two per-item files of the same items held against each other."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from assay.cli.shared import Csv, Json, Markdown, check_named, form_of, print_table
from assay.core.errors import DataError, InputError

__all__ = ["compare", "compared", "read_rows"]

METHODS = ("bootstrap", "permutation", "mcnemar", "delong")
_NUMBERS = ("int64", "int32", "double", "float", "bool")


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Per-item file of the first system.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Per-item file of the second one.")],
    metric: Annotated[
        list[str],
        typer.Option(
            metavar="NAME",
            help="wer, cer, mer, wil, wip, sentence_error_rate; bleu, chrf, rouge_l, meteor, ter, "
            "cider of captions; map, mrr, recall@10 of rankings; accuracy, f1, roc_auc, "
            "average_precision, brier of labels; or a column of numbers, whose mean is compared. "
            "May be given again.",
        ),
    ],
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Where p is from: bootstrap, permutation, mcnemar, delong."
        ),
    ] = "bootstrap",
    resamples: Annotated[
        int, typer.Option(metavar="N", min=1, help="How often items are drawn.")
    ] = 1000,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="What draws are made from.")] = 0,
    level: Annotated[float, typer.Option(metavar="SHARE", help="How much an interval holds.")] = (
        0.95
    ),
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of A: items of one value are drawn together (speakers)."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column that matches items, if not id or row, as written."
        ),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="The label that f1, precision and recall are of."),
    ] = None,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """Is B better than A, or is it chance? Reads two files that --per-item wrote."""
    from assay.metrics.compare import holm

    form = form_of(json, csv, markdown)
    check_named(("--method", method, METHODS))
    if not 0 < level < 1:
        raise InputError(f"--level must be between 0 and 1, got {level!r}; 0.95 is usual")
    tables = [read_rows(path, key) for path in (a, b)]
    options = {"method": method, "level": level, "resamples": resamples, "seed": seed}
    found = []
    tags = []
    for name in dict.fromkeys(metric):
        for direction in _directions(*tables):
            sides = [_of_direction(table, direction) for table in tables]
            found.append(compared(name, (a, b), sides, cluster, positive, options))
            tags.append({"direction": direction} if direction else {})
    found = holm(found) if len(found) > 1 else found
    _print(form, a, b, found, tags)


# -- files -----------------------------------------------------------------------------------------


def read_rows(path: str, key: str | None = None) -> Any:
    """The rows of a per-item file, with the ids that match them as the column "\0ids"."""
    import pyarrow as pa

    from assay.ops.rankings import stable_id
    from assay.run.items import read_items

    table = read_items(path)
    name = key or ("id" if "query" in table.column_names else "row")  # of rankings, or of texts
    if name not in table.column_names:
        raise DataError(f"{path}: no column {name!r}; there are {', '.join(table.column_names)}")
    if name == "row" and b"assay.left_out" in (table.schema.metadata or {}):
        raise DataError(
            f"{path}: rows of the input were left out (--on-error skip), so numbers of rows do not "
            "match those of another file; match by another --key, or mend the input and score again"
        )
    values = table.column(name)
    if values.null_count:
        raise DataError(f"{path}: the column {name!r} has missing values; items need an id each")
    ids = values
    if not pa.types.is_integer(values.type):
        ids = pa.array([stable_id(value) for value in values.to_pylist()], pa.int64())
    within = [name, "direction"] if "direction" in table.column_names else [name]
    if len(table.group_by(within).aggregate([])) < len(table):
        raise DataError(f"{path}: the column {name!r} has a value twice; match by another --key")
    return table.append_column("\0ids", ids)


def _directions(*tables: Any) -> list[str | None]:
    """The directions that both files have; none where there is one only."""
    known = [
        list(dict.fromkeys(table.column("direction").to_pylist()))
        if "direction" in table.column_names
        else []
        for table in tables
    ]
    if known[0] != known[1]:
        raise InputError(f"the files have other directions: {known[0]} and {known[1]}")
    return known[0] or [None]


def _of_direction(table: Any, direction: str | None) -> Any:
    import pyarrow.compute as pc

    if direction is None:
        return table
    return table.filter(pc.equal(table.column("direction"), direction))


def compared(
    metric: str,
    paths: tuple[str, str],
    tables: Sequence[Any],
    cluster: str | None,
    positive: str | None,
    options: Mapping[str, Any],
) -> Any:
    """The comparison of a metric over the rows of two per-item files."""
    import numpy as np

    from assay.metrics.compare import compare
    from assay.metrics.from_items import state_of_items
    from assay.run.items import definitions_of

    states = []
    base = metric.removeprefix("mean_")
    known = [definitions_of(t, path).get(base) for path, t in zip(paths, tables, strict=True)]
    if known[0] != known[1]:
        raise InputError(
            f"{metric} is not of one definition: {paths[0]} has {known[0]}, {paths[1]} has "
            f"{known[1]}; score both alike"
        )
    for path, table in zip(paths, tables, strict=True):
        numeric = {
            field.name: table.column(field.name).to_numpy()
            for field in table.schema
            if str(field.type) in _NUMBERS or field.name in ("target", "prediction")
        }
        try:
            ids = numeric["\0ids"]
            states.append(
                state_of_items(metric, ids, numeric, positive=positive, definition=known[0])
            )
        except InputError as error:
            told = str(error).replace(", \0ids", "")
            raise DataError(f"{path}: {told}") from error
    groups = None
    if cluster is not None:
        if cluster not in tables[0].column_names:
            raise DataError(f"{paths[0]}: no column {cluster!r} to draw by; score it with --by")
        order = np.argsort(tables[0].column("\0ids").to_numpy(), kind="stable")
        groups = tables[0].column(cluster).take(order)
    try:
        return compare(states[0], states[1], metric, cluster=groups, **options)
    except InputError as error:
        raise InputError(str(error).replace("positive=", "--positive")) from error


# -- what is printed -------------------------------------------------------------------------------


def _print(form: str, a: str, b: str, found: Sequence[Any], tags: Sequence[dict[str, str]]) -> None:
    from assay.metrics.compare import FEW
    from assay.report import render

    first = found[0]
    heads = ["metric", *(["direction"] if tags[0] else []), "a", "b", "b - a", "low", "high", "p"]
    heads += ["p (Holm)"] * (len(found) > 1) + ["better", "n"]
    heads += ["clusters"] * (first.clusters is not None)
    rows = []
    for one, tag in zip(found, tags, strict=True):
        row = [one.metric, *tag.values(), one.value_a, one.value_b, one.delta, one.low, one.high]
        row += [one.p_value, *([one.p_adjusted] if len(found) > 1 else []), _verdict(one), one.n]
        rows.append([*row, *([one.clusters] if first.clusters is not None else [])])
    drawn = "items" if first.clusters is None else "clusters"
    ends = f"bootstrap of {drawn}" if first.resamples else first.method
    note = f"a: {a}; b: {b}; low, high: {100 * first.level:g} % {ends}; p: {first.method}"
    note += f"; {first.resamples:,} resamples, seed {first.seed}" if first.resamples else ""
    if first.method == "bootstrap" and any(_too_few(one) for one in found):
        note += f"; a bootstrap of fewer than {FEW} {drawn} has no p: --method permutation is exact"
    plain = [{**one.as_dict(), "tags": tag} for one, tag in zip(found, tags, strict=True)]
    for row_of in plain:
        row_of.update({name: render.json_value(value) for name, value in row_of.items()})
    table = render.Table("", heads, rows, note=note)
    print_table(form, table, {"comparisons": plain, "a": a, "b": b})


def _too_few(one: Any) -> bool:
    from assay.metrics.compare import FEW

    number = one.n if one.clusters is None else one.clusters
    return bool(1 < number < FEW and one.p_value != one.p_value)


def _verdict(one: Any) -> str:
    """Which is better, where the p-value leaves little doubt at this level."""
    p = one.p_value if one.p_adjusted is None else one.p_adjusted
    if not p < 1 - one.level or not one.delta:
        return ""
    return "b" if (one.delta > 0) == (one.better != "lower") else "a"
