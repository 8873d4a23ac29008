"""Stages of a pipeline: what their table and file say, recomputed from the journal."""

import csv
import json

import pytest

import assay
from assay.core.errors import DataError, InputError
from assay.report.summary import stages, write_stages

HEAD = "Stage,Accuracy,Macro F1,F1 (Hate),Size (MB),Speed (ms),Sparse,Device,Threads,Batch"
ON_CPU = {"device": "cpu", "threads": 2, "batch": 16}


def finals(accuracy, size, ms, **more):
    quality = {"accuracy": accuracy, "macro_f1": accuracy - 0.01, "f1": accuracy - 0.04}
    return {**quality, "size_mb": size, "ms_per_sample": ms, **more}


def pipeline(folder, quant=None, conditions=ON_CPU):
    """The four stages of the table in many a paper."""
    with assay.Run(folder) as run:
        for name, values in {
            "baseline": finals(0.852, 420.0, 12.5),
            "kd": finals(0.845, 260.0, 8.2),
            "prune": finals(0.840, 260.0, 8.2, sparsity=0.5),
            "quant": quant or finals(0.838, 65.25, 4.1, sparsity=0.02),
        }.items():
            run.log_params(ON_CPU if name != "quant" else conditions, stage=name)
            run.log(dict.fromkeys(values, 0.1), step=0, stage=name)  # the last one counts
            run.log(values, step=1, stage=name)
    return folder


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def of_journal(folder, stage):
    """{name: last value} of a stage, of nothing but the lines."""
    metrics, found = {}, {}
    with open(folder / "journal.jsonl", encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if line["kind"] == "metric":
                metrics[line["key"]] = line
            for key, value in line.get("values", {}).items():
                if metrics[key]["tags"] == {"stage": stage}:
                    found[metrics[key]["name"]] = value
    return found


def test_the_file_says_what_the_journal_says(tmp_path):
    folder = pipeline(tmp_path / "run")
    path = write_stages(folder, "exp", tmp_path / "outputs", "Hate")
    assert path == str(tmp_path / "outputs" / "pipeline_summary_exp.csv")
    rows = rows_of(path)
    deltas = ["Delta Accuracy", "p Accuracy", "Delta Macro F1", "p Macro F1", "Delta F1 (Hate)",
              "p F1 (Hate)", "Delta Size (MB)", "Delta Speed (ms)"]  # fmt: skip
    assert list(rows[0]) == HEAD.split(",") + deltas
    assert [row["Stage"] for row in rows] == ["Baseline", "Student (KD)", "Pruned", "Quantized"]
    names = {"Accuracy": "accuracy", "Macro F1": "macro_f1", "F1 (Hate)": "f1",
             "Size (MB)": "size_mb", "Speed (ms)": "ms_per_sample"}  # fmt: skip
    base = of_journal(folder, "baseline")
    for row, stage in zip(rows, ("baseline", "kd", "prune", "quant"), strict=True):
        own = of_journal(folder, stage)
        for head, name in names.items():
            assert float(row[head]) == own[name]
            told = row[f"Delta {head}"]
            assert told == "" if stage == "baseline" else float(told) == own[name] - base[name]
        assert row["Sparse"] == str(own.get("sparsity", ""))
        assert [row[name] for name in ("Device", "Threads", "Batch")] == ["cpu", "2", "16"]


def test_people_read_sparse_behind_a_size_and_programs_a_number(tmp_path):
    folder = pipeline(tmp_path / "run")
    table = stages(folder, "Hate")
    for text in (table.to_text(), table.to_markdown(), table.to_latex()):
        assert text.count("260 (sparse)") == 1
        assert "420" in text
        assert "65.2500 (sparse)" not in text  # a few zeros that quantising made
    assert "sparse" not in table.to_csv()
    assert [row[4] for row in json.loads(table.to_json())["rows"]] == [420, 260, 260, 65.25]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"device": "cuda"}, "it was timed with device cuda, Baseline with device cpu"),
        ({"threads": 4}, "it was timed with threads 4, Baseline with threads 2"),
        ({"batch": 1}, "it was timed with batch 1, Baseline with batch 16"),
        ({"device": None}, "it was timed with device unknown, Baseline with device cpu"),
    ],
)
def test_times_of_other_conditions_are_not_compared(tmp_path, changed, why):
    table = stages(pipeline(tmp_path / "run", conditions=ON_CPU | changed))
    assert [row[-1] is None for row in table.rows] == [True, False, False, True]
    assert f"Quantized: no Delta Speed, as {why}" in table.note
    assert r"\textbf{4.1000}" not in table.to_latex()
    assert table.rows[3][10] is not None  # the rest is


def test_a_baseline_timed_beside_the_stage_is_what_it_is_held_against(tmp_path):
    quant = finals(0.838, 65.0, 4.0, baseline_ms_per_sample=11.0)
    folder = pipeline(tmp_path / "run", quant, ON_CPU | {"device": "cuda"})
    table = stages(folder)
    assert table.rows[3][-1] == -7
    assert "Quantized: Delta Speed to the baseline's 11 ms, timed beside it" in table.note


