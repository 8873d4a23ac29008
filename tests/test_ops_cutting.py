"""Tokenisers against sacrebleu, and the numbers of words against plain Python."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.ops import cutting, ngram, tokens
from assay.ops._token_numbers import number_words
from caption_oracle import CHRF, tokenised
from strategies import LONG, any_text, near_words, sentences, written
from strategies import tokens as token

NAMES = ("13a", "intl", "char", "none")

texts = st.lists(st.one_of(written(), any_text(), sentences(token())), max_size=8)


def cut(name: str, lines: list[str]) -> list[list[str]]:
    found = cutting.tokenizer(name)(tokens.pack(lines))
    return [[word for word in line.split(" ") if word] for line in tokens.strings(found)]


@pytest.mark.parametrize("name", NAMES)
@given(texts)
def test_words_equal_sacrebleu(name: str, lines: list[str]) -> None:
    assert cut(name, lines) == [tokenised(name, line) for line in lines]


@pytest.mark.parametrize("name", NAMES)
def test_code_points_of_all_planes_equal_sacrebleu(name: str) -> None:
    points = [*range(0x250), *range(0x250, sys.maxunicode + 1, 97)]
    lines = [f"a{c}b 1{c}2 {c}{c}.a{c}" for c in map(chr, points)]
    assert cut(name, lines) == [tokenised(name, line) for line in lines]


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("13a", 'Hello, "world": 3.14, 1,000-2. It\'s &quot;x&quot; R&amp;B-x',
         'Hello , " world " : 3.14 , 1,000 - 2 . It\'s " x " R & B-x'),
        ("13a", "&amp;lt; &amp;quot;", "< & quot ;"),
        ("13a", "a..b ...", "a . . b . . ."),
        ("13a", "hyphen-\nated <skipped>x\ny", "hyphenated x y"),
        ("intl", "1,2 a,b €5 x+y 2000.", "1,2 a , b € 5 x + y 2000."),
        ("char", "a b", "a b"),
        ("none", " a,\u00a0b\u2028c ", "a, b c"),
    ],
)  # fmt: skip
def test_cuts_worked_by_hand(name: str, line: str, words: str) -> None:
    assert cut(name, [line]) == [words.split(" ")]


def test_ascii_is_of_the_same_kinds_in_both_tables() -> None:
    assert cutting._kinds_intl().tolist() == cutting._classes_intl()[:128].tolist()


def test_intl_cuts_ascii_without_regex(monkeypatch) -> None:
    monkeypatch.setattr(cutting, "_classes_intl", lambda: pytest.fail("asked for"))
    assert cut("intl", ["a, b."]) == [["a", ",", "b", "."]]


def test_names_that_there_are_not() -> None:
    message = "tokenizer must be one of 13a, intl, char, none, ptb, got 'x'"
    with pytest.raises(InputError, match=message):
        cutting.tokenizer("x")


@given(texts)
def test_marks_equal_sacrebleu(lines: list[str]) -> None:
    found = tokens.strings(cutting.cut_marks(tokens.pack(lines)))
    words = [[word for word in line.split(" ") if word] for line in found]
    assert words == [CHRF()._remove_punctuation(line) for line in lines]
    bare = tokens.strings(cutting.drop_white_space(tokens.pack(lines)))
    assert bare == ["".join(line.split()) for line in lines]


# -- numbers ---------------------------------------------------------------------------------------


def numbered(lines: list[str], every: bool) -> list[list[str]]:
    """Rows as the words that their numbers stand for."""
    text = tokens.pack(lines)
    numbers, ends, places = number_words(text.values, text.offsets, every, np.zeros(0, np.int64))
    data = text.values.tobytes()
    words = [data[a : a + n].decode("utf-8", "surrogatepass") for a, n in places.tolist()]
    assert len(set(words)) == len(words)
    assert [words.index(w) for w in words] == list(range(len(words)))
    return [[words[k] for k in numbers[a:b]] for a, b in pairwise(ends)]


@given(texts)
def test_numbers_stand_for_words(lines: list[str]) -> None:
    assert numbered(lines, True) == [line.split(" ") for line in lines]
    assert numbered(lines, False) == [[w for w in line.split(" ") if w] for line in lines]


def test_numbers_of_near_words_and_of_many() -> None:
    words = [*near_words(), *(f"{LONG}{k}" for k in range(2000)), *map(str, range(3000))]
    lines = [" ".join(words[k : k + 50]) for k in range(0, len(words), 50)] * 2
    assert numbered(lines, False) == [line.split(" ") for line in lines]


@given(st.lists(texts.filter(bool), max_size=5))
def test_numbers_within_items(items: list[list[str]]) -> None:
    check_items(items)


def test_numbers_within_long_items() -> None:
    words = [f"w{k}" for k in range(3000)]
    lines = [" ".join(words[::2]), " ".join(words), "w1 w0"]
    check_items([["a b a", "b"], lines, ["c", "c"], lines[::-1]])


def check_items(items: list[list[str]]) -> None:
    lines = [line for own in items for line in own]
    refs = np.cumsum([0, *(len(own) - 1 for own in items)])
    for every in (False, True):
        rows = ngram.item_rows(tokens.pack(lines), refs, every)
        at = iter(range(len(lines)))
        for own in items:
            split = [[w for w in line.split(" ") if w or every] for line in own]
            first = list(dict.fromkeys(split[0]))
            for words in split:
                r = next(at)
                found = rows.tokens[rows.offsets[r] : rows.offsets[r + 1]].tolist()
                assert found == [first.index(w) if w in first else -1 for w in words]
