"""Files that a journal names: a journal from elsewhere may name any."""

import os
import stat

from assay.core.errors import DataError

__all__ = ["path_inside"]


def path_inside(directory: str, path: str) -> str:
    """Where a file or folder of a run lies, which a journal names by its path in the run's
    directory.

    DataError where it, or what is in it, is outside of that directory, by way of a link as well;
    and for what is there and neither file nor folder: a pipe would never end.
    """
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise DataError(f"{path!r} is no name of a file") from None
    if "\0" in path:
        raise DataError(f"{path!r} is no name of a file")
    joined = os.path.join(directory, path)
    folder = os.path.join(os.path.realpath(directory), "")
    _check(joined, folder, path, directory)
    for place, folders, files in os.walk(joined):
        for name in (*folders, *files):
            _check(os.path.join(place, name), folder, path, directory)
    return joined


def _check(own: str, folder: str, path: str, directory: str) -> None:
    target = os.path.realpath(own)
    if not os.path.join(target, "").startswith(folder):
        raise DataError(f"{path} lies outside of {directory}")
    if os.path.exists(target):
        mode = os.stat(target).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise DataError(f"{path} is neither file nor folder, in {directory}")
