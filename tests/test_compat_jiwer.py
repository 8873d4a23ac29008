"""jiwer's functions: values, types, errors, records, and the caller's own transforms."""

import copy
import dataclasses
import gc
import pickle
import random
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.compat import jiwer as ours
from assay.compat.jiwer import _engine, process
from assay.metrics import words

jiwer = pytest.importorskip("jiwer")

Make = Callable[[Any], Any]

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
    """`make` gives the transforms of either module; without it the defaults are used."""
    results = []
    for module in (ours, jiwer):
        chains = make(module) if make else ()
        results.append(outcome(getattr(module, name), *args, *chains))
    assert results[0] == results[1], name


@given(pairs=PAIRS)
@settings(deadline=None, max_examples=200)
def test_functions_on_lists(pairs: list[tuple[str, str]]) -> None:
    refs, hyps = [r for r, _ in pairs], [h for _, h in pairs]
    for name in FUNCTIONS:
        both(name, refs, hyps)
        both(name, refs, hyps[:-1])


@given(reference=TEXT, hypothesis=TEXT)
@settings(deadline=None, max_examples=100)
def test_functions_on_strings(reference: str, hypothesis: str) -> None:
    for name in FUNCTIONS:
        both(name, reference, hypothesis)
        both(name, reference, [hypothesis])
        both(name, [reference], hypothesis)


@pytest.mark.parametrize("name", ["mer", "wer", "process_characters", "process_words"])
@given(ref=st.sampled_from(PRESETS), hyp=st.sampled_from(PRESETS), pairs=PAIRS, cut=st.booleans())
@settings(deadline=None, max_examples=150)
def test_presets_in_any_pair(
    name: str, ref: str, hyp: str, pairs: list[tuple[str, str]], cut: bool
) -> None:
    refs, hyps = [r for r, _ in pairs], [h for _, h in pairs][cut:]
    both(name, refs, hyps, make=lambda module: (getattr(module, ref), getattr(module, hyp)))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("preset", ["wer_default", "cer_default"])
def test_each_function_with_chains_of_either_unit(name: str, preset: str) -> None:
    chains = lambda module: (getattr(module, preset), getattr(module, preset))  # noqa: E731
    both(name, ["the cat sat", "on it"], ["the cat sat down", "or"], make=chains)


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
CHAIN = st.tuples(
    st.lists(st.sampled_from(STEPS), max_size=4),
    st.sampled_from(["ReduceToListOfListOfWords", "ReduceToListOfListOfChars", "Strip"]),
).map(lambda parts: [*parts[0], parts[1]])


def composed(module: Any, names: list[str]) -> Any:
    return module.Compose([getattr(module, name)() for name in names])


@given(ref=CHAIN, hyp=CHAIN, same=st.booleans(), pairs=PAIRS)
@settings(deadline=None, max_examples=300)
def test_composed_chains(
    ref: list[str], hyp: list[str], same: bool, pairs: list[tuple[str, str]]
) -> None:
    refs, hyps = [r for r, _ in pairs], [h for _, h in pairs]
    for name in ("wer", "process_words"):
        both(
            name,
            refs,
            hyps,
            make=lambda module: (composed(module, ref), composed(module, ref if same else hyp)),
        )


