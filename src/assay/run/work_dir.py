"""A folder that keeps what is done, so that a job that was stopped goes on where it was.

    manifest.json         which assay counts what, of which inputs, cut into which shards
    lock                  held by the process at work; a second one is refused
    shards/00007.state    a finished shard, see state_file.py

A shard is finished when its file is there and whole: it appears in one step, after the shard's
per-item file. So what was half-written when a process was killed, or the disk was full, is never
counted; it is counted again, to the same bytes.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from glob import escape, glob
from pathlib import Path
from typing import Any

from assay.core.errors import DataError, InputError
from assay.core.output import write_whole, writing
from assay.run.jobs import Done, Job, Shard
from assay.run.state_file import Origin, is_whole, read_state_file, write_state_file

__all__ = ["WorkDir"]

FORMAT = 1
MANIFEST, LOCK, SHARDS = "manifest.json", "lock", "shards"
OURS = {MANIFEST, LOCK, SHARDS, "references"}  # what is counted first has a folder in there


class WorkDir:
    """Use `with WorkDir.open(…) as work`, in one process at a time."""

    def __init__(self, path: str, origin: Origin) -> None:
        self.path, self.origin = Path(path), origin

    @classmethod
    @contextmanager
    def open(
        cls, path: str, origin: Origin, job: Job, shards: Sequence[Shard], force: bool
    ) -> Iterator["WorkDir"]:
        """The folder for this job, made where there is none. InputError where it is another job's
        or its inputs have changed; force: forget what it holds."""
        work = cls(path, origin)
        with work._locked():
            folders = [str(work.path / SHARDS), *([job.items] if job.folder and job.items else [])]
            for folder in folders:
                with writing(folder):
                    os.makedirs(folder, exist_ok=True)
                for left in glob(f"{escape(folder)}/*.partial"):  # of a process that was killed
                    os.unlink(left)
            if force:
                work._forget(job, shards)
            work._claim(shards)
            yield work

    def finished(self, job: Job, shards: Sequence[Shard]) -> list[Shard]:
        """The shards that need not be counted again."""
        return [
            shard
            for shard in shards
            if is_whole(str(self._file(shard)))
            and os.path.exists(job.item_file(shard) or self.path)
        ]

    def put(self, done: Done) -> None:
        """Keep a finished shard."""
        write_state_file(str(self._file(done.shard)), done, self.origin)

    def get(self, shard: Shard) -> Done:
        """A shard that is finished."""
        return read_state_file(str(self._file(shard)))[0]

    def _file(self, shard: Shard) -> Path:
        return self.path / SHARDS / f"{shard.number:05d}.state"

    def _forget(self, job: Job, shards: Sequence[Shard]) -> None:
        with writing(str(self.path)):
            shutil.rmtree(self.path / SHARDS)
            (self.path / SHARDS).mkdir()
            if job.folder:
                for file in glob(f"{escape(job.items or '')}/*-of-*.parquet"):
                    os.unlink(file)
            (self.path / MANIFEST).unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"--work-dir: {self.path} is no folder; name another")
        if self.path.is_dir() and not (self.path / MANIFEST).exists():
            others = [n for n in os.listdir(self.path) if n not in OURS and ".partial" not in n]
            if others:
                raise InputError(
                    f"--work-dir: {self.path} has files of something else ({others[0]}); name an "
                    "empty folder or a new one"
                )
        with writing(str(self.path)):
            self.path.mkdir(parents=True, exist_ok=True)
            handle = open(self.path / LOCK, "a+", encoding="utf-8")  # noqa: SIM115
        with handle:
            with suppress(ImportError):  # no such lock on Windows
                import fcntl

                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    handle.seek(0)
                    raise InputError(
                        f"--work-dir: {self.path} is in use by process {handle.read() or 'unknown'}"
                        "; wait for it, or name another folder"
                    ) from None
            with writing(str(self.path)):
                handle.truncate(0)
                handle.write(str(os.getpid()))
                handle.flush()
            yield

    def _claim(self, shards: Sequence[Shard]) -> None:
        """Write the manifest, or hold the one that is there against this job."""
        own = self.origin
        now = {
            "format": FORMAT,
            "assay": own.assay,
            "command": own.command,
            "definition": own.definition,
            "inputs": list(own.inputs),
            "shards": [list(shard) for shard in shards],
        }
        path = self.path / MANIFEST
        if not path.exists():
            text = json.dumps(now, indent=1, ensure_ascii=False) + "\n"
            write_whole(str(path), text.encode(), "w")
            return
        try:
            before = json.loads(path.read_text("utf-8"))
            self._compare(before, json.loads(json.dumps(now)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise DataError(f"{path}: is damaged ({error}); --force starts over") from error

    def _compare(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        told = f"--work-dir: {self.path} was begun"
        mend = "name another folder, or --force to start over"
        if before["format"] != now["format"] or before["assay"] != now["assay"]:
            raise InputError(f"{told} by assay {before['assay']}, this is {now['assay']}; {mend}")
        if change := difference(before, now):
            raise InputError(f"{told} {change}; {mend}")
        for old, new in zip(before["inputs"], now["inputs"], strict=False):
            if old["name"] != new["name"]:
                raise InputError(f"{told} with the input {old['name']}, now {new['name']}; {mend}")
            if changed := [fact for fact in new if old[fact] != new[fact]]:
                raise InputError(
                    f"{new['name']}: has changed since {self.path} was begun: {changed[0]} was "
                    f"{old[changed[0]]}, is {new[changed[0]]}; {mend}"
                )
        if len(before["inputs"]) != len(now["inputs"]):
            counts = len(before["inputs"]), len(now["inputs"])
            raise InputError(f"{told} with {counts[0]} input files, now {counts[1]}; {mend}")
        if before["shards"] != now["shards"]:
            raise InputError(f"{told} with {len(before['shards'])} other shards; {mend}")


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """How two definitions differ, in words; "" where they do not."""
    if before["command"] != now["command"]:
        return f"by score {before['command']}, now score {now['command']}"
    for name in {**before["definition"], **now["definition"]}:
        old, new = before["definition"].get(name), now["definition"].get(name)
        if old != new:
            return f"with {name} {old!r}, now {new!r}"
    return ""
