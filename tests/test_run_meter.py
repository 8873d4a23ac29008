"""Meters in one process: batches of any size give the state of all items."""

import copy
import functools
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay import Meter, Meters
from assay.core.errors import InputError, MergeError
from assay.run import tally
from strategies import text_pairs

torch = pytest.importorskip("torch")

REFS = ["a b c", "d", "", "e f", "g g g"]
HYPS = ["a x c", "d e", "f", "", "g"]


def fed(meter: Any, sizes: list[int], *columns: Any, **named: Any) -> Any:
    at = 0
    for size in sizes:
        rows = slice(at, at + size)
        meter.update(*(c[rows] for c in columns), **{k: v[rows] for k, v in named.items()})
        at += size
    return meter


@st.composite
def cuts(draw: Any, n: int) -> list[int]:
    """Sizes that sum to n, some of them 0."""
    ends = sorted(draw(st.lists(st.integers(0, n), max_size=4)))
    return np.diff([0, *ends, n]).tolist()


@settings(max_examples=40)
@given(text_pairs(max_pairs=8), st.data())
def test_text_in_batches_is_text_at_once(pairs: list[tuple[str, str]], data: Any) -> None:
    refs, hyps = ([pair[side] for pair in pairs] for side in (0, 1))
    sizes = data.draw(cuts(len(pairs)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally, "TEXT", data.draw(st.sampled_from([0, 100, 1 << 20])))
        meter = fed(Meter(assay.count_words), sizes, refs, hyps)
        assert meter.state.to_bytes() == assay.count_words(refs, hyps).to_bytes()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), max_size=20), st.data())
def test_an_id_counts_once(rows: list[tuple[int, int]], data: Any) -> None:
    ids = np.array([row for row, _ in rows], np.int64)
    scores = ids / 10
    target = ids % 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally, "HELD", data.draw(st.sampled_from([0, 5000, 1 << 20])))
        sizes = data.draw(cuts(len(ids)))
        meters = Meters({"scores": assay.count_scores, "labels": assay.count_labels})
        fed(meters["scores"], sizes, target, scores, ids=ids)
        fed(meters["labels"], sizes, target, target[::-1] * 0, ids=ids)
    own = np.unique(ids)
    wanted = assay.count_scores(own % 2, own / 10)
    assert meters["scores"].state.to_bytes() == wanted.to_bytes()
    assert meters["labels"].state.n == len(own)


class Foreign:
    """A column of another library; as those of JAX, its take() is that of NumPy."""

    def __init__(self, rows: Any) -> None:
        self.rows = np.array(rows)
        self.shape, self.ndim = self.rows.shape, self.rows.ndim

    def __len__(self) -> int:
        return len(self.rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.rows, dtype)

    def take(self, rows: Any) -> Any:
        return Foreign(self.rows.take(rows))


KINDS = {
    "lists": list,
    "of another library": Foreign,
    "arrays": np.asarray,
    "tensors": torch.tensor,
    "arrow": pa.array,
    "pandas": lambda x: pytest.importorskip("pandas").Series(x),
    "polars": lambda x: pytest.importorskip("polars").Series(x),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_any_kind_are_left_out(kind: str) -> None:
    make = KINDS[kind]
    meter = Meter(assay.count_labels)
    meter.update(make([1, 0, 1]), make([1, 1, 1]), ids=[0, 1, 2], weights=make([0.5, 1.0, 2.0]))
    meter.update(make([1, 0, 0]), make([1, 0, 0]), ids=[2, 3, 0], weights=make([9.0, 4.0, 9.0]),
                 labels=None)  # fmt: skip
    wanted = assay.count_labels([1, 0, 1, 0], [1, 1, 1, 0], weights=[0.5, 1.0, 2.0, 4.0])
    assert meter.state.to_bytes() == wanted.to_bytes()


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, Foreign])
def test_rows_of_logits_are_left_out(kind: Any) -> None:
    logits = np.random.default_rng(0).standard_normal((6, 3))
    meter = Meter(assay.count_labels)
    meter.update([0, 1, 2, 0], kind(logits[:4]), ids=[0, 1, 2, 3])
    meter.update([2, 0, 1, 2], kind(logits[2:]), ids=[2, 3, 4, 5])
    wanted = assay.count_labels([0, 1, 2, 0, 1, 2], logits)
    assert meter.state.to_bytes() == wanted.to_bytes()


