"""What tests of compat.jiwer share: sentences, chains of transforms, one call of both packages."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import strategies as st

from assay.compat import jiwer as ours

jiwer = pytest.importorskip("jiwer")

Make = Callable[[Any], Any]  # of the module of either side

MEASURES = ("wer", "mer", "wil", "wip", "cer")
FUNCTIONS = (*MEASURES, "process_words", "process_characters")
PRESETS = tuple(ours.transformations.__all__)

SPACES = (" ", "  ", "\t", " \t", "\n", "\u3000", "\u3000\u3000", "\x85", "\x1c", "\x1c ")


def tokens(*symbols: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(symbols), max_size=14).map("".join)


# Few symbols make ties; odd white space makes odd words.
TEXT = st.one_of(
    tokens("a ", "b "),
    tokens("a ", "b ", "c "),
    tokens("a", "b", *SPACES),
    tokens("It's ", "won't ", "<unk>", "A,", "b. ", "\ud800", "é", "e\u0301", "\0", *SPACES),
    st.text(max_size=12),
)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=5)


def outcome(function: Callable[..., Any], *args: Any) -> tuple[Any, ...]:
    """The value with its types, or the error with its message."""
    try:
        value = function(*args)
    except Exception as error:
        return type(error), str(error)
    return type(value).__name__, repr(value)


def both(name: str, *args: Any, make: Make | None = None) -> None:
    """Both have the same outcome; `make` gives a module's transforms, where not the defaults."""
    results = []
    for module in (ours, jiwer):
        chains = make(module) if make else ()
        results.append(outcome(getattr(module, name), *args, *chains))
    assert results[0] == results[1], name


STEPS = (
    "ExpandCommonEnglishContractions",
    "RemoveEmptyStrings",
    "ReduceToSingleSentence",
    "RemoveKaldiNonWords",
    "RemoveMultipleSpaces",
    "RemovePunctuation",
    "RemoveWhiteSpace",
    "Strip",
    "ToLowerCase",
    "ToUpperCase",
)


def composed(module: Any, names: Iterable[str]) -> Any:
    return module.Compose([getattr(module, name)() for name in names])
