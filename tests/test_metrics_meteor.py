"""METEOR against nltk, and by hand. METEOR 1.5 is in test_metrics_java.py."""

import math
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caption_oracle as oracle
from assay import State, compare, count_meteor, interval, meteor
from assay.core.errors import InputError, MergeError, MissingDependency
from assay.metrics.meteor import _stemmer
from assay.ops.backend import BACKENDS
from strategies import captions, sentences, tokens

Items = list[tuple[list[str], str]]

WORDS = [
    "cat", "cats", "CAT", "catlike", "feline", "run", "running", "ran", "runs", "Runner", "dash",
    "quick", "quickly", "fast", "ΣΑΣ", "ﬁnes", "ties", "dying", "a", "I", "s", "sses", "oed",
]  # fmt: skip
ALIKE = {
    "cat": ["feline", "cat", "Feline"], "felin": ["cat"], "run": ["dash", "ran", "x_y"],
    "dash": ["run"], "quick": ["fast"], "quickli": ["fast", "quick"], "fast": ["quickli"],
}  # fmt: skip
ENGLISH = captions(sentences(st.sampled_from(WORDS)), max_items=4, most=10)
some = st.one_of(captions(), ENGLISH, captions(sentences(tokens(3), max_size=30), most=10))


@settings(max_examples=150)
@given(some.filter(bool))
def test_meteor_equals_nltk(items: Items) -> None:
    refs, hyps = oracle.columns(items)
    state = count_meteor(refs, hyps, items=True, synonyms="none")
    wanted = oracle.nltk_meteor(items)
    oracle.same(state.per_item("meteor"), wanted)
    oracle.same(state["meteor"], math.fsum(wanted) / len(wanted))
    oracle.same(meteor(refs[0], hyps[0], synonyms="none"), wanted[0])


@settings(max_examples=150)
@given(ENGLISH.filter(bool))
def test_synonyms_equal_nltk(items: Items) -> None:
    refs, hyps = oracle.columns(items)
    table = {word: [one for one in others if "_" not in one] for word, others in ALIKE.items()}
    wanted = oracle.nltk_meteor(items, ALIKE)
    reader = oracle.Synonyms(ALIKE)
    for provider in (table, lambda word: table.get(word, ()), reader):
        state = count_meteor(refs, hyps, items=True, synonyms=provider)
        oracle.same(state.per_item("meteor"), wanted)


@settings(max_examples=30)
@given(ENGLISH.filter(bool), st.floats(0.1, 0.9), st.floats(0, 5), st.floats(0, 1))
def test_weights_equal_nltk(items: Items, alpha: float, beta: float, gamma: float) -> None:
    weights = {"alpha": alpha, "beta": beta, "gamma": gamma}
    found = count_meteor(*oracle.columns(items), items=True, synonyms="none", **weights)
    oracle.same(found.per_item("meteor"), oracle.nltk_meteor(items, **weights))


@pytest.mark.parametrize("backend", BACKENDS["stages"])
@settings(max_examples=15)
@given(ENGLISH.filter(bool))
def test_every_backend_equals_nltk(backend: str, items: Items) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_BACKEND", backend)
        wanted = oracle.nltk_meteor(items, {"cat": ["dash"]})
        found = meteor(*oracle.columns(items), synonyms={"cat": ["dash"]})
        oracle.same(found, math.fsum(wanted) / len(wanted))


