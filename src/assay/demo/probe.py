"""`assay demo`: a small torch model before and after dynamic int8 quantisation."""

import warnings
from typing import Any

__all__ = ["show"]

WIDTH, BATCH = 768, 16
SECONDS = 1.0  # that the two are timed in turns, at most
MIB = 2**20


def show(console: Any) -> None:
    """Print size, FLOPs, latency and drift of the two. Without torch say how to install it."""
    from assay.core.errors import MissingDependency
    from assay.core.optional import require

    title = "A small model on the CPU, in float32 and in dynamic int8"
    try:
        require("torch")
    except MissingDependency as error:
        console.out(f"{title}: left out, as {error}")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # quantisation is deprecated, and a demo is timed briefly
        _compared(console, title)


def _compared(console: Any, title: str) -> None:
    import torch

    from assay.metrics.flops import flops
    from assay.metrics.footprint import compare_footprint
    from assay.metrics.latency_compare import latency_compare
    from assay.report import render

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(WIDTH, 4 * WIDTH), torch.nn.GELU(), torch.nn.Linear(4 * WIDTH, WIDTH)
    ).eval()
    quantise: Any = torch.ao.quantization.quantize_dynamic
    small = quantise(model, {torch.nn.Linear}, torch.qint8)
    given = torch.randn(BATCH, WIDTH)
    size = compare_footprint(model, small)
    with torch.inference_mode():
        time = latency_compare(model, small, given, items=BATCH, max_time_s=SECONDS)
    rows = []
    for name, own, side, latency in (
        ("float32", model, "teacher", time.before),
        ("int8", small, "student", time.after),
    ):
        weight = size.models[side,]
        rows.append((
            name, weight["params"], weight["model_size_mb"], weight["size_on_disk_bytes"] / MIB,
            flops(own, given)["flops"] / 1e9, latency["latency_ms/p50"], latency["throughput"],
        ))  # fmt: skip
    heads = ("model", "params", "MiB", "MiB on disk", "GFLOPs", "p50 ms", "items/s")
    low, high = time.speedup_interval
    note = (
        f"int8 is {size['size_reduction_pct']:.1f} % smaller and {time.speedup:.2f} times as fast "
        f"({low:.2f} to {high:.2f}); cosine of the outputs {time.drift['cosine']:.5f}; "
        f"batch {BATCH}, {torch.get_num_threads()} threads"
    )
    render.to_console([render.Table(title, heads, rows, spare=3, note=note)], console)
