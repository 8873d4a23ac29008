"""Losses of knowledge distillation, item by item, in float64: of arrays or of tensors.

With a temperature T, teacher p = softmax(t / T) and student q = softmax(s / T):

    soft    T² Σ p (ln p - ln q)    KL of teacher to student; a class with p = 0 adds 0
    hard    -ln softmax(s)[target]  cross-entropy

Source: Hinton, Vinyals and Dean, arXiv:1503.02531.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["distillation_losses"]

Floats = npt.NDArray[np.float64]

BLOCK = 1 << 20  # logits that are float64 at a time


def distillation_losses(
    student: Any, teacher: Any, target: Any, temperature: float
) -> tuple[Any, Any]:  # fmt: skip
    """Soft and hard loss float64 [n] of logits [n, C] and targets in 0..C-1.

    A row with NaN, inf or nothing but -inf gives NaN; -inf of the target gives inf. Tensors
    give tensors on their device, and nothing waits for it.

    >>> soft, hard = distillation_losses(np.zeros((1, 2)), np.zeros((1, 2)), np.array([0]), 2.0)
    >>> float(soft[0]), round(float(hard[0]), 4)
    (0.0, 0.6931)
    """
    of = _of_tensors if hasattr(student, "detach") else _of_arrays
    return of(student, teacher, target, temperature)


def _blocks(n: int, width: int) -> Iterator[slice]:
    size = max(1, BLOCK // max(1, width))
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _of_arrays(
    student: Any, teacher: Any, target: Any, temperature: float
) -> tuple[Floats, Floats]:
    soft, hard = np.empty((2, len(target)))
    with np.errstate(invalid="ignore", over="ignore"):
        for rows in _blocks(*student.shape):
            own, other = (side[rows].astype(np.float64) for side in (student, teacher))
            log_q, log_p = _log_softmax(own / temperature), _log_softmax(other / temperature)
            p = np.exp(log_p)
            terms = np.where(p == 0, 0.0, p * (log_p - log_q))
            soft[rows] = terms.sum(axis=1) * temperature**2
            hard[rows] = -np.take_along_axis(_log_softmax(own), target[rows, None], 1)[:, 0]
    return soft, hard


def _log_softmax(logits: Floats) -> Floats:
    logits = logits - logits.max(axis=1, keepdims=True, initial=-math.inf)
    found: Floats = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return found


def _of_tensors(student: Any, teacher: Any, target: Any, temperature: float) -> tuple[Any, Any]:
    import torch

    parts = [(target.new_empty(0, dtype=torch.float64),) * 2]
    for rows in _blocks(*student.shape):
        own, other = (side[rows].detach().double() for side in (student, teacher))
        log_q, log_p = ((x / temperature).log_softmax(1) for x in (own, other))
        p = log_p.exp()
        terms = (p * (log_p - log_q)).masked_fill(p == 0, 0.0)
        hard = -own.log_softmax(1).gather(1, target[rows, None])[:, 0]
        parts.append((terms.sum(1) * temperature**2, hard))
    soft, hard = (torch.cat(column) for column in zip(*parts, strict=True))
    return soft, hard
