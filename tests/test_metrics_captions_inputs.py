"""What caption metrics take, what they refuse, and what undefined cases give."""

import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from assay import (
    bleu,
    chrf,
    cider,
    count_bleu,
    count_chrf,
    count_cider,
    count_document_frequency,
    count_meteor,
    count_rouge_l,
    count_ter,
    meteor,
    rouge_l,
    spider,
    ter,
)
from assay.core.errors import InputError, MergeError

REFS = [["the cat sat on the mat", "a cat sat"], ["é dog ran off."], ["", "so it was", "it was"]]
HYPS = ["the cat sat on a mat", "a dog ran off", "it was so"]
ONE_LINERS = (bleu, chrf, rouge_l, meteor, ter, cider)
COUNTS = (count_bleu, count_chrf, count_rouge_l, count_meteor, count_ter)


def lists(kind: pa.DataType) -> pa.Array:
    return pa.array(REFS, kind)


COLUMNS = {
    "lists": (REFS, HYPS),
    "tuples and arrays": ([tuple(REFS[0]), np.array(REFS[1]), REFS[2]], tuple(HYPS)),
    "arrow": (lists(pa.list_(pa.string())), pa.array(HYPS)),
    "arrow, large": (lists(pa.large_list(pa.large_string())), pa.array(HYPS, pa.large_string())),
    "arrow, chunked": (
        pa.chunked_array([lists(pa.list_(pa.string()))[:1], lists(pa.list_(pa.string()))[1:]]),
        pa.chunked_array([HYPS[:2], HYPS[2:]]),
    ),
    "arrow, sliced": (
        pa.array([["x"], *REFS, ["y"]])[1:-1],
        pa.array(["x", *HYPS, "y"])[1:-1],
    ),
    "arrow, dictionary": (REFS, pa.array(HYPS).dictionary_encode()),
    "pandas": (pd.Series(REFS), pd.Series(HYPS)),
    "polars": (pl.Series(REFS), pl.Series(HYPS)),
}


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
def test_columns_of_all_kinds(columns: tuple[Any, Any]) -> None:
    for metric in ONE_LINERS:
        assert metric(*columns) == metric(REFS, HYPS)
    assert count_document_frequency(columns[0]).digest == count_document_frequency(REFS).digest


def test_a_reference_each_is_a_list_of_one() -> None:
    single = [own[0] for own in REFS]
    for data in (single, pa.array(single), pd.Series(single), pa.array([[r] for r in single])):
        for metric in ONE_LINERS:
            assert metric(data, HYPS) == metric([[ref] for ref in single], HYPS)
    assert bleu([REFS[0], "é dog ran off."], HYPS[:2]) == bleu(REFS[:2], HYPS[:2])
    fixed = pa.array([["a b", "c"], ["d", "e"]], pa.list_(pa.string(), 2))
    assert chrf(fixed, ["a", "e"]) == chrf([["a b", "c"], ["d", "e"]], ["a", "e"])


def test_a_string_is_a_corpus_of_one() -> None:
    for metric in (bleu, chrf, rouge_l, meteor, ter):
        assert metric("a b c d", "a b c") == metric([["a b c d"]], ["a b c"])
        assert metric(["a b c d", "a"], "a b c") == metric([["a b c d", "a"]], ["a b c"])


def test_normalisers_come_before_tokenisers() -> None:
    refs, hyps = [["The Cat, sat.", "A CAT"]], ["the cat, SAT."]
    assert chrf(refs, hyps, normalise=str.lower) == 100
    assert rouge_l(refs, ["the cat sat"], normalise="basic") == 1
    assert bleu(refs, hyps, max_order=2) < bleu(refs, hyps, max_order=2, normalise=str.lower)
    state = count_bleu(refs, hyps, normalise="basic")
    assert state.signature.endswith("normaliser:basic-1")


# -- undefined cases -----------------------------------------------------------------------------


def test_no_items() -> None:
    df = count_document_frequency(["a"])
    for metric in (*ONE_LINERS, lambda a, b: cider(a, b, df=df)):
        assert math.isnan(metric([], []))
    for count in COUNTS:
        state = count([], [], items=True)
        assert math.isnan(state.total_scores()[0].value)
        assert state.total_scores()[0].n == 0
        assert state.per_item(state.name).tolist() == []


