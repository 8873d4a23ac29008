"""In which module of a model an operator runs, forward and backward.

Forward, hooks of the modules say it. Backward, nodes of autograd's graph do: when a module is
entered, the nodes of what goes in belong to its caller; when it is left, those of what comes out
that nobody has yet belong to it. (Of what goes in by keyword, a hook of all modules is not told.)
"""

from typing import Any

from assay.ops.modules import tensors_in

__all__ = ["BACKWARD", "FORWARD", "Places"]

FORWARD, BACKWARD = "forward", "backward"


class Places:
    """Follows a model through its pass; stands where FlopCounterMode has its module tracker."""

    def __init__(self, model: Any) -> None:
        self.parents = {("", FORWARD)}  # where operators are now: one place
        self._modules = {module: name for name, module in model.named_modules()}
        self._entered = [""]
        self._phase = FORWARD
        self._owned: set[Any] = set()  # kept alive: a node is known by its identity
        self._handles: list[Any] = []

    def __enter__(self) -> None:
        from torch.nn.modules import module

        # Hooks of all modules: a model with hooks of its own takes other kernels.
        self._handles += [
            module.register_module_forward_pre_hook(self._enter),
            module.register_module_forward_hook(self._leave, always_call=True),
        ]

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._owned.clear()

    def backward(self) -> None:
        """From here on it is the backward pass."""
        self._phase = BACKWARD
        self._at("")

    def _at(self, module: str) -> None:
        self.parents = {(module, self._phase)}

    def _enter(self, module: Any, args: Any) -> None:
        if module not in self._modules:
            return
        self._claim(args, self._entered[-1])
        self._entered.append(self._modules[module])
        self._at(self._entered[-1])

    def _leave(self, module: Any, _args: Any, outputs: Any) -> None:
        if module not in self._modules:
            return
        self._claim(outputs, self._entered.pop())
        self._at(self._entered[-1])

    def _claim(self, tensors: Any, module: str) -> None:
        waiting = [tensor.grad_fn for tensor in tensors_in(tensors)]
        while waiting:
            node = waiting.pop()
            if node is None or node in self._owned or node.name().endswith("AccumulateGrad"):
                continue
            self._owned.add(node)
            self._handles.append(node.register_prehook(lambda _, module=module: self._at(module)))
            waiting += [before for before, _ in node.next_functions]
