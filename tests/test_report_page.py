"""The page as text: one file, nothing from elsewhere, what is in it and what it says is not."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import assay
from assay.core.errors import DataError, InputError
from assay.core.explained import Explained
from assay.core.record import read_journal
from assay.metrics.explain_transcripts import explain_transcripts
from assay.report import page_sections
from assay.report.page import page, write_page
from assay.report.page_data import embedded
from run_kit import END, HEAD, metric, points, write_journal


class Reader(HTMLParser):
    """Elements, their attributes, and the text of those that hold data."""

    VOID = ("meta", "input", "br", "img", "link")

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.data, self.texts = [], [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if tag == "script" and "id" in attributes:
            self.data[attributes["id"]] = data
        elif tag not in ("script", "style"):
            self.texts.append(data)


@pytest.fixture
def run(tmp_path):
    with assay.Run(tmp_path / "exp", params={"lr": 0.1}, tags={"host": "here"}) as made:
        for fold in 1, 2:
            for step in range(3):
                values = {"val_macro_f1": 0.5 + step * fold / 10, "val_loss": 1 - step * fold / 10}
                made.log(values, step=step, fold=fold)
        made.log({"val_macro_f1": float("nan")}, step=9, fold=2)
        made.histogram(np.linspace(1, 2, 50), "forward_ms")
    return tmp_path / "exp"


def titles(text):
    return re.findall(r"<h2>(.*?)</h2>", text)


def test_one_run(run):
    text = page(run)
    assert titles(text) == [
        "Overview",
        "Training",
        "Folds",
        "Time and memory",
        "All that was logged",
    ]
    read = Reader(text)
    assert read.open == []
    assert "0.9" in read.texts  # the best of all folds
    assert "fold 2, step 2" in read.texts
    assert "<dt>val_loss</dt><dd>0.6</dd>" in text  # of losses the lowest
    assert sum(tag == "svg" for tag, _ in read.found) == 4


def test_nothing_is_from_elsewhere(run):
    read = Reader(page(run, {"x": explain_transcripts(["a"], ["b"])}))
    for tag, attributes in read.found:
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    meta = next(a for tag, a in read.found if a.get("http-equiv") == "Content-Security-Policy")
    policy = dict(part.strip().split(" ", 1) for part in meta["content"].split(";"))
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in policy["script-src"] + policy["style-src-elem"]
    assert "connect-src" not in policy


def test_the_same_records_give_the_same_bytes(run):
    record = read_journal(str(run))
    rows = {"x": explain_transcripts(["a b"] * 5, ["a c"] * 5)}
    assert page(record, rows) == page(record, rows)


@pytest.mark.parametrize("large", [False, True])
def test_data_reads_back(monkeypatch, large):
    monkeypatch.setattr("assay.report.page_data.LARGE", 1 if large else 1 << 20)
    data = {
        "a": ["</script><!--<script>", "\u2028&amp;", "\ud800", "\x00", "é𝄞"],
        "n": [1, None, 0.1],
    }
    text, packed = embedded(data)
    assert packed is large
    assert not set(text) & set("<>&\u2028")
    text = gzip.decompress(base64.b64decode(text)).decode() if packed else text
    assert json.loads(text) == data
    assert embedded({"x": [float("nan"), float("inf")]})[0] == '{"x":[null,"inf"]}' or large


def test_explorers_say_what_they_leave_out(run):
    rows = Explained("labels", {"id": [1], "target": ["a"], "prediction": ["b"],
                                "confidence": [None]}, np.ones(1), 1_000_000)  # fmt: skip
    assert "The 1 worst of 1,000,000 items; the others are not here." in page(run, {"Errors": rows})


def test_errors_alone(tmp_path):
    rows = explain_transcripts(["a"], ["b"])
    text = page([], {"Mine": rows}, title="Only errors")
    assert titles(text) == ["Mine"]
    assert "<h1>Only errors</h1>" in text
    with pytest.raises(InputError, match="page: records must be one run or several, got none"):
        page([])


def many(folder, n, **params):
    runs = []
    for i in range(n):
        about = {**HEAD, "name": f"r{i}", "params": {k: v(i) for k, v in params.items()}}
        lines = [about, metric("val_f1"), metric("ms_per_sample"), points(0, 1.0, val_f1=i / n)]
        lines += [points(1, 2.0, val_f1=i / n + 0.01, ms_per_sample=1.0 + i % 5), END]
        runs.append(write_journal(folder / f"r{i}", *lines))
    return runs


def test_several_runs_are_compared(tmp_path):
    runs = many(tmp_path, 8, rank=lambda i: 2 ** (i % 3), note=lambda i: "same")
    text = page(runs)
    assert titles(text) == ["Overview", "Runs", "Side by side", "Training", "Settings",
                            "All that was logged"]  # fmt: skip
    read = Reader(text)
    data = json.loads(read.data["data-compare"])
    assert data["first"] == [7, 6, 5]  # the best are
    rows = {row["name"]: row for row in data["rows"]}
    assert rows["rank"]["values"] == [2 ** (i % 3) for i in range(8)]
    assert rows["ms_per_sample"]["better"] == "lower"
    drawn = [a["aria-label"] for tag, a in read.found if tag == "svg"]
    assert "val_f1 against ms_per_sample" in drawn
    assert "val_f1 by rank" in drawn


def test_large_tables_say_what_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(page_sections, "ROWS", 5)
    monkeypatch.setattr(page_sections, "COLUMNS", 3)
    text = page(many(tmp_path, 8, rank=lambda i: i))
    assert "here are the first 5 of 8 rows and the first 3 of 5 columns" in text


def test_names_that_collide(tmp_path):
    runs = [write_journal(tmp_path / f, HEAD, metric("val_f1"), points(0, 1.0, val_f1=0.5), END)
            for f in "ab"]  # fmt: skip
    other = write_journal(tmp_path / "c", {**HEAD, "name": "other"}, metric("val_f1"),
                          points(0, 1.0, val_f1=0.25), points(1, 1.0, val_f1=0.5), END)  # fmt: skip
    read = Reader(page([*runs, other]))
    assert json.loads(read.data["data-compare"])["runs"] == [*map(str, runs), "other"]
    assert str(runs[0]) in read.texts  # where the best value is


def test_what_cannot_be_tabled_is_said(tmp_path):
    lines = [HEAD, metric("1/a", name="a", tags={"fold": "1"}), points(0, 1.0, **{"1/a": 0.5})]
    lines += [metric("2/b", name="b_loss", tags={"fold": "2"}), points(0, 1.0, **{"2/b": 0.5}), END]
    text = page(write_journal(tmp_path / "x", *lines), metric="a")
    assert "folds: nothing says whether" in text


def test_empty_and_failed_runs(tmp_path):
    assert "unfinished" in page(write_journal(tmp_path / "empty", HEAD))
    failed = {**END, "status": "failed", "error": "ValueError: <b>"}
    assert "The run failed: ValueError: &lt;b&gt;" in page(
        write_journal(tmp_path / "f", HEAD, failed)
    )
    nan = [HEAD, metric("val_loss"), points(0, 1.0, val_loss="NaN"), points(1, 2.0, val_loss="NaN")]
    assert "no finite value" in page(write_journal(tmp_path / "nan", *nan, END))


def test_an_unknown_metric(run):
    with pytest.raises(InputError, match="page: metric must be one that was logged, got 'nope'"):
        page(run, metric="nope")


def test_it_is_written_whole_or_not(run, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    assert write_page(path, run) == str(path)
    before = path.read_bytes()
    with pytest.raises(InputError):
        write_page(path, run, metric="nope")
    with pytest.raises(DataError, match="there is no folder"):
        write_page(tmp_path / "no" / "x.html", run)
    assert path.read_bytes() == before
    assert sorted(own.name for own in tmp_path.iterdir()) == ["exp", "report.html"]


def drawn(text):
    return [a["aria-label"] for tag, a in Reader(text).found if tag == "svg"]


def test_trials_of_one_run_by_tags_and_by_parameters(tmp_path):
    with assay.Run(tmp_path / "tags") as run:
        for rank in 4, 8, 16:
            run.log({"wer": 1 / rank, "model_size_mb": rank}, rank=rank)
    found = drawn(page(tmp_path / "tags"))
    assert found == ["wer against model_size_mb", "wer by rank"]
    with assay.Run(tmp_path / "params") as run:
        for rank in 4, 8, 16:
            run.log_params({"rank": rank, "same": 1}, stage=f"r{rank}")
            run.log({"wer": 1 / rank, "model_size_mb": rank}, stage=f"r{rank}")
    found = drawn(page(tmp_path / "params"))
    assert found[-2:] == ["wer against model_size_mb", "wer by rank"]


def test_pipelines_of_several_runs_have_their_rows(tmp_path):
    for name in "ab":
        with assay.Run(tmp_path / name) as run:
            for stage, value in ("baseline", 0.9), ("kd", 0.8):
                run.log({"macro_f1": value, "size_mb": value * 9}, stage=stage)
    text = page([tmp_path / "a", tmp_path / "b"])
    assert "Stages, run by run" in text
    assert "twice" not in text


def test_stages_are_no_trials(tmp_path):
    with assay.Run(tmp_path / "exp") as run:
        for stage, value in ("baseline", 0.9), ("kd", 0.8):
            run.log({"macro_f1": value, "size_mb": value * 9}, stage=stage)
    assert "Settings" not in titles(page(tmp_path / "exp"))
