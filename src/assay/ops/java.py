"""Programs that run on Java: the jars of pycocoevalcap, which published scores were made with.

The package is not imported, since that needs more than its jars. A program gets all lines at once
and is one process, without a shell; it is killed when anything goes wrong, and when it says nothing
for five minutes.
"""

import functools
import importlib.util
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from assay.core.errors import MissingDependency, ProgramError

__all__ = ["run_jar"]

SILENCE = 300.0  # seconds; the largest table of the jars takes fifteen to load
CHUNK = 1 << 16
TOLD = 400  # characters of a program's complaints that an error repeats


def run_jar(jar: str, arguments: Sequence[str], lines: Sequence[str], what: str) -> list[str]:
    """What a jar answers to lines, one to each.

    jar: its path within pycocoevalcap; arguments: of java, JAR standing for the whole path;
    lines: without line ends. what: the option that asks for it, and what comes of going without,
    for errors: MissingDependency, or ProgramError where the program fails, hangs or answers with
    another number of lines. A code point that UTF-8 cannot hold is sent as "?".
    """
    place = str(_jar(jar, what))
    command = [_java(what), *(place if a == "JAR" else a for a in arguments)]
    text = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as complaints:
        source.write(text)
        source.seek(0)
        process = subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE, stderr=complaints)
        with process:
            try:
                answer = _everything(process)
            except BaseException:
                process.kill()
                raise
        out = [] if answer is None else answer.decode("utf-8", "replace").split("\n")
        if process.returncode == 0 and len(out) == len(lines) + 1:
            return out[:-1]
        if answer is None:
            how = f"said nothing for {SILENCE:.0f} s and was killed"
        elif process.returncode:
            how = f"ended with exit code {process.returncode}"
        else:
            how = f"gave {len(out) - 1} lines for {len(lines)}"
        complaints.seek(0)
        told = complaints.read().decode("utf-8", "replace").strip()
        raise ProgramError(f"{jar} {how}: {told[-TOLD:] or 'no message'}")


def _everything(process: "subprocess.Popen[bytes]") -> bytes | None:
    """All that a process says; None, and it is killed, if it is silent for too long."""
    chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    assert process.stdout is not None
    threading.Thread(target=_drain, args=(process.stdout, chunks), daemon=True).start()
    said = []
    try:
        while chunk := chunks.get(timeout=SILENCE):
            said.append(chunk)
    except queue.Empty:
        process.kill()
        return None
    return b"".join(said)


def _drain(stream: IO[bytes], chunks: "queue.SimpleQueue[bytes]") -> None:
    read = functools.partial(stream.read1, CHUNK)  # type: ignore[attr-defined]
    for chunk in iter(read, b""):
        chunks.put(chunk)
    chunks.put(b"")


def _java(what: str) -> str:
    found = shutil.which("java")
    if found is None:
        raise MissingDependency(
            f"{what}. It runs on Java, and no java is on the PATH; install a Java runtime, as in: "
            "apt install default-jre-headless"
        )
    return found


def _jar(name: str, what: str) -> Path:
    package = importlib.util.find_spec("pycocoevalcap")
    for folder in (package and package.submodule_search_locations) or ():
        if (path := Path(folder, name)).is_file():
            return path
    raise MissingDependency(
        f"{what}. It needs {name} of pycocoevalcap, which is not installed; "
        "install it with: pip install --no-deps pycocoevalcap"
    )
