"""A pass through a model: where operators are, what changes nothing, what goes in."""

import copy
import threading
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from assay.core.errors import InputError
from flops_kit import by_module, count, total
from models import NeedsValues, ViT

# -- where operators are ---------------------------------------------------------------------------


def test_the_backward_pass_is_told_apart_by_module() -> None:
    found = count(ViT(), torch.zeros(1, 3, 224, 224), backward=True)
    forward, backward = by_module(found), by_module(found, "backward")
    assert backward.pop("patch") == forward.pop("patch")
    assert backward == {name: 2 * n for name, n in forward.items()}


def test_a_module_in_two_places_and_one_called_twice() -> None:
    shared = nn.Linear(3, 3)

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Sequential(shared), nn.Sequential(shared)

        def forward(self, x: Any) -> Any:
            return self.second(self.first(x) @ torch.ones(3, 3))

    found = count(Twice(), torch.zeros(2, 3), backward=True)
    assert by_module(found) == {"first.0": 2 * 2 * 18, "": 2 * 18}
    assert by_module(found, "backward") == {"first.0": 3 * 2 * 18, "": 2 * 18}


def test_what_is_computed_again_is_backward() -> None:
    from torch.utils.checkpoint import checkpoint

    class Cheap(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))

        def forward(self, x: Any) -> Any:
            return checkpoint(self.inner, x, use_reentrant=False, preserve_rng_state=False)

    x = torch.zeros(2, 4, requires_grad=True)
    found = count(Cheap(), (x,), backward=True)
    assert total(found, "forward") == 2 * 2 * 32
    # the last layer's output is not needed again
    assert total(found, "backward") == 2 * 2 * 2 * 32 + 2 * 2 * 16


def hooks() -> list[Any]:
    module = nn.modules.module
    return [*module._global_forward_hooks.values(), *module._global_forward_pre_hooks.values()]


# -- nothing changes -------------------------------------------------------------------------------


@pytest.mark.parametrize("real", [False, True], ids=["meta", "cpu"])
def test_the_model_is_left_as_it_is(real: bool) -> None:
    inner = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    model = NeedsValues(inner).train() if real else inner.train()
    before = copy.deepcopy(model.state_dict())
    held = [*map(id, (*model.parameters(), *model.buffers()))]
    random = torch.random.get_rng_state()
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    found = count(model, x, backward=True)
    assert found.device == ("cpu" if real else "meta")
    assert held == [*map(id, (*model.parameters(), *model.buffers()))]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not hooks()
    assert torch.equal(torch.random.get_rng_state(), random)
    assert model.training
    assert torch.is_grad_enabled()
    assert model(x).device.type == "cpu"


def test_a_failed_pass_leaves_no_hooks() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(4, 4))
    with pytest.raises(InputError):
        count(model, torch.zeros(2, 3))
    assert not hooks()


def test_no_memory_is_taken() -> None:
    with torch.device("meta"):
        model = nn.Linear(2**20, 2**20)  # 4 TiB
    assert total(count(model, torch.zeros(1, 2**20))) == 2 * 2**40


def test_tensors_that_are_no_parameters() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 3))
            self.table = {"scale": [torch.ones(3)]}
            self.derived = self.weight * 2  # no leaf of the graph

        def forward(self, x: Any) -> Any:
            return (x * self.table["scale"][0]) @ self.derived + torch.zeros(3)

    model = Plain()
    found = count(model, torch.zeros(2, 3))
    assert (found.device, total(found)) == ("meta", 36)
    assert model.table["scale"][0].device.type == "cpu"


def test_reparametrised_layers() -> None:
    pruned = nn.Linear(4, 4)
    prune.l1_unstructured(pruned, "weight", 0.5)
    for layer in (pruned, nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))):
        found = count(layer, torch.zeros(2, 4))
        assert (found.device, total(found)) == ("meta", 64)


