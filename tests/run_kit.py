"""What the tests of runs share: journals written by hand, trackers that are scripted."""

import json
from pathlib import Path

from assay.core.errors import Refused
from assay.core.record import File, Points, read_journal

HEAD = {
    "kind": "run", "version": 1, "id": "abc123", "name": "exp", "time": 100.0,
    "params": {"lr": 0.1}, "tags": {"who": "me"}, "trackers": [], "versions": {"assay": "0"},
    "host": "here", "pid": 1,
}  # fmt: skip
END = {"kind": "end", "time": 999.0, "status": "finished", "error": ""}


def metric(key, **more):
    about = {"kind": "metric", "name": key, "tags": {}, "key": key, "suffix": "", "unit": ""}
    return {**about, "better": None, "signature": "", **more}


def points(step, time, **values):
    return {"kind": "points", "time": time, "step": step, "values": values}


def write_journal(folder: Path, *lines, tail: bytes = b"") -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    (folder / "journal.jsonl").write_bytes(b"".join(text + b"\n" for text in texts) + tail)
    return folder


def lines_of(folder: Path):
    return [json.loads(line) for line in (folder / "journal.jsonl").read_bytes().splitlines()]


def values_of(folder):
    record = read_journal(str(folder))
    return {k: [(p.step, p.value) for p in record.points(k)] for k in record.metrics}


class Scripted:
    """A tracker that does what a script says at each call: nothing, or an error to raise."""

    def __init__(self, script=(), refuse=lambda entry: False, anew=False):
        self.script, self.refuse, self.anew = list(script), refuse, anew
        self.points, self.files, self.params, self.calls = [], [], {}, 0
        self.status = None

    def spec(self):
        return {"tracker": "scripted"}

    def start(self, record):
        self._next()
        return self.anew

    def log(self, entries):
        self._next()
        if any(self.refuse(entry) for entry in entries):
            raise Refused("not this one")
        for entry in entries:
            if isinstance(entry, Points):
                self.points += [(m.key, entry.step, value) for m, value in entry.values]
            else:
                self.params |= getattr(entry, "params", {})

    def artifact(self, file: File):
        self._next()
        self.files.append(file.path)

    def finish(self, status):
        self._next()
        self.status = status
        return "look here"

    def _next(self):
        self.calls += 1
        if self.script and (what := self.script.pop(0)) is not None:
            raise what
