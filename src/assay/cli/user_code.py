"""What a user's own module offers, named on the command line as module:name."""

import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from assay.core.errors import AssayError, DataError, InputError

__all__ = ["load", "running"]


def load(option: str, named: str) -> Any:
    """What `module:name` names, with the current folder searched first, as `python -m` does."""
    module, colon, path = named.partition(":")
    if not (module and colon and path):
        raise InputError(f"{option} must be module:name, as in models:build, got {named!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        with running(f"{option}: importing {module}"):
            value = importlib.import_module(module)
    except DataError as error:
        absent = error.__cause__
        if isinstance(absent, ModuleNotFoundError) and module.startswith(absent.name or "\0"):
            raise DataError(
                f"{option}: there is no module {absent.name!r} in {os.getcwd()} or among what is "
                "installed; run it from the folder of the module"
            ) from absent
        raise
    for name in path.split("."):
        if not hasattr(value, name):
            raise DataError(f"{option}: {module} has no {path!r}; is it spelled as in {module}?")
        value = getattr(value, name)
    return value


@contextmanager
def running(what: str) -> Iterator[None]:
    """An error of the user's code names what was run, and the line where it was raised. What it
    prints goes to standard error: standard output is the result."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except AssayError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if not _installed(f.filename)]
        place = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        raise DataError(f"{what} raised {type(error).__name__}: {error}{notes}{place}") from error


def _installed(file: str) -> bool:
    """A file of a library, ours among them."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parts = os.path.normpath(file).split(os.sep)
    return "site-packages" in parts or file.startswith((here, "<", os.path.dirname(os.__file__)))
