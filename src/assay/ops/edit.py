"""Edit distance of many pairs: distance, counts, or the whole alignment.

Policy `jiwer` breaks ties as compiled rapidfuzz does, on every input; see `_edit_kernels.py` for
the rule and `_edit_long.py` for pairs that it splits. The others are in POLICIES, their rule in
`_weighted_kernels.py`. The slow twin is `reference.align`.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.threads import parallel
from assay.ops import _edit_kernels as kernels
from assay.ops import _weighted_kernels
from assay.ops._edit_kernels import DELETE, EQUAL, INSERT, PENDING, SUBSTITUTE
from assay.ops._edit_lanes import CHUNKS, COUNTS, DISTANCE
from assay.ops._edit_long import long_distance, long_path
from assay.ops.backend import choose
from assay.ops.tokens import AFTER, BEFORE, BOTH_ENDS, Pairs

__all__ = [
    "CHUNKS",
    "COUNTS",
    "DELETE",
    "DISTANCE",
    "EQUAL",
    "INSERT",
    "POLICIES",
    "SUBSTITUTE",
    "Edits",
    "Policy",
    "compare",
    "compare_blocks",
]


class Policy(NamedTuple):
    """What a substitution, and a deletion or insertion, costs; whether a symbol against a symbol
    wins ties; which ends that both sides have in common are surely matched."""

    substitution: int
    gap: int
    loose: int
    ends: int


# jiwer's ties are those of rapidfuzz, which no comparison of three costs gives
POLICIES: dict[str, Policy] = {
    "jiwer": Policy(1, 1, 0, BOTH_ENDS),
    "kaldi": Policy(1, 1, 0, BEFORE),
    "sclite": Policy(4, 3, 1, AFTER),
}


class Edits(NamedTuple):
    """What comparing n pairs gives.

    lengths int64 [n, 2]: symbols of reference and hypothesis. distance int64 [n].
    insertions int64 [n], of the canonical alignment (not at depth DISTANCE).
    At depth CHUNKS, runs of one operation: kinds uint8 [c], spans int32 [c, 4] (reference start
    and end, hypothesis start and end), offsets int64 [n + 1].
    """

    lengths: npt.NDArray[np.int64]
    distance: npt.NDArray[np.int64]
    insertions: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.uint8]
    spans: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """int64 [n, 4]: hits, substitutions, deletions, insertions."""
        return np.stack(self.columns(slice(None)), axis=1)

    def columns(self, chosen: Any) -> tuple[npt.NDArray[np.int64], ...]:
        """Hits, substitutions, deletions and insertions of each of the chosen pairs."""
        units, found = self.lengths[chosen].T
        columns: tuple[npt.NDArray[np.int64], ...] = _split(
            units, found, self.distance[chosen], self.insertions[chosen]
        )
        return columns

    def totals(self, chosen: Any = slice(None)) -> tuple[int, int, int, int]:
        """Hits, substitutions, deletions and insertions of the chosen pairs together."""
        units, found = self.lengths[chosen].sum(axis=0).tolist()
        distance, insertions = self.distance[chosen].sum(), self.insertions[chosen].sum()
        counts: tuple[int, int, int, int] = _split(units, found, int(distance), int(insertions))
        return counts


def _split(units: Any, found: Any, distance: Any, insertions: Any) -> Any:
    """What a distance consists of, given the lengths of both sides and its insertions."""
    deletions = insertions + units - found
    substitutions = distance - insertions - deletions
    return units - substitutions - deletions, substitutions, deletions, insertions


_NO_CHUNKS = np.empty(0, np.uint8), np.empty((0, 4), np.int32), np.zeros(1, np.int64)


def compare(pairs: Pairs, depth: int, policy: str = "jiwer") -> Edits:
    """Compare the pairs of one block in this thread."""
    n = len(pairs.ref_starts)
    out = np.empty((n, 4), np.int64)
    kinds, spans, offsets = _NO_CHUNKS
    if depth == CHUNKS:  # a chunk covers a symbol, or the equal ones before or after a row
        symbols = pairs.ref_ends - pairs.ref_starts + pairs.hyp_ends - pairs.hyp_starts
        room = int(symbols.sum()) + 2 * n
        kinds, spans = np.empty(room, np.uint8), np.empty((room, 4), np.int32)
        offsets = np.zeros(n + 1, np.int64)
    costs = POLICIES[policy]
    too_long = 0
    if policy == "jiwer" or (depth == DISTANCE and costs.substitution == costs.gap):
        in_bytes = pairs.ref.dtype == np.uint8
        pair_kernel: Any = kernels.byte_pairs if in_bytes else kernels.symbol_pairs
        slots = np.zeros(pairs.size, np.int32)
        too_long = pair_kernel(*pairs[:7], slots, depth, out, kinds, spans, offsets[1:])
    else:
        ref, hyp = (side.astype(np.int32, copy=False) for side in (pairs.ref, pairs.hyp))
        sides = pairs._replace(ref=ref, hyp=hyp)[:7]
        _weighted_kernels.weighted_pairs(*sides, *costs[:3], depth, out, kinds, spans, offsets[1:])
    if depth == CHUNKS:
        used = int(offsets[-1])
        kinds, spans = kinds[:used].copy(), spans[:used].copy()
    edits = Edits(
        out[:, kernels.REF : kernels.HYP + 1],
        out[:, kernels.DIST],
        out[:, kernels.INS],
        kinds,
        spans,
        offsets,
    )
    return _add_long(pairs, depth, edits) if too_long else edits


def compare_blocks(
    blocks: Iterable[Callable[[], Pairs]], depth: int, policy: str = "jiwer"
) -> Edits:
    """Compare blocks of pairs on the shared pool; packing one overlaps with comparing others."""
    backend = choose("edit")
    parts: list[Edits] = list(parallel(lambda block: backend(block(), depth, policy), blocks))
    if len(parts) == 1:
        return parts[0]
    if not parts:
        none = np.zeros(0, np.int64)
        return Edits(
            np.zeros((0, 2), np.int64), none, none,
            np.zeros(0, np.uint8), np.zeros((0, 4), np.int32), np.zeros(1, np.int64),
        )  # fmt: skip
    ends = np.cumsum([len(part.kinds) for part in parts])
    offsets = [parts[0].offsets]
    offsets += [part.offsets[1:] + end for part, end in zip(parts[1:], ends, strict=False)]
    joined = {f: np.concatenate([getattr(p, f) for p in parts]) for f in Edits._fields[:5]}
    return Edits(**joined, offsets=np.concatenate(offsets))


def _add_long(pairs: Pairs, depth: int, edits: Edits) -> Edits:
    """Fill in the pairs that are too long for the short kernel."""
    pending = np.flatnonzero(edits.distance == PENDING)
    kinds, spans, extra = [], [], np.zeros(len(edits.distance), np.int64)
    taken = 0
    for r in pending:
        a = pairs.ref[pairs.ref_starts[r] : pairs.ref_ends[r]].astype(np.int32)
        b = pairs.hyp[pairs.hyp_starts[r] : pairs.hyp_ends[r]].astype(np.int32)
        size = pairs.size
        if size > len(a) + len(b):  # every part of the pair pays for the size of the alphabet
            distinct, flat = np.unique(np.concatenate([a, b]), return_inverse=True)
            a, b = np.split(flat.astype(np.int32), [len(a)])
            size = len(distinct)
        if depth == DISTANCE:
            edits.distance[r] = long_distance(a, b, size)
            continue
        path = long_path(a, b, size)
        edits.distance[r] = np.count_nonzero(path)
        edits.insertions[r] = np.count_nonzero(path == INSERT)
        if depth == CHUNKS:
            same = pairs.same[r] if len(pairs.same) else (0, 0)
            run_kinds, run_spans = _runs(path, int(same[0]), int(same[1]))
            at = int(edits.offsets[r])
            kinds += [edits.kinds[taken:at], run_kinds]
            spans += [edits.spans[taken:at], run_spans]
            taken = at
            extra[r] = len(run_kinds)
    if depth != CHUNKS:
        return edits
    offsets = edits.offsets.copy()
    offsets[1:] += np.cumsum(extra)
    return edits._replace(
        kinds=np.concatenate([*kinds, edits.kinds[taken:]]),
        spans=np.concatenate([*spans, edits.spans[taken:]]),
        offsets=offsets,
    )


def _runs(path: npt.NDArray[np.uint8], before: int, after: int) -> tuple[Any, Any]:
    """Runs of equal operations of a path with further matches before and after it."""
    path = np.concatenate([np.zeros(before, np.uint8), path, np.zeros(after, np.uint8)])
    starts = np.flatnonzero(np.diff(path, prepend=np.uint8(255)))
    ref = np.concatenate([[0], np.cumsum(path != INSERT)])
    hyp = np.concatenate([[0], np.cumsum(path != DELETE)])
    ends = np.append(starts[1:], len(path))
    spans = np.stack([ref[starts], ref[ends], hyp[starts], hyp[ends]], axis=1)
    return path[starts], spans.astype(np.int32)