BAD: list[Any] = [
    None,
    ("a", "b"),
    b"bytes",
    5,
    1.5,
    {"a"},
    {"a": "b"},
    np.array(["a", "b"]),
    pd.Series(["a", "b"]),
    [1],
    [None],
    [float("nan")],
    [b"a b"],
    [["a", "b"]],
    [[]],
    [["a"], "b"],
    ["a", 1],
    ["a", None],
    ["a", ["b"]],
    ["a", b"b"],
    ["a", np.nan],
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_bad_input(name: str, bad: Any) -> None:
    good = ["a", "b"][: len(bad) if isinstance(bad, list) else 2]
    for args in ((bad, good), (good, bad), (bad, bad), (bad, None), (bad, "a"), ("a", bad)):
        both(name, *args)
        for preset in PRESETS:
            both(name, *args, make=lambda module, p=preset: (getattr(module, p),) * 2)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_missing_arguments(name: str) -> None:
    both(name)
    both(name, "a")
    assert outcome(getattr(ours, name), ["a"], ["a", "b"])[0] is ValueError


def test_strings_of_a_subclass_are_strings() -> None:
    refs, hyps = [np.str_("a b"), np.str_("c")], [np.str_("a"), np.str_("c d")]
    for name in FUNCTIONS:
        both(name, refs, hyps)


@pytest.mark.parametrize(
    ("reference", "hypothesis"),
    [("", ""), ("", "a b"), ("a b", ""), ([], []), (["", ""], ["", "x"]), (["", "a"], ["x", ""])],
)
def test_empty_sides_and_their_types(reference: Any, hypothesis: Any) -> None:
    for name in MEASURES:
        our, their = (getattr(m, name)(reference, hypothesis) for m in (ours, jiwer))
        assert (type(our), our) == (type(their), their)
    our, their = (m.process_words(reference, hypothesis) for m in (ours, jiwer))
    assert {k: type(v) for k, v in vars(our).items()} == {
        k: type(v) for k, v in vars(their).items()
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("equal", 0, 1, 0, 1),
        ("replace", 0, 1, 0, 1),
        ("substitute", 0, 1, 0, 1),
        ("insert", 2, 1, 0, 1),
        ("delete", 0, 1, 3, 1),
        ("delete", 4, 1, 3, 1),
        ("swap", 0, 1, 0, 1),
        (None, 0, 1, 0, 1),
        ("equal", 0, 1),
    ],
)
def test_alignment_chunk(arguments: tuple[Any, ...]) -> None:
    our, their = (outcome(m.AlignmentChunk, *arguments) for m in (ours, jiwer))
    assert our == their


# -- the records -------------------------------------------------------------------------------


def fresh(module: Any) -> tuple[Any, Any]:
    sides = ["the cat sat", "", "a b"], ["a cat", "x", "a b"]
    return module.process_words(*sides), module.process_characters(*sides)


USES: list[Callable[[Any], Any]] = [
    repr,
    dataclasses.asdict,
    dataclasses.astuple,
    lambda out: sorted(vars(out).items()),
    lambda out: sorted(out.__dict__),
    copy.copy,
    copy.deepcopy,
    lambda out: pickle.loads(pickle.dumps(out)),
    lambda out: dataclasses.replace(out, hits=0),
    lambda out: type(out)(*dataclasses.astuple(out)),
    lambda out: out == out,
    lambda out: out == 3,
    lambda out: out.missing,
    lambda out: [type(getattr(out, f.name)).__name__ for f in dataclasses.fields(out)],
    hash,
    lambda out: (setattr(out, "alignments", []), out),
    lambda out: (setattr(out, "extra", 1), out.extra, sorted(vars(out))),
    lambda out: [hasattr(out, name) for name in ("alignments", "cer", "wer", "references", "x")],
    lambda out: (out.references, delattr(out, "references"), hasattr(out, "references")),
]


@pytest.mark.parametrize("use", range(len(USES)))
def test_records_behave_as_plain_dataclasses(use: int) -> None:
    for our, their in zip(fresh(ours), fresh(jiwer), strict=True):
        assert outcome(USES[use], our) == outcome(USES[use], their)


def test_fields_stand_in_jiwers_order() -> None:
    for name in ("process_words", "process_characters"):
        outputs = [getattr(module, name)("a b", "a") for module in (ours, jiwer)]
        assert list(vars(outputs[0])) == list(vars(outputs[1]))


def test_records_compare() -> None:
    a, b = fresh(ours)[0], fresh(ours)[0]
    assert a == b
    assert pickle.loads(pickle.dumps(a)) == b
    b.alignments[0].pop()
    assert a != b


