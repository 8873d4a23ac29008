"""Cases of the probe: what its scopes and samplers cost, and what they see of a GPU."""

import probe
from case import Case, Goal

__all__ = ["CASES"]

CASES = [
    *(
        Case(
            f"scope{name}",
            f"n scopes, `with timer(...)`, {what}",
            build,
            "an empty loop",
            (
                Goal("faster", 2, 3, "Python class"),
                Goal("faster", 2, 3, "Python class, by name"),
                Goal("faster", 5, 8, "contextlib"),
            ),
            size=100_000,
            quick=20_000,
        )
        for name, what, build in (
            ("", "by the clock", probe.scope),
            (
                "_fake_device",
                "on a device too: the binding over a fake driver",
                probe.scope_fake_device,
            ),
        )
    ),
    Case(
        "gpu_scope",
        "n scopes around a small kernel each, timed on a GPU",
        probe.scope_gpu,
        "the kernels alone",
        (Goal("faster", 2, None, "torch.cuda.Event"),),
        size=100_000,
        quick=10_000,
        gpu=True,
    ),
    Case(
        "gpu_peak",
        "n bytes of a GPU for 20 ms: the sampled peak is that of the allocator, but for a segment",
        probe.peak_gpu,
        "the blocks alone",
        size=1 << 30,
        quick=1 << 28,
        tolerance=32 << 20,
        gpu=True,
    ),
    Case(
        "memory_sampler",
        "a loop of n additions in Python beside a sampler of 1 ms",
        probe.sampler,
        "the loop alone",
        (Goal("over_floor", 1.01),),
        size=4_000_000,
        quick=1_000_000,
        size_matters=True,
    ),
]
