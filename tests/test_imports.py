"""Import hygiene, seen from fresh interpreters, and the public names."""

import ast
import inspect
import json
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import assay
from assay.metrics import METRICS

HEAVY = (
    *("numpy", "scipy", "numba", "llvmlite", "pyarrow", "fsspec", "pandas", "polars"),
    *("torch", "triton", "rich", "typer", "matplotlib", "ray", "jiwer", "rapidfuzz"),
    *("mlflow", "wandb", "tensorboard", "lightning", "transformers"),
)

NUMBA = {"numpy", "numba", "llvmlite", "scipy"}  # numba itself looks at scipy

# code -> which of the heavy packages it may load
ALLOWED = {
    "import assay": set(),
    "import assay; dir(assay); assay.__all__; assay.__version__": set(),
    "import assay.core.errors, assay.core.optional, assay.core.threads": set(),
    "import assay.metrics; assay.metrics.METRICS": set(),
    "import assay; assay.State, assay.Score, assay.Ragged": {"numpy"},
    "import assay; assay.count_words(['a b', 'é'], ['a', 'e'])": NUMBA,
    "import assay; assay.align([['a']], [['b']])[0]": NUMBA,
    "import assay; assay.wer([[1]], [[2]])": NUMBA,
    "import assay; assay.Run": {"numpy"},
    "import assay; assay.trackers.mlflow, assay.trackers.wandb": {"numpy"},
    "import assay.compat": set(),
    "import assay.run, assay.report, assay.readers, assay.demo": {"numpy", "pyarrow"},
}


@pytest.mark.parametrize("code", ALLOWED)
def test_what_is_loaded(fresh_python, code: str) -> None:
    report = f"import json, sys; {code}; print(json.dumps(sorted(sys.modules)))"
    loaded = {name.partition(".")[0] for name in json.loads(fresh_python(report))}
    assert loaded & set(HEAVY) <= ALLOWED[code]


def test_import_takes_no_time(fresh_python) -> None:
    code = (
        "import time; start = time.process_time(); import assay; print(time.process_time() - start)"
    )
    # 0.2 s is the promise; of the processor's time, as others may have it meanwhile.
    assert min(float(fresh_python(code)) for _ in range(5)) < 0.1


def test_every_public_name_resolves() -> None:
    assert len(set(assay.__all__)) == len(assay.__all__)
    for name in assay.__all__:
        value = getattr(assay, name)
        assert inspect.isclass(value) or callable(value)
        assert value.__doc__
        assert name in dir(assay)
    assert assay.__version__ == version("assay")


def test_a_public_name_lives_where_it_is_said_to() -> None:
    for name, module in assay._HOME.items():
        value = getattr(assay, name)
        assert value is getattr(import_module(module), name)
        if value.__module__.startswith("assay"):
            assert value.__module__.startswith(module)


def test_rooms_resolve() -> None:
    for room in assay._ROOMS:
        assert getattr(assay, room) is sys.modules[f"assay.{room}"]
        assert room in dir(assay)


def test_star_import_gives_the_public_names(fresh_python) -> None:
    code = "from assay import *; print(sorted(n for n in dir() if not n.startswith('__')))"
    assert fresh_python(code) == str(sorted(assay.__all__))


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match=r"^module 'assay' has no attribute 'wre'$"):
        _ = assay.wre
    with pytest.raises(ImportError, match="cannot import name 'wre'"):
        exec("from assay import wre")


def test_the_stub_says_the_same() -> None:
    tree = ast.parse(Path(assay.__file__).with_suffix(".pyi").read_text())
    home: dict[str, str] = {}
    rooms = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                assert alias.asname == alias.name  # what a stub re-exports
                if node.module == "assay":
                    rooms.add(alias.name)
                else:
                    home[alias.name] = str(node.module)
        elif isinstance(node, ast.Assign):
            assert ast.unparse(node.targets[0]) == "__all__"
            assert sorted(ast.literal_eval(node.value)) == sorted(assay.__all__)
    assert home == assay._HOME
    assert rooms == set(assay._ROOMS)


def test_metrics_are_where_the_table_says() -> None:
    for metric in METRICS.values():
        module, _, name = metric.where.partition(":")
        assert name in import_module(module).__all__
        assert getattr(assay, name) is getattr(import_module(module), name)
