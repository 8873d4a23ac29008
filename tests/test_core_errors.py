"""The exception tree, and packages that may be missing."""

import sys
import tomllib
from pathlib import Path

import pytest

import assay
from assay.core import errors
from assay.core.optional import EXTRAS, require


def test_the_tree_is_as_drawn() -> None:
    tree = errors.__doc__.split("\n\n")[1].splitlines()
    drawn = {line.strip(" │├└─").split(" ")[0] for line in tree}
    assert drawn == set(errors.__all__)
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), assay.AssayError)
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.DataError, errors.InputError)
    assert issubclass(errors.MergeError, ValueError)
    assert issubclass(errors.StateFormatError, ValueError)
    assert issubclass(errors.MissingDependency, ImportError)
    assert issubclass(errors.DeviceError, RuntimeError)
    assert issubclass(errors.TrackerError, RuntimeError)
    assert issubclass(errors.Refused, errors.TrackerError)


def test_an_installed_package_is_imported() -> None:
    assert require("json") is sys.modules["json"]
    assert require("os.path") is sys.modules["os.path"]


@pytest.mark.parametrize(
    ("name", "install"),
    [
        ("mlflow", "'assay[mlflow]'"),
        ("fsspec.implementations.memory", "'assay[remote]'"),
        ("matplotlib.pyplot", "'assay[plot]'"),
        ("not_a_package", "not_a_package"),
    ],
)
def test_a_missing_package_names_its_install_line(
    monkeypatch: pytest.MonkeyPatch, name: str, install: str
) -> None:
    root = name.partition(".")[0]
    for loaded in [m for m in sys.modules if m == root or m.startswith(root + ".")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setattr(sys, "meta_path", [Absent(root), *sys.meta_path])
    with pytest.raises(errors.MissingDependency) as caught:
        require(name)
    assert str(caught.value) == f"{root} is not installed; install it with: pip install {install}"
    assert isinstance(caught.value, ImportError)


class Absent:
    """An importer that says a package is not there."""

    def __init__(self, root: str) -> None:
        self.root = root

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self.root:
            raise ModuleNotFoundError(f"No module named {self.root!r}", name=self.root)


def test_a_broken_package_keeps_its_own_error(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_one.py").write_text("import a_dependency_of_it\n")
    (tmp_path / "broken_two.py").write_text("raise RuntimeError('wrong driver')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_dependency_of_it") as caught:
        require("broken_one")
    assert not isinstance(caught.value, assay.AssayError)
    with pytest.raises(RuntimeError, match="wrong driver"):
        require("broken_two")


def test_every_extra_exists() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert set(EXTRAS.values()) <= set(tomllib.loads(text)["project"]["optional-dependencies"])
