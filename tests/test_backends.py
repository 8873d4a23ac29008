"""Every implementation of one op, held to the outside oracle by the same test body."""

import math
import random
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from sklearn import metrics as sk

from assay import count_scores
from assay.core.ragged import Ragged
from assay.metrics.alignment import KINDS
from assay.ops import edit, reference
from assay.ops import tokens as packing
from assay.ops.backend import BACKENDS
from oracle import opcodes, words
from strategies import IntPair, related, seeded_pairs, sentences, sequence_pairs, symbols, tokens

DEPTHS = (edit.CHUNKS, edit.COUNTS, edit.DISTANCE)


def run(place: str, pair: IntPair, depths: tuple[int, ...] = DEPTHS) -> list[reference.Op]:
    """The path that a backend of the op "edit" gives a pair, at the first depth; the counts of
    every depth are checked against it."""
    module, _, name = place.partition(":")
    compare = getattr(import_module(module), name)
    rows = [Ragged.from_lengths(np.array(row, np.int64), [len(row)]) for row in pair]
    full, *less = [compare(packing.id_pairs(*rows), depth) for depth in depths]
    ops = []
    for kind, (a, b, c, d) in zip(full.kinds.tolist(), full.spans.tolist(), strict=True):
        ops += steps(KINDS[kind], a, b, c, d)
    kinds = [op[0] for op in ops]
    found = [kinds.count(kind) for kind in ("equal", "substitute", "delete", "insert")]
    for edits in (full, *less[:1]):  # no insertions at the last depth
        assert edits.counts.tolist() == [found]
    for edits in (full, *less):
        assert edits.distance == sum(found[1:])
    return ops


def steps(kind: str, a: int, b: int, c: int, d: int) -> list[reference.Op]:
    """One operation a step, from a run."""
    down, right = kind != "insert", kind != "delete"
    return [(kind, a + k * down, c + k * right) for k in range(max(b - a, d - c))]


def truth(pair: IntPair) -> list[reference.Op]:
    return [step for run in opcodes(*pair) for step in steps(*run)]


def kernel_words(text: str) -> list[str]:
    return packing.words(packing.pack([text]))[0]


SPLIT = {"kernels": kernel_words, "reference": reference.split_words}

backends = pytest.mark.parametrize("place", BACKENDS["edit"].values(), ids=BACKENDS["edit"])
splitters = pytest.mark.parametrize("split", SPLIT.values(), ids=SPLIT)


def test_the_oracle_is_compiled() -> None:
    # Its pure-Python fallback breaks ties of large pairs in another way.
    assert Levenshtein.opcodes.__module__.startswith("rapidfuzz.distance.metrics_cpp")


@backends
@given(sequence_pairs())
def test_alignments_equal_rapidfuzz(place: str, pair: IntPair) -> None:
    assert run(place, pair) == truth(pair)


@backends
@settings(max_examples=10)
@given(seeded_pairs(max_size=150))
def test_longer_alignments_equal_rapidfuzz(place: str, corpus: list[IntPair]) -> None:
    for pair in corpus:
        assert run(place, pair) == truth(pair)


@backends
@pytest.mark.parametrize(
    ("n", "m"), [(1, 0), (0, 1), (1, 1), (63, 64), (64, 64), (64, 65), (65, 64), (65, 9), (129, 10)]
)
def test_sizes_around_the_word(place: str, n: int, m: int) -> None:
    rng = random.Random(n * 1000 + m)
    for alphabet in (1, 2, 5):
        pair = symbols(rng, alphabet, n), symbols(rng, alphabet, m)
        assert run(place, pair) == truth(pair)


@backends
def test_a_split_in_the_middle_equals_rapidfuzz(place: str) -> None:
    # The smallest table that rapidfuzz splits: 2^22 cells, with shared ends around it.
    rng = random.Random(5)
    ends = symbols(rng, 3, 20)
    ref, hyp = related(rng, 2, 2060, 0.2)
    ref, hyp = [2, *ref[:2048], 2], [3, *hyp[:2048], 3]
    pair = ends + ref + ends, ends + hyp + ends
    assert run(place, pair, DEPTHS[:1]) == truth(pair)


@splitters
@given(sentences(tokens()))
def test_words_equal_jiwer(split, text: str) -> None:
    assert split(text) == words([text])[0]


@splitters
@given(st.lists(st.sampled_from("a \t\n\u3000\x1c"), max_size=9).map("".join))
def test_white_space_equals_jiwer(split, text: str) -> None:
    assert split(text) == words([text])[0]


# -- sweeps ----------------------------------------------------------------------------------------

sweeps = pytest.mark.parametrize("place", BACKENDS["cut"])
labelled = st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 4)), max_size=40)


@sweeps
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@given(rows=labelled)
def test_sweeps_equal_scikit_learn(place: str, kind: Any, rows: list[tuple[int, int]]) -> None:
    target = np.array([label for label, _ in rows], np.int64)
    score = np.array([own for _, own in rows], kind) / 4
    negatives, positives, bad = implementation("cut", place)(target, score)
    assert bad == -1
    assert [side.dtype for side in (negatives, positives)] == [kind, kind]
    for side, label in ((negatives, 0), (positives, 1)):
        assert side.tolist() == sorted(score[target == label].tolist())
    found, fp, tp = implementation("merge", place)(negatives, positives, 3, 5)
    assert (found.dtype, fp.dtype, tp.dtype) == (kind, np.int64, np.int64)
    if len({*target.tolist()}) == 2:
        rates = sk.roc_curve(target, score, drop_intermediate=False)
        assert found.tolist() == rates[2][1:].tolist()
        assert (fp - 3).tolist() == pytest.approx(rates[0][1:] * len(negatives))
        assert (tp - 5).tolist() == pytest.approx(rates[1][1:] * len(positives))
    assert found.tolist() == sorted({*score.tolist()}, reverse=True)


@sweeps
@pytest.mark.parametrize(
    ("target", "score", "bad"),
    [([0, 2, 1], [0.1, 0.2, 0.3], 1), ([0, 1], [0.1, math.nan], 1), ([1], [math.inf], 0)],
)
def test_bad_rows_of_sweeps(place: str, target: list[int], score: list[float], bad: int) -> None:
    assert implementation("cut", place)(np.array(target), np.array(score))[2] == bad


@pytest.mark.parametrize("name", BACKENDS["merge"])
def test_a_report_by_each_backend(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    target, score, weights = rng.integers(0, 2, 200), rng.integers(0, 30, 200) / 29, rng.random(200)
    monkeypatch.setenv("ASSAY_BACKEND", name)
    found = count_scores(target, score)
    assert found.roc_auc == pytest.approx(sk.roc_auc_score(target, score))
    assert found.average_precision == pytest.approx(sk.average_precision_score(target, score))
    weighted = count_scores(target, score, weights=weights)
    assert weighted.roc_auc == pytest.approx(sk.roc_auc_score(target, score, sample_weight=weights))


def implementation(op: str, name: str) -> Any:
    module, _, function = BACKENDS[op][name].partition(":")
    return getattr(import_module(module), function)
