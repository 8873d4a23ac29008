"""jiwer's transforms: the steps that turn sentences into lists of words or characters.

A transform is called with a string or a list of strings. A class of your own overrides
`process_string`, `process_list` or both, and is called as in jiwer. The classes here work on a
whole list at once where the result is the same; a chain must end with ReduceToListOfListOfWords or
ReduceToListOfListOfChars.
"""

import functools
import re
import string
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from assay.compat.jiwer import _chain, _lines
from assay.compat.jiwer._chain import Compose

__all__ = [
    "AbstractTransform",
    "Compose",
    "ExpandCommonEnglishContractions",
    "ReduceToListOfListOfChars",
    "ReduceToListOfListOfWords",
    "ReduceToSingleSentence",
    "RemoveEmptyStrings",
    "RemoveKaldiNonWords",
    "RemoveMultipleSpaces",
    "RemovePunctuation",
    "RemoveSpecificWords",
    "RemoveWhiteSpace",
    "Strip",
    "SubstituteRegexes",
    "SubstituteWords",
    "ToLowerCase",
    "ToUpperCase",
]


class AbstractTransform:
    """Base of all transforms: a string goes to `process_string`, a list to `process_list`."""

    def __call__(self, sentences: str | list[str]) -> Any:
        """The transformed sentences; ValueError for anything but a string or a list."""
        if isinstance(sentences, str):
            return self.process_string(sentences)
        if isinstance(sentences, list):
            return self.process_list(sentences)
        raise ValueError(f"input {sentences} was expected to be a string or list of strings")

    def process_string(self, s: str) -> Any:
        raise NotImplementedError

    def process_list(self, inp: list[str]) -> Any:
        return _chain.each(self, inp)

    def _on_text(self) -> Callable[[str], str] | None:
        """What the transform does to many lines joined (see _lines), None if it needs each line.

        Asked for at every call, since a caller may change the parameters in between.
        """
        return None


@_chain.plain
class BaseRemoveTransform(AbstractTransform):
    """Replaces each token, in the order given, by `replace_token`."""

    def __init__(self, tokens_to_remove: Iterable[str], replace_token: str = "") -> None:
        self.tokens_to_remove = tokens_to_remove
        self.replace_token = replace_token

    def process_string(self, s: str) -> str:
        tokens, new = self.tokens_to_remove, self.replace_token
        if {type(s), type(new)} == {str} and isinstance(tokens, set | frozenset):
            return _lines.replace_each(s, tokens, new)
        for token in tokens:
            s = s.replace(token, new)
        return s

    def _on_text(self) -> Callable[[str], str] | None:
        tokens, new = self.tokens_to_remove, self.replace_token
        if not (isinstance(tokens, list | tuple | set | frozenset) and _literals([*tokens, new])):
            return None
        if "" in tokens:
            return None
        return lambda text: _lines.replace_each(text, tokens, new)


@_chain.plain
class ReduceToListOfListOfWords(AbstractTransform):
    """Each sentence becomes the list of its words; empty words are dropped.

    >>> ReduceToListOfListOfWords()(["good morning", "hi"])
    [['good', 'morning'], ['hi']]
    """

    def __init__(self, word_delimiter: str = " ") -> None:
        self.word_delimiter = word_delimiter

    def process_string(self, s: str) -> list[list[str]]:
        return [[word for word in s.split(self.word_delimiter) if word]]

    def process_list(self, inp: list[str]) -> list[list[str]]:
        return [self.process_string(s)[0] for s in inp] or [[]]


@_chain.plain
class ReduceToListOfListOfChars(AbstractTransform):
    """Each sentence becomes the list of its code points, spaces included.

    >>> ReduceToListOfListOfChars()(["hi a"])
    [['h', 'i', ' ', 'a']]
    """

    def process_string(self, s: str) -> list[list[str]]:
        return [list(s)]

    def process_list(self, inp: list[str]) -> list[list[str]]:
        return [self.process_string(s)[0] for s in inp] or [[]]


@_chain.plain
class ReduceToSingleSentence(AbstractTransform):
    """All sentences that are not empty become one, for sides that are cut up differently.

    >>> ReduceToSingleSentence()(["good", "", "morning"])
    ['good morning']
    """

    def __init__(self, word_delimiter: str = " ") -> None:
        self.word_delimiter = word_delimiter

    def process_string(self, s: str) -> str:
        return s

    def process_list(self, inp: list[str]) -> list[str]:
        kept = [s for s in inp if len(s) >= 1]
        return [f"{self.word_delimiter}".join(kept)] if kept else []


@_chain.plain
class SubstituteRegexes(AbstractTransform):
    r"""Applies each pattern with its replacement, in the order of the mapping.

    >>> SubstituteRegexes({r"\b(\w+)ing\b": r"\1"})(["walking home"])
    ['walk home']
    """

    def __init__(self, substitutions: Mapping[str, str]) -> None:
        self.substitutions = substitutions

    def process_string(self, s: str) -> str:
        for pattern, replacement in self.substitutions.items():
            s = re.sub(pattern, replacement, s)
        return s


