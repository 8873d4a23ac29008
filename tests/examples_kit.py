"""What the tests of the examples share: a run as people start it, and its journal, read here."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def started(script, folder, *options):
    environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK")}
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / script), *options],
        cwd=folder, env=environment | {"PYTHONWARNINGS": "ignore"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def done(script, folder, *options, code=0):
    """What it prints on both streams."""
    process = started(script, folder, *options)
    out, err = process.communicate(timeout=1800)
    assert process.returncode == code, err
    return out, err


def loaded(script, monkeypatch):
    spec = importlib.util.spec_from_file_location(Path(script).stem, EXAMPLES / script)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    spec.loader.exec_module(module)
    return module


class Journal:
    """The lines of a journal, taken apart here."""

    def __init__(self, folder):
        self.folder = folder
        lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
        self.head, self.end = lines[0], lines[-1]
        self.params, self.metrics, self.points = {}, {}, {}
        for line in lines:
            if line["kind"] == "params":
                self.params.setdefault(line["tags"].get("stage"), {}).update(line["params"])
            elif line["kind"] == "metric":
                self.metrics[line["key"]] = line
            elif line["kind"] == "points":
                for key, value in line["values"].items():
                    self.points.setdefault(key, {})[line["step"]] = float(value)

    def series(self, name, **tags):
        """step -> value of the metric of that name and exactly these tags."""
        tags = {tag: str(value) for tag, value in tags.items()}
        (key,) = [k for k, m in self.metrics.items() if m["name"] == name and m["tags"] == tags]
        return self.points[key]

    def last(self, name, **tags):
        return [*self.series(name, **tags).values()][-1]


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
