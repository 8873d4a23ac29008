"""The normaliser `basic`: timed against regular expressions, checked character by character."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from corpus import written_text
from gate import Contender, Work
from text import pairs, read_lists

_LONE_APOSTROPHE = re.compile(r"(?<!\w)'|'(?!\w)")
_PUNCTUATION = re.compile(r"[^\w\s']|_")
_WHITE_SPACE = re.compile(r"\s+")


def regex_basic(text: str) -> str:
    """The normaliser `basic` as it is usually written; without combining marks, the same."""
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    text = _PUNCTUATION.sub(" ", _LONE_APOSTROPHE.sub(" ", text))
    return _WHITE_SPACE.sub(" ", text).strip()


def _normalise(*, accents: bool) -> Callable[[int], Work]:
    def build(n: int) -> Work:
        texts = written_text(pairs(n)[0], accents=accents)

        def ours() -> Contender:
            from assay.ops.normalise import basic
            from assay.ops.tokens import pack

            return Contender(lambda: basic(pack(texts)), _bytes)

        def regex() -> Contender:
            return Contender(lambda: [*map(regex_basic, texts)], _bytes)

        def slow_twin() -> Mapping[str, Any]:
            return _bytes([_by_category(text) for text in texts])

        return Work(
            ours=ours,
            peers={"Python regex": regex},
            truth=slow_twin,
            floor=lambda: read_lists(texts),
        )

    return build


normalise_ascii = _normalise(accents=False)
normalise_unicode = _normalise(accents=True)


def _bytes(found: Any) -> Mapping[str, Any]:
    """Normalised text, packed or a list of str, as bytes and offsets."""
    if isinstance(found, list):
        rows = [text.encode() for text in found]
        values = np.frombuffer(b"".join(rows), np.uint8)
        return {"text": values, "offsets": np.cumsum([0, *map(len, rows)])}
    return {"text": found.values[: found.offsets[-1]], "offsets": found.offsets}


def _by_category(text: str) -> str:
    """The rule of `basic`, one character at a time."""
    text = unicodedata.normalize("NFKC", text).lower()

    def stays(at: int) -> bool:
        inside = 0 <= at < len(text)
        return inside and unicodedata.category(text[at])[0] not in "PS" and not text[at].isspace()

    out = [
        c if stays(at) else "'" if c in "'\u2019" and stays(at - 1) and stays(at + 1) else " "
        for at, c in enumerate(text)
    ]
    return " ".join("".join(out).split())
