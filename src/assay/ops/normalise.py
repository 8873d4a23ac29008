"""Text normalisers, by name. Never applied unless asked for.

    none      the text as it is
    basic     NFKC, lower case, punctuation and symbols become spaces, white space collapsed

`basic` keeps every letter, mark and digit: combining vowel signs, which other "remove everything
that is not a word character" normalisers strip from Indic scripts, stay. An apostrophe between two
characters that stay is kept (U+2019 becomes U+0027), so "don't" is one word. The name in a
signature carries a version, which moves when any result of the normaliser does.
"""

import functools
import unicodedata
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.ops import _token_kernels as kernels
from assay.ops.tokens import pack, strings

__all__ = ["basic", "resolve"]

Normaliser = Callable[[Ragged], Ragged]

_SYMBOLS_END = 0x20000  # no punctuation, symbol or white space beyond


def resolve(normalise: str | Callable[[str], str]) -> tuple[Normaliser | None, str]:
    """A normaliser of packed text and its name in signatures, from a name or a function of str."""
    if callable(normalise):
        name = getattr(normalise, "__qualname__", type(normalise).__qualname__)
        module = getattr(normalise, "__module__", None)
        name = f"{module}.{name}" if module else name
        return functools.partial(_apply, normalise, {}), name
    if normalise not in NAMED:
        raise InputError(f"normalise must be one of {list(NAMED)} or a function, got {normalise!r}")
    return NAMED[normalise]


def basic(text: Ragged) -> Ragged:
    """NFKC, lower case, no punctuation or symbols, single spaces.

    >>> strings(basic(pack(["  Don’t   STOP—now!", "ﬁne, 5 €"])))
    ["don't stop now", 'fine 5']
    """
    used = text.values[text.offsets[0] : text.offsets[-1]]
    if kernels.has_high_bytes(used):
        # One call for all rows: nothing joins or changes across a line feed.
        lines = "\n".join(line.replace("\n", " ") for line in strings(text))
        text = pack(unicodedata.normalize("NFKC", lines).lower().split("\n"))
    values, offsets = kernels.basic_rows(text.values, text.offsets, _classes())
    values.flags.writeable = False  # one array type, so one compiled kernel
    return Ragged(values, offsets)


@functools.cache
def _classes() -> npt.NDArray[np.uint8]:
    """How each code point is treated: 0 stays, 1 becomes a space, 2 is an apostrophe."""
    table = np.zeros(_SYMBOLS_END, np.uint8)
    for point in range(_SYMBOLS_END):
        character = chr(point)
        table[point] = unicodedata.category(character)[0] in "PS" or character.isspace()
    table[[0x27, 0x2019]] = 2
    return table


def _apply(function: Callable[[str], str], known: dict[str, str], text: Ragged) -> Ragged:
    """A caller's function on every row; a string met before is not computed again."""
    out = []
    for line in strings(text):
        if line not in known:
            result = function(line)
            if not isinstance(result, str):
                raise InputError(f"normalise must return a string, got {result!r} for {line!r}")
            known[line] = result
        out.append(known[line])
    return pack(out)


NAMED: dict[str, tuple[Normaliser | None, str]] = {
    "none": (None, "none"),
    "basic": (basic, "basic-1"),
}
