"""Laws of every metric at once, driven by the table of metrics.

A new metric gets them by its row in METRICS; a new kind of input needs one strategy in INPUTS.
"""

import copy
import functools
import inspect
import math
import pickle
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import State, count_document_frequency
from assay.metrics import METRICS
from strategies import (
    captions,
    judged_rankings,
    logits,
    numbers,
    sentences,
    text_pairs,
    tokens,
)

Items = list[Any]

TEXTS = "reference and hypothesis texts"
LISTED = "reference and hypothesis texts, and keywords"
RANKINGS = "rankings and relevant items"
LABELS = "targets and predicted labels"
SCORES = "targets and scores"
CAPTIONS = "references and hypotheses"
AGAINST = "references, hypotheses and document frequencies"
VALUES = "values and weights"
LOGITS = "logits of student and teacher, and targets"

GRID = [0.0, -0.0, 0.25, 0.3, 0.30000001192092896, 0.5, 0.99, 1.0]  # many ties

# what a metric takes -> a strategy of lists of items
INPUTS: dict[str, st.SearchStrategy[Items]] = {
    TEXTS: st.one_of(
        text_pairs(max_pairs=8),
        st.lists(st.tuples(*[sentences(tokens(3))] * 2), max_size=8),
    ),
    LISTED: st.lists(st.tuples(*[sentences(tokens(3))] * 2), max_size=8),
    RANKINGS: st.lists(judged_rankings(), max_size=8),
    LABELS: st.lists(st.tuples(*[st.integers(0, 1)] * 2), max_size=12)
    | st.lists(st.tuples(*[st.integers(-3, 5)] * 2), max_size=12)
    | st.lists(st.tuples(*[st.sampled_from(["a", "b c", "ß", "\ud800"])] * 2), max_size=12),
    SCORES: st.lists(st.tuples(st.integers(0, 1), st.sampled_from(GRID)), max_size=12),
    CAPTIONS: captions(max_items=8),
    AGAINST: captions(max_items=8),
    VALUES: st.lists(st.tuples(numbers(), st.sampled_from([0.0, 0.1, 1.0, 2.5e-90])), max_size=12),
    LOGITS: logits(max_items=12),
}

CAPTIONED = [(["a b c d e", "a b d"], "a b c d x"), (["d", "e f"], "d e f"), (["b b a"], "b a")]

# the same, as one example with a value that is neither 0 nor 1
EXAMPLES: dict[str, Items] = {
    TEXTS: [("a b c", "a x c"), ("d", "d e"), ("f", "f")],
    LISTED: [("a b c", "a b c"), ("b c x", "b d x b c"), ("f y y", "f y")],
    RANKINGS: [
        ({"a": 3.0, "b": 2.0, "c": 1.0}, {"a": 1, "c": 2, "d": 1, "b": 0}),
        ({"a": 3.0, "b": 2.0}, {"b": 1, "a": 0}),
        ([*"abcdefghijk"], {"k": 1, "a": 0}),
    ],
    LABELS: [(1, 1), (1, 0), (0, 0), (0, 0), (0, 1)],
    SCORES: [(1, 0.9), (1, 0.4), (0, 0.5), (0, 0.1)],
    CAPTIONS: CAPTIONED,
    AGAINST: CAPTIONED,
    VALUES: [(0.5, 1.0), (0.1, 2.0), (3.0, 0.0)],
    LOGITS: [
        ([2.0, 0.1, 0.3], [3.0, 0.5, -0.1], 0),
        ([2.0, 0.1, 0.3], [3.0, 0.5, -0.1], 0),
        ([0.1, 0.2, 0.9], [-1.0, 0.5, 0.1], 1),
        ([0.1, 0.2, 0.9], [-1.0, 0.5, 0.1], 1),
        ([0.1, 0.2, 0.9], [-1.0, 0.5, 0.1], 2),
    ],
}

