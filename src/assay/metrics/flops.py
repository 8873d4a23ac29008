"""FLOPs of a model: what its matrix products cost, and what was left out.

One multiplication and the addition that follows are one MAC and two FLOPs. Counted are products of
matrices, convolutions, attention and recurrent layers, packed and quantised ones too; elementwise
operators, norms and softmax are not, and are listed instead.
"""

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any, NamedTuple

from assay.core.checks import flag
from assay.core.score import Score, provenance
from assay.core.state import State, fixed, keyed
from assay.ops.flops import BACKWARD, FORWARD, UNKNOWN, count_operations

__all__ = ["FlopCounts", "LayerFlops", "flops"]


class LayerFlops(NamedTuple):
    """A module with everything inside it; module: its path, "" is the model."""

    module: str
    flops: int
    macs: int
    share: float


@dataclass(frozen=True, eq=False)
class FlopCounts(State):
    """FLOPs of passes through a model; the sum of two is that of both passes.

    counted: (module, phase, operator) -> FLOPs, the module the innermost. skipped: (operator, kind)
    -> calls. ran: (device, why not on meta) -> passes. inputs: their types and shapes -> passes.
    with_backward: whether the backward pass is counted; states that differ in it do not add.
    """

    counted: Mapping[tuple[str, str, str], int] = keyed()
    skipped: Mapping[tuple[str, str], int] = keyed()
    ran: Mapping[tuple[str, str], int] = keyed()
    inputs: Mapping[str, int] = keyed()
    with_backward: bool | None = fixed()

    @property
    def passes(self) -> int:
        """Passes that were counted."""
        return sum(self.ran.values())

    @property
    def flops(self) -> int:
        """FLOPs of all passes."""
        return sum(self.counted.values())

    @property
    def macs(self) -> int:
        """Multiplications that are added up: half the FLOPs."""
        return self.flops // 2

    @property
    def operators(self) -> dict[str, int]:
        """FLOPs by operator, most first."""
        totals: Counter[str] = Counter()
        for (_, _, operator), count in self.counted.items():
            totals[operator] += count
        return _most_first(totals)

    @property
    def uncounted(self) -> dict[str, int]:
        """Calls of operators that compute something and are not counted, most first."""
        return self._calls({kind for _, kind in self.skipped})

    @property
    def unknown(self) -> dict[str, int]:
        """Those among them that may well be heavy: neither elementwise, nor a norm, a softmax, a
        pooling or a reduction."""
        return self._calls({UNKNOWN})

    def _calls(self, kinds: set[str]) -> dict[str, int]:
        totals: Counter[str] = Counter()
        for (operator, kind), calls in self.skipped.items():
            totals[operator] += calls if kind in kinds else 0
        return _most_first(+totals)

    @cached_property
    def layers(self) -> list[LayerFlops]:
        """A row for each module that has FLOPs, those inside it included; pandas.DataFrame takes
        the list. The first row is the model."""
        totals: Counter[str] = Counter()
        for (module, _, _), count in self.counted.items():
            parts = module.split(".") if module else []
            for depth in range(len(parts) + 1):
                totals[".".join(parts[:depth])] += count
        whole = self.flops or 1
        return [
            LayerFlops(module, totals[module], totals[module] // 2, totals[module] / whole)
            for module in sorted(totals, key=_in_order)
        ]

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        devices = "+".join(sorted({device for device, _ in self.ran}))
        phases = f"{FORWARD}+{BACKWARD}" if self.with_backward else FORWARD
        return f"mac:2|of:products|pass:{phases}|on:{devices}"

    def total_scores(self) -> list[Score]:
        """FLOPs and MACs; with the backward pass, FLOPs of each phase too."""
        scores = [
            self._score("flops", self.flops, "FLOP"),
            self._score("macs", self.macs, "MAC"),
        ]
        for phase in (FORWARD, BACKWARD) if self.with_backward else ():
            own = sum(count for (_, of, _), count in self.counted.items() if of == phase)
            scores.append(self._score(f"{phase}_flops", own, "FLOP"))
        return scores

    def layer_scores(self) -> list[Score]:
        """FLOPs of each module as scores, its path as the tag `layer`."""
        return [
            self._score("flops", layer.flops, "FLOP").tagged(layer=layer.module)
            for layer in self.layers
            if layer.module
        ]

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{name}</th>" for name in LayerFlops._fields)
        rows = [
            f"<tr><td>{escape(layer.module) or '(model)'}</td><td>{layer.flops:,}</td>"
            f"<td>{layer.macs:,}</td><td>{layer.share:.1%}</td></tr>"
            for layer in self.layers
        ]
        left = ", ".join(f"{escape(name)} ({n:,})" for name, n in self.uncounted.items())
        ran = "; ".join(f"{escape(on)} {escape(why)}".strip() for on, why in sorted(self.ran))
        return (
            f"{super()._repr_html_()}<table><tr>{heads}</tr>{''.join(rows)}</table>"
            f"<p>ran on: {ran}</p><p>not counted (calls): {left or 'none'}</p>"
        )

    def _score(self, name: str, value: int, unit: str) -> Score:
        signature = f"{name}|{self.signature}"
        return Score(name, value, unit, "lower", self.passes, {}, signature, provenance())


def flops(model: Any, inputs: Any, *, backward: bool = False) -> FlopCounts:
    """Count the FLOPs of one pass of a torch module.

    model: torch.nn.Module, in the mode (train, eval) that is meant. inputs: a tensor, a tuple of
    arguments, or a dict of keyword arguments; only their shapes matter where the pass runs on meta.
    backward: also that of the gradients of everything trainable, from all outputs.

    The pass runs on torch's `meta` device, on a copy without numbers, so it takes no memory and
    changes nothing. A forward pass that needs values (`.item()`, packed weights, shapes that depend
    on data) runs where the model is; `ran` says where and why. Buffers, gradients and the random
    state are put back; what forward() writes to its inputs, to other attributes, or to a list of a
    hook, stays.

    `f["flops"]`, `f["macs"]` in 0..; less is better. Attention counts all pairs, a causal mask is
    not taken off; a fused backward pass, where one runs, recomputes its scores, as counted. Padding
    of convolutions counts. Operators without a formula are in `f.uncounted` with their calls; a
    UserWarning names those that may well be heavy. A model without any product has 0.

    Errors: InputError for what is no module, has lazy parameters without a shape, or fails on its
    inputs, with its own error and the inputs' shapes; and for backward without a gradient.
    Source: torch.utils.flop_counter's formulas, with attention on a CPU, quantised, grouped-query
    and recurrent layers added, and the weight's gradient of grouped convolutions put right.

    >>> import torch
    >>> f = flops(torch.nn.Linear(3, 5), torch.zeros(2, 3))
    >>> f["flops"], f["macs"]
    (60, 30)
    """
    found = count_operations(model, inputs, backward=flag(backward, "flops: backward"))
    state = FlopCounts(
        found.flops,
        found.uncounted,
        {(found.device, found.reason): 1},
        {found.inputs: 1},
        bool(backward),
    )
    if state.unknown:
        named = ", ".join(f"{operator} ({n} calls)" for operator, n in state.unknown.items())
        warnings.warn(
            f"flops: operators without a formula are not counted and may be heavy: {named}",
            stacklevel=2,
        )
    return state


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _in_order(module: str) -> list[tuple[bool, str]]:
    """Paths as they nest, numbers by value."""
    parts = module.split(".") if module else []
    return [(False, p.zfill(20)) if p.isdecimal() else (True, p) for p in parts]
