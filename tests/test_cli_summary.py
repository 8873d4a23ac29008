"""`assay summary`: what it prints of runs, which files it writes, what it refuses."""

import json
import os
import statistics

import pytest

import assay
from cli_kit import assay as command
from test_report_stages import pipeline


@pytest.fixture
def folded(tmp_path):
    with assay.Run(tmp_path / "folded") as run:
        for fold, value in (1, 0.5), (2, 0.75):
            run.log({"val_macro_f1": value, "wer": value / 2}, step=3, fold=fold)
            run.save(b"%d" % fold, fold=fold)
    return tmp_path / "folded"


def summary(*arguments):
    done = command("summary", *arguments)
    assert (done.code, done.err) == (0, "")
    return done.out


def refused(*arguments):
    done = command("summary", *arguments)
    assert (done.code, done.out) == (2, "")
    return done.err.removeprefix("error: ").strip()


def test_folds_are_printed_and_written(folded):
    found = json.loads(summary(folded, "--json", "--write", "x"))
    assert list(found["tables"]) == ["fold_summary", "best_metrics"]
    table = found["tables"]["best_metrics"]
    mean = dict(zip(table["columns"], table["rows"][0], strict=True))
    assert (mean["metric"], mean["mean"], mean["n"]) == ("val_macro_f1", 0.625, 2)
    names = ["fold_summary_x.csv", "best_metrics_x.csv", "best_model_x.pt"]
    assert found["files"] == [os.path.join(folded, name) for name in names]
    assert (folded / "best_model_x.pt").read_bytes() == b"2"
    by_loss = json.loads(summary(folded, "--json", "--metric", "wer"))
    assert by_loss["tables"]["fold_summary"]["title"].endswith("by wer")


