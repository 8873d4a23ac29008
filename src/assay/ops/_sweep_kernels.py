"""Kernels of a sweep over thresholds: scores cut by class, and the merge of two sorted classes."""

import numpy as np

from assay.ops.jit import kernel, twin

__all__ = ["DIGIT", "area_terms", "areas", "cut_32", "cut_64", "merge_32", "merge_64"]
__all__ += ["sort_32", "sort_64", "sort_ties", "weigh"]

DIGIT = 11  # bits
FEW = 256  # equal scores whose weights an insertion sorts sooner


@kernel
def cut_32(target, score, negatives, positives):
    """Scores of label 0 and of label 1, each into its own array; the first bad row, or -1.

    Bad is a label that is neither, or a score that is not finite. Every score is written to both
    sides, and the side it belongs to moves on: no branch to be guessed.
    """
    n0, n1 = 0, 0
    wrong = 0
    for i in range(target.size):
        t, s = np.int64(target[i]), score[i]
        wrong |= (t & ~1) | (not np.isfinite(s))
        negatives[n0] = s
        positives[n1] = s
        n1 += t & 1
        n0 += 1 - (t & 1)
    if wrong:
        for i in range(target.size):
            if (np.int64(target[i]) & ~1) or not np.isfinite(score[i]):
                return i
    return -1


cut_64 = twin(cut_32, "cut_64")


@kernel
def sort_32(bits, room, starts):
    """Sort the bits of finite floats by what they are, in place; room is as long, starts is
    int64 [digits, 2^DIGIT], zeros.

    A radix sort from the lowest digit: a float without its sign orders as its bits do, so the sign
    bit is turned over, and of a negative one all others too. -0.0 becomes 0.0. Each digit is
    counted while the one before it is sorted.
    """
    word = bits.dtype.type
    one, last = word(1), word(8 * bits.itemsize - 1)
    sign = one << last
    mask, width = word(starts.shape[1] - 1), word(DIGIT)
    for i in range(bits.size):
        own = bits[i]
        own = word(0) if own == sign else own
        own ^= (word(0) - (own >> last)) | sign
        bits[i] = own
        starts[0, own & mask] += 1
    source, other = bits, room
    shift = word(0)
    for digit in range(starts.shape[0]):
        start = starts[digit]
        after = starts[min(digit + 1, starts.shape[0] - 1)]
        more = digit + 1 < starts.shape[0]
        total, alone = 0, False
        for value in range(start.size):
            count = start[value]
            alone |= count == source.size
            start[value] = total
            total += count
        if alone:  # all have this digit in common
            if more:
                for i in range(source.size):
                    after[(source[i] >> shift >> width) & mask] += 1
        elif more:
            for i in range(source.size):
                own = source[i]
                rest = own >> shift
                value = rest & mask
                other[start[value]] = own
                start[value] += 1
                after[(rest >> width) & mask] += 1
            source, other = other, source
        else:
            for i in range(source.size):
                own = source[i]
                value = (own >> shift) & mask
                other[start[value]] = own
                start[value] += 1
            source, other = other, source
        shift += width
    for i in range(source.size):
        own = source[i]
        bits[i] = own ^ (((own >> last) - one) | sign)


sort_64 = twin(sort_32, "sort_64")


@kernel
def sort_ties(scores, weights):
    """Sort the bits of weights, floats of at least 0, downwards among equal scores, in place.
    Equal scores are neighbours."""
    start = 0
    for end in range(1, scores.size + 1):
        if end < scores.size and scores[end] == scores[start]:
            continue
        if end - start > FEW:
            own = weights[start:end]
            sort_64(own, np.empty_like(own), np.zeros((-(-64 // DIGIT), 1 << DIGIT), np.int64))
            for i in range(own.size // 2):
                own[i], own[own.size - 1 - i] = own[own.size - 1 - i], own[i]
        else:
            for i in range(start + 1, end):
                own_weight = weights[i]
                place = i
                while place > start and weights[place - 1] < own_weight:
                    weights[place] = weights[place - 1]
                    place -= 1
                weights[place] = own_weight
        start = end


@kernel
def merge_32(negatives, positives, fp, tp, score, fps, tps):
    """Confusions along the scores, best first: of each distinct score s[m], how many negatives
    and positives are at least s, given fp and tp above these slices. How many scores there are.

    Slices ascend. Each step takes the higher of two and writes; the place moves on only after a
    run of equal scores.
    """
    i, j = negatives.size - 1, positives.size - 1
    m = 0
    if i < 0 and j < 0:
        return 0
    last = negatives[i] if j < 0 or (i >= 0 and negatives[i] > positives[j]) else positives[j]
    while i >= 0 and j >= 0:
        a, b = negatives[i], positives[j]
        takes = b >= a
        value = b if takes else a
        m += value != last
        last = value
        tp += takes
        fp += not takes
        j -= takes
        i -= not takes
        score[m], fps[m], tps[m] = value, fp, tp
    while i >= 0:
        m += negatives[i] != last
        last = negatives[i]
        fp += 1
        i -= 1
        score[m], fps[m], tps[m] = last, fp, tp
    while j >= 0:
        m += positives[j] != last
        last = positives[j]
        tp += 1
        j -= 1
        score[m], fps[m], tps[m] = last, fp, tp
    return m + 1


merge_64 = twin(merge_32, "merge_64")


@kernel
def areas(fps, tps, fp, tp):
    """Of one slice of a sweep that begins at fp and tp: twice the pairs of a positive above a
    negative, ties half a pair, in two limbs of 31 bits, lower first; and the sum of new positives
    times precision."""
    low, high, steps = 0, 0, 0.0
    for m in range(fps.size):
        step, both = fps[m] - fp, tp + tps[m]
        low += step * (both & 0x7FFFFFFF)
        high += step * (both >> 31) + (low >> 31)
        low &= 0x7FFFFFFF
        steps += (tps[m] - tp) * (tps[m] / (tps[m] + fps[m]))
        fp, tp = fps[m], tps[m]
    return low, high, steps


@kernel
def weigh(counts, sums):
    """In place of each count, the bits of the sum of so many weights."""
    for m in range(counts.size):
        counts[m] = sums[counts[m]]


@kernel
def area_terms(fps, tps, fp, tp):
    """As areas(), of weights: what each score adds to the pairs, in place of fps, and to the sum,
    in place of tps. The sums of these are NumPy's, which rounds less than a running one."""
    for m in range(fps.size):
        wrong, right = fps[m], tps[m]
        new = right - tp
        fps[m] = (wrong - fp) * (2.0 * right - new)
        tps[m] = new * right / (right + wrong) if right + wrong > 0.0 else 0.0
        fp, tp = wrong, right
