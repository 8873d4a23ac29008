"""The package runs nothing that data says: no pickle, no eval, no shell, but where it is named."""

import ast
from pathlib import Path

import pytest

from assay.core.errors import InputError
from assay.trackers import made_of

PACKAGE = Path(__file__).parent.parent / "src" / "assay"

# what a call or an import may be that runs code -> of which modules of the package, and why there
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "code", "pty"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.loads",
         "pickle.load", "torch.load", "yaml.load", "joblib.load"}  # fmt: skip
ALLOWED = {
    ("run/workers.py", "pickle"): "how large an argument is on its way to a process of our own",
}


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def found(source: str) -> list[str]:
    """What code holds that runs what it is given."""
    out = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            out += [one.name for one in node.names if one.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            out += [node.module] if (node.module or "").partition(".")[0] in MODULES else []
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            out += [name] if name in CALLS or name.startswith("os.spawn") else []
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                if keyword.arg == "shell" and value is not False:
                    out.append("shell=")
                if keyword.arg == "allow_pickle" and value is not False:
                    out.append("allow_pickle=")
            loads = name in ("np.load", "numpy.load")
            if loads and "allow_pickle" not in {keyword.arg for keyword in node.keywords}:
                out.append("np.load without allow_pickle=False")
    return out


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "eval(x)", "exec(x)", "os.system(x)",
        "subprocess.run(x, shell=True)", "subprocess.run(x, shell=y)", "np.load(x)",
        "torch.load(x)",
        "np.load(x, allow_pickle=True)", "import joblib.numpy_pickle", "yaml.load(x)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(source):
    assert found(source)


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
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = isinstance(node, ast.Call) and dotted(node.func).endswith("import_module")
            if named and not isinstance(node.args[0], ast.Constant):
                there.add(str(path.relative_to(PACKAGE)))
    assert there == set(IMPORTERS), "say where the name is from, or take a constant"


@pytest.mark.parametrize(
    "spec", [{"tracker": "os"}, {"tracker": "../x"}, {"tracker": "subprocess:run"}]
)
def test_a_journal_names_no_other_module(spec):
    with pytest.raises(InputError, match=r"^tracker must be one of"):
        made_of(spec)