def test_runs_that_have_the_same_folds_are_side_by_side(folded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with assay.Run(tmp_path / "other", name="../outside") as run:
        for fold, value in (1, 0.25), (2, 0.75):
            run.log({"val_macro_f1": value}, step=1, fold=fold)
    into = tmp_path / "out"
    asked = [folded, tmp_path / "other", "--json", "--write", "x"]
    found = json.loads(summary(*asked, "--into", into))
    assert list(found["tables"]) == ["over_folds"]
    table = found["tables"]["over_folds"]
    heads = ["run", "stage", "folds", "val_macro_f1", "val_macro_f1 std", "wer", "wer std"]
    assert table["columns"] == heads
    wer = [statistics.mean([0.25, 0.375]), statistics.stdev([0.25, 0.375])]
    assert table["rows"] == [
        ["folded", None, 2, 0.625, statistics.stdev([0.5, 0.75]), *wer],
        ["../outside", None, 2, 0.5, statistics.stdev([0.25, 0.75]), None, None],
    ]
    places = [os.path.relpath(path, into) for path in found["files"]]
    each = ("fold_summary_x.csv", "best_metrics_x.csv")
    assert places == [*(f"folded/{name}" for name in (*each, "best_model_x.pt")),
                      *(f"other/{name}" for name in each), "over_folds_x.csv"]  # fmt: skip
    at_home = {os.path.dirname(path) for path in json.loads(summary(*asked))["files"]}
    assert at_home == {str(folded), str(tmp_path / "other"), "outputs"}
    assert "0.6250 ± 0.1768" in summary(folded, tmp_path / "other")
    names = ["fold_summary", "best_metrics"]
    with assay.Run(tmp_path / "third") as run:  # folds of one validation may be runs of their own
        run.log({"val_macro_f1": 1.0}, fold=3)
    found = json.loads(summary(folded, tmp_path / "third", "--json"))
    assert list(found["tables"]) == names


def test_runs_whose_folders_are_called_alike_keep_their_files_apart(tmp_path):
    for place, value in ("a", 0.25), ("b", 0.75):
        with assay.Run(tmp_path / place / "exp") as run:
            run.log({"val_macro_f1": value}, step=1, fold=1)
    runs = [tmp_path / place / "exp" for place in "ab"]
    found = json.loads(summary(*runs, "--json", "--write", "x", "--into", tmp_path / "out"))
    assert [row[0] for row in found["tables"]["over_folds"]["rows"]] == [str(run) for run in runs]
    for folder, value in ("exp", "0.25"), ("exp_2", "0.75"):
        lines = (tmp_path / "out" / folder / "fold_summary_x.csv").read_text().splitlines()
        assert lines[1].split(",")[4] == value


def test_stages_are_printed_and_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = summary(pipeline(tmp_path / "run"), "--positive", "Hate", "--write", "exp")
    assert out.splitlines()[-1] == os.path.join("outputs", "pipeline_summary_exp.csv")
    assert "260 (sparse)" in out
    assert "F1 (Hate)" in (tmp_path / "outputs" / "pipeline_summary_exp.csv").read_text()


def test_runs_with_the_same_stages_have_their_rows(tmp_path):
    runs = [pipeline(tmp_path / name) for name in "ab"]
    with assay.Run(tmp_path / "other") as run:
        run.log({"accuracy": 0.5})
    asked = [*runs, tmp_path / "other", "--json", "--write", "x", "--into", tmp_path / "out"]
    found = json.loads(summary(*asked))
    one = json.loads(summary(runs[0], "--json"))["tables"]["pipeline_summary"]
    table = found["tables"]["pipelines"]
    assert table["columns"] == ["run", *one["columns"]]
    assert table["rows"] == [[name, *row] for name in "ab" for row in one["rows"]]
    assert found["files"] == [str(tmp_path / "out" / "pipelines_x.csv")]
    text = summary(*runs, "--latex")
    assert text.count(r"\textbf{0.8520}") == 2  # the best of all


def test_runs_without_folds_are_no_hindrance(folded, tmp_path):
    for name, more in ("other", {"fold": 1}), ("plain", {}):
        with assay.Run(tmp_path / name) as run:
            run.log({"val_macro_f1": 0.25}, step=1, **more)
    alone = json.loads(summary(folded, "--json"))["tables"]
    assert json.loads(summary(folded, tmp_path / "plain", "--json"))["tables"] == alone
    runs = [folded, tmp_path / "plain", tmp_path / "other"]
    rows = json.loads(summary(*runs, "--json"))["tables"]["over_folds"]["rows"]
    assert [row[0] for row in rows] == ["folded", "other"]


def test_an_ablation_with_a_reference_and_a_front(tmp_path):
    for rank in 4, 8:
        with assay.Run(tmp_path / str(rank), params={"rank": rank}) as run:
            run.log({"wer": 1 / rank, "peak_vram_gb": float(rank)})
    asked = ["--by", "rank", "--metric", "wer", "--metric", "peak_vram_gb"]
    asked += ["--reference", "rank=8", "--front", "wer", "--front", "peak_vram_gb"]
    out = tmp_path / "out"
    found = json.loads(
        summary(tmp_path / "4", tmp_path / "8", *asked, "--write", "x", "--into", out, "--json")
    )
    assert list(found["tables"]) == ["by_rank", "deltas", "front"]
    assert found["tables"]["deltas"]["rows"] == [
        [4, 1, 0.25, 0.125, 4, -4],
        [8, 1, 0.125, None, 8, None],
    ]
    assert [row[-1] for row in found["tables"]["front"]["rows"]] == ["yes", "yes"]
    assert sorted(os.listdir(out)) == ["by_rank_x.csv", "deltas_x.csv", "front_x.csv"]


def test_runs_side_by_side_in_every_form(tmp_path):
    for name in "ab":
        with assay.Run(tmp_path / name, params={"seed": name}) as run:
            run.log({"accuracy": 0.5})
    both = tmp_path / "a", tmp_path / "b"
    assert [line.split() for line in summary(*both).splitlines()] == [
        ["Runs"],
        ["run", "status", "seed", "accuracy"],
        ["a", "finished", "a", "0.5000"],
        ["b", "finished", "b", "0.5000"],
    ]
    assert "| a | finished | a | 0.5000 |" in summary(*both, "--markdown")
    assert r"a & finished & a & 0.5000 \\" in summary(*both, "--latex")


def kept(run, folder, name, wrong, **tags):
    """A per-item file of 40 labels, the first of them wrong, as an artifact of the run."""
    rows = ["id,target,label\n"]
    rows += [f"{i},{i % 2},{(i % 2) ^ (i < wrong)}\n" for i in range(40)]
    (folder / f"{name}.csv").write_text("".join(rows))
    path = folder / f"{name}.parquet"
    done = command(
        "score", "labels", folder / f"{name}.csv", "--target", "target", "--prediction", "label",
        "--per-item", path,
    )  # fmt: skip
    assert done.code == 0, done.err
    run.artifact(path, **tags)


def test_stages_with_per_item_files_have_p(tmp_path):
    with assay.Run(tmp_path / "run") as run:
        for stage, wrong in ("baseline", 2), ("kd", 20), ("prune", 2):
            run.log({"accuracy": 1 - wrong / 40}, stage=stage)
            kept(run, tmp_path, stage, wrong, stage=stage)
            kept(run, tmp_path, f"{stage} of a fold", 7, stage=stage, fold=1)
    table = json.loads(summary(tmp_path / "run", "--json"))["tables"]["pipeline_summary"]
    p = [row[table["columns"].index("p Accuracy")] for row in table["rows"]]
    a, b = (tmp_path / f"{stage}.parquet" for stage in ("baseline", "kd"))
    told = json.loads(command("compare", a, b, "--metric", "accuracy", "--json").out)
    assert p == [None, 6 * told["comparisons"][0]["p_value"], 1.0]  # the least of six
    assert p[1] < 0.02
    assert "p: paired bootstrap of per-item files" in table["note"]
    assert "corrected for 6 tests (Holm)" in table["note"]


def test_levels_with_per_item_files_have_p(tmp_path):
    for rank, wrong in (4, 20), (8, 2):
        with assay.Run(tmp_path / str(rank), params={"rank": rank}) as run:
            run.log({"accuracy": 1 - wrong / 40, "wer": 0.5})
            kept(run, tmp_path, f"rank{rank}", wrong)
    asked = ["--by", "rank", "--metric", "accuracy", "--metric", "wer", "--reference", "rank=8"]
    table = json.loads(summary(tmp_path / "4", tmp_path / "8", *asked, "--json"))["tables"][
        "deltas"
    ]
    assert table["columns"][:5] == ["rank", "n", "accuracy", "delta accuracy", "p accuracy"]
    assert table["rows"][0][4] < 0.01
    assert table["rows"][1][4] is None
    assert "no p of wer: " in table["note"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "--latex"], "--json, --markdown and --latex exclude each other; give one"),
        (["--reference", "a=1"], "--reference and --front are of an ablation; say --by FACTOR"),
        (["--into", "x"], "--into is where --write NAME writes to; give a name"),
        (["--by", "seed"], "--by needs what to show: --metric NAME"),
        (
            ["--by", "lr", "--metric", "wer", "--reference", "lr"],
            "must be a factor and its level, a",
        ),
        (["--metric", "cer"], "metric must be one that was logged, got 'cer'"),
        (["--write", "a/b"], "name must be a part of a file's name, without slashes"),
    ],
)
def test_refusals_say_how_to_mend_it(folded, arguments, message):
    assert message in refused(folded, *arguments)


def test_the_folds_of_one_stage(tmp_path):
    with assay.Run(tmp_path / "run") as run:
        for stage, value in ("a", 0.25), ("b", 0.75):
            for fold in (1, 2):
                run.log({"val_macro_f1": value}, step=0, fold=fold, stage=stage)
    folds = summary(tmp_path / "run", "--stage", "b").partition("\n\n")[0]
    assert folds.split("\n")[2].split() == ["1", "0", "0.7500"]
    assert "give one, of 'a', 'b'" in refused(tmp_path / "run")
