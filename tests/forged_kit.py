"""One small state of each kind, and states forged of them: bytes with a right checksum that no
count has written."""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

import assay
from assay import count_words
from assay.core import state_bytes
from assay.core.errors import AssayError
from assay.core.state import State
from assay.metrics.bootstrap import fill_bags
from assay.metrics.cider import count_document_frequency
from assay.metrics.keywords import count_keywords
from assay.metrics.ranks import count_ranks
from assay.metrics.retrieval import count_rankings
from state_kit import MADE

REFS = ["a b c d e", "b b a", "x y", "é ü"]
HYPS = ["a x c d", "b a a", "x y z", "ü"]
LISTS = [["a b c d e", "a b"], ["b b a"], ["x y"], ["é ü", "é"]]
BY = {"by": {"who": ["p", "q", "p", "r"]}, "items": True}
EXTREMES = [0, 1, -1, 2, 7, 255, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63), -(2**31)]
JUNK: list[Any] = [
    None, True, -1, 0, 3, 10**30, 0.5, float("nan"), float("inf"), "", "x", "none", "\ud800",
    [], [[]], ["a"], [1, 2], [None, None], {}, {"a": 1}, [["a", "b", "c"]], ["a", 1, "b", 2],
]  # fmt: skip


def samples() -> dict[str, Any]:
    """Name -> a state."""
    made = {name: make(random.Random(7)) for name, make in MADE.items()}
    words = count_words(REFS, HYPS, **BY)
    target, prediction, score = [0, 1, 1, 0], [1, 1, 0, 0], [0.2, 0.9, 0.4, 0.35]
    texts = ["a", "b", "a", "c"], ["b", "b", "a", "a"]
    gallery = np.eye(4, dtype=np.float32)
    query = gallery + 0.1
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.3, 0.3, 0.4]])
    ranked = {"q1": ["a", "b", "c"], "q2": {"a": 2.0, "b": 2.0}, "q3": ["c"]}
    judged = {"q1": {"a": 1, "c": 2, "z": 0}, "q2": {"b": 1}, "q3": {"x": 1}}
    found = {
        **made,
        "words": words,
        "characters": assay.count_chars(REFS, HYPS, confusions=True),
        "bags": fill_bags(count_words(REFS, HYPS, items=True), ["wer", "sentence_error_rate"]),
        "labels": assay.count_labels(target, prediction, **BY),
        "names": assay.count_labels(*texts, weights=[1.0, 0.5, 2.0, 0.1], labels=["a", "b", "c"]),
        "scores": assay.count_scores(target, score, **BY),
        "weighted": assay.count_scores(target, score, weights=[1.0, 0.5, 2.0, 0.0], items=True),
        "half": assay.count_scores(target, np.array(score, np.float16)),
        "half by": assay.count_scores(target, np.array(score, np.float16), by=BY["by"]),
        "mean": assay.count_mean(score, weights=[1.0, 2.0, 0.5, 1.0], **BY),
        "distillation": assay.count_distillation(
            probabilities, probabilities[::-1], [0, 1, 2, 1], items=True
        ),
        "ranks": count_ranks(query, gallery, [0, 1, 2, 0], k=(1, 3), by={"g": list("abab")}),
        "both": count_ranks(query, gallery, [0, 1, 2, 3], both_directions=True),
        "rankings": count_rankings(ranked, judged),
        "graded": count_rankings(ranked, judged, convention="trec"),
        "frequencies": count_document_frequency(LISTS),
        "rouge": assay.count_rouge_l(LISTS, HYPS, **BY),
        "meteor": assay.count_meteor(LISTS, HYPS, **BY),
        "chrf": assay.count_chrf(LISTS, HYPS, **BY),
        "ter": assay.count_ter(LISTS, HYPS, **BY),
        "cider": assay.count_cider(LISTS, HYPS, df=count_document_frequency(LISTS), items=True),
        "keywords": count_keywords(REFS, HYPS, keywords=["a b", "x"], **BY),
    }  # fmt: skip
    for variant in ("sacrebleu", "coco", "nltk", "nmt"):
        found[f"bleu {variant}"] = assay.count_bleu(LISTS, HYPS, variant=variant, **BY)
    found["bleu 5"] = assay.count_bleu(LISTS, HYPS, variant="nltk", smoothing="method5")
    return found