def test_options_that_are_columns_lose_the_same_rows() -> None:
    meter = Meter(functools.partial(assay.count_words, items=True))
    meter.update(REFS, HYPS, ids=range(5), by={"voice": [*"xyxyx"]})
    meter.update(REFS[:2], HYPS[:2], ids=[9, 0], by={"voice": ["y", "x"]})
    wanted = assay.count_words(
        [*REFS, REFS[0]], [*HYPS, HYPS[0]], by={"voice": [*"xyxyxy"]}, items=True,
        ids=[0, 1, 2, 3, 4, 9],
    )  # fmt: skip
    assert meter.state.to_bytes() == wanted.to_bytes()
    ids = torch.tensor([[1, 2, 0], [3, 0, 0]])
    meter = Meter(assay.count_words)
    for own in ([0, 1], [1, 0]):
        meter.update(ids, ids, ids=own, lengths=([2, 1], [2, 1]))
    assert meter.state.hits == 3


def test_what_was_given_may_change_afterwards() -> None:
    refs, target, score = ["a b"], np.array([0, 1]), torch.tensor([0.2, 0.7])
    words, scores = Meter(assay.count_words), Meter(assay.count_scores)
    words.update(refs, refs)
    scores.update(target, score, ids=np.array([0, 1]))
    refs[0], target[:], score[:] = "x", 1, 0.5
    score = torch.tensor([0.3, 0.9])
    scores.update(np.array([1, 0]), score, ids=[0, 2])
    score[:] = 0.5  # it is counted again, without the first row
    assert words.state.hits == 2
    assert (
        scores.state.to_bytes()
        == assay.count_scores([0, 1, 0], torch.tensor([0.2, 0.7, 0.9])).to_bytes()
    )


def test_computing_changes_nothing() -> None:
    meter = Meter(assay.count_words, prefix="val_", tags={"model": "m"})
    assert meter.compute() == {}
    assert meter.state is None
    fed(meter, [2, 3], REFS, HYPS, ids=np.arange(5))
    assert meter.compute() == meter.compute()
    assert meter.compute()["val_m/wer"] == assay.wer(REFS, HYPS)
    assert {score.tags["model"] for score in meter.scores()} == {"m"}
    meter.reset()
    assert meter.compute() == {}
    meter.update(["a"], ["a"], ids=[0])
    assert meter.state.hits == 1


def test_copies_of_a_meter_are_their_own() -> None:
    meters = Meters({"words": functools.partial(assay.count_words, empty="nan"),
                     "chars": assay.count_chars})  # fmt: skip
    meters.update(["a b"], ["a c"])
    meters.update(["d", "e"], ["d", "x"], ids=[0, 1])
    for copied in (copy.deepcopy(meters), pickle.loads(pickle.dumps(meters))):
        copied.update(["e", "f"], ["x", "f"], ids=[1, 2])
        assert copied.state["words"].hits == 3
    assert meters.state["words"].hits == 2


def test_bad_batches_are_told_and_left_out() -> None:
    meter = Meter(functools.partial(assay.count_words, empty="error"))
    meter.update(["a"], ["b"])
    meter.update([""], ["b"])
    meter.update(["c"], ["c"])
    with pytest.raises(InputError, match="has no words") as told:
        meter.compute()
    assert told.value.__notes__ == ["in batch 2 of the 3 counted last"]
    assert meter.state.pairs == 2
    with pytest.raises(InputError, match="same length"):
        meter.update(["a", "b"], ["a"])
    with pytest.raises(InputError, match=r"score\[1\] is nan"):
        Meter(assay.count_scores).update([0, 1], [0.5, np.nan])
    with pytest.raises(InputError, match=r"score\[1\] is nan"):
        Meter(assay.count_scores).update([0, 1], [0.5, np.nan], ids=[0, 1])


