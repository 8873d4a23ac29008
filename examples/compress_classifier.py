"""Compress a classifier in four stages, and have every number of it recorded.

    baseline   K folds of a multilayer perceptron; the best fold's model is the teacher
    kd         a smaller student learns from the teacher's probabilities and from the labels
    prune      half of its weights become zero, by magnitude and by Wanda, and are fine-tuned or
               not; the method that is better on the validation fold is kept
    quant      int8 weights (dynamic quantisation), timed and evaluated on the CPU, where int8 runs

    python examples/compress_classifier.py --pipeline baseline_kd_prune_quant

The task has two classes, and the positive one is rare: is a handwritten digit an eight? The 1,797
images (8 x 8 pixels) come with scikit-learn. Everything runs on the CPU.

What to believe: epochs and thresholds are chosen on the validation fold that val_… are measured on,
so those are too good; what the threshold of the other folds gives is printed too. Stages are
compared on a fifth of the images that nothing was chosen on (test_…).

Needs: pip install 'assay[torch,mlflow,report,demo]'
"""

import argparse
import copy
import dataclasses
import itertools
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax
from torch.nn.utils import prune
from torch.utils.data import DataLoader, TensorDataset

import assay
from assay.core.record import read_journal
from assay.metrics.explain_labels import explain_labels
from assay.report import render, summary
from assay.report.page import write_page
from assay.run.afterwards import keep
from assay.trackers.mlflow import MLflow

PIPELINES = ("baseline", "baseline_kd", "baseline_kd_prune", "baseline_kd_prune_quant")
POSITIVE = "eight"
THRESHOLDS = [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
TEACHER, STUDENT = (512, 512), (128, 64)  # widths of hidden layers
METHODS = {"magnitude": ["magnitude"], "wanda": ["wanda"], "both": ["magnitude", "wanda"]}
BATCH = 32
METRICS = ("accuracy", "macro_f1", "f1")
LIMITS = {"folds": (2, 100), "epochs": (1, 10_000), "fine_tune_epochs": (1, 10_000)}
LIMITS |= {"temperature": (0.01, 100), "alpha": (0, 1), "sparsity": (0, 1), "seed": (0, 2**31)}
LIMITS |= {"latency_s": (0.01, 3600), "threads": (1, 1024)}

Data = TensorDataset  # images [n, 64], whether each is an eight [n], its number in the data set [n]
Split = Sequence[Data]  # to train on, and to validate on


class Found(NamedTuple):
    """What a model gives on some data: loss, scores, a threshold, and the labels there."""

    loss: float
    sweep: Any
    threshold: float
    labels: Any

    def named(self, prefix: str) -> dict[str, float]:
        values = {name: self.labels[name] for name in METRICS}
        values |= {"loss": self.loss, "roc_auc": self.sweep.roc_auc}
        values["best_threshold"] = self.threshold
        return {prefix + name: value for name, value in values.items()}


def load(seed: int) -> tuple[Data, Data]:
    """Images to develop on, and a fifth of all to test on at the end."""
    digits = load_digits()
    images = torch.tensor(digits.data / 16.0, dtype=torch.float32)
    target, ids = torch.tensor(digits.target == 8).long(), torch.arange(len(images))
    own, test = train_test_split(ids, test_size=0.2, stratify=target, random_state=seed)
    return Data(images[own], target[own], own), Data(images[test], target[test], test)


def perceptron(hidden: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in zip((64, *hidden), hidden, strict=False):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], 2))


@torch.no_grad()
def mask(model: nn.Sequential, x: Tensor, method: str, share: float) -> None:
    """Set a share of each layer's weights to zero: those smallest in magnitude, or (Wanda, Sun et
    al. 2023) for each output those smallest in magnitude times the norm of their input."""
    for layer in model:
        if isinstance(layer, nn.Linear) and method == "magnitude":
            prune.l1_unstructured(layer, "weight", share)
        elif isinstance(layer, nn.Linear):
            worth = layer.weight.abs() * x.norm(dim=0)
            least = worth.topk(round(share * worth.shape[1]), largest=False).indices
            prune.custom_from_mask(layer, "weight", torch.ones_like(worth).scatter(1, least, 0))
        x = layer(x)