@_chain.plain
class SubstituteWords(AbstractTransform):
    """Replaces whole words, in the order of the mapping; parts of words stay.

    >>> SubstituteWords({"ok": "okay"})(["ok then", "token"])
    ['okay then', 'token']
    """

    def __init__(self, substitutions: Mapping[str, str]) -> None:
        self.substitutions = substitutions

    def process_string(self, s: str) -> str:
        for word, replacement in self.substitutions.items():
            s = re.sub(rf"\b{re.escape(word)}\b", replacement, s)
        return s

    def _on_text(self) -> Callable[[str], str] | None:
        words = self.substitutions
        if type(words) is not dict or not _literals([*words, *words.values()]) or "" in words:
            return None
        if any("\\" in replacement for replacement in words.values()):  # a template of re.sub
            return None
        return lambda text: _lines.replace_words(text, words)


@_chain.plain
class RemoveSpecificWords(SubstituteWords):
    """Replaces each of the words by a space; collapse and strip spaces afterwards.

    >>> RemoveSpecificWords(["uh"])(["uh yes"])
    ['  yes']
    """

    def __init__(self, words_to_remove: list[str]) -> None:
        super().__init__(dict.fromkeys(words_to_remove, " "))


@_chain.plain
class RemoveWhiteSpace(BaseRemoveTransform):
    r"""Removes ASCII white space, or makes each of its characters a space.

    >>> RemoveWhiteSpace(replace_by_space=True)(["a\tb"])
    ['a b']
    """

    def __init__(self, replace_by_space: bool = False) -> None:
        super().__init__([*string.whitespace], replace_token=" " if replace_by_space else "")


@functools.cache
def _get_punctuation_characters() -> set[str]:
    """All characters of a Unicode category that starts with P: one set, as in jiwer, so what a
    caller takes out of it stays in the text for every RemovePunctuation."""
    characters = map(chr, range(sys.maxunicode + 1))
    return {c for c in characters if unicodedata.category(c).startswith("P")}


@_chain.plain
class RemovePunctuation(BaseRemoveTransform):
    """Removes every character that Unicode files under punctuation.

    >>> RemovePunctuation()(["well, yes!"])
    ['well yes']
    """

    def __init__(self) -> None:
        super().__init__(_get_punctuation_characters())


@_chain.plain
class RemoveMultipleSpaces(AbstractTransform):
    """Makes one space of every run of two or more white-space characters.

    >>> RemoveMultipleSpaces()(["one   two "])
    ['one two ']
    """

    def process_string(self, s: str) -> str:
        return re.sub(r"\s\s+", " ", s)

    def _on_text(self) -> Callable[[str], str]:
        return _lines.collapse_spaces


@_chain.plain
class Strip(AbstractTransform):
    """Removes white space at both ends.

    >>> Strip()([" hi "])
    ['hi']
    """

    def process_string(self, s: str) -> str:
        return s.strip()


@_chain.plain
class RemoveEmptyStrings(AbstractTransform):
    """Drops sentences of nothing but white space from a list; a lone string is stripped.

    >>> RemoveEmptyStrings()(["", "hi", " "])
    ['hi']
    """

    def process_string(self, s: str) -> str:
        return s.strip()

    def process_list(self, inp: list[str]) -> list[str]:
        return [s for s in inp if self.process_string(s) != ""]


@_chain.plain
class ExpandCommonEnglishContractions(AbstractTransform):
    """Writes out won't, can't, let's, n't, 're, 's, 'd, 'll, 't, 've and 'm.

    >>> ExpandCommonEnglishContractions()(["we'll see, won't we"])
    ['we will see, will not we']
    """

    def process_string(self, s: str) -> str:
        # the pattern also refuses what is no string, as jiwer's do
        return _lines.expand_contractions(s) if re.search("'", s) else s

    def _on_text(self) -> Callable[[str], str]:
        return _lines.expand_contractions


@_chain.plain
class ToLowerCase(AbstractTransform):
    """Lower case.

    >>> ToLowerCase()(["Hi"])
    ['hi']
    """

    def process_string(self, s: str) -> str:
        return s.lower()

    def _on_text(self) -> Callable[[str], str]:
        return str.lower


@_chain.plain
class ToUpperCase(AbstractTransform):
    """Upper case.

    >>> ToUpperCase()(["Hi"])
    ['HI']
    """

    def process_string(self, s: str) -> str:
        return s.upper()

    def _on_text(self) -> Callable[[str], str]:
        return str.upper


@_chain.plain
class RemoveKaldiNonWords(AbstractTransform):
    """Removes what stands between <> or [], as in <unk> and [laugh].

    >>> RemoveKaldiNonWords()(["you <unk> know"])
    ['you  know']
    """

    def process_string(self, s: str) -> str:
        return re.sub(r"[<\[][^>\]]*[>\]]", "", s)

    def _on_text(self) -> Callable[[str], str]:
        return _lines.drop_bracketed


def _literals(strings: list[Any]) -> bool:
    """Whether all are plain strings that a joined text can be searched for."""
    return all(type(s) is str and _lines.SEPARATOR not in s for s in strings)