def test_lists_are_built_once_and_from_the_sentences_given() -> None:
    refs, hyps = ["a b", "c"], ["a", "c d"]
    out = ours.process_words(refs, hyps)
    refs[0], hyps[:] = "changed", []
    assert out.references is out.references
    out.references[0].append("mine")
    assert out.references == [["a", "b", "mine"], ["c"]]
    assert out.alignments is out.alignments
    assert repr(out.alignments) == repr(jiwer.process_words(["a b", "c"], ["a", "c d"]).alignments)
    assert type(out.alignments) is type(out.alignments[0]) is type(out.references[0]) is list


def test_a_transform_changed_afterwards_changes_nothing() -> None:
    chain = composed(ours, ["ToLowerCase", "ReduceToListOfListOfWords"])
    out = ours.process_words("A B", "a", chain, chain)
    chain.transforms[-1].word_delimiter = "b"
    chain.transforms.clear()
    assert out.references == [["a", "b"]]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_cycle_collector_is_left_as_it_was(enabled: bool) -> None:
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        assert ours.process_words("a b", "a").alignments
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_lists_of_the_callers_transform_are_the_outputs() -> None:
    refs, hyps = [["a", "", "b c"]], [["b c", ""]]
    expected = jiwer.process_words("x", "y", lambda _: copy.deepcopy(refs), lambda _: hyps)
    out = ours.process_words("x", "y", lambda _: refs, lambda _: hyps)
    assert out.references is refs
    assert out.hypotheses is hyps
    refs[0].clear()  # the alignment is of the tokens as they were
    assert repr(out.alignments) == repr(expected.alignments)


def test_two_threads_see_one_list() -> None:
    out = ours.process_words(["a b c"] * 2000, ["a c"] * 2000)
    barrier = threading.Barrier(4)
    seen: list[Any] = []

    def look() -> None:
        barrier.wait()
        seen.append((out.alignments, out.references))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(id(a), id(r)) for a, r in seen} == {(id(out.alignments), id(out.references))}


# -- which way the sentences go ----------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, type, int]]:
    """What the engine was asked: function, type of the first item, number of items."""
    seen: list[tuple[str, type, int]] = []

    def spied(name: str) -> Callable[..., Any]:
        def call(refs: Any, hyps: Any, *options: Any) -> Any:
            seen.append((name, type(refs[0]) if refs else object, len(refs)))
            return getattr(words, name)(refs, hyps, *options)

        return call

    names = ("wer", "cer", "count_words", "count_chars", "align")
    engine = types.SimpleNamespace(**{n: spied(n) for n in names})
    for module in (_engine, process):
        monkeypatch.setattr(module, "words", engine)
    return seen


def rebuilt_default(module: Any) -> Any:
    return composed(module, ["RemoveMultipleSpaces", "Strip", "ReduceToListOfListOfWords"])


def nested_default(module: Any) -> Any:
    inner = composed(module, ["Strip", "RemoveMultipleSpaces"])
    return module.Compose([inner, module.ReduceToListOfListOfWords()])


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.wer_default,
        rebuilt_default,
        nested_default,
        lambda m: m.wer_standardize,
        lambda m: composed(m, ["ToLowerCase", "RemovePunctuation", "ReduceToListOfListOfWords"]),
        lambda m: m.ReduceToListOfListOfWords(),
    ],
)
def test_standard_word_chains_leave_the_splitting_to_the_kernel(make: Make, calls: Any) -> None:
    refs, hyps = ["It's so, a  TEST. "] * 3, ["its a test"] * 3
    chain = make(ours)
    value = ours.wer(refs, hyps, chain, chain)
    assert calls == [("wer", str, 3)]
    assert value == jiwer.wer(refs, hyps, make(jiwer), make(jiwer))


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.cer_default,
        lambda m: composed(m, ["RemoveWhiteSpace", "ReduceToListOfListOfChars"]),
        lambda m: composed(m, ["ToLowerCase", "Strip", "Strip", "ReduceToListOfListOfChars"]),
    ],
)
def test_standard_character_chains_too(make: Make, calls: Any) -> None:
    refs, hyps = ["It's so, a  TEST. "] * 3, ["its a test"] * 3
    chain = make(ours)
    value = ours.cer(refs, hyps, chain, chain)
    assert calls == [("cer", str, 3)]
    assert value == jiwer.cer(refs, hyps, make(jiwer), make(jiwer))


