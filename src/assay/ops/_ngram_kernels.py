"""Numba kernels over numbered tokens: n-grams that match, common subsequences, consensus.

`ops/ngram.py` is their only caller. An n-gram is a node below that of its first n - 1 tokens: the
key (node, token) says exactly which it is, so nothing is compared twice and no hash is trusted. An
item's tokens are few, and so its table stays in the nearest cache.
"""

import math

import numpy as np

from assay.ops import _intrinsics
from assay.ops._intrinsics import keep, pointer, popcount
from assay.ops.jit import inlined, kernel

BUILT_FROM = (_intrinsics,)

_0 = np.uint64(0)
_1 = np.uint64(1)
_32 = np.uint64(32)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_MIX = np.uint64(0x9E3779B97F4A7C15)


@inlined
def slot_of(keys, mask, node, token):
    """The slot of a key, or the free one where it would go, and the key: never 0."""
    key = (np.uint64(node + 1) << _32) | np.uint64(token)
    slot = np.int64((key * _MIX) >> _32) & mask
    while keys[slot] != _0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot, key


@inlined
def slots_for(tokens, order):
    """Twice as many slots as there can be nodes, a power of two."""
    slots = 16
    while slots < 2 * tokens * order:
        slots *= 2
    return slots


@kernel
def matches(tokens, offsets, refs, order, together):
    """How many n-grams of each hypothesis its references have too, for n = 1..order.

    Rows of the tokens are, item by item, a hypothesis and its references: refs[i]:refs[i + 1] of
    all. An n-gram counts as often as it stands in both; in the reference that has it most often
    with `together` (int64 [n, order]), in each reference apart without (int64 [references, order]).
    A token below 0 is in no hypothesis.
    """
    n = len(refs) - 1
    out = np.zeros((n if together else refs[n], order), np.int64)
    longest = np.int64(1)
    for i in range(n):
        row = i + refs[i]
        longest = max(longest, offsets[row + 1] - offsets[row])
    room = longest * order + 1
    held_keys = np.empty(slots_for(longest, order), np.uint64)
    held_nodes = np.empty(len(held_keys), np.int32)
    held_counts = np.empty((4, room), np.int64)
    keys, children = pointer(held_keys, 0), pointer(held_nodes, 0)
    own = pointer(held_counts, 0)  # in the hypothesis
    seen = pointer(held_counts, room)  # in a reference
    stamp = pointer(held_counts, 2 * room)  # … which one
    most = pointer(held_counts, 3 * room)  # in any reference so far
    data = pointer(tokens, 0)
    for i in range(n):
        head = i + refs[i]
        begin, stop = offsets[head], offsets[head + 1]
        mask = slots_for(stop - begin, order) - 1
        for slot in range(mask + 1):
            keys[slot] = _0
        count = np.int64(0)
        for start in range(begin, stop):
            node = np.int64(0)
            for at in range(start, min(stop, start + order)):
                slot, key = slot_of(keys, mask, node, data[at])
                if keys[slot] == _0:
                    count += 1
                    keys[slot] = key
                    children[slot] = count
                    own[count] = 0
                    stamp[count] = -1
                    most[count] = 0
                node = np.int64(children[slot])
                own[node] += 1
        for r in range(refs[i], refs[i + 1]):
            row = i if together else r
            first, last = offsets[i + 1 + r], offsets[i + 2 + r]
            for start in range(first, last):
                node = np.int64(0)
                for at in range(start, min(last, start + order)):
                    if data[at] < 0:
                        break
                    slot, _ = slot_of(keys, mask, node, data[at])
                    if keys[slot] == _0:
                        break
                    node = np.int64(children[slot])
                    times = seen[node] + 1 if stamp[node] == r else 1
                    stamp[node] = r
                    seen[node] = times
                    if times <= own[node] and (not together or times > most[node]):
                        most[node] = times
                        out[row, at - start] += 1
    keep(held_keys)
    keep(held_nodes)
    keep(held_counts)
    return out


@kernel
def subsequences(tokens, offsets, refs, size):
    """Length of the longest common subsequence of each reference with its hypothesis, int64.

    Rows and tokens as in matches(), all below `size`. Bit-parallel: a word holds 64 tokens of the
    hypothesis. A bit that is 0 stands where the length grows.
    """
    n = len(refs) - 1
    out = np.empty(refs[n], np.int64)
    longest = np.int64(1)
    for i in range(n):
        row = i + refs[i]
        longest = max(longest, offsets[row + 1] - offsets[row])
    words = (longest + 63) // 64
    local = np.zeros(size, np.int32)  # token -> its row of masks; row 0: not in the hypothesis
    masks = np.zeros((longest + 1) * words, np.uint64)
    column = np.empty(words, np.uint64)
    for i in range(n):
        head = i + refs[i]
        begin, stop = offsets[head], offsets[head + 1]
        words = (stop - begin + 63) // 64
        rows = 0
        for at in range(begin, stop):
            row = local[tokens[at]]
            if row == 0:
                rows += 1
                row = rows
                local[tokens[at]] = row
                for w in range(words):
                    masks[row * words + w] = _0
            bit = at - begin
            masks[row * words + (bit >> 6)] |= _1 << np.uint64(bit & 63)
        for r in range(refs[i], refs[i + 1]):
            for w in range(words):
                column[w] = _ALL
            for at in range(offsets[i + 1 + r], offsets[i + 2 + r]):
                if tokens[at] < 0:
                    continue
                row = local[tokens[at]]
                if row == 0:
                    continue
                carry = _0
                for w in range(words):
                    old = column[w]
                    both = old & masks[row * words + w]
                    total = old + both
                    over = np.uint64(total < old)
                    total += carry
                    carry = over | np.uint64(total < carry)
                    column[w] = total | (old & ~both)
            zeros = 0
            for w in range(words):
                left = min(64, stop - begin - 64 * w)
                used = _ALL >> np.uint64(64 - left)
                zeros += popcount(~column[w] & used)
            out[r] = zeros
        for at in range(begin, stop):
            local[tokens[at]] = 0
        for w in range(words):
            masks[w] = _0
    return out


