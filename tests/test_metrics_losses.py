"""count_mean and count_distillation against math.fsum, Fraction, torch and scikit-learn."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay import count_distillation, count_mean
from assay.core.errors import InputError, MergeError
from assay.core.state import State
from assay.ops import columns, losses

torch = pytest.importorskip("torch")
F = torch.nn.functional

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@pytest.fixture
def posing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """CPU tensors stand for those of a device."""
    monkeypatch.setattr(columns, "on_device", lambda data: hasattr(data, "detach"))
    return


def logits(n: int, classes: int, seed: int = 0) -> tuple[Any, Any, Any]:
    own = torch.Generator().manual_seed(seed)
    student, teacher = (
        torch.randn(n, classes, generator=own, dtype=torch.float64) * 4 for _ in range(2)
    )
    return student, teacher, torch.randint(0, classes, (n,), generator=own)


# -- means -----------------------------------------------------------------------------------------


@given(st.lists(NUMBERS, min_size=1, max_size=30))
def test_a_mean_is_rounded_once(values: list[float]) -> None:
    wanted = float(sum(map(Fraction, values)) / len(values))
    assert count_mean(values)["loss"] == wanted
    assert count_mean(torch.tensor(values, dtype=torch.float64))["loss"] == wanted


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e6)), min_size=1, max_size=30))
def test_a_weighted_mean_of_rounded_products(pairs: list[tuple[float, float]]) -> None:
    weight = sum(Fraction(w) for _, w in pairs)
    found = count_mean(*zip(*pairs, strict=True))["loss"]
    if weight == 0:
        assert math.isnan(found)
    else:
        assert found == float(sum(Fraction(v * w) for v, w in pairs) / weight)


def test_steps_of_a_loop_are_the_epoch() -> None:
    step = [count_mean(loss, size) for loss, size in ((0.5, 32), (0.25, 32), (np.float32(1.0), 16))]
    assert sum(step)["loss"] == (0.5 * 32 + 0.25 * 32 + 16) / 80
    assert sum(step).n == 3
    assert count_mean(torch.tensor(0.5), torch.tensor(3))["loss"] == 0.5


@pytest.mark.parametrize(
    ("values", "weights", "wanted"),
    [
        ([], None, "nan"),
        ([1.0], [0.0], "nan"),
        ([math.nan, 2.0], None, "nan"),
        ([math.nan, 2.0], [0.0, 1.0], "2.0"),
        ([math.inf, 2.0], [0.0, 1.0], "2.0"),
        ([math.inf, 2.0], None, "inf"),
        ([-math.inf, 2.0], [1.0, 1.0], "-inf"),
        ([-math.inf, math.inf], None, "nan"),
        ([1e308, 1e308], None, "1e+308"),
        ([1e308], [1e10], "inf"),  # the product leaves float64
        ([5e-324, 0.0], None, "0.0"),
        ([True, False], None, "0.5"),
    ],
)
def test_odd_means(values: Any, weights: Any, wanted: str, posing: None) -> None:
    assert repr(count_mean(values, weights)["loss"]) == wanted
    tensors = [
        None if x is None else torch.tensor(x, dtype=torch.float64) for x in (values, weights)
    ]
    assert repr(count_mean(*tensors)["loss"]) == wanted


def test_means_on_a_device_have_the_same_bytes(posing: None) -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(700) * 10.0 ** rng.integers(-30, 30, 700)
    values[[3, 77]] = math.inf, math.nan
    weights = rng.random(700)
    for own in (None, weights):
        parts: Any = 0
        for start in range(0, 700, 2):
            rows = slice(start, start + 2)
            columns_of = [torch.tensor(values[rows])]
            parts += count_mean(
                *columns_of, None if own is None else torch.tensor(own[rows]), name="x"
            )
        assert parts.to_bytes() == count_mean(values, own, name="x").to_bytes()
    halves = torch.tensor(values[:50]).clamp(-1e3, 1e3).bfloat16()
    assert count_mean(halves).to_bytes() == count_mean(halves.float().numpy()).to_bytes()
    assert count_mean(torch.tensor(2.0), 3)["loss"] == 2.0
    with pytest.raises(InputError, match=r"weights\[1\] must be finite and at least 0, got -1.0"):
        _ = count_mean(torch.ones(2), torch.tensor([1.0, -1.0])).value


def test_single_items_are_counted_on_the_host(posing: None) -> None:
    with pytest.raises(InputError, match="by and items are of values on the host"):
        count_mean(torch.ones(2), items=True)
    with pytest.raises(InputError, match="by and items are of logits on the host"):
        count_distillation(torch.ones(2, 2), torch.ones(2, 2), torch.ones(2), items=True)


def test_intervals_of_means() -> None:
    values = np.abs(np.random.default_rng(0).standard_normal(400))
    found = assay.interval(count_mean(values, items=True), "loss")
    half = 1.96 * values.std(ddof=1) / math.sqrt(400)
    assert found.low == pytest.approx(values.mean() - half, abs=half / 10)
    assert found.high == pytest.approx(values.mean() + half, abs=half / 10)
    better = assay.compare(
        count_mean(values, items=True), count_mean(values * 0.9, items=True), "loss"
    )
    assert better.delta == pytest.approx(-0.1 * values.mean())
    for bad, message in [
        ([1e9, 1.0], "intervals are of values up to 16,384; there is 1e"),
        ([math.nan, 1.0], "intervals are of finite values; item 0 has nan"),
    ]:
        with pytest.raises(InputError, match=message):
            count_mean(bad, items=True).resampling("loss")


def test_means_of_single_items() -> None:
    state = count_mean([0.5, 0.25], [1, 2], items=True, ids=[9, 4], name="nll")
    assert state.per_item("nll").tolist() == state.per_item("value").tolist() == [0.25, 0.5]
    assert state.per_item("weight").tolist() == [2.0, 1.0]
    assert state.item_columns()["nll"].tolist() == [0.25, 0.5]
    with pytest.raises(InputError, match="rows were not kept"):
        count_mean([1.0]).per_item("value")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((["a"],), {}, "values must be numbers .n., got <U1"),
        (([[1.0]],), {}, r"values must be numbers \[n\], got float64 of shape \(1, 1\)"),
        (([1.0], [1.0, 2.0]), {}, "columns must be of one length: values has 1, weights has 2"),
        (([1.0], [-1.0]), {}, r"weights\[0\] must be finite and at least 0, got -1.0"),
        (([1.0], [math.nan]), {}, r"weights\[0\] must be finite and at least 0, got nan"),
        (([1.0],), {"name": ""}, "name must be a name"),
        (([1.0],), {"better": "more"}, "better must be one of lower, higher, got 'more'"),
        (([1.0],), {"ids": [1]}, "ids go with items=True"),
    ],
)
def test_means_refuse(arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        count_mean(*arguments, **options)


def test_means_of_other_names_do_not_add() -> None:
    with pytest.raises(MergeError, match="name differs: 'loss' and 'x'"):
        count_mean([1.0]) + count_mean([1.0], name="x")


# -- distillation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["float64", "float32", "bfloat16", "numpy", "device"])
@pytest.mark.parametrize(
    ("n", "classes", "temperature", "alpha"),
    [(50, 7, 3.0, 0.3), (1, 2, 1.0, 0.0), (9, 1, 0.5, 1.0)],
)
def test_losses_are_those_of_torch(
    kind: str, n: int, classes: int, temperature: float, alpha: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from sklearn.metrics import accuracy_score, f1_score

    student, teacher, target = logits(n, classes)
    if kind in ("float32", "bfloat16"):
        student, teacher = (x.to(getattr(torch, kind)) for x in (student, teacher))
    monkeypatch.setattr(losses, "BLOCK", 20)  # several blocks of rows
    if kind == "device":
        monkeypatch.setattr(columns, "on_device", lambda data: hasattr(data, "detach"))
    given = [x.numpy() if kind == "numpy" else x for x in (student, teacher, target)]
    found = count_distillation(*given, temperature, alpha)
    s, t = student.double(), teacher.double()
    soft = temperature**2 * F.kl_div(
        F.log_softmax(s / temperature, 1), F.log_softmax(t / temperature, 1),
        log_target=True, reduction="batchmean",
    ).item()  # fmt: skip
    hard = F.cross_entropy(s, target).item()
    assert found.soft_loss == pytest.approx(soft, rel=1e-12, abs=1e-15)
    assert found.hard_loss == pytest.approx(hard, rel=1e-12, abs=1e-15)
    assert found["total_loss"] == pytest.approx(
        alpha * soft + (1 - alpha) * hard, rel=1e-12, abs=1e-15
    )
    for side, own in (("student", s), ("teacher", t)):
        guess = own.argmax(1)
        assert found[f"{side}_accuracy"] == pytest.approx(accuracy_score(target, guess))
        wanted = f1_score(target, guess, average="macro", zero_division=0)
        assert found[f"{side}_macro_f1"] == pytest.approx(wanted)
    assert found["macro_f1_gap"] == found["teacher_macro_f1"] - found["student_macro_f1"]
    assert found["accuracy_gap"] == found["teacher_accuracy"] - found["student_accuracy"]
    assert State.from_bytes(found.to_bytes()).as_dict() == found.as_dict()


def test_batches_on_a_device_are_the_whole(posing: None) -> None:
    student, teacher, target = logits(40, 5)
    parts = [
        count_distillation(student[i : i + 3], teacher[i : i + 3], target[i : i + 3], 2.0, 0.5)
        for i in range(0, 40, 3)
    ]
    whole = count_distillation(student.numpy(), teacher.numpy(), target.numpy(), 2.0, 0.5)
    for name, value in sum(parts).as_dict().items():
        assert value == pytest.approx(whole[name], rel=1e-14)
    for bad in (5, -1):
        target[7] = bad
        parts[2] = count_distillation(student[6:9], teacher[6:9], target[6:9], 2.0, 0.5)
        with pytest.raises(
            InputError, match=rf"target\[7\] must be in 0..4, the classes, got {bad}"
        ):
            sum(parts).as_dict()


def test_what_is_hidden_adds_nothing() -> None:
    hidden = -math.inf
    d = count_distillation([[1.0, 2.0, hidden]], [[1.0, 2.0, hidden]], [0])
    assert d.soft_loss == 0.0
    d = count_distillation([[1.0, 2.0, hidden]], [[1.0, 2.0, 0.0]], [2], alpha=1.0)
    assert d.soft_loss == d.hard_loss == d.total_loss == math.inf
    d = count_distillation([[1.0, 2.0, hidden]], [[1.0, 2.0, hidden]], [2], alpha=1.0)
    assert (d.soft_loss, d.hard_loss, d.total_loss) == (0.0, math.inf, 0.0)
    assert all(math.isnan(value) for value in count_distillation([], [], []).as_dict().values())


def test_distillation_of_single_items() -> None:
    student, teacher, target = logits(6, 3)
    state = count_distillation(student, teacher, target, items=True, ids=[5, 4, 3, 2, 1, 0])
    assert state.per_item("target").tolist() == target.flip(0).tolist()
    assert state.per_item("student").tolist() == student.argmax(1).flip(0).tolist()
    assert state.per_item("soft_loss").mean() == pytest.approx(state.soft_loss)
    assert state.per_item("hard_loss").mean() == pytest.approx(state.hard_loss)
    assert [*state.item_columns()] == ["soft_loss", "hard_loss", "target", "student", "teacher"]
    with pytest.raises(InputError, match="the column must be one of id, soft_loss"):
        state.per_item("wer")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([[1.0, 2.0]], [[1.0]], [0]), {}, "must have the same classes, got 2 and 1"),
        (([[1.0]], [[1.0]], [0, 0]), {}, "columns must be of one length"),
        (([[1.0]], [[1.0]], [1]), {}, r"target\[0\] must be in 0..0, the classes, got 1"),
        (([[1.0]], [[1.0]], [0.5]), {}, r"target must be classes \[n\], got float64"),
        (([1.0], [1.0], [0]), {}, r"student_logits must be numbers \[n, C\]"),
        (([[math.nan]], [[1.0]], [0]), {}, "logits of row 0 have no softmax"),
        (([[1.0, 1.0]], [[math.inf, 1.0]], [0]), {}, "logits of row 0 have no softmax"),
        (([[-math.inf]], [[1.0]], [0]), {}, "logits of row 0 have no softmax"),
        (([[1.0]], [[1.0]], [0]), {"temperature": 0}, "temperature must be above 0 and"),
        (([[1.0]], [[1.0]], [0]), {"temperature": "2"}, "temperature must be a number, got '2'"),
        (([[1.0]], [[1.0]], [0]), {"alpha": 1.5}, "alpha must be in 0..1, got 1.5"),
    ],
)  # fmt: skip
def test_distillation_refuses(arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        count_distillation(*arguments, **options)
