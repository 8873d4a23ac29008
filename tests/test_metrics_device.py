"""Counts of tensors on a device: the digits of arrays, and nothing read before somebody asks.

Without a GPU, CPU tensors stand for those of a device: `posing` makes on_device() say so. What
would wait for a real one is caught twice: a dispatch mode refuses operations that look at data or
copy between devices, and tensors of the meta device have no data to look at.
"""

# ruff: noqa: E402 -- torch may be absent

import copy
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
from torch.utils._python_dispatch import TorchDispatchMode

import assay
from assay.core.errors import InputError, MergeError
from assay.ops import _held_torch, _labels_torch, columns

SMALL = {torch.float32: 1e-45, torch.float64: 5e-324, torch.float16: 6e-8, torch.bfloat16: 1e-40}
WAITS = {
    "_local_scalar_dense", "item", "nonzero", "nonzero_static", "_unique", "_unique2", "unique_dim",
    "unique_consecutive", "masked_select", "bincount", "is_nonzero", "equal", "repeat_interleave",
    "lift_fresh", "lift_fresh_copy", "_pin_memory", "histc",
}  # fmt: skip
VIEWS = {"view", "detach", "split_with_sizes", "split", "expand", "slice", "select", "alias",
         "unsqueeze", "unbind", "t", "transpose", "_unsafe_view", "as_strided",
         "_reshape_alias"}  # fmt: skip


class NoWait(TorchDispatchMode):
    """Refuses what waits for a device, and counts what is launched there."""

    def __init__(self) -> None:
        super().__init__()
        self.launched: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        assert name not in WAITS, f"aten.{name} waits for the device"
        if name in ("index", "index_put", "index_put_"):
            masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
            assert not masks, f"aten.{name} with a mask waits for the device"
        if name in ("_to_copy", "copy_"):
            sides = {str(a.device) for a in args if isinstance(a, torch.Tensor)}
            sides.add(str(kwargs["device"]) if kwargs.get("device") else next(iter(sides)))
            assert len(sides) == 1, f"aten.{name} copies between {sides}"
        if name not in VIEWS:
            self.launched.append(name)
        return func(*args, **kwargs)


@pytest.fixture(params=["usual", "few", "small"], scope="module", autouse=True)
def posing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tensors, also of the CPU, are on a device; batches become one as usual, or soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "on_device", lambda data: hasattr(data, "detach"))
        if request.param == "few":
            patch.setattr(_held_torch, "BATCHES", 2)
        if request.param == "small":
            patch.setattr(_held_torch, "ITEMS", 3)
        yield


def same(device: Any, host: Any) -> None:
    assert device.to_bytes() == host.to_bytes()
    with np.errstate(all="ignore"):  # of weights that are huge, or below 0
        ours, theirs = device.scores(), host.scores()
    assert [(s.name, s.tags, s.signature, s.n) for s in ours] == [
        (s.name, s.tags, s.signature, s.n) for s in theirs
    ]
    np.testing.assert_array_equal([s.value for s in ours], [s.value for s in theirs])


def pieces(n: int, cuts: list[int]) -> list[slice]:
    ends = [0, *sorted(min(cut, n) for cut in cuts), n]
    return [slice(a, b) for a, b in pairwise(ends)]


def both(count: Callable[..., Any], given: list[Any], cuts: list[int], **options: Any) -> None:
    """One call, and the sum over pieces, equal those of arrays; parts of either kind add."""
    host = _on_host(count, given, options)
    same(count(*given, **options), host)
    parts = pieces(len(given[0]), cuts)
    with NoWait():
        states = [count(*(g[part] for g in given), **_cut(options, part)) for part in parts]
        total = sum(states, type(states[0]).zero())
    same(total, host)
    same(states[-1] + sum(reversed(states[:-1]), type(states[0]).zero()), host)
    if any((v < 0).any() for v in options.values() if isinstance(v, torch.Tensor)):
        return  # limbs that cancel are there in a sum of arrays' states
    mixed = [_on_host(count, [g[part] for g in given], _cut(options, part)) if i % 2 else state
             for i, (part, state) in enumerate(zip(parts, states, strict=True))]  # fmt: skip
    same(sum(mixed), host)
    same(sum(reversed(mixed)), host)


