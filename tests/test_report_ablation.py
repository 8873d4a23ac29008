"""Ablations, Pareto fronts and tables of many runs, against plain loops and the journal's lines."""

import csv
import json
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay.core.errors import InputError
from assay.report.summary import ablation, pareto, runs, write_tables
from run_kit import END, HEAD, metric, points, write_journal


def grid(folder, ranks=(0, 4, 16), bits=(4, 32)):
    """A run for each rank and bit-width, and three folds in it."""
    rng = np.random.default_rng(3)
    folders = []
    for rank in ranks:
        for width in bits:
            folders.append(folder / f"{rank}-{width}")
            with assay.Run(folders[-1], params={"lora": {"rank": rank}, "bits": width}) as run:
                run.log({"peak_vram_gb": width / 4 + rank})
                for fold in range(3):
                    for step, wer in enumerate(rng.random(3).tolist()):
                        run.log({"wer": wer, "time_s": step}, step=step, fold=fold)
    return folders


def of_journals(folders):
    """{(rank, bits): best wer of each fold}, of nothing but lines."""
    found = {}
    for folder in folders:
        with open(folder / "journal.jsonl", encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        tags = {line["key"]: line["tags"] for line in lines if line["kind"] == "metric"}
        best = {}
        for line in lines:
            for key, value in line.get("values", {}).items():
                if key.endswith("/wer"):
                    fold = tags[key]["fold"]
                    best[fold] = min(value, best.get(fold, math.inf))
        key = lines[0]["params"]["lora.rank"], lines[0]["params"]["bits"]
        found[key] = list(best.values())
    return found


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files_say_what_the_journals_say(tmp_path):
    folders = grid(tmp_path)
    found = ablation(folders, ["lora.rank", "bits"], ["wer"])
    tables = found.tables({"lora.rank": 0, "bits": "32"})
    paths = write_tables(tables, "exp", tmp_path / "out")
    names = ["by_lora.rank", "by_bits", "by_lora.rank_bits", "configurations", "deltas"]
    assert paths == [str(tmp_path / "out" / f"{name}_exp.csv") for name in names]
    truth = of_journals(folders)
    for path, place, head in (paths[0], 0, "lora.rank"), (paths[1], 1, "bits"):
        rows = rows_of(path)
        levels = sorted({key[place] for key in truth})
        assert [row[head] for row in rows] == [str(level) for level in levels]
        for row, level in zip(rows, levels, strict=True):
            values = [v for key, own in truth.items() if key[place] == level for v in own]
            assert int(row["n"]) == len(values)
            assert float(row["wer"]) == pytest.approx(np.mean(values), rel=1e-14)
            assert float(row["wer std"]) == pytest.approx(np.std(values, ddof=1), rel=1e-14)
    pairs = {(int(row["lora.rank"]), int(row["bits"])): row for row in rows_of(paths[2])}
    deltas = {(int(row["lora.rank"]), int(row["bits"])): row for row in rows_of(paths[4])}
    assert list(pairs) == list(deltas) == sorted(truth)
    base = statistics.mean(truth[0, 32])
    for key, values in truth.items():
        assert float(pairs[key]["wer"]) == pytest.approx(np.mean(values), rel=1e-14)
        assert pairs[key]["n"] == "3"
        delta = deltas[key]["delta wer"]
        expected = statistics.mean(values) - base
        assert delta == "" if key == (0, 32) else float(delta) == pytest.approx(expected)


def test_the_first_metric_chooses_the_epoch_of_the_others(tmp_path):
    with assay.Run(tmp_path) as run:
        for rank in 8, 10, 9:
            for step, wer in enumerate([0.5, 0.25, 0.75]):
                run.log({"wer": wer, "epoch": step}, step=step, rank=rank, split="val")
            run.log({"total_s": 60.0}, step=99, rank=rank, split="val")
    found = ablation(tmp_path, ["rank"], ["val/wer", "val/epoch", "val/total_s"])
    assert [list(trial.values.values()) for trial in found.trials] == [[0.25, 1, 60]] * 3
    assert [row[0] for row in found.marginal("rank").rows] == [8, 9, 10]
    assert list(found.tables()) == ["by_rank"]


def test_a_trial_without_the_factor_is_shown(tmp_path):
    for name, params in ("a", {"rank": 8}), ("b", {}), ("c", {"rank": None}), ("d", {"rank": "x"}):
        with assay.Run(tmp_path / name, params=params) as run:
            run.log({"wer": 0.5})
    table = ablation([tmp_path / name for name in "abcd"], ["rank"], ["wer"]).marginal("rank")
    assert [(row[0], row[1]) for row in table.rows] == [(8, 1), ("(none)", 2), ("x", 1)]
    assert table.rows[0][2:] == [0.5, pytest.approx(math.nan, nan_ok=True)]
    assert "nan" not in table.to_text()
    assert table.to_csv().splitlines()[1] == "8,1,0.5,nan"


def test_levels_are_read_as_they_were_typed(tmp_path):
    rates = [0.75, 1e-05, 0.00012345, 0.00012346, 16000, 8.0]
    for number, rate in enumerate(rates):
        with assay.Run(tmp_path / str(number), params={"lr": rate}) as run:
            run.log({"wer": 0.5})
    folders = [tmp_path / str(number) for number in range(6)]
    shown = ["1e-05", "0.00012345", "0.00012346", "0.75", "8.0", "16,000"]
    found = ablation(folders, ["lr"], ["wer"])
    for table in found.tables({"lr": 8}).values():
        assert [line.split()[0] for line in table.to_text().splitlines()[2:8]] == shown
        assert [row[0] for row in table.rows] == sorted(rates)
        assert table.to_csv().splitlines()[2].startswith("0.00012345,")
        assert json.loads(table.to_json())["rows"][0][0] == 1e-05
    lines = runs(folders).to_text().splitlines()[2:]
    assert sorted(line.split()[2] for line in lines) == sorted(shown)


def test_an_unbalanced_table_says_so(tmp_path):
    folders = grid(tmp_path)[1:]
    found = ablation(folders, ["lora.rank", "bits"], ["wer"])
    assert (
        "not every lora.rank was tried with the same levels of bits"
        in found.marginal("lora.rank").note
    )
    assert ablation(folders, ["bits"], ["wer"]).marginal("bits").note == ""


def test_spread_stands_behind_the_mean_for_people_and_apart_for_programs(tmp_path):
    table = ablation(grid(tmp_path), ["bits"], ["wer"]).marginal("bits")
    mean, std = table.rows[0][2:]
    assert f"{mean:.4f} ± {std:.4f}" in table.to_text()
    assert f"{mean:.4f} ± {std:.4f}" in table.to_markdown()
    assert rf"{mean:.4f} $\pm$ {std:.4f}" in table.to_latex()
    assert table.to_csv().splitlines()[0] == "bits,n,wer,wer std"


def test_what_is_of_a_run_stands_beside_what_is_of_its_folds(tmp_path):
    table = ablation(
        grid(tmp_path), ["lora.rank", "bits"], ["wer", "peak_vram_gb"]
    ).configurations()
    assert {row[2] for row in table.rows} == {3}
    assert [row[5] for row in table.rows] == [1, 8, 5, 12, 17, 24]


def test_significance_and_its_errors(tmp_path):
    found = ablation(grid(tmp_path), ["lora.rank", "bits"], ["wer", "peak_vram_gb"])
    table = found.deltas({"lora.rank": 4, "bits": 4}, {(0, 4): {"wer": 0.01}})
    assert table.columns[3:] == ["wer", "delta wer", "p wer", "peak_vram_gb", "delta peak_vram_gb"]
    assert [row[5] for row in table.rows] == [0.01] + [None] * 5
    with pytest.raises(InputError, match=r"significance must be of combinations, as \(4, 4\), got"):
        found.deltas({"lora.rank": 4, "bits": 4}, {(1, 4): {"wer": 0.01}})
    with pytest.raises(
        InputError, match=r"single out one combination .* got bits=4, which is 3 of"
    ):
        found.deltas({"bits": 4})
    with pytest.raises(InputError, match=r"got bits=5, which is 0 of them"):
        found.deltas({"bits": 5})
    with pytest.raises(InputError, match=r"factor must be one of lora.rank, bits, got 'x'"):
        found.deltas({"x": 5})


def test_errors(tmp_path):
    folders = grid(tmp_path, ranks=(0,))
    with pytest.raises(
        InputError, match=r"factor 'rnk' is no tag and no parameter; there are bits"
    ):
        ablation(folders, ["rnk"], ["wer"])
    with pytest.raises(InputError, match=r"metric must be one that was logged, got 'cer'"):
        ablation(folders, ["bits"], ["cer"])
    for wrong in ([], "bits"):
        with pytest.raises(InputError, match="factors must be a list of names, got"):
            ablation(folders, wrong, ["wer"])


def test_factors_and_metrics_that_share_a_name(tmp_path):
    for value in 1, 2:
        with assay.Run(tmp_path / str(value), params={"n": value, "wer": value}) as run:
            run.log({"wer": value / 4, "wer std": 1.0})
    folders = [tmp_path / "1", tmp_path / "2"]
    for table in ablation(folders, ["n", "wer"], ["wer", "wer std"]).tables().values():
        assert len(set(table.columns)) == len(table.columns)
    assert ablation(folders, ["wer"], ["wer"]).marginal("wer").rows[1][:3] == [2, 1, 0.5]


def test_the_front_of_two_or_three(tmp_path):
    found = ablation(grid(tmp_path), ["lora.rank", "bits"], ["wer", "peak_vram_gb", "time_s"])
    table = found.front(["wer", "peak_vram_gb"])
    assert table.columns == ["lora.rank", "bits", "wer", "peak_vram_gb", "front"]
    for row in table.rows:
        beaten = any(
            other[2] <= row[2] and other[3] <= row[3] and other[2:4] != row[2:4]
            for other in table.rows
        )
        assert row[4] == ("no" if beaten else "yes")
    with pytest.raises(InputError, match="metrics must be two or three, got wer"):
        found.front(["wer"])
    with pytest.raises(InputError, match="must say which way is better, got 'x'; of those in the"):
        found.front(["wer", "x"])


# -- fronts ----------------------------------------------------------------------------------------


@given(
    st.integers(1, 3).flatmap(
        lambda k: st.tuples(
            st.lists(st.tuples(*[st.integers(0, 4) | st.just(math.nan)] * k), max_size=20),
            st.tuples(*[st.sampled_from(["higher", "lower"])] * k),
        )
    )
)
def test_front_is_what_nothing_beats(case):
    values, better = case

    def beats(a, b):
        gains = [
            x - y if way == "higher" else y - x for x, y, way in zip(a, b, better, strict=True)
        ]
        return min(gains) >= 0 and max(gains) > 0

    usable = [row for row in values if not any(map(math.isnan, row))]
    expected = [
        number
        for number, row in enumerate(values)
        if row in usable and not any(beats(other, row) for other in usable)
    ]
    assert pareto(values, better).tolist() == expected


def test_front_refuses_other_shapes():
    with pytest.raises(InputError, match=r"must be \[n, k\] with one better .* got \[2\] and 1"):
        pareto([1, 2], ["higher"])
    with pytest.raises(InputError, match=r"better\[0\] must be one of higher, lower, got 'up'"):
        pareto([[1]], ["up"])
    assert pareto([[math.inf, 0], [0, -math.inf]], ["higher", "lower"]).tolist() == [0, 1]


# -- many runs -------------------------------------------------------------------------------------


def journal(folder, number, steps=3, **tags):
    """A run by hand: hundreds of them take no time."""
    head = {**HEAD, "name": f"run {number}", "params": {"lr": 0.1, "seed": number}}
    lines = [points(step, 101.0 + step, f1=number / 1000 + step) for step in range(steps)]
    return write_journal(folder / str(number), head, metric("f1"), *lines, END)


def test_hundreds_of_runs(tmp_path):
    folders = [journal(tmp_path, number) for number in range(300)]
    table = runs(folders)
    assert table.columns == ["run", "status", "seed", "f1"]
    assert [tuple(row) for row in table.rows] == [
        (f"run {number}", "finished", number, number / 1000 + 2) for number in range(300)
    ]
    by_seed = ablation(folders, ["seed"], ["f1"]).marginal("seed")
    assert [row[0] for row in by_seed.rows] == list(range(300))


def test_one_run_and_runs_of_one_name(tmp_path):
    table = runs(journal(tmp_path, 1))
    assert (table.columns, table.rows) == (["run", "status", "f1"], [["run 1", "finished", 2.001]])
    again = journal(tmp_path / "again", 1)
    assert [row[0] for row in runs([tmp_path / "1", again]).rows] == [
        str(tmp_path / "1"), str(again)
    ]  # fmt: skip


def test_runs_show_what_is_asked_for(tmp_path):
    with assay.Run(tmp_path / "a", params={"f": [1, 2], "b": True}) as run:
        for step in range(3):
            run.log({"val_loss": step, "lr": 3 - step, "acc": math.nan})
    with assay.Run(tmp_path / "b") as run:
        run.log({"val_loss": 0.5})
    both = [tmp_path / "a", tmp_path / "b"]
    table = runs(both, ["lr", "val_loss"])
    assert table.columns == ["run", "status", "f", "b", "lr", "val_loss"]
    assert [row[4:] for row in table.rows] == [[1, 0], [None, 0.5]]
    with pytest.raises(InputError, match="runs: metric must be one that was logged, got 'x'"):
        runs(both, ["x"])


def test_parameters_of_stages_are_factors_and_each_stage_is_a_trial(tmp_path):
    with assay.Run(tmp_path, params={"lr": 0.1}) as run:
        for stage, rank, wer in (("a", 4, 0.5), ("b", 4, 0.25), ("c", 8, 0.125)):
            run.log_params({"rank": rank}, stage=stage)
            run.log({"wer": wer}, stage=stage)
    found = ablation(str(tmp_path), ["rank"], ["wer"])
    assert [(trial.levels, trial.values["wer"]) for trial in found.trials] == [
        ((4,), 0.5), ((4,), 0.25), ((8,), 0.125),
    ]  # fmt: skip
    assert [row[:3] for row in found.marginal("rank").rows] == [[4, 2, 0.375], [8, 1, 0.125]]
