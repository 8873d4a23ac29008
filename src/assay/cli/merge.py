"""`assay merge`: shards that were counted apart, added and printed as if by one command."""

import functools
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

from assay.cli.corpus import know_states, tell_left_out
from assay.cli.shared import Csv, Json, Markdown, form_of
from assay.core.errors import AssayError, DataError
from assay.core.fitting import fitted

__all__ = ["merge"]

COMMANDS = ("transcripts", "captions", "labels", "rankings")  # modules, which show what they count

TOLD = 10  # shards in an error
FACTS = ("name", "size", "digest")  # of an input: a copy of it has another time


def merge(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="State files of --state-out, or globs of them."),
    ],
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Add those there are; all scores say so."),
    ] = False,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """Add the shards that assay score … --shard I/N --state-out FILE has counted.

    What is printed are the digits of one command over the whole input. All N
    shards must be there, each once, of the same inputs, options and version.
    """
    from assay.readers.files import matching
    from assay.run.state_file import read_state_file

    form = form_of(json, csv, markdown)
    know_states()
    read = [(path, *read_state_file(path)) for typed in files for path in matching(typed)]
    for path, _, origin in read[1:]:
        _check_alike(*read[0][::2], path, origin)
    read.sort(key=lambda one: one[1].shard)
    missing = _missing(read)
    if missing and not allow_missing:
        told = ", ".join(missing[:TOLD]) + (", …" if len(missing) > TOLD else "")
        raise DataError(
            f"shards {told} of {read[0][1].shard.of} are missing; give their files too, or "
            "--allow-missing to add the others"
        )
    whole = functools.reduce(lambda a, b: a + b, (done for _, done, _ in read))
    tell_left_out(whole)
    path, _, origin = read[0]
    if origin.command not in COMMANDS:
        raise DataError(f"{path}: of {origin.command!r:.40}, whose counts are not shown here")
    module = import_module(f"assay.cli.{origin.command}")
    try:
        module.show(whole, fitted(module.Shown, origin.shown), form, len(missing))
    except AssayError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise DataError(
            f"{path}: its counts are not those of score {origin.command} with these options "
            f"({error!r}); was it written by assay?"
        ) from error


def _check_alike(first: str, ours: Any, path: str, theirs: Any) -> None:
    """Refuse files that were counted with other options or of other inputs."""
    from assay.run.work_dir import difference

    sides = [{"command": one.command, "definition": one.definition} for one in (ours, theirs)]
    if change := difference(*sides):
        raise DataError(f"{path}: cannot be added to {first}, which was counted {change}")
    inputs = [[[one.get(fact) for fact in FACTS] for one in own.inputs] for own in (ours, theirs)]
    if inputs[0] != inputs[1]:
        names = [one.get("name") for own in (ours, theirs) for one in own.inputs]
        differ = next((b[0] for a, b in zip(*inputs, strict=False) if a != b), names[-1])
        raise DataError(f"{path}: cannot be added to {first}: its input {differ} is another one")


def _missing(read: Sequence[tuple[str, Any, Any]]) -> list[str]:
    """The numbers of shards that no file has; a DataError of one that two have."""
    owners: dict[int, str] = {}
    of = read[0][1].shard.of
    for path, done, _ in read:
        shard = done.shard
        if shard.of != of:
            raise DataError(f"{path}: is shard {shard}, {read[0][0]} is one of {of}; count again")
        for number in range(shard.number, (shard.last or shard.number) + 1):
            if number in owners:
                raise DataError(
                    f"shard {number}/{of} is given twice, in {owners[number]} and {path}; give one"
                )
            owners[number] = path
    return [f"{number}/{of}" for number in range(1, of + 1) if number not in owners]
