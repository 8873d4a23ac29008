"""Who says which words mean the same: WordNet, a mapping, a function, or nobody."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from assay.core.checks import is_one_of
from assay.core.errors import InputError
from assay.core.optional import require
from assay.ops.normalise import name_of

__all__ = ["Provider", "resolve"]

Provider = Callable[[str], Iterable[str]]


def resolve(synonyms: Any) -> tuple[Provider | None, str]:
    """A function from a word to the words that mean the same, and its name in signatures. None:
    WordNet where it is installed."""
    if synonyms is None or is_one_of(synonyms, ("wordnet",)):
        return _wordnet(must=synonyms is not None)
    if is_one_of(synonyms, ("none",)):
        return None, "none"
    if isinstance(synonyms, Mapping):
        return _of_mapping(synonyms)
    if callable(getattr(synonyms, "synsets", None)):
        return _of_reader(synonyms), name_of(type(synonyms))
    if callable(synonyms):
        return synonyms, name_of(synonyms)
    raise InputError(
        "synonyms must be 'wordnet', 'none', a mapping of words to lists of words, "
        f"a function of a word or a reader with synsets(), got {synonyms!r}"
    )


def _wordnet(must: bool) -> tuple[Provider | None, str]:
    """That of nltk's data. Loaded on first use, of which a LookupError says that it is missing."""
    reader = require("nltk.corpus").wordnet
    try:
        version = reader.get_version()
    except LookupError:
        if not must:
            return None, "none"
        raise InputError(
            "synonyms 'wordnet' needs nltk's data, which is not installed; "
            "install it with: python -m nltk.downloader wordnet"
        ) from None
    return _of_reader(reader), f"wordnet-{version}"


def _of_reader(reader: Any) -> Provider:
    """Lemmas of one word in the synsets of a word, as nltk's METEOR takes them."""
    return lambda word: (
        name
        for synset in reader.synsets(word)
        for lemma in synset.lemmas()
        if "_" not in (name := lemma.name())
    )


def _of_mapping(synonyms: Mapping[str, Iterable[str]]) -> tuple[Provider, str]:
    table = {}
    for word, others in synonyms.items():
        if isinstance(others, str) or not isinstance(others, Iterable):
            raise InputError(f"synonyms[{word!r}] must be a list of words, got {others!r}")
        table[word] = sorted(set(others))
    written = json.dumps(table, sort_keys=True).encode()
    digest = hashlib.blake2b(written, digest_size=4).hexdigest()
    return lambda word: table.get(word, ()), f"mapping#{digest}"
