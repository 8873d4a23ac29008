"""Vectors made to break bounds and ties, and their scores as defined, in plain float64 NumPy."""

from typing import Any

import numpy as np

from assay.core.ragged import Ragged
from assay.ops._similarity_simd import INT8

WAYS = ["exact", "float32", *(["int8"] if INT8 else []), None]


def canonical(x: Any, y: Any, metric: str) -> Any:
    """[q, g] as defined: eight interleaved sums, then a tree. Higher is better."""

    def summed(terms: Any) -> Any:
        short = -terms.shape[-1] % 8
        terms = np.concatenate([terms, np.zeros((*terms.shape[:-1], short))], axis=-1)
        terms = terms.reshape(*terms.shape[:-1], -1, 8)
        s = np.moveaxis(np.add.accumulate(terms, axis=-2)[..., -1, :], -1, 0)
        return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))

    x, y = np.asarray(x, float)[:, None], np.asarray(y, float)[None]
    if metric == "l2":
        return -summed((x - y) ** 2)
    found = summed(x * y)
    return (
        found / (np.sqrt(summed(x * x)) * np.sqrt(summed(y * y))) if metric == "cosine" else found
    )


def gaussian(rng: Any, shape: Any) -> Any:
    return rng.standard_normal(shape)


def ternary(rng: Any, shape: Any) -> Any:
    """Few values: most scores are tied."""
    rows = rng.integers(-1, 2, shape).astype(float)
    rows[:, 0] += 3
    return rows


def constant(rng: Any, shape: Any) -> Any:
    return np.ones(shape)


def of_all_sizes(rng: Any, shape: Any) -> Any:
    """Norms from 1e-30 to 1e30: products that float32 cannot hold."""
    return rng.standard_normal(shape) * 10.0 ** rng.integers(-30, 31, (shape[0], 1))


def an_ulp_apart(rng: Any, shape: Any) -> Any:
    """Rows that differ in one number, by the least there is."""
    base = np.random.default_rng(7).standard_normal(shape[1]).astype(np.float32)
    rows = np.repeat(base[None], shape[0], axis=0)
    places = rng.integers(0, shape[1], shape[0])
    rows[np.arange(shape[0]), places] = np.nextafter(base[places], np.float32(9))
    return rows


def outliers(rng: Any, shape: Any) -> Any:
    """One large number a row: integers of eight bits see nothing else."""
    rows = rng.standard_normal(shape)
    rows[:, rng.integers(0, shape[1])] *= 1e4
    return rows


MAKERS = [gaussian, ternary, constant, of_all_sizes, an_ulp_apart, outliers]
SHAPES = [(1, 1, 1), (5, 40, 3), (30, 300, 17), (13, 500, 64)]


def pairs_of(rng: Any, q: int, g: int, most: int) -> Ragged:
    """Up to `most` different gallery rows for each query."""
    counts = rng.integers(0, min(g, most) + 1, q)
    rows = [rng.choice(g, count, replace=False) for count in counts]
    return Ragged.from_lengths(np.concatenate([*rows, np.zeros(0, int)]).astype(np.int64), counts)
