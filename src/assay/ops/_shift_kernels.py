"""The Numba kernel of edits with shifts. `ops/aligning.py` is its only caller.

A shift is tried by the distance of the shifted words, which differ from those before it in a
middle part: rows of the table before that part are kept. Distances are bit-parallel (Myers) where
the reference has at most 64 words and the beam of the definition cannot matter: it holds every
cell up to 24 words, and else whatever path of D edits strays no further than D plus the
difference of lengths. Everything else is a table within the beam.
"""

import math

import numpy as np

from assay.ops.jit import inlined, kernel

MAX_SIZE = 10  # words that are shifted at once
MAX_DISTANCE = 50  # between the words and where they match
MAX_CANDIDATES = 1000  # shifts tried for a pair
BEAM = 25  # cells on each side of the diagonal

_0 = np.uint64(0)
_1 = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_FAR = 1 << 30
_NONE, _SAME, _OTHER, _GONE, _NEW = range(5)  # a cell's edit: of a hypothesis into a reference


@inlined
def beam_of(n, m):
    """How far rows reach to each side; wider where one word stands beside many."""
    ratio = m / max(n, 1)
    return math.ceil(ratio / 2 + BEAM) if ratio / 2 > BEAM else BEAM


@inlined
def step(positive, negative, equal, last):
    """One row of Myers' table: its vertical differences, and how the distance changes."""
    across = (((equal & positive) + positive) ^ positive) | equal
    up = negative | ~(across | positive)
    down = positive & across
    change = np.int64((up & last) != _0) - np.int64((down & last) != _0)
    up = (up << _1) | _1
    new = equal | negative
    return (down << _1) | ~(new | up), up & new, change


@inlined
def bit_rows(words, first, n, masks, last, rows, scores, keep_rows):
    """The distance of n words of which rows up to `first` are known."""
    positive, negative, score = rows[0, first], rows[1, first], scores[first]
    for i in range(first, n):
        positive, negative, change = step(positive, negative, masks[words[i]], last)
        score += change
        if keep_rows:
            rows[0, i + 1], rows[1, i + 1], scores[i + 1] = positive, negative, score
    return score


@inlined
def beam_rows(words, first, n, ref, begin, m, lows, highs, width, costs, edits):
    """The distance of n words within the beam, where rows up to `first` are known. Row i begins at
    i * width and holds cells lows[i]:highs[i]; row 0 is not stored."""
    for i in range(first + 1, n + 1):
        word = words[i - 1]
        low, above_low, above_high = lows[i], lows[i - 1], highs[i - 1]
        row, above = i * width - low, (i - 1) * width - above_low
        left = _FAR
        for j in range(low, highs[i]):
            # Of equals: the same or another word, then one that is gone, then a new one.
            cost, edit = _FAR, _NONE
            if above_low < j <= above_high:
                same = word == ref[begin + j - 1]
                cost = (j - 1 if i == 1 else np.int64(costs[above + j - 1])) + (not same)
                edit = _SAME if same else _OTHER
            if above_low <= j < above_high:
                up = (j if i == 1 else np.int64(costs[above + j])) + 1
                if up < cost:
                    cost, edit = up, _GONE
            if left + 1 < cost:
                cost, edit = left + 1, _NEW
            costs[row + j] = cost
            edits[row + j] = edit
            left = cost
    return np.int64(costs[n * width + m - lows[n]])


@inlined
def trace(n, m, lows, width, edits, aligned, ref_errors, hyp_errors):
    """Of each word of the reference the word of the hypothesis that it is aligned to (where none
    is: the last before it, or -1); and how many errors there are before each word of both."""
    i, j = n, m
    while i > 0 or j > 0:
        edit = _NEW if i == 0 else edits[i * width + j - lows[i]]
        if edit == _NEW:
            j -= 1
            aligned[j] = i - 1
            ref_errors[j + 1] = 1
        elif edit == _GONE:
            i -= 1
            hyp_errors[i + 1] = 1
        else:
            i -= 1
            j -= 1
            aligned[j] = i
            wrong = np.int64(edit == _OTHER)
            ref_errors[j + 1] = wrong
            hyp_errors[i + 1] = wrong
    for k in range(n):
        hyp_errors[k + 1] += hyp_errors[k]
    for k in range(m):
        ref_errors[k + 1] += ref_errors[k]


@inlined
def turns(start, length, target, n):
    """A shift as a <= b <= c: the words from a to b and those from b to c change places."""
    if target < start:
        return target, start, start + length
    if target > start + length:
        return start, start + length, target
    return start, start + length, min(n, target + length)


@inlined
def turn(words, a, b, c, n, out):
    """The words with those from a to b and from b to c in each other's place."""
    for k in range(a):
        out[k] = words[k]
    for k in range(c, n):
        out[k] = words[k]
    for k in range(b, c):
        out[a + k - b] = words[k]
    for k in range(a, b):
        out[c - b + k] = words[k]


