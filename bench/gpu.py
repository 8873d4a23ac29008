"""Ranking on a GPU: cases for `--gpu`, and, where there is none, what its roofline allows.

The floor is torch's own product in the same type; peers are torch's product and topk in slices that
fit, and FAISS where its GPU form is installed. Results are held against the CPU path.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from gate import Contender, Work

SIZES = {"wide": (10_000, 512), "flat": (50_000, 512), "few": (1_000, 768)}  # queries, width
K = 10
SLICE = 2048
DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/sys/module/amdgpu/version"))

# An H100 (SXM): bfloat16 operations and bytes a second, as measured by others in long runs.
FLOPS, BANDWIDTH = 8.0e14, 3.0e12
PREDICTED = "predicted, not measured: the roofline of an H100 (800 TFLOP/s in bfloat16, 3.0 TB/s)"


def predictions() -> list[tuple[str, str, float, float]]:
    """(case, shape, ms of the product, ms of reading the gallery once) of typical sizes."""
    shapes = ((10_000, 1_000_000, 512), (1_000, 10_000_000, 768), (50_000, 50_000, 512))
    return [
        (
            "topk, count_ranks",
            f"{q:,} x {g:,} x {d}, bfloat16",
            2e3 * q * g * d / FLOPS,
            2e3 * g * d / BANDWIDTH,
        )
        for q, g, d in shapes
    ]


def available() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def device() -> str:
    """The GPU, its memory, and its driver."""
    import torch

    properties = torch.cuda.get_device_properties(0)
    runtime = f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {torch.version.hip}"
    memory = f"{properties.total_memory / 2**30:.0f} GiB"
    return f"{properties.name}, {memory}, driver {_driver()}, {runtime}"


def _driver() -> str:
    for path in DRIVERS:
        try:
            found = re.search(r"\b\d+\.[\d.]*\d", path.read_text())
        except OSError:
            continue
        if found:
            return found[0]
    return "not told"


@cache
def _sides(n: int, kind: str) -> tuple[Any, Any]:
    import torch

    q, d = SIZES[kind]
    q = min(q, n)
    torch.manual_seed(0)
    sides = [torch.nn.functional.normalize(torch.randn(rows, d)) for rows in (q, n)]
    return sides[0].bfloat16(), sides[1].bfloat16()


def _waiting(run: Callable[[], Any]) -> Callable[[], Any]:
    def waited() -> Any:
        import torch

        result = run()
        torch.cuda.synchronize()
        return result

    return waited


def top(kind: str) -> Callable[[int], Work]:
    def build(n: int) -> Work:
        query, gallery = _sides(n, kind)
        q, g = query.cuda(), gallery.cuda()

        def ours() -> Contender:
            import assay

            return Contender(
                _waiting(lambda: assay.topk(q, g, K, metric="dot", verify=2)),
                lambda found: {"index": found.index.cpu(), "scores": found.scores.cpu()},
            )

        def sliced() -> Contender:
            import torch

            def run() -> Any:
                parts = [torch.topk((q[s : s + SLICE] @ g.T).float(), K) for s in _starts(q)]
                return torch.cat([part.values for part in parts])

            return Contender(_waiting(run), lambda found: {"scores": found.cpu()})

        def faiss() -> Contender:
            import faiss as library

            resources = library.StandardGpuResources()
            flat = library.GpuIndexFlatIP(resources, q.shape[1])
            rows, queries = gallery.float().numpy(), query.float().numpy()
            flat.add(rows)
            return Contender(lambda: flat.search(queries, K), lambda found: {"scores": found[0]})

        def truth() -> Mapping[str, Any]:
            import assay

            found = assay.topk(query, gallery, K, metric="dot")
            return {"index": found.index, "scores": found.scores}

        return Work(
            ours=ours,
            peers={"torch mm + topk, sliced": sliced, "faiss GpuIndexFlatIP": faiss},
            truth=cache(truth),
            floor=_waiting(lambda: [(q[s : s + SLICE] @ g.T)[0, 0] for s in _starts(q)]),
        )

    return build


def _starts(q: Any) -> range:
    return range(0, len(q), SLICE)


def ranks(kind: str) -> Callable[[int], Work]:
    """One relevant row a query, both directions."""

    def build(n: int) -> Work:
        query, gallery = _sides(n, kind)
        q, g = query.cuda(), gallery.cuda()
        relevant = np.arange(len(query))

        def run(a: Any, b: Any) -> Mapping[str, Any]:
            import assay

            r = assay.count_ranks(a, b, relevant, metric="dot", both_directions=True)
            return {name: [r[name], r.reverse[name]] for name in ("map", "recall@10")}

        return Work(
            ours=lambda: Contender(_waiting(lambda: run(q, g)), dict),
            peers={},
            truth=cache(lambda: run(query, gallery)),
            floor=_waiting(lambda: [(q[s : s + SLICE] @ g.T)[0, 0] for s in _starts(q)]),
        )

    return build
