"""`assay check`: what passes, what breaks, and what is refused."""

import json
import math

import pytest

import assay
from cli_kit import assay as command


@pytest.fixture
def run(tmp_path):
    """Make a run of {name: values of its steps}; its directory."""

    def make(name, values, **tags):
        with assay.Run(tmp_path / name, resume=True) as run:
            for metric, series in values.items():
                for step, value in enumerate(series):
                    run.log({metric: value}, step=step, **tags)
        return tmp_path / name

    return make


def check(*arguments):
    """Exit code, and the bounds as JSON has them."""
    done = command("check", *arguments, "--json")
    assert done.err == ""
    found = json.loads(done.out)
    assert found["ok"] == (done.code == 0) == all(bound["ok"] for bound in found["bounds"])
    assert done.code in (0, 1)
    return done.code, found["bounds"]


def test_the_best_value_is_held_against_the_bound(run):
    folder = run("a", {"val_macro_f1": [0.7, 0.82, 0.8], "val_loss": [0.5, 0.25], "lr": [3, 1]})
    assert check(folder, "--min", "val_macro_f1=0.82")[0] == 0
    assert check(folder, "--min", "val_macro_f1=0.8200001")[0] == 1
    assert check(folder, "--max", "val_loss=0.25", "--max", "lr=1")[0] == 0
    code, bounds = check(folder, "--max", "val_loss=0.2", "--min", "val_macro_f1=.5")
    assert code == 1
    assert [(b["metric"], b["bound"], b["value"], b["ok"], b["why"]) for b in bounds] == [
        ("val_macro_f1", "min", 0.82, True, ""),
        ("val_loss", "max", 0.25, False, "too high"),
    ]


@pytest.mark.parametrize(
    ("metric", "base", "value", "bound", "ok"),
    [
        ("wer", 0.1, 0.1005, "0.5%", True),  # exactly as much worse as it may be
        ("wer", 0.1, 0.1006, "0.5%", False),
        ("wer", 0.1, 0.05, "0%", True),  # better
        ("wer", 0.1, 0.105, "0.005", True),
        ("wer", 0.1, 0.1051, "0.005", False),
        ("accuracy", 0.9, 0.895, "0.005", True),  # 0.9 - 0.895 is more than 0.005 in floats
        ("accuracy", 0.9, 0.8949, "0.005", False),
        ("accuracy", 0.9, 0.8, "1e-1", True),
        ("accuracy", 0.9, 0.95, "0", True),
        ("total_loss", -2.0, -1.99, "0.5%", True),
        ("total_loss", -2.0, -1.98, "0.5%", False),
        ("wer", 0.0, 1e-9, "50%", False),
    ],
)
def test_a_drop_is_a_change_for_the_worse(run, metric, base, value, bound, ok):
    folders = run("new", {metric: [value]}), run("base", {metric: [base]})
    code, (found,) = check(folders[0], "--max-drop", f"{metric}={bound}", "--against", folders[1])
    assert (code, found["value"], found["base"]) == (int(not ok), value, base)
    drop = base - value if metric == "accuracy" else value - base
    assert found["worse_by"] == pytest.approx(drop, abs=1e-15)


@pytest.mark.parametrize(
    "series", [[math.nan], [0.9, math.nan], [math.inf], [0.9, -math.inf], [math.nan, math.inf]]
)
def test_what_is_no_number_never_passes(run, series):
    folder, base = run("a", {"accuracy": series, "lr": [math.nan]}), run("b", {"accuracy": [0.5]})
    for bound in ("--min", "accuracy=-99"), ("--max", "accuracy=99"), ("--min", "lr=-1"):
        code, (found,) = check(folder, *bound)
        assert (code, found["value"], found["why"]) == (1, None, f"no number in {folder}")
    for sides in (folder, base), (base, folder):
        code, (found,) = check(sides[0], "--max-drop", "accuracy=100%", "--against", sides[1])
        assert (code, found["worse_by"], found["why"]) == (1, None, f"no number in {folder}")


def test_a_nan_on_the_way_does_not_break(run):
    assert check(run("a", {"accuracy": [math.nan, 0.9, 0.8]}), "--min", "accuracy=0.9")[0] == 0


def test_folds_are_held_by_their_mean(run):
    for fold, value in (1, 0.6), (2, 0.7), (3, 0.8):
        folder = run("a", {"val_accuracy": [0.1, value]}, fold=fold, stage="kd")
    assert check(folder, "--min", "kd/val_accuracy=0.7")[0] == 0  # in floats the mean is less
    assert check(folder, "--min", "kd/fold_1/val_accuracy=0.6")[0] == 0
    done = command("check", folder, "--min", "kd/val_accuracy=0.71")
    assert done.code == 1
    assert "mean of 3 folds" in done.out
    run("a", {"val_f1": [0.9]}, fold=4, stage="kd")
    code, (found,) = check(folder, "--min", "kd/val_accuracy=0")
    assert (code, found["value"]) == (1, None)  # a fold without it


