"""Many lines as one text: string operations that cost a call per thousand lines, not per line.

Lines are joined by NUL, an operation runs once over the whole text, and the text is split again.
That equals working line by line for every operation here, because NUL behaves as the end of a
string does: it is no letter (a word boundary, and the end of Python's look-around for a final
sigma), no white space and no punctuation, and none of the operations matches across it, removes it
or makes one. Lines that hold a NUL themselves are left to the caller to do one by one.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = [
    "CONTRACTIONS",
    "SEPARATOR",
    "collapse_spaces",
    "drop_bracketed",
    "expand_contractions",
    "joined",
    "only_plain_spaces",
    "replace_each",
    "replace_in_order",
    "replace_words",
    "word_pattern",
]

SEPARATOR = "\0"
CHUNK = 1024  # lines: about 100 kB of speech transcripts, which stays in the second-level cache

# White space (as str.isspace) other than U+0020, the one character jiwer splits words at.
_ASCII_SPACES = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f"
_OTHER_SPACES = (
    _ASCII_SPACES
    + "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    + "\u2028\u2029\u202f\u205f\u3000"
)

# Order matters: an earlier rule sees the text first.
CONTRACTIONS = (
    ("won't", "will not"),
    ("can't", "can not"),
    ("let's", "let us"),
    ("n't", " not"),
    ("'re", " are"),
    ("'s", " is"),
    ("'d", " would"),
    ("'ll", " will"),
    ("'t", " not"),
    ("'ve", " have"),
    ("'m", " am"),
)
_MARK = "\1"

_SPACE_RUN = re.compile(r"\s\s+")
_BRACKETED = re.compile(r"[<\[][^>\]\0]*[>\]]")


def joined(lines: Sequence[str]) -> Iterator[tuple[Sequence[str], str | None]]:
    """Runs of lines with their joined text, None where a line holds the separator itself.

    TypeError where a line is not a str.
    """
    for start in range(0, len(lines), CHUNK):
        part = lines[start : start + CHUNK]
        text = SEPARATOR.join(part)
        yield part, text if text.count(SEPARATOR) == len(part) - 1 else None


def only_plain_spaces(lines: Sequence[str]) -> bool:
    """Whether U+0020 is the only white space in all lines."""
    for part, _ in joined(lines):
        text = SEPARATOR.join(part)
        spaces = _ASCII_SPACES if text.isascii() else _OTHER_SPACES
        if any(space in text for space in spaces):
            return False
    return True


def collapse_spaces(text: str) -> str:
    """Every run of two or more white-space characters becomes one space."""
    spaces = _ASCII_SPACES if text.isascii() else _OTHER_SPACES
    if any(space in text for space in spaces):
        return _SPACE_RUN.sub(" ", text)
    # Halving runs of plain spaces until none is left is several times faster than the pattern.
    while "  " in text:
        text = text.replace("  ", " ")
    return text


def drop_bracketed(text: str) -> str:
    """Without <...> and [...], as Kaldi marks what is no word."""
    return _BRACKETED.sub("", text) if "<" in text or "[" in text else text


def expand_contractions(text: str) -> str:
    """The rules of CONTRACTIONS, one after the other.

    Every rule turns on an apostrophe and at most three characters on either side of it, so only
    those are searched: the rest of each stretch between apostrophes is put aside, with a mark in
    its place.
    """
    if "'" not in text:
        return text
    if len(text) < 256 or _MARK in text:
        return replace_in_order(text, CONTRACTIONS)
    stretches = text.split("'")
    near = [s[:3] + _MARK + s[-3:] if len(s) > 6 else s for s in stretches]
    pieces = replace_in_order("'".join(near), CONTRACTIONS).split(_MARK)
    woven = [""] * (2 * len(pieces) - 1)
    woven[::2] = pieces
    woven[1::2] = [s[3:-3] for s in stretches if len(s) > 6]
    return "".join(woven)


def replace_in_order(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    """str.replace for each pair in turn."""
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def replace_each(text: str, tokens: Collection[str], new: str) -> str:
    """str.replace of each token by `new`, in the order of the tokens.

    Where all tokens are single characters and `new` is at most one, the order cannot matter, and
    only the characters that the text has are replaced.
    """
    if isinstance(tokens, set | frozenset) and len(new) < 2 and {*map(len, tokens)} == {1}:
        if text.isascii():
            table = {ord(token): new or None for token in tokens if token < "\x80"}
            return text.translate(table)
        tokens = tokens & set(text)
    for token in tokens:
        if token != new:
            text = text.replace(token, new)
    return text


def word_pattern(word: str) -> str:
    r"""A pattern for `word` between word boundaries.

    The same matches as \bword\b, but it starts with plain characters, so that the matcher
    searches for those instead of testing for a boundary everywhere.
    """
    escaped = re.escape(word)
    return rf"{escaped}(?<=\b{escaped})\b"


def replace_words(text: str, words: Mapping[str, str]) -> str:
    """Each whole word by its replacement (taken literally), in the order of the mapping."""
    for word, new in words.items():
        if word in text:
            text = re.sub(word_pattern(word), new, text)
    return text
