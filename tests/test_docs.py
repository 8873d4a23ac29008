"""The site: its examples are run, its pages are complete, its build has no broken link."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

import assay
import docs_kit
from assay.metrics import METRICS
from assay.metrics.rank_conventions import CONVENTIONS
from assay.readers import FORMATS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.glob("**/*.md") if ">>> " in page.read_text("utf-8"))
WORDS = tomllib.loads((DOCS / "metrics.toml").read_text("utf-8"))
SLOW = {"sentence-transformers.md"}  # to import


def marked(page):
    marks = [pytest.mark.slow] if page.name in SLOW else []
    return pytest.param(page, marks=marks, id=str(page.relative_to(DOCS)))


@pytest.mark.parametrize("page", [marked(page) for page in PAGES])
def test_examples_of_a_page(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        if page.parent.name == "moving":
            warnings.simplefilter("ignore")  # of other libraries
        warnings.simplefilter("ignore", assay.MeasurementWarning)  # of a busy machine
        failed, run = docs_kit.run_page(page)
    assert run > 0
    assert failed == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", WORDS["metrics"])
def test_example_of_a_metric(name, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(WORDS["metrics"][name].get("example", ""), "utf-8")
    assert docs_kit.run_page(page)[0] == 0, capsys.readouterr().out


def test_a_wrong_output_is_noticed(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("```pycon\n>>> 1 + 1\n3\n```\n\n```console\n$ assay --version\nno\n```\n")
    assert docs_kit.run_page(page) == (2, 2)


def test_what_follows_a_block_is_no_output(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```pycon\n>>> 1 + 1\n2\n```\ntext\n```console\n$ echo a; echo; echo b\na\n\nb\n```\n"
    )
    assert docs_kit.run_page(page) == (0, 2)


def test_every_metric_has_a_text(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    pytest.importorskip("mkdocs", reason="pip install 'assay[docs]'")
    site_pages = importlib.import_module("site_pages")
    bases = {site_pages.base_name(name) for name in METRICS}
    assert bases == set(WORDS["metrics"])
    for told in WORDS["metrics"].values():
        assert {"title", "range", "definition", "empty"} <= set(told)
    pages = dict(site_pages.metric_pages())
    overview = pages.pop("metrics/index.md")
    assert {name for name in METRICS if f"`{name}`" not in overview} == set()
    assert set(pages) == {site_pages.uri_of(base) for base in bases}


def test_every_public_name_is_in_the_reference():
    text = "\n".join(page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md"))
    there = re.findall(r"^::: assay\.(\w+)$", text, re.MULTILINE)
    assert sorted(there) == sorted(assay.__all__)


def test_every_format_and_convention_is_told():
    files = (DOCS / "reference" / "files.md").read_text("utf-8")
    rankings = (DOCS / "tutorials" / "rankings.md").read_text("utf-8")
    formats = {each for name, row in FORMATS.items() for each in (name, *row.extensions)}
    assert {each for each in formats if f"`{each}`" not in files} == set()
    assert {each for each in CONVENTIONS if f"`{each}`" not in rankings} == set()


def test_every_command_is_on_its_page(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    pytest.importorskip("mkdocs", reason="pip install 'assay[docs]'")
    page = importlib.import_module("command_line").page()
    assert "## assay score transcripts\n" in page
    assert "## assay env\n" in page
    assert "`--per-item FILE`\n:   Write the counts of every pair to this Parquet file." in page


def test_paths_in_code_exist():
    """Files that a page speaks of, in the repository or below src/assay."""
    for page in DOCS.glob("*.md"):
        for path in re.findall(r"`((?:[\w.]+/)+[\w.]+\.\w+)`", page.read_text("utf-8")):
            places = ROOT / path, ROOT / "src" / "assay" / path
            assert any(place.exists() for place in places), f"{page.name}: {path}"


def build(folder, site):
    """`make docs` of the checkout in `folder`; how it ended, and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "-d", site],
        cwd=folder,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing(tmp_path):
    pytest.importorskip("mkdocs", reason="pip install 'assay[docs]'")
    code, said = build(ROOT, tmp_path / "site")
    assert code == 0, said
    pages = [*(tmp_path / "site").glob("**/*.html")]
    assert len(pages) > len(METRICS)
    for page in pages:
        loaded = re.findall(r"<(?:script|link|img)[^>]+https?://[^>]+>", page.read_text("utf-8"))
        assert loaded == [], page


@pytest.mark.slow
def test_what_leads_nowhere_fails_the_build(tmp_path):
    pytest.importorskip("mkdocs", reason="pip install 'assay[docs]'")
    for name in ("docs", "src", "tests", "bench"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.glob("*.*"):
        if path.is_file():
            shutil.copy(path, tmp_path)
    page = tmp_path / "docs" / "tutorials" / "loop.md"
    page.write_text(page.read_text("utf-8") + "\n[a](nowhere.md) [b][assay.nobody]\n", "utf-8")
    code, said = build(tmp_path, tmp_path / "site")
    assert code == 1, said
    assert "'nowhere.md'" in said
    assert "'assay.nobody'" in said
