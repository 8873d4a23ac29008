"""How the Python and the commands of a page of Markdown are run: by doctest, as the README."""

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cli_kit

FENCE = re.compile(r"^ *```")


class Parser(doctest.DocTestParser):
    """Also takes `$ command` in console blocks for an example; a fence ends what is printed."""

    def parse(self, string, name="<string>"):
        lines, block = [], None
        for line in string.split("\n"):
            if FENCE.match(line):
                block = line.strip("` ") if block is None else None
                line = ""
            elif block == "console":
                line = f">>> sh({line[2:]!r})" if line.startswith("$ ") else line or "<BLANKLINE>"
            lines.append(line)
        return super().parse("\n".join(lines), name)


def sh(command):
    """Prints what the command prints, and how it ended if not well."""
    words = shlex.split(command)
    to_file = words[-1] if words[-2:-1] == [">"] else None
    if words[0] == "assay" and "|" not in words:  # here, which saves the start of a process
        done = cli_kit.assay(*words[1 : -2 if to_file else None], COLUMNS="100")
        code, text = done.code, done.out + done.err
    else:
        to_file = None
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            env={**os.environ, "PATH": path, "COLUMNS": "100"},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        code, text = ran.returncode, ran.stdout
    if to_file:
        Path(to_file).write_text(text, "utf-8")
    else:
        print(text, end="")
    if code:
        print(f"[exit code {code}]")


def run_page(path):
    """(failed, run) of the examples of a page, in the current folder."""
    return doctest.testfile(
        str(path),
        module_relative=False,
        parser=Parser(),
        globs={"sh": sh, "__name__": "__main__"},
        optionflags=doctest.ELLIPSIS,
        encoding="utf-8",
    )
