"""Other libraries' names over our engine: change one import line, keep the rest of the program.

    import assay.compat.jiwer as jiwer

Each room imports what it stands on when it is first touched.
"""

from importlib import import_module
from typing import Any

_ROOMS = ("evaluate", "jiwer", "sklearn")


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
