"""Sums of floats without rounding: int64 limbs that add in any order.

A finite float64 is m * 2^(s - 1074) with 0 <= s < 2046 and m of 53 bits. Shifted by s, m falls into
three limbs of 32 bits; each limb of the sum is an int64, so 2^31 values can be added before one
could overflow, and sums of sums give the same limbs as one sum.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.ops.jit import kernel

__all__ = ["LIMBS", "add_limbs", "value_of"]

LIMBS = 67

Ints = npt.NDArray[np.int64]


def add_limbs(values: Any, codes: Any, size: int) -> Ints:
    """int64 [size, LIMBS]: the exact sums of finite values[n] by codes[n] in 0..size-1.

    >>> value_of(add_limbs([1e300] + [0.1] * 10 + [-1e300], [0] * 12, 1)[0])
    1.0
    """
    out = np.zeros((size, LIMBS), np.int64)
    values, codes = np.ascontiguousarray(values, np.float64), np.ascontiguousarray(codes, np.int64)
    _add(values.view(np.int64), codes, out)
    return out


def value_of(limbs: Any) -> float:
    """The sum, rounded once to the nearest float64; inf beyond it."""
    total = sum(int(limb) << (32 * place) for place, limb in enumerate(limbs) if limb)
    try:
        return total / (1 << 1074)
    except OverflowError:
        return float("inf") if total > 0 else float("-inf")


@kernel
def _add(bits: Ints, codes: Ints, out: Ints) -> None:
    low = np.int64(0xFFFFFFFF)
    for i in range(bits.size):
        word = bits[i]
        exponent = (word >> 52) & 2047
        mantissa = word & 0xFFFFFFFFFFFFF
        if exponent > 0:
            mantissa |= np.int64(1) << 52
            exponent -= 1
        sign = np.int64(1) - 2 * (word < 0)
        place, off = exponent >> 5, exponent & 31
        code = codes[i]
        lower = mantissa & low  # 32 bits, shifted below 63
        upper = mantissa >> 32  # 21 bits
        lower <<= off
        upper <<= off
        out[code, place] += sign * (lower & low)
        out[code, place + 1] += sign * ((lower >> 32) + (upper & low))
        out[code, place + 2] += sign * (upper >> 32)