@kernel
def shifted_edits(tokens, offsets, refs):
    """Edits and shifts from each hypothesis to each of its references, int64 [references].

    Rows of the tokens are, item by item, a hypothesis and its references: refs[i]:refs[i + 1] of
    all. A token below 0 is in no hypothesis.
    """
    items = len(refs) - 1
    out = np.empty(refs[items], np.int64)
    longest, longest_ref, room = np.int64(0), np.int64(0), np.int64(0)
    for i in range(items):
        head = i + refs[i]
        n = offsets[head + 1] - offsets[head]
        longest = max(longest, n)
        for row in range(head + 1, i + 1 + refs[i + 1]):
            m = offsets[row + 1] - offsets[row]
            longest_ref = max(longest_ref, m)
            room = max(room, (n + 1) * min(m + 1, 2 * beam_of(n, m)))
    size = np.int64(0)
    for k in range(len(tokens)):
        size = max(size, tokens[k] + 1)
    masks = np.zeros(size, np.uint64)
    counts = np.zeros(size, np.int64)
    words, tried = np.empty(longest, np.int32), np.empty(longest, np.int32)
    rows, scores = np.empty((2, longest + 1), np.uint64), np.empty(longest + 1, np.int64)
    lows, highs = np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64)
    costs, edits = np.empty(room, np.int32), np.empty(room, np.uint8)
    trial, trial_edits = np.empty(room, np.int32), np.empty(room, np.uint8)
    aligned, ref_errors = np.empty(longest_ref, np.int64), np.zeros(longest_ref + 1, np.int64)
    hyp_errors = np.zeros(longest + 1, np.int64)
    for item in range(items):
        head = item + refs[item]
        first_word = offsets[head]
        n = offsets[head + 1] - first_word
        for r in range(refs[item], refs[item + 1]):
            begin = offsets[item + 1 + r]
            m = offsets[item + 2 + r] - begin
            if n == 0 or m == 0:
                out[r] = n + m
                continue
            for k in range(n):
                words[k] = tokens[first_word + k]
                masks[words[k]] = _0
                counts[words[k]] = 0
            for k in range(n):
                counts[words[k]] += 1
            common = 0
            for k in range(m):
                token = tokens[begin + k]
                if token >= 0:
                    masks[token] |= _1 << np.uint64(k & 63)
                    if counts[token] > 0:
                        counts[token] -= 1
                        common += 1
            least = max(n, m) - common  # edits in any order of words
            ratio = m / n
            beam = beam_of(n, m)
            width = min(m + 1, 2 * beam)
            lows[0], highs[0] = 0, m + 1
            for i in range(1, n + 1):
                middle = math.floor(i * ratio)
                lows[i] = max(0, middle - beam)
                highs[i] = m + 1 if i == n else min(m + 1, middle + beam)
            short = m <= 64
            near = 23 - abs(n - m) if m >= BEAM else m + n  # distances that no beam changes
            last = _1 << np.uint64((m - 1) & 63)
            rows[0, 0], rows[1, 0], scores[0] = _ALL, _0, m
            shifts = 0
            checked = 0
            while True:
                if short:
                    distance = bit_rows(words, 0, n, masks, last, rows, scores, True)
                    if distance == least and distance <= near:
                        break
                distance = beam_rows(
                    words, 0, n, tokens, begin, m, lows, highs, width, costs, edits
                )
                if distance == least:
                    break
                trace(n, m, lows, width, edits, aligned, ref_errors, hyp_errors)
                best, best_rank = np.int64(0), np.int64(0)
                best_a, best_b, best_c = 0, 0, 0
                for start in range(n):
                    if checked >= MAX_CANDIDATES:
                        break
                    first_at = max(0, start - MAX_DISTANCE)
                    for at in range(first_at, min(m, start + MAX_DISTANCE + 1)):
                        if checked >= MAX_CANDIDATES:
                            break
                        for length in range(1, 1 + min(MAX_SIZE, n - start, m - at)):
                            if words[start + length - 1] != tokens[begin + at + length - 1]:
                                break
                            if (
                                hyp_errors[start + length] == hyp_errors[start]
                                or ref_errors[at + length] == ref_errors[at]
                                or start <= aligned[at] < start + length
                            ):
                                continue
                            before = np.int64(-1)
                            for place in range(at - 1, at + length):
                                target = aligned[place] + 1 if place >= 0 else 0
                                if target == before:
                                    continue
                                before = target
                                checked += 1
                                # Of equal gains the longest, then the first, then the first target.
                                rank = (length * (n + 1) + n - start) * (n + 1) + n - target
                                most = distance - least
                                if most < best or (most == best and rank <= best_rank):
                                    continue
                                a, b, c = turns(start, length, target, n)
                                turn(words, a, b, c, n, tried)
                                cost = near + 1
                                if short:
                                    cost = bit_rows(tried, a, n, masks, last, rows, scores, False)
                                if cost > near:
                                    for k in range(a * width, (a + 1) * width):
                                        trial[k] = costs[k]
                                    cost = beam_rows(
                                        tried, a, n, tokens, begin, m, lows, highs, width, trial,
                                        trial_edits,
                                    )  # fmt: skip
                                gain = distance - cost
                                if gain > best or (gain == best and rank > best_rank):
                                    best, best_rank = gain, rank
                                    best_a, best_b, best_c = a, b, c
                            if checked >= MAX_CANDIDATES:
                                break
                if checked >= MAX_CANDIDATES or best == 0:
                    break
                turn(words, best_a, best_b, best_c, n, tried)
                words, tried = tried, words
                shifts += 1
            out[r] = distance + shifts
    return out
