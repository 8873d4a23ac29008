"""Whose alignments are counted, and what a character is: through count functions and states."""

import importlib

import kaldialign
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import EditCounts, State, align, cer, count_chars, count_words, mer, wer
from assay.core.errors import InputError, MergeError, MissingDependency
from assay.ops import reference
from assay.ops.graphemes import grapheme_rule
from oracle import characters, words
from strategies import text_pairs

TIED = "a a b b a", "b c b a c"


@given(text_pairs(max_pairs=6))
def test_words_and_characters_are_counted_as_kaldialign_does(corpus) -> None:
    refs, hyps = map(list, zip(*corpus, strict=True)) if corpus else ([], [])
    for count, cut in ((count_words, words), (count_chars, characters)):
        mine = count(refs, hyps, policy="kaldi")
        truth = kaldialign.batch_error_rate(cut(refs), cut(hyps))
        assert (mine.substitutions, mine.deletions, mine.insertions, mine.reference_units) == tuple(
            truth[name] for name in ("sub", "del", "ins", "ref_len")
        )


@given(text_pairs(max_pairs=4), st.sampled_from(["kaldi", "sclite"]))
def test_one_alignment_stands_behind_everything(corpus, policy: str) -> None:
    refs, hyps = map(list, zip(*corpus, strict=True)) if corpus else ([], [])
    counts = count_words(refs, hyps, policy=policy, confusions=True, items=True)
    found = align(refs, hyps, policy=policy)
    assert found.counts.sum(axis=0).tolist() == [
        counts.hits, counts.substitutions, counts.deletions, counts.insertions
    ]  # fmt: skip
    assert found.confusions() == counts.confusions
    assert wer(refs, hyps, policy=policy, empty="nan") == pytest.approx(
        count_words(refs, hyps, policy=policy, empty="nan").wer, nan_ok=True
    )
    for row, (ref, hyp) in enumerate(zip(words(refs), words(hyps), strict=True)):
        steps = [op for op, _, _ in reference.align(ref, hyp, policy)]
        chunks = found[row]
        assert [
            c.kind for c in chunks for _ in range(max(len(c.reference), len(c.hypothesis)))
        ] == (steps)
        assert [w for c in chunks for w in c.reference] == ref
        assert [w for c in chunks for w in c.hypothesis] == hyp


def test_three_policies_three_counts() -> None:
    found = [count_words([TIED[0]], [TIED[1]], policy=p) for p in ("jiwer", "kaldi", "sclite")]
    assert [(c.substitutions, c.deletions, c.insertions) for c in found] == [
        (4, 0, 0), (2, 1, 1), (0, 2, 2)
    ]  # fmt: skip
    assert [mer(*TIED, policy=p) for p in ("jiwer", "kaldi", "sclite")] == [0.8, 4 / 6, 4 / 7]
    assert align(*TIED, policy="sclite").text() == (
        "REF: a a b * b a *\nHYP: * * b c b a c\n     D D   I     I"
    )


def test_signatures_name_the_policy_and_states_of_two_do_not_add() -> None:
    states = {p: count_words(["a"], ["b"], policy=p) for p in ("jiwer", "kaldi", "sclite")}
    assert [s.signature.split("|", 3)[3] for s in states.values()] == [
        "ties:rapidfuzz|empty:jiwer",
        "ties:kaldi|empty:jiwer",
        "ties:sclite|weights:4-3-3|empty:jiwer",
    ]
    with pytest.raises(MergeError, match="policy differs: 'jiwer' and 'kaldi'"):
        states["jiwer"] + states["kaldi"]
    for state in (*states.values(), EditCounts.zero()):
        again = State.from_bytes(state.to_bytes())
        assert again.policy == state.policy
        assert again.to_bytes() == state.to_bytes()
    assert (EditCounts.zero() + states["sclite"]).policy == "sclite"
    read = State.from_bytes(EditCounts.zero().to_bytes())
    assert (read + states["sclite"]).to_bytes() == states["sclite"].to_bytes()


def test_bytes_of_jiwer_have_no_policy_as_before_there_was_one() -> None:
    data = count_words(["a"], ["b"], by={"v": ["x"]}).to_bytes()
    assert b'"policy"' not in data
    assert State.from_bytes(data).groups[("x",)].policy == "jiwer"
    assert b'"policy"' in count_words(["a"], ["b"], policy="kaldi").to_bytes()