def _cut(options: dict[str, Any], part: slice) -> dict[str, Any]:
    return {k: v[part] if isinstance(v, torch.Tensor) else v for k, v in options.items()}


def _on_host(count: Callable[..., Any], given: list[Any], options: dict[str, Any]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "on_device", lambda data: False)
        return count(*given, **options)


# -- labels ----------------------------------------------------------------------------------------

INTS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
WEIGHTS = [0.0, -0.0, 0.1, 1.0, -2.5, 1e300, -1e300, 5e-324, 1e-310, 3e-5]
CUTS = st.lists(st.integers(0, 12), max_size=4)
FEW = settings(max_examples=20)


@st.composite
def columns_of(draw: st.DrawFn, *elements: Any) -> list[list[Any]]:
    rows = draw(st.lists(st.tuples(*elements), max_size=12))
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in elements]


@FEW
@given(data=st.data(), dtype=st.sampled_from(INTS), cuts=CUTS, weighted=st.booleans())
def test_labels_equal_arrays(data: Any, dtype: Any, cuts: list[int], weighted: bool) -> None:
    known = data.draw(st.sampled_from([[0, 1], [1, 0], [3], [0, 1, 2, 3], [5, 2, 3, 4, 0, 1]])
                      | st.just([-1, 1]).filter(lambda _: dtype != torch.uint8))  # fmt: skip
    one = st.sampled_from(known)
    t, p, w = data.draw(columns_of(one, one, st.sampled_from(WEIGHTS)))
    options: dict[str, Any] = {"labels": known}
    if known == [*range(len(known))] and data.draw(st.booleans()):
        options = {"num_classes": len(known)}
    if weighted:
        options["weights"] = torch.tensor(w, dtype=torch.float64)
    both(assay.count_labels, [torch.tensor(x, dtype=dtype) for x in (t, p)], cuts, **options)


@FEW
@given(rows=columns_of(st.booleans(), st.booleans()), cuts=CUTS)
def test_bool_labels_need_no_names(rows: list[list[bool]], cuts: list[int]) -> None:
    both(assay.count_labels, [torch.tensor(x, dtype=torch.bool) for x in rows], cuts)


@FEW
@given(data=st.data(), cuts=CUTS, weighted=st.booleans())
def test_best_classes_equal_arrays(data: Any, cuts: list[int], weighted: bool) -> None:
    known = data.draw(st.sampled_from([[0, 1, 2], [7, 3, -1], [4, 5]]))
    score = st.lists(st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.0, float("inf")]),
                     min_size=len(known), max_size=len(known))  # fmt: skip
    t, s, w = data.draw(columns_of(st.sampled_from(known), score, st.sampled_from(WEIGHTS)))
    dtype = data.draw(st.sampled_from([*SMALL, torch.int32]))
    scores = torch.tensor(s, dtype=torch.float64).reshape(-1, len(known))
    scores = scores.clamp(-9, 9).to(dtype)
    options: dict[str, Any] = {"labels": known, "k": data.draw(st.sampled_from([(), 1, (1, 2)]))}
    if weighted:
        options["weights"] = torch.tensor(w, dtype=torch.float64)
    both(assay.count_labels, [torch.tensor(t, dtype=torch.int64), scores], cuts, **options)


@FEW
@given(data=st.data(), cuts=CUTS, weighted=st.booleans())
def test_rows_of_labels_equal_arrays(data: Any, cuts: list[int], weighted: bool) -> None:
    row = st.lists(st.integers(0, 1), min_size=3, max_size=3)
    t, p, w = data.draw(columns_of(row, row, st.sampled_from(WEIGHTS)))
    dtype = data.draw(st.sampled_from([torch.bool, torch.int64, torch.float32]))
    given = [torch.tensor(x, dtype=dtype).reshape(-1, 3) for x in (t, p)]
    options = {"weights": torch.tensor(w, dtype=torch.float64)} if weighted else {}
    both(assay.count_labels, given, cuts, **options)


