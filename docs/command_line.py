"""The page of the command line, from the commands themselves: a hook of mkdocs."""

import inspect
from collections.abc import Iterator
from typing import Any

import docstrings
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from assay.cli import app

HEAD = """# Command line {#page-cli}

Every command and option, as `--help` has them; `assay --version` prints the version. Exit codes: 0
done; 1 a bound of `assay check` that breaks; 2 the input, the options or the place to write to are
wrong, and standard error says what, where and how to mend it; 130 interrupted. What files hold is
told under [files](files.md).

| variable | what it says, to the library too |
|---|---|
| `ASSAY_THREADS` | threads of this process; by default its share of the cores that it may use |
| `ASSAY_BACKEND` | which implementation runs: `numba`, `reference`; on a GPU `triton`, `torch` |
| `NUMBA_CACHE_DIR` | where compiled kernels are kept, if not beside the package |
| `RAY_ADDRESS` | the cluster of `--engine ray` |
"""


def on_files(files: Files, config: MkDocsConfig) -> None:
    files.append(File.generated(config, "reference/cli.md", content=page()))


def page() -> str:
    return "\n".join([HEAD, *sections(typer.main.get_command(app), "assay")])


def sections(command: Any, name: str) -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield from section(command, name)
        return
    below = command.commands.items()
    for own, each in sorted(below, key=lambda item: not hasattr(item[1], "commands")):
        yield from sections(each, f"{name} {own}")


def section(command: Any, name: str) -> Iterator[str]:
    context = typer.Context(command, info_name=name)
    usage = command.get_usage(context).partition(": ")[2]
    told = docstrings.markdown(inspect.cleandoc(command.help or ""), set())
    yield f"## {name}\n\n```text\n{usage}\n```\n\n{told}\n"
    panels: dict[str, list[str]] = {}
    for each in command.params:
        if record := each.get_help_record(context):
            panel = getattr(each, "rich_help_panel", None) or ""
            named, said = record[0].partition(" <")[0], docstrings.linked(record[1])
            panels.setdefault(panel, []).append(f"`{named}`\n:   {said}\n")
    for panel, options in panels.items():
        yield "\n".join([f"**{panel}**\n" if panel else "", *options])