def test_a_vocabulary_that_grows_from_block_to_block() -> None:
    words = ["".join(chr(97 + (k // 26**at) % 26) for at in range(4)) for k in range(3000)]
    table = {word: [words[k // 2]] for k, word in enumerate(words)}
    items = [
        ([" ".join(words[k // 2 : k // 2 + 400])], " ".join(words[k : k + 400]))
        for k in range(0, 2600, 3)
    ]
    found = count_meteor(*oracle.columns(items), items=True, synonyms=table)
    for at in (0, 400, 866):
        oracle.same(found.per_item("meteor")[at], oracle.nltk_meteor(items[at : at + 1], table)[0])


def test_meteor_worked_by_hand() -> None:
    # All words match, "the" from the last on: on | the | mat | the | cat sat. P = R = 1.
    found = meteor("the cat sat on the mat", "on the mat the cat sat", synonyms="none")
    assert math.isclose(found, 1 - 0.5 * (5 / 6) ** 3)
    # Two of three words of the hypothesis, of four: P = 2/3, R = 1/2, one by its stem.
    mean = (2 / 3) * (1 / 2) / (0.9 * 2 / 3 + 0.1 / 2)
    assert math.isclose(meteor("a cats b c", "a cat d", synonyms="none"), mean * (1 - 0.5 / 8))
    # The best of several references.
    assert meteor(["x", "a b"], "a b", synonyms="none") == 1 - 0.5 / 8


def test_undefined_cases() -> None:
    for reference, hypothesis in (("", ""), ("a", ""), ("", "a"), ("a", "b")):
        assert meteor(reference, hypothesis, synonyms="none") == 0
    assert math.isnan(meteor([], [], synonyms="none"))
    assert count_meteor([], [], items=True).per_item("meteor").tolist() == []


def test_a_provider_is_asked_once_for_each_stem() -> None:
    asked: list[str] = []

    def provider(word: str) -> list[str]:
        asked.append(word)
        return []

    count_meteor(["the cats"] * 500, ["a cat THE"] * 500, synonyms=provider)
    assert sorted(asked) == ["a", "cat", "the"]


# -- who says what means the same ------------------------------------------------------------------


def test_without_data_nobody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    use_data(monkeypatch, None)
    assert "stages:exact,stem|synonyms:none|" in count_meteor(["a"], ["a"]).signature
    with pytest.raises(InputError, match=r"install it with: python -m nltk\.downloader wordnet"):
        count_meteor(["a"], ["a"], synonyms="wordnet")


def test_wordnet_where_it_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small_wordnet(tmp_path / "corpora" / "wordnet")
    use_data(monkeypatch, tmp_path)
    items: Items = [(["a dog ran"], "a hound ran"), (["a hunting_dog"], "a hound")]
    refs, hyps = oracle.columns(items)
    from nltk.data import FileSystemPathPointer
    from nltk.translate.meteor_score import meteor_score

    opens = FileSystemPathPointer.open
    with ExitStack() as files:  # nltk's reader leaves its files open
        monkeypatch.setattr(
            FileSystemPathPointer,
            "open",
            lambda *of, **asked: files.enter_context(opens(*of, **asked)),
        )
        for asked in ({}, {"synonyms": "wordnet"}):
            state = count_meteor(refs, hyps, items=True, **asked)
            assert "|stages:exact,stem,synonym|synonyms:wordnet-3.0|" in state.signature
            wanted = [meteor_score([r.split() for r in own], hyp.split()) for own, hyp in items]
            oracle.same(state.per_item("meteor"), wanted)
            assert wanted[0] > meteor(refs[0], hyps[0], synonyms="none")


def use_data(monkeypatch: pytest.MonkeyPatch, folder: Path | None) -> None:
    """nltk's readers look for their data in this folder alone."""
    import nltk
    from nltk.corpus.reader import CorpusReader
    from nltk.corpus.reader.wordnet import WordNetCorpusReader
    from nltk.corpus.util import LazyCorpusLoader

    monkeypatch.setattr(nltk.data, "path", [] if folder is None else [str(folder)])
    other = LazyCorpusLoader("omw-1.4", CorpusReader, [])
    fresh = LazyCorpusLoader("wordnet", WordNetCorpusReader, other)
    monkeypatch.setattr("nltk.corpus.wordnet", fresh)
    monkeypatch.setattr("nltk.translate.meteor_score.wordnet", fresh)
    defaults = sys.modules["nltk.translate.meteor_score"].meteor_score.__defaults__
    changed = tuple(fresh if "orpus" in type(d).__name__ else d for d in defaults)
    monkeypatch.setattr("nltk.translate.meteor_score.meteor_score.__defaults__", changed)


def small_wordnet(folder: Path) -> None:
    """A WordNet of one synset: dog, hound, hunting_dog."""
    folder.mkdir(parents=True)
    parts = ("noun", "verb", "adj", "adv")
    head = "  1 WordNet 3.0 Copyright 2006 by nobody.\n"
    for part in parts:
        (folder / f"data.{part}").write_text(head)
        (folder / f"index.{part}").write_text(head)
        (folder / f"{part}.exc").write_text("")
    (folder / "lexnames").write_text("00\tnoun.all\t1\n")
    for name in ("cntlist.rev", "index.sense"):
        (folder / name).write_text("")
    line = f"{len(head):08d} 00 n 03 dog 0 hound 0 hunting_dog 0 000 | an animal\n"
    (folder / "data.noun").write_text(head + line)
    index = "".join(f"{w} n 1 0 1 0 {len(head):08d}\n" for w in ("dog", "hound", "hunting_dog"))
    (folder / "index.noun").write_text(head + index)


def test_signatures_name_the_provider() -> None:
    def signature(provider: Any) -> str:
        return count_meteor(["a"], ["a"], synonyms=provider).signature

    assert signature("none") == (
        "variant:nltk|stages:exact,stem|synonyms:none|alpha:0.9|beta:3|gamma:0.5"
        "|case:lc|tok:none|normaliser:none"
    )
    one, same, other = {"a": ["b", "c"]}, {"a": ("c", "b", "b")}, {"a": ["b"]}
    assert signature(one) == signature(same) != signature(other)
    assert "synonyms:mapping#" in signature(one)
    assert "synonyms:caption_oracle.Synonyms|" in signature(oracle.Synonyms({}))
    assert "|alpha:0.5|" in count_meteor(["a"], ["a"], alpha=0.5).signature


REFUSED = [
    ({"variant": "2"}, "variant must be one of nltk, 1.5, got '2'"),
    ({"tokenizer": "13a"}, "tokenizer must be one of none, ptb, got '13a'"),
    ({"synonyms": "thesaurus"}, "synonyms must be 'wordnet', 'none', a mapping .* 'thesaurus'"),
    ({"synonyms": {"a": "b"}}, r"synonyms\['a'\] must be a list of words, got 'b'"),
    ({"synonyms": lambda word: "abc"}, "synonyms must give words of 'a' as a list, got 'abc'"),
    ({"synonyms": lambda word: None}, "synonyms must give words of 'a' as a list, got None"),
    ({"alpha": math.nan}, "alpha must be finite, got nan"),
    ({"alpha": "x"}, "alpha must be a number, got 'x'"),
    ({"variant": "1.5", "gamma": 0.1}, "gamma goes with variant 'nltk', not '1.5'"),
    ({"variant": "1.5", "synonyms": "none"}, "synonyms goes with variant 'nltk', not '1.5'"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        count_meteor(["a"], ["a"], **options)


def test_without_nltk_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nltk", "nltk.stem", "nltk.stem.porter", "nltk.corpus"):
        monkeypatch.setitem(sys.modules, name, None)
    _stemmer.cache_clear()
    with pytest.raises(MissingDependency, match=r"pip install 'assay\[text\]'"):
        count_meteor(["a"], ["a"], synonyms="none")


# -- adding ----------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(some, st.data())
def test_parts_add_up(items: Items, data: Any) -> None:
    refs, hyps = oracle.columns(items)
    cut = data.draw(st.integers(0, len(items)))
    ids = np.arange(len(items))
    parts = [
        count_meteor(refs[s], hyps[s], items=True, ids=ids[s])
        for s in (slice(cut, None), slice(0, cut))
    ]
    whole = count_meteor(refs, hyps, items=True)
    assert sum(parts).to_bytes() == whole.to_bytes()
    assert State.from_bytes(whole.to_bytes()).to_bytes() == whole.to_bytes()
    with pytest.raises(MergeError, match="Meteor: synonyms differs"):
        whole + count_meteor(["a"], ["a"], synonyms={}, items=True, ids=[99])


def test_scores_have_intervals_and_are_compared() -> None:
    refs = [[f"a b c d {k % 7}", "a c"] for k in range(60)]
    good = [f"a b c d {k % 7 if k % 5 else 9}" for k in range(60)]
    poor = [f"d a {k % 3} b" for k in range(60)]
    a, b = (count_meteor(refs, hyps, items=True) for hyps in (good, poor))
    found = interval(a, "meteor")
    assert found.low < a["meteor"] < found.high
    assert compare(a, b, "meteor").p_value < 0.05
