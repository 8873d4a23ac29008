"""What the score commands share: a source counted whole, in shards, or resumed.

A command says what it counts as a Task and gets the Done of the whole, which it prints. Of a single
shard (--shard) a state file is written instead; `assay merge` adds those, and prints them with the
same function.
"""

import functools
import gc
import inspect
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import Annotated, Any, NamedTuple, TypeVar

import typer

from assay.cli.engines import check_engine, engine_for, loaded
from assay.cli.shared import check_named, check_output, printing
from assay.core.errors import InputError

__all__ = ["BAGS", "Scale", "Task", "add_up", "know_states", "scaled", "tagged", "tell_left_out"]

T = TypeVar("T")

PANEL = "Large corpora"

# modules of the states in state files
STATES = (
    "assay.metrics.bleu",
    "assay.metrics.bootstrap",
    "assay.metrics.chrf",
    "assay.metrics.cider",
    "assay.metrics.classification",
    "assay.metrics.edit_counts",
    "assay.metrics.keywords",
    "assay.metrics.meteor",
    "assay.metrics.meteor15",
    "assay.metrics.rank_counts",
    "assay.metrics.rouge",
    "assay.metrics.ter",
)

BAGS = "bags of "  # how the names of bags begin among those of states

# A killed job counts again what it had of a shard, and a shard is a file: some of each. Where
# nothing is kept, shards are so small that a cluster has some for every CPU.
SHARDS, SHARD_BYTES, SPREAD_BYTES = 64, 256 << 20, 32 << 20

OBJECTS = 200_000  # new ones, before Python looks for cycles


@dataclass(frozen=True)
class Scale:
    """How a corpus is gone through. The fields are options of every score command."""

    work_dir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Keep what is done there: the same command goes on after it was stopped. With it "
            "--per-item names a folder of one file for each shard.",
            rich_help_panel=PANEL,
        ),
    ] = None
    force: Annotated[
        bool,
        typer.Option("--force", help="Start over in --work-dir.", rich_help_panel=PANEL),
    ] = False
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Count the I-th of N parts of the input alone, from 1, and write --state-out.",
            rich_help_panel=PANEL,
        ),
    ] = None
    state_out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write what was counted for assay merge, and print nothing.",
            rich_help_panel=PANEL,
        ),
    ] = None
    on_error: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What happens where a file is damaged or wrong: stop, or skip what comes after "
            "that in this file, row group or range of bytes, and list it.",
            rich_help_panel=PANEL,
        ),
    ] = "stop"
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Who counts: local, the cores of this machine; or ray, a Ray cluster.",
            rich_help_panel=PANEL,
        ),
    ] = "local"
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The Ray cluster, as auto or ray://head:10001; without it and RAY_ADDRESS one is "
            "started on this machine.",
            rich_help_panel=PANEL,
        ),
    ] = None
    progress_json: Annotated[
        bool,
        typer.Option(
            "--progress-json",
            help="Say on standard error how far it is, every second, as a line of JSON.",
            rich_help_panel=PANEL,
        ),
    ] = False

    def before(self, name: str) -> "Scale":
        """For what must be counted of the whole corpus first: kept in a folder of the other."""
        folder = None if self.work_dir is None else os.path.join(self.work_dir, name)
        return replace(self, work_dir=folder, shard=None, state_out=None)


