"""Files of a run: kept whole, under names that nothing else takes."""

import math
import os

import numpy as np
import pytest
import torch

import assay
from assay.core.errors import InputError
from assay.core.record import read_journal


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "exp"


def test_files(folder, tmp_path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import pandas as pd
    import polars as pl

    source = tmp_path / "notes.txt"
    source.write_text("first")
    with assay.Run(folder) as run:
        run.artifact(source)
        run.artifact(source, "deep/../other.txt", stage="kd")
        source.write_text("second")
        (folder / "own.bin").write_bytes(b"x")
        run.artifact(folder / "own.bin")
        figure = plt.figure()
        run.figure(figure, "roc", step=3)
        plt.close(figure)
        run.figure(b"\x89PNG", "raw")
        rows = [{"fold": 1, "f1": 0.5}, {"fold": 2, "auc": 0.25}]
        run.table(rows, "best_metrics")
        run.table(pd.DataFrame({"a": [1, 2]}), "frames/pandas")
        run.table(pl.DataFrame({"a": [1, 2]}), "polars")
        run.table({"a": [1, 2], "b": ["x", "y"]}, "columns", step=1)
        assert run.save(lambda: {"w": torch.ones(2)}) == str(folder / "models" / "best.pt")
        assert run.save(b"abc", "raw.bin") == str(folder / "models" / "raw.bin")
        path = run.save(b"abc", "../raw.bin")  # where it is, which is in the run's directory
        assert path == str(folder / "models" / "_" / "raw.bin")
        assert os.path.exists(path)
    read = {f.path: (f.kind, f.name, f.step) for f in read_journal(str(folder)).files.values()}
    assert read == {
        "artifacts/notes.txt": ("artifact", "notes.txt", None),
        "artifacts/kd/deep/_/other.txt": ("artifact", "deep/../other.txt", None),
        "own.bin": ("artifact", "own.bin", None),
        "figures/roc-3.png": ("figure", "roc", 3),
        "figures/raw.png": ("figure", "raw", None),
        "tables/best_metrics.csv": ("table", "best_metrics", None),
        "tables/frames/pandas.csv": ("table", "frames/pandas", None),
        "tables/polars.csv": ("table", "polars", None),
        "tables/columns-1.csv": ("table", "columns", 1),
        "models/best.pt": ("artifact", "best.pt", None),
        "models/raw.bin": ("artifact", "raw.bin", None),
        "models/_/raw.bin": ("artifact", "../raw.bin", None),
    }
    assert (folder / "artifacts" / "notes.txt").read_text() == "first"
    assert (folder / "tables" / "best_metrics.csv").read_text() == "fold,f1,auc\n1,0.5,\n2,,0.25\n"
    assert (folder / "figures" / "roc-3.png").read_bytes().startswith(b"\x89PNG")
    assert torch.load(folder / "models" / "best.pt")["w"].tolist() == [1, 1]


def test_files_of_one_fold_do_not_replace_those_of_another(folder, tmp_path):
    with assay.Run(folder) as run:
        for fold in (1, 2):
            (tmp_path / "notes").write_text(str(fold))
            run.table([{"fold": fold}], "best", fold=fold, stage="kd")
            run.figure(b"%d" % fold, "roc", step=3, fold=fold)
            run.artifact(tmp_path / "notes", fold=fold)
            path = run.save(b"%d" % fold, fold=fold, stage="kd")
            assert path == str(folder / "models" / "kd" / f"fold_{fold}" / "best.pt")
        run.table([{"a": 1}], "x", stage="../../..")
    for fold in (1, 2):
        read = {
            f"tables/kd/fold_{fold}/best.csv": f"fold\n{fold}\n",
            f"figures/fold_{fold}/roc-3.png": str(fold),
            f"artifacts/fold_{fold}/notes": str(fold),
            f"models/kd/fold_{fold}/best.pt": str(fold),
        }
        assert {path: (folder / path).read_text() for path in read} == read
    assert len(read_journal(str(folder)).files) == 9
    assert [*(folder / "tables").rglob("x.csv")]  # nothing leads out


def test_files_that_are_refused(folder):
    with assay.Run(folder) as run:
        for call, message in [
            (lambda: run.artifact("/no/such"), "run.artifact: /no/such: there is no such file"),
            (lambda: run.artifact(folder), "would be copied into itself"),
            (lambda: run.artifact(folder.parent), "holds the run's own directory"),
            (lambda: run.figure([1], "x"), "must be a matplotlib figure or the bytes of a PNG"),
            (lambda: run.figure(b"<svg/>", "x"), "got an SVG; draw it with format"),
            (lambda: run.table([1, 2], "x"), "rows must be a list of mappings"),
            (lambda: run.table({"a": [1], "b": []}, "x"), "got {'a': 1, 'b': 0}"),
            (lambda: run.table([], "../"), "a file needs a name, got '../'"),
            (lambda: run.histogram([math.nan], "w"), "must hold a finite value, got none"),
        ]:
            with pytest.raises(InputError) as caught:
                call()
            assert message in str(caught.value)
    assert read_journal(str(folder)).files == {}


def test_a_save_that_fails_leaves_the_last_one(folder):
    with assay.Run(folder) as run:
        run.save(b"good")

        class Bad:
            def __reduce__(self):
                raise RuntimeError("no")

        with pytest.raises(RuntimeError):
            run.save(Bad())
        assert (folder / "models" / "best.pt").read_bytes() == b"good"
        assert os.listdir(folder / "models") == ["best.pt"]


def test_a_histogram(folder):
    with assay.Run(folder) as run:
        run.histogram(torch.arange(129.0), "w", step=2, stage="kd")
        run.histogram([1.0, math.inf, math.nan], "one")
    first, second = read_journal(str(folder)).histograms
    assert (first.key, first.step, sum(first.counts), len(first.edges)) == ("kd/w", 2, 129, 65)
    assert first.counts == np.histogram(np.arange(129.0), 64)[0].tolist()
    assert (first.edges[0], first.edges[-1]) == (0, 128)
    assert sum(second.counts) == 1


def test_another_file_of_a_name_that_is_taken_is_refused(folder, tmp_path):
    paths = [tmp_path / place / "x.txt" for place in "abc"]
    for path in paths:
        path.parent.mkdir()
        path.write_text(path.parent.name)
    with assay.Run(folder) as run:
        run.artifact(paths[0])
        run.artifact(paths[0])
        with pytest.raises(InputError) as refused:
            run.artifact(str(paths[1]))
        assert str(refused.value) == (
            f"run.artifact: {paths[1]} would replace {paths[0]}, which was recorded as 'x.txt'; "
            "give one of them another name, as in name='b/x.txt'"
        )
        run.artifact(paths[1], "b/x.txt")
        run.artifact(paths[1], fold=1)
        paths[0].unlink()
        run.artifact(paths[2])  # what is written anew each time, elsewhere
    texts = {path.parent.name: path.read_text() for path in (folder / "artifacts").rglob("x.txt")}
    assert texts == {"artifacts": "c", "b": "b", "fold_1": "b"}
