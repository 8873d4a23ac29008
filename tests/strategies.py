"""Hypothesis strategies, and seeded generators for what is too large for them."""

import math
import random
import sys
from collections.abc import Sequence

from hypothesis import strategies as st

ALPHABETS = (1, 2, 3, 5, 50)  # few symbols make ties
SPACES = [chr(c) for c in range(sys.maxunicode + 1) if chr(c).isspace()]
SURROGATES = ("\ud800", "\udbff", "\udc00", "\udfff")

IntPair = tuple[list[int], list[int]]


# -- sequences of small numbers ----------------------------------------------------------------


def sequence_pairs(max_size: int = 30) -> st.SearchStrategy[IntPair]:
    """Two sequences over one small alphabet, drawn symbol by symbol, so that they shrink."""

    def both(size: int) -> st.SearchStrategy[IntPair]:
        row = st.lists(st.integers(0, size - 1), max_size=max_size)
        return st.tuples(row, row)

    return st.sampled_from(ALPHABETS).flatmap(both)


def seeded_pairs(max_size: int = 400) -> st.SearchStrategy[list[IntPair]]:
    """A corpus of related and unrelated sequences of any length up to max_size."""

    def corpus(seed: int, size: int) -> list[IntPair]:
        rng = random.Random(seed)
        return [
            related(rng, size, rng.randrange(max_size + 1), rng.random())
            if rng.random() < 0.7
            else (
                symbols(rng, size, rng.randrange(max_size + 1)),
                symbols(rng, size, rng.randrange(max_size + 1)),
            )
            for _ in range(12)
        ]

    return st.builds(corpus, st.integers(0, 2**32), st.sampled_from(ALPHABETS))


def symbols(rng: random.Random, alphabet: int, size: int) -> list[int]:
    return rng.choices(range(alphabet), k=size)


def edited(rng: random.Random, row: Sequence[int], alphabet: int, rate: float) -> list[int]:
    """A copy with about `rate` errors per symbol, of all three kinds."""
    out: list[int] = []
    for symbol in row:
        if rng.random() >= rate:
            out.append(symbol)
            continue
        kind = rng.randrange(3)
        if kind:
            out.append(rng.randrange(alphabet))  # a substitution, or an insertion
        if kind == 2:
            out.append(symbol)
    return out


def related(rng: random.Random, alphabet: int, size: int, rate: float = 0.1) -> IntPair:
    row = symbols(rng, alphabet, size)
    return row, edited(rng, row, alphabet, rate)


def doubled(rng: random.Random, alphabet: int, times: int, rate: float) -> IntPair:
    """Rows built by appending an edited copy of themselves: repeats at every scale, so ties far
    from the diagonal."""
    ref = hyp = symbols(rng, alphabet, 4)
    for _ in range(times):
        ref = ref + edited(rng, ref, alphabet, rate)
        hyp = hyp + edited(rng, hyp, alphabet, rate)
    return ref, hyp


# -- text ----------------------------------------------------------------------------------------

LONG = "abcdefghijklmnopqrstuvwxyz"


