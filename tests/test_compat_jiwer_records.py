"""What jiwer's functions return: records like its own, whose lists are built when looked at."""

import copy
import dataclasses
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jiwer_kit import composed, jiwer, ours, outcome


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


def fresh(module: Any) -> tuple[Any, Any]:
    sides = ["the cat sat", "", "a b"], ["a cat", "x", "a b"]
    return module.process_words(*sides), module.process_characters(*sides)


USES: dict[str, Callable[[Any], Any]] = {
    "repr": repr,
    "asdict": dataclasses.asdict,
    "astuple": dataclasses.astuple,
    "vars": lambda out: sorted(vars(out).items()),
    "__dict__": lambda out: sorted(out.__dict__),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda out: pickle.loads(pickle.dumps(out)),
    "replace": lambda out: dataclasses.replace(out, hits=0),
    "made anew": lambda out: type(out)(*dataclasses.astuple(out)),
    "equal to itself": lambda out: out == out,
    "equal to a number": lambda out: out == 3,
    "no such field": lambda out: out.missing,
    "types": lambda out: [type(getattr(out, f.name)).__name__ for f in dataclasses.fields(out)],
    "hash": hash,
    "set": lambda out: (setattr(out, "alignments", []), out),
    "set another": lambda out: (setattr(out, "extra", 1), out.extra, sorted(vars(out))),
    "hasattr": lambda out: [
        hasattr(out, n) for n in ("alignments", "cer", "wer", "references", "x")
    ],
    "delattr": lambda out: (out.references, delattr(out, "references"), hasattr(out, "references")),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_records_behave_as_plain_dataclasses(use: Callable[[Any], Any]) -> None:
    for our, their in zip(fresh(ours), fresh(jiwer), strict=True):
        assert outcome(use, our) == outcome(use, their)


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
