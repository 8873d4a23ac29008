"""Numba kernels that count the n-grams of items at hand. `ops/own_frequencies.py` is their only
caller. Nodes and rows are those of `_ngram_kernels.ngrams` and `consensus`."""

import numpy as np

from assay.ops import _gram_table_kernels, _intrinsics
from assay.ops._gram_table_kernels import sort_keys
from assay.ops._intrinsics import keep
from assay.ops.jit import kernel

BUILT_FROM = (_gram_table_kernels, _intrinsics)


@kernel
def in_references(nodes, offsets, refs, starts):
    """Which nodes stand in a reference of their item, uint8."""
    out = np.zeros(starts[-1], np.uint8)
    order = nodes.shape[1]
    cells = nodes.reshape(nodes.size)
    for i in range(len(refs) - 1):
        head = i + refs[i]
        for at in range(offsets[head + 1] * order, offsets[i + 1 + refs[i + 1]] * order):
            if cells[at] >= 0:
                out[cells[at]] = 1
    return out


@kernel
def by_length(lengths, order):
    """The nodes of length 1, of length 2, …, and where those of each begin, int64 [order + 1]."""
    starts = np.zeros(order + 2, np.int64)
    for i in range(len(lengths)):
        starts[lengths[i] + 1] += 1
    for length in range(order + 1):
        starts[length + 1] += starts[length]
    out = np.empty(len(lengths), np.int32)
    for i in range(len(lengths)):
        out[starts[lengths[i]]] = i
        starts[lengths[i]] += 1
    return out, starts[:-1]


@kernel
def keys_among(
    nodes, above, symbols, ranks, places, marked, base, single, part, parts, keys, marks, at
):
    """Of some nodes of one length those of a part whose node above has a place: their keys from
    `at` on, and as marks twice their number, counted from base, plus one where it is marked.

    A node is in the part of its first word: rank modulo parts. single: nodes are words. Returns
    where they end.
    """
    for k in range(len(nodes)):
        node = nodes[k]
        rank = ranks[symbols[node]]
        up = np.int64(0) if single else np.int64(places[above[node]])
        if up >= 0 and (rank if single else up) % parts == part:
            keys[at] = (up << 32) | rank
            marks[at] = ((base + node) << 1) | marked[node]
            at += 1
    return at


@kernel
def count_runs(keys, marks, part, parts, places, found):
    """How many nodes of each key are marked; where that is more than one, for all nodes of the key
    as `found`, and a number of theirs as place. keys and marks are written over."""
    n = len(keys)
    spare, spare_marks = np.empty(n, np.int64), np.empty(n, np.uint32)
    source, own, _ = sort_keys(keys, marks, spare, spare_marks)
    start = 0
    number = 0
    while start < n:
        key = source[start]
        count = 0
        stop = start
        while stop < n and source[stop] == key:
            count += np.int64(own[stop] & 1)
            stop += 1
        if count > 1:
            for k in range(start, stop):
                node = np.int64(own[k] >> 1)
                places[node] = number * parts + part
                found[node] = count
            number += 1
        start = stop
    keep((spare, spare_marks))
