"""Text normalisers, by name. Never applied unless asked for.

    none      the text as it is
    basic     NFKC, lower case, punctuation and symbols become spaces, white space collapsed
    whisper-basic, whisper-english   those of the package whisper-normalizer (extra `text`), as
              leaderboards of speech recognition apply them

`basic` keeps every letter, mark and digit: combining vowel signs, which other "remove everything
that is not a word character" normalisers strip from Indic scripts, stay. An apostrophe between two
characters that stay is kept (U+2019 becomes U+0027), so "don't" is one word. The name in a
signature carries a version, which moves when any result of the normaliser does; those of the
package carry its version. They are Python (8 and 94 µs a sentence), so no string is normalised
twice.
"""

import functools
import hashlib
import unicodedata
from collections.abc import Callable, MutableMapping
from importlib import metadata
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import is_one_of
from assay.core.errors import InputError
from assay.core.optional import require
from assay.core.ragged import Ragged
from assay.ops import _token_kernels as kernels
from assay.ops.tokens import pack, strings

__all__ = ["basic", "name_of", "resolve", "rewritten"]

Normaliser = Callable[[Ragged], Ragged]

_TABLE_END = 0x20000  # beyond are ideographs and tags, no punctuation, symbol or white space
_SIGMA = 0x3A3
MOST_KNOWN = 1 << 25  # characters of strings that are kept with what they became
_HANGUL_PARTS = ((0x1100, 0x11FF), (0xA960, 0xA97F), (0xD7B0, 0xD7FF))


def resolve(normalise: str | Callable[[str], str]) -> tuple[Normaliser | None, str]:
    """A normaliser of packed text and its name in signatures, from a name or a function of str."""
    if callable(normalise):
        return functools.partial(_apply, normalise, {}), name_of(normalise)
    if not is_one_of(normalise, NAMED):
        known = ", ".join(NAMED)
        raise InputError(f"normalise must be one of {known} or a function, got {normalise!r}")
    return NAMED[normalise]()


def name_of(function: Callable[..., object]) -> str:
    """What a signature calls a function. Lambdas and local functions of one name are told apart
    by their code."""
    if isinstance(function, functools.partial):
        bound = [*map(repr, function.args), *(f"{k}={v!r}" for k, v in function.keywords.items())]
        return f"partial({', '.join([name_of(function.func), *bound])})"
    name = getattr(function, "__qualname__", type(function).__qualname__)
    module = getattr(function, "__module__", None)
    code = getattr(function, "__code__", None)
    if "<" in name and code is not None:
        text = repr((code.co_code, code.co_consts, code.co_names))
        name += f"#{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
    return f"{module}.{name}" if module else name


def basic(text: Ragged) -> Ragged:
    """NFKC, lower case, no punctuation or symbols, single spaces.

    >>> strings(basic(pack(["  Don’t   STOP—now!", "ﬁne, 5 €"])))
    ["don't stop now", 'fine 5']
    """
    classes, lower = _tables()
    used = text.values[text.offsets[0] : text.offsets[-1]]
    if kernels.has_high_bytes(used):
        unsettled = kernels.unsettled_rows(text.values, text.offsets, classes)
        if unsettled.any():
            text = rewritten(text, unsettled, _settled)
    values, offsets = kernels.basic_rows(text.values, text.offsets, classes, lower)
    values.flags.writeable = False  # one array type, so one compiled kernel
    return Ragged(values, offsets)


def rewritten(text: Ragged, chosen: npt.NDArray[np.bool_], change: Callable[[str], str]) -> Ragged:
    """The text with some of its rows changed by a function: those that no kernel can do."""
    data = text.values.tobytes()
    rows = [data[a:b] for a, b in pairwise(text.offsets.tolist())]
    for r in np.flatnonzero(chosen).tolist():
        line = change(rows[r].decode("utf-8", "surrogatepass"))
        rows[r] = line.encode("utf-8", "surrogatepass")
    joined = b"".join(rows).ljust(8, b"\0")
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    return Ragged.from_lengths(np.frombuffer(joined, np.uint8), lengths)


def _settled(line: str) -> str:
    return unicodedata.normalize("NFKC", line).lower()


@functools.cache
def _tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """How each code point is treated, and its lower case, from unicodedata (0.2 s, once)."""
    classes = np.zeros(_TABLE_END, np.uint8)
    lower = np.arange(_TABLE_END, dtype=np.int32)
    for point in range(_TABLE_END):
        character = chr(point)
        small = character.lower()
        if len(small) == 1:
            lower[point] = ord(small)
        category = unicodedata.category(character)
        if category[0] in "PS" or character.isspace():
            classes[point] |= kernels.BLANK
        if len(small) != 1 or not unicodedata.is_normalized("NFKC", character):
            classes[point] |= kernels.UNSETTLED
        if unicodedata.combining(character):
            classes[point] |= kernels.MARK | kernels.JOINS
        parts = unicodedata.decomposition(character)
        if parts and parts[0] != "<" and " " in parts:
            first, second = (int(part, 16) for part in parts.split())
            if max(first, second) < _TABLE_END:
                classes[[first, point]] |= kernels.FIRST  # a composed one may be taken apart
                classes[second] |= kernels.JOINS
    for apostrophe in (0x27, 0x2019):
        classes[apostrophe] = kernels.APOSTROPHE
    classes[_SIGMA] |= kernels.UNSETTLED  # its lower case depends on what surrounds it
    for first, last in _HANGUL_PARTS:
        classes[first : last + 1] |= kernels.UNSETTLED  # they compose by arithmetic
    return classes, lower


def _apply(function: Callable[[str], str], known: MutableMapping[str, str], text: Ragged) -> Ragged:
    """A function on every row; a string met before is not computed again."""
    out = []
    for line in strings(text):
        result = known.get(line)
        if result is None:
            result = function(line)
            if not isinstance(result, str):
                raise InputError(f"normalise must return a string, got {result!r} for {line!r}")
            known[line] = result
        out.append(result)
    return pack(out)


class _Known(dict[str, str]):
    """What strings became, until there are too many of them. Threads share it: at worst two of
    them work out the same string."""

    held = 0

    def __setitem__(self, line: str, result: str) -> None:
        self.held += len(line) + len(result)
        if self.held > MOST_KNOWN:
            self.clear()
            self.held = len(line) + len(result)
        super().__setitem__(line, result)


@functools.cache
def _whisper(module: str, name: str) -> tuple[Normaliser, str]:
    """A normaliser of whisper-normalizer. It keeps nothing between calls, so threads share it."""
    function: Any = getattr(require(f"whisper_normalizer.{module}"), name)()
    version = metadata.version("whisper_normalizer")
    return functools.partial(_apply, function, _Known()), f"whisper-{module}-{version}"


# name -> what makes a normaliser and its name in signatures
NAMED: dict[str, Callable[[], tuple[Normaliser | None, str]]] = {
    "none": lambda: (None, "none"),
    "basic": lambda: (basic, "basic-1"),
    "whisper-basic": functools.partial(_whisper, "basic", "BasicTextNormalizer"),
    "whisper-english": functools.partial(_whisper, "english", "EnglishTextNormalizer"),
}
