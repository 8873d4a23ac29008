"""The Numba kernel of matches in stages. `ops/aligning.py` is its only caller."""

import numpy as np

from assay.ops.jit import inlined, kernel


@inlined
def same_keys(numbers, keys, begin, n, ref_begin, m, matched, taken, ends, below):
    """Match words of one key that are still free: from the last word of the hypothesis on, each
    with the last of the reference. ends, below: by key the last free word, by word the one before.
    """
    for k in range(n):
        ends[keys[numbers[begin + k]]] = -1
    for k in range(m):
        ends[keys[numbers[ref_begin + k]]] = -1
    for k in range(m):
        if not taken[k]:
            key = keys[numbers[ref_begin + k]]
            below[k] = ends[key]
            ends[key] = k
    for k in range(n - 1, -1, -1):
        if matched[k] < 0:
            key = keys[numbers[begin + k]]
            place = ends[key]
            if place >= 0:
                ends[key] = below[place]
                matched[k] = place
                taken[place] = True


@kernel
def staged_matches(tokens, offsets, refs, words, stems, starts, synonyms):
    """Words of each hypothesis matched with a reference, and the chunks of them: int64
    [references, 2].

    Rows of the tokens are, item by item, a hypothesis and its references: refs[i]:refs[i + 1] of
    all. Words match by number, then by stem, then where the stem in the reference is one of
    synonyms[starts[s]:starts[s + 1]] of the other, s. words int32: 0, 1, 2, ...; stems int32: of
    each number, below len(starts) - 1. A chunk is a run of words that are matched with a run.
    """
    items = len(refs) - 1
    out = np.zeros((refs[items], 2), np.int64)
    longest = np.int64(0)
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    matched, below = np.empty(longest, np.int64), np.empty(longest, np.int64)
    taken = np.empty(longest, np.bool_)
    ends = np.empty(max(len(words), len(starts)), np.int64)
    for item in range(items):
        head = item + refs[item]
        begin = offsets[head]
        n = offsets[head + 1] - begin
        for r in range(refs[item], refs[item + 1]):
            ref_begin = offsets[item + 1 + r]
            m = offsets[item + 2 + r] - ref_begin
            for k in range(n):
                matched[k] = -1
            for k in range(m):
                taken[k] = False
            same_keys(tokens, words, begin, n, ref_begin, m, matched, taken, ends, below)
            same_keys(tokens, stems, begin, n, ref_begin, m, matched, taken, ends, below)
            for k in range(n - 1, -1, -1):
                stem = stems[tokens[begin + k]]
                if matched[k] >= 0 or starts[stem] == starts[stem + 1]:
                    continue
                for place in range(m - 1, -1, -1):
                    if taken[place]:
                        continue
                    other = stems[tokens[ref_begin + place]]
                    found = False
                    for at in range(starts[stem], starts[stem + 1]):
                        found = found or synonyms[at] == other
                    if found:
                        matched[k] = place
                        taken[place] = True
                        break
            before = np.int64(-2)
            for k in range(n):
                place = matched[k]
                if place >= 0:
                    out[r, 0] += 1
                    out[r, 1] += before < 0 or place != before + 1
                before = place
    return out