@pytest.mark.parametrize("count", [count_words, count_chars, align, wer, cer])
def test_an_unknown_policy_is_refused(count) -> None:
    with pytest.raises(InputError, match="policy must be one of jiwer, kaldi, sclite, got 'nist'"):
        count(["a"], ["a"], policy="nist")


def test_tokens_and_ids_have_policies_too() -> None:
    ref, hyp = TIED[0].split(), TIED[1].split()
    ids = [[*map(ord, ref)]], [[*map(ord, hyp)]]
    for given_ in (([ref], [hyp]), ids):
        c = count_words(*given_, policy="sclite")
        assert (c.substitutions, c.deletions, c.insertions) == (0, 2, 2)


# -- grapheme clusters -----------------------------------------------------------------------------

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAGS = "\U0001f1e7\U0001f1e9", "\U0001f1ee\U0001f1f3"

# what one sees as the characters of a text
CLUSTERS = [
    ["\u0995\u09be", "\u0995\u09bf"],  # Bangla: a letter and its vowel sign
    ["\u0995\u09cd\u09b7"],  # a conjunct
    ["\u0928\u093f", "\u092e"],  # Devanagari
    ["\u0915\u094d\u0937\u093f"],
    ["e\u0301", "x"],
    [FAMILY, "!"],
    [*FLAGS],
    ["\U0001f44d\U0001f3fd"],
    ["a", "\r\n", "b"],
    ["\u0995\u09be", " ", "b"],
    ["\0", "a", "\0"],
    [],
]


@pytest.mark.parametrize("clusters", CLUSTERS, ids=ascii)
def test_what_one_sees_is_one_character(clusters: list[str]) -> None:
    text = f" {''.join(clusters)} "
    assert align([text], [text], "grapheme").tokens(0) == (clusters, clusters)
    counts = count_chars([text], [""], unit="grapheme")
    assert (counts.deletions, counts.reference_units) == (len(clusters),) * 2


def test_a_wrong_vowel_sign_is_one_wrong_character() -> None:
    pair = ["\u0995\u09be\u09b2"], ["\u0995\u09bf\u09b2"]
    assert (cer(*pair), cer(*pair, unit="grapheme")) == (1 / 3, 1 / 2)
    counts = count_chars(*pair, unit="grapheme", confusions=True, items=True)
    assert counts.confusions == {("\u0995\u09be", "\u0995\u09bf"): 1}
    assert counts.per_item("cer").tolist() == [0.5]
    assert counts["cer"] == 0.5


@given(text_pairs(max_pairs=5), st.sampled_from(["jiwer", "kaldi", "sclite"]))
def test_clusters_are_counted_like_tokens(corpus, policy: str) -> None:
    import regex

    refs, hyps = map(list, zip(*corpus, strict=True)) if corpus else ([], [])
    cut = [[regex.findall(r"\X", text.strip()) for text in side] for side in (refs, hyps)]
    mine = count_chars(refs, hyps, unit="grapheme", policy=policy, confusions=True)
    tokens = count_words(*cut, policy=policy, confusions=True)
    names = ("hits", "substitutions", "deletions", "insertions", "confusions")
    assert [getattr(mine, n) for n in names] == [getattr(tokens, n) for n in names]


def test_signatures_name_unicode_and_units_do_not_add() -> None:
    grapheme_rule.cache_clear()
    importlib.import_module("importlib_metadata")  # it takes the place of importlib.metadata
    mine, plain = (count_chars(["a"], ["b"], unit=u) for u in ("grapheme", "char"))
    assert "|split:graphemes-unicode-1" in mine.signature
    assert mine.unit == "char"
    with pytest.raises(MergeError, match="split differs"):
        mine + plain


def test_bad_units_and_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (count_chars, cer):
        with pytest.raises(InputError, match="unit must be 'char' or 'grapheme', got 'word'"):
            count(["a"], ["a"], unit="word")
    with pytest.raises(InputError, match="unit 'grapheme' takes text, got token ids"):
        align([[1]], [[1]], "grapheme")
    monkeypatch.setitem(__import__("sys").modules, "regex", None)
    with pytest.raises(MissingDependency, match=r"assay\[text\]"):
        count_chars(["é"], ["é"], unit="grapheme")