# options of a count function that change what its state holds
OPTIONS: dict[str, list[dict[str, Any]]] = {
    TEXTS: [
        {},
        {"items": True},
        {"by": True},
        {"confusions": True, "by": True, "items": True},
        {"empty": "skip", "items": True, "by": True},
        {"normalise": "basic", "confusions": True},
        {"policy": "kaldi", "by": True},
        {"policy": "sclite", "confusions": True, "items": True},
    ],
    LISTED: [{}, {"items": True}, {"by": True}, {"by": True, "items": True, "policy": "sclite"}],
    RANKINGS: [
        {},
        {"by": True},
        {"convention": "trec", "complete": True, "by": True},
        {"convention": "torchmetrics", "gain": "exponential"},
        {"convention": "sentence-transformers", "level": 2, "k": 3},
        {"convention": "sklearn", "k": [2, 1]},
        {"ties": "expected", "empty": "nan"},
        {"ties": "pessimistic", "empty": "zero"},
    ],
    LABELS: [{}, {"items": True}, {"by": True}, {"weights": True, "by": True, "items": True}],
    SCORES: [{}, {"items": True}, {"by": True}, {"weights": True, "by": True, "items": True},
             {"dtype": np.float32}, {"dtype": np.float16, "by": True}],
    CAPTIONS: [{}, {"items": True}, {"by": True}, {"by": True, "items": True}],
    AGAINST: [{}, {"items": True}, {"by": True}, {"by": True, "items": True}],
    VALUES: [{}, {"items": True}, {"by": True, "name": "x", "better": None},
             {"by": True, "items": True}],
    LOGITS: [{}, {"items": True}, {"by": True, "temperature": 0.7, "alpha": 0.9},
             {"by": True, "items": True}],
}  # fmt: skip

POSITIONAL = {
    TEXTS: ["reference", "hypothesis"],
    LISTED: ["reference", "hypothesis"],
    RANKINGS: ["rankings", "relevant"],
    LABELS: ["target", "prediction"],
    SCORES: ["target", "score"],
    CAPTIONS: ["reference", "hypothesis"],
    AGAINST: ["reference", "hypothesis"],
    VALUES: ["values", "weights"],
    LOGITS: ["student_logits", "teacher_logits", "target", "temperature", "alpha"],
}
WEIGHTS = [1.0, 0.1, 0.0, 0.7, 2.5e-300]

COUNTS = {metric.where: metric.takes for metric in METRICS.values()}

every_count = pytest.mark.parametrize("where", COUNTS)


def count_function(where: str) -> Callable[..., State]:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def arguments(where: str, items: Items, ids: Sequence[int]) -> list[Any]:
    """What the count function takes: two columns, or two mappings of queries named by their id."""
    columns = [list(column) for column in zip(*items, strict=True)] or [[]] * (
        3 if COUNTS[where] == LOGITS else 2
    )
    if COUNTS[where] == RANKINGS:
        return [{f"q{k}": own for k, own in zip(ids, column, strict=True)} for column in columns]
    return columns


@functools.cache
def given_with(where: str) -> dict[str, Any]:
    """What a count function needs beside its items, the same for any of them."""
    if COUNTS[where] == LISTED:
        return {"keywords": ["b", "w0", "w1 w2", "b c", "w2 w0 w0"]}
    if COUNTS[where] != AGAINST:
        return {}
    return {"df": count_document_frequency([["a b c", "w0 w1 w0 w2"], ["w1 w2", "b"], ["é 1"]])}