def test_where_nothing_tells_the_device_there_is_no_delta_of_speed(tmp_path):
    with assay.Run(tmp_path, params={"batch": 64}) as run:  # of the training
        run.log(finals(0.8, 10.0, 2.0), stage="a")
        run.log(finals(0.7, 5.0, 1.0), stage="b")
    table = stages(tmp_path)
    assert [row[0] for row in table.rows] == ["a", "b"]
    assert table.rows[1][-2:] == [-5, None]
    assert table.rows[1][9] is None
    assert "device unknown, a with device unknown" in table.note


def test_a_latency_tells_its_own_conditions(tmp_path):
    with assay.Run(tmp_path, params={"device": "cuda", "batch": 999}) as run:
        for stage in "a", "b":
            found = assay.latency(sorted, [*range(20_000)], items=3, precision=0.9)
            run.log(found, stage=stage)
    table = stages(tmp_path)
    assert table.rows[0][9] == 3
    assert table.rows[0][7] not in (None, "cuda")
    assert table.rows[1][-1] == table.rows[1][5] - table.rows[0][5]


def test_quality_is_of_the_best_epoch_or_the_mean_of_folds(tmp_path):
    with assay.Run(tmp_path) as run:
        for fold, value in (1, 0.5), (2, 0.7):
            for step in 0, 1:
                own = {"val_macro_f1": value - step / 10, "val_accuracy": value + step / 10}
                run.log(own, step=step, fold=fold, stage="baseline")
            run.log({"size_mb": 100.0 * fold}, fold=fold, stage="baseline")
        for step, value in enumerate([0.5, 0.75, 0.25]):
            run.log({"val_macro_f1": value, "val_f1": step / 10}, step=step, stage="kd")
        run.log({"split_loss": 1.0}, stage="prune")
    table = stages(tmp_path)
    assert [row[1:5] for row in table.rows] == [
        [pytest.approx(0.6), pytest.approx(0.6), None, 150],
        [None, 0.75, 0.1, None],
        [None, None, None, None],
    ]


def test_significance_stands_beside_its_delta(tmp_path):
    folder = pipeline(tmp_path / "run")
    table = stages(folder, significance={"kd": {"accuracy": 0.03, "f1": 0.5}})
    assert [table.rows[1][place] for place in (11, 13, 15)] == [0.03, None, 0.5]
    with pytest.raises(
        InputError, match="significance must be of accuracy, macro_f1, f1, got 'auc'"
    ):
        stages(folder, significance={"kd": {"auc": 0.1}})
    with pytest.raises(InputError, match="significance must name a stage that was logged, got 'x'"):
        stages(folder, significance={"x": {}})


def test_another_baseline(tmp_path):
    table = stages(pipeline(tmp_path / "run"), baseline="kd")
    assert table.rows[1][10:] == [None] * 8
    assert table.rows[0][-1] == pytest.approx(4.3)
    with pytest.raises(
        InputError, match="baseline must name a stage that was logged, got 'x'; the"
    ):
        stages(tmp_path / "run", baseline="x")


def test_runs_that_are_a_stage_each(tmp_path):
    for name, value in ("baseline", 0.9), ("quant", 0.8):
        with assay.Run(tmp_path / name, params={"device": name}, tags={"stage": name}) as run:
            run.log(finals(value, 10.0, 1.0))
    both = [tmp_path / "baseline", tmp_path / "quant"]
    rows = stages(both).rows
    assert [(row[0], row[1], row[7]) for row in rows] == [
        ("Baseline", 0.9, "baseline"), ("Quantized", 0.8, "quant")
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"stage 'quant' has 'accuracy' twice, in .*quant and"):
        stages([*both, both[1]])


def test_stages_whose_titles_are_alike_and_hostile_text(tmp_path):
    names = ["baseline", "Baseline", "=HYPERLINK(1)", "<script>", "a & b_\\\n", "ছাঁটাই"]
    with assay.Run(tmp_path / "run") as run:
        for name in names:
            run.log(finals(0.5, 1.0, 1.0), stage=name)
            run.log_params({"device": "+cmd|x"}, stage=name)
    rows = rows_of(write_stages(tmp_path / "run", "x", tmp_path, "<i>"))
    assert [row["Stage"] for row in rows] == [names[0], names[1], "'" + names[2], *names[3:]]
    assert rows[0]["Device"] == "'+cmd|x"
    table = stages(tmp_path / "run", "<i>")
    assert "<script>" not in table.to_markdown()
    assert r"a \& b\_\textbackslash{}\textbackslash{}n" in table.to_latex()


def test_errors(tmp_path):
    with assay.Run(tmp_path / "a") as run:
        run.log({"accuracy": 0.5})
    with pytest.raises(
        InputError, match=r"nothing in .*a is of a stage; log it as run.log\(…, sta"
    ):
        stages(tmp_path / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_stages(pipeline(tmp_path / "b"), "x", tmp_path / "file" / "in")
