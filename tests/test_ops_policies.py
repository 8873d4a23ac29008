"""Alignments by policy: kaldi's equal kaldialign, sclite's the program, both the best of all."""

import itertools
import random
from functools import cache
from pathlib import Path

import kaldialign
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.ragged import Ragged
from assay.metrics.alignment import KINDS
from assay.ops import edit, reference
from assay.ops.tokens import Pairs, char_pairs, id_pairs, pack, token_pairs, word_pairs
from strategies import IntPair, doubled, related, seeded_pairs, sequence_pairs, symbols

Path_ = tuple[str, ...]

POLICIES = ("kaldi", "sclite")
policies = pytest.mark.parametrize("policy", POLICIES)


def as_ids(corpus: list[IntPair], ends: int) -> Pairs:
    def packed(rows: list[list[int]]) -> Ragged:
        flat = np.array([x for row in rows for x in row], np.int64)
        return Ragged.from_lengths(flat, [len(row) for row in rows])

    return id_pairs(packed([a for a, _ in corpus]), packed([b for _, b in corpus]))


def as_words(corpus: list[IntPair], ends: int) -> Pairs:
    texts = ([" ".join(f"w{x}" for x in pair[side]) for pair in corpus] for side in (0, 1))
    return word_pairs(*map(pack, texts), ends)


def as_tokens(corpus: list[IntPair], ends: int) -> Pairs:
    rows = ([[f"t{x}" for x in pair[side]] for pair in corpus] for side in (0, 1))
    return token_pairs(*rows, 0, ends)


def as_ascii(corpus: list[IntPair], ends: int) -> Pairs:
    texts = (["".join(chr(65 + x) for x in pair[side]) for pair in corpus] for side in (0, 1))
    return char_pairs(*map(pack, texts))


packings = pytest.mark.parametrize("packing", [as_ids, as_words, as_tokens, as_ascii])


def paths(edits: edit.Edits) -> list[Path_]:
    """The operations of each pair, one a step."""
    found = []
    for first, stop in itertools.pairwise(edits.offsets.tolist()):
        steps: list[str] = []
        chunks = zip(
            edits.kinds[first:stop].tolist(), edits.spans[first:stop].tolist(), strict=True
        )
        for kind, (a, b, c, d) in chunks:
            steps += [KINDS[kind]] * max(b - a, d - c)
        found.append(tuple(steps))
    return found


def by_kaldialign(pair: IntPair) -> Path_:
    steps = []
    for ref, hyp in kaldialign.align(*pair, -1):
        matched = "equal" if ref == hyp else "substitute"
        steps.append("insert" if ref == -1 else "delete" if hyp == -1 else matched)
    return tuple(steps)


def compared(pairs: Pairs, policy: str) -> list[Path_]:
    """The paths, to which the counts of all depths are held."""
    full, some, least = (
        edit.compare(pairs, depth, policy) for depth in (edit.CHUNKS, edit.COUNTS, edit.DISTANCE)
    )
    found = paths(full)
    names = ("equal", "substitute", "delete", "insert")
    counts = [[path.count(name) for name in names] for path in found]
    assert full.counts.tolist() == some.counts.tolist() == counts
    assert least.distance.tolist() == [sum(row[1:]) for row in counts]
    return found


@packings
@given(corpus=st.lists(sequence_pairs(), max_size=6))
def test_kaldi_is_kaldialign(packing, corpus: list[IntPair]) -> None:
    found = compared(packing(corpus, edit.POLICIES["kaldi"].ends), "kaldi")
    assert found == [by_kaldialign(pair) for pair in corpus]


@given(seeded_pairs())
def test_kaldi_is_kaldialign_on_longer_pairs(corpus: list[IntPair]) -> None:
    assert compared(as_ids(corpus, 0), "kaldi") == [by_kaldialign(pair) for pair in corpus]


def test_pairs_whose_table_is_filled_in_parts() -> None:
    rng = random.Random(4)
    corpus = [(symbols(rng, k, 4200), symbols(rng, k, 4300)) for k in (2, 2, 3, 3, 5, 9)]
    corpus += [related(rng, 900, 4300, 0.2), ([0] * 40, [0, 1] * 300)]
    assert compared(as_ids(corpus, 0), "kaldi") == [by_kaldialign(pair) for pair in corpus]


def test_repeats_at_every_scale() -> None:
    rng = random.Random(5)
    corpus = [doubled(rng, alphabet, 6, 0.15) for alphabet in (1, 2, 3, 5)]
    assert compared(as_ids(corpus, 0), "kaldi") == [by_kaldialign(pair) for pair in corpus]


