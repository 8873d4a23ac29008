"""Rows of error explorers: from files that options name, and from tables that runs have kept."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from assay.cli.progress import progress
from assay.cli.shared import no_rows, status
from assay.core.errors import DataError, InputError
from assay.core.paths import path_inside

__all__ = ["Columns", "label_rows", "of_runs", "ranking_rows", "transcript_rows"]

LEVELS = 100  # different values of a column that a kept table is filtered by
KEPT = 12  # tables of runs that are shown

# Columns that make a table one of a kind.
KINDS = {
    "transcripts": ({"reference", "hypothesis"},),
    "labels": ({"target", "prediction"}, {"target", "score"}),
    "rankings": ({"query", "item", "score", "gain"},),
}


class Columns(NamedTuple):
    """Which columns of a table are what. by: to filter by. id: what items are called."""

    by: Sequence[str] = ()
    id: str | None = None
    text: str | None = None

    @property
    def further(self) -> list[str]:
        return list(dict.fromkeys(name for name in (*self.by, self.id, self.text) if name))


def transcript_rows(
    paths: Sequence[str],
    reference: str,
    hypothesis: str,
    columns: Columns,
    *,
    most: int,
    unit: str = "word",
    normalise: str = "none",
    key: str | None = None,
    format: str | None = None,
) -> Any:
    """The worst `most` pairs of files, as explain_transcripts has them."""
    from functools import partial

    from assay.core.explained import worst
    from assay.readers import read
    from assay.run.shards import scan

    inputs = paths[0] if len(paths) == 1 else paths
    source: Any = read(inputs, (reference, hypothesis), columns.further, key=key, format=format)
    if columns.id is None and (key := getattr(source, "key", None)):  # files that are joined
        columns = columns._replace(id=key)
        source = read(inputs, (reference, hypothesis), columns.further, key=key, format=format)
    count = partial(_explained, columns=columns, unit=unit, normalise=normalise)
    parts: list[Any] = []
    n = held = 0
    with progress(source, "pairs") as advance:
        for counted in scan(source, count):
            part = counted.result
            if columns.id is None:
                numbers = range(n, n + len(part))
                part = replace(part, columns={**part.columns, "id": numbers})
            parts.append(part)
            n, held = n + len(part), held + len(part)
            if held > 2 * most:
                parts = [worst(parts, most)]
                held = len(parts[0])
            advance(counted, len(part))
    if not n:
        raise no_rows(source)
    return worst(parts, most)


def _explained(rows: Any, columns: Columns, unit: str, normalise: str) -> Any:
    from assay.metrics.explain_transcripts import explain_transcripts

    found = dict(zip(columns.further, rows.columns[2:], strict=True))
    by = {name: found[name] for name in columns.by}
    ids = found[columns.id] if columns.id else None
    return explain_transcripts(
        rows.column(0), rows.column(1), unit, normalise=normalise, by=by, ids=ids
    )


def label_rows(
    paths: Sequence[str],
    target: str,
    prediction: str | None,
    scores: Sequence[str],
    columns: Columns,
    *,
    most: int,
    classes: Sequence[str] | None = None,
    positive: str | None = None,
    format: str | None = None,
) -> tuple[Any, list[Any]]:
    """The worst `most` rows of files, as explain_labels has them, and diagrams of one score."""
    import numpy as np

    from assay.cli.label_counts import TRUTHS
    from assay.core.explained import worst
    from assay.metrics.explain_labels import explain_labels
    from assay.readers import read
    from assay.readers.values import named, numbers_of

    asked = list(dict.fromkeys([target, *filter(None, [prediction]), *scores, *columns.further]))
    source = read(paths[0] if len(paths) == 1 else paths, (), asked, format=format)
    table = _table(source)
    try:
        labels = {name: _texts(table[name], name) for name in (target, prediction) if name}
        numbers = [numbers_of(table[name].combine_chunks(), f"column {name!r}") for name in scores]
        seen = [text for column in labels.values() for text in column]
        names = named(dict.fromkeys([*(classes or ()), *seen]))
        own = {name: [names[text] for text in column] for name, column in labels.items()}
        label = positive
        if label is None and scores:
            truths = [true for false, true in TRUTHS if {*labels[target]} <= {false, true}]
            label = truths[0] if truths else None
        given = None if label is None or numbers[1:] else named([label, *names])[label]
        score = np.column_stack(numbers) if numbers[1:] else numbers[0] if numbers else None
        found = explain_labels(
            own[target],
            own[prediction] if prediction else None,
            score=score,
            labels=[names[own] for own in classes] if classes and numbers[1:] else None,
            positive=given,
            text=table[columns.text] if columns.text else None,
            by={name: table[name] for name in columns.by},
            ids=table[columns.id] if columns.id else None,
        )
    except InputError as error:
        told = str(error) if error.row is None else f"row {error.row + 1}: {error.about}"
        told = told.replace("positive=", "--positive").replace("labels must", "--classes must")
        raise InputError(f"{source}: {told}") from error
    drawn = _diagrams(own[target], score, scores[0], target, given) if len(numbers) == 1 else []
    return worst([found], most), drawn


def _diagrams(labels: Any, score: Any, name: str, target: str, positive: Any) -> list[Any]:
    from assay.cli.label_counts import Asked
    from assay.cli.label_plots import of_scores
    from assay.cli.label_scores import Tuning
    from assay.metrics.classification import count_scores
    from assay.report.page_figures import Figure

    sweep = count_scores(labels, score, positive=positive)
    asked = Asked(target, None, (name,), None, (), None, positive, 0.5, False, False)
    made = of_scores(sweep, asked, Tuning("macro_f1", None), "svg")
    return [Figure(file, svg) for file, svg in made.items()]


def _texts(column: Any, name: str) -> list[str]:
    from assay.readers.values import labels_of

    texts, codes = labels_of(column.combine_chunks(), f"column {name!r}")
    return [texts[code] for code in codes.tolist()]


def ranking_rows(
    run: str, qrels: str, names: str | None, *, most: int, format: str | None = None
) -> Any:
    """The worst `most` queries of a run and its judgements, as explain_rankings has them.
    names: a table of ids and what people are shown for them."""
    from assay.core.explained import worst
    from assay.metrics.explain_rankings import explain_rankings
    from assay.readers.rankings import read_ids, read_judgements, read_run

    with status(f"reading {run}"):
        ranked, judged = read_run(run, format), read_judgements(qrels, format)
        shown: dict[str, str] = {}
        if names is not None:
            table = read_ids(names, ["text"])
            columns = (table[name].to_pylist() for name in ("id", "text"))
            shown = dict(zip(*columns, strict=True))
        try:
            found = explain_rankings(ranked, judged, names=shown)
        except InputError as error:
            raise InputError(f"{run}, {qrels}: {error}") from error
    if not len(found):
        raise DataError(f"{run} and {qrels} have no judged query in common; are these a pair?")
    return worst([found], most)


# -- what runs have kept ---------------------------------------------------------------------------


def of_runs(
    records: Iterable[Any], most: int, taken: Iterable[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Name -> rows of each table and artifact of runs whose columns say what it is (KINDS), and
    what is left out, with why: nobody asked for these. taken: names of other explorers."""
    from assay.report.groups import unique

    records = list(records)
    found: dict[str, Any] = {}
    left: list[str] = []
    called = [record.name for record in records]
    for record in records:
        for file in (*record.tables, *record.artifacts):
            try:
                path = path_inside(record.directory, file.path)
            except DataError as error:
                left.append(f"{file.name}: {error}")
                continue
            there = _columns(path)
            kind = next((k for k, sets in KINDS.items() if any(s <= {*there} for s in sets)), None)
            if kind is None:
                continue
            own = record.name if called.count(record.name) == 1 else record.directory
            name = f"{own}: {file.name}" if len(records) > 1 else file.name
            name += "".join(f", {tag} {value}" for tag, value in file.tags.items())
            name += f", step {file.step}" if file.step is not None else ""
            if len(found) >= KEPT:
                left.append(f"{name}: there are {KEPT} others")
                continue
            name = unique([*taken, *found, name])[-1]
            try:
                found[name] = _kept(kind, path, there, most)
            except (DataError, InputError) as error:
                left.append(f"{name}: {error}")
    return found, left


