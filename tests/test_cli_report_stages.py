"""The page's table of stages has the p-values that `assay summary` gives."""

import json
import re

import pytest

import assay
from assay.report.page import page
from cli_kit import assay as command
from test_cli_summary import kept


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def a_pipeline(folder, **wrong):
    with assay.Run(folder) as run:
        for stage, number in wrong.items():
            run.log({"accuracy": 1 - number / 40}, stage=stage)
            kept(run, folder.parent, f"{folder.name}-{stage}", number, stage=stage)
    return folder


def written(*runs):
    done = command("report", *runs)
    assert (done.code, done.err) == (0, "")
    with open("report.html", encoding="utf-8") as file:
        return section_of(file.read())


def section_of(text):
    return re.search(r'<section id="stages".*?</section>', text, re.DOTALL)[0]


def test_stages_have_p_in_the_page(folder):
    run = a_pipeline(folder / "run", baseline=2, kd=20)
    found = command("summary", run, "--json").out
    table = json.loads(found)["tables"]["pipeline_summary"]
    p = table["rows"][1][table["columns"].index("p Accuracy")]
    assert 0 < p < 0.05
    section = written(run)
    assert ">p Accuracy" in section
    assert f'data-key="{p!r}"' in section or repr(p) in section
    assert "corrected for 3 tests (Holm)" in section
    assert ">p Accuracy" not in section_of(page(run))  # without anybody who knows of tests


def test_pipelines_have_p_each(folder):
    runs = [a_pipeline(folder / "a", baseline=2, kd=20), a_pipeline(folder / "b", baseline=2, kd=2)]
    section = written(*runs)
    assert ">p Accuracy" in section
    assert section.count("corrected for 3 tests (Holm)") == 1  # one note, of both alike


def test_a_file_from_elsewhere_gives_no_p_and_no_error(folder):
    run = a_pipeline(folder / "run", baseline=2, kd=20)
    secret = folder / "secret.parquet"
    (run / "artifacts" / "kd" / "run-kd.parquet").rename(secret)
    (run / "artifacts" / "kd" / "run-kd.parquet").symlink_to(secret)
    section = written(run)
    assert ">p Accuracy" not in section
    assert "no p: " in section
    assert "lies outside of" in section


def test_the_positive_class_is_named(folder):
    with assay.Run(folder / "run") as run:
        for stage in "ab":
            run.log({"f1": 0.5}, stage=stage)
    assert ">F1 (positive)" in written(folder / "run")
    assert ">F1 (spam)" in written(folder / "run", "--positive", "spam")