@torch.inference_mode()
def evaluate(model: nn.Module, data: Data, threshold: float | None = None) -> Found:
    """On data, at a threshold, or at the one of THRESHOLDS with the best macro F1 there."""
    model.eval()
    scores = assay.Meter(partial(assay.count_scores, items=True))  # items: to compare models by
    losses = assay.Meter(assay.count_mean)
    for x, y, ids in DataLoader(data, 256):
        logits = model(x)
        scores.update(y, logits.softmax(1)[:, 1], ids=ids)
        losses.update(cross_entropy(logits, y, reduction="none"))
    sweep: Any = scores.synced()
    if threshold is None:
        threshold = sweep.best_threshold("macro_f1", grid=THRESHOLDS).threshold
    return Found(losses.compute()["loss"], sweep, threshold, sweep.at(threshold))


class Pipeline:
    """The stages, one after another, and the run that they are logged to."""

    def __init__(self, run: assay.Run, args: argparse.Namespace) -> None:
        self.run, self.args, self.timer = run, args, assay.Timer()
        self.data, self.test = load(args.seed)
        self.tests: dict[str, Found] = {}  # what each stage's model gives on the test images
        self.kd = {"temperature": args.temperature, "alpha": args.alpha}
        self.count = partial(assay.count_distillation, **self.kd)

    def fit(
        self, model: nn.Module, split: Split, epochs: int, teacher: Any = None, /, **tags: Any
    ) -> Found:
        """Train; keep the epoch with the best macro F1 on val, and tell what that gives there."""
        train, val = split
        run, shuffle = self.run, torch.Generator().manual_seed(self.args.seed)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        best: Any = None
        weights, step = "", 0
        for epoch in range(1, epochs + 1):
            distilled = assay.Meter(self.count)
            with self.timer.epoch():
                model.train()
                for x, y, _ in DataLoader(train, BATCH, shuffle=True, generator=shuffle):
                    logits = model(x)
                    loss = cross_entropy(logits, y)
                    if teacher is not None:
                        guide = teacher(x)
                        losses = self.losses(logits, guide, loss)
                        loss = losses["total_loss"]
                        run.log(losses, step=step, per="step", **tags)
                        distilled.update(logits.detach(), guide, y)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    step += 1
                with self.timer.evaluation():
                    found = evaluate(model, val)
            time_s = {"epoch_time_s": self.timer.epochs[-1].time_s}
            run.log(found.named("val_") | time_s, step=epoch, **tags)
            if teacher is not None:
                run.log(distilled.synced().pick(*losses), step=epoch, **tags)  # over the epoch
                x, y, _ = val.tensors
                with torch.inference_mode():
                    both = self.count(model(x), teacher(x), y)
                compared = both.pick("student_macro_f1", "teacher_macro_f1")
                run.log(compared, step=epoch, **tags)
            if run.is_best("val_macro_f1", **tags):
                best, weights = found, run.save(model.state_dict, **tags)
        model.load_state_dict(torch.load(weights))
        return best  # type: ignore[no-any-return]

    def losses(self, student: Tensor, teacher: Tensor, hard: Tensor) -> dict[str, Tensor]:
        """As count_distillation has them, with gradients."""
        t, alpha = self.args.temperature, self.args.alpha
        soft, guide = log_softmax(student / t, 1), log_softmax(teacher / t, 1)
        soft_loss = t**2 * kl_div(soft, guide, reduction="batchmean", log_target=True)
        total = alpha * soft_loss + (1 - alpha) * hard
        return {"soft_loss": soft_loss, "hard_loss": hard, "total_loss": total}

    def finish(self, stage: str, model: nn.Module, found: Found, baseline: nn.Module) -> None:
        """Quality of a stage's model on the test images at the threshold that was found, its size,
        and its speed on the CPU in turns with the baseline's."""
        run, x = self.run, self.test.tensors[0][:BATCH]
        self.tests[stage] = evaluate(model, self.test, found.threshold)
        own, tested = self.tests[stage].sweep, self.tests[stage].named("test_")
        tested["test_threshold"] = tested.pop("test_best_threshold")  # it is not the best of these
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore", assay.MeasurementWarning)  # the interval tells as much
            options = {"items": len(x), "drift": False, "max_time_s": self.args.latency_s}
            timed = assay.latency_compare(baseline, model, x, **options)
        tested["size_mb"] = assay.footprint(model)["model_size_mb"]
        tested["baseline_ms_per_sample"] = timed.before["ms_per_sample"]
        run.log(tested, stage=stage)
        run.log(assay.footprint(model).pick("sparsity", "params"), stage=stage)
        run.log(timed.after.pick("ms_per_sample", "throughput"), stage=stage)
        run.log(timed.pick("speedup", "speedup_low", "speedup_high"), stage=stage)
        run.log(assay.flops(model, x).pick("flops"), stage=stage)
        conditions = {"device": "cpu", "threads": torch.get_num_threads(), "batch": len(x)}
        run.log_params(conditions, stage=stage)
        columns = {"id": "id", "target": "positive", "score": "score"}
        rows = {name: own.per_item(column).tolist() for name, column in columns.items()}
        run.table(rows, "test_images", stage=stage)

    def baseline(self) -> tuple[nn.Sequential, Split]:
        """The best fold's model, and the images that it saw and did not see."""
        args, tags = self.args, {"stage": "baseline"}
        folds = StratifiedKFold(args.folds, shuffle=True, random_state=args.seed)
        found, models, splits = {}, {}, {}
        with assay.VramSampler("cpu", mode="train") as memory:
            for fold, places in enumerate(folds.split(*self.data.tensors[:2]), 1):
                torch.manual_seed(args.seed + fold)
                models[fold] = perceptron(TEACHER)
                splits[fold] = [Data(*self.data[own]) for own in places]
                found[fold] = self.fit(models[fold], splits[fold], args.epochs, fold=fold, **tags)
        best = max(found, key=lambda fold: found[fold].labels["macro_f1"])
        teacher = models[best].eval().requires_grad_(False)
        self.finish("baseline", teacher, found[best], teacher)
        self.run.log(memory.state.pick("peak_train_vram_gb"), **tags)
        sweeps = {fold: own.sweep for fold, own in found.items()}
        chosen = assay.threshold_over_folds(sweeps, "macro_f1", grid=THRESHOLDS)["pooled"]
        self.run.log(chosen.scores(), **tags)
        self.told = (
            f"Threshold {chosen.threshold:g}, chosen on all folds: macro F1 {chosen.value:.4f} on "
            f"them, {chosen.held_out_mean:.4f} where each fold takes what the others choose"
        )
        return teacher, splits[best]

    def distil(self, teacher: nn.Module, split: Split) -> nn.Sequential:
        self.run.log_params(self.kd, stage="kd")
        torch.manual_seed(self.args.seed)
        student = perceptron(STUDENT)
        found = self.fit(student, split, self.args.epochs, teacher, stage="kd")
        names = "student_params", "teacher_params", "compression_ratio"
        self.run.log(assay.compare_footprint(teacher, student).pick(*names), stage="kd")
        self.finish("kd", student, found, teacher)
        return student

    def prune(self, teacher: nn.Module, split: Split, student: nn.Sequential) -> nn.Sequential:
        """The student with zeros; of several methods the better one on val."""
        args, (train, val) = self.args, split
        before = evaluate(student, val)
        tried: dict[str, tuple[Found, nn.Sequential]] = {}
        for method in METHODS[args.pruning_method]:
            model, tags = copy.deepcopy(student), {"stage": "prune", "model": method}
            mask(model, train.tensors[0], method, args.sparsity)
            pruned = found = evaluate(model, val)
            if args.fine_tune_after_prune:
                found = self.fit(model, split, args.fine_tune_epochs, teacher, **tags)
                three = before.labels, pruned.labels, found.labels
                self.run.log(assay.recovery(*three, "macro_f1"), **tags)
            else:
                self.run.log(pruned.named("val_"), **tags)
            for layer in model[::2]:
                prune.remove(layer, "weight")  # the zeros stay, the mask goes
            tried[method] = found, model
        kept = max(tried, key=lambda method: tried[method][0].labels["macro_f1"])
        found, model = tried[kept]
        params = {"pruning_method": kept, "fine_tune_after_prune": args.fine_tune_after_prune}
        self.run.log_params(params, stage="prune")
        self.run.save(model.state_dict, stage="prune")
        self.finish("prune", model, found, teacher)
        return model

    def quantise(self, teacher: nn.Module, split: Split, model: nn.Sequential) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces that it moves to another package
            int8 = torch.ao.quantization.quantize_dynamic(model.eval(), {nn.Linear}, torch.qint8)
        self.run.save(int8.state_dict, stage="quant")
        names = "original_size_mb", "quantized_size_mb", "size_reduction_pct"
        self.run.log(assay.compare_footprint(model, int8).pick(*names), stage="quant")
        self.finish("quant", int8, evaluate(int8, split[1]), teacher)

    def report(self, name: str) -> list[str]:
        """Print tables of what was logged, and write them; the paths."""
        base, directory, output = self.tests["baseline"], self.run.directory, self.args.output
        tests = [*itertools.product([*self.tests][1:], METRICS)]
        compared = [
            assay.compare(base.labels, self.tests[stage].labels, metric, method="permutation")
            for stage, metric in tests
        ]
        p_values: dict[str, dict[str, Any]] = {}
        for (stage, metric), one in zip(tests, assay.holm(compared), strict=True):
            p_values.setdefault(stage, {})[metric] = one.p_adjusted
        folds = summary.folds(directory, stage="baseline")
        how: Any = {"positive": POSITIVE, "significance": p_values}
        stages = summary.stages(directory, **how)
        if tests:
            told = f"p: of single images in pairs, corrected for {len(tests)} tests (Holm)"
            stages = dataclasses.replace(stages, note=f"{told}; {stages.note}")
        render.to_console([folds.table, folds.aggregate, stages], render.console())
        paths = summary.write_folds(directory, name, stage="baseline", directory=output)
        return [*paths, summary.write_stages(directory, name, output, **how)]


