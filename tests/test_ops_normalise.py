"""Normalisers: `basic` against its definition, and functions of the caller."""

import random
import sys
import unicodedata
from collections import Counter
from importlib import metadata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import Ragged, align, count_words
from assay.core.errors import InputError
from assay.ops.normalise import NAMED, basic, resolve
from assay.ops.reference import normalise_basic
from assay.ops.tokens import pack, rows, strings
from strategies import any_text, sentences, tokens

TEXTS = st.lists(
    st.one_of(any_text(), sentences(tokens()), st.text("aA'’.\n \tÉéﬁΣσς-—", max_size=12)),
    max_size=6,
)


def lines(texts: list[str]) -> list[str]:
    return strings(basic(pack(texts)))


@pytest.mark.parametrize("behind", ["", "x" * 64])  # which lets 64 bytes be read at once
@settings(max_examples=200)
@given(texts=TEXTS)
def test_basic_equals_its_definition(behind: str, texts: list[str]) -> None:
    assert lines([*texts, behind]) == [normalise_basic(text) for text in [*texts, behind]]


@settings(max_examples=200)
@given(st.lists(st.text("aZ5 \t,'’é\x00", max_size=150), max_size=4))
def test_long_rows_that_are_nearly_ascii(texts: list[str]) -> None:
    assert lines(texts) == [normalise_basic(text) for text in texts]


def test_room_for_bytes_that_are_no_utf8() -> None:
    # An Arrow column may hold them; each becomes the two bytes of a code point.
    values = np.full(1 << 20, 0x80, np.uint8)
    values.flags.writeable = False
    assert strings(basic(Ragged(values, np.array([0, 1 << 20])))) == ["\x80" * (1 << 20)]


@given(TEXTS)
def test_basic_goes_row_by_row(texts: list[str]) -> None:
    once = lines(texts)
    assert [lines([text])[0] for text in texts] == once
    packed = pack(["x é", *texts, "y"])
    inner = rows(packed, 1, 1 + len(texts), "texts")
    assert strings(basic(inner)) == once
    assert strings(basic(packed.rows(1, 1 + len(texts)))) == once


EVERY = sys.maxunicode + 1


@pytest.mark.parametrize(
    ("around", "points"),
    [("{}", EVERY), ("a{}b", EVERY), ("x {}", 0x3100), ("A'{}", 0x3100), ("{}\u0301", 0x3100)],
)
def test_basic_on_every_code_point(around: str, points: int) -> None:
    texts = [around.format(chr(point)) for point in range(points)]
    wrong = [
        (text, ours)
        for text, ours in zip(texts, lines(texts), strict=True)
        if ours != normalise_basic(text)
    ]
    assert wrong == []


def compositions() -> list[tuple[str, str, str]]:
    """(whole, first, second) of every canonical decomposition."""
    parts = {chr(c): unicodedata.decomposition(chr(c)) for c in range(sys.maxunicode + 1)}
    split = {c: p.split() for c, p in parts.items() if p and p[0] != "<"}
    return [(c, *(chr(int(x, 16)) for x in p)) for c, p in split.items() if len(p) == 2]


MARKS = "\u0301\u0323\u0327\u0345\u0334\u05b0\u093c\u09be\u0e38\u3099\u0338\U0001e944"


def test_basic_composes_as_unicode_does() -> None:
    texts = []
    for whole, first, second in compositions():
        texts += [first + second, f"x{first}{second}", whole + second, second + first, f"x{second}"]
        texts += [f"{first} {second}", f"{first}'{second}", f"{first.upper()}{second}."]
        for mark in MARKS:
            texts += [first + mark + second, first + second + mark, whole + mark]
    assert len(texts) > 10_000
    wrong = [t for t, ours in zip(texts, lines(texts), strict=True) if ours != normalise_basic(t)]
    assert wrong == []


def test_basic_on_mixtures_of_what_composes() -> None:
    rng = random.Random(1)
    used = sorted({c for parts in compositions() for c in parts})
    used += [*MARKS * 20, *"ΣσςΑaA'’ .-\u1100\u1161\u11a8\uac00\u200d" * 20]
    texts = ["".join(rng.choices(used, k=rng.randrange(1, 6))) for _ in range(40_000)]
    wrong = [t for t, ours in zip(texts, lines(texts), strict=True) if ours != normalise_basic(t)]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Don’t   STOP—now!", "don't stop now"),
        ("ﬁne, 5 €", "fine 5"),
        ("rock 'n' roll's", "rock n roll's"),
        ("a''b 'a' b'", "a b a b"),
        ("ＡＢＣ１２", "abc12"),
        ("ΟΔΟΣ. ΟΔΟΣ", "οδος οδος"),
        ("one\ntwo\u2028three\x85four", "one two three four"),
        ("x\u00a0y\u3000z", "x y z"),
        ("co-op e.g. 3.5", "co op e g 3 5"),
        ("", ""),
        ("...", ""),
        ("İ", "i\u0307"),
        # vowel signs and other marks of Devanagari, Bengali, Tamil and Thai stay
        ("कि क्षि हिन्दी।", "कि क्षि हिन्दी"),
        ("বাংলা ভাষা", "বাংলা ভাষা"),
        ("தமிழ்", "தமிழ்"),
        ("ที่นี่", "ที่นี่"),
        ("e\u0301", "é"),
        ("\ud800 A", "\ud800 a"),
    ],
)
def test_basic_by_hand(text: str, expected: str) -> None:
    assert lines([text]) == [expected] == [normalise_basic(text)]


def test_marks_that_mean_something_stay() -> None:
    marks = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) in ("Mc", "Mn")]
    kept = [
        m for m in marks if unicodedata.normalize("NFKC", "क" + m).lower() in lines(["क" + m])[0]
    ]
    assert kept == marks


def test_a_function_sees_each_string_once() -> None:
    seen: Counter[str] = Counter()

    def lower(text: str) -> str:
        seen[text] += 1
        return text.lower()

    refs = [f"Line {k % 10}" for k in range(10_000)]
    state = count_words(refs, ["line 3"] * len(refs), normalise=lower)
    assert state.hits == 10_000 + 1000
    assert set(seen) == {*refs, "line 3"}
    assert set(seen.values()) == {1}
    found = align(refs[:3], refs[:3], normalise=lower)
    assert found.tokens(2) == (["line", "2"], ["line", "2"])


def test_a_function_may_change_the_number_of_words() -> None:
    state = count_words(
        ["two words", ""], ["two", "x"], normalise=lambda t: t.replace(" ", "") + "é"
    )
    assert (state.hits, state.substitutions) == (0, 2)


def test_what_a_function_returns_is_checked() -> None:
    with pytest.raises(InputError) as caught:
        count_words(["a b", "c"], ["a", "c"], normalise=str.split)
    assert str(caught.value) == "normalise must return a string, got ['a', 'b'] for 'a b'"


class Folder:
    def __call__(self, text: str) -> str:
        return text.casefold()


def test_names_in_signatures() -> None:
    names = {name: resolve(name)[1] for name in NAMED}
    version = metadata.version("whisper_normalizer")
    assert names == {
        "none": "none",
        "basic": "basic-1",
        "whisper-basic": f"whisper-basic-{version}",
        "whisper-english": f"whisper-english-{version}",
    }
    assert resolve("none")[0] is None
    assert resolve(unicodedata.normalize)[1] == "unicodedata.normalize"
    assert resolve(str.lower)[1].endswith("str.lower")
    assert resolve(Folder())[1].endswith("Folder")
    assert resolve(normalise_basic)[1] == "assay.ops.reference.normalise_basic"
