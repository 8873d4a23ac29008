"""Hugging Face evaluate's metrics over assay's engine: `from assay.compat import evaluate`.

>>> from assay.compat import evaluate
>>> evaluate.load("wer").compute(predictions=["a b x"], references=["a b c"])
0.3333333333333333
>>> evaluate.load("f1").compute(predictions=[0, 1, 1], references=[0, 1, 0], average="macro")
{'f1': 0.6666666666666666}

Nothing is downloaded, and neither evaluate, datasets, jiwer nor scikit-learn is needed. As in
evaluate 0.4: load and combine of wer, cer, bleu, accuracy, f1, precision, recall, roc_auc; compute,
add and add_batch; options and results, of which wer and cer are a float, the others a dictionary;
roc_auc reads its scores as float32.

Differs: bleu of a corpus without words has a ratio of 0, nan or inf where evaluate divides by zero;
num_process > 1 is refused (assay.Meter adds over torch.distributed); cer is that of
evaluate with jiwer 4, where runs of spaces are kept.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.compat import jiwer, sklearn
from assay.core.errors import InputError
from assay.metrics._bleu_formulas import Counts, nmt_parts
from assay.metrics.bleu import count_bleu

__all__ = ["Combined", "Metric", "combine", "load"]
Value = Callable[..., Any]


def _labels(function: Value) -> Value:
    def value(guess: Any, truth: Any, **options: Any) -> Any:
        found = np.asarray(function(truth, guess, **options))
        return float(found.item()) if found.size == 1 else found

    return value


def _bleu(
    guess: list[Any],
    truth: list[Any],
    tokenizer: Callable[[str], Iterable[Any]] | None = None,
    max_order: int = 4,
    smooth: bool = False,
) -> dict[str, Any]:
    nested = [[own] if isinstance(own, str) else _items(own, "references") for own in truth]
    numbers: dict[Any, str] = {}

    def cut(text: Any) -> Any:
        if not isinstance(text, str):
            return text  # refused by its place
        if tokenizer is not None:  # any tokens, also with spaces in them: their numbers
            return " ".join(numbers.setdefault(t, str(len(numbers))) for t in tokenizer(text))
        if "\n" not in text:
            return text
        return text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")

    smoothing = "add-one" if smooth else "none"
    found = count_bleu(
        [[cut(text) for text in own] for own in nested],
        [cut(text) for text in guess],
        variant="nmt",
        tokenizer="13a" if tokenizer is None else "none",
        smoothing=smoothing,
        max_order=max_order,
    )
    totals = np.asarray(found.sums)[None]
    precisions, brevity, ratio = nmt_parts(Counts.of(totals), smoothing, max_order)
    return {
        "bleu": found.bleu,
        "precisions": precisions[0].tolist(),
        "brevity_penalty": float(brevity[0]),
        "length_ratio": float(ratio[0]),
        "translation_length": int(totals[0, 1]),
        "reference_length": int(totals[0, 2]),
    }


# concatenate_texts joined the texts of old releases of jiwer only; the sums are the same.
_RATES: Mapping[str, Value] = {
    "wer": lambda guess, truth, concatenate_texts=False: float(jiwer.wer(truth, guess)),
    "cer": lambda guess, truth, concatenate_texts=False: float(jiwer.cer(truth, guess)),
}
_METRICS: Mapping[str, Value] = {
    **_RATES,
    "bleu": _bleu,
    "accuracy": _labels(sklearn.accuracy_score),
    "f1": _labels(sklearn.f1_score),
    "precision": _labels(sklearn.precision_score),
    "recall": _labels(sklearn.recall_score),
    "roc_auc": lambda score, truth, **options: sklearn.roc_auc_score(
        truth, np.asarray(score, np.float32), **options
    ),
}


class Metric:
    """A metric that gathers items until compute()."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._inputs = ("prediction_scores" if name == "roc_auc" else "predictions", "references")
        self._columns: tuple[list[Any], list[Any]] = ([], [])

    def __len__(self) -> int:
        return len(self._columns[1])

    def add(self, **item: Any) -> None:
        """One item: prediction= (of roc_auc prediction_scores=) and reference=."""
        known = {name.removesuffix("s"): name for name in self._inputs}
        self.add_batch(**{known.get(key, key): [value] for key, value in item.items()})

    def add_batch(self, **columns: Any) -> None:
        """Items of a batch: the same in the plural, as lists, arrays or tensors."""
        if columns.keys() != {*self._inputs}:
            raise InputError(f"{self.name} needs {' and '.join(self._inputs)}, got {[*columns]}")
        guess, truth = (_items(columns[name], name) for name in self._inputs)
        if len(guess) != len(truth):
            sizes = f"{len(guess)} {self._inputs[0]} and {len(truth)} references"
            raise InputError(f"{self.name}: {sizes}; give one of each for every item")
        self._columns[0].extend(guess)
        self._columns[1].extend(truth)

    def compute(self, **given: Any) -> Any:
        """The value of all items that were added, and of those given here; then starts anew."""
        columns = {name: given.pop(name, None) for name in self._inputs}
        if any(column is not None for column in columns.values()):
            self.add_batch(**columns)
        if not len(self):
            raise InputError(f"{self.name}: nothing was added; give {' and '.join(self._inputs)}")
        items, self._columns = self._columns, ([], [])
        value = _METRICS[self.name](*items, **given)
        return value if self.name in (*_RATES, "bleu") else {self.name: value}


