"""What test_ops_similarity_triton.py runs in a process of its own, where TRITON_INTERPRET may be
set: every case against float64 written plainly, on the backend named as the argument. Prints one
JSON object: case -> what differs, empty where nothing does.
"""

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from assay.ops import _similarity_torch as ops
from assay.ops import _similarity_torch_count as counting
from similarity_kit import canonical

Case = tuple[torch.Tensor, torch.Tensor]


def plain_counts(
    value: np.ndarray, pairs: list[tuple[int, int]], hidden: np.ndarray, target: np.ndarray
) -> list[list[int]]:
    out: list[list[int]] = [[], [], []]
    for (row, col), t in zip(pairs, target, strict=True):
        seen = ~hidden[row]
        out[0].append(int((seen & (value[row] > t)).sum()))
        out[1].append(int((seen & (value[row] == t))[:col].sum()) if col > 0 else 0)
        out[2].append(int((seen & (value[row] == t))[max(col, 0) :].sum()))
    return out


def check_topk(q: torch.Tensor, g: torch.Tensor, k: int, metric: str, backend: str) -> str:
    value = canonical(q.double().numpy(), g.double().numpy(), metric)
    truth = -value if metric == "l2" else value
    index = np.argsort(-value, axis=1, kind="stable")[:, :k]
    got, at = ops.topk_device(q, g, k, metric, backend=backend, verify=1)
    if not np.array_equal(at.numpy(), index):
        row = int((at.numpy() != index).any(1).nonzero()[0][0])
        return f"{metric} k={k} row {row}: {at[row].tolist()} for {index[row].tolist()}"
    if got.numpy().tobytes() != np.take_along_axis(truth, index, 1).tobytes():
        return f"{metric} k={k}: other bits"
    return ""


def check_counts(
    q: torch.Tensor, g: torch.Tensor, relevant: list[list[int]], skip: list[list[int]], metric: str,
    backend: str,
) -> str:  # fmt: skip
    value = canonical(q.double().numpy(), g.double().numpy(), metric)
    truth = -value if metric == "l2" else value
    pairs = [(i, j) for i, row in enumerate(relevant) for j in row]
    hidden = np.zeros(value.shape, bool)
    for lists in (relevant, skip):
        for i, row in enumerate(lists):
            hidden[i, row] = True
    target = np.array([value[i, j] for i, j in pairs])
    expected = plain_counts(value, pairs, hidden, target)
    turned = plain_counts(value.T, [(j, i) for i, j in pairs], hidden.T, target)
    for reverse in (False, True) if metric == "dot" else (True,):
        got = counting.count_device(
            q, g, *flat(relevant), None, metric, skip=flat(skip), reverse=reverse, backend=backend,
            verify=1,
        )  # fmt: skip
        if [x.tolist() for x in got.forward] != expected:
            return f"{metric} forward: {[x.tolist() for x in got.forward]} for {expected}"
        if reverse and [x.tolist() for x in got.backward] != turned:
            return f"{metric} backward: {[x.tolist() for x in got.backward]} for {turned}"
    scores = np.array([truth[i, j] for i, j in pairs])
    return "" if got.targets.numpy().tobytes() == scores.tobytes() else "other bits"


def flat(lists: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([0, *map(len, lists)])
    return lengths.cumsum(0), torch.tensor([x for row in lists for x in row], dtype=torch.int64)


def relations(rng: np.random.Generator, n_q: int, n_g: int, most: int) -> list[list[int]]:
    return [
        rng.choice(n_g, rng.integers(0, min(most, n_g) + 1), replace=False).tolist()
        for _ in range(n_q)
    ]


def normal(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))


def duplicates(rng: np.random.Generator) -> Case:
    return normal(rng, 20, 16), normal(rng, 7, 16)[torch.from_numpy(rng.integers(0, 7, 150))]


def near_ties(rng: np.random.Generator) -> Case:
    """Gallery rows that differ by one ulp in one element."""
    row = normal(rng, 1, 40)
    g = row.repeat(130, 1)
    for i in range(130):
        k = i % 40
        g[i, k] = torch.nextafter(g[i, k], torch.tensor(3.0 if i % 2 else -3.0))
    return normal(rng, 9, 40), g


def huge(rng: np.random.Generator) -> Case:
    """Products that overflow float32, beside ordinary rows."""
    q, g = normal(rng, 5, 24), normal(rng, 140, 24)
    q[1] *= 1e30
    g[3] *= 3e37
    g[77] *= 2e25
    return q, g


def tiny(rng: np.random.Generator) -> Case:
    return normal(rng, 6, 24) * 1e-30, normal(rng, 50, 24) * torch.logspace(-38, 0, 50)[:, None]


def zeros(rng: np.random.Generator) -> Case:
    q, g = normal(rng, 4, 10), normal(rng, 33, 10)
    q[2], g[5:9] = 0, 0
    return q, g