def main() -> None:
    args = arguments()
    name = args.name or f"{args.pipeline}-{time.strftime('%Y%m%d-%H%M%S')}"
    directory = Path(args.output, name)
    database = f"sqlite:///{Path(args.output, 'mlflow.db').resolve()}"
    torch.set_num_threads(args.threads)
    tracker = MLflow(database, experiment="compress_classifier")
    params = {key: value for key, value in vars(args).items() if key not in ("name", "output")}
    with assay.Run(directory, name=name, params=params, trackers=[tracker], console=True) as run:
        pipeline = Pipeline(run, args)
        teacher, split = pipeline.baseline()
        model = teacher
        if "kd" in args.pipeline:
            model = pipeline.distil(teacher, split)
        if "prune" in args.pipeline:
            model = pipeline.prune(teacher, split, model)
        if "quant" in args.pipeline:
            pipeline.quantise(teacher, split, model)
        run.log(pipeline.timer.state.total_scores())
        paths = pipeline.report(name)
        stage, last = [*pipeline.tests.items()][-1]
        target, score, ids = (last.sweep.per_item(column) for column in ("positive", "score", "id"))
        items = explain_labels(target, score=score, threshold=last.threshold, ids=ids)
        for path in paths:
            run.artifact(path)
    # The run is finished now, and its page says so; it and its trackers get the page all the same.
    shown = {f"Test images, {stage}": items}
    page = write_page(directory / "report.html", directory, shown, positive=POSITIVE)
    keep(str(directory), page, "report.html")
    print("\nSent again, with the page; W&B's run has another folder now, which is named last:")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "assay", "resync", str(directory)], check=False)
    print("\n".join(["", pipeline.told, "", *paths, page]))
    print(f"\nCheck the configuration: mlflow ui --backend-store-uri {database}")
    print(f"then open the run {name!r}, Parameters:")
    for key, value in read_journal(str(directory)).pipeline().items():
        print(f"  {key:20}  {value}")


