"""Rows of labels and scores: a batch counted, labels called by their names.

Labels are counted as text. Whether they are numbers shows only when all rows are read, so
`finished` names them, and says what is wrong with all rows together.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from assay.cli.label_rows import renumbered
from assay.cli.shared import check_plain, no_rows
from assay.core.errors import DataError, InputError, MergeError

if TYPE_CHECKING:
    from assay.run.jobs import Answer
    from assay.run.totals import Total

__all__ = ["Asked", "Counts", "count_rows", "counts_of", "finished", "merge_error"]

LABELS = 5000  # more are no labels: tables of them are square
TRUTHS = (("False", "True"), ("false", "true"))  # how text says 0 and 1
SHOWN = 5  # labels in a message


class Asked(NamedTuple):
    """The columns, and what they mean. labels and positive: as typed, or None."""

    target: str
    prediction: str | None
    scores: tuple[str, ...]
    weights: str | None
    by: tuple[str, ...]
    labels: tuple[str, ...] | None
    positive: str | None
    threshold: float
    items: bool
    intervals: bool
    k: tuple[int, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Their names, in the order that count_rows wants them."""
        one = (self.prediction, *self.scores, self.weights)
        return [self.target, *(name for name in one if name is not None), *self.by]

    @property
    def needs_rows(self) -> bool:
        """Whether intervals need single rows: of weighted predictions, and of several scores."""
        return self.intervals and (self.weights is not None or len(self.scores) > 1)

    def is_positive(self, label: str) -> bool:
        """Whether a high score speaks for this label of the target."""
        if self.positive is not None:
            return _same(label, self.positive)
        return _same(label, "1") or label in (true for _, true in TRUTHS)


@dataclass(frozen=True)
class Counts:
    """What was counted. seen: how many rows of the target have each label. confusion: of the
    predictions; sweep: Sweep of one score, MultiSweep of several; None where not asked for."""

    seen: Counter[str]
    confusion: Any
    sweep: Any


def counts_of(total: "Total") -> Counts | None:
    """What a total of the answers of count_rows holds; None where there were no rows."""
    states: Mapping[str, Any] = total.states
    if not states:
        return None
    seen = Counter({label: rows for (label, _), rows in states["seen"].cells.items()})
    return Counts(seen, states.get("confusion"), states.get("sweep"))


# -- a batch ---------------------------------------------------------------------------------------


def count_rows(rows: Any, asked: Asked) -> "Answer":
    """Count a batch whose columns are those of asked.columns. The states are named `seen` (the
    target by itself), `confusion` and `sweep`."""
    import numpy as np

    from assay.metrics.classification import count_labels, count_scores
    from assay.metrics.confusion import Confusion
    from assay.readers.values import numbers_of
    from assay.run.jobs import Answer
    from assay.run.totals import Total

    columns = iter(rows.columns)
    raw: dict[str, Any] = {"target": next(columns)}
    names, target = _labels(raw["target"], asked.target, asked)
    prediction = None
    if asked.prediction is not None:
        raw["prediction"] = next(columns)
        predicted, prediction = _labels(raw["prediction"], asked.prediction, asked)
    scores = [numbers_of(next(columns), f"column {name!r}") for name in asked.scores]
    weights = None
    if asked.weights is not None:
        weights = numbers_of(next(columns), f"column {asked.weights!r}", least=0)
    by = dict(zip(asked.by, columns, strict=True))
    check_plain(by.items())
    options: dict[str, Any] = {"weights": weights, "by": by or None}
    kept = asked.needs_rows

    positive, sweep, confusion, hits = None, None, None, None
    if len(scores) == 1:
        positive = _positives(names, target, asked)
        sweep = count_scores(positive, scores[0], **options)
    elif scores:
        matrix = np.column_stack(scores)
        sweep = count_scores(target, matrix, by=options["by"], items=kept)
        if prediction is None:  # the label of the highest score, the first of equals
            predicted, prediction = names, matrix.argmax(axis=1)
            raw["prediction"] = _texts(predicted, prediction)
            if asked.k:
                hits = count_labels(target, matrix, k=asked.k, by=options["by"])
    if prediction is not None:
        both = [*dict.fromkeys([*names, *predicted])]
        target = _places(names, both)[target]
        prediction = _places(predicted, both)[prediction]
        options["items"] = kept and weights is not None
        found = count_labels(target, prediction, **options)
        found = found if hits is None else _with_hits(found, hits)
        confusion = _renamed(found, dict(enumerate(both)))
        names = both
    seen = zip(names, np.bincount(target, minlength=len(names)).tolist(), strict=True)
    states: dict[str, Any] = {
        "seen": Confusion(cells={(label, label): n for label, n in seen if n})
    }
    states |= {"confusion": confusion} if confusion is not None else {}
    states |= {"sweep": sweep} if sweep is not None else {}
    total = Total(rows.num_rows, states)
    if not asked.items:
        return Answer(total)
    values = {name: _decoded(column) for name, column in (by | raw).items()}
    if prediction is not None:
        values["correct"] = target == prediction
    if positive is not None:
        values |= {"positive": positive, "score": scores[0]}
        values["above"] = scores[0].astype(np.float64) >= asked.threshold
    elif scores:
        values |= {f"score_{label}": own for label, own in zip(names, scores, strict=False)}
    if weights is not None:
        values["weight"] = weights
    return Answer(total, (values, np.arange(rows.num_rows), rows.num_rows))