def scaled(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of Scale for its argument `scale`."""
    own = inspect.signature(command)
    options = [
        inspect.Parameter(
            f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type
        )
        for f in fields(Scale)
    ]

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        scale = Scale(**{option.name: given.pop(option.name) for option in options})
        command(**given, scale=scale)

    kept = [parameter for name, parameter in own.parameters.items() if name != "scale"]
    wrapped.__signature__ = own.replace(parameters=[*kept, *options])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in [*kept, *options]}
    return wrapped


class Task(NamedTuple):
    """What a command counts.

    count: rows -> run.jobs.Answer, a partial of a function of a module. things: what an item is
    called. headline: see cli/watch.py. definition: all that decides what is counted, as plain JSON;
    shown: how it is printed, a named tuple of that; None of what is not. per_item, definitions: of
    the per-item file. locked: counting holds Python's lock, so that threads wait for each other.
    gpu: as of Job.
    """

    command: str
    paths: Sequence[str]
    source: Any
    count: Callable[[Any], Any]
    things: str
    headline: Callable[[Any], Mapping[str, Any]]
    definition: Mapping[str, Any]
    shown: Any
    per_item: str | None = None
    definitions: Mapping[str, Any] | None = None
    locked: bool = False
    gpu: bool = False


def add_up(scale: Scale, task: Task, finish: Callable[[Any], T]) -> T | None:
    """What `finish` makes of the Done of the whole corpus; None where a state file was written
    instead. Where it raises, no --per-item file is left."""
    from assay.readers.fingerprint import fingerprints
    from assay.run.jobs import Job, cut
    from assay.run.state_file import Origin

    number, of = _checked(scale, task)
    if scale.state_out is not None:
        check_output("--state-out", scale.state_out, task.paths)
    skip = scale.on_error == "skip"
    source = task.source
    if skip and hasattr(source, "deferring"):
        source = source.deferring()
    keeps = scale.work_dir is not None or scale.state_out is not None
    inputs = fingerprints(task.paths) if keeps else ()
    definition = {**task.definition, "--on-error": scale.on_error}
    shown = {} if task.shown is None else task.shown._asdict()
    origin = Origin(task.command, definition, shown, inputs)
    folder = scale.work_dir is not None
    job = Job(source, task.count, skip, task.per_item, folder, task.definitions, task.gpu)
    parts = source.parts()
    engine = engine_for(scale, task, parts)
    if of == 0:
        of = 1 if engine == "local" and scale.work_dir is None else _shards(scale, parts)
    shards = cut(parts, of)
    if number:
        shards = shards[number - 1 : number]
    last: Callable[[Any], T | None] = finish if scale.state_out is None else lambda done: None
    if scale.work_dir is not None:
        done = _kept(scale, engine, task, origin, job, shards)
        result = last(done)
    else:
        with closing(_counted(scale, engine, task, job, shards, ())) as dones:
            done, result = _at_once(dones, len(shards), last)
    tell_left_out(done, task.things)
    if scale.state_out is not None:
        _write(scale.state_out, done, origin, task.things)
    return result


def _at_once(dones: Iterator[Any], shards: int, finish: Callable[[Any], T]) -> tuple[Any, T]:
    """The Done of all shards, in whichever order they come, and what is made of it before an engine
    leaves a per-item file behind."""
    found: list[Any] = []
    for done in dones:
        found.append(done)
        if sum(one.shard.width for one in found) == shards:
            whole = functools.reduce(lambda a, b: a + b, sorted(found, key=lambda one: one.shard))
            result = finish(whole)
    return whole, result


def _checked(scale: Scale, task: Task) -> tuple[int, int]:
    """The number of --shard and of how many, or 0, 0; refuses options that do not fit."""
    check_named(("--on-error", scale.on_error, ("stop", "skip")))
    if scale.force and scale.work_dir is None:
        raise InputError("--force goes with --work-dir, the folder to start over in")
    if scale.work_dir == "":
        raise InputError("--work-dir must name a folder, got an empty name")
    check_engine(scale, task)
    if scale.shard is None:
        return 0, 0
    if scale.state_out is None or scale.work_dir is not None:
        raise InputError(
            "--shard goes with --state-out, which assay merge reads, and not with --work-dir, for "
            "which one process counts all shards"
        )
    number, slash, of = scale.shard.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise InputError(f"--shard must be as in 7/64, from 1/64 to 64/64, got {scale.shard!r}")
    return int(number), int(of)


def _shards(scale: Scale, parts: Sequence[Any]) -> int:
    size = sum(part.size or 0 for part in parts)
    own = SPREAD_BYTES if scale.work_dir is None else SHARD_BYTES
    return max(1, min(len(parts), max(SHARDS, size // own)))


def _counted(
    scale: Scale,
    engine: str,
    task: Task,
    job: Any,
    shards: Sequence[Any],
    finished: Sequence[Any],
    kept: Iterable[Any] = (),
) -> Generator[Any, None, None]:
    """The Done of every shard that is not finished, while a bar shows how far it is. kept: what was
    counted of those that are. To be closed: where a write fails, an error's traceback holds it, and
    the threads that count with it."""
    from assay.cli.watch import watching

    count = loaded(engine, scale)
    todo = [shard for shard in shards if shard not in finished]
    shown = [part for shard in shards for part in job.source.parts()[shard.start : shard.stop]]
    watched = watching(shown, shards, finished, task.things, task.headline, scale.progress_json)
    with _rarely_collecting(), watched as watch:
        for total in kept:
            watch.kept(total)
        for done in count(job, todo, watch):
            watch.done(done.shard.width)
            yield done


def _kept(
    scale: Scale, engine: str, task: Task, origin: Any, job: Any, shards: Sequence[Any]
) -> Any:
    """The Done of all shards, each of which is kept as soon as it is counted."""
    from assay.run.work_dir import WorkDir

    know_states()
    with WorkDir.open(scale.work_dir or "", origin, job, shards, scale.force) as work:
        finished = work.finished(job, shards)
        number = len(finished)
        try:
            with _gently() as may_go_on:
                kept = (work.get(shard).total for shard in finished)
                counted = _counted(scale, engine, task, job, shards, finished, kept)
                with closing(counted) as dones:
                    for done in dones:
                        work.put(done)
                        number += 1
                        may_go_on()
        except KeyboardInterrupt:
            print(
                f"{number} of {len(shards)} shards are kept in {scale.work_dir}; the same command "
                "goes on from there",
                file=sys.stderr,
            )
            raise
        return functools.reduce(lambda a, b: a + b, map(work.get, shards))


@contextmanager
def _rarely_collecting() -> Iterator[None]:
    """States have no cycles: to look for some takes half of the time where there are thousands of
    groups."""
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def know_states() -> None:
    """So that state files can be read."""
    for module in STATES:
        import_module(module)


@contextmanager
def _gently() -> Iterator[Callable[[], None]]:
    """The first Ctrl-C waits until what is given is called; the second one does not."""
    asked: list[int] = []

    def note(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        print("finishing this shard; Ctrl-C again stops at once", file=sys.stderr, flush=True)

    def may_go_on() -> None:
        if asked:
            raise KeyboardInterrupt

    before: Any = None
    with suppress(ValueError):  # only the main thread may ask for signals
        before = signal.signal(signal.SIGINT, note)
    try:
        yield may_go_on
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _write(path: str, done: Any, origin: Any, things: str) -> None:
    from assay.run.state_file import write_state_file

    write_state_file(path, done, origin)
    with printing():
        print(f"{path}: shard {done.shard}, {done.total.items:,} {things}")


def tell_left_out(done: Any, things: str = "items") -> None:
    """List on standard error what could not be read or counted."""
    for one in done.left_out:
        print(f"left out: {_told(one, things)}", file=sys.stderr)


def _told(one: Any, things: str) -> str:
    before = f"; {one.items:,} {things} before that are counted" if one.items else ""
    rows = f"; it has {one.rows:,} rows" if one.rows is not None else ""
    part = "" if one.error.startswith(one.part) else f"{one.part}: "
    return f"{part}{one.error}{before}{rows}"


# -- what is printed -------------------------------------------------------------------------------


def tagged(scores: Sequence[Any], found: Any, done: Any, missing: int = 0) -> tuple[Any, Any, Any]:
    """Scores, their intervals, and what JSON says beside them; where parts of the corpus were left
    out, all scores have a tag that says so."""
    told = [f"{len(done.left_out)} parts"] if done.left_out else []
    told += [f"{missing} of {done.shard.of} shards"] if missing else []
    if not told:
        return scores, found, {}
    tag = " and ".join(told)
    marked = [score.tagged(left_out=tag) for score in scores]
    keys = {old.key(): new.key() for old, new in zip(scores, marked, strict=True)}
    ends = {keys.get(key, key): own for key, own in found.ends.items()}
    lost = [one._asdict() for one in done.left_out]
    return marked, found._replace(ends=ends), {"left_out": {"parts": lost, "shards": missing}}
