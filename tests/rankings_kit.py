"""Runs and judgements that tests of rankings share."""

from typing import Any


def columns(mapping: dict[Any, Any]) -> tuple[list[Any], ...]:
    """A mapping of mappings or lists as a tuple of columns."""
    rows = []
    for query, own in mapping.items():
        if isinstance(own, dict):
            rows += [(query, item, value) for item, value in own.items()]
        else:
            rows += [(query, item) for item in own]
    return tuple(list(column) for column in zip(*rows, strict=True))


RUN = {"q1": {"a": 0.5, "b": 2.0, "c": 0.5}, "q2": {"c": 1.0, "a": 0.0}}
JUDGED = {"q1": {"c": 1, "z": 2}, "q2": {"a": 1, "c": 0}}
