"""Labels as an error explorer shows them: the most confident mistakes first."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.explained import Explained
from assay.metrics._counting import (
    labels_of,
    one_column,
    positives_of,
    refuse_others,
    refuse_scores,
)
from assay.metrics.explain_transcripts import groups_of, named_ids, plain
from assay.ops.columns import as_array, as_floats, refuse_missing, same_length

__all__ = ["explain_labels"]

Array = npt.NDArray[Any]


def explain_labels(
    target: Any,
    prediction: Any = None,
    *,
    score: Any = None,
    labels: Sequence[Any] | None = None,
    positive: Any = None,
    threshold: float = 0.5,
    text: Any = None,
    by: Mapping[str, Any] | None = None,
    ids: Any = None,
) -> Explained:
    """What each of n items is, what it was taken for, and how surely.

    target, prediction: labels [n], strings or integers. score: [n], high for the `positive` label
    (by default 1 of 0 and 1, or of -1 and 1), or [n, C], a column for each of `labels`. Without a
    prediction that is the positive label where score >= threshold, or the label of the highest
    score, the first of equal ones. text: what people are shown of an item [n]. ids: n texts or
    integers, by default 0..n-1. by: columns [n] to filter by.

    Columns: `id`, `target`, `prediction` as text, `confidence`, `text`. The confidence is the score
    of the predicted label; of one score a row that label's share where all are within 0..1, else
    how far it lies on its side of the threshold; None without scores. The worst are mistakes, the
    surest ones first; then what is right, the least sure first. InputError for missing values,
    different lengths, scores that are not finite, and labels of several types.

    >>> rows = explain_labels(["spam", "ham"], score=[0.25, 0.75], positive="spam")
    >>> rows.columns["prediction"], rows.columns["confidence"]
    (['ham', 'spam'], [0.75, 0.75])
    """
    if prediction is None and score is None:
        raise InputError("explain_labels: give prediction=, score=, or both")
    truth = as_array(target, "target")
    n = same_length(target=truth, prediction=prediction, score=score, text=text)
    refuse_missing(truth, "target")
    taken = None if prediction is None else as_array(prediction, "prediction")
    if taken is not None:
        refuse_missing(taken, "prediction")
    sure: Array | None = None
    if score is not None:
        scores = as_floats(score, "score").astype(np.float64)
        one_column("score", scores)
        refuse_scores(scores)
        if scores.ndim == 2:
            taken, sure = _of_classes(scores, labels, taken)
        else:
            taken, sure = _of_one(truth, scores, positive, threshold, taken)
    assert taken is not None  # one of both is given
    columns: dict[str, Sequence[Any]] = {
        "id": named_ids(ids, n),
        "target": list(map(str, truth.tolist())),
        "prediction": list(map(str, taken.tolist())),
        "confidence": [None] * n if sure is None else sure.tolist(),
    }
    if text is not None:
        columns["text"] = ["" if own is None else str(own) for own in plain(text)]
    pairs = zip(columns["target"], columns["prediction"], strict=True)
    wrong = np.array([own != other for own, other in pairs], bool)
    place = np.zeros(n)
    if sure is not None:  # in [0, 1): places, as margins have no upper end
        place[np.argsort(sure, kind="stable")] = np.arange(n) / max(n, 1)
    weight = np.where(wrong, 1 + place, 1 - place if sure is not None else 0.0)
    facts = {"threshold": threshold} if prediction is None and np.ndim(score) == 1 else {}
    return Explained("labels", columns, weight, n, groups_of(by, n), facts)


def _of_one(
    target: Array, score: Array, positive: Any, threshold: float, taken: Array | None
) -> tuple[Array, Array]:
    """Predictions and confidences from scores of one label."""
    own, label = positives_of(target, positive)
    if positive is None:
        refuse_others(np.asarray(own, np.int64))
    if taken is None:
        others = list(dict.fromkeys(target[np.asarray(own) == 0].tolist()))
        other = others[0] if len(others) == 1 else f"not {label}"
        if target.dtype.kind in "biuf":
            label = target.dtype.type(label)
        taken = np.array([label if high else other for high in (score >= threshold).tolist()], "O")
    towards = np.array([str(name) == str(label) for name in taken.tolist()], bool)
    if len(score) and score.min() >= 0 and score.max() <= 1:
        return taken, np.where(towards, score, 1 - score)
    return taken, np.where(towards, score - threshold, threshold - score)


def _of_classes(
    score: Array, labels: Sequence[Any] | None, taken: Array | None
) -> tuple[Array, Array]:
    """Predictions and confidences from a score for each label."""
    names = labels_of(range(score.shape[1]) if labels is None else labels)
    if len(names) != score.shape[1]:
        raise InputError(
            f"labels must be {score.shape[1]}, one for each column of score, got {len(names)}"
        )
    places = np.argmax(score, axis=1)
    if taken is None:
        taken = np.array([names[place] for place in places.tolist()], "O")
    else:
        at = {str(name): place for place, name in enumerate(names)}
        if unknown := [name for name in map(str, taken.tolist()) if name not in at]:
            raise InputError(f"prediction must be among labels {names}, got {unknown[0]!r}")
        places = np.array([at[str(name)] for name in taken.tolist()], np.int64)
    return taken, score[np.arange(len(score)), places]