def test_the_table_has_every_bound(run):
    folder, base = run("a", {"accuracy": [0.9], "wer": [0.2]}), run("b", {"wer": [0.1]})
    done = command(
        "check", folder, "--min", "accuracy=0.8", "--max-drop", "wer=0.5%", "--against", base
    )
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0].split() == ["metric", "bound", "value", "base", "worse", "by", "state", "of"]
    assert lines[1].split() == ["accuracy", ">=", "0.8", "0.9000", "ok", "best", "step"]
    assert lines[2].split("  ")[0] == "wer"
    assert "worse by <= 0.5%" in lines[2]
    assert "broken: worse by more" in lines[2]
    assert lines[3] == "1 of 2 broken"
    assert command("check", folder, "--max", "wer=0.2").out.splitlines()[-1] == "all hold"


def test_a_run_that_failed_is_told(tmp_path):
    run = assay.Run(tmp_path).__enter__()
    run.log({"accuracy": 0.9})
    run.__exit__(ValueError, ValueError("no"), None)
    done = command("check", tmp_path, "--min", "accuracy=0.5")
    assert done.out.splitlines()[-1] == "all hold; the run is failed"


def test_names_as_they_were_logged(run):
    folder = run("a", {"recall@10": [0.9], "latency_ms/p50": [12.5]})
    assert check(folder, "--min", "recall@10=0.9", "--min", "recall_at_10=0.9")[0] == 0
    assert check(folder, "--max", "latency_ms/p50=12.5")[0] == 0


def refused(*arguments):
    done = command("check", *arguments)
    assert (done.code, done.out) == (2, "")
    return done.err.removeprefix("error: ").strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give at least one of --min, --max and --max-drop, as --min accuracy=0.9"),
        (["--min", "accuracy"], "--min must be a name and a number, as in val_macro_f1=0.82, got "),
        (["--min", "accuracy=nan"], "--min must be a name and a number"),
        (["--min", "accuracy=1%"], "--min must be a name and a number"),
        (["--max", "=1"], "--max must be a name and a number"),
        (["--max", "accuracy=1e999"], "--max must be a number that a float can hold, got 'accur"),
        (["--min", f"accuracy=1e{'9' * 30}"], "--min must be a number that a float can hold"),
        (["--max-drop", "wer=x"], "--max-drop must be a name and a number, as in wer=0.5%, got"),
        (["--max-drop", "wer=1"], "--max-drop needs the run to compare with: --against BASE"),
        (["--max-drop", "wer=-1"], "--max-drop must be at least 0, got 'wer=-1'"),
        (["--min", "acc=1"], "metric must be one that was logged, got 'acc'; there are accuracy"),
        (["--min", "accuracy=1", "--against", "x"], "--against needs --max-drop NAME=NUMBER"),
        (["--max-drop", "accuracy=1", "--against", "/none"], "/none/journal.jsonl: cannot be read"),
    ],
)
def test_refusals_say_how_to_mend_it(run, arguments, message):
    assert message in refused(run("a", {"accuracy": [0.9], "lr": [1.0]}), *arguments)


def test_what_cannot_be_compared_is_refused(run, tmp_path):
    folder = run("a", {"lr": [1.0], "wer": [0.5]})
    assert "nothing says whether 'lr' is better" in refused(
        folder, "--max-drop", "lr=1", "--against", folder
    )
    with assay.Run(tmp_path / "scored") as scored:
        scored.log(assay.count_words(["a b"], ["a c"]))
    assert "wer is defined otherwise in the two runs: '' in" in refused(
        folder, "--max-drop", "wer=1", "--against", tmp_path / "scored"
    )


def test_an_unknown_name_gets_those_that_end_in_it(run):
    folder = run("a", {"wer": [0.5], "val_macro_f1": [0.7]}, stage="kd")
    done = command("check", folder, "--min", "val_macro_f1=0.5")
    assert done.code == 2
    assert "got 'val_macro_f1'; there are kd/val_macro_f1\n" in done.err
    for i in range(30):
        run("b", {f"m{i}": [1.0]})
    done = command("check", folder.parent / "b", "--min", "wer=0.5")
    assert done.err.endswith("m18, m19 and 10 more\n")
