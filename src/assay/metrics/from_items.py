"""A state of what a per-item file holds, for the one metric that is asked of it."""

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from assay.core.errors import InputError
from assay.core.resampling import Resampled
from assay.metrics import METRICS
from assay.metrics._caption_counts import CaptionCounts
from assay.metrics._label_formulas import AVERAGES, PER_CLASS, WHOLE
from assay.metrics._rank_table import ITEMS
from assay.metrics._sweep_items import CURVES, LOSSES
from assay.metrics.classification import count_labels, count_scores
from assay.metrics.edit_counts import EditCounts
from assay.metrics.item_values import ItemValues
from assay.metrics.keywords import KEYWORD_SCORES, KeywordCounts
from assay.ops.rankings import stable_id

__all__ = ["state_of_items"]

Columns = Mapping[str, Any]

_COLUMNS = {**ITEMS, "accuracy": "correct"}  # mean -> column
_OF_CLASS = "score_"  # how columns of scores of a class begin
_NUMBER = r"-?[0-9]{1,18}"
_LOWER = ("mean_rank", "mean_wer", "mean_cer")  # means of which less is better


def _edits(unit: str) -> Callable[[str, Any, Columns], Resampled]:
    return lambda metric, ids, columns: EditCounts.from_items(unit, ids, columns)


def _keywords(metric: str, ids: Any, columns: Columns) -> Resampled:
    found: Resampled = KeywordCounts.from_items(ids, columns, KeywordCounts.zero().definition)
    return found


def _mean(metric: str, ids: Any, columns: Columns) -> Resampled:
    truth = columns.get("target") if metric == "accuracy" else None
    numbers = None if truth is None else [stable_id(label) for label in truth.tolist()]
    values = {metric: columns[column_of(metric)]}
    return ItemValues.from_items(ids, values, lower=_LOWER, truth=numbers)


def _captions(metric: str, ids: Any, columns: Columns, definition: Mapping[str, Any]) -> Resampled:
    """Of a caption metric as it was defined (`definition` of its state)."""
    base = metric.removeprefix("mean_").rstrip("+")
    if base not in METRICS:
        raise InputError(f"{metric} has a definition, but there is no such metric")
    importlib.import_module(METRICS[base].where.partition(":")[0])  # which has the kinds of states
    found: Resampled = CaptionCounts.from_items(ids, columns, definition)
    return found


def _labels(metric: str, ids: Any, columns: Columns, positive: str | None = None) -> Resampled:
    if "target" not in columns:
        raise InputError(f"{metric} needs a column 'target'")
    sides = [columns["target"], columns["prediction"]]
    label: Any = positive
    if metric in PER_CLASS:  # of label 1, which CSV has as text
        sides = _as_numbers(sides)
        if positive is not None and sides[0].dtype.kind in "iub":
            label = _whole(positive)
    if label is not None and not any(label in side.tolist() for side in sides):
        raise InputError(f"positive must be a label of target or prediction, got {positive!r}")
    found: Resampled = count_labels(
        *sides, weights=columns.get("weight"), items=True, ids=ids, positive=label
    )
    return found


def _whole(positive: str) -> int:
    if not re.fullmatch(_NUMBER, positive):
        raise InputError(f"positive must be one of the labels, which are numbers, got {positive!r}")
    return int(positive)


def _as_numbers(sides: list[Any]) -> list[Any]:
    """Text as whole numbers, where all of it is such."""
    values = [str(value) for side in sides for value in side.tolist()]
    if all(re.fullmatch(_NUMBER, value) for value in values):
        return [np.array([int(value) for value in side.tolist()], np.int64) for side in sides]
    return sides


def _scores(metric: str, ids: Any, columns: Columns) -> Resampled:
    found: Resampled
    if "positive" in columns:
        found = count_scores(
            columns["positive"],
            columns["score"],
            weights=columns.get("weight"),
            items=True,
            ids=ids,
        )
        return found
    own = {name.removeprefix(_OF_CLASS): column for name, column in columns.items()
           if name.startswith(_OF_CLASS)}  # fmt: skip
    target = np.array([str(label) for label in columns["target"].tolist()])
    found = count_scores(
        target, np.column_stack([*own.values()]), labels=[*own], items=True, ids=ids
    )
    return found


# of targets and predictions; accuracy is the mean of a column
_OF_LABELS = [name for name in (*WHOLE, *PER_CLASS) if name != "accuracy"]
_OF_LABELS += [f"{average}_{name}" for average in AVERAGES for name in PER_CLASS]

_Made = tuple[Callable[[str, Any, Columns], Resampled], str]

# metric -> how its state is made of columns, and one it needs; any other is the mean of a column
_MADE: dict[str, _Made] = {
    **dict.fromkeys(
        ("wer", "mer", "wil", "wip", "sentence_error_rate"), (_edits("word"), "word_hits")
    ),
    "cer": (_edits("char"), "char_hits"),
    **dict.fromkeys(KEYWORD_SCORES, (_keywords, "keyword_words")),
    **dict.fromkeys((*CURVES, *LOSSES), (_scores, "positive")),
    **dict.fromkeys(_OF_LABELS, (_labels, "prediction")),
}


def column_of(metric: str) -> str:
    """The column whose mean a metric is.

    >>> column_of("map@10"), column_of("mean_rank"), column_of("recall@5")
    ('average_precision@10', 'rank', 'recall@5')
    """
    name, at, cut = metric.removeprefix("mean_").partition("@")
    return _COLUMNS.get(name, name) + at + cut


def state_of_items(
    metric: str,
    ids: Any,
    columns: Columns,
    *,
    positive: str | None = None,
    definition: Mapping[str, Any] | None = None,
) -> Resampled:
    """The state of items with these columns, which has the score `metric`.

    ids int64 [n]; columns as item_columns() gives them. positive: the label that f1, precision and
    recall are of, as text. definition: of a caption metric, what the state had that the items are
    of (`state.definition`); a signature, of transcripts, decides nothing here. A metric whose
    columns are not there is an InputError that names those that are.

    >>> state_of_items("map", [1, 2], {"average_precision": [0.5, 1.0]})["map"]
    0.75
    """
    if definition is not None and "signature" not in definition and positive is None:
        return _captions(metric, ids, columns, definition)
    made, needed = _MADE.get(metric, (_mean, column_of(metric)))
    if made is _scores and any(name.startswith(_OF_CLASS) for name in columns):
        needed = "target"
    if needed not in columns and column_of(metric) in columns:
        made, needed = _mean, column_of(metric)
    if metric == "accuracy" and "weight" in columns:
        made, needed = _labels, "prediction"
    if needed not in columns:
        raise InputError(
            f"{metric} needs a column {needed!r}; there are {', '.join(columns) or 'none'}"
        )
    if positive is None:
        return made(metric, ids, columns)
    if made is not _labels or metric not in PER_CLASS:
        raise InputError(f"positive is of {', '.join(PER_CLASS)}; {metric} is of no single label")
    return _labels(metric, ids, columns, positive)