def _columns(path: str) -> list[str]:
    """The columns of a CSV or Parquet file; none of anything else, or what cannot be read."""
    import csv

    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.endswith(".parquet"):
            return list(pq.read_schema(path).names)
        if path.endswith(".csv"):
            with open(path, encoding="utf-8", newline="") as file:
                return next(csv.reader(file), [])
    except (OSError, ValueError, csv.Error, pa.ArrowException):
        pass
    return []


def _kept(kind: str, path: str, there: Sequence[str], most: int) -> Any:
    if kind == "rankings":
        return ranking_rows(path, path, None, most=most)
    own = {"reference", "hypothesis", "target", "prediction", "score", "id", "text"}
    by = _few_valued(path, [name for name in there if name not in own])
    columns = Columns(by, "id" if "id" in there else None, "text" if "text" in there else None)
    if kind == "transcripts":
        columns = columns._replace(text=None)
        return transcript_rows([path], "reference", "hypothesis", columns, most=most)
    prediction = "prediction" if "prediction" in there else None
    scores = ["score"] if "score" in there else []
    return label_rows([path], "target", prediction, scores, columns, most=most)[0]


def _few_valued(path: str, names: Sequence[str]) -> list[str]:
    """Columns with few different values, each of them on several rows."""
    from assay.readers import read

    if not names:
        return []
    table = _table(read(path, (), names))
    sizes = {name: len(table[name].unique()) for name in names}
    return [name for name, size in sizes.items() if 1 < size <= LEVELS and 2 * size <= len(table)]


def _table(source: Any) -> Any:
    import pyarrow as pa

    tables = [pa.Table.from_batches([rows]) for rows in source]
    if not sum(map(len, tables)):
        raise no_rows(source)
    return pa.concat_tables(tables, promote_options="permissive")