def test_a_compiled_model_is_its_original() -> None:
    found = count(torch.compile(nn.Sequential(nn.Linear(3, 3)), backend="eager"), torch.zeros(2, 3))
    assert by_module(found) == {"0": 36}


def test_several_threads_at_once() -> None:
    model = NeedsValues(nn.Sequential(*(nn.Linear(8, 8) for _ in range(10))))
    found: list[dict[str, int]] = []

    def work() -> None:
        x = torch.zeros(2, 8)
        found.extend(by_module(count(model, x, backward=True)) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{f"inner.{i}": 256 for i in range(10)}] * 20


# -- inputs ----------------------------------------------------------------------------------------


def test_forms_of_inputs() -> None:
    model = nn.Bilinear(3, 4, 2)
    a, b = torch.zeros(5, 3), torch.zeros(5, 4)
    first = count(model, (a, b))
    assert first.inputs == "float32[5, 3], float32[5, 4]"
    assert {name: n for (_, _, name), n in first.flops.items()} == {"aten._trilinear": 320}
    second = count(model, {"input1": a, "input2": b})
    assert second.inputs == "input1=float32[5, 3], input2=float32[5, 4]"
    assert (second.flops, second.uncounted) == (first.flops, first.uncounted)
    assert count(nn.Identity(), torch.zeros(2)).flops == {}
    assert count(nn.Sequential(), (torch.zeros(2),)).flops == {}


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (len, torch.zeros(1), "flops: model must be a torch.nn.Module, got builtin_function"),
        ({"w": 1}, torch.zeros(1), "got dict; load it into its module first$"),
        (nn.Linear, torch.zeros(1), "flops: model is the class Linear; make one of it first"),
        (
            nn.Sequential(nn.LazyLinear(3)), torch.zeros(1, 2),
            "flops: model has 2 lazy parameters or buffers without a shape yet, first '0.weight'; "
            "run the model once before",
        ),
        (nn.Linear(2, 3), [torch.zeros(1, 2)], r"got list; .* give a tuple: \(that,\)"),
        (nn.Linear(2, 3), {0: torch.zeros(1, 2)}, "names keywords, got the key 0"),
        (
            nn.Linear(2, 3), torch.zeros(4, 5),
            r"flops: the model failed on its inputs, Linear\(float32\[4, 5\]\), with its "
            r"parameters on cpu: RuntimeError: mat1 and mat2 shapes cannot be multiplied \(4x5",
        ),
        (
            nn.Linear(2, 3), {"x": torch.zeros(4, 5)},
            r"Linear\(x=float32\[4, 5\]\), .*: TypeError: .* unexpected keyword argument 'x'",
        ),
        (
            nn.Linear(2, 3), torch.zeros(4, 2).to("meta")[:, :1],
            r"Linear\(float32\[4, 1\] on meta\), with its parameters on cpu: RuntimeError",
        ),
    ],
)  # fmt: skip
def test_bad_input(model: Any, inputs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        count(model, inputs)


def test_a_model_without_values_that_needs_them() -> None:
    with pytest.raises(InputError, match=r"on meta, without values, and its pass needs them: Runt"):
        count(NeedsValues(nn.Linear(2, 3)).to("meta"), torch.zeros(1, 2))


def test_the_error_of_the_model_itself_is_kept() -> None:
    class Broken(nn.Module):
        def forward(self, x: Any) -> Any:
            raise KeyError("speaker")

    with pytest.raises(InputError, match=r"Broken\(float32\[1\]\).*KeyError: 'speaker'") as caught:
        count(Broken(), torch.zeros(1))
    assert isinstance(caught.value.__cause__, KeyError)


def test_backward_without_a_gradient() -> None:
    frozen = nn.Linear(2, 3).requires_grad_(False)
    with pytest.raises(InputError, match="needs an output that requires a gradient, and none of"):
        count(frozen, torch.zeros(1, 2), backward=True)
