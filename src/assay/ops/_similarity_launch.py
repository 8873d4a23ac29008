"""How the kernels of `_similarity_triton.py` are launched: one table, which knows no triton.

Read by the launchers and by `bench/compile_report.py`, which compiles each row for each target.
Tiles are as large as they can be without spilling there: per target, since the fragments of
tensor cores lie differently in registers. One block a multiprocessor is assumed.
"""

from typing import Any, NamedTuple

__all__ = ["CONFIGS", "MARK", "PAIRS", "UNROLL", "Config", "config", "layout", "precision"]

DOT, COSINE, L2 = 0, 1, 2
MARK = 256  # rows and columns of a cell of `marked`; tile sizes divide it


class Config(NamedTuple):
    """How a kernel is launched."""

    rows: int
    columns: int
    step: int
    warps: int
    stages: int

    @property
    def options(self) -> dict[str, Any]:
        """What every launch and every compilation sets."""
        return {"num_warps": self.warps, "num_stages": self.stages, "enable_fp_fusion": False}


# layout -> target -> launch; "" is any other target.
CONFIGS = {
    "wide": {"": Config(128, 128, 64, 8, 3)},
    "few": {  # up to 64 queries
        "": Config(64, 128, 64, 4, 3),
        "sm_100": Config(64, 128, 64, 8, 3),
    },
    "both": {  # directions
        "": Config(128, 64, 64, 8, 3),
        "sm_80": Config(128, 64, 64, 4, 3),
        "sm_100": Config(64, 64, 64, 8, 3),
    },
    "float": {"": Config(128, 64, 32, 8, 3)},  # float32, one direction
    "both-float": {
        "": Config(128, 64, 32, 8, 3),
        "sm_80": Config(64, 64, 32, 4, 3),
        "sm_100": Config(64, 64, 32, 8, 3),
    },
    # d not a multiple of the step: loads of single elements, in registers
    "ragged": {
        "": Config(128, 64, 32, 8, 3),
        "sm_80": Config(64, 64, 32, 8, 3),
        "sm_100": Config(64, 64, 32, 8, 3),
    },
}
PAIRS = 32  # pairs of a program of the canonical kernel
UNROLL = 4


def layout(n_queries: int, width: int, size: int, both: bool) -> str:
    """The row of CONFIGS for inputs of `size` bytes an element."""
    if width % CONFIGS["float" if size == 4 else "wide"][""].step:
        return "ragged"
    if both:
        return "both-float" if size == 4 else "both"
    return "float" if size == 4 else "few" if n_queries <= 64 else "wide"


def config(layout: str, target: str) -> Config:
    """The launch of a layout on a target."""
    return CONFIGS[layout].get(target, CONFIGS[layout][""])


def precision(dtype: str, target: str) -> str:
    """What tl.dot does with float32; products of narrower types are exact."""
    return "tf32x3" if dtype == "float32" and target.startswith("sm") else "ieee"
