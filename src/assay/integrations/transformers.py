"""compute_metrics of Hugging Face's Trainer, and a callback that logs to a Run.

    scorer = wer(processor)
    Trainer(…, compute_metrics=scorer, preprocess_logits_for_metrics=scorer.preprocess,
            callbacks=[AssayCallback(run)])

Trainer gathers predictions of all ranks itself, so nothing here talks to other ranks. With
batch_eval_metrics=True batches are counted as they come. Keys are tracker-safe: `eval_wer`,
`eval_macro_f1`, `eval_recall_at_10` may be metric_for_best_model.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.optional import require
from assay.core.score import Score, flatten
from assay.integrations._predictions import IGNORED, array_of, best_ids, first
from assay.metrics.classification import count_labels, count_scores
from assay.metrics.ranks import count_ranks
from assay.metrics.words import count_chars, count_words
from assay.run.meter import Meter
from assay.run.retrieval_meter import RetrievalMeter

__all__ = ["AssayCallback", "Scorer", "cer", "classification", "retrieval", "wer"]

TrainerCallback: Any = require("transformers").TrainerCallback

AREAS = ("roc_auc", "average_precision")  # the thresholds are differences of logits
Array = npt.NDArray[Any]
Update = Callable[[Any, Any], Any]  # of predictions and label_ids
Meters = list[tuple[Any, Callable[[Score], bool]]]  # and which scores of it


class Scorer:
    """A compute_metrics: called with an EvalPrediction, and compute_result= where batches come.

    preprocess is its preprocess_logits_for_metrics, which keeps no more than is scored.
    """

    def __init__(self, meters: Meters, update: Update, preprocess: Update) -> None:
        self._meters, self._update, self.preprocess = meters, update, preprocess

    def __call__(self, prediction: Any, compute_result: bool = True) -> dict[str, float]:
        self._update(prediction.predictions, prediction.label_ids)
        if not compute_result:
            return {}
        scores: list[Score] = []
        for meter, wanted in self._meters:
            scores += filter(wanted, meter.scores())
            meter.reset()
        return flatten(scores)


def wer(tokenizer: Any, **options: Any) -> Scorer:
    """Word errors of generated ids [n, t], or of logits [n, t, v] by their best ids.

    tokenizer: it, or the processor that has it; that of a CTC model merges repeated ids of
    predictions, not of labels. options: of count_words, as normalise="basic".
    """
    return _of_text(count_words, tokenizer, options)


def cer(tokenizer: Any, **options: Any) -> Scorer:
    """Character errors; as wer()."""
    return _of_text(count_chars, tokenizer, options)


def classification(**options: Any) -> Scorer:
    """Accuracy, macro F1 and the like of logits [n, C], or [n, t, C] of tokens; of two classes also
    roc_auc and average_precision, by the difference of their logits. Labels -100 are left out.
    options: of count_labels, as labels=, positive=."""
    labels, sweep = (
        Meter(partial(count_labels, **options), sync=False),
        Meter(count_scores, sync=False),
    )

    def update(predictions: Any, label_ids: Any) -> None:
        logits, target = array_of(first(predictions)), array_of(label_ids)
        kept = target.ravel() != IGNORED
        logits, target = logits.reshape(-1, logits.shape[-1])[kept], target.ravel()[kept]
        labels.update(target, logits)
        if logits.shape[-1] == 2:
            sweep.update(target, logits[:, 1] - logits[:, 0])

    return Scorer(
        [(labels, lambda s: "class" not in s.tags), (sweep, lambda s: s.name in AREAS)],
        update,
        first,
    )


def retrieval(query: int = 0, gallery: int = 1, **options: Any) -> Scorer:
    """Ranks of pairs of embeddings [n, d], both directions: row i of one belongs to row i of the
    other. query, gallery: their places in the model's output. options: of count_ranks, as k=."""
    meter = RetrievalMeter(partial(count_ranks, **options), both_directions=True, sync=False)

    def preprocess(outputs: Any, _: Any) -> Any:
        return outputs[query], outputs[gallery]

    def update(predictions: Any, label_ids: Any) -> None:
        if len(predictions) > 2:  # not preprocessed
            predictions = preprocess(predictions, label_ids)
        meter.update(*map(array_of, predictions))

    return Scorer([(meter, _all)], update, preprocess)


class AssayCallback(TrainerCallback):
    """Everything that Trainer logs, and its arguments, into a Run."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Arguments become parameters."""
        self.run.log_params(args.to_sanitized_dict())

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
        """Losses, learning rates and metrics, of train and of eval."""
        numbers = {k: v for k, v in (logs or {}).items() if isinstance(v, int | float)}
        self.run.log(numbers, step=state.global_step)


def _all(score: Score) -> bool:
    return True


def _of_text(count: Any, tokenizer: Any, options: Mapping[str, Any]) -> Scorer:
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
    if tokenizer.pad_token_id is None:
        raise InputError("the tokenizer has no pad token, which stands for -100; set pad_token")
    # A CTC tokenizer merges repeated ids, which are repeated letters in labels.
    whole = {"group_tokens": False} if hasattr(tokenizer, "word_delimiter_token") else {}
    meter = Meter(partial(count, **options), sync=False)

    def texts(ids: Array, **how: Any) -> list[str]:
        ids = np.where(ids == IGNORED, tokenizer.pad_token_id, ids)
        return list(tokenizer.batch_decode(ids, skip_special_tokens=True, **how))

    def update(predictions: Any, label_ids: Any) -> None:
        guess = array_of(best_ids(predictions))
        meter.update(texts(array_of(label_ids), **whole), texts(guess))

    return Scorer([(meter, _all)], update, best_ids)
