"""The package runs nothing that data says: no pickle, no eval, no shell, but where it is named."""

import ast
from pathlib import Path

import pytest

from assay.core.errors import InputError
from assay.trackers import made_of

PACKAGE = Path(__file__).parent.parent / "src" / "assay"

# What runs what it is given, by its whole name, wherever it is named; all of a module with a dot
# behind it. What it is called in the source does not matter: names are followed to their imports.
RUNS = (
    "pickle.", "_pickle.", "dill.", "cloudpickle.", "joblib.", "jsonpickle.", "marshal.", "shelve.",
    "code.", "codeop.", "pty.", "runpy.", "zipimport.", "imp.", "yaml.", "tarfile.", "ctypes.",
    "subprocess.", "subprocess.getoutput", "subprocess.getstatusoutput", "builtins.",
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.posix_spawn",
    "os.execv", "os.execve", "os.execvp", "os.execvpe", "os.execl", "os.execle", "os.execlp",
    "os.spawnv", "os.spawnve", "os.spawnvp", "os.spawnl", "os.spawnle", "os.spawnlp",
    "asyncio.create_subprocess_shell", "importlib.machinery.",
    "importlib.util.spec_from_file_location", "torch.load", "torch.jit.load", "torch.hub.load",
    "torch.package", "pandas.read_pickle", "pandas.eval",
)  # fmt: skip
METHODS = ("read_pickle", "to_pickle", "extractall", "load_extension", "unpack_archive")
IMPORT = ("import_module", "require")  # calls that import what they are given
ALLOWED = {
    ("run/workers.py", "pickle."): "how large an argument is on its way to a process of our own",
    ("ops/java.py", "subprocess."): "java, with a jar that is installed",
    ("run/sender.py", "subprocess."): "this Python, with assay itself",
    ("run/delivery.py", "subprocess."): "looks at the process of the sender",
    ("run/system.py", "ctypes."): "NVIDIA's library, by its own name",
}


def imported(tree: ast.AST) -> dict[str, str]:
    """name here -> whole name."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                root = one.name.partition(".")[0]
                names[one.asname or root] = one.name if one.asname else root
        elif isinstance(node, ast.ImportFrom):
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return names


def dotted(node: ast.AST, known: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, known)}.{node.attr}"
    return known.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def runs(name: str) -> list[str]:
    """Which of RUNS a whole name is, if any."""
    return [own for own in RUNS if f"{name}.".startswith(f"{own.rstrip('.')}.")]


def found(source: str) -> list[str]:
    """What code holds that runs what it is given."""
    tree = ast.parse(source)
    known = imported(tree)
    out = [own for name in known.values() for own in runs(name)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):  # `code` may be any variable
            out += [own for own in runs(dotted(node, known)) if not own.endswith(".")]
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            out.append(node.attr)
        if isinstance(node, ast.Call):
            name = dotted(node.func, known)
            out += in_call(name, {k.arg: k.value for k in node.keywords})
            if name.endswith(IMPORT) and node.args:
                out += runs(str(getattr(node.args[0], "value", "")))
    return out


def in_call(name: str, keywords: dict[str | None, ast.AST]) -> list[str]:
    told = {keyword: getattr(value, "value", None) for keyword, value in keywords.items()}
    out = [f"{k}=" for k in ("shell", "allow_pickle") if told.get(k, False) is not False]
    if name in ("numpy.load", "numpy.lib.format.read_array") and "allow_pickle" not in keywords:
        out.append(f"{name} without allow_pickle=False")
    if name.endswith((".Environment", ".Template")) and told.get("autoescape") is not True:
        out.append("a template without autoescape=True")
    return out


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import pickle as p", "import a, _pickle",
        "eval(x)", "exec(x)", "run = eval", "map(eval, x)", "compile(x, '', 'exec')",
        "import builtins as b; b.eval(x)", "os.system(x)", "from os import system as s; s(x)",
        "import os as o; o.popen(x)", "os.execv(x, y)", "os.spawnl(x)", "__import__(x)",
        "import subprocess", "from subprocess import run", "run(x, shell=True)", "run(x, shell=y)",
        "subprocess.getoutput(x)", "asyncio.create_subprocess_shell(x)",
        "import numpy as np; np.load(x)", "from numpy import load; load(x)",
        "import numpy as np; np.load(x, allow_pickle=True)", "open_npz(x, allow_pickle=y)",
        "import numpy as np; np.load(x, None, True)", "torch.load(x)", "from torch import load",
        "torch.load(x, weights_only=True)", "import torch as t; t.jit.load(x)", "torch.hub.load(x)",
        "import joblib.numpy_pickle", "from joblib import load", "require('joblib')", "import yaml",
        "from yaml import load", "importlib.import_module('yaml.cyaml')",
        "import marshal", "import runpy", "importlib.util.spec_from_file_location(x, y)",
        "import ctypes; ctypes.CDLL(x)", "import pandas as pd; pd.read_pickle(x)",
        "frame.to_pickle(x)", "archive.extractall(x)", "jinja2.Environment()",
        "from jinja2 import Template; Template(x)", "jinja2.Environment(autoescape=False)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(source):
    assert found(source)


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()", "re.compile(x)", "import re; re.compile(x)", "json.load(x)",
        "import numpy as np; np.load(x, allow_pickle=False)", "import torch; torch.save(x, y)",
        "def evaluate(x): ...", "jinja2.Environment(autoescape=True)", "run.load(x)",
    ],
)  # fmt: skip
def test_the_search_finds_nothing_else(source):
    assert not found(source)


def test_nothing_runs_what_data_says():
    there = {
        (str(path.relative_to(PACKAGE)), what)
        for path in sorted(PACKAGE.rglob("*.py"))
        for what in found(path.read_text("utf-8"))
    }
    assert there == set(ALLOWED), "say in ALLOWED why, or do without"


# modules that import by a name that is no constant -> where that name is from
IMPORTERS = {
    "__init__.py": "a table of its own",
    "cli/captions.py": "a table of its own",
    "cli/corpus.py": "a table of its own",
    "cli/engines.py": "a table of its own",
    "cli/merge.py": "a table, by the command that a state file names",
    "cli/user_code.py": "module:factory, which a person types",
    "compat/__init__.py": "a table of its own",
    "core/optional.py": "packages of extras",
    "metrics/from_items.py": "METRICS",
    "ops/backend.py": "the table of backends",
    "trackers/__init__.py": "TRACKERS, by the name that a journal has",
}


def test_modules_are_imported_by_names_of_tables_alone():
    there = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        known = imported(tree)
        for node in ast.walk(tree):
            named = isinstance(node, ast.Call) and dotted(node.func, known).endswith(
                "import_module"
            )
            if named and not isinstance(node.args[0], ast.Constant):
                there.add(str(path.relative_to(PACKAGE)))
    assert there == set(IMPORTERS), "say where the name is from, or take a constant"


@pytest.mark.parametrize(
    "spec", [{"tracker": "os"}, {"tracker": "../x"}, {"tracker": "subprocess:run"}]
)
def test_a_journal_names_no_other_module(spec):
    with pytest.raises(InputError, match=r"^tracker must be one of"):
        made_of(spec)
