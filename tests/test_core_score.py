"""Score and the one flattening of names and tags."""

import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import Score, count_words
from assay.core.errors import InputError
from assay.core.score import flatten, provenance


def score(name: str = "wer", value: float = 0.5, **tags: str) -> Score:
    return Score(name, value, "fraction", "lower", 8, tags)


# the examples of DESIGN §5, and what follows from its rule
KEYS = [
    (score("recall@10", direction="audio_to_text"), "val/", "val/audio_to_text/recall_at_10"),
    (score("macro_f1"), "val_", "val_macro_f1"),
    (score("wer"), "", "wer"),
    # model, stage, split and direction by their values; others by name and value; the fold last
    (
        score("map@5", fold="2", voice="slt", direction="d", split="test", stage="s", model="m"),
        "",
        "m/s/test/d/voice_slt/fold_2/map_at_5",
    ),
    (score(zebra="1", aardvark="2", model="m"), "p/", "p/m/aardvark_2/zebra_1/wer"),
    # what a tracker refuses in a name
    (score(voice="a/b@c#é"), "", "voice_a_b_c_é/wer"),
    (score(voice="a b.c-d:e_f"), "", "voice_a b.c-d:e_f/wer"),
]


@pytest.mark.parametrize(("one", "prefix", "key"), KEYS, ids=[key for *_, key in KEYS])
def test_flat_names(one: Score, prefix: str, key: str) -> None:
    assert one.key(prefix) == key
    assert flatten([one], prefix) == {key: 0.5}


@given(st.permutations(["model", "stage", "split", "direction", "fold", "voice", "age"]))
def test_the_order_of_tags_is_fixed(names: list[str]) -> None:
    tags = {name: name[0] for name in names}
    assert score(**tags).key() == "m/s/s/d/age_a/voice_v/fold_f/wer"


def test_two_scores_of_one_name_are_an_error() -> None:
    with pytest.raises(InputError) as caught:
        flatten([score(), score("mer"), score(value=0.25)], "x/")
    assert str(caught.value) == ("flatten: two scores are named 'x/wer'; tell them apart by a tag")
    with pytest.raises(InputError, match="'voice_a_b/wer'"):
        flatten([score(voice="a/b"), score(voice="a@b")])


def test_flatten_keeps_order_and_values() -> None:
    scores = [score("b", 1), score("a", float("nan")), score("c", 3, fold="1")]
    flat = flatten(iter(scores))
    assert list(flat) == ["b", "a", "fold_1/c"]
    assert flat["b"] == 1
    assert flatten([]) == {}


def test_tags_are_added_once() -> None:
    one = score(fold="1")
    assert one.tagged(model="m", stage="s").tags == {"fold": "1", "model": "m", "stage": "s"}
    assert one.tags == {"fold": "1"}
    with pytest.raises(InputError) as caught:
        one.tagged(model="m", fold="2")
    assert str(caught.value) == "Score: wer has a tag 'fold' already: {'fold': '1'}"


def test_a_score_is_plain_data() -> None:
    data = score(fold="1").as_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["tags"] == {"fold": "1"}
    with pytest.raises(FrozenInstanceError):
        score().value = 1


def test_provenance_names_versions() -> None:
    assert {"assay", "numpy", "numba"} <= set(provenance())
    assert all(version[0].isdigit() for version in provenance().values())


def test_scores_of_a_state_as_a_table() -> None:
    state = count_words(["a b", "c"], ["a", "c"], by={"voice": ["x", None]})
    table = state.to_pandas()
    assert list(table[table["name"] == "wer"]["value"]) == [1 / 3, 0.0, 0.5]
    assert list(table[table["name"] == "wer"]["voice"].fillna("")) == ["", "(none)", "x"]
    html = state._repr_html_()
    assert "<td>wer</td><td>0.333333</td><td>fraction</td>" in html
    escaped = count_words(["a"], ["a"], by={"v": ["<b>&"]})._repr_html_()
    assert "<b>" not in escaped


@pytest.mark.parametrize("name", ["name", "value", "unit", "n", "self"])
def test_columns_of_any_name_can_be_tags(name: str) -> None:
    state = count_words(["a b", "c"], ["a", "c"], by={name: ["x", "y"]})
    tags = [dict(one.tags) for one in state.scores() if one.name == "wer"]
    assert tags == [{}, {name: "x"}, {name: "y"}]
    table = state.to_pandas()
    assert list(table["value"][table["name"] == "wer"]) == [1 / 3, 0.5, 0.0]
    column = name if name == "self" else f"tag_{name}"
    assert list(table[column][table["name"] == "wer"].fillna("")) == ["", "x", "y"]
