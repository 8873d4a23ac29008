"""compat.evaluate's bleu, against the definition of the script that evaluate runs."""

import math
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import caption_oracle
from assay import count_bleu
from assay.compat import evaluate
from assay.core.errors import InputError

KEYS = ["bleu", "precisions", "brevity_penalty", "length_ratio", "translation_length",
        "reference_length"]  # fmt: skip
TOKENS = st.lists(
    st.sampled_from(["a", "b", "cat", "the", "3.5,", "it's", "x-y", "9-", "&amp;", "é", "don't."]),
    max_size=9,
)
ITEMS = st.lists(
    st.tuples(st.lists(TOKENS.map(" ".join), min_size=1, max_size=4), TOKENS.map(" ".join)),
    min_size=1, max_size=4,
)  # fmt: skip


def grams(words, n):
    return Counter(zip(*(words[i:] for i in range(n)), strict=False))


def truth(items, cut, order, smooth):
    """By sets of n-grams; None where lengths of zero would be divided by."""
    more = int(smooth)
    right, there = [0] * order, [0] * order
    own_length = others_length = 0
    for refs, hyp in items:
        refs, hyp = [cut(ref) for ref in refs], cut(hyp)
        own_length += len(hyp)
        others_length += min(map(len, refs))
        for n in range(1, order + 1):
            most = Counter()
            for ref in refs:
                most |= grams(ref, n)
            right[n - 1] += sum((grams(hyp, n) & most).values())
            there[n - 1] += sum(grams(hyp, n).values())
    if not own_length or not others_length:
        return None
    precisions = [(r + more) / (t + more) if t + more else 0.0
                  for r, t in zip(right, there, strict=True)]  # fmt: skip
    ratio = own_length / others_length
    brevity = 1.0 if ratio > 1 else math.exp(1 - 1 / ratio)
    mean = math.prod(precisions) ** (1 / order)
    return [mean * brevity, precisions, brevity, ratio, own_length, others_length]


@given(items=ITEMS, order=st.integers(1, 5), smooth=st.booleans())
def test_all_values_of_any_corpus(items, order, smooth):
    refs, hyps = caption_oracle.columns(items)
    found = evaluate.load("bleu").compute(
        predictions=hyps, references=refs, max_order=order, smooth=smooth
    )
    assert list(found) == KEYS
    wanted = truth(items, lambda line: caption_oracle.tokenised("13a", line), order, smooth)
    if wanted is not None:
        for value, expected in zip(found.values(), wanted, strict=True):
            assert value == pytest.approx(expected, rel=1e-9)
            assert type(value) is type(expected)
    single = count_bleu(refs, hyps, variant="nmt", items=True).per_item("bleu")
    for value, item in zip(single.tolist(), items, strict=True):
        alone = truth([item], lambda line: caption_oracle.tokenised("13a", line), 4, False)
        if alone is not None:
            assert value == pytest.approx(alone[0], rel=1e-9)


def test_a_case_by_hand():
    found = evaluate.load("bleu").compute(
        predictions=["hello there general kenobi", "foo bar foobar"],
        references=[["hello there general kenobi", "hello there!"], ["foo bar foobar"]],
    )
    assert found["bleu"] == 1.0
    assert found["precisions"] == [1.0] * 4
    assert found["length_ratio"] == 7 / 6  # of the shortest references
    assert (found["translation_length"], found["reference_length"]) == (7, 6)


def test_other_tokenizers_and_items_one_by_one():
    def cut(text):
        return re.findall(r"\w+ ?", text)  # tokens with spaces in them

    bleu = evaluate.load("bleu")
    bleu.add(prediction="a b c d e", reference="a b c d")
    bleu.add(prediction="x y", reference="x z")
    found = bleu.compute(tokenizer=cut)
    items = [(["a b c d"], "a b c d e"), (["x z"], "x y")]
    for value, expected in zip(found.values(), truth(items, cut, 4, False), strict=True):
        assert value == pytest.approx(expected)


def test_lines_within_a_text_are_joined_as_evaluate_does():
    bleu = evaluate.load("bleu")
    found = bleu.compute(predictions=["a co-\nmma b-\n"], references=["a comma b"], max_order=1)
    assert found["bleu"] == 1.0


def test_no_words_at_all():
    bleu = evaluate.load("bleu")
    found = bleu.compute(predictions=[""], references=[["a"]])
    assert (found["bleu"], found["brevity_penalty"], found["length_ratio"]) == (0, 0, 0)
    found = bleu.compute(predictions=["a"], references=[""])
    assert (found["bleu"], found["length_ratio"]) == (0, math.inf)
    assert math.isnan(bleu.compute(predictions=[""], references=[""])["length_ratio"])


def test_beside_other_metrics_and_bad_input():
    both = evaluate.combine(["bleu", "wer"]).compute(
        predictions=["a b c d"], references=["a b c d"]
    )
    assert (both["bleu"], both["wer"]) == (1.0, 0.0)
    for references, message in (
        ([["a", 3]], r"reference\[0\]\[1\] must be a string"),
        ([[]], r"reference\[0\] has no references"),
        ([7], "references must be a list, array or tensor, got int"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate.load("bleu").compute(predictions=["a"], references=references)
    with pytest.raises(InputError, match="max_order must be a whole number of at least 1, got 0"):
        evaluate.load("bleu").compute(predictions=["a"], references=["a"], max_order=0)
