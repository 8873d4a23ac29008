"""Distillation: the losses of a student against its teacher, and how far behind it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import flag, number, one_of
from assay.core.errors import InputError
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped, keyed, listed, summed
from assay.core.waiting import WaitingArray, WaitingMapping
from assay.metrics._counting import by_groups, float_column
from assay.metrics._item_rows import UNKEPT, item_ids
from assay.metrics.confusion import Confusion
from assay.metrics.mean import UNIT, whole_of
from assay.ops import columns
from assay.ops.columns import as_array, same_length
from assay.ops.exact import LIMBS, add_limbs
from assay.ops.labels import count_pairs
from assay.ops.losses import distillation_losses

__all__ = ["Distillation", "count_distillation"]

Array = npt.NDArray[Any]

LOSSES = ("soft_loss", "hard_loss")


@dataclass(frozen=True, eq=False)
class Distillation(State):
    """Sums of losses, and counts of (target, prediction) of student and teacher.

    limbs int64 [2, LIMBS]: the exact sums of soft and hard loss; infinite int64 [2]: items whose
    loss is inf, in no limbs. rows int64 [n, 6], with items=True: id, soft and hard loss as float64
    bits, target, and the predictions of student and teacher.
    """

    limbs: Any = summed(2, LIMBS)
    infinite: Any = summed(2)
    student: Mapping[tuple[int, int], int] = keyed()
    teacher: Mapping[tuple[int, int], int] = keyed()
    rows: Array = listed("id", "soft_loss", "hard_loss", "target", "student", "teacher")
    groups: Mapping[tuple[str, ...], "Distillation"] = grouped()
    by: tuple[str, ...] | None = fixed()
    temperature: float | None = fixed()
    alpha: float | None = fixed()
    detail: tuple[str, ...] | None = fixed()

    @property
    def n(self) -> int:
        """Items."""
        return sum(self.student.values())

    @property
    def soft_loss(self) -> float:
        """The mean of T² KL(teacher || student) at temperature T; in 0..inf."""
        return self._mean(0)

    @property
    def hard_loss(self) -> float:
        """The mean cross-entropy of the student; in 0..inf."""
        return self._mean(1)

    @property
    def total_loss(self) -> float:
        """alpha · soft + (1 - alpha) · hard."""
        if self.alpha is None:
            return math.nan
        # A loss that does not count may be inf.
        parts = ((self.alpha, self.soft_loss), (1 - self.alpha, self.hard_loss))
        return sum(share * loss for share, loss in parts if share)

    def _mean(self, place: int) -> float:
        if np.broadcast_to(np.asarray(self.infinite), 2)[place]:
            return math.inf
        total = whole_of(np.broadcast_to(np.asarray(self.limbs), (2, LIMBS))[place])
        return total / (self.n * UNIT) if self.n else math.nan

    @cached_property
    def confusions(self) -> dict[str, Confusion]:
        """The labels of "student" and "teacher" against the targets."""
        sides: dict[str, Any] = {"student": self.student, "teacher": self.teacher}
        return {name: Confusion(cells=cells, weighted=False) for name, cells in sides.items()}

    def per_item(self, name: str) -> Array:
        """ "id", "soft_loss", "hard_loss", "target", "student" or "teacher" (predicted classes) of
        each item, in order of id; needs a count with items=True."""
        if "items" not in (self.detail or ()):
            raise InputError(UNKEPT)
        names = ("id", "soft_loss", "hard_loss", "target", "student", "teacher")
        place = names.index(one_of(name, "per_item: the column", names))
        if name in LOSSES:
            return np.asarray(float_column(self.rows[:, [0, place]]))
        return np.asarray(self.rows[np.argsort(self.rows[:, 0], kind="stable"), place])

    def item_columns(self) -> dict[str, Array]:
        """Losses, target and predictions of single items, in order of id."""
        return {name: self.per_item(name) for name in (*LOSSES, "target", "student", "teacher")}

    def total_scores(self) -> list[Score]:
        """Losses, accuracy and macro-F1 of student and teacher, and the gap between them."""
        scores = [self._score(f"{name}_loss", getattr(self, f"{name}_loss"), "nats", "lower")
                  for name in ("soft", "hard", "total")]  # fmt: skip
        for metric in ("accuracy", "macro_f1"):
            found = {side: own.value(metric) for side, own in self.confusions.items()}
            scores += [
                self._score(f"{side}_{metric}", value, "fraction", "higher")
                for side, value in found.items()
            ]
            gap = found["teacher"] - found["student"]
            scores.append(self._score(f"{metric}_gap", gap, "fraction", "lower"))
        return scores

    def _score(self, name: str, value: float, unit: str, better: Better) -> Score:
        definition = {
            "soft_loss": f"kl:teacher||student*T^2|T:{self.temperature}|reduction:mean over items",
            "hard_loss": "cross-entropy|reduction:mean over items",
            "total_loss": f"alpha*soft+(1-alpha)*hard|T:{self.temperature}|alpha:{self.alpha}",
        }.get(name, "classes:of the highest logit, the first of equals|zero_division:0")
        return Score(name, value, unit, better, self.n, {}, f"{name}|{definition}", provenance())


def count_distillation(
    student_logits: Any,
    teacher_logits: Any,
    target: Any,
    temperature: float = 2.0,
    alpha: float = 0.5,
    *,
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
) -> Distillation:
    """Add up the losses of knowledge distillation, and count right and wrong of both models.

    student_logits, teacher_logits [n, C]: any type, computed in float64. target [n]: classes in
    0..C-1. temperature: T > 0. alpha: the share of the soft loss in the total, in 0..1. by, items,
    ids: as count_labels.

    soft_loss: T² times the KL divergence of teacher to student, softened by T, the mean over items
    (kl_div with reduction="batchmean"); hard_loss: cross-entropy; total_loss: alpha · soft +
    (1 - alpha) · hard. Gaps are teacher less student. Without items: nan. Tensors on a GPU are
    counted there, and 40 bytes an item kept until the state is read. InputError names the row of a
    target outside 0..C-1, of NaN, +inf, or of nothing but -inf.

    Source: Hinton, Vinyals and Dean, arXiv:1503.02531.

    >>> d = count_distillation([[2.0, 0.0]], [[4.0, 0.0]], [0], temperature=2.0, alpha=0.5)
    >>> round(d.soft_loss, 4), round(d.hard_loss, 4), d["student_accuracy"], d["macro_f1_gap"]
    (0.2685, 0.1269, 1.0, 0.0)
    """
    known: dict[str, Any] = {
        "temperature": number(temperature, "temperature"),
        "alpha": number(alpha, "alpha"),
    }
    if not 0 < known["temperature"] < math.inf:
        raise InputError(f"temperature must be above 0 and finite, got {temperature!r}")
    if not 0 <= known["alpha"] <= 1:
        raise InputError(f"alpha must be in 0..1, got {alpha!r}")
    if columns.on_device(student_logits):
        if by is not None or flag(items, "items") or ids is not None:
            raise InputError("count_distillation: by and items are of logits on the host")
        return _on_device(student_logits, teacher_logits, target, known)
    student, teacher = (
        _logits(side, what)
        for side, what in ((student_logits, "student_logits"), (teacher_logits, "teacher_logits"))
    )
    target = as_array(target, "target")
    n = same_length(student_logits=student, teacher_logits=teacher, target=target)
    own_ids = item_ids(flag(items, "items"), ids, n)
    if n and student.shape[1] != teacher.shape[1]:
        raise InputError(
            f"student_logits and teacher_logits must have the same classes, got {student.shape[1]} "
            f"and {teacher.shape[1]}"
        )
    if target.ndim != 1 or (n and target.dtype.kind not in "iub"):
        raise InputError(f"target must be classes [n], got {target.dtype} of shape {target.shape}")
    target = target.astype(np.int64)
    wrong = (target < 0) | (target >= (student.shape[1] if n else 1))
    if wrong.any():
        _refuse_target(int(np.argmax(wrong)), int(target[np.argmax(wrong)]), student.shape[1])
    if not n:
        student = teacher = np.zeros((0, 1))
    soft, hard = distillation_losses(student, teacher, target, known["temperature"])
    predicted = student.argmax(axis=1), teacher.argmax(axis=1)
    _refuse_losses(soft, hard)
    count: Any = partial(_counted, **known)
    if by is not None:
        return by_groups(count, by, n, (soft, hard, target, *predicted), None, own_ids)  # type: ignore[no-any-return]
    return count(soft, hard, target, *predicted, items=items, ids=own_ids)  # type: ignore[no-any-return]


def _logits(side: Any, what: str) -> Array:
    array = as_array(side, what)
    if len(array) and (array.ndim != 2 or array.dtype.kind not in "fiub"):
        raise InputError(f"{what} must be numbers [n, C], got {array.dtype} of {array.shape}")
    return array


def _refuse_target(row: int, value: int, classes: int) -> None:
    raise InputError(f"target[{row}] must be in 0..{classes - 1}, the classes, got {value}")


def _refuse_losses(soft: Array, hard: Array) -> None:
    bad = np.isnan(soft) | np.isnan(hard)
    if bad.any():
        raise InputError(
            f"logits of row {int(np.argmax(bad))} have no softmax: NaN, +inf, or nothing but -inf"
        )


def _counted(
    soft: Array, hard: Array, target: Array, student: Array, teacher: Array, *,
    weights: None = None, items: bool = False, ids: Any = None, **known: Any,
) -> Distillation:  # fmt: skip
    rows: dict[str, Any] = {}
    if items:
        bits = [loss.view(np.int64) for loss in (soft, hard)]
        rows = {"rows": np.stack([ids, *bits, target, student, teacher], 1), "detail": ("items",)}
    limbs, infinite = _sums(soft, hard)
    return Distillation(
        limbs=limbs, infinite=infinite, student=_cells(target, student),
        teacher=_cells(target, teacher), **rows, **known,
    )  # fmt: skip


def _sums(soft: Array, hard: Array) -> tuple[Array, Array]:
    finite = [loss[np.isfinite(loss)] for loss in (soft, hard)]
    limbs = [add_limbs(loss, np.zeros(len(loss), np.int64), 1)[0] for loss in finite]
    return np.stack(limbs), np.array([len(soft) - len(loss) for loss in finite])


def _cells(target: Array, guess: Array) -> dict[tuple[int, int], int]:
    size = 1 + int(max(target.max(initial=0), guess.max(initial=0)))
    found = (side.tolist() for side in count_pairs(target, guess, size))
    return {(i, j): count for i, j, count in zip(*found, strict=True)}


# -- on a device -------------------------------------------------------------------------------


def _on_device(student: Any, teacher: Any, target: Any, known: dict[str, Any]) -> Distillation:
    from assay.ops._held_torch import Held
    from assay.ops._means_torch import RowKeeper

    sides = {"student_logits": student, "teacher_logits": teacher, "target": target}
    for name, side in sides.items():
        if getattr(side, "device", None) != student.device:
            raise InputError(f"{name} must lie on {student.device}, as student_logits does")
    if student.dim() != 2 or teacher.shape != student.shape or target.shape != student.shape[:1]:
        shapes = ", ".join(f"{name} {tuple(side.shape)}" for name, side in sides.items())
        raise InputError(f"logits must be [n, C] and target [n], got {shapes}")
    if target.is_floating_point():
        raise InputError(f"target must be classes [n], got {target.dtype}")
    classes = student.shape[1]
    own = target.detach().long()
    inside = own.clamp(0, classes - 1)  # an index outside would stop the device
    soft, hard = distillation_losses(student, teacher, inside, known["temperature"])
    guesses = (side.detach().argmax(1) for side in (student, teacher))
    held = Held.of(RowKeeper(("distillation", classes, *known.values())), soft, hard, own, *guesses)
    fields = {"limbs": 0, "infinite": 1, "student": 2, "teacher": 3}
    waiting: dict[str, Any] = {
        name: (WaitingArray if place < 2 else WaitingMapping)(
            (held,), partial(_of_held, place=place, classes=classes)
        )
        for name, place in fields.items()
    }
    return Distillation(**waiting, **known)


def _of_held(held: Any, *, place: int, classes: int) -> Any:
    soft, hard, target, student, teacher = held.found
    wrong = (target < 0) | (target >= classes)
    if wrong.any():
        _refuse_target(int(np.argmax(wrong)), int(target[np.argmax(wrong)]), classes)
    _refuse_losses(soft, hard)
    if place < 2:
        return _sums(soft, hard)[place]
    return _cells(target, (student, teacher)[place - 2])
