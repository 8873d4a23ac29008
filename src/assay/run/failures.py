"""What goes wrong when something is sent to a tracker, and whether another attempt may help."""

import re
from collections.abc import Iterator

__all__ = ["GivenUp", "Unsendable", "in_words", "is_outage"]

# What of an OSError is about one file; any other is about the way to the tracker.
SECRET = re.compile(r"(?<=://)[^/@\s]+@")  # a user and a password in an address
OF_A_FILE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


class GivenUp(Exception):
    """The tracker does not answer, and nobody waits for it any longer."""


class Unsendable(Exception):
    """The tracker answers, and fails at this again and again."""


def is_outage(error: BaseException) -> bool:
    """Is it about the way to the tracker, and not about what was sent?"""
    found = next((one for one in _chain(error) if isinstance(one, OSError)), None)
    if found is None or isinstance(found, OF_A_FILE):
        return False
    return getattr(found, "response", None) is None  # of requests: a server that answered


def in_words(error: BaseException) -> str:
    """What the system said, where it lies at the bottom; else the first line that says something,
    or the kind of the error."""
    if isinstance(error, Unsendable) and error.__cause__ is not None:
        error = error.__cause__
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return SECRET.sub("…@", lines[0])[:300] if lines else type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and what caused it, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
