"""The slow twins of aligning ops, in plain lists. Arguments as the kernels'."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from assay.ops.reference_ngram import items_of

__all__ = ["shifted_edits", "staged_matches"]

Row = list[int]

SIZE, DISTANCE, CANDIDATES, BEAM = 10, 50, 1000, 25


def shifted_edits(tokens: Any, offsets: Any, refs: Any) -> Any:
    """`aligning.shifted_edits` by whole tables."""
    pairs = [(own, ref) for own, others in items_of(tokens, offsets, refs) for ref in others]
    return np.array([_shifted(own, ref) for own, ref in pairs], np.int64)


def _shifted(own: Row, ref: Row) -> int:
    if not ref:
        return len(own)
    shifts, tried = 0, 0
    while True:
        distance, path = _edits(own, ref)
        candidates = []
        for start, at, length in _matches(own, ref, path):
            before = [path[place - 1][1] + 1 if place else 0 for place in range(at, at + length)]
            targets = [*before, path[at + length - 1][1] + 1]
            for target, last in zip(targets, [None, *targets], strict=False):
                if target != last:
                    tried += 1
                    moved = _moved(own, start, length, target)
                    gain = distance - _edits(moved, ref)[0]
                    candidates.append(((gain, length, -start, -target), moved))
            if tried >= CANDIDATES:
                return distance + shifts
        best, moved = max(candidates, default=((0,), own))
        if best[0] <= 0:
            return distance + shifts
        own = moved
        shifts += 1


def _edits(own: Row, ref: Row) -> tuple[int, list[tuple[bool, int]]]:
    """The distance within the beam, and of each word of the reference whether it is an error, and
    the word of the hypothesis it stands beside or behind."""
    n, m = len(own), len(ref)
    ratio = m / n if n else 1.0
    beam = math.ceil(ratio / 2 + BEAM) if ratio / 2 > BEAM else BEAM
    table = [[(float(j), "new") for j in range(m + 1)]]
    for i in range(1, n + 1):
        middle = math.floor(i * ratio)
        row = [(math.inf, "")] * (m + 1)
        for j in range(max(0, middle - beam), m + 1 if i == n else min(m + 1, middle + beam)):
            ways = [(table[-1][j][0] + 1, "gone")]
            if j:
                same = own[i - 1] == ref[j - 1]
                ways.insert(0, (table[-1][j - 1][0] + (not same), "same" if same else "other"))
                ways.append((row[j - 1][0] + 1, "new"))
            row[j] = min(ways, key=lambda way: way[0])
        table.append(row)
    beside = []
    i, j = n, m
    while i or j:
        edit = table[i][j][1]
        i, j = i - (edit != "new"), j - (edit != "gone")
        if edit != "gone":
            beside.append((edit != "same", i - (edit == "new")))
    return int(table[n][m][0]), beside[::-1]


def _matches(own: Row, ref: Row, path: Any) -> Any:
    """Runs that stand in both, and in both have an error: start, start in the reference, length."""
    right = {place for error, place in path if not error}
    for start in range(len(own)):
        for at in range(max(0, start - DISTANCE), min(len(ref), start + DISTANCE + 1)):
            for length in range(1, SIZE + 1):
                run = own[start : start + length]
                if len(run) < length or run != ref[at : at + length]:
                    break
                errors = [path[k][0] for k in range(at, at + length)]
                inside = start <= path[at][1] < start + length
                all_right = right.issuperset(range(start, start + length))
                if any(errors) and not all_right and not inside:
                    yield start, at, length


def _moved(own: Row, start: int, length: int, target: int) -> Row:
    run = own[start : start + length]
    if target < start:
        return own[:target] + run + own[target:start] + own[start + length :]
    end = target if target > start + length else target + length
    return own[:start] + own[start + length : end] + run + own[end:]


def staged_matches(
    tokens: Any, offsets: Any, refs: Any, words: Any, stems: Any, starts: Any, synonyms: Any
) -> Any:
    """`aligning.staged_matches` by a search for each word."""
    known = [set(synonyms[a:b].tolist()) for a, b in pairwise(starts)]
    stages: list[Callable[[int, int], bool]] = [
        lambda a, b: a == b,
        lambda a, b: bool(stems[a] == stems[b]),
        lambda a, b: int(stems[b]) in known[stems[a]],
    ]
    out = []
    for own, others in items_of(tokens, offsets, refs):
        for ref in others:
            found: dict[int, int] = {}
            for stage in stages:
                for k in reversed(range(len(own))):
                    free = set(range(len(ref))) - set(found.values())
                    places = [j for j in free if stage(own[k], ref[j])]
                    if k not in found and places:
                        found[k] = max(places)
            links = sorted(found.items())
            breaks = [(b[0] - a[0], b[1] - a[1]) != (1, 1) for a, b in pairwise(links)]
            out.append((len(links), len(links) and 1 + sum(breaks)))
    return np.array(out, np.int64).reshape(-1, 2)
