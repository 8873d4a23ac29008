"""The pipeline that compresses a classifier, run as people run it; its files, its journal."""

import math
import signal
import statistics

import numpy as np
import pytest

from examples_kit import Journal, done, loaded, started, table
from trackers_kit import Database

torch = pytest.importorskip("torch")
metrics = pytest.importorskip("sklearn.metrics")
pytestmark = pytest.mark.slow

GRID = [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
FOLD = ["val_loss", "val_accuracy", "val_macro_f1", "val_f1", "val_roc_auc", "val_best_threshold"]
STAGE = ["Stage", "Accuracy", "Macro F1", "F1 (eight)", "Size (MB)", "Speed (ms)"]
STAGE += ["Sparse", "Device", "Threads", "Batch"]


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compress")
    out, err = done("compress_classifier.py", folder, "--quick", "--name", "q")
    return folder / "outputs", Journal(folder / "outputs" / "q"), out, err


def test_folds_are_those_of_the_journal(compressed):
    output, journal, _, _ = compressed
    found = table(output / "fold_summary_q.csv")
    assert list(found[0])[:8] == ["fold", "best_epoch", *FOLD]
    assert [row["fold"] for row in found] == ["1", "2"]
    for row in found:
        of = {"stage": "baseline", "fold": row["fold"]}
        series = journal.series("val_macro_f1", **of)
        assert [*series] == [1, 2, 3, 4]
        best = max(series, key=series.get)  # the first of equals
        assert int(row["best_epoch"]) == best
        for name in FOLD:
            assert float(row[name]) == journal.series(name, **of)[best]
        assert float(row["val_best_threshold"]) in GRID
    for row in table(output / "best_metrics_q.csv"):
        values = [float(fold[row["metric"]]) for fold in found]
        assert float(row["mean"]) == pytest.approx(statistics.mean(values), rel=1e-15)
        assert float(row["std"]) == pytest.approx(statistics.stdev(values), rel=1e-12)
        assert int(row["n"]) == 2


def test_the_best_model_gives_what_is_written_of_it(compressed, monkeypatch):
    output, _, _, _ = compressed
    example = loaded("compress_classifier.py", monkeypatch)
    best = max(table(output / "fold_summary_q.csv"), key=lambda row: float(row["val_macro_f1"]))
    kept = output / "q" / "models" / "baseline" / f"fold_{best['fold']}" / "best.pt"
    assert (output / "best_model_q.pt").read_bytes() == kept.read_bytes()
    model = example.perceptron(example.TEACHER)
    model.load_state_dict(torch.load(output / "best_model_q.pt"))
    development, test = example.load(0)
    folds = example.StratifiedKFold(2, shuffle=True, random_state=0)
    splits = [*folds.split(*development.tensors[:2])]
    _, unseen = splits[int(best["fold"]) - 1]
    assert not {*development.tensors[2].tolist()} & {*test.tensors[2].tolist()}
    x, y, _ = development[unseen]
    with torch.inference_mode():
        score = model(x).softmax(1)[:, 1].numpy()
    by_threshold = [metrics.f1_score(y, score >= t, average="macro") for t in GRID]
    # scikit-learn compares scores in their own type, and no score lies so near to a threshold.
    assert max(by_threshold) == pytest.approx(float(best["val_macro_f1"]), rel=1e-12)
    said = score >= float(best["val_best_threshold"])
    for name, value in {
        "val_macro_f1": metrics.f1_score(y, said, average="macro"),
        "val_f1": metrics.f1_score(y, said), "val_accuracy": metrics.accuracy_score(y, said),
        "val_roc_auc": metrics.roc_auc_score(y, score),
        "val_loss": metrics.log_loss(y, score.astype(np.float64)),
    }.items():  # fmt: skip
        assert float(best[name]) == pytest.approx(value, rel=1e-5)


def test_stages_are_those_of_the_journal(compressed):
    output, journal, _, _ = compressed
    found = table(output / "pipeline_summary_q.csv")
    assert [*found[0]][:10] == STAGE
    assert [row["Stage"] for row in found] == ["Baseline", "Student (KD)", "Pruned", "Quantized"]
    for row, stage in zip(found, ("baseline", "kd", "prune", "quant"), strict=True):
        for column, name in zip(
            STAGE[1:7],
            ("test_accuracy", "test_macro_f1", "test_f1", "size_mb", "ms_per_sample", "sparsity"),
            strict=True,
        ):
            assert float(row[column]) == journal.last(name, stage=stage)
        assert [row[name] for name in STAGE[7:]] == ["cpu", "1", "32"]
        conditions = {"device": "cpu", "threads": 1, "batch": 32}
        assert conditions.items() <= journal.params[stage].items()
        assert journal.last("throughput", stage=stage) > 0
        items = table(output / "q" / "tables" / stage / "test_images.csv")
        assert len(items) == 360
        target, score = ([float(item[name]) for item in items] for name in ("target", "score"))
        area = metrics.roc_auc_score(target, score)
        assert area == pytest.approx(journal.last("test_roc_auc", stage=stage), rel=1e-12)
        said = [value >= journal.last("test_threshold", stage=stage) for value in score]
        assert metrics.f1_score(target, said) == pytest.approx(float(row["F1 (eight)"]), rel=1e-12)
    for row, stage in zip(found[1:], ("kd", "prune", "quant"), strict=True):
        for column in ("Accuracy", "Macro F1", "F1 (eight)", "Size (MB)"):
            delta = float(row[column]) - float(found[0][column])
            assert float(row[f"Delta {column}"]) == pytest.approx(delta, abs=1e-15)
            assert column == "Size (MB)" or 0 <= float(row[f"p {column}"]) <= 1
        beside = journal.last("baseline_ms_per_sample", stage=stage)
        delta = journal.last("ms_per_sample", stage=stage) - beside
        assert float(row["Delta Speed (ms)"]) == pytest.approx(delta, rel=1e-9)


def test_distillation_pruning_and_quantisation_have_the_numbers_of_the_field(compressed):
    output, journal, _, _ = compressed
    losses = [
        [journal.series(f"{kind}_loss", **tags) for kind in ("soft", "hard", "total")]
        for tags in ({"stage": "kd"}, {"stage": "kd", "per": "step"})
    ]
    assert [len(soft) for soft, _, _ in losses] == [4, 4 * math.ceil(718 / 32)]
    for soft, hard, total in losses:
        assert total == pytest.approx({k: (soft[k] + hard[k]) / 2 for k in soft}, rel=1e-5)
    of_epoch = losses[1][0]
    sizes = [32] * 22 + [718 - 22 * 32]  # images in the batches of an epoch
    mean = sum(n * of_epoch[step] for step, n in enumerate(sizes)) / 718
    assert losses[0][0][1] == pytest.approx(mean, rel=1e-5)
    assert {"temperature": 2.0, "alpha": 0.5}.items() <= journal.params["kd"].items()
    for name in ("student_macro_f1", "teacher_macro_f1"):
        assert [*journal.series(name, stage="kd")] == [1, 2, 3, 4]
    teacher, student = (
        sum(a * b + b for a, b in zip((64, *w), (*w, 2), strict=True))
        for w in ((512, 512), (128, 64))
    )
    assert journal.last("teacher_params", stage="kd") == teacher
    assert journal.last("student_params", stage="kd") == student
    assert journal.last("compression_ratio", stage="kd") == teacher / student

    weights = torch.load(output / "q" / "models" / "prune" / "best.pt")
    zeros = sum(int((w == 0).sum()) for w in weights.values())
    assert journal.last("sparsity", stage="prune") == zeros / student
    for name in ("0.weight", "2.weight", "4.weight"):
        assert float((weights[name] == 0).float().mean()) == pytest.approx(0.5, abs=0.01)
    assert journal.params["prune"]["pruning_method"] in ("magnitude", "wanda")
    assert journal.params["prune"]["fine_tune_after_prune"] is True
    for method in ("magnitude", "wanda"):
        before, pruned, tuned, share = (
            journal.last(f"macro_f1_{what}", stage="prune", model=method)
            for what in ("before", "pruned", "fine_tuned", "recovery")
        )
        lost = before - pruned
        assert math.isnan(share) if not lost else share == pytest.approx((tuned - pruned) / lost)

    original, small, cut = (
        journal.last(name, stage="quant")
        for name in ("original_size_mb", "quantized_size_mb", "size_reduction_pct")
    )
    assert original == student * 4 / 2**20
    assert cut == pytest.approx(100 * (1 - small / original))
    assert 70 < cut < 75


def test_mlflow_has_it_all_and_the_last_lines_say_where(compressed):
    output, journal, out, err = compressed
    database = Database(output / "mlflow.db")
    runs = database.runs(journal.head["id"])
    assert runs.keys() == {"q", "baseline", "fold_1", "fold_2", "kd", "prune", "quant"}
    sentence = "Four stages: baseline training, knowledge distillation, pruning, then quantisation."
    for run in runs.values():
        params = database.params(run)
        assert params["pipeline"] == "baseline_kd_prune_quant"
        assert params["pipeline_description"] == sentence
        assert database.status(run) == "FINISHED"
    found = {(key, step): value for key, step, value, *_ in database.points(runs["fold_2"])}
    for name in FOLD:
        series = journal.series(name, stage="baseline", fold=2)
        assert {step: found[name, step] for step in series} == series
    sent = sum(len(database.points(run)) for run in runs.values())
    assert sent == sum(map(len, journal.points.values()))
    files = {path.name for path in (output / "mlartifacts").rglob("*") if path.is_file()}
    wanted = {"fold_summary_q.csv", "best_metrics_q.csv", "best_model_q.pt", "report.html"}
    assert wanted | {"pipeline_summary_q.csv"} <= files

    command = f"mlflow ui --backend-store-uri sqlite:///{output / 'mlflow.db'}"
    *_, check, where, pipeline, description = out.splitlines()
    assert check == f"Check the configuration: {command}"
    assert command in err
    assert where == "then open the run 'q', Parameters:"
    assert pipeline.split() == ["pipeline", "baseline_kd_prune_quant"]
    assert description.split(maxsplit=1) == ["pipeline_description", sentence]
    assert "where each fold takes what the others choose" in out
    pages = [output / "q" / "report.html", *(output / "mlartifacts").rglob("report.html")]
    assert len(pages) == 2
    for page in pages:
        assert '<p class="lead">finished · begun' in page.read_text()


def test_a_shorter_pipeline_and_pruning_without_fine_tuning(tmp_path):
    options = ("--quick", "--name", "short", "--epochs", "1", "--output", "here")
    done("compress_classifier.py", tmp_path, *options, "--pipeline", "baseline")
    assert Journal(tmp_path / "here" / "short").head["params"]["epochs"] == 1  # as was asked for
    (row,) = table(tmp_path / "here" / "pipeline_summary_short.csv")
    assert row["Stage"] == "Baseline"
    _out, err = done("compress_classifier.py", tmp_path, *options, code=1)
    run = tmp_path / "here" / "short"
    assert err.startswith(f"error: {run}: holds the run 'short' (finished) already")

    options = ("--quick", "--name", "kdp", "--pipeline", "baseline_kd_prune", "--output", "here")
    more = ("--no-fine-tune-after-prune", "--pruning-method", "wanda", "--sparsity", "0.75")
    done("compress_classifier.py", tmp_path, *options, *more)
    journal = Journal(tmp_path / "here" / "kdp")
    found = table(tmp_path / "here" / "pipeline_summary_kdp.csv")
    assert [row["Stage"] for row in found] == ["Baseline", "Student (KD)", "Pruned"]
    assert journal.params["prune"]["pruning_method"] == "wanda"
    assert journal.params["prune"]["fine_tune_after_prune"] is False
    weights = torch.load(tmp_path / "here" / "kdp" / "models" / "prune" / "best.pt")
    zeros = (weights["2.weight"] == 0).sum(dim=1)
    assert zeros.tolist() == [96] * 64  # Wanda takes as many of each output


def test_stopped_by_hand_it_keeps_what_was_logged(tmp_path):
    process = started("compress_classifier.py", tmp_path, "--name", "cut", "--epochs", "1000")
    for line in process.stdout:
        if "baseline/fold_1" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "stopped; what was logged so far is kept"
    journal = Journal(tmp_path / "outputs" / "cut")
    assert journal.end["status"] == "failed"
    assert 1 in journal.series("val_macro_f1", stage="baseline", fold=1)


@pytest.mark.parametrize("script", ["compress_classifier.py", "audio_text_ablation.py"])
def test_help_and_bad_options(script, tmp_path):
    out, _ = done(script, tmp_path, "--help")
    assert "--quick" in out
    assert "--output" in out
    _, err = done(script, tmp_path, "--seed", "x", code=2)
    assert "invalid int value: 'x'" in err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("script", "option", "value", "message"),
    [
        ("compress_classifier.py", "--folds", "1", "--folds must be in 2..100, got 1"),
        ("compress_classifier.py", "--epochs", "0", "--epochs must be in 1..10,000, got 0"),
        ("compress_classifier.py", "--alpha", "1.5", "--alpha must be in 0..1, got 1.5"),
        ("compress_classifier.py", "--latency-s", "nan", "--latency-s must be in 0.01..3,600"),
        ("compress_classifier.py", "--name", "a/b", "--name must be a part of a file's name, wi"),
        ("audio_text_ablation.py", "--epochs", "0", "--epochs must be in 1..10,000, got 0"),
        ("audio_text_ablation.py", "--ranks", "0", "--ranks must be at least 1, got 0"),
        ("audio_text_ablation.py", "--device", "abacus", "--device abacus: Expected one of cpu"),
        ("audio_text_ablation.py", "--name", "..", "--name must be a part of a file's name, with"),
    ],
)
def test_a_number_out_of_range_is_one_line(script, option, value, message, monkeypatch, capsys):
    for package in ("mlflow", "wandb", "tensorboard"):
        pytest.importorskip(package)
    example = loaded(script, monkeypatch)
    monkeypatch.setattr("sys.argv", [script, option, value])
    with pytest.raises(SystemExit) as ended:
        example.arguments()
    assert ended.value.code == 2
    assert f"{script}: error: {message}" in capsys.readouterr().err.splitlines()[-1]