@dataclass
class Combined:
    """Several metrics of the same items, by name."""

    metrics: Mapping[str, Metric]
    prefixed: bool

    def add(self, **item: Any) -> None:
        """One item, to all of them."""
        for metric in self.metrics.values():
            metric.add(**item)

    def add_batch(self, **columns: Any) -> None:
        """A batch, to all of them."""
        for metric in self.metrics.values():
            metric.add_batch(**columns)

    def compute(self, **given: Any) -> dict[str, Any]:
        """All values in one dictionary; {name}_{metric} where metrics share one or it is asked."""
        found = {name: metric.compute(**given) for name, metric in self.metrics.items()}
        return {
            f"{name}_{key}" if self.prefixed else key: value
            for name, own in found.items()
            for key, value in (own if isinstance(own, dict) else {name: own}).items()
        }


def load(path: str, config_name: str | None = None, **options: Any) -> Metric:
    """The metric of that name; config_name and options of downloads change nothing."""
    if path not in _METRICS:
        raise InputError(f"load: there is no {path!r} here; there are {', '.join(_METRICS)}")
    if options.get("num_process", 1) != 1:
        raise InputError("load: num_process must be 1; assay.Meter adds over torch.distributed")
    return Metric(path)


def combine(
    evaluations: Iterable[str | Metric] | Mapping[str, str | Metric], force_prefix: bool = False
) -> Combined:
    """Several metrics of the same items: names or loaded ones, or {name: either}."""
    named = evaluations.values() if isinstance(evaluations, Mapping) else evaluations
    loaded = [load(e) if isinstance(e, str) else e for e in named]
    names = [*evaluations] if isinstance(evaluations, Mapping) else [m.name for m in loaded]
    if len({*names}) < len(names):
        raise InputError(f"combine: {names} has a metric twice; name them: {{'a': ..., 'b': ...}}")
    prefixed = force_prefix or len({m.name for m in loaded}) < len(loaded)
    return Combined(dict(zip(names, loaded, strict=True)), prefixed)


def _items(column: Any, name: str) -> list[Any]:
    column = column.detach().cpu() if hasattr(column, "detach") else column
    column = column.tolist() if hasattr(column, "tolist") else column
    if isinstance(column, (str, bytes)) or not isinstance(column, Iterable):
        raise InputError(f"{name} must be a list, array or tensor, got {type(column).__name__}")
    return [*column]
