"""Folds: their best epochs, the means over them and their files, recomputed from the journal."""

import csv
import json
import math
import os
import statistics
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import assay
from assay.core.errors import DataError, InputError
from assay.report.summary import folds, write_folds

HEAD = "fold,best_epoch,val_loss,val_accuracy,val_macro_f1,val_f1,val_roc_auc,val_best_threshold"
NASTY = 'ক্ষ <b>&amp;</b> \\input{x} %_$# |`*` =cmd|"/c"!A1, "q"\n@x'


def logged(folder, count=3, epochs=4, tags=None, **more):
    """A run with folds; values of no pattern, and one fold that is best in its second epoch."""
    rng = np.random.default_rng(7)
    with assay.Run(folder, tags=tags) as run:
        for fold in range(1, count + 1):
            for epoch in range(epochs):
                names = ("val_loss", "val_accuracy", "val_macro_f1", "val_f1", "extra")
                values = dict(zip(names, rng.random(5).tolist(), strict=True))
                run.log(values, step=epoch, fold=fold, **more)
                if run.is_best("val_macro_f1", fold=fold, **more):
                    run.save(b"fold %d epoch %d" % (fold, epoch), fold=fold, **more)
    return str(folder)


def from_journal(folder, tag="fold"):
    """{value of the tag: {name: {step: value}}}, with nothing of ours but the lines."""
    metrics, found = {}, {}
    with open(os.path.join(folder, "journal.jsonl"), encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if line["kind"] == "metric":
                metrics[line["key"]] = line
            elif line["kind"] == "points":
                for key, value in line["values"].items():
                    about = metrics[key]
                    own = found.setdefault(about["tags"].get(tag), {}).setdefault(about["name"], {})
                    own[line["step"]] = float(value)
    return found


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files_say_what_the_journal_says(tmp_path):
    folder = logged(tmp_path / "run", count=11)
    paths = write_folds(folder, "exp")
    names = ["fold_summary_exp.csv", "best_metrics_exp.csv", "best_model_exp.pt"]
    assert paths == [os.path.join(folder, name) for name in names]
    journal = from_journal(folder)
    rows = rows_of(paths[0])
    assert ",".join(rows[0]) == HEAD + ",extra"
    assert [row["fold"] for row in rows] == [str(fold) for fold in range(1, 12)]  # 10 behind 9
    best = {}
    for row in rows:
        own = journal[row["fold"]]
        epoch = max(own["val_macro_f1"], key=own["val_macro_f1"].get)
        assert int(row["best_epoch"]) == epoch
        best[row["fold"]] = {name: values[epoch] for name, values in own.items()}
        for name in ("val_loss", "val_accuracy", "val_macro_f1", "val_f1", "extra"):
            assert float(row[name]) == best[row["fold"]][name]
        assert row["val_roc_auc"] == row["val_best_threshold"] == ""
    means = {row["metric"]: row for row in rows_of(paths[1])}
    assert list(means) == ["val_loss", "val_accuracy", "val_macro_f1", "val_f1", "extra"]
    for name, row in means.items():
        values = [own[name] for own in best.values()]
        assert float(row["mean"]) == pytest.approx(np.mean(values), rel=1e-15)
        assert float(row["std"]) == pytest.approx(np.std(values, ddof=1), rel=1e-14)
        assert row["n"] == "11"
        ends = stats.t.interval(0.95, 10, np.mean(values), stats.sem(values))
        assert (float(row["low"]), float(row["high"])) == pytest.approx(ends, rel=1e-12)
    winner = max(best, key=lambda fold: best[fold]["val_macro_f1"])
    epoch = next(int(row["best_epoch"]) for row in rows if row["fold"] == winner)
    with open(paths[2], "rb") as file:
        assert file.read() == b"fold %d epoch %d" % (int(winner), epoch)


def test_a_fold_whose_metric_is_nan_is_left_out_and_named(tmp_path):
    with assay.Run(tmp_path) as run:
        for fold, value in (1, 0.5), (2, math.nan), (3, 0.7):
            run.log({"val_macro_f1": value, "val_loss": 1.0}, step=0, fold=fold)
        run.log({"val_macro_f1": 0.4, "val_loss": math.nan}, step=1, fold=3)
        run.log({"val_f1": 0.25}, step=0, fold=3)
    found = folds(tmp_path)
    assert [fold.best_epoch for fold in found.folds] == [0, None, 0]
    assert found.folds[1].values == {}
    assert "fold 2: left out, as val_macro_f1 is nan or missing" in found.table.note
    assert found.means["val_macro_f1"][:3] == (0.6, statistics.stdev([0.5, 0.7]), 2)
    assert found.means["val_f1"].n == 1
    assert "n: of 3 folds those with a value" in found.aggregate.note
    assert found.best.name == "3"
    assert found.table.to_csv().splitlines()[2] == "2,,,,,,,"


def test_a_nan_of_another_metric_does_not_count_in_its_mean(tmp_path):
    with assay.Run(tmp_path) as run:
        for fold, value in (1, 0.5), (2, math.nan), (3, math.inf):
            run.log({"val_macro_f1": 0.5, "val_loss": value}, step=0, fold=fold)
    found = folds(tmp_path)
    assert found.table.to_csv().splitlines()[1:] == [
        "1,0,0.5,,0.5,,,", "2,0,nan,,0.5,,,", "3,0,inf,,0.5,,,"
    ]  # fmt: skip
    mean = found.means["val_loss"]
    assert (mean.mean, mean.n) == (math.inf, 2)
    assert np.isnan([mean.std, mean.low, mean.high]).all()


def test_one_fold_has_no_deviation_and_says_so(tmp_path):
    folder = logged(tmp_path / "run", count=1)
    paths = write_folds(folder, "one")
    for row in rows_of(paths[1]):
        assert row["n"] == "1"
        assert [row[name] for name in ("std", "low", "high")] == ["nan"] * 3
    found = folds(folder)
    assert "one fold only: a standard deviation and an interval of the mean need two" in (
        found.aggregate.note
    )


def test_nothing_but_nan_writes_no_model(tmp_path):
    with assay.Run(tmp_path) as run:
        run.log({"val_macro_f1": math.nan}, step=0, fold=1)
        run.save(b"x", fold=1)
    assert folds(tmp_path).best is None
    assert len(write_folds(tmp_path, "x")) == 2


def test_lower_is_better_of_a_loss_and_the_first_of_equals_wins(tmp_path):
    with assay.Run(tmp_path) as run:
        for fold in 2, 1:
            for epoch, loss in enumerate([0.5, 0.25, 0.25]):
                run.log({"val_loss": loss, "lr": epoch}, step=epoch, fold=fold)
    found = folds(tmp_path, "val_loss")
    assert [(f.name, f.best_epoch, f.values["lr"]) for f in found.folds] == [
        ("1", 1, 1),
        ("2", 1, 1),
    ]
    assert found.best.name == "1"
    assert found.means["val_loss"][:2] == (0.25, 0.0)


def test_runs_that_are_a_fold_each(tmp_path):
    folders = []
    for fold in range(1, 4):
        folders.append(tmp_path / str(fold))
        with assay.Run(folders[-1], tags={"fold": fold}) as run:
            run.log({"val_macro_f1": fold / 10}, step=fold)
            run.save(b"%d" % fold)
    found = folds(folders)
    assert [(f.name, f.best_epoch) for f in found.folds] == [("1", 1), ("2", 2), ("3", 3)]
    paths = write_folds(folders, "all", directory=tmp_path)
    assert (tmp_path / "best_model_all.pt").read_bytes() == b"3"
    assert paths[2] == str(tmp_path / "best_model_all.pt")
    with pytest.raises(InputError, match=r"fold '1' has 'val_macro_f1' twice, in .*1 and .*1"):
        folds([folders[0], folders[0]])


def test_stages_with_folds_are_told_apart(tmp_path):
    with assay.Run(tmp_path) as run:
        for stage, value in ("baseline", 0.8), ("kd", 0.7):
            for fold in 1, 2:
                run.log({"val_macro_f1": value + fold / 100}, step=0, fold=fold, stage=stage)
                run.save(f"{stage} {fold}".encode(), fold=fold, stage=stage)
    with pytest.raises(InputError, match=r"several stages of .* have folds; give one, of 'base"):
        folds(tmp_path)
    with pytest.raises(InputError, match="stage must be one that has folds, got 'x'; there is 'b"):
        folds(tmp_path, stage="x")
    assert folds(tmp_path, stage="kd").means["val_macro_f1"].mean == pytest.approx(0.715)
    write_folds(tmp_path, "kd", stage="kd")
    assert (tmp_path / "best_model_kd.pt").read_bytes() == b"kd 2"


def test_names_that_are_written_alike_stay_apart_whatever_their_order(tmp_path):
    with assay.Run(tmp_path) as run:
        run.log({"recall@1": 0.1, "recall_at_1": 0.9, "val_macro_f1": 0.5}, step=0, fold=1)
        run.log({"recall_at_1": 0.8, "recall@1": 0.2, "val_macro_f1": 0.5}, step=0, fold=2)
    means = folds(tmp_path).means
    assert means["recall_at_1"].mean == pytest.approx(0.15)
    assert means["recall_at_1_2"].mean == pytest.approx(0.85)


@pytest.mark.parametrize("name", ["fold", "best_epoch", "metric", "n"])
def test_a_metric_may_be_called_as_a_column(tmp_path, name):
    with assay.Run(tmp_path) as run:
        run.log({name: 3.0, "val_macro_f1": 0.5}, step=0, fold=1)
    found = folds(tmp_path)
    assert len(set(found.table.columns)) == len(found.table.columns)
    assert found.table.rows[0][-1] == 3.0


def test_text_from_data_is_text_everywhere(tmp_path):
    with assay.Run(tmp_path / "run") as run:
        for fold in (NASTY, "=1+1", "-2+3", "@SUM(1)", "\t=1", "-7", "+x"):
            run.log({"val_macro_f1": 0.5, NASTY: 1.0}, step=0, fold=fold)
    paths = write_folds(tmp_path / "run", "বাংলা")
    assert paths[0].endswith("fold_summary_বাংলা.csv")
    names = {row["fold"] for row in rows_of(paths[0])}
    assert names == {NASTY, "'=1+1", "'-2+3", "'@SUM(1)", "'\t=1", "-7", "'+x"}
    found = folds(tmp_path / "run").table
    markdown, latex = found.to_markdown(), found.to_latex()
    assert "<b>" not in markdown
    assert "\n@x" not in markdown
    assert r"\input" not in latex
    assert r"\textbackslash{}input\{x\} \%\_\$\#" in latex
    assert json.loads(found.to_json())["rows"][0][1] == 0


def test_errors_name_the_fix(tmp_path):
    with assay.Run(tmp_path / "a") as run:
        run.log({"val_macro_f1": 0.5}, step=0)
    with pytest.raises(
        InputError, match=r"nothing in .*a is of a fold; log it as run.log\(…, fold"
    ):
        folds(tmp_path / "a")
    with assay.Run(tmp_path / "b") as run:
        run.log({"quality": 0.5}, step=0, fold=1)
    with pytest.raises(InputError, match="metric must be one that was logged, got 'val_macro_f1'"):
        folds(tmp_path / "b")
    with pytest.raises(InputError, match="nothing says whether 'quality' is better when"):
        folds(tmp_path / "b", "quality")
    with pytest.raises(InputError, match="records must be one run or several, got none"):
        folds([])
    with pytest.raises(DataError, match="cannot be read"):
        folds(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["", "a/b", "..\\x", "../x", "a\nb"])
def test_a_name_leads_nowhere_else(tmp_path, name):
    folder = logged(tmp_path / "run", count=1, epochs=1)
    with pytest.raises(InputError, match="name must be a part of a file's name"):
        write_folds(folder, name)


def test_files_are_whole_or_as_they_were(tmp_path, monkeypatch):
    folder = logged(tmp_path / "run", count=2)
    paths = write_folds(folder, "x")
    before = [Path(path).read_bytes() for path in paths]
    monkeypatch.setattr(
        os, "replace", lambda *names: (_ for _ in ()).throw(OSError(28, "No space"))
    )
    with pytest.raises(DataError, match=r"fold_summary_x.csv: cannot be written: No space"):
        write_folds(folder, "x", "val_loss")
    assert [Path(path).read_bytes() for path in paths] == before
    assert [name for name in os.listdir(folder) if "partial" in name] == []


def test_a_place_that_takes_no_files(tmp_path):
    folder = logged(tmp_path / "run", count=2)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"file.*cannot be written"):
        write_folds(folder, "x", directory=tmp_path / "file" / "deeper")


def test_a_model_that_has_gone_is_named(tmp_path):
    folder = logged(tmp_path / "run", count=1)
    os.unlink(folds(folder).best.model)
    with pytest.raises(
        DataError, match=r"best\.pt: the file that was saved for the best fold is not"
    ):
        write_folds(folder, "x")


def test_saved_under_a_name_with_the_fold_in_it(tmp_path):
    with assay.Run(tmp_path) as run:
        for fold in 1, 2:
            run.log({"val_macro_f1": fold / 10}, step=0, fold=fold)
            run.save(b"%d" % fold, f"fold_{fold}/net.bin")
        run.save(b"other", "fold_20.bin")
    write_folds(tmp_path, "x")
    assert (tmp_path / "best_model_x.bin").read_bytes() == b"2"