@pytest.mark.parametrize("variant", ["sacrebleu", "coco", "nltk"])
def test_empty_texts(variant: str) -> None:
    assert bleu("a b", "", variant=variant) == 0
    assert math.isclose(bleu("", "a b", variant=variant), 0, abs_tol=1e-9)
    assert chrf("", "") == chrf("a", "") == chrf("", "a") == 0
    assert rouge_l("a", "") == rouge_l("", "a") == 0
    assert rouge_l("", "") == 1  # one empty word each, as pycocoevalcap splits them
    assert cider([["a b"], ["c"]], ["", "c"]) == cider([["a b"], ["c"]], ["x", "c"])
    assert cider([[""], [""]], ["a", "b"]) == 0


def test_cider_of_one_item_is_zero() -> None:
    assert cider(["a b c d"], ["a b c d"]) == cider("a b c d", "a b c d") == 0


def test_an_ngram_that_no_document_has_weighs_as_one_of_a_single_document() -> None:
    df = count_document_frequency([["a b"], ["c"], ["c"]])
    found = count_cider([["x", "b"]], ["x"], df=df)["cider"]
    assert math.isclose(found, 10 / 4 / 2)


# -- refusals ------------------------------------------------------------------------------------

REFUSED = [
    ((["a"], ["a", "b"]), {}, "reference and hypothesis must have the same length, got 1 and 2"),
    (([["a"], []], ["a", "b"]), {}, r"reference\[1\] has no references \(1 of 2 have none\)"),
    (([["a"], ["b", None]], ["a", "b"]), {}, r"reference\[1\]\[1\] must be a string, got None"),
    (([["a"], None], ["a", "b"]), {}, r"reference\[1\] must be a string or a list of strings"),
    ((["a", None], ["a", "b"]), {}, r"reference\[1\] must be a string, got None"),
    (([["a"], ["b"]], ["a", 1]), {}, r"hypothesis\[1\] must be a string, got 1"),
    (([[["a"]]], [["a"]]), {}, r"reference\[0\]\[0\] must be a string, got \['a'\]"),
    ((pa.array([["a"], None]), ["a", "b"]), {}, r"reference\[1\] is null"),
    ((pa.array([["a"], ["b", None]]), ["a", "b"]), {}, r"reference\[1\] holds a null \(1 "),
    (("ab", ["a", "b"]), {}, "reference must be a list of strings or a column, got str"),
    ((["a"], ["a"]), {"by": ["x"]}, "by must be a mapping of names to columns, got list"),
    ((["a"], ["a"]), {"ids": [1]}, "ids go with items=True"),
    ((["a"], ["a"]), {"normalise": "x"}, r"normalise must be one of none, basic"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "options", "message"), REFUSED)
def test_refusals_of_all(columns: tuple[Any, Any], options: dict[str, Any], message: str) -> None:
    df = count_document_frequency(["a"])
    for count in COUNTS:
        with pytest.raises(InputError, match=message):
            count(*columns, **options)
    with pytest.raises(InputError, match=message):
        count_cider(*columns, df=df, **options)


OPTIONS = [
    ({"variant": "x"}, "variant must be one of sacrebleu, coco, nltk, nmt, got 'x'"),
    ({"tokenizer": "x"}, "tokenizer must be one of 13a, intl, char, none, ptb, got 'x'"),
    ({"smoothing": "method1"}, "smoothing must be one of exp, floor, add-k, none"),
    ({"smoothing_value": 1}, "smoothing_value goes with a method that has one, not 'exp'"),
    ({"smoothing": "floor", "smoothing_value": "1"}, "smoothing_value must be a number"),
    ({"smoothing": "floor", "smoothing_value": -1}, "at least 0 and finite, got -1"),
    ({"smoothing": "floor", "smoothing_value": math.nan}, "at least 0 and finite, got nan"),
    ({"effective_order": "no"}, "effective_order must be True or False, got 'no'"),
    ({"max_order": 0}, "max_order must be a whole number of at least 1, got 0"),
    ({"variant": "coco", "effective_order": True}, "goes with variant 'sacrebleu', not 'coco'"),
    ({"variant": "nltk", "smoothing": "method6", "max_order": 2}, "a max_order of at least 3"),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS)