def count(where: str, items: Items, ids: Sequence[int], options: dict[str, Any]) -> State:
    """The state of some items; an item keeps its id and its group wherever it is counted."""
    options = {**options, **given_with(where)}
    if options.get("items"):
        options["ids"] = np.array(ids, np.int64)
    if options.pop("by", False):
        options["by"] = {
            "voice": [("slt", None)[k % 2] for k in ids],
            "rate": [k // 2 % 2 for k in ids],
        }
    if options.get("weights"):
        options["weights"] = [WEIGHTS[k % len(WEIGHTS)] for k in ids]
    if kind := options.pop("dtype", None):
        target, score = arguments(where, items, ids)
        return count_function(where)(target, np.array(score, kind), **options)
    return count_function(where)(*arguments(where, items, ids), **options)


@st.composite
def cases(draw: Any, where: str) -> tuple[Items, dict[str, Any]]:
    takes = COUNTS[where]
    return draw(INPUTS[takes]), draw(st.sampled_from(OPTIONS[takes]))


@st.composite
def partitions(draw: Any, n: int) -> list[list[int]]:
    """0..n-1 dealt to some parts in any order; parts may be empty."""
    parts: list[list[int]] = [[] for _ in range(draw(st.integers(1, 4)))]
    for k in draw(st.permutations(range(n))):
        parts[draw(st.integers(0, len(parts) - 1))].append(k)
    return parts


@st.composite
def trees(draw: Any, states: list[State]) -> State:
    """The states added in any order, with brackets anywhere."""
    left = list(draw(st.permutations(states)))
    while len(left) > 1:
        a, b = (left.pop(draw(st.integers(0, len(left) - 1))) for _ in range(2))
        left.append(a + b)
    return left[0]


def values(state: State) -> list[str]:
    """Every score to the last digit."""
    return [f"{s.key()}={s.value!r} n={s.n} {s.signature}" for s in state.scores()]


@every_count
@given(st.data())
def test_the_sum_of_parts_is_the_whole(where: str, data: Any) -> None:
    items, options = data.draw(cases(where))
    whole = count(where, items, range(len(items)), options)
    parts = [
        count(where, [items[k] for k in part], part, options)
        for part in data.draw(partitions(len(items)))
    ]
    for merged in (sum(parts), data.draw(trees(parts))):
        assert merged.to_bytes() == whole.to_bytes()
        assert values(merged) == values(whole)


@every_count
@given(st.data())
def test_order_changes_nothing(where: str, data: Any) -> None:
    items, options = data.draw(cases(where))
    order = data.draw(st.permutations(range(len(items))))
    shuffled = count(where, [items[k] for k in order], order, options)
    assert shuffled.to_bytes() == count(where, items, range(len(items)), options).to_bytes()


@every_count
@given(st.data())
def test_nothing_is_neutral(where: str, data: Any) -> None:
    items, options = data.draw(cases(where))
    state = count(where, items, range(len(items)), options)
    for nothing in (type(state).zero(), count(where, [], [], options)):
        for merged in (nothing + state, state + nothing, sum([nothing, state, nothing])):
            assert merged.to_bytes() == state.to_bytes()
            assert values(merged) == values(state)


@every_count
@given(st.data())
def test_bytes_round_trip(where: str, data: Any) -> None:
    items, options = data.draw(cases(where))
    state = count(where, items, range(len(items)), options)
    more = count(where, items, range(100, 100 + len(items)), options)
    for again in (
        State.from_bytes(state.to_bytes()),
        type(state).from_arrays(state.to_arrays()),
        pickle.loads(pickle.dumps(state)),
        copy.deepcopy(state),
    ):
        assert type(again) is type(state)
        assert again.to_bytes() == state.to_bytes()
        assert values(again) == values(state)
        assert (again + more).to_bytes() == (state + more).to_bytes()


@every_count
@given(st.data())
def test_reading_changes_nothing(where: str, data: Any) -> None:
    items, options = data.draw(cases(where))
    state = count(where, items, range(len(items)), options)
    before, seen = state.to_bytes(), values(state)
    state + count(where, items, range(100, 100 + len(items)), options)
    state.as_dict("x_")
    state._repr_html_()
    assert values(state) == seen
    assert state.to_bytes() == before


@every_count
@given(st.data())
def test_inputs_are_left_as_they_were(where: str, data: Any) -> None:
    items, options = data.draw(cases(where))
    columns = arguments(where, items, range(len(items)))
    before = copy.deepcopy(columns)
    apart = ("by", "weights", "dtype")
    options = {name: value for name, value in options.items() if name not in apart}
    options |= given_with(where)
    first = count_function(where)(*columns, **options)
    assert columns == before
    assert count_function(where)(*columns, **options).to_bytes() == first.to_bytes()


@every_count
@settings(max_examples=20)
@given(st.data())
def test_the_number_of_threads_changes_nothing(where: str, data: Any) -> None:
    items, options = data.draw(cases(where))
    items = items * 700  # several blocks
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for threads in ("1", "2", "5"):
            patch.setenv("ASSAY_THREADS", threads)
            found.append(count(where, items, range(len(items)), options).to_bytes())
    assert len(set(found)) == 1


# -- the table -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METRICS)
def test_the_table_keeps_its_word(name: str) -> None:
    metric = METRICS[name]
    items = EXAMPLES[metric.takes]
    state = count(metric.where, items, range(len(items)), {})
    (score,) = [score for score in state.scores() if score.name == name and not score.tags]
    assert (score.unit, score.better) == (metric.unit, metric.better)
    assert score.n == len(items)
    assert score.signature.startswith(f"{name}|")
    assert state[name] == score.value
    assert 0 < score.value < (1 if metric.unit == "fraction" else math.inf)
    assert metric.source
    assert metric.oracle


@every_count
def test_count_functions_look_alike(where: str) -> None:
    parameters = inspect.signature(count_function(where)).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == POSITIONAL[COUNTS[where]]
    assert all(p.kind is p.KEYWORD_ONLY for p in list(parameters)[len(positional) :])
    assert {"by", "ids"} <= {p.name for p in parameters}
    assert ">>>" in (count_function(where).__doc__ or "")