@packings
@policies
@given(corpus=st.lists(sequence_pairs(12), max_size=4))
def test_the_kernel_is_the_slow_twin(packing, policy: str, corpus: list[IntPair]) -> None:
    found = compared(packing(corpus, edit.POLICIES[policy].ends), policy)
    assert found == [tuple(op for op, _, _ in reference.align(*pair, policy)) for pair in corpus]


def test_sclite_is_the_program() -> None:
    # golden/sclite.tsv: reference, hypothesis, and the path that sclite 2.4.10 wrote of them
    text = (Path(__file__).parent / "golden" / "sclite.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines()]
    names = {"C": "equal", "S": "substitute", "D": "delete", "I": "insert"}
    corpus = [([*map(ord, ref)], [*map(ord, hyp)]) for ref, hyp, _ in rows]
    truth = [tuple(names[step] for step in path) for _, _, path in rows]
    assert len(truth) == 400
    assert compared(as_ids(corpus, 0), "sclite") == truth
    assert compared(as_words(corpus, edit.AFTER), "sclite") == truth


# -- the best of all alignments --------------------------------------------------------------------


@cache
def every_path(n: int, m: int) -> list[str]:
    """All alignments of n symbols with m, from the last step to the first: x, d, i."""
    if not n and not m:
        return [""]
    found = ["x" + rest for rest in every_path(n - 1, m - 1)] if n and m else []
    found += ["d" + rest for rest in every_path(n - 1, m)] if n else []
    return found + (["i" + rest for rest in every_path(n, m - 1)] if m else [])


# policy -> costs of a substitution and of a gap; which step is taken of equally good ones, from the
# last step on
RULES = {"kaldi": (1, 1, "idx"), "sclite": (4, 3, "xid")}


def best(pair: IntPair, policy: str) -> Path_:
    """Of all alignments the cheapest, and of those the one whose last steps are preferred."""
    substitution, gap, order = RULES[policy]
    found = []
    for path in every_path(len(pair[0]), len(pair[1])):
        i, j = len(pair[0]), len(pair[1])
        cost, steps = 0, []
        for step in path:
            i, j = i - (step != "i"), j - (step != "d")
            same = step == "x" and pair[0][i] == pair[1][j]
            cost += 0 if same else substitution if step == "x" else gap
            steps.append(
                {"d": "delete", "i": "insert"}.get(step, "equal" if same else "substitute")
            )
        found.append((cost, [order.index(step) for step in path], tuple(reversed(steps))))
    return min(found)[2]


@policies
def test_the_path_is_the_best_of_all(policy: str) -> None:
    rows = [list(row) for n in range(5) for row in itertools.product(range(2), repeat=n)]
    corpus = [(a, b) for a in rows for b in rows]
    assert len(corpus) == 961
    assert compared(as_ids(corpus, 0), policy) == [best(pair, policy) for pair in corpus]


@policies
@given(row=st.lists(st.integers(0, 3), max_size=5), other=st.lists(st.integers(0, 3), max_size=5))
def test_the_path_of_more_symbols_is_the_best_of_all(policy: str, row, other) -> None:
    assert compared(as_words([(row, other)], edit.POLICIES[policy].ends), policy) == [
        best((row, other), policy)
    ]


@given(seeded_pairs(60))
def test_sclite_costs_what_kaldialign_finds(corpus: list[IntPair]) -> None:
    # kaldialign's sclite_mode has the weights of the program, but takes gaps in a tie
    for pair, path in zip(corpus, compared(as_ids(corpus, 0), "sclite"), strict=True):
        other = kaldialign.edit_distance(*pair, sclite_mode=True)
        gaps = path.count("insert") + path.count("delete")
        assert 4 * path.count("substitute") + 3 * gaps == (
            4 * other["sub"] + 3 * (other["ins"] + other["del"])
        )


@policies
def test_blocks_are_put_together(policy: str) -> None:
    rng = random.Random(7)
    corpus = [related(rng, 3, rng.randrange(30), 0.3) for _ in range(20)]
    whole = edit.compare(as_ids(corpus, 0), edit.CHUNKS, policy)
    parts = [corpus[:3], corpus[3:3], corpus[3:]]
    blocks = [lambda part=part: as_ids(part, 0) for part in parts]
    put = edit.compare_blocks(blocks, edit.CHUNKS, policy)
    assert all(np.array_equal(a, b) for a, b in zip(whole, put, strict=True))