def test_outputs_align_only_when_looked_at(calls: Any) -> None:
    out = ours.process_words(["a b"] * 3, ["a"] * 3)
    assert out.wer == 0.5
    assert calls == [("count_words", str, 3)]
    assert len(out.alignments) == 3
    assert calls[1:] == [("align", str, 3)]


def delimiter(module: Any) -> Any:
    return module.Compose([module.Strip(), module.ReduceToListOfListOfWords("-")])


def changed_later(module: Any) -> Any:
    chain = rebuilt_default(module)
    chain.transforms[-1].word_delimiter = "a"
    return chain


def patched_instance(module: Any) -> Any:
    chain = rebuilt_default(module)
    chain.transforms[1].process_string = str.upper
    return chain


def subclassed(module: Any) -> Any:
    class Words(module.ReduceToListOfListOfWords):
        def process_string(self, s: str) -> list[list[str]]:
            return [[*super().process_string(s)[0], "end"]]

    return module.Compose([module.RemoveMultipleSpaces(), module.Strip(), Words()])


def own_call(module: Any) -> Any:
    class Chain(module.Compose):
        def __call__(self, text: Any) -> Any:
            return [[*words, "end"] for words in super().__call__(text)]

    return Chain(rebuilt_default(module).transforms)


@pytest.mark.parametrize("make", [delimiter, changed_later, patched_instance, subclassed, own_call])
def test_changed_chains_do_not(make: Make, calls: Any) -> None:
    refs, hyps = ["b-a xa b", "a\tb  a"], ["b-ab", "xa b"]
    for name in FUNCTIONS:
        both(name, refs, hyps, make=lambda module: (make(module), make(module)))
        both(name, refs, hyps, make=lambda module: (make(module),))
    assert calls
    assert {kind for _, kind, _ in calls} == {list}


def test_a_changed_preset_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ours, jiwer):
        steps = [module.ToLowerCase(), *module.wer_default.transforms]
        monkeypatch.setattr(module.wer_default, "transforms", steps)
    assert ours.wer("A b", "a b") == jiwer.wer("A b", "a b") == 0


# -- the caller's own transforms ---------------------------------------------------------------


def spying(module: Any, log: list[Any], tag: str, kind: str) -> Any:
    """A transform that notes its calls: by string, by list, as a function, with an error."""

    class OnStrings(module.AbstractTransform):
        def process_string(self, s: str) -> str:
            log.append((tag, "string", repr(s)))
            return s.replace("a", "bb")

    class OnLists(module.AbstractTransform):
        def process_list(self, inp: list[str]) -> list[str]:
            log.append((tag, "list", repr(inp)))
            inp.append("more")  # the list is the transform's to change
            return inp[::-1]

    def function(sentences: Any) -> Any:
        log.append((tag, "function", repr(sentences)))
        return [s.title() for s in sentences]

    def failing(sentences: Any) -> Any:
        log.append((tag, "failing", repr(sentences)))
        raise KeyError(tag)

    def to_string(sentences: Any) -> str:
        log.append((tag, "to_string", repr(sentences)))
        return " ".join(sentences)

    made = {"string": OnStrings, "list": OnLists}
    return made[kind]() if kind in made else locals()[kind]


KINDS = ("string", "list", "function", "failing", "to_string")
SPIED = st.lists(st.sampled_from([*STEPS, *(f"spy {kind}" for kind in KINDS)]), max_size=5)
SPIED_TAIL = st.sampled_from(
    ["ReduceToListOfListOfWords", "ReduceToListOfListOfChars", "spy function", "Strip"]
)


