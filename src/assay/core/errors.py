"""Every error assay raises on purpose.

    AssayError
    ├── InputError (ValueError)          an argument breaks a rule: names it, the rule, both values
    │   └── DataError                    a file does: names the file, the line or row, the fix
    ├── MergeError (ValueError)          two states that cannot be added: names the field
    ├── StateFormatError (ValueError)    bytes that are not a whole state of this version
    ├── SyncError (RuntimeError)         processes that do not agree, or one that is missing
    ├── TrackerError (RuntimeError)      a tracker that does not take what a run told it
    │   └── Refused                      … and never will: to try again does not help
    ├── ProgramError (RuntimeError)      another program fails or hangs: its name, what it said
    ├── MissingDependency (ImportError)  an extra is not installed: ends with the install line
    └── DeviceError (RuntimeError)       a driver or device fails: names the call and its code

A command line ends with exit code 2 and the message for any of them; anything else is a bug and
shows its traceback.
"""

__all__ = [
    "AssayError",
    "DataError",
    "DeviceError",
    "InputError",
    "MergeError",
    "MissingDependency",
    "ProgramError",
    "Refused",
    "StateFormatError",
    "SyncError",
    "TrackerError",
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


class SyncError(AssayError, RuntimeError):
    """Processes that do not agree on what they sync, or one that is missing; names the ranks."""


class ProgramError(AssayError, RuntimeError):
    """Another program, such as one on Java, failed or hung. The message has what it said."""


class MissingDependency(AssayError, ImportError):
    """A package of an extra that is not installed."""


class DeviceError(AssayError, RuntimeError):
    """A driver that cannot be used, or a call of it that failed."""


class TrackerError(AssayError, RuntimeError):
    """A tracker that did not take what a run told it."""


class Refused(TrackerError):
    """A tracker was reached and will never take this: to try again does not help."""
