"""Transforms and presets: jiwer's results on any text, alone, in chains, on strings and lists."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.compat import jiwer as ours
from assay.compat.jiwer import _lines

jiwer = pytest.importorskip("jiwer")
tr = pytest.importorskip("jiwer.transforms")

# Pieces that transforms turn on, meet at the ends of lines, or use inside.
PIECES = (
    *"abtnlswoneE .,'!-_[]<>\0\1",
    *(
        "  ",
        "\t",
        "\n",
        "\x0b",
        "\x1c",
        "\x1f",
        "\x85",
        "\xa0",
        "\u2003",
        "\u3000",
        "\u200b",
        "\u180e",
    ),
    *(
        "Σ",
        "ΑΣ",
        "σ",
        "ß",
        "İ",
        "ı",
        "ŉ",
        "é",
        "e\u0301",
        "\u00ad",
        "語",
        "。",
        "¿",
        "😀",
        "\ud800",
    ),
    *("won't", "can't", "let's", "n't", "'re", "'s", "'d", "'ll", "'t", "'ve", "'m", "'llet's"),
    *("<unk>", "[laugh]", "<a]", "the", "foo", "foobar", "a.b", "long stretch of plain words"),
)
TEXT = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=20)
LINES = st.lists(TEXT, max_size=8)

WORDS = st.dictionaries(
    st.sampled_from(
        ["a", "foo", "n't", "the", ".", "a.b", "foobar", "aa", "Σ", "語", "", "\0", "a b"]
    ),
    st.sampled_from(["", " ", "x", "foo bar", r"\g<0>!", r"\1", r"\\", "\0", "the"]),
    max_size=4,
)
REGEXES = st.dictionaries(
    st.sampled_from(
        [r"a+", r"\s", r"^", r"$", r"(\w)o", r".", r"\bfoo\b", r"[", r"(?i)A", r"$^|\Z"]
    ),
    st.sampled_from(["", "x", r"\1", r"\g<0>\g<0>", "\0"]),
    max_size=3,
)
TOKENS = st.lists(st.sampled_from(["a", "o", "fo", "oo", " ", "\0", "", "'", "語"]), max_size=4)
SETS = st.sets(st.sampled_from("abo語.' \0"), max_size=6)

Make = Callable[[Any], Any]  # from the module of either side


def one(name: str, *args: Any) -> Make:
    def make(module: Any) -> Any:
        return getattr(module, name)(*args)

    make.__qualname__ = f"{name}{args}"
    return make


SIMPLE = [
    one("ExpandCommonEnglishContractions"),
    one("RemoveEmptyStrings"),
    one("ReduceToSingleSentence"),
    one("ReduceToSingleSentence", "-"),
    one("RemoveKaldiNonWords"),
    one("RemoveMultipleSpaces"),
    one("RemovePunctuation"),
    one("RemoveWhiteSpace"),
    one("RemoveWhiteSpace", True),
    one("RemoveSpecificWords", ["the", "a", "n't"]),
    one("Strip"),
    one("ToLowerCase"),
    one("ToUpperCase"),
]
TAILS = [
    one("ReduceToListOfListOfWords"),
    one("ReduceToListOfListOfWords", "-"),
    one("ReduceToListOfListOfWords", ""),
    one("ReduceToListOfListOfWords", None),
    one("ReduceToListOfListOfChars"),
]
PRESETS = list(ours.transformations.__all__)

STEP = st.one_of(
    st.sampled_from(SIMPLE),
    WORDS.map(lambda words: one("SubstituteWords", words)),
    REGEXES.map(lambda regexes: one("SubstituteRegexes", regexes)),
)


def outcome(function: Callable[..., Any], *args: Any) -> tuple[Any, ...]:
    """The value with its types, or the error with its message."""
    try:
        value = function(*args)
    except Exception as error:
        return type(error), str(error)
    return type(value), repr(value)


def both(make: Make, sentences: Any) -> None:
    assert outcome(make(ours), sentences) == outcome(make(jiwer), sentences)


@pytest.mark.parametrize("make", [*SIMPLE, *TAILS], ids=lambda make: make.__qualname__)
@given(lines=LINES)
@settings(deadline=None, max_examples=60)
def test_each_transform(make: Make, lines: list[str]) -> None:
    both(make, lines)
    both(make, "".join(lines))


@pytest.mark.parametrize("name", PRESETS)
@given(lines=LINES)
@settings(deadline=None, max_examples=60)
def test_each_preset(name: str, lines: list[str]) -> None:
    both(lambda module: getattr(module, name), lines)
    both(lambda module: getattr(module, name), " ".join(lines))


@given(words=WORDS, regexes=REGEXES, lines=LINES)
@settings(deadline=None, max_examples=200)
def test_substitutions(words: dict[str, str], regexes: dict[str, str], lines: list[str]) -> None:
    for sentences in (lines, "".join(lines)):
        both(one("SubstituteWords", words), sentences)
        both(one("SubstituteRegexes", regexes), sentences)
        both(one("RemoveSpecificWords", [*words]), sentences)


@given(
    tokens=TOKENS | SETS | SETS.map(frozenset),
    new=st.sampled_from(["", " ", "a", "ao", "\0"]),
    lines=LINES,
)
@settings(deadline=None, max_examples=200)
def test_base_remove_transform(tokens: Any, new: str, lines: list[str]) -> None:
    for sentences in (lines, "".join(lines)):
        assert outcome(ours.transforms.BaseRemoveTransform(tokens, new), sentences) == outcome(
            tr.BaseRemoveTransform(tokens, new), sentences
        )


def test_tokens_from_a_generator_are_used_up_by_the_first_sentence() -> None:
    for module in (ours.transforms, tr):
        transform = module.BaseRemoveTransform((c for c in "ab"), "-")
        assert transform(["ab", "ab"]) == ["--", "ab"]


@given(steps=st.lists(STEP, max_size=6), tail=st.sampled_from([*TAILS, None]), lines=LINES)
@settings(deadline=None, max_examples=300)
def test_chains(steps: list[Make], tail: Make | None, lines: list[str]) -> None:
    makes = [*steps, tail] if tail else steps

    def chain(module: Any) -> Any:
        return module.Compose([make(module) for make in makes])

    both(chain, lines)
    both(chain, "".join(lines))


def test_more_lines_than_one_chunk() -> None:
    lines = [f"Line {i}  isn't <b> the\t{'语' * (i % 3 == 0)} END. " for i in range(2500)]
    lines[700] = "one \0 with  a NUL, won't"
    for make in SIMPLE:
        both(make, lines)
    for name in PRESETS:
        both(lambda module, name=name: getattr(module, name), lines)


@given(text=st.lists(st.sampled_from(PIECES), min_size=40, max_size=150).map("".join))
@settings(deadline=None, max_examples=300)
def test_contractions_in_a_long_text(text: str) -> None:
    both(one("ExpandCommonEnglishContractions"), text)
    text = text.replace("\1", "").replace("won", "'")
    both(one("ExpandCommonEnglishContractions"), [text, text])


def test_the_white_space_tables_are_pythons() -> None:
    everything = [chr(c) for c in range(0x110000)]
    spaces = {c for c in everything if c.isspace()}
    assert spaces == {" ", *_lines._OTHER_SPACES}
    assert {c for c in spaces if c.isascii()} == {" ", *_lines._ASCII_SPACES}
    # what the joining rests on
    assert not _lines.SEPARATOR.isspace()
    assert not _lines.SEPARATOR.isalnum()
    assert {c for c in everything if "\0" in c.lower() + c.upper()} == {"\0"}


BAD: list[Any] = [
    None,
    ("a", "b"),
    b"bytes",
    5,
    {"a"},
    {"a": "b"},
    [1],
    [None],
    [b"a b"],
    [["a", "b"]],
    ["a", 1],
    ["a  b", None],
    ["it's", ["a"]],
    [1.5, "a"],
]


@pytest.mark.parametrize("sentences", BAD, ids=repr)
@pytest.mark.parametrize(
    "make", [*SIMPLE, *TAILS, one("SubstituteWords", {"a": "b"})], ids=lambda m: m.__qualname__
)
def test_bad_input_of_each_transform(make: Make, sentences: Any) -> None:
    both(make, sentences)


@pytest.mark.parametrize("sentences", BAD, ids=repr)
@pytest.mark.parametrize("name", PRESETS)
def test_bad_input_of_each_preset(name: str, sentences: Any) -> None:
    both(lambda module: getattr(module, name), sentences)


def test_an_abstract_transform_does_nothing_itself() -> None:
    both(one("AbstractTransform"), "a")
    both(one("AbstractTransform"), ["a"])
    both(one("AbstractTransform"), [])
    assert ours.RemoveSpecificWords([]).process_list(("a",)) == ["a"]  # any iterable of strings
    assert ours.ToLowerCase().process_list(c for c in "AB") == ["a", "b"]


def changed_word_delimiter(module: Any) -> Any:
    chain = module.Compose(
        [module.RemoveMultipleSpaces(), module.Strip(), module.ReduceToListOfListOfWords()]
    )
    chain.transforms[2].word_delimiter = "a"
    return chain


def kept_apostrophes(module: Any) -> Any:
    transform = module.RemovePunctuation()
    transform.tokens_to_remove = transform.tokens_to_remove - {"'"}
    return transform


def other_token(module: Any) -> Any:
    transform = module.RemovePunctuation()
    transform.replace_token = "()"
    return transform


def method_of_the_instance(module: Any) -> Any:
    transform = module.ToLowerCase()
    transform.process_string = lambda s: f"<{s}>"
    return module.Compose([transform, module.RemovePunctuation()])


def subclass_of_ours(module: Any) -> Any:
    class Loud(module.ToUpperCase):
        def process_string(self, s: str) -> str:
            return super().process_string(s) + "!"

    return module.Compose([module.Strip(), Loud(), module.ReduceToListOfListOfWords()])


def subclass_of_the_tail(module: Any) -> Any:
    class Twice(module.ReduceToListOfListOfWords):
        def process_string(self, s: str) -> Any:
            return [super().process_string(s)[0] * 2]

    return module.Compose([module.RemoveMultipleSpaces(), module.Strip(), Twice()])


def chain_class(module: Any) -> Any:
    class Chain(module.Compose):
        def __init__(self) -> None:
            super().__init__([module.Strip(), module.ToLowerCase()])

    return module.Compose([Chain(), module.Compose([]), module.ReduceToListOfListOfWords()])


def chain_class_with_call(module: Any) -> Any:
    class Chain(module.Compose):
        def __call__(self, text: Any) -> Any:
            return [f"{line}?" for line in super().__call__(text)]

    return Chain([module.Strip(), module.ToLowerCase()])


def plain_functions(module: Any) -> Any:
    return module.Compose([module.Strip(), lambda lines: lines[::-1], sorted, module.ToUpperCase()])


CHANGED = [
    changed_word_delimiter,
    kept_apostrophes,
    other_token,
    method_of_the_instance,
    subclass_of_ours,
    subclass_of_the_tail,
    chain_class,
    chain_class_with_call,
    plain_functions,
]


@pytest.mark.parametrize("make", CHANGED, ids=lambda make: make.__name__)
@given(lines=LINES)
@settings(deadline=None, max_examples=30)
def test_changed_transforms(make: Make, lines: list[str]) -> None:
    both(make, lines)


@pytest.mark.parametrize("method", ["process_string", "process_list", "__call__"])
def test_a_patched_class_is_honoured(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ours, jiwer):
        monkeypatch.setattr(
            module.Strip,
            method,
            lambda self, s: ["patched  x"] if method != "process_string" else "patched",
        )
    both(lambda module: module.wer_default, [" a b "])
    assert outcome(ours.wer, [" a b "], ["a b"]) == outcome(jiwer.wer, [" a b "], ["a b"])


def test_the_punctuation_set_is_shared_as_in_jiwer() -> None:
    for module in (ours, jiwer):
        punctuation = module.RemovePunctuation().tokens_to_remove
        punctuation.discard("'")
        try:
            assert module.RemovePunctuation()(["it's.", "語。"]) == ["it's", "語"]
            assert module.RemovePunctuation()("it's.") == "it's"
        finally:
            punctuation.add("'")
    assert ours.RemovePunctuation().tokens_to_remove == jiwer.RemovePunctuation().tokens_to_remove
