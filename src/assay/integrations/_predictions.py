"""What Trainer hands to compute_metrics: tensors or arrays, in tuples or not, padded with -100."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["IGNORED", "array_of", "best_ids", "first"]

Array = npt.NDArray[Any]

IGNORED = -100  # labels that are not scored, and what Trainer pads with


def first(predictions: Any, _: Any = None) -> Any:
    """The logits of an output that has more, as hidden states."""
    return predictions[0] if isinstance(predictions, tuple) else predictions


def best_ids(predictions: Any, _: Any = None) -> Any:
    """Ids as they are; of logits [n, t, v] the best, where they are not padded."""
    predictions = first(predictions)
    if predictions.ndim < 3:
        return predictions
    best = predictions.argmax(-1)
    best[(predictions == IGNORED).all(-1)] = IGNORED
    return best


def array_of(values: Any) -> Array:
    """A tensor as an array."""
    if hasattr(values, "cpu"):  # NumPy has no bfloat16
        values = (values.float() if values.is_floating_point() else values).cpu()
    return np.asarray(values)