@pytest.mark.parametrize("weighted", [False, True])
def test_many_classes_have_no_table(weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_labels_torch, "CELLS", 10)
    rng = np.random.default_rng(0)
    t, p = (torch.tensor(rng.integers(0, 9, 40)) for _ in range(2))
    options = {"weights": torch.tensor(rng.random(40))} if weighted else {}
    both(assay.count_labels, [t, p], [10, 10, 25], num_classes=9, **options)
    both(assay.count_labels, [t, torch.eye(9)[p]], [10], k=(1, 3), **options)


def test_num_classes_of_arrays_are_labels_from_0() -> None:
    given = T.numpy(), P.numpy()
    named, counted = (
        assay.count_labels(*given, **o) for o in ({"labels": [0, 1, 2]}, {"num_classes": 3})
    )
    assert named.to_bytes() == counted.to_bytes()
    with pytest.raises(InputError, match="not among the labels"):
        assay.count_labels(*given, num_classes=1)


def test_batches_of_many_items_are_folded_at_once() -> None:
    rng = np.random.default_rng(0)
    n = (1 << 18) + 5
    t, p = (torch.tensor(rng.integers(0, 3, 2 * n))[::2] for _ in range(2))
    both(assay.count_labels, [t, p], [7], num_classes=3)


# -- scores ----------------------------------------------------------------------------------------


def values_of(dtype: Any) -> st.SearchStrategy[float]:
    wide = 16 if dtype in (torch.float16, torch.bfloat16) else 32
    some = st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0, SMALL[dtype], -SMALL[dtype]])
    return some | st.floats(-1, 1, width=wide)


@pytest.mark.parametrize("dtype", SMALL)
@FEW
@given(data=st.data(), cuts=CUTS, weighted=st.booleans())
def test_scores_equal_arrays(dtype: Any, data: Any, cuts: list[int], weighted: bool) -> None:
    kinds = {"ints": [0, 1], "signs": [-1, 1], "one": [1], "bools": [False, True]}
    kind = data.draw(st.sampled_from([*kinds, "floats", "named"]))
    one = st.sampled_from(kinds.get(kind, [0, 1]))
    t, s, w = data.draw(columns_of(one, values_of(dtype), st.sampled_from([0.0, 0.1, 2.0, 1e300])))
    whole = torch.bool if kind == "bools" else torch.float32 if kind == "floats" else torch.int64
    options: dict[str, Any] = {"positive": 0} if kind == "named" else {}
    if weighted:
        options["weights"] = torch.tensor(w, dtype=torch.float64)
    given = [torch.tensor(t, dtype=whole), torch.tensor(s, dtype=dtype)]
    both(assay.count_scores, given, cuts, **options)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_whole_scores_equal_arrays(dtype: Any) -> None:
    t, s = torch.tensor([0, 1, 1, 0, 1]), torch.tensor([3, 200, 3, 0, 1], dtype=dtype)
    both(assay.count_scores, [t, s], [2])


