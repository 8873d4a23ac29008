"""Tensors that stand for those of a device, and a guard against what would wait for one.

Without a GPU, CPU tensors stand for those of a device: the fixture `posing` makes on_device() say
so. What would wait for a real one is caught twice: a dispatch mode refuses operations that look at
data or copy between devices, and tensors of the meta device have no data to look at.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from assay.ops import columns

SMALL = {torch.float32: 1e-45, torch.float64: 5e-324, torch.float16: 6e-8, torch.bfloat16: 1e-40}
T, P = torch.tensor([0, 1, 1, 0]), torch.tensor([0, 1, 0, 0])
S = torch.tensor([0.1, 0.9, 0.4, 0.2])
WAITS = {
    "_local_scalar_dense", "item", "nonzero", "nonzero_static", "_unique", "_unique2", "unique_dim",
    "unique_consecutive", "masked_select", "bincount", "is_nonzero", "equal", "repeat_interleave",
    "lift_fresh", "lift_fresh_copy", "_pin_memory", "histc",
}  # fmt: skip
VIEWS = {"view", "detach", "split_with_sizes", "split", "expand", "slice", "select", "alias",
         "unsqueeze", "unbind", "t", "transpose", "_unsafe_view", "as_strided",
         "_reshape_alias"}  # fmt: skip


class NoWait(TorchDispatchMode):
    """Refuses what waits for a device, and counts what is launched there."""

    def __init__(self) -> None:
        super().__init__()
        self.launched: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        assert name not in WAITS, f"aten.{name} waits for the device"
        if name in ("index", "index_put", "index_put_"):
            masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
            assert not masks, f"aten.{name} with a mask waits for the device"
        if name in ("_to_copy", "copy_"):
            sides = {str(a.device) for a in args if isinstance(a, torch.Tensor)}
            sides.add(str(kwargs["device"]) if kwargs.get("device") else next(iter(sides)))
            assert len(sides) == 1, f"aten.{name} copies between {sides}"
        if name not in VIEWS:
            self.launched.append(name)
        return func(*args, **kwargs)


def same(device: Any, host: Any) -> None:
    """Two states have the same bytes and scores."""
    assert device.to_bytes() == host.to_bytes()
    with np.errstate(all="ignore"):  # of weights that are huge, or below 0
        ours, theirs = device.scores(), host.scores()
    assert [(s.name, s.tags, s.signature, s.n) for s in ours] == [
        (s.name, s.tags, s.signature, s.n) for s in theirs
    ]
    np.testing.assert_array_equal([s.value for s in ours], [s.value for s in theirs])


def both(count: Callable[..., Any], given: list[Any], cuts: list[int], **options: Any) -> None:
    """One call, and the sum over pieces, equal those of arrays; parts of either kind add."""
    host = on_host(count, given, options)
    same(count(*given, **options), host)
    parts = _pieces(len(given[0]), cuts)
    with NoWait():
        states = [count(*(g[part] for g in given), **_cut(options, part)) for part in parts]
        total = sum(states, type(states[0]).zero())
    same(total, host)
    same(states[-1] + sum(reversed(states[:-1]), type(states[0]).zero()), host)
    if any((v < 0).any() for v in options.values() if isinstance(v, torch.Tensor)):
        return  # limbs that cancel are there in a sum of arrays' states
    mixed = [on_host(count, [g[part] for g in given], _cut(options, part)) if i % 2 else state
             for i, (part, state) in enumerate(zip(parts, states, strict=True))]  # fmt: skip
    same(sum(mixed), host)
    same(sum(reversed(mixed)), host)


def on_host(count: Callable[..., Any], given: list[Any], options: dict[str, Any]) -> Any:
    """What is counted where tensors of the CPU are none of a device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "on_device", lambda data: False)
        return count(*given, **options)


def _pieces(n: int, cuts: list[int]) -> list[slice]:
    ends = [0, *sorted(min(cut, n) for cut in cuts), n]
    return [slice(a, b) for a, b in pairwise(ends)]


def _cut(options: dict[str, Any], part: slice) -> dict[str, Any]:
    return {k: v[part] if isinstance(v, torch.Tensor) else v for k, v in options.items()}


# -- what is drawn ---------------------------------------------------------------------------------

WEIGHTS = [0.0, -0.0, 0.1, 1.0, -2.5, 1e300, -1e300, 5e-324, 1e-310, 3e-5]
CUTS = st.lists(st.integers(0, 12), max_size=4)
FEW = settings(max_examples=20)


@st.composite
def columns_of(draw: st.DrawFn, *elements: Any) -> list[list[Any]]:
    """Some rows of these elements, as columns."""
    rows = draw(st.lists(st.tuples(*elements), max_size=12))
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in elements]
