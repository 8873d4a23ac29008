"""Runs, judgements and vectors that tests of rankings share."""

from typing import Any

KS = (1, 2, 3, 5)


def columns(mapping: dict[Any, Any]) -> tuple[list[Any], ...]:
    """A mapping of mappings or lists as a tuple of columns."""
    rows = []
    for query, own in mapping.items():
        if isinstance(own, dict):
            rows += [(query, item, value) for item, value in own.items()]
        else:
            rows += [(query, item) for item in own]
    return tuple(list(column) for column in zip(*rows, strict=True))


def embeddings(rng: Any, q: int, g: int) -> tuple[Any, Any]:
    """Vectors of q queries and g gallery rows of small integers: many scores are tied."""
    x, y = rng.integers(-2, 3, (q, 3)).astype(float), rng.integers(-2, 3, (g, 3)).astype(float)
    x[:, 0], y[:, 0] = 3, 3
    return x, y


RUN = {"q1": {"a": 0.5, "b": 2.0, "c": 0.5}, "q2": {"c": 1.0, "a": 0.0}}
JUDGED = {"q1": {"c": 1, "z": 2}, "q2": {"a": 1, "c": 0}}