def near_words() -> list[str]:
    """Words around the 8 and 16 bytes that kernels read at a time, that differ in one place."""
    out = []
    for size in (7, 8, 9, 15, 16, 17, 23, 24, 25, 26):
        word = LONG[:size]
        out += [
            word,
            *(word[:at] + "X" + word[at + 1 :] for at in {0, size // 2, size - 1, 7} if at < size),
        ]
        out += [word + "\0", "\0" + word, "é" + word, word[: size // 2] + "é" + word[size // 2 :]]
    return out


WORDS = [
    *("a", "b", "c", "aa", "ab", "abc", "é", "e\u0301", "\u0301", "ß", "SS", "日本", "日", "本"),
    *("\0", "a\0", "a\0\0", "😀", "👩\u200d👩", "\u200b", "\ufeff", "क्षि", "कि", "বাংলা"),
    *SURROGATES,
    *("a\ud800", "\udc00a", "\ud83d\ude00"),
]


def tokens(alphabet: int | None = None) -> st.SearchStrategy[str]:
    """One token, from a small alphabet or from the odd ones."""
    if alphabet is not None:
        return st.integers(0, alphabet - 1).map(lambda k: f"w{k}")
    return st.sampled_from([*WORDS, *near_words()])


def gaps() -> st.SearchStrategy[str]:
    """What stands between words: mostly one space, else any run of white space."""
    odd = st.lists(st.sampled_from(SPACES), min_size=1, max_size=3).map("".join)
    return st.one_of(st.just(" "), st.just(" "), st.just("  "), odd)


def _sentence(words: list[str], gaps: list[str], ends: tuple[str, str]) -> str:
    return ends[0] + "".join(w + g for w, g in zip(words, gaps, strict=False)) + ends[1]


def sentences(word: st.SearchStrategy[str], max_size: int = 12) -> st.SearchStrategy[str]:
    """Words with gaps of all sorts, and white space at the ends now and then."""
    end = st.one_of(st.just(""), st.just(""), gaps())
    return st.builds(
        _sentence,
        st.lists(word, max_size=max_size),
        st.lists(gaps(), min_size=max_size, max_size=max_size),
        st.tuples(end, end),
    )


def any_text(max_size: int = 20) -> st.SearchStrategy[str]:
    """Any code points, lone surrogates and white space among them."""
    character = st.one_of(
        st.characters(),
        st.sampled_from(SPACES),
        st.sampled_from(SURROGATES),
        st.sampled_from("ab \u0301\0"),
    )
    return st.lists(character, max_size=max_size).map("".join)


def text_pairs(max_pairs: int = 6) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Small corpora: sentences over small vocabularies (ties), odd words, and any text."""
    choices = [sentences(tokens(size)) for size in ALPHABETS]
    kind = st.one_of(*choices, sentences(tokens()), any_text())
    return st.lists(st.tuples(kind, kind), max_size=max_pairs)


def token_rows(max_size: int = 8) -> st.SearchStrategy[list[str]]:
    """Rows of tokens: empty ones, ones with white space or control characters inside."""
    token = st.one_of(tokens(2), tokens(), st.sampled_from(["", " ", "a b", *SPACES]), any_text(3))
    return st.lists(token, max_size=max_size)


# -- rankings --------------------------------------------------------------------------------------

ITEMS = [*"abcdefgh", "a10", "a9", "é", "日本"]
Judged = tuple[dict[str, float] | list[str], dict[str, int]]


def scored(max_size: int = 9) -> st.SearchStrategy[dict[str, float]]:
    """Items with scores that float32 holds too: many ties, close ones, negative ones."""
    score = st.one_of(
        st.integers(-2, 2).map(float),
        st.sampled_from([1.0, 1.0 + 2**-20, 1e-30, -1e-30, 2.0**100, 0.0]),
        st.floats(-1, 1, width=32),
    )
    return st.dictionaries(st.sampled_from(ITEMS), score, max_size=max_size)


def judgements(lowest: int = -1) -> st.SearchStrategy[dict[str, int]]:
    """Items with gains, some of them not relevant, some not judged (below 0)."""
    gain = st.one_of(st.just(1), st.integers(lowest, 3))
    return st.dictionaries(st.sampled_from(ITEMS), gain, max_size=8)


def judged_rankings(max_size: int = 9) -> st.SearchStrategy[Judged]:
    """The ranking of one query, with scores or in order, and what was judged for it."""
    order = st.lists(st.sampled_from(ITEMS), max_size=max_size, unique=True)
    return st.tuples(st.one_of(scored(max_size), order), judgements())


# -- captions --------------------------------------------------------------------------------------

MARKS = [
    *".,-&;<>'\"()1 \n\t", "&amp;", "&quot;", "&lt;", "<skipped>", "-\n", "1,2", "3.", "a", "b.",
    "é", "…", "€", "½", "٣", "ⅷ", "«", "\u2028", "\u00a0",
]  # fmt: skip


def written(max_size: int = 15) -> st.SearchStrategy[str]:
    """Text with punctuation, numbers and symbols, as tokenisers meet them."""
    return st.lists(st.sampled_from(MARKS), max_size=max_size).map("".join)


def captions(
    text: st.SearchStrategy[str] | None = None, max_items: int = 6, most: int = 4
) -> st.SearchStrategy[list[tuple[list[str], str]]]:
    """Items of one to `most` references and a hypothesis: of small vocabularies, which repeat and
    match, of odd words, of punctuation, or of any text."""
    kinds = [sentences(tokens(size)) for size in (1, 2, 3, 5)]
    text = st.one_of(*kinds, sentences(tokens()), written(), any_text()) if text is None else text
    refs = st.lists(text, min_size=1, max_size=most)
    return st.lists(st.tuples(refs, text), max_size=max_items)


# -- numbers -------------------------------------------------------------------------------------


def numbers() -> st.SearchStrategy[float]:
    """Numbers of all sizes, some of them special."""
    odd = st.sampled_from([0.0, -0.0, 5e-324, 1e308, -1e308, math.inf, -math.inf, math.nan])
    return st.one_of(st.floats(-10, 10), st.floats(-1e30, 1e30), odd)


def logits(max_items: int = 12) -> st.SearchStrategy[list[tuple[list[float], list[float], int]]]:
    """Rows of logits of a student and of a teacher, and the class of each; a few are -inf."""
    one = st.floats(-20, 20) | st.sampled_from([0.0, 1.0, 1e4])
    row = st.tuples(one, st.just(-math.inf) | one, one).map(list)
    return st.lists(st.tuples(row, row, st.integers(0, 2)), max_size=max_items)
