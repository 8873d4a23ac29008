"""Run: what is logged is kept, what cannot be is refused, and a run goes on where it was left."""

import math
import os
import tempfile
import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay.core.errors import DataError, InputError
from assay.core.record import Best, read_journal
from run_kit import lines_of, values_of


@pytest.fixture(autouse=True)
def first_rank(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "exp"


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