def whole(dtype: torch.dtype, n_q: int, n_g: int, d: int) -> Callable[[np.random.Generator], Case]:
    def make(rng: np.random.Generator) -> Case:
        if dtype == torch.int8:
            return tuple(
                torch.from_numpy(rng.integers(-127, 128, (n, d)).astype(np.int8))
                for n in (n_q, n_g)
            )
        return normal(rng, n_q, d).to(dtype), normal(rng, n_g, d).to(dtype)

    return make


INPUTS: dict[str, Callable[[np.random.Generator], Case]] = {
    "one of each": whole(torch.float32, 1, 1, 1),
    "odd": whole(torch.float32, 67, 141, 21),
    "several tiles": whole(torch.float32, 131, 137, 32),
    "several tiles bf16": whole(torch.bfloat16, 67, 259, 128),
    "odd bf16": whole(torch.bfloat16, 33, 270, 68),
    "even fp16": whole(torch.float16, 20, 200, 64),
    "odd fp16": whole(torch.float16, 5, 129, 70),
    "int8": whole(torch.int8, 70, 150, 64),
    "odd int8": whole(torch.int8, 3, 257, 33),
    "all equal": lambda rng: (torch.ones(9, 32), torch.ones(170, 32)),
    "negative": lambda rng: (normal(rng, 8, 64).abs(), -normal(rng, 90, 64).abs()),
    "duplicates": duplicates,
    "near ties": near_ties,
    "huge": huge,
    "tiny": tiny,
    "zeros": zeros,
    "float64": lambda rng: (normal(rng, 8, 20).double() / 3, normal(rng, 60, 20).double() / 7),
}


def checks(backend: str, name: str) -> Iterator[str]:
    rng = np.random.default_rng(len(name))
    q, g = INPUTS[name](rng)
    if q.dtype == torch.float64:
        backend = "torch"
    for metric in ("dot", "cosine", "l2"):
        if metric == "cosine" and name == "zeros":
            continue
        for k in {min(3, len(g)), len(g) if len(g) < 100 else 60}:
            yield check_topk(q, g, k, metric, backend)
        relevant = relations(rng, len(q), len(g), 1 if metric == "cosine" else 4)
        relevant[0] = relevant[0] or [0]
        yield check_counts(q, g, relevant, relations(rng, len(q), len(g), 3), metric, backend)


def small_limits(backend: str) -> Iterator[str]:
    """Batches, lost rows and the search in many thresholds."""
    rng = np.random.default_rng(5)
    q, g = duplicates(rng)
    counting.ROOM, counting.ROWS = 200, 256
    q = q.repeat(15, 1)[:280]
    yield check_counts(q, g, relations(rng, 280, 150, 2), [[]] * 280, "dot", backend)
    counting.ROOM, counting.MOST, ops.BLOCK = 1 << 16, 2, 512
    counting.BLOCK = 512
    q, g = near_ties(rng)
    yield check_counts(q, g, relations(rng, 9, 130, 30), [[]] * 9, "l2", backend)
    yield check_topk(q, g, 3, "dot", backend)


def parts(backend: str) -> Iterator[str]:
    """Counts of two halves of a gallery add up to those of the whole."""
    rng = np.random.default_rng(6)
    q, g = normal(rng, 30, 24), normal(rng, 90, 24)
    g[50:60] = g[0:10]
    relevant = flat([[i, 89 - i] for i in range(30)])
    full = counting.count_device(q, g, *relevant, reverse=True, backend=backend)
    two = [
        counting.count_device(
            q, part, *relevant, full.targets, gallery_offset=at, reverse=True, backend=backend
        )
        for at, part in ((0, g[:47]), (47, g[47:]))
    ]
    for direction in ("forward", "backward"):
        for all_, a, b in zip(
            getattr(full, direction), *(getattr(x, direction) for x in two), strict=True
        ):
            yield "" if torch.equal(all_, a + b) else f"{direction} of halves"


def coarse(backend: str) -> Iterator[str]:
    """torch's lower precisions change nothing; kernels do not look at them."""
    for mode in ("high", "medium", "highest") if backend == "torch" else ():
        torch.set_float32_matmul_precision(mode)
        yield from checks(backend, "near ties")


EXTRA: dict[str, Any] = {"small limits": small_limits, "parts": parts, "precision": coarse}


def main(backend: str) -> None:
    out = {}
    for name in (*INPUTS, *EXTRA):
        try:
            some = EXTRA[name](backend) if name in EXTRA else checks(backend, name)
            out[name] = "; ".join(filter(None, some))
        except Exception:
            out[name] = traceback.format_exc()
    print(json.dumps(out))


if __name__ == "__main__":
    main(sys.argv[1])