def _with_hits(confusion: Any, hits: Any) -> Any:
    """The same with how often the label is among the k of highest score."""
    groups = {key: replace(own, top=hits.groups[key].top) for key, own in confusion.groups.items()}
    return replace(confusion, top=hits.top, groups=groups)


def _labels(column: Any, name: str, asked: Asked) -> tuple[list[str], Any]:
    """The labels of a column, and which one each row has; of --labels, if they are given."""
    import numpy as np

    from assay.readers.values import labels_of, whole_of

    names, codes = labels_of(column, f"column {name!r}")
    if asked.labels is None:
        if len(names) > LABELS:
            raise InputError(_many(name))
        return names, codes
    known: dict[Any, int] = {whole_of(label): i for i, label in enumerate(asked.labels)}
    known.pop(None, None)
    known |= {label: i for i, label in enumerate(asked.labels)}
    places = np.array([known.get(n, known.get(whole_of(n), -1)) for n in names], np.int64)[codes]
    if (places < 0).any():
        row = int(np.argmax(places < 0))
        label = names[codes[row]]
        raise _at(row, f"column {name!r} is {label!r}, which is not among --labels "
                       f"{_listed(asked.labels)}{_close(label, asked.labels)}")  # fmt: skip
    return [*asked.labels], places


def _positives(names: Sequence[str], target: Any, asked: Asked) -> Any:
    """Which rows are of the positive label, bool [n]."""
    import numpy as np

    from assay.readers.values import whole_of

    if asked.positive is None:
        plain = {label for pair in TRUTHS for label in pair}
        bad = [i for i, n in enumerate(names) if whole_of(n) not in (-1, 0, 1) and n not in plain]
        rows = np.flatnonzero(np.isin(target, bad))
        if len(rows):
            row = int(rows[0])
            raise _at(row, f"column {asked.target!r} is {names[target[row]]!r}; name the label "
                           "that a high score speaks for with --positive")  # fmt: skip
    return np.array([asked.is_positive(name) for name in names], bool)[target]


def _places(names: Sequence[str], among: Sequence[str]) -> Any:
    import numpy as np

    place = {name: i for i, name in enumerate(among)}
    return np.array([place[name] for name in names], np.int64)


def _texts(names: Sequence[str], codes: Any) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string()))


