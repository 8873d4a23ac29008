"""Meters in one process: batches of any size give the state of all items."""

import functools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay import Meter, Meters
from assay.core.errors import InputError, MergeError, StateFormatError
from assay.run import batches, tally
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
        patch.setattr(tally, "HELD", data.draw(st.sampled_from([0, 60, 1 << 20])))
        sizes = data.draw(cuts(len(ids)))
        meters = Meters({"scores": assay.count_scores, "labels": assay.count_labels})
        fed(meters["scores"], sizes, target, scores, ids=ids)
        fed(meters["labels"], sizes, target, target[::-1] * 0, ids=ids)
    own = np.unique(ids)
    wanted = assay.count_scores(own % 2, own / 10)
    assert meters["scores"].state.to_bytes() == wanted.to_bytes()
    assert meters["labels"].state.n == len(own)


KINDS = {
    "lists": list,
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


def test_a_checkpoint_amid_an_epoch_in_one_process() -> None:
    meter = Meter(assay.count_words)
    meter.update(REFS[:3], HYPS[:3], ids=[0, 1, 2])
    saved = meter.state_dict()
    again = Meter(assay.count_words)
    again.load_state_dict(saved)
    again.update(REFS[2:], HYPS[2:], ids=[2, 3, 4])
    assert again.state.to_bytes() == assay.count_words(REFS, HYPS).to_bytes()
    assert Meter(assay.count_words).state_dict() == {"state": "", "ids": ""}
    for bad in ({}, {"state": ""}, {"state": "?", "ids": ""}, {**saved, "state": "AAAA"}):
        with pytest.raises(StateFormatError):
            again.load_state_dict(bad)
    both = Meters({"a": assay.count_words, "b": assay.count_chars})
    both.update(["ab"], ["ac"])
    copy = Meters({"a": assay.count_words, "b": assay.count_chars})
    copy.load_state_dict(both.state_dict())
    assert copy.compute() == both.compute()
    with pytest.raises(
        StateFormatError, match=r"it is of \['a'\], and the meters are \['a', 'b'\]"
    ):
        both.load_state_dict({"a": saved})


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


def test_a_long_loop_copies_no_row_often() -> None:
    added = tally._Sum()
    for k in range(1000):
        added.add(assay.count_labels([0, 1], [1, 1], items=True, ids=[2 * k, 2 * k + 1]))
        assert len(added._parts) <= 10  # sizes are powers of 2
    assert added.total().n == 2000


# -- devices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [False, True])
def test_nothing_on_a_device_is_read_before_compute(ids: bool, monkeypatch) -> None:
    """CPU tensors stand for those of a device; whatever is read goes through two methods."""
    from assay.ops import _held_torch, columns

    read = []
    monkeypatch.setattr(columns, "on_device", lambda data: hasattr(data, "detach"))
    for name in ("totals", "columns"):
        real = getattr(_held_torch.Held, name)
        monkeypatch.setattr(
            _held_torch.Held, name, lambda self, real=real: (read.append(1), real(self))[1]
        )
    rng = np.random.default_rng(0)
    target, score = rng.integers(0, 2, 600), rng.random(600)
    meters = Meters(
        {
            "labels": functools.partial(assay.count_labels, labels=[0, 1]),
            "scores": Meter(assay.count_scores, prefix="s_"),
            "loss": assay.count_mean,
        }
    )
    for start in range(0, 600, 2):
        rows = slice(start, start + 2)
        own = {"ids": np.arange(start, start + 2)} if ids else {}
        meters["labels"].update(torch.tensor(target[rows]), torch.tensor(target[rows]) ^ 1, **own)
        meters["scores"].update(torch.tensor(target[rows]), torch.tensor(score[rows]), **own)
        meters["loss"].update(torch.tensor(score[rows]), **own)
    assert read == []
    state = meters.state
    wanted = {
        "labels": assay.count_labels(target, 1 - target, labels=[0, 1]),
        "scores": assay.count_scores(target, score),
        "loss": assay.count_mean(score),
    }
    assert read == []
    for name, own_state in wanted.items():
        assert state[name].to_bytes() == own_state.to_bytes()
    assert read


class OnGpu:
    """Stands for a tensor on a GPU, whose copy arrives when told."""

    is_cuda, dtype, device = True, np.dtype(np.int64), "cuda:0"

    def __init__(self, rows: Any) -> None:
        self.rows, self.shape = np.array(rows), np.shape(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def detach(self) -> "OnGpu":
        return self

    def to(self, device: str, non_blocking: bool) -> Any:
        assert (device, non_blocking) == ("cpu", True)
        return self.rows


def test_what_lies_on_a_gpu_is_not_waited_for(monkeypatch) -> None:
    events: list[Any] = []

    class Event:
        done, waited = False, 0

        def __init__(self) -> None:
            events.append(self)

        def record(self, stream: str) -> None:
            assert stream == "stream of cuda:0"

        def query(self) -> bool:
            return self.done

        def synchronize(self) -> None:
            self.waited += not self.done
            self.done = True

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    calls = []

    def count(reference: Any, hypothesis: Any) -> Any:
        calls.append(len(reference))
        return assay.count_words(reference, hypothesis, ignore_index=0)

    count.on_host = True
    meter = Meter(count)
    for k in range(3):
        meter.update(OnGpu([[1, 2], [3, 0]][: k + 1]), OnGpu([[1, 1], [3, 0]][: k + 1]))
    assert calls == []
    events[0].done = events[1].done = True
    meter.update(OnGpu([[1, 1]]), OnGpu([[1, 1]]))
    assert calls == [1, 2]
    assert [event.waited for event in events] == [0, 0, 0, 0]
    assert meter.state.hits == 1 + 2 + 2 + 2
    assert [event.waited for event in events] == [0, 0, 1, 1]
    monkeypatch.setattr(tally, "HELD", 0)
    meter.update(OnGpu([[1, 1]]), OnGpu([[1, 1]]))
    assert events[-1].waited == 1  # no room: the oldest is waited for
    assert batches.Arriving.__doc__
