"""Rankings in several run files, a file at a time. All of a query is in one file."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.cli.corpus import Scale, Task, add_up
from assay.cli.ranking_parts import Shown, headline, states_of
from assay.cli.shared import as_options
from assay.core.errors import DataError, InputError, MergeError
from assay.core.protocols import Batch, Part

if TYPE_CHECKING:
    from assay.run.jobs import Answer

__all__ = ["Runs", "count_run", "score_runs"]


class Runs:
    """Run files as a Source. A batch is which file it is; whoever counts reads it. It can be sent
    to another process, which reads the judgements itself."""

    def __init__(self, path: str, qrels: str, format: str | None) -> None:
        self.path, self.qrels, self.format = path, qrels, format

    def __str__(self) -> str:
        return self.path

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("path", "qrels", "format")}

    @functools.cached_property
    def judged(self) -> Any:
        """What is relevant, as a table."""
        from assay.readers.rankings import read_judgements

        return read_judgements(self.qrels, self.format)

    def parts(self) -> Sequence[Part]:
        """A part for each file."""
        from assay.readers.files import expand

        found = enumerate(expand(self.path))
        return [Part(index, file.name, size=file.size) for index, file in found]

    def batches(self, part: Part) -> Iterator[Batch]:
        """One batch, of the name of the file."""
        import pyarrow as pa

        rows = pa.record_batch({"file": [part.name]})
        yield Batch(rows, 0, part.size or 0, lambda row: part.name)


def count_run(runs: Runs, options: Mapping[str, Any], items: bool, rows: Any) -> "Answer":
    """The ranks of the queries in a file."""
    import numpy as np

    from assay.metrics.retrieval import count_rankings
    from assay.readers.rankings import read_run
    from assay.run.jobs import Answer
    from assay.run.totals import Total

    path = rows.column(0)[0].as_py()
    ranked, judged = read_run(path, runs.format), runs.judged
    try:
        state = count_rankings(ranked, judged, **options)
    except InputError as error:
        raise named_error(error, path, runs.qrels) from error
    # queries that other files rank are among those
    state = replace(state, unranked_queries=0)
    columns = state.item_columns() if items else {}
    n = len(state.queries)
    written = (columns, np.arange(len(columns["id"])), n) if items else None
    return Answer(Total(n, {"ranks": state}), written)


def named_error(error: InputError, run: str, qrels: str) -> DataError:
    """The error of a count as one of the file that it is about."""
    of_qrels = "judged item" in str(error) or "gain of" in str(error)
    return DataError(f"{qrels if of_qrels else run}: {as_options(str(error))}")


def score_runs(
    scale: Scale, runs: Runs, options: Mapping[str, Any], per_item: str | None, resamples: int
) -> tuple[Any, Shown] | None:
    """What was ranked, and what is shown of it; None where a state file was written."""
    import pyarrow.compute as pc

    if options["complete"]:
        raise InputError(
            "--complete: which queries the run lacks shows in the whole of it; leave --complete "
            "away, or give one file without the options of large corpora"
        )
    judged = pc.count_distinct(runs.judged.column("query")).as_py()
    none = f"{runs.path} and {runs.qrels} have no query in common; are these a pair?"
    shown = Shown(None, resamples, none, judged)
    definition: dict[str, Any] = {"--run": runs.path, "--qrels": runs.qrels}
    definition["--format"] = runs.format
    for name, own in options.items():
        definition[f"--{name}"] = list(own) if name == "k" else own
    count = functools.partial(count_run, runs, options, per_item is not None)
    paths = [runs.path, runs.qrels]
    task = Task("rankings", paths, runs, count, "queries", headline, definition, shown, per_item)

    def finish(done: Any) -> Any:
        states_of(done, shown)
        return done

    try:
        done = add_up(scale, task, finish)
    except MergeError:
        raise DataError(
            f"{runs.path}: a query stands in more than one file; put all of its rows in one"
        ) from None
    return None if done is None else (done, shown)
