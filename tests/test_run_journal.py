"""Run: what is logged is kept, what cannot be is refused, and a run goes on where it was left."""

import json
import math
import os
import sys
import tempfile
import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay.core.errors import DataError, InputError, TrackerError
from assay.core.record import Best, read_journal
from assay.run import journal
from run_kit import lines_of


@pytest.fixture(autouse=True)
def first_rank(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "exp"


def values_of(folder):
    record = read_journal(str(folder))
    return {k: [(p.step, p.value) for p in record.points(k)] for k in record.metrics}


NUMBERS = st.one_of(
    st.floats(), st.integers(-(2**1000), 2**1000), st.booleans(),
    st.floats(width=32).map(np.float32), st.integers(-(2**62), 2**62).map(np.int64),
    st.floats().map(lambda x: torch.tensor(x, dtype=torch.float64)),
    st.floats().map(np.float64), st.floats().map(lambda x: np.array([x])),
)  # fmt: skip
NAMES = st.text(min_size=1, max_size=20)


@given(
    st.lists(
        st.tuples(st.dictionaries(NAMES, NUMBERS, max_size=5), st.integers(-(2**40), 2**40)),
        max_size=5,
    )
)
def test_whatever_is_logged_is_read_back(logged):
    with tempfile.TemporaryDirectory() as folder:
        with assay.Run(folder) as run:
            for values, step in logged:
                run.log(values, step=step)
        record = read_journal(folder)
        wanted = {
            (k, step): float(np.asarray(v).item())
            for values, step in logged
            for k, v in values.items()
        }
        by_name = {m.name: key for key, m in record.metrics.items()}
        assert by_name.keys() == {name.encode("utf-8", "replace").decode() for name, _ in wanted}
        for (name, step), value in wanted.items():
            key = by_name[name.encode("utf-8", "replace").decode()]
            (found,) = [p.value for p in record.points(key) if p.step == step]
            assert found == value or (math.isnan(found) and math.isnan(value))


def test_scores_keep_what_they_are(folder):
    counts = assay.count_words(["a b", "c"], ["a", "c"])
    with assay.Run(folder) as run:
        run.log(counts, step=2, split="val")
        run.log(counts.scores()[0], step=3, prefix="test_")
    record = read_journal(str(folder))
    wer = record.metrics["val/wer"]
    assert (wer.name, wer.unit, wer.better, wer.tags) == (
        "wer",
        "fraction",
        "lower",
        {"split": "val"},
    )
    assert wer.signature == counts.scores()[0].signature
    assert record.points("val/wer")[0] == (2, record.points("val/wer")[0].time, 1 / 3, 2)
    assert record.points("test_wer")[0].value == 1 / 3


def test_a_prefix_gives_the_names_of_the_field(folder):
    with assay.Run(folder) as run:
        run.log({"macro_f1": 0.5}, step=0, prefix="val_")
    assert values_of(folder) == {"val_macro_f1": [(0, 0.5)]}


def test_without_a_step_each_name_counts_on(folder):
    with assay.Run(folder) as run:
        run.log({"a": 1})
        run.log({"a": 2, "b": 3})
        run.log({"a": 9}, step=7)
        run.log({"a": 4})
    assert values_of(folder) == {"a": [(0, 1), (1, 2), (7, 9), (8, 4)], "b": [(0, 3)]}


def test_names_that_would_be_written_alike_stay_two(folder, caplog):
    with assay.Run(folder) as run:
        run.log({"recall@10": 0.1, "recall_at_10": 0.2}, step=0)
        run.log({"x": 3}, step=0, split="val")
        run.log({"val/x": 4}, step=0)
        run.log({"recall_at_10": 0.3, "recall@10": 0.4}, step=1)
    with assay.Run(folder, resume=True) as run:
        run.log({"recall_at_10": 0.5, "recall@10": 0.6}, step=2)
    assert values_of(folder) == {
        "recall_at_10": [(0, 0.1), (1, 0.4), (2, 0.6)],
        "recall_at_10_2": [(0, 0.2), (1, 0.3), (2, 0.5)],
        "val/x": [(0, 3)],
        "val/x_2": [(0, 4)],
    }
    assert caplog.messages == [
        "assay: 'recall_at_10' is written as another metric of this run is; trackers have it as "
        "'recall_at_10_2'",
        "assay: 'val/x' is written as another metric of this run is; trackers have it as 'val/x_2'",
    ]


REFUSED = [
    ({"a": "high"}, "run.log: 'a' must be a number, got 'high'; text belongs into"),
    ({"a": None}, "run.log: 'a' must be a number, got None"),
    ({"a": 1j}, "run.log: 'a' must be a number, got 1j"),
    ({"a": np.zeros(3)}, "'a' must be one number, got 3 of them; log its mean, or run.histogram"),
    ({"a": torch.zeros(2, 2)}, "'a' must be one number, got 4 of them"),
    ({"a": np.zeros(0)}, "'a' must be one number, got 0 of them"),
    ({"a": 10**400}, "'a' must fit into a float, got 100000"),
    ({1: 0.5}, "run.log: names must be text that is not empty, got 1"),
    ({"": 0.5}, "run.log: names must be text that is not empty, got ''"),
    ([1, 2], "run.log: values must be a dictionary of numbers, a State or Scores, got list"),
    (0.5, "values must be a dictionary of numbers, a State or Scores, got float"),
    ("loss", "values must be a dictionary of numbers, a State or Scores, got str"),
]


@pytest.mark.parametrize(("logged", "message"), REFUSED, ids=[str(x)[:30] for x, _ in REFUSED])
def test_what_is_no_number_is_refused_and_nothing_of_it_kept(folder, logged, message):
    with assay.Run(folder) as run:
        with pytest.raises(InputError) as caught:
            run.log(logged, step=0)
        assert message in str(caught.value)
    assert read_journal(str(folder)).written == 0


@pytest.mark.parametrize("step", [1.5, "1", True, math.nan])
def test_steps_are_whole(folder, step):
    with assay.Run(folder) as run, pytest.raises(InputError, match="step must be a whole number"):
        run.log({"a": 1}, step=step)


def test_a_step_that_no_tracker_holds(folder):
    """It would be tried again for ever, and what comes after it would wait."""
    with assay.Run(folder) as run:
        for step in (-(2**63) + 1, 2**63 - 1):
            run.log({"a": 1}, step=step)
        for step in (2**63, -(2**63) - 1):
            with pytest.raises(
                InputError, match=r"step must fit into 64 bits, got -?9223372036854"
            ):
                run.log({"a": 1}, step=step)
    assert read_journal(str(folder)).written == 2


def test_steps_of_other_types(folder):
    with assay.Run(folder) as run:
        run.log({"a": 1}, step=np.int32(3))
        run.log({"a": 2}, step=torch.tensor(4))
    assert values_of(folder) == {"a": [(3, 1), (4, 2)]}


def test_parameters(folder):
    class Odd:
        def __str__(self):
            return "odd"

    params = {
        "optimizer": {"lr": np.float32(0.5), "betas": (0.9, 0.99)}, "none": None, "odd": Odd(),
        "nan": math.nan, "empty": {}, 3: True, "t": torch.tensor(2),
    }  # fmt: skip
    with assay.Run(folder, params=params) as run:
        run.log_params({"alpha": 0.5}, stage="kd")
        run.log_params({"late": 1})
    record = read_journal(str(folder))
    assert record.params == {
        "optimizer.lr": 0.5, "optimizer.betas": [0.9, 0.99], "none": None, "odd": "odd",
        "nan": "nan", "empty": "{}", "3": True, "t": 2, "late": 1,
    }  # fmt: skip
    assert record.group_params == {(("stage", "kd"),): {"alpha": 0.5}}
    with pytest.raises(InputError) as caught:
        assay.Run(folder, params=[1])
    assert str(caught.value) == "Run: params must be a mapping, as vars(args) is one, got list"


# -- the best ------------------------------------------------------------------------------------


def test_the_best_so_far(folder):
    asked = []
    with assay.Run(folder) as run:
        for step, value in enumerate([0.5, 0.7, 0.7, math.nan, 0.9, 0.8]):
            run.log({"val_macro_f1": value, "val_loss": -value, "lr": 1}, step=step)
            asked.append(run.is_best("val_macro_f1"))
            assert run.is_best("val_loss") == asked[-1]
        assert run.best == {"val_macro_f1": Best(4, 0.9), "val_loss": Best(4, -0.9)}
    assert asked == [True, True, False, False, True, False]


def test_the_best_of_a_metric_under_tags(folder):
    with assay.Run(folder) as run:
        run.log({"f1": 0.5}, step=0, fold=1)
        run.log({"f1": 0.4}, step=0, fold=2)
        run.log({"f1": 0.3}, step=1, fold=1)
        assert run.is_best("f1", fold=2)
        assert not run.is_best("f1", fold=1)
        assert run.is_best("fold_2/f1")


def test_what_has_no_best(folder):
    with assay.Run(folder) as run:
        with pytest.raises(InputError, match="'f1'; logged are none"):
            run.is_best("f1")
        run.log({"temperature": 1}, step=0)
        with pytest.raises(InputError) as caught:
            run.is_best("temperature")
        assert str(caught.value) == (
            "run.is_best: nothing says whether 'temperature' is better when it is higher; "
            "log a Score, or call it as in val_loss or val_macro_f1"
        )


def test_a_best_value_that_is_overwritten_counts_no_longer(folder):
    with assay.Run(folder) as run:
        for step, value in enumerate([0.5, 0.9, 0.7]):
            run.log({"f1": value}, step=step)
        run.log({"f1": 0.6}, step=1)
        assert run.best == {"f1": Best(2, 0.7)}


# -- going on ------------------------------------------------------------------------------------


def test_a_run_goes_on_and_a_repeated_step_overwrites(folder):
    with assay.Run(folder, name="first", params={"lr": 1}) as run:
        identity = run.id
        for step in range(4):
            run.log({"acc": step / 10}, step=step)
    with assay.Run(folder, resume=True, params={"lr": 2}) as run:
        assert run.id == identity
        assert run.best == {"acc": Best(3, 0.3)}
        run.log({"acc": 0.05}, step=2)
        run.log({"acc": 0.01}, step=3)
        assert run.best == {"acc": Best(1, 0.1)}
        run.log({"acc": 0.2})
    record = read_journal(str(folder))
    assert [(p.step, p.value) for p in record.points("acc")] == [
        (0, 0.0), (1, 0.1), (2, 0.05), (3, 0.01), (4, 0.2),
    ]  # fmt: skip
    assert (record.params, record.status, record.written) == ({"lr": 2}, "finished", 7)


def test_resume_where_nothing_is_begins(folder):
    with assay.Run(folder, resume=True) as run:
        run.log({"a": 1})
    assert lines_of(folder)[0]["kind"] == "run"


def test_a_torn_line_is_mended_when_a_run_goes_on(folder):
    with assay.Run(folder) as run:
        run.log({"a": 1}, step=0)
    with open(folder / "journal.jsonl", "ab") as file:
        file.write(b'{"kind":"points","time":17')
    with assay.Run(folder, resume=True) as run:
        run.log({"a": 2}, step=1)
    assert values_of(folder) == {"a": [(0, 1), (1, 2)]}
    assert [line["kind"] for line in lines_of(folder)] == [
        "run", "metric", "points", "end", "resume", "points", "end",
    ]  # fmt: skip


def test_a_directory_has_one_run(folder):
    with assay.Run(folder, name="mine") as run:
        with pytest.raises(DataError) as caught, assay.Run(folder, resume=True):
            pass
        assert str(caught.value) == (
            f"{folder}: process {os.getpid()} is writing a run there; name another directory"
        )
        run.log({"a": 1})
    with pytest.raises(DataError) as caught, assay.Run(folder):
        pass
    assert str(caught.value) == (
        f"{folder}: holds the run 'mine' (finished) already; "
        "resume=True goes on with it, or name another directory"
    )
    with assay.Run(folder, resume=True):  # the refusals hold no lock
        pass


# -- how it ends ---------------------------------------------------------------------------------


def test_an_exception_marks_the_run_failed(folder, capsys):
    def use():
        with assay.Run(folder) as run:
            run.log({"a": 1}, step=0)
            return 1 / 0

    with pytest.raises(ZeroDivisionError):
        use()
    record = read_journal(str(folder))
    assert (record.status, record.error) == ("failed", "ZeroDivisionError: division by zero")
    assert capsys.readouterr().err == f"assay: exp: failed, 1 points in {folder}\n"


@pytest.mark.parametrize(
    ("end", "status"),
    [(SystemExit(0), "finished"), (SystemExit(3), "failed"), (KeyboardInterrupt(), "failed")],
)
def test_ends_that_are_no_exceptions(folder, end, status):
    with pytest.raises(type(end)), assay.Run(folder):
        raise end
    assert read_journal(str(folder)).status == status


def test_a_run_is_used_inside_its_block(folder):
    run = assay.Run(folder)
    message = "must be used by the process that entered it, inside its block"
    with pytest.raises(InputError, match=message):
        run.log({"a": 1})
    with run:
        run.log({"a": 1})
    with pytest.raises(InputError, match=message):
        run.log({"a": 1})
    assert not os.path.exists(folder / "nothing")


def test_several_threads_log(folder, caplog):
    with assay.Run(folder) as run:

        def work(number):
            for step in range(200):
                run.log({f"a{number}": step, f"shared{step}": number}, step=step)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = values_of(folder)
    assert all(found[f"a{i}"] == [(s, s) for s in range(200)] for i in range(4))
    assert read_journal(str(folder)).written == 1600
    assert found.keys() == {*(f"a{i}" for i in range(4)), *(f"shared{i}" for i in range(200))}
    assert not caplog.messages
    times = [line["time"] for line in lines_of(folder) if line["kind"] == "points"]
    assert len(set(times)) == len(times)


# -- other ranks ---------------------------------------------------------------------------------


RANKS = [
    ({"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}, False),  # as Lightning starts it
    ({"NODE_RANK": "1"}, False),
    ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),
    ({"RANK": "0", "LOCAL_RANK": "1"}, True),  # as a launcher may number ranks
    ({"LOCAL_RANK": "-1"}, True),  # as scripts without torch.distributed have it
]


@pytest.mark.parametrize(("variables", "writes"), RANKS)
def test_which_rank_writes(folder, monkeypatch, variables, writes):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with assay.Run(folder) as run:
        run.log({"a": 1})
    assert folder.exists() is writes


def test_other_ranks_are_silent(folder, monkeypatch, capsys):
    with assay.Run(folder) as run:
        run.log({"f1": 0.9}, step=0)
    monkeypatch.setenv("RANK", "3")
    asked = []
    capsys.readouterr()
    with assay.Run(folder, resume=True, system=True, console=True, trackers=[print]) as run:
        for step, value in enumerate([0.5, 0.95], 1):
            run.log({"f1": value}, step=step)
            run.table([{"a": 1}], "t")
            run.artifact("/nowhere")
            asked.append(run.is_best("f1"))
        called = []
        run.save(lambda: called.append(1) or b"x")
    assert asked == [False, True]  # as on rank 0, which goes on from 0.9
    assert called == [1]
    assert values_of(folder) == {"f1": [(0, 0.9)]}
    assert sorted(os.listdir(folder)) == ["journal.jsonl", "lock"]
    assert capsys.readouterr() == ("", "")


# -- files ---------------------------------------------------------------------------------------


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


# -- callables -----------------------------------------------------------------------------------


def test_functions_are_told_in_order(folder):
    told = []
    with assay.Run(folder, trackers=[lambda values, step: told.append((values, step))]) as run:
        for step in range(50):
            run.log({"recall@10": step}, step=step, fold=1)
    assert told == [({"fold_1/recall_at_10": float(s)}, s) for s in range(50)]
    with assay.Run(folder, resume=True, trackers=[lambda v, step: told.append(step)]) as run:
        run.log({"a": 1}, step=99)
    assert told[50:] == [99]  # what was told before is not told again


def test_a_function_that_fails_warns_once_and_loses_nothing(folder, caplog, capsys, monkeypatch):
    monkeypatch.setattr("assay.run.feed.FIRST_DELAY_S", 0.05)
    failing = [True]
    told = []

    def logger(values, step):
        if failing[0]:
            raise OSError("no route to host")
        told.append(step)

    with assay.Run(folder, trackers=[logger]) as run:
        for step in range(20):
            run.log({"a": step}, step=step)
        deadline = threading.Event()
        while not caplog.messages and not deadline.wait(0.05):
            pass
        failing[0] = False
    assert sorted(set(told)) == list(range(20))
    (message,) = caplog.messages
    assert "logger: no route to host; the run goes on" in message
    assert f"waits in {folder}" in message


def test_a_function_that_never_works(folder, caplog, capsys, monkeypatch):
    monkeypatch.setattr("assay.run.feed.FIRST_DELAY_S", 0.05)

    def logger(values, step):
        raise OSError("gone")

    with assay.Run(folder, trackers=[logger]) as run:
        run.log({"a": 1}, step=0)
    assert "1 of 1 points are not sent (gone)" in capsys.readouterr().err
    with (
        pytest.raises(TrackerError),
        assay.Run(folder, resume=True, strict=True, trackers=[logger]) as run,
    ):
        run.log({"a": 1}, step=0)


def test_strict_raises_in_the_loop(folder, monkeypatch, capsys):
    monkeypatch.setattr(journal, "WATCH_S", 0.05)

    def logger(values, step):
        raise OSError("gone")

    with pytest.raises(TrackerError, match="logger: gone; the run goes on"):  # noqa: PT012, SIM117
        with assay.Run(folder, strict=True, trackers=[logger]) as run:
            for step in range(200):
                run.log({"a": 1}, step=step)
                threading.Event().wait(0.02)
    assert 0 < read_journal(str(folder)).written < 200


def test_what_is_no_tracker(folder):
    with pytest.raises(InputError) as caught:
        assay.Run(folder, trackers=["mlflow"])
    assert str(caught.value) == (
        "Run: trackers must be of assay.trackers, or functions of values and step, got 'mlflow'"
    )


# -- late values ---------------------------------------------------------------------------------


class OnDevice:
    """A tensor of a device: reading it takes until `ready` is set."""

    is_cuda = False
    size = ()

    def __init__(self, value, ready):
        self.value, self.ready, self.device = value, ready, torch.device("meta")

    def numel(self):
        return 1

    def detach(self):
        return self

    def reshape(self, shape):
        return self

    def clone(self):
        return OnDevice(self.value, self.ready)

    def item(self):
        assert self.ready.wait(20)
        return self.value


def test_a_value_on_a_device_is_not_waited_for(folder):
    ready = threading.Event()
    with assay.Run(folder) as run:
        tensor = OnDevice(0.5, ready)
        run.log({"loss": tensor, "lr": 1.0}, step=0)
        tensor.value = 99.0  # in place, after it was logged
        run.log({"other": 2.0}, step=0)
        assert [line["values"] for line in lines_of(folder) if line["kind"] == "points"] == [
            {"other": 2.0}
        ]
        ready.set()
        assert run.is_best("loss")
        assert run.best["loss"] == Best(0, 0.5)
    assert values_of(folder) == {"loss": [(0, 0.5)], "lr": [(0, 1)], "other": [(0, 2)]}


def test_of_a_late_value_and_a_repeated_step_the_later_call_counts(folder):
    ready = threading.Event()
    with assay.Run(folder) as run:
        run.log({"loss": OnDevice(1.0, ready)}, step=0)
        run.log({"loss": 2.0}, step=0)
        ready.set()
    assert values_of(folder) == {"loss": [(0, 2.0)]}


# -- system and console --------------------------------------------------------------------------


def test_the_system_is_sampled(folder, monkeypatch):
    monkeypatch.setattr(journal, "SYSTEM_S", 0.02)
    with assay.Run(folder, system=True):
        threading.Event().wait(0.3)
    found = values_of(folder)
    assert len(found["system/rss_bytes"]) >= 3
    if sys.platform == "linux":
        assert all(1e6 < value < 1e12 for _, value in found["system/rss_bytes"])
    assert [step for step, _ in found["system/cpu_percent"]] == list(
        range(len(found["system/cpu_percent"]))
    )


def test_a_table_grows_on_the_console(folder, capsys):
    with assay.Run(folder, console=True) as run:
        for epoch, f1 in enumerate([0.5, 0.75, 0.625]):
            run.log({"train_loss": 1 / (epoch + 1)}, step=epoch)
            run.log({"val_macro_f1": f1}, step=epoch)
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "  step  train_loss  val_macro_f1",
        "     0           1        0.5000  *",
        "     1      0.5000        0.7500  *",
        "     2      0.3333        0.6250",
        "best: step 1, val_macro_f1 0.7500",
    ]
    assert err == f"assay: exp: finished, 6 points in {folder}\n"


def test_the_journal_is_strict_json(folder):
    with assay.Run(folder, name='n"\n', tags={"ü": "\ud800"}) as run:
        run.log({"a": math.nan, "b": -math.inf, 'q"\\': 1.0}, step=0)

    def refuse(name):
        raise AssertionError(name)

    for line in (folder / "journal.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=refuse)
