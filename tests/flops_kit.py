"""What tests of FLOPs share: one pass, and its sums."""

from collections import Counter
from typing import Any

from torch import nn

from assay.ops.flops import Operations, count_operations


def count(model: nn.Module, inputs: Any, *, backward: bool = False) -> Operations:
    return count_operations(model, inputs, backward=backward)


def total(found: Operations, phase: str | None = None) -> int:
    return sum(n for (_, of, _), n in found.flops.items() if phase in (None, of))


def by_module(found: Operations, phase: str = "forward") -> dict[str, int]:
    totals: Counter[str] = Counter()
    for (module, of, _), n in found.flops.items():
        totals[module] += n if of == phase else 0
    return dict(+totals)
