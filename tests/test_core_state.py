"""State: how each kind of field merges, and how states travel as bytes."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import EditCounts, Score, State, count_ranks, count_words
from assay.core import state_bytes as module
from assay.core.errors import MergeError, StateFormatError
from assay.core.state import fixed, grouped, keyed, listed, peak, pooled, summed


@dataclass(frozen=True, eq=False)
class AllKinds(State):
    """One field of every kind."""

    count: int = summed()
    bins: Any = summed()
    labels: Mapping[Any, int] = keyed()
    most: float | None = peak()
    rows: Any = listed("id", "value")
    groups: Mapping[Any, "AllKinds"] = grouped()
    by: tuple[str, ...] | None = fixed()
    rule: Any = fixed()

    def total_scores(self) -> list[Score]:
        return [Score("count", self.count, "items", "higher", self.count)]


@dataclass(frozen=True, eq=False)
class Unscored(State):
    count: int = summed()


@dataclass(frozen=True, eq=False)
class Pool(State):
    values: Mapping[Any, Any] = pooled()


KEYS = st.one_of(
    st.text(max_size=3),
    st.integers(-5, 2**40),
    st.tuples(st.one_of(st.none(), st.text(max_size=2)), st.text(max_size=2)),
    st.sampled_from(["\ud800", "1", 1, ("1",), (1,)]),
)
COUNTS = st.integers(0, 2**40)


@st.composite
def states(draw: Any, ids: tuple[int, ...] = (), nested: bool = True) -> AllKinds:
    """A state whose rows carry the given ids."""
    rows = [[i, draw(st.integers(-9, 9))] for i in ids]
    groups = {}
    if nested:
        for key in draw(st.lists(st.sampled_from("xyz"), max_size=3, unique=True)):
            groups[key,] = draw(states(nested=False))
    return AllKinds(
        count=draw(COUNTS),
        bins=np.array(draw(st.lists(COUNTS, min_size=3, max_size=3)), np.int64),
        labels=draw(st.dictionaries(KEYS, COUNTS, max_size=4)),
        most=draw(st.one_of(st.none(), st.floats(-9, 9))),
        rows=np.array(rows, np.int64).reshape(-1, 2),
        groups=groups,
        by=("g",) if nested else (),
        rule=draw(st.sampled_from([None, "exact"])),
    )


@st.composite
def three_states(draw: Any) -> list[AllKinds]:
    ids = draw(st.lists(st.integers(-(2**62), 2**62), max_size=9, unique=True))
    a, b = sorted(draw(st.tuples(st.integers(0, 9), st.integers(0, 9))))
    return [draw(states(tuple(part))) for part in (ids[:a], ids[a:b], ids[b:])]


# -- the laws of every field kind ----------------------------------------------------------------


@given(three_states())
def test_addition_is_associative_and_commutative(parts: list[AllKinds]) -> None:
    a, b, c = parts
    whole = sum(parts)
    assert isinstance(whole, AllKinds)
    for other in ((a + b) + c, a + (b + c), c + b + a, sum([b, a, c]), sum([b, c], a)):
        assert other.to_bytes() == whole.to_bytes()


@given(three_states())
def test_zero_is_neutral(parts: list[AllKinds]) -> None:
    for zero in (AllKinds.zero(), AllKinds.zero(by=("g",))):
        for part in parts:
            assert (zero + part).to_bytes() == part.to_bytes() == (part + zero).to_bytes()


@given(three_states())
def test_bytes_and_arrays_round_trip(parts: list[AllKinds]) -> None:
    for one in (*parts, sum(parts), AllKinds.zero()):
        for again in (
            AllKinds.from_bytes(one.to_bytes()),
            State.from_bytes(one.to_bytes()),
            AllKinds.from_arrays(one.to_arrays()),
            pickle.loads(pickle.dumps(one)),
        ):
            assert again.to_bytes() == one.to_bytes()
            assert again.labels == one.labels
            assert again.most == one.most
            assert (again.rule, again.by, again.count) == (one.rule, one.by, one.count)
            assert set(again.groups) == set(one.groups)
        assert (AllKinds.from_bytes(one.to_bytes()) + AllKinds.zero()).to_bytes() == one.to_bytes()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2)), max_size=9), st.data())
def test_rows_of_one_item_are_put_in_order(rows: list[tuple[int, int]], data: Any) -> None:
    # An item may have several rows, which all stand in one state.
    def state(chosen: list[tuple[int, int]]) -> AllKinds:
        return AllKinds(rows=np.array(chosen, np.int64).reshape(-1, 2))

    whole = state(rows)
    assert whole.to_arrays()["rows"].tolist() == sorted(map(list, rows))
    shuffled = data.draw(st.permutations(rows))
    split = data.draw(st.integers(0, 4))
    parts = [[r for r in shuffled if r[0] < split], [r for r in shuffled if r[0] >= split]]
    for merged in (
        state(shuffled),
        state(parts[0]) + state(parts[1]),
        sum(map(state, parts[::-1])),
    ):
        assert merged.to_bytes() == whole.to_bytes()
    if rows:
        with pytest.raises(MergeError, match=r"^AllKinds: rows have item ids in common"):
            whole + state(rows[:1])


@given(three_states())
def test_adding_changes_neither_side(parts: list[AllKinds]) -> None:
    before = [part.to_bytes() for part in parts]
    sum(parts)
    assert [part.to_bytes() for part in parts] == before


def test_peaks() -> None:
    def most(*values: float | None) -> float | None:
        return sum(AllKinds(most=value) for value in values).most

    assert most(1, 3, 2) == 3
    assert most(None, None) is None
    assert most(None, -1.5) == most(-1.5, None) == -1.5
    assert AllKinds.from_bytes(AllKinds(most=7).to_bytes()).most == 7
    assert isinstance(AllKinds.from_bytes(AllKinds(most=7).to_bytes()).most, int)


def test_rows_are_in_order_of_their_ids_when_written() -> None:
    rows = [np.array([[i, -i]]) for i in (5, -3, 2**60, 0)]
    whole = sum(AllKinds(rows=row) for row in rows)
    assert whole.to_arrays()["rows"].tolist() == [[-3, 3], [0, 0], [5, -5], [2**60, -(2**60)]]


def test_zeros_of_either_sign_have_the_same_bytes() -> None:
    a, b = (np.array([0.0, sign * 0.0]) for sign in (1, -1))
    expected = Pool({"x": np.zeros(4)}).to_bytes()
    for both in ((a, a), (b, a), (a, b), (b[::-1], b)):
        assert sum(Pool({"x": one}) for one in both).to_bytes() == expected


# -- what does not add ---------------------------------------------------------------------------


def test_differing_definitions() -> None:
    with pytest.raises(MergeError) as caught:
        AllKinds(rule="exact") + AllKinds(rule="fuzzy")
    assert str(caught.value) == (
        "AllKinds: rule differs: 'exact' and 'fuzzy'; such states do not add"
    )
    assert (AllKinds(rule=None) + AllKinds(rule="fuzzy")).rule == "fuzzy"


def test_ids_in_common() -> None:
    a = AllKinds(rows=np.array([[1, 0], [7, 0], [9, 0]]))
    with pytest.raises(MergeError) as caught:
        a + AllKinds(rows=np.array([[9, 0], [7, 0]]))
    assert str(caught.value) == (
        "AllKinds: rows have item ids in common (2, first 7); "
        "give each item an id of its own with ids="
    )
    assert len((a + AllKinds(rows=np.array([[8, 0]]))).rows) == 4


@pytest.mark.parametrize("other", [1, 0.0, "x", None, Unscored(), count_words(["a"], ["a"])])
def test_other_things_do_not_add(other: Any) -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        AllKinds() + other
    with pytest.raises(TypeError):
        other + AllKinds()


def test_states_are_values() -> None:
    with pytest.raises(FrozenInstanceError):
        AllKinds().count = 1
    with pytest.raises(NotImplementedError, match=r"^Unscored does not say what scores it gives$"):
        Unscored().scores()


def test_a_score_by_name() -> None:
    state = AllKinds(count=3)
    assert state["count"] == 3
    with pytest.raises(KeyError) as caught:
        state["wer"]
    assert caught.value.args == ("AllKinds has no score 'wer'; it has ['count']",)
    names = [score.name for score in count_words(["a"], ["a"]).scores()]
    with pytest.raises(
        KeyError, match=r"EditCounts has no score 'cer'; it has \['wer', 'mer'"
    ) as it:
        count_words(["a"], ["a"])["cer"]
    assert str(names) in it.value.args[0]


def test_some_scores_are_picked_in_all_directions_and_groups() -> None:
    words = count_words(["a b", "c"], ["a x", "c"], by={"who": ["x", "y"]})
    assert [(s.key(), s.value) for s in words.pick("wer", "hits")] == [
        ("wer", 1 / 3), ("hits", 2), ("who_x/wer", 0.5), ("who_x/hits", 1), ("who_y/wer", 0.0),
        ("who_y/hits", 1),
    ]  # fmt: skip
    ranks = count_ranks(np.eye(3), np.eye(3), np.arange(3), both_directions=True)
    assert len(ranks.pick("map")) == 2
    assert words.pick() == []
    with pytest.raises(KeyError, match=r"EditCounts has no score 'cer'; it has \['wer', 'mer'"):
        words.pick("wer", "cer")


def test_the_schema() -> None:
    assert AllKinds.schema() == (
        ("count", "summed"),
        ("bins", "summed"),
        ("labels", "keyed"),
        ("most", "peak"),
        ("rows", "listed"),
        ("groups", "grouped"),
        ("by", "fixed"),
        ("rule", "fixed"),
    )


# -- bytes -----------------------------------------------------------------------------------------


def full_state() -> EditCounts:
    return count_words(
        ["a b", "c", "é"],
        ["a x", "", "é"],
        by={"voice": ["v", None, "w"]},
        items=True,
        confusions=True,
    )


def sealed(body: bytes) -> bytes:
    """Bytes with a checksum that fits them."""
    return body + module.checksum(body)


def with_header(change: dict[str, Any]) -> bytes:
    data = AllKinds(count=1).to_bytes()[: -module.DIGEST]
    start = len(module._MAGIC) + module.HEAD.size
    version, length = module.HEAD.unpack_from(data, len(module._MAGIC))
    header = json.loads(data[start : start + length]) | change
    text = json.dumps(header).encode()
    head = module.HEAD.pack(version, len(text))
    return sealed(module._MAGIC + head + text + data[start + length :])


def test_equal_states_give_equal_bytes() -> None:
    assert full_state().to_bytes() == full_state().to_bytes()
    a, b = {"x": 1, "y": 2}, {"y": 2, "x": 1}
    assert AllKinds(labels=a).to_bytes() == AllKinds(labels=b).to_bytes()
    assert AllKinds(labels={"1": 1}).to_bytes() != AllKinds(labels={1: 1}).to_bytes()


def test_lone_surrogates_stay_apart() -> None:
    # As JSON escapes a pair of them would come back as one character.
    labels = {"\ud800\udc00": 1, "\U00010000": 2, ("\udc00", None): 3, "é": 4}
    turned = dict(reversed(labels.items()))
    assert State.from_bytes(AllKinds(labels=labels).to_bytes()).labels == labels
    assert AllKinds(labels=labels).to_bytes() == AllKinds(labels=turned).to_bytes()


def test_every_truncation_is_an_error() -> None:
    data = full_state().to_bytes()
    for cut in range(len(data)):
        with pytest.raises(StateFormatError):
            State.from_bytes(data[:cut])
    for more in (data + b"\0", data + data, b"\0" + data):
        with pytest.raises(StateFormatError):
            State.from_bytes(more)


def test_every_damaged_byte_is_an_error() -> None:
    data = full_state().to_bytes()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        with pytest.raises(StateFormatError):
            State.from_bytes(bytes(damaged))


def test_what_is_wrong_is_said() -> None:
    data = AllKinds(count=1).to_bytes()
    with pytest.raises(StateFormatError, match=r"^not an assay state: the first bytes differ$"):
        State.from_bytes(b"")
    with pytest.raises(StateFormatError, match=r"^state is cut short at 20 bytes$"):
        State.from_bytes(data[:20])
    with pytest.raises(StateFormatError, match=r"^state is damaged or cut short: its checksum"):
        State.from_bytes(data[:-1])
    with pytest.raises(StateFormatError, match=r"^EditCounts\.from_bytes: these bytes hold a 'All"):
        EditCounts.from_bytes(data)
    with pytest.raises(StateFormatError, match=r"^State\.from_bytes: these bytes hold a 'Gone'$"):
        State.from_bytes(with_header({"kind": "Gone"}))
    with pytest.raises(StateFormatError, match=r"^AllKinds: written with other fields: \(\('a', "):
        State.from_bytes(with_header({"schema": [["a", "summed"]]}))
    with pytest.raises(StateFormatError, match=r"state holds an array of type '\|O'"):
        State.from_bytes(with_header({"arrays": [["count", "|O", []]]}))
    with pytest.raises(StateFormatError, match=r"^state header cannot be read: "):
        State.from_bytes(with_header({"arrays": [["count", "<i8", [10**6]]]}))
    with pytest.raises(StateFormatError, match=r"^state header cannot be read: "):
        State.from_bytes(with_header({"arrays": None}))
    with pytest.raises(StateFormatError, match=r"^AllKinds: not its arrays: KeyError"):
        State.from_bytes(with_header({"arrays": []}))


def test_newer_bytes_ask_for_an_upgrade() -> None:
    data = AllKinds().to_bytes()
    newer = module.HEAD.pack(2, 0) + data[len(module._MAGIC) + module.HEAD.size :]
    with pytest.raises(StateFormatError) as caught:
        State.from_bytes(module._MAGIC + newer)
    assert str(caught.value) == "state has format 2, this assay reads up to 1; upgrade assay"


def test_arrays_of_another_shape_are_an_error() -> None:
    arrays = AllKinds().to_arrays() | {"rows": np.zeros((2, 3), np.int64)}
    with pytest.raises(
        StateFormatError, match=r"rows has int64 of shape \(2, 3\), not int64 \[n, 2\]"
    ):
        AllKinds.from_arrays(arrays)
    with pytest.raises(StateFormatError, match=r"^AllKinds: not its arrays: KeyError\('count'\)$"):
        AllKinds.from_arrays({})


def test_bytes_are_no_pickle() -> None:
    data = full_state().to_bytes()
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(data)
    with pytest.raises(StateFormatError):
        State.from_bytes(pickle.dumps(full_state()))
    assert not {"pickle", "marshal", "shelve"} & set(vars(module))


def test_bytes_written_by_the_first_version_are_read() -> None:
    # A change that breaks this needs a new format number. full_state() as version 1 wrote it:
    data = (Path(__file__).parent / "golden" / "edit_counts.v1.state").read_bytes()
    old = EditCounts.from_bytes(data)
    assert (old.hits, old.substitutions, old.deletions, old.insertions, old.pairs) == (
        2,
        1,
        1,
        0,
        3,
    )
    assert old.confusions == {("b", "x"): 1, ("c", None): 1}
    assert list(old.groups) == [("(none)",), ("v",), ("w",)]
    assert old.rows.tolist() == [[0, 1, 1, 0, 0], [1, 0, 0, 1, 0], [2, 1, 0, 0, 0]]
    assert full_state().to_bytes() == data
