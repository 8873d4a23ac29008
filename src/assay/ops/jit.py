"""The one way Numba is used here.

Kernels release the GIL and are driven over blocks by the shared pool of `core/threads.py`.
Numba's own `parallel=True` is not used: its threading layer is unsafe under concurrent callers and
after fork.
"""

import contextlib
import functools
import os
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

import numba

__all__ = ["inlined", "kernel", "twin"]

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile on first call, without the GIL, cached on disk where some folder can be written.

    Numba looks beside the source, then in NUMBA_CACHE_DIR or the user's cache folder; where none
    can be written it raises while decorating, and the kernel is then compiled in every process.
    So it is where a folder has no room left. What is cached belongs to the file of the kernel as
    it was; a file whose kernels call those of other modules names these in a global BUILT_FROM.
    """
    options = {"nogil": True, "no_cfunc_wrapper": True}
    try:
        compiled: Any = numba.njit(cache=True, **options)(function)
    except RuntimeError:
        compiled = numba.njit(**options)(function)
    cache: Any = getattr(compiled, "_cache", None)
    if hasattr(cache, "save_overload"):  # not public: without it a full folder is an error again
        cache.save_overload = _unless_full(cache.save_overload)
    parts = getattr(function, "__globals__", {}).get("BUILT_FROM", ())
    if parts and hasattr(cache, "_cache_file"):
        stamps = [os.stat(part.__file__) for part in parts]
        cache._cache_file._source_stamp = (
            cache._cache_file._source_stamp,
            *((stamp.st_mtime, stamp.st_size) for stamp in stamps),
        )
    return compiled  # type: ignore[no-any-return]


def _unless_full(save: Callable[..., None]) -> Callable[..., None]:
    def try_to_save(*arguments: Any) -> None:
        with contextlib.suppress(OSError):
            save(*arguments)

    return try_to_save


def twin(compiled: F, name: str) -> F:
    """The same kernel under another name, for arguments of another type.

    The cache gives the types of one kernel numbers in order of arrival, and two processes that
    compile different types at once can give both the same number. One type a name needs none.
    """
    function = getattr(compiled, "py_func", compiled)
    copy: Any = FunctionType(function.__code__, function.__globals__, name)
    copy.__qualname__ = name
    return kernel(copy)  # type: ignore[no-any-return]


def inlined(function: Any = None, *, reassociate: bool = False) -> Any:
    """Compile a part of a kernel: not callable from Python, no cache file of its own.

    reassociate: its float sums may be taken in any order, so that they fill vector registers; for
    numbers without NaN that need no exact digits.
    """
    if function is None:
        return functools.partial(inlined, reassociate=reassociate)
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
    loose = {"reassoc", "nnan", "nsz"} if reassociate else False
    return numba.njit(nogil=True, fastmath=loose, **options)(function)