def test_other_definitions_are_refused_at_once() -> None:
    meter = Meter(assay.count_labels)
    for labels in (None, [0, 1], None, None, None):
        meter.update([0, 1], [0, 1], labels=labels)
    with pytest.raises(MergeError, match="Confusion: labels differs"):
        meter.update([0, 1], [0, 1], labels=[0, 1, 2])
    with pytest.raises(MergeError, match="batch gives MultilabelConfusion, those before Confusion"):
        meter.update(np.eye(2, dtype=int), np.eye(2, dtype=int))
    assert meter.state.n == 10


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1], r"^update: ids must be 2 integers, one a row, got shape \(1,\)$"),
        ([[1], [2]], r"^update: ids must be 2 integers, one a row, got shape \(2, 1\)$"),
        ([0.5, 1.5], "^update: ids must be integers, got float64$"),
        (["a", "b"], "^update: ids must be integers, got <U1$"),
        (
            np.array([1, 2**63], np.uint64),
            "^update: ids must fit in int64, got 9223372036854775808$",
        ),
    ],
)
def test_ids_that_name_no_rows(ids: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Meter(assay.count_words).update(["a", "b"], ["a", "b"], ids=ids)


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="count must be a count function, got 'wer'"):
        Meter("wer")
    for count in (assay.count_ranks, functools.partial(assay.count_ranks, k=1)):
        with pytest.raises(
            InputError, match=r"count_ranks of a batch ranks among the batch.*use Ret"
        ):
            Meter(count)
    with pytest.raises(InputError, match="rows of items need names; give ids="):
        Meter(functools.partial(assay.count_words, items=True)).update(["a"], ["a"])
    with pytest.raises(InputError, match="ids name the rows of a batch, and there is no batch"):
        Meter(assay.count_words).update(ids=[1])
    two = Meters({"a": assay.count_labels, "b": Meter(assay.count_labels)})
    two.update([0, 1], [0, 1])
    with pytest.raises(
        InputError, match="'b' and a meter before it both give 'accuracy'; give one"
    ):
        two.compute()
    both = Meters({"labels": assay.count_labels, "scores": assay.count_scores}, prefix="val_")
    both.update([0, 1], [0, 1])
    assert (both.compute()["val_items"], both.compute()["val_roc_auc"]) == (2, 1.0)
    both["labels"].update([0, 1], [0, 1])
    with pytest.raises(InputError, match="'scores' and a meter before it both give 'val_items'"):
        both.compute()
    with pytest.raises(InputError, match="meters must be a mapping of names, got list; give"):
        Meters([assay.count_words])
    with pytest.raises(KeyError, match=r"no meter 'c'; it has \['a', 'b'\]"):
        two["c"]


def test_several_meters_at_once() -> None:
    meters = Meters(
        {
            "student": Meter(assay.count_labels, tags={"model": "student"}),
            "teacher": Meter(assay.count_labels, tags={"model": "teacher"}, prefix="t_"),
        },
        prefix="val_",
        tags={"stage": "distil"},
    )
    meters["student"].update([1, 0], [1, 1])
    meters["teacher"].update([1, 0], [1, 0])
    found = meters.compute()
    assert found["val_student/distil/accuracy"] == 0.5
    assert found["val_t_teacher/distil/accuracy"] == 1.0
    assert [*meters] == ["student", "teacher"]
    assert len(meters) == 2
    assert meters.state["student"].n == 2
    assert len(meters.scores()) == len(found)
    meters.reset()
    assert meters.compute() == {}


def test_what_is_held_for_ids_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(tally, "HELD", 1 << 20)
    meter = Meter(assay.count_labels)
    rng = np.random.default_rng(0)
    tracemalloc.start()
    for k in range(2000):
        target, guess = rng.integers(0, 5, (2, 16))
        meter.update(target, guess, ids=np.arange(16 * k, 16 * k + 16))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 * tally.HELD
    assert meter.state.n == 32_000


def test_a_long_loop_copies_no_row_often() -> None:
    added = tally._Sum()
    for k in range(1000):
        added.add(assay.count_labels([0, 1], [1, 1], items=True, ids=[2 * k, 2 * k + 1]))
        assert len(added._parts) <= 10  # sizes are powers of 2
    assert added.total().n == 2000