def test_thresholds_curves_and_calibration_equal_arrays() -> None:
    rng = np.random.default_rng(1)
    t = torch.tensor(rng.integers(0, 2, 3000))
    s = torch.tensor(rng.integers(0, 200, 3000) / 200, dtype=torch.float32)
    device, host = assay.count_scores(t, s), _on_host(assay.count_scores, [t, s], {})
    for metric in ("macro_f1", "accuracy", "f1"):
        ours, theirs = device.best_threshold(metric), host.best_threshold(metric)
        assert (ours.threshold, ours.value) == (theirs.threshold, theirs.value)
    assert device.best_threshold(grid="0.3:0.6:0.05").value == host.best_threshold(
        grid="0.3:0.6:0.05").value  # fmt: skip
    for ours, theirs in zip(device.roc_curve(), host.roc_curve(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert device.partial_auc(0.2) == host.partial_auc(0.2)
    same(device.at(0.4), host.at(0.4))


@FEW
@given(data=st.data(), cuts=CUTS, several=st.booleans())
def test_scores_of_classes_equal_arrays(data: Any, cuts: list[int], several: bool) -> None:
    known = data.draw(st.sampled_from([[0, 1, 2], [7, 3, -1]]))
    part = st.sampled_from([0.0, -0.0, 0.25, 0.5, 0.7503, 0.249, 0.251, 1.0, -0.5, 1e-45])
    one = st.lists(st.integers(0, 1), min_size=3, max_size=3) if several else st.sampled_from(known)
    t, s = data.draw(columns_of(one, st.lists(part, min_size=3, max_size=3)))
    dtype = data.draw(st.sampled_from([*SMALL]))
    target = torch.tensor(t, dtype=torch.int64)
    target = target.reshape(-1, 3) if several else target
    scores = torch.tensor(s, dtype=torch.float64).reshape(-1, 3).to(dtype)
    both(assay.count_scores, [target, scores], cuts, labels=known)


def test_columns_are_sorted_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.ops import _sweep_torch

    monkeypatch.setattr(_sweep_torch, "BLOCK", 90)
    scores = torch.tensor(np.random.default_rng(0).dirichlet(np.ones(5), 40), dtype=torch.float32)
    both(assay.count_scores, [torch.arange(40) % 5, scores], [11])


@FEW
@given(data=st.data(), cuts=CUTS, bins=st.sampled_from([1, 3, 10, 49, 1000]))
def test_bins_equal_arrays(data: Any, cuts: list[int], bins: int) -> None:
    edge = st.integers(0, bins).map(lambda i: i / bins) | st.floats(0, 1)
    t, s = data.draw(columns_of(st.integers(0, 1), edge))
    dtype = data.draw(st.sampled_from([*SMALL]))
    given = [torch.tensor(t, dtype=torch.int64), torch.tensor(s, dtype=dtype)]
    both(partial(assay.count_scores_binned, bins=bins), given, cuts)


# -- what is refused -------------------------------------------------------------------------------

T, P = torch.tensor([0, 1, 1, 0]), torch.tensor([0, 1, 0, 0])
S = torch.tensor([0.1, 0.9, 0.4, 0.2])
READS: dict[str, Callable[[Any], Any]] = {
    "scores": lambda state: state.scores(),
    "n": lambda state: state.n,
    "bytes": lambda state: state.to_bytes(),
    "a value": lambda state: state.accuracy if hasattr(state, "accuracy") else state.roc_auc,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize(("count", "given", "options", "message"), [
    (assay.count_labels, (T, P + 5), {"num_classes": 2}, r"prediction\[0\] is 5, which is not among"
     r" the labels \(0, 1\); 4 of 4 rows counted there are bad"),
    (assay.count_labels, (T * 2**40, T), {"labels": [-1, 0, 1]}, r"target\[1\] is 1099511627776"),
    (assay.count_labels, (T, T), {"labels": [0, 2]}, r"target\[1\] is 1, which is not among"),
    (assay.count_labels, (T, T), {"num_classes": 2, "weights": torch.tensor([1, 2, torch.nan, 3])},
     r"weights\[2\] must be finite, got nan"),
    (assay.count_labels, (T, torch.tensor([[1.0, 0]] * 3 + [[0, torch.nan]])), {},
     r"prediction\[3\] holds NaN"),
    (assay.count_labels, (T, torch.eye(2)[T]), {"labels": [1, 2], "k": 1}, r"target\[0\] is 0, "),
    (assay.count_scores, (T, S.log().where(T == 1, -torch.inf)), {}, r"score\[0\] is -inf; drop"),
    (assay.count_scores, (T * 3, S), {}, r"target\[1\] is 3; with labels other than 0 and 1"),
    (assay.count_scores, (T.half() / 2, S), {}, r"target\[1\] is 0.5; with labels other"),
    (assay.count_scores, (T * 3, S.half()), {}, r"target\[1\] is 3; with labels other"),
    (assay.count_scores, (T, (S / 0).bfloat16()), {}, r"score\[0\] is inf; .*4 of 4 rows"),
    (assay.count_scores, (torch.tensor([1, 0, -1, 1]), S), {}, "labels are -1, 0 and 1; name"),
    (assay.count_scores, (torch.tensor([1, 0, -1, 1]), S.half()), {}, "labels are -1, 0 and 1"),
    (assay.count_scores, (T, S), {"weights": -S}, r"weights\[0\] must be finite and at least 0"),
    (assay.count_scores_binned, (T, S * 2), {}, r"score\[1\] must be in 0..1, got 1.79"),
    (assay.count_scores_binned, (T - 1, S * 2), {}, r"score\[1\] must be in 0..1, got 1.79"),
])  # fmt: skip
def test_bad_rows_are_found_when_the_state_is_read(
    count: Any, given: Any, options: dict[str, Any], message: str, read: Any
) -> None:
    with NoWait():
        state = count(*given, **options)
    for _ in range(2):
        with pytest.raises(InputError, match=message):
            read(state)


@pytest.mark.parametrize(("given", "message"), [
    ((T * 3, torch.eye(3)[[0, 1, 2, 0]]), r"target\[1\] is 3, which is not among the labels"),
    ((T, torch.eye(3)[[0, 1, 2, 0]].log()), r"score\[0\] is \[0.0, -inf, -inf\]"),
    ((torch.eye(3)[[0, 1, 2, 0]] * 2, torch.eye(3)[[0, 1, 2, 0]]), r"target\[0\] must hold 0 an"),
])  # fmt: skip
def test_bad_rows_of_several_columns(given: Any, message: str) -> None:
    with NoWait():
        state = assay.count_scores(*given)
    for read in (state.scores, state.to_bytes, lambda: state.roc_auc):
        with pytest.raises(InputError, match=message):
            read()


def test_bad_rows_are_counted_over_all_batches() -> None:
    with NoWait():
        good, bad = (assay.count_labels(T, p, num_classes=2) for p in (P, P + 2))
        total = good + good + (good + bad) + bad
    message = r"prediction\[12\] is 2, .*; 8 of 20 rows counted there are bad"
    with pytest.raises(InputError, match=message):
        total.scores()
    with pytest.raises(InputError, match=message) as raised:
        total.to_bytes()
    assert raised.value.row == 12


@pytest.mark.parametrize(("count", "given", "options", "message"), [
    (assay.count_labels, (T, P), {}, "name them with num_classes= or labels= for tensors on cpu"),
    (assay.count_labels, (T.bool(), P), {}, "num_classes="),
    (assay.count_labels, (T, P), {"labels": ["a", "b"]}, "labels of tensors are integers"),
    (assay.count_labels, (T, P), {"labels": [0, 2**63]}, r"in -2\^62..2\^62, got 922"),
    (assay.count_scores, (T, S), {"positive": -(2**70)}, r"in -2\^62..2\^62, got -1180"),
    (assay.count_scores, (T, S), {"positive": "a"}, "of another type"),
    (assay.count_labels, (T, P), {"num_classes": 2, "labels": [0, 1]}, "not both"),
    (assay.count_labels, (T, P), {"num_classes": 0}, "num_classes must be a whole number"),
    (assay.count_labels, (T, S), {"num_classes": 2}, "prediction: labels must be integers or bool"),
    (assay.count_labels, (T, P), {"num_classes": 2, "positive": "a"}, "of another type"),
    (assay.count_labels, (T, P), {"num_classes": 2, "by": {"a": [1] * 4}}, "by, items and ids"),
    (assay.count_labels, (T, P), {"num_classes": 2, "items": True}, r"target.cpu\(\)"),
    (assay.count_labels, (T, P), {"num_classes": 2, "k": 1}, "k needs scores"),
    (assay.count_labels, (T, P[:2]), {"num_classes": 2}, "one length: target has 4, prediction"),
    (assay.count_labels, (T, P.numpy()), {"num_classes": 2}, "must be a tensor on cpu .* ndarray"),
    (assay.count_labels, (T, P.to("meta")), {"num_classes": 2}, "got Tensor on meta"),
    (assay.count_labels, (T, P[:, None]), {"num_classes": 2}, "the column itself"),
    (assay.count_labels, (T, P), {"num_classes": 2, "weights": [1, 2, 3, 4]}, "weights must be"),
    (assay.count_labels, (T, torch.eye(2)[P]), {"num_classes": 3}, "scores of 3 classes"),
    (assay.count_labels, (T, torch.eye(2)[P]), {"k": 3}, r"k must be in 1..2"),
    (assay.count_scores, (T, S.to(torch.complex64)), {}, "complex64 is not counted on a device"),
    (assay.count_scores, (S, S), {"positive": 1}, "target: labels must be integers"),
    (assay.count_scores, (T[:, None].expand(4, 2), S), {}, r"target must be labels \[n\]"),
    (assay.count_scores, (T, torch.eye(4)), {"positive": 1}, "without positive"),
    (assay.count_scores, (T, torch.eye(4)), {"weights": S}, "counted without"),
    (assay.count_scores, (T, torch.eye(4)), {"labels": [1, 2]}, "labels must be 4"),
    (assay.count_scores_binned, (T, torch.eye(4)), {}, r"score must be a column \[n\]"),
    (assay.count_scores_binned, (T, S), {"by": {"a": T}}, "by, items and ids"),
])  # fmt: skip
def test_refused_at_once(count: Any, given: Any, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message), NoWait():
        count(*given, **options)


def test_states_of_other_definitions_do_not_add() -> None:
    two, three = (assay.count_labels(T, P, num_classes=k) for k in (2, 3))
    with pytest.raises(MergeError, match="labels"):
        two + three
    with pytest.raises(MergeError, match="mode"):
        assay.count_scores(T, S) + assay.count_scores(T, S, weights=S)


# -- nothing waits ---------------------------------------------------------------------------------

EYE, W, B = torch.eye(4), S.double(), T.bool()
# count, what is given, options, how many operations a call launches
CALLS: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any], int]] = {
    "labels": (assay.count_labels, (T, P), {"num_classes": 2}, 1),
    "other labels": (assay.count_labels, (T, P), {"labels": [1, 7, 0]}, 1),
    "bools": (assay.count_labels, (B, P.bool()), {}, 1),
    "weights": (assay.count_labels, (T, P), {"num_classes": 2, "weights": W}, 1),
    "many classes": (assay.count_labels, (T, P), {"num_classes": 5000}, 1),
    "best classes": (assay.count_labels, (T, EYE), {}, 4),
    "top": (assay.count_labels, (T, EYE), {"k": (1, 2)}, 17),
    "rows of labels": (assay.count_labels, (EYE, EYE), {}, 1),
    "scores": (assay.count_scores, (T, S), {}, 1),
    "scores with weights": (assay.count_scores, (T, S), {"weights": W}, 1),
    "float16": (assay.count_scores, (T, S.half()), {}, 1),
    "bfloat16": (assay.count_scores, (T, S.bfloat16()), {"positive": 0}, 1),
    "bins": (assay.count_scores_binned, (T, S), {}, 1),
    "scores of classes": (assay.count_scores, (T, EYE), {}, 1),
}