def test_refusals_of_bleu(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        count_bleu(["a"], ["a"], **options)


def test_other_refusals() -> None:
    with pytest.raises(InputError, match="char_order must be a whole number of at least 1"):
        count_chrf(["a"], ["a"], char_order=0)
    with pytest.raises(InputError, match="beta must be at least 0 and finite, got inf"):
        count_chrf(["a"], ["a"], beta=math.inf)
    with pytest.raises(InputError, match="beta must be at least 0 and finite, got -1"):
        count_chrf(["a"], ["a"], beta=-1)
    with pytest.raises(InputError, match="whitespace must be True or False, got 1"):
        count_chrf(["a"], ["a"], whitespace=1)
    with pytest.raises(InputError, match=r"df must be what count_document_frequency\(\) gives"):
        count_cider(["a"], ["a"], df={"a": 1})
    with pytest.raises(InputError, match="df has no documents"):
        count_cider(["a"], ["a"], df=count_document_frequency([]))
    lowered = count_document_frequency(["a"], normalise="basic")
    with pytest.raises(InputError, match="df was counted with normalise 'basic-1'"):
        count_cider(["a"], ["a"], df=lowered)
    with pytest.raises(InputError, match="cider and spice must have the same length, got 1 and 2"):
        spider([1.0], [1.0, 2.0])
    with pytest.raises(InputError, match="spice must be finite or nan, got an infinity"):
        spider([1.0], [-math.inf])
    assert math.isnan(spider([1.0], [math.nan]))
    with pytest.raises(InputError, match="spice must be numbers"):
        spider([1.0], ["a"])
    state = count_bleu(["a"], ["a"])
    with pytest.raises(InputError, match="count with items=True"):
        state.per_item("bleu")
    with pytest.raises(InputError, match="no column 'chrf'; there are"):
        count_bleu(["a"], ["a"], items=True).per_item("chrf")
    with pytest.raises(InputError, match="no interval of 'bleu_reference_tokens'"):
        count_bleu(["a"], ["a"], items=True).resampling("bleu_reference_tokens")


def test_other_definitions_do_not_add() -> None:
    with pytest.raises(MergeError, match="BleuCounts: tokenizer differs: '13a' and 'char'"):
        count_bleu(["a"], ["a"]) + count_bleu(["a"], ["a"], tokenizer="char")
    with pytest.raises(MergeError, match="ChrfCounts: beta differs"):
        count_chrf(["a"], ["a"]) + count_chrf(["a"], ["a"], beta=1)
    one, two = (count_document_frequency(refs) for refs in (["a"], ["b"]))
    with pytest.raises(MergeError, match="Cider: df differs"):
        count_cider(["a"], ["a"], df=one) + count_cider(["a"], ["a"], df=two)


def test_signatures_name_everything() -> None:
    state = count_bleu(["a"], ["a"], smoothing="floor", smoothing_value=0.2, effective_order=True)
    assert state.total_scores()[0].signature == (
        "bleu|variant:sacrebleu|tok:13a|smooth:floor[0.2]|eff:yes|order:4|length:closest"
        "|normaliser:none"
    )
    assert count_chrf(["a"], ["a"], word_order=2).signature == (
        "eff:yes|nc:6|nw:2|space:no|beta:2|reference:best|normaliser:none"
    )
    assert count_rouge_l(["a"], ["a"]).signature == (
        "variant:coco|beta:1.2|tok:space|normaliser:none"
    )
    df = count_document_frequency(["a", "b"])
    assert count_cider(["a"], ["a"], df=df).signature == (
        f"variant:coco-d|order:4|sigma:6|tok:none|documents:2|df:{df.digest}|normaliser:none"
    )
    sizes = {score.name: score.value for score in df.total_scores()}
    assert sizes == {"documents": 2, "ngrams": 2}
