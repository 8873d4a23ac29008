"""FLOPs of one pass through a torch module, by module and operator.

The pass runs on torch's `meta` device: a copy of the module without its numbers, so it costs
neither memory nor time, and the count is that of the model, not of a machine's kernels. Where the
forward pass needs values (data-dependent shapes, packed weights), it runs where the model is.
"""

import copy
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from assay.core.errors import InputError
from assay.ops._flop_formulas import COPIES, UNKNOWN, formulas, kind_of
from assay.ops._flop_places import BACKWARD, FORWARD, Places
from assay.ops.modules import checked_module, described, tensors_in

__all__ = ["BACKWARD", "FORWARD", "UNKNOWN", "Operations", "count_operations"]

# Two threads may ask of one model, whose buffers a real pass saves and puts back.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Operations:
    """What one pass did.

    flops: (module, phase, operator) -> FLOPs; the module is the innermost, "" the model itself.
    uncounted: (operator, kind) -> calls without a formula that compute something. device: where it
    ran. reason: why not on meta, or "". inputs: their types and shapes.
    """

    flops: dict[tuple[str, str, str], int]
    uncounted: dict[tuple[str, str], int]
    device: str
    reason: str
    inputs: str


def count_operations(model: Any, inputs: Any, *, backward: bool) -> Operations:
    """Run `model` once on `inputs`: a tensor, a tuple of arguments or a dict of keywords.

    The model's numbers, buffers, gradients and the random state stay as they are.
    """
    model = checked_module("flops", model)
    args, kwargs = _arguments(inputs)
    shown = described(inputs)
    try:
        found = _counted(*_on_meta(model, args, kwargs), backward=backward, on_meta=True)
        return Operations(*found, "meta", "", shown)
    except InputError:
        raise
    except Exception as error:
        reason = _first_line(error)
    places = _devices_of(model)
    if "meta" in places:
        raise InputError(
            f"flops: the model is on meta, without values, and its pass needs them: {reason}; "
            "give it values with model.to_empty(device=...) or load its weights"
        )
    with _ONE_AT_A_TIME, _left_as_it_is(model):
        try:
            found = _counted(model, args, kwargs, backward=backward, on_meta=False)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"flops: the model failed on its inputs, {type(model).__name__}({shown}), with its "
                f"parameters on {', '.join(places) or 'no device'}: {type(error).__name__}: {error}"
            ) from error
    return Operations(*found, "+".join(places) or "cpu", reason, shown)


def _arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    import torch

    if isinstance(inputs, torch.Tensor):
        return (inputs,), {}
    if isinstance(inputs, tuple):
        return inputs, {}
    if isinstance(inputs, Mapping):
        if strange := [name for name in inputs if not isinstance(name, str)]:
            raise InputError(f"flops: inputs as a dict names keywords, got the key {strange[0]!r}")
        return (), dict(inputs)
    raise InputError(
        "flops: inputs must be a tensor, a tuple of arguments or a dict of keyword arguments, got "
        f"{type(inputs).__name__}; of one argument that is a list, give a tuple: (that,)"
    )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:200]


# -- where it runs ---------------------------------------------------------------------------------


def _on_meta(model: Any, args: Any, kwargs: Any) -> Any:
    """A copy of it in which every tensor has its shape and no numbers; the original is not read."""
    import torch
    from torch.overrides import TorchFunctionMode

    memo: dict[int, Any] = {}
    for tensor in model.parameters():
        bare = torch.nn.Parameter(tensor.detach().to("meta"), requires_grad=tensor.requires_grad)
        memo[id(tensor)] = bare
    for tensor in model.buffers():
        memo[id(tensor)] = tensor.detach().to("meta")

    class Bare(TorchFunctionMode):
        """Tensors that are neither: inputs, and plain attributes (which may not be leaves)."""

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if func is not torch.Tensor.__deepcopy__:
                return func(*args, **(kwargs or {}))
            tensor, known = args
            if id(tensor) not in known:
                bare = tensor.detach().to("meta").requires_grad_(tensor.requires_grad)
                known[id(tensor)] = bare
            return known[id(tensor)]

    with Bare():
        return copy.deepcopy((model, args, kwargs), memo)


def _devices_of(model: Any) -> list[str]:
    tensors = [*model.parameters(), *model.buffers()]
    return sorted({str(tensor.device) for tensor in tensors})


@contextmanager
def _left_as_it_is(model: Any) -> Iterator[None]:
    """Buffers (running means) and the random state are put back."""
    import torch

    cuda = {t.device for t in model.parameters() if t.device.type == "cuda"}
    with torch.no_grad():
        before = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with torch.random.fork_rng(devices=sorted(cuda, key=str)):
            yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)


# -- the pass --------------------------------------------------------------------------------------


def _counted(
    model: Any, args: Any, kwargs: Any, *, backward: bool, on_meta: bool
) -> tuple[dict[tuple[str, str, str], int], dict[tuple[str, str], int]]:
    import torch

    uncounted: Counter[tuple[str, str]] = Counter()
    places = Places(model)
    counter = _counter(places, uncounted)
    with ExitStack() as stack:
        stack.enter_context(torch.set_grad_enabled(backward))
        if on_meta:  # for what the forward pass makes
            stack.enter_context(torch.device("meta"))
        stack.enter_context(counter)
        outputs = model(*args, **kwargs)
        if backward:
            ends, starts = _ends(outputs), _starts(model, (args, kwargs))
            places.backward()
            # unlike backward(), leaves .grad alone
            torch.autograd.grad(ends, starts, [*map(torch.ones_like, ends)], allow_unused=True)
    flops = {
        (*place, str(operator)): int(count)
        for place, operators in counter.get_flop_counts().items()
        for operator, count in operators.items()
    }
    return flops, dict(uncounted)


def _counter(places: Places, uncounted: Counter[tuple[str, str]]) -> Any:
    from torch.utils.flop_counter import FlopCounterMode

    class Listing(FlopCounterMode):  # type: ignore[misc, unused-ignore]
        """Lists what has no formula, or one that fails, and says by `places` where it was."""

        def _count_flops(self, func_packet: Any, out: Any, args: Any, kwargs: Any) -> Any:
            if func_packet not in self.flop_registry:
                if (kind := kind_of(func_packet)) != COPIES:
                    uncounted[str(func_packet), kind] += 1
                return out
            count: Any = super()._count_flops
            try:
                return count(func_packet, out, args, kwargs)
            except Exception:
                uncounted[str(func_packet), UNKNOWN] += 1
                return out

    counter: Any = Listing(display=False, custom_mapping=formulas())
    counter.mod_tracker = places
    return counter


def _ends(outputs: Any) -> list[Any]:
    found = [tensor for tensor in tensors_in(outputs) if tensor.requires_grad]
    if not found:
        raise InputError(
            "flops: backward=True needs an output that requires a gradient, and none of the "
            f"model's {len([*tensors_in(outputs)])} does; are all parameters frozen, or the "
            "forward pass under no_grad?"
        )
    return found


def _starts(model: Any, inputs: Any) -> list[Any]:
    """What training asks gradients of: parameters, and inputs that say so."""
    asked = [tensor for tensor in tensors_in(inputs) if tensor.requires_grad]
    return [*(tensor for tensor in model.parameters() if tensor.requires_grad), *asked]