@given(
    ref=st.tuples(SPIED, SPIED_TAIL).map(lambda t: [*t[0], t[1]]),
    hyp=st.tuples(SPIED, SPIED_TAIL).map(lambda t: [*t[0], t[1]]),
    same=st.booleans(),
    name=st.sampled_from(["wer", "wil", "cer", "process_words"]),
    sentences=st.tuples(*[st.lists(TEXT | st.sampled_from(["a", None, 1]), max_size=4)] * 2),
)
@settings(deadline=None, max_examples=300)
def test_own_transforms_are_called_as_jiwer_calls_them(
    ref: list[str], hyp: list[str], same: bool, name: str, sentences: tuple[list[Any], list[Any]]
) -> None:
    results = []
    for module in (ours, jiwer):
        log: list[Any] = []

        def chain(names: list[str], tag: str, module: Any = module, log: list[Any] = log) -> Any:
            return module.Compose(
                [
                    spying(module, log, f"{tag}{i}", step.split()[1])
                    if step.startswith("spy")
                    else getattr(module, step)()
                    for i, step in enumerate(names)
                ]
            )

        first = chain(ref, "ref")
        second = first if same else chain(hyp, "hyp")
        given_lists = [[*side] for side in sentences]
        result = outcome(getattr(module, name), *given_lists, first, second)
        results.append((result, log, given_lists))
    assert results[0] == results[1]


def test_a_transform_may_change_a_list_that_both_sides_share() -> None:
    def emptied(sentences: list[str]) -> list[list[str]]:
        sentences[:] = ["changed"] * len(sentences)
        return [["a"]] * len(sentences)

    for first, second in ((None, emptied), (emptied, None)):
        shared = [["a b", "c"] for _ in range(2)]
        results = [
            outcome(m.process_words, s, s, first or m.wer_default, second or m.wer_default)
            for m, s in zip((ours, jiwer), shared, strict=True)
        ]
        assert results[0] == results[1]
        assert shared[0] == shared[1]


@pytest.mark.parametrize(
    "returned", [None, "a b", ["a"], [["a"], "b"], [["a", 1]], (("a",),), [], [[]]]
)
def test_what_a_transform_must_return(returned: Any) -> None:
    for name in FUNCTIONS:
        both(name, "a", "a", make=lambda module: (lambda _: returned,))
        both(name, "a", "a", make=lambda module: (lambda _: [["a"]], lambda _: returned))
        both(name, "a", "a", make=lambda module: (lambda _: returned, lambda _: returned))


# -- large and many ----------------------------------------------------------------------------


def test_many_pairs() -> None:
    rng = random.Random(3)
    vocabulary = [f"w{i}" for i in range(300)] + ["It's", "don't,", "<unk>", "é", "\ta", ""]

    def sentence() -> str:
        return " ".join(rng.choices(vocabulary, k=rng.randrange(30)))

    refs = [sentence() for _ in range(2500)]
    hyps = [" ".join(w for w in r.split(" ") if rng.random() > 0.1) + " end" for r in refs]
    for name in FUNCTIONS:
        both(name, refs, hyps)
    for preset in ("wer_standardize", "wer_contiguous"):
        both("process_words", refs, hyps, make=lambda m, p=preset: (getattr(m, p),) * 2)


def test_a_pair_that_rapidfuzz_divides() -> None:
    rng = random.Random(5)
    ref = " ".join(rng.choices("abcde", k=2300))
    hyp = " ".join(rng.choices("abcde", k=2200))
    both("process_words", ref, hyp)
    both("process_words", ref, hyp, make=lambda m: (m.ReduceToListOfListOfWords("\n"),) * 2)
    both("process_words", ref, hyp, make=lambda m: (lambda x: [x[0].split()],) * 2)
