"""What trackers have in common: places, keys, secrets."""

import hashlib
import os
from importlib.util import find_spec
from urllib.parse import parse_qsl, urlsplit

from assay.core.errors import InputError
from assay.core.optional import require
from assay.core.record import File
from assay.core.score import flat_key

__all__ = ["check_installed", "check_no_secret", "fitting", "label"]


SECRETS = ("password", "passwd", "pwd", "token", "secret", "key")  # in names of a query


def check_installed(package: str) -> None:
    """MissingDependency with the install line where a package is absent; it is not imported."""
    if find_spec(package) is None:
        require(package)


def check_no_secret(what: str, uri: str, instead: str) -> None:
    """Refuse a URI with a user or a password: it would stand in the journal."""
    parts = urlsplit(uri)
    names = " ".join(name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    if "@" in parts.netloc or any(word in names for word in SECRETS):
        where = f"{parts.scheme}://…@{parts.hostname or ''}"
        raise InputError(
            f"{what} must hold no user, password or token, got {where}: it is written into the "
            f"journal; {instead}"
        )


def fitting(key: str, limit: int) -> str:
    """A key of at most so many characters: a longer one is cut and ends with a hash of it all.

    >>> fitting("loss", 250)
    'loss'
    """
    if len(key) <= limit:
        return key
    return f"{key[: limit - 9]}_{hashlib.blake2b(key.encode(), digest_size=4).hexdigest()}"


def label(file: File) -> str:
    """The name of a file without its ending, under its tags: that of another fold is another."""
    return flat_key(os.path.splitext(file.name)[0], file.tags)
