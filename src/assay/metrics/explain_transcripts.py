"""Transcripts as an error explorer shows them: what became of the words of each pair."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from assay.core.checks import one_of
from assay.core.errors import InputError
from assay.core.explained import Explained
from assay.metrics import _pairs
from assay.ops import edit

__all__ = ["explain_transcripts"]

OPERATIONS = {edit.EQUAL: "=", edit.SUBSTITUTE: "s", edit.DELETE: "d", edit.INSERT: "i"}
_BLOCK = 4096  # pairs whose words are held as objects at once


def explain_transcripts(
    reference: Any,
    hypothesis: Any,
    unit: str = "word",
    *,
    normalise: str | Callable[[str], str] = "none",
    policy: str = "jiwer",
    by: Mapping[str, Any] | None = None,
    ids: Any = None,
) -> Explained:
    """The canonical alignment of each of n pairs, as compact text; the worst have most errors.

    Inputs and options as count_words; unit "word" or "char". ids: n texts or integers, by default
    0..n-1. by: columns [n] to filter by.

    Columns: `id`; `reference`, its units with a space between words; `edits`, what becomes of them
    in order, a number and one of = (equal), s (substituted), d (deleted), i (inserted), empty where
    all are equal; `other`, the units of the hypothesis that are not equal; `errors` and `units`, of
    the reference. InputError where lengths differ, and as of count_words.

    >>> rows = explain_transcripts(["the cat sat"], ["the dog sat down"])
    >>> rows.columns["edits"], rows.columns["other"], rows.weight
    (['1=1s1=1i'], ['dog down'], array([2.]))
    """
    one_of(unit, "unit", ("word", "char"))
    pairs = _pairs.open_pairs(reference, hypothesis, unit, normalise, None, None, policy)
    edits = edit.compare_blocks(pairs.blocks(), edit.CHUNKS, policy)
    gap = " " if unit == "word" else ""
    references: list[str] = []
    scripts: list[str] = []
    others: list[str] = []
    for start in range(0, pairs.n, _BLOCK):
        stop = min(start + _BLOCK, pairs.n)
        chunks = slice(int(edits.offsets[start]), int(edits.offsets[stop]))
        kinds, spans = edits.kinds[chunks].tolist(), edits.spans[chunks].tolist()
        offsets = (edits.offsets[start : stop + 1] - edits.offsets[start]).tolist()
        wrong = edits.distance[start:stop].tolist()
        for row, (ref, hyp) in enumerate(pairs.items(start, stop)):
            references.append(gap.join(ref))
            script, other = "", ""
            if wrong[row]:
                own = range(offsets[row], offsets[row + 1])
                script = "".join(map(_operation, (kinds[c] for c in own), (spans[c] for c in own)))
                rest = [hyp[spans[c][2] : spans[c][3]] for c in own if kinds[c] != edit.EQUAL]
                other = gap.join(token for tokens in rest for token in tokens)
            scripts.append(script)
            others.append(other)
    return Explained(
        "transcripts",
        {
            "id": named_ids(ids, pairs.n),
            "reference": references,
            "edits": scripts,
            "other": others,
            "errors": edits.distance.tolist(),
            "units": edits.lengths[:, 0].tolist(),
        },
        edits.distance.astype(np.float64),
        pairs.n,
        groups_of(by, pairs.n),
        {"unit": unit, "normaliser": pairs.normaliser, "split": pairs.split},
    )


def _operation(kind: int, span: Sequence[int]) -> str:
    size = span[3] - span[2] if kind == edit.INSERT else span[1] - span[0]
    return f"{size}{OPERATIONS[kind]}"


def named_ids(ids: Any, n: int) -> list[str | int]:
    """What n items are called; numbers from 0 without names."""
    if ids is None:
        return list(range(n))
    names = [own if isinstance(own, int) else str(own) for own in plain(ids)]
    if len(names) != n:
        raise InputError(f"ids must be {n}, one for each item, got {len(names)}")
    return names


def groups_of(by: Mapping[str, Any] | None, n: int) -> dict[str, list[str]]:
    """Columns to filter by, as text; what is missing is the empty text."""
    groups: dict[str, list[str]] = {}
    for name, column in (by or {}).items():
        groups[name] = ["" if value is None else str(value) for value in plain(column)]
        if len(groups[name]) != n:
            raise InputError(f"by: {name!r} must have {n} values, got {len(groups[name])}")
    return groups


def plain(column: Any) -> list[Any]:
    """A column of anything as Python objects."""
    for method in ("to_pylist", "tolist", "to_list"):
        if hasattr(column, method):
            return list(getattr(column, method)())
    return list(column)