@kernel
def ngrams(tokens, offsets, starts, order):
    """The distinct n-grams of each item, n = 1..order, as nodes.

    starts int64 [n + 1]: rows starts[i]:starts[i + 1] are item i. Returns nodes int32 [tokens,
    order], that of the n-gram which begins at a token, -1 beyond the end of a row; of each node the
    one above it (-1: none), its token and its length, int32; and where the nodes of each item
    begin, int64 [n + 1]. A node stands behind the one above it.
    """
    n = len(starts) - 1
    nodes = np.full((len(tokens), order), -1, np.int32)
    firsts = np.zeros(n + 1, np.int64)
    room = len(tokens) * order
    above, symbols, lengths = (
        np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
    )  # fmt: skip
    data, out = pointer(tokens, 0), pointer(nodes, 0)
    ups, words, sizes = pointer(above, 0), pointer(symbols, 0), pointer(lengths, 0)
    longest = np.int64(1)
    for i in range(n):
        longest = max(longest, offsets[starts[i + 1]] - offsets[starts[i]])
    held_keys = np.empty(slots_for(longest, order), np.uint64)
    held_nodes = np.empty(len(held_keys), np.int32)
    keys, children = pointer(held_keys, 0), pointer(held_nodes, 0)
    count = np.int64(0)
    for i in range(n):
        first = count
        mask = slots_for(offsets[starts[i + 1]] - offsets[starts[i]], order) - 1
        for slot in range(mask + 1):
            keys[slot] = _0
        for row in range(starts[i], starts[i + 1]):
            stop = offsets[row + 1]
            for start in range(offsets[row], stop):
                node = first - 1  # the root
                for at in range(start, min(stop, start + order)):
                    slot, key = slot_of(keys, mask, node + 1 - first, data[at])
                    if keys[slot] == _0:
                        keys[slot] = key
                        children[slot] = count
                        ups[count] = node if at > start else -1
                        words[count] = data[at]
                        sizes[count] = at - start + 1
                        count += 1
                    node = np.int64(children[slot])
                    out[start * order + at - start] = node
        firsts[i + 1] = count
    keep(held_keys)
    keep(held_nodes)
    return nodes, above[:count], symbols[:count], lengths[:count], firsts


@kernel
def consensus(nodes, offsets, refs, starts, lengths, weights, sigma):
    """CIDEr-D of each item, float64 [n], from what item_ngrams() gives; rows as in matches().

    weights float64 [nodes]: the inverse document frequency of each n-gram. Sums run in the order in
    which n-grams stand in a reference.
    """
    n = len(refs) - 1
    order = nodes.shape[1]
    out = np.empty(n, np.float64)
    most = np.int64(1)
    for i in range(n):
        most = max(most, starts[i + 1] - starts[i])
    held = np.zeros((3, most), np.int64)
    own, other = pointer(held, 0), pointer(held, most)  # how often each text has an n-gram
    met = pointer(held, 2 * most)
    held_norms = np.zeros((3, order), np.float64)
    own_norm, norm = pointer(held_norms, 0), pointer(held_norms, order)
    shared = pointer(held_norms, 2 * order)
    for i in range(n):
        base = starts[i]
        total = 0.0
        head = i + refs[i]
        for row in range(head, i + 1 + refs[i + 1]):
            hypothesis = row == head
            counts = own if hypothesis else other
            norms = own_norm if hypothesis else norm
            found = 0
            for start in range(offsets[row], offsets[row + 1]):
                for k in range(min(order, offsets[row + 1] - start)):
                    node = nodes[start, k] - base
                    if counts[node] == 0:
                        met[found] = node
                        found += 1
                    counts[node] += 1
            for place in range(order):
                norms[place] = 0.0
                shared[place] = 0.0
            for k in range(found):
                node = met[k]
                place = lengths[base + node] - 1
                weight = weights[base + node]
                value = counts[node] * weight
                norms[place] += value * value
                if not hypothesis:
                    shared[place] += min(own[node] * weight, value) * value
                    other[node] = 0
            if hypothesis:
                continue
            bigrams = max(0, offsets[head + 1] - offsets[head] - 1)
            apart = float(bigrams - max(0, offsets[row + 1] - offsets[row] - 1))
            near = math.exp(-(apart * apart) / (2.0 * sigma * sigma))
            for place in range(order):
                value = shared[place]
                if own_norm[place] != 0.0 and norm[place] != 0.0:
                    value /= math.sqrt(own_norm[place]) * math.sqrt(norm[place])
                total += value * near
        for k in range(starts[i + 1] - base):
            own[k] = 0
        out[i] = 10.0 * (total / order) / (refs[i + 1] - refs[i])
    keep(held)
    keep(held_norms)
    return out