def arguments() -> argparse.Namespace:
    form = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=form)
    add, yes_or_no = parser.add_argument, argparse.BooleanOptionalAction
    add("--pipeline", choices=PIPELINES, default=PIPELINES[-1], help="the stages that run")
    add("--output", default="outputs", help="where everything is written to")
    add("--name", help="of the run and its files; by default the pipeline and the time")
    add("--folds", type=int, default=5, help="of the cross-validation")
    add("--epochs", type=int, default=12, help="of each fold, and of the student")
    add("--temperature", type=float, default=2.0, help="that softens both models")
    add("--alpha", type=float, default=0.5, help="the share of the soft loss in the total")
    add("--pruning-method", choices=METHODS, default="both", help="both: the better")
    add("--sparsity", type=float, default=0.5, help="the share of weights that become zero")
    add("--fine-tune-after-prune", action=yes_or_no, default=True, help="train what is left")
    add("--fine-tune-epochs", type=int, default=4, help="after pruning")
    add("--latency-s", type=float, default=5.0, help="seconds of timing a stage, at most")
    add("--threads", type=int, default=1, help="of torch; more gain little here")
    add("--seed", type=int, default=0, help="of splits, weights and shuffling")
    add("--quick", action="store_true", help="two folds, four epochs, a second of timing")
    args = parser.parse_args()
    if args.quick:
        parser.set_defaults(folds=2, epochs=4, fine_tune_epochs=1, latency_s=1.0)
        args = parser.parse_args()  # what was asked for stays
    for option, (low, high) in LIMITS.items():
        value = getattr(args, option)
        if not low <= value <= high:
            name = option.replace("_", "-")
            parser.error(f"--{name} must be in {low:,}..{high:,}, got {value}")
    if args.name and re.search(r"[/\\:]|^\.+$", args.name):
        parser.error(f"--name must be a part of a file's name, without slashes, got {args.name!r}")
    return args


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; what was logged so far is kept")
    except assay.AssayError as error:
        sys.exit(f"error: {error}")
