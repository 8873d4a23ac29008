"""Every public name of jiwer exists in assay.compat.jiwer, with the same signature."""

import dataclasses
import importlib
import inspect
import subprocess
import sys
import types
from typing import Any

import pytest

jiwer = pytest.importorskip("jiwer")

SUBMODULES = ("alignment", "cli", "measures", "process", "transformations", "transforms")


def public(module: types.ModuleType) -> list[str]:
    """Names a user may have typed: what comes from elsewhere (typing, re, click) is not jiwer's."""
    if module.__name__ == "jiwer.cli":  # its command is an object of click
        return ["cli"]
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (getattr(value, "__module__", "jiwer") or "").startswith("jiwer")
        and (not inspect.ismodule(value) or value.__name__.startswith("jiwer."))
    ]


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    def plain(default: Any) -> Any:
        # our presets and theirs are different objects of the same chain
        steps = getattr(default, "transforms", None)
        return [(type(s).__name__, vars(s)) for s in steps] if steps else default

    return [
        (p.name, p.kind, plain(p.default)) for p in inspect.signature(function).parameters.values()
    ]


MODULES = ["jiwer", *(f"jiwer.{name}" for name in SUBMODULES)]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_there(name: str) -> None:
    theirs, ours = importlib.import_module(name), importlib.import_module(f"assay.compat.{name}")
    names = public(theirs)
    assert names
    assert set(names) <= set(dir(ours))
    assert set(getattr(theirs, "__all__", ())) <= set(ours.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_signatures_are_the_same(name: str) -> None:
    theirs, ours = importlib.import_module(name), importlib.import_module(f"assay.compat.{name}")
    for attribute in public(theirs):
        their, our = getattr(theirs, attribute), getattr(ours, attribute)
        if inspect.isfunction(their):
            assert parameters(our) == parameters(their), attribute
        elif inspect.isclass(their):
            assert parameters(our) == parameters(their), attribute
            for method, function in inspect.getmembers(their, inspect.isfunction):
                if not method.startswith("_") or method == "__call__":
                    assert parameters(getattr(our, method)) == parameters(function), method
            bases = [base.__name__ for base in their.__mro__]
            assert [b.__name__ for b in our.__mro__ if b.__name__ in bases] == bases


def test_star_import_gives_the_same_names() -> None:
    theirs: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    exec("from jiwer import *", theirs)
    exec("from assay.compat.jiwer import *", ours)
    assert set(theirs) - {"cli"} == set(ours)  # jiwer.cli is there once somebody imported it
    assert ours["name"] == theirs["name"]


@pytest.mark.parametrize("name", ["AlignmentChunk", "WordOutput", "CharacterOutput"])
def test_records_have_the_same_fields(name: str) -> None:
    ours, theirs = (
        getattr(importlib.import_module("assay.compat.jiwer"), name),
        getattr(jiwer, name),
    )
    assert [f.name for f in dataclasses.fields(ours)] == [
        f.name for f in dataclasses.fields(theirs)
    ]
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__hash__ is theirs.__hash__ is None


def test_needs_neither_jiwer_nor_rapidfuzz() -> None:
    code = (
        "import sys, assay\n"
        "assert assay.compat.jiwer.process_words('a b', 'a').alignments\n"
        "assert not {'jiwer', 'rapidfuzz', 'torch', 'pyarrow'} & set(sys.modules), 'loaded'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