def _decoded(column: Any) -> Any:
    """A dictionary's values: another batch has another dictionary."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column


def _renamed(confusion: Any, name: Mapping[Any, Any]) -> Any:
    """The same with other labels; those that get one name are one."""
    cells: Counter[Any] = Counter()
    for (target, prediction), count in confusion.cells.items():
        cells[name[target], name[prediction]] += count
    limbs: Counter[Any] = Counter()
    for (target, prediction, limb), part in confusion.weights.items():
        limbs[name[target], name[prediction], limb] += part
    groups = {key: _renamed(state, name) for key, state in confusion.groups.items()}
    known = {"cells": dict(cells), "weights": dict(limbs), "groups": groups}
    return replace(confusion, rows=renumbered(confusion.rows, name), **known)


# -- all rows --------------------------------------------------------------------------------------


def finished(counts: Counts | None, asked: Asked, source: str) -> Counts:
    """The counts of all rows under the names of their labels: numbers if all of them are."""
    from assay.readers.values import named

    if counts is None:
        raise no_rows(source)
    found = [*counts.seen]
    if counts.confusion is not None:
        found += [label for pair in counts.confusion.cells for label in pair]
    found = [*dict.fromkeys([*(asked.labels or ()), *found])]
    if len(found) > LABELS and asked.labels is None:
        raise DataError(f"{source}: {_many(asked.prediction or asked.target)}")
    names = named(found)
    _refuse_scores(counts, asked, source)
    positive = _positive(counts, found, asked, source)
    label = None if positive is None else names[positive]
    confusion, sweep = counts.confusion, counts.sweep
    declared = None if asked.labels is None else tuple(names[label] for label in asked.labels)
    if confusion is not None:
        confusion = _everywhere(_renamed(confusion, names), labels=declared, positive=label)
    if sweep is not None:
        sweep = _everywhere(
            sweep, **({"labels": declared} if asked.scores[1:] else {"label": label})
        )
    return Counts(counts.seen, confusion, sweep)


def _positive(counts: Counts, found: Sequence[str], asked: Asked, source: Any) -> str | None:
    """The text of the positive label, if there is one; a DataError where scores do not say what
    they are of."""
    rows = f"column {asked.target!r}"
    seen = [*counts.seen]
    if asked.positive is not None:
        own = [label for label in (seen if asked.scores else found) if asked.is_positive(label)]
        if not own:
            raise DataError(
                f"{source}: --positive {asked.positive!r} never occurs in {rows}; there: "
                f"{_listed(sorted(seen))}{_close(asked.positive, seen)}"
            )
    else:
        own = [label for label in found if asked.is_positive(label)]
    if len(asked.scores) == 1:
        if asked.positive is None and not _two(seen):
            raise DataError(
                f"{source}: {rows} holds {_listed(sorted(seen))}; name the label that a high "
                "score speaks for with --positive"
            )
        if len({asked.is_positive(label) for label in seen}) < 2:
            raise DataError(
                f"{source}: {rows} holds {_listed(sorted(seen))} only; scores are of two kinds of "
                "rows; check --target, or score predictions alone"
            )
    elif asked.positive is None and not _two(found):
        return None
    return own[0] if own else None


def _refuse_scores(counts: Counts, asked: Asked, source: Any) -> None:
    """Text that is scores where labels are meant: nothing else would tell."""
    from assay.readers.values import whole_of

    if asked.prediction is None or any(whole_of(label) is None for label in counts.seen):
        return
    for _, label in counts.confusion.cells:
        if whole_of(label) is None and _is_number(label):
            raise DataError(
                f"{source}: column {asked.prediction!r} holds {label!r}, where column "
                f"{asked.target!r} holds whole numbers; scores go to --score"
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _two(labels: Iterable[str]) -> bool:
    """Whether they are 0 and 1, -1 and 1, or false and true."""
    from assay.readers.values import whole_of

    found = {whole_of(label) if whole_of(label) is not None else label for label in labels}
    return any(found <= {*pair} for pair in ((0, 1), (-1, 1), *TRUTHS))


def _everywhere(state: Any, **fields: Any) -> Any:
    """The state and its groups with these fields of their definition."""
    groups = {key: _everywhere(own, **fields) for key, own in state.groups.items()}
    return replace(state, groups=groups, **fields)


# -- messages --------------------------------------------------------------------------------------


def merge_error(error: MergeError, asked: Asked, source: Any) -> DataError:
    """What parts of a source have that differ: only types of numbers can."""
    names = " and ".join(map(repr, asked.scores))
    return DataError(f"{source}: column {names} holds numbers of several types ({error}); write "
                     "one throughout")  # fmt: skip


def _same(label: str, other: str) -> bool:
    from assay.readers.values import whole_of

    return label == other or (whole_of(label) is not None and whole_of(label) == whole_of(other))


def _many(name: str) -> str:
    return (
        f"column {name!r} has more than {LABELS:,} different labels; are these scores (--score), "
        "or ids?"
    )


def _listed(labels: Sequence[str]) -> str:
    from assay.readers.columns import listed

    return listed(labels, SHOWN)


def _close(label: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(label, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _at(row: int, about: str) -> InputError:
    return InputError(f"row {row}: {about}", row=row, about=about)