@pytest.mark.parametrize(("count", "given", "options", "launches"), CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_loop_waits_for_nothing(
    count: Any, given: Any, options: Any, launches: int, device: str
) -> None:
    given = [x.to(device) for x in given]
    options = {k: v.to(device) if k == "weights" else v for k, v in options.items()}
    with NoWait() as seen:
        total = count(*given, **options)
        if len(T) < _held_torch.ITEMS:
            assert len(seen.launched) <= launches, seen.launched
        for _ in range(9):
            total = total + count(*given, **options)
            copy.copy(total), repr(total)
    if device == "cpu":
        whole = sum(_on_host(count, given, options) for _ in range(10))
        assert total.to_bytes() == whole.to_bytes()


def test_batches_are_joined_once_in_many() -> None:
    with NoWait() as seen:
        total = assay.count_labels(T, P, num_classes=2)
        for _ in range(600):
            total = total + assay.count_labels(T, P, num_classes=2)
    if _held_torch.BATCHES == 256 and _held_torch.ITEMS > 1 << 16:
        assert len(seen.launched) <= 601 + 2 * 25
    assert total["accuracy"] == 0.75


def test_what_is_given_may_change_afterwards() -> None:
    t, s, rows = T.clone(), S.clone(), EYE.clone()
    wide = _held_torch.ITEMS + 1
    large = torch.zeros(wide, dtype=torch.int64)
    states = [
        assay.count_labels(t, t, num_classes=2), assay.count_scores(t, s),
        assay.count_scores(t, rows), assay.count_labels(t, rows, k=1),
        assay.count_labels(large, large, num_classes=2),
    ]  # fmt: skip
    before = [copy.deepcopy(state).to_bytes() for state in states]
    for tensor in (t, s, rows, large):
        tensor.fill_(7)
    assert [state.to_bytes() for state in states] == before


def test_zeros_have_no_sign() -> None:
    state = assay.count_scores(T, -torch.zeros(4))
    assert not any(np.signbit(pool).any() for pool in state.pools.values())


def test_a_state_that_was_read_goes_on() -> None:
    whole = _on_host(assay.count_scores, [T.repeat(3), S.repeat(3)], {})
    first = assay.count_scores(T, S)
    assert first.roc_auc == _on_host(assay.count_scores, [T, S], {}).roc_auc
    total = first + assay.count_scores(T, S)
    total.scores()
    same(total + first, whole)
    same(copy.deepcopy(total) + first, whole)


def test_gradients_and_strides_do_not_matter() -> None:
    s = torch.stack([S, S], 1).requires_grad_()[:, 1]
    same(assay.count_scores(T, s), _on_host(assay.count_scores, [T, S], {}))
    one = torch.tensor([[0.5, 0.25]])[:, 1]
    same(assay.count_scores(T[:1], one), _on_host(assay.count_scores, [T[:1], one], {}))


def test_fields_of_a_state_are_counted_together() -> None:
    states = [assay.count_labels(T, EYE, k=1, weights=W) for _ in range(3)]
    total = sum(states)
    sources = {id(s) for f in ("cells", "weights", "top") for s in getattr(total, f)._sources}
    assert len(sources) == 1
    total = sum(assay.count_scores(T, EYE) for _ in range(3))
    sweeps = [*total.columns.values(), *total.top.values()]
    assert len({id(s) for sweep in sweeps for s in sweep.pools._sources}) == 1


WAITING: list[Callable[[Any], Any]] = [
    lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: x.unique(),
    lambda x: x.to("meta"), torch.bincount, lambda x: bool(x.any()),
    lambda x: torch.tensor([1, 2]), lambda x: x.masked_select(x > 0), lambda x: x.tolist(),
]  # fmt: skip


@pytest.mark.parametrize("waits", WAITING)
def test_the_guard_sees_what_waits(waits: Any) -> None:
    def both() -> None:
        waits(T)  # seen by the mode, or
        waits(T.to("meta"))  # refused for want of data

    with pytest.raises((AssertionError, NotImplementedError, RuntimeError)), NoWait():
        both()


# -- a GPU -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("needs_cuda")
@pytest.mark.parametrize(("count", "given", "options", "launches"), CALLS.values(), ids=CALLS)
def test_a_gpu_gives_the_same(count: Any, given: Any, options: Any, launches: int) -> None:
    there = [x.cuda() for x in given]
    known = {k: v.cuda() if k == "weights" else v for k, v in options.items()}
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        total = sum(count(*there, **known) for _ in range(600))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    same(total, sum(_on_host(count, given, options) for _ in range(600)))


@pytest.mark.usefixtures("needs_cuda")
@pytest.mark.parametrize("dtype", SMALL)
def test_a_gpu_sorts_as_the_host(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    t = torch.tensor(rng.integers(0, 2, 300_000))
    s = torch.tensor(rng.normal(size=300_000)).to(dtype)
    s[:9] = torch.tensor([0.0, -0.0, 1, SMALL[dtype], -SMALL[dtype], 0.5, 0.5, -1, 1]).to(dtype)
    same(assay.count_scores(t.cuda(), s.cuda()), _on_host(assay.count_scores, [t, s], {}))
