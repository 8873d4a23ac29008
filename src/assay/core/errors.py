"""Every error assay raises on purpose.

    AssayError
    ├── InputError (ValueError)          an argument breaks a rule: names it, the rule, both values
    │   └── DataError                    a file does: names the file, the line or row, the fix
    ├── MergeError (ValueError)          two states that cannot be added: names the field
    ├── StateFormatError (ValueError)    bytes that are not a whole state of this version
    └── MissingDependency (ImportError)  an extra is not installed: ends with the install line

A command line ends with exit code 2 and the message for any of them; anything else is a bug and
shows its traceback.
"""

__all__ = [
    "AssayError",
    "DataError",
    "InputError",
    "MergeError",
    "MissingDependency",
    "StateFormatError",
]


class AssayError(Exception):
    """Base of all errors assay raises on purpose."""


class InputError(AssayError, ValueError):
    """An argument breaks a rule.

    row: the one item that breaks it, where there is one; about: what is wrong with it, for
    whoever knows a better name for that row than its index.
    """

    def __init__(self, message: str, *, row: int | None = None, about: str = "") -> None:
        super().__init__(message)
        self.row, self.about = row, about


class DataError(InputError):
    """A file breaks a rule; the message names the file and the place in it."""


class MergeError(AssayError, ValueError):
    """Two states whose definitions differ."""


class StateFormatError(AssayError, ValueError):
    """Bytes that are not a whole state this version can read."""


class MissingDependency(AssayError, ImportError):
    """A package of an extra that is not installed."""