def parts(state: Any) -> tuple[str, Any, dict[str, Any]]:
    kind, schema, arrays = state_bytes.parse(state.to_bytes())
    return kind, schema, dict(arrays)


def forged(rng: random.Random, data: bytes) -> bytes:
    """The bytes of a state with a field, or a few, changed."""
    kind, schema, arrays = state_bytes.parse(data)
    arrays = dict(arrays)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        name = rng.choice([*arrays])
        array = arrays[name]
        if array.dtype == np.uint8:
            arrays[name] = _text(rng, array)
        else:
            arrays[name] = _numbers(rng, array)
        if rng.random() < 0.03:
            del arrays[name]
            if not arrays:
                break
    return state_bytes.pack(kind, schema, arrays)


def _numbers(rng: random.Random, array: Any) -> Any:
    own = np.array(array)
    how = rng.randrange(7)
    if how <= 2 and own.size:
        bits = own.reshape(-1)
        for _ in range(rng.choice([1, 1, 3])):
            value = rng.choice(EXTREMES)
            bits[rng.randrange(own.size)] = value if own.dtype.kind == "i" else np.float32(value)
        return own
    if how == 3 and own.ndim:
        return own[: rng.randrange(len(own) + 1)]
    if how == 4 and own.ndim and len(own):
        return np.concatenate([own, own[: rng.randrange(len(own)) + 1]])
    if how == 5:
        return own.astype(rng.choice(["<i8", "<f8", "<f4"]))
    return rng.choice([own.reshape(-1), own[None], np.zeros(0, own.dtype), np.zeros((), own.dtype)])


def _text(rng: random.Random, array: Any) -> Any:
    data = array.tobytes()
    if data.startswith(b"assay.state"):
        return np.frombuffer(forged(rng, data), np.uint8)
    try:
        value = json.loads(data.decode("utf-8", "surrogatepass"))
    except ValueError:
        if rng.random() < 0.7 and data:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        return np.frombuffer(data[: rng.randrange(len(data) + 1)], np.uint8)
    text = json.dumps(changed(rng, value), ensure_ascii=False)
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)


def changed(rng: random.Random, value: Any) -> Any:
    """JSON with something in it that is something else."""
    if isinstance(value, list) and value and rng.random() < 0.8:
        own, at = list(value), rng.randrange(len(value))
        how = rng.randrange(4)
        if how == 0:
            return own[:at]
        if how == 1:
            return [*own, own[at]]
        own[at] = changed(rng, own[at])
        return own
    if isinstance(value, dict) and value and rng.random() < 0.8:
        name = rng.choice([*value])
        if rng.random() < 0.2:
            return {key: own for key, own in value.items() if key != name}
        return {**value, name: changed(rng, value[name])}
    if isinstance(value, str) and rng.random() < 0.3:
        return rng.choice(
            ["trec", "expected", "grouped", "exponential", "error", "nltk", "method6"]
        )
    return rng.choice(JUNK)


def use(state: Any, honest: Any) -> None:
    """All that may be asked of a state."""
    steps: list[Callable[[], Any]] = [
        state.scores,
        lambda: state.as_dict("p/"),
        state.to_bytes,
        lambda: state + state,
        lambda: _read(state + honest),
        lambda: _read(honest + state),
        lambda: _read(type(state)() + state),
        lambda: state.signature if hasattr(type(state), "signature") else "",
        lambda: state.item_columns() if hasattr(state, "item_columns") else None,
        lambda: state.per_item("id") if hasattr(state, "per_item") else None,
        lambda: state.resampling(_first(state)) if hasattr(state, "resampling") else None,
        lambda: [*state.table.items()] if getattr(state, "table", None) else None,
        lambda: state.layer_scores() if hasattr(state, "layer_scores") else None,
        lambda: _read(state.finish()) if hasattr(state, "finish") else None,
        state._repr_html_,
        state.to_pandas,
        lambda: (
            assay.count_cider(LISTS, HYPS, df=state)
            if type(state).__name__ == "DocumentFrequency"
            else None
        ),
    ]
    for step in steps:
        with suppress(AssayError):
            step()


def _read(state: Any) -> Any:
    return state.scores(), state.to_bytes()


def _first(state: Any) -> str:
    return str(next((score.name for score in state.total_scores()), "wer"))


def load(data: bytes) -> Any:
    """The state, or None of bytes that are refused."""
    try:
        return State.from_bytes(data)
    except AssayError:
        return None
