"""The slow twin of resample.py, in plain loops on Python numbers."""

from collections.abc import Sequence

__all__ = ["auc", "drawn", "poisson", "swapped"]

_BITS, _HALF = 2**64 - 1, 2**32 - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FEW = 1 << 20


def mixed(z: int) -> int:
    """The splitmix64 finaliser."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _BITS
    return z ^ (z >> 31)


def _numbers(start: int, index: int) -> int:
    return mixed((start + index * _GOLDEN) & _BITS)


def _stream(seed: int, kind: int) -> int:
    return mixed((seed * _GOLDEN + kind) & _BITS)


def drawn(n: int, replicate: int, seed: int) -> list[int]:
    """How often each of n items is drawn, 1024 draws at a time: the low halves of hashes first.

    >>> drawn(5, 0, 0)
    [0, 3, 1, 0, 1]
    """
    key, out = _numbers(_stream(seed, 1), replicate), [0] * n
    for start in range(0, n, 1024):
        count = min(1024, n - start)
        if n > _FEW:
            places = [(_numbers(key, start + j) * n) >> 64 for j in range(count)]
        else:
            hashes = [_numbers(key, start // 2 + j) for j in range((count + 1) // 2)]
            halves = [h & _HALF for h in hashes] + [h >> 32 for h in hashes]
            places = [(half * n) >> 32 for half in halves[:count]]
        for place in places:
            out[place] += 1
    return out


def swapped(n: int, replicate: int, seed: int) -> list[int]:
    """Which of n items are swapped, 0 or 1."""
    key = _numbers(_stream(seed, 2), replicate)
    return [_numbers(key, i // 64) >> (i % 64) & 1 for i in range(n)]


def poisson(item: int, replicate: int, seed: int) -> int:
    """The Poisson(1) number of an item, by inversion of 32 bits."""
    base = mixed(mixed(item & _BITS) ^ _stream(seed, 3))
    uniform = _numbers(base, replicate // 2) >> (32 * (replicate % 2)) & _HALF
    weight, term, below = 0, 2.718281828459045**-1, 0.0
    while weight < 12:
        below += term
        if uniform < round(2**32 * below):
            break
        weight += 1
        term /= weight
    return weight


def auc(positive: Sequence[bool], score: Sequence[float], weight: Sequence[int]) -> float:
    """The area under the ROC curve by its definition: pairs in the right order, ties half.

    >>> auc([False, True, True], [1.0, 1.0, 2.0], [1, 1, 2])
    0.8333333333333334
    """
    won = both = 0.0
    for i, of_i in enumerate(positive):
        for j, of_j in enumerate(positive):
            if of_i and not of_j:
                pair = weight[i] * weight[j]
                both += pair
                won += pair * ((score[i] > score[j]) + (score[i] == score[j]) / 2)
    return won / both if both else float("nan")
