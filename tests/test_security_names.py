"""Names that lead elsewhere: whatever takes a name for a file keeps it within its directory."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import assay
from assay.core.errors import AssayError
from assay.report.summary import write_folds, write_stages, write_tables

EVIL = [
    "../evil", "../../evil", "/tmp/evil-assay", "a/../../evil", "..", ".", "", "a\0b", "..\\evil",
    "C:\\evil", "~/evil", "$HOME/evil", "evil\n", "-rf", "a" * 300, "\ud800", "con",
    "../" * 40 + "evil",
    "|touch evil", "%2e%2e/evil", "\u2025/evil", "file:///tmp/evil-assay",
]  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n"


def files(folder: Path) -> set[str]:
    return {os.path.join(at, name) for at, _, names in os.walk(folder) for name in names}


def tried(call) -> None:
    with suppress(AssayError):
        call()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run three folders deep, and a file beside it; nothing else may change."""
    place = tmp_path / "x" / "y" / "run"
    (tmp_path / "source.txt").write_text("kept")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with assay.Run(place) as own:
        yield own
    assert files(tmp_path) - files(place) == {str(tmp_path / "source.txt")}
    assert not os.path.exists("/tmp/evil-assay")
    for path in files(place):
        assert os.path.realpath(path).startswith(os.path.realpath(place) + os.sep)


@pytest.mark.parametrize("name", EVIL)
def test_files_of_a_run_stay_within_it(run, name):
    for tags in ({}, {"stage": name}, {name or "x": "1"}):
        tried(lambda tags=tags: run.artifact("source.txt", name, **tags))
        tried(lambda tags=tags: run.table([{"a": 1}], name, **tags))
        tried(lambda tags=tags: run.figure(PNG, name, **tags))
        tried(lambda tags=tags: run.save(b"model", name, **tags))
        tried(lambda tags=tags: run.histogram(np.arange(3), name, **tags))
        tried(lambda tags=tags: run.log({name: 1.0}, step=1, **tags))
    tried(lambda: run.log_params({name: name}))


@pytest.mark.parametrize("name", EVIL)
def test_a_run_may_be_called_anything(tmp_path, name):
    place = tmp_path / "x" / "run"
    tried(
        lambda: (
            assay.Run(place, name=name, tags={"fold": "1"}).__enter__().__exit__(None, None, None)
        )
    )
    assert files(tmp_path) == files(place)


@pytest.mark.parametrize("name", [name for name in EVIL if name])
def test_files_of_a_summary_stay_where_they_are_asked_for(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, out = tmp_path / "a" / "run", tmp_path / "a" / "b" / "out"
    with assay.Run(run) as own:
        own.log({"val_macro_f1": 0.5}, step=1, fold=1)
        own.log({"accuracy": 0.5}, step=1, stage="kd")
    before = files(tmp_path)
    tried(lambda: write_folds(str(run), name, directory=out))
    tried(lambda: write_stages(str(run), name, directory=out))
    tried(lambda: write_tables({}, name, directory=out))
    assert files(tmp_path) - before == files(out)
