"""The normalisers of whisper-normalizer, by name: its results, each string once, in any thread."""

import sys
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from assay import count_chars, count_rouge_l, count_words
from assay.core.errors import MissingDependency
from assay.ops import normalise
from assay.ops.normalise import resolve
from assay.ops.tokens import pack, strings
from cli_kit import CLIPS, records, transcripts
from strategies import any_text

PACKAGE = {"whisper-basic": BasicTextNormalizer(), "whisper-english": EnglishTextNormalizer()}
SAID = st.lists(
    st.sampled_from(
        ["Mr.", "twenty", "one", "$5", "colour", "can't", "[noise]", "(uh)", "um", "£2.50", "1,000",
         "and", "a", "half", "percent", "oh", "double", "é", "नमस्ते", "'", "per", "cent"]
    ),
    max_size=8,
).map(" ".join)  # fmt: skip


def lines(name, texts):
    return strings(resolve(name)[0](pack(texts)))


@pytest.mark.parametrize("name", PACKAGE)
@settings(max_examples=300)
@given(texts=st.lists(st.one_of(SAID, any_text()), max_size=4))
def test_the_results_of_the_package(name, texts):
    assert lines(name, texts) == [PACKAGE[name](text) for text in texts]


@pytest.mark.parametrize("name", PACKAGE)
def test_counts_and_the_command_line(name):
    clips = records(CLIPS)
    refs, hyps = ([clip[side] for clip in clips] for side in ("reference", "hypothesis_8k"))
    plain = [[PACKAGE[name](text) for text in side] for side in (refs, hyps)]
    for count in (count_words, count_chars, count_rouge_l):
        assert count(refs, hyps, normalise=name).total_scores()[0].value == (
            count(*plain).total_scores()[0].value
        )
    done = transcripts(CLIPS, "--hypothesis", "hypothesis_8k", "--normalise", name, "--json")
    assert done.values[("wer",)] == count_words(*plain).wer
    assert f"|normaliser:{name}-" in done.out


def counted(name, calls):
    """A normaliser of the name that writes down what it is called with."""
    known = normalise._Known()

    def function(line):
        calls.append(line)
        return PACKAGE[name](line)

    return lambda text: strings(normalise._apply(function, known, text))


def test_each_distinct_string_once():
    calls = []
    apply = counted("whisper-basic", calls)
    texts = ["A b", "c", "A b", ""]
    assert apply(pack(texts)) == apply(pack(texts)) == ["a b", "c", "a b", ""]
    assert calls == ["A b", "c", ""]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(normalise, "MOST_KNOWN", 40)
    known = normalise._Known()
    for number in range(100):
        known[f"line {number:05}"] = "x" * 10
        assert sum(len(a) + len(b) for a, b in known.items()) <= 40
    known["x" * 100] = ""
    assert known == {"x" * 100: ""}


def test_threads_at_once():
    texts = [f"Twenty {number} colours, can't you?" for number in range(400)]
    wanted = [PACKAGE["whisper-english"](text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: lines("whisper-english", texts), range(8)))
    assert found == [wanted] * 8


def test_without_the_package():
    normalise._whisper.cache_clear()
    absent = dict.fromkeys(
        [name for name in sys.modules if name.startswith("whisper_normalizer")]
        + ["whisper_normalizer", "whisper_normalizer.basic"]
    )
    with (
        patch.dict(sys.modules, absent),
        pytest.raises(
            MissingDependency,
            match=r"whisper_normalizer is not installed; .*: pip install 'assay\[text\]'",
        ),
    ):
        count_words(["a"], ["a"], normalise="whisper-basic")
