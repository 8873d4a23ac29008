"""Which part of LoRA and QLoRA matters? An ablation over spoken clips and their sentences.

Two towers and a fusion layer bring speech and sentences into one space. They are trained once, at
16 kHz, in float32. Then, for each combination of factors, the weights are frozen and quantised, and
adapters of low rank are trained beside one layer:

    rank, placement   of the adapters: beside the layer of the audio, of the text, or the fusion
    bits              4, 8, 16 or 32 of each frozen weight
    sampling_rate     16, 8 or 6 kHz: of the sound that was recognised
    words             the fraction of a clip's words that was heard

    python examples/audio_text_ablation.py

The 240 clips come with assay: sentences spoken by three synthetic voices, what a real recogniser
made of them at each rate, and vectors of a sentence encoder. A clip is transcribed as the sentence
nearest to it, so wer and cer depend on all factors; recogniser_wer is that of the words heard. Of
60 openings of sentences 36 are trained on and 24 tested on; endings are in both, nothing is chosen
on either. On a CPU memory is that of the whole process (memory_rss/…); model_size_mb tells more.

Needs: pip install 'assay[torch,mlflow,wandb,tensorboard,report]'
"""

import argparse
import copy
import dataclasses
import itertools
import json
import math
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, linear, normalize

import assay
from assay.metrics.explain_transcripts import explain_transcripts
from assay.report import render, summary
from assay.report.page import write_page
from assay.report.plot_ablation import Trend, ablation_trend
from assay.report.plot_pareto import Point, pareto_scatter
from assay.run.afterwards import keep
from assay.trackers.mlflow import MLflow
from assay.trackers.tensorboard import TensorBoard
from assay.trackers.wandb import WandB

CLIPS = Path(assay.demo.__file__).parent
PLACES = ("audio", "text", "fusion")
BITS = (4, 8, 16, 32)
RATES = {16000: "16k", 8000: "8k", 6000: "6k"}
WORDS = (1.0, 0.75, 0.5)  # fractions of a clip's first words that there are vectors of
BASE_EPOCHS = 20  # of the model that is adapted
WIDTH, JOINT, BLOCK, BATCH, TEMPERATURE = 256, 128, 64, 48, 0.05

TOLD = {"audio_to_text/map": "mAP, audio to text", "wer": "Word error rate"}  # that are drawn
COSTS = {"model_size_mb": "Size (MiB)", "latency_ms/p50": "Latency of a query (ms)"}
TIMED = ("latency_ms/p50", "latency_ms/p95", "throughput")  # no p95 of few runs
DIRECTIONS = ("audio_to_text", "text_to_audio")
RANKED = [f"{direction}/{name}" for direction in DIRECTIONS for name in ("map", "recall_at_1")]
METRICS = (*RANKED, "wer", "cer", *COSTS)
LIMITS = {"epochs": (1, 10_000), "latency_s": (0.01, 3600), "threads": (1, 1024)}
LIMITS |= {"seed": (0, 2**31)}


class Trial(NamedTuple):
    """A combination of the factors."""

    rank: int
    bits: int
    placement: str
    sampling_rate: int
    words: float

    @property
    def name(self) -> str:
        heard = f"{RATES[self.sampling_rate]}-{self.words:g}"
        return f"r{self.rank}-b{self.bits}-{self.placement}-{heard}"


class Clips:
    """Sentences, and what was heard of them; which clips are trained on, and which tested on."""

    def __init__(self, seed: int) -> None:
        with open(CLIPS / "clips.jsonl", encoding="utf-8") as lines:
            self.rows = [json.loads(line) for line in lines]
        openings = [" ".join(row["reference"].split()[:3]) for row in self.rows]
        _, opening = np.unique(openings, return_inverse=True)
        chosen = np.random.default_rng(seed).permutation(opening.max() + 1)[:36]
        self.train = np.flatnonzero(np.isin(opening, chosen))
        self.test = np.flatnonzero(~np.isin(opening, chosen))
        self.references = [self.rows[i]["reference"] for i in self.test]
        self.text = vectors("clips_text.npy")
        parts = dict(zip(RATES, vectors("clips_speech_part.npy"), strict=True))
        self.speech: dict[tuple[int, float], Tensor] = {}
        for rate, name in RATES.items():
            several = [vectors(f"clips_speech_{name}.npy"), *parts[rate]]
            self.speech |= {(rate, words): own for words, own in zip(WORDS, several, strict=True)}

    def heard(self, rate: int, words: float) -> list[str]:
        texts = [self.rows[i][f"hypothesis_{RATES[rate]}"].split() for i in self.test]
        return [" ".join(text[: math.ceil(words * len(text))]) for text in texts]


def vectors(name: str) -> Tensor:
    return torch.tensor(np.load(CLIPS / name).astype(np.float32))


class Adapted(nn.Module):
    """A frozen layer, and with a rank beside it two small matrices that are trained. Weights of 8
    and 4 bits are whole numbers, with a scale for each block of 64; those of 4 two to a byte."""

    def __init__(self, layer: nn.Linear, bits: int, rank: int) -> None:
        super().__init__()
        weight, self.bits, self.rank = layer.weight.detach(), bits, rank
        self.shape = weight.shape
        if bits < 16:
            blocks = weight.reshape(-1, BLOCK)
            scale = blocks.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
            self.register_buffer("scale", scale)
            weight = (blocks / scale).round().to(torch.int8)
        if bits == 4:
            halves = (weight + 8).to(torch.uint8)
            weight = halves[:, ::2] * 16 + halves[:, 1::2]
        self.register_buffer("weight", weight.half() if bits == 16 else weight)
        self.register_buffer("bias", layer.bias.detach())
        if rank:
            self.down = nn.Parameter(torch.randn(rank, self.shape[1]) / math.sqrt(self.shape[1]))
            self.up = nn.Parameter(torch.zeros(self.shape[0], rank))

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.weight
        if self.bits == 4:
            weight = torch.stack([weight // 16, weight % 16], -1).flatten(1).float() - 8
        if self.bits < 16:
            weight = (weight * self.scale).reshape(self.shape)
        y = linear(x, weight.float(), self.bias)
        return y + 2 * (x @ self.down.T) @ self.up.T if self.rank else y


class Towers(nn.Module):
    """Speech [n, 384] and sentences [m, 384] to similarities [n, m]."""

    def __init__(self) -> None:
        super().__init__()
        self.audio: nn.Module = nn.Linear(384, WIDTH)
        self.text: nn.Module = copy.deepcopy(self.audio)  # both begin as the same projection
        self.fusion: nn.Module = nn.Linear(WIDTH, JOINT)

    def embed(self, side: str, x: Tensor) -> Tensor:
        return normalize(self.fusion(gelu(getattr(self, side)(x))), dim=-1)

    def forward(self, audio: Tensor, text: Tensor) -> Tensor:
        return self.embed("audio", audio) @ self.embed("text", text).T

    def adapted(self, trial: Trial) -> "Towers":
        """A copy with frozen weights, and adapters where the trial has them."""
        own = copy.deepcopy(self)
        for name in PLACES:
            rank = trial.rank if name == trial.placement else 0
            setattr(own, name, Adapted(getattr(self, name), trial.bits, rank))
        return own


def train_epoch(model: Towers, optimizer: Any, audio: Tensor, text: Tensor) -> float:
    """One pass: clips and sentences of a batch must find one another; the mean loss."""
    losses = assay.Meter(assay.count_mean)
    for places in torch.randperm(len(audio)).split(BATCH):
        similar = model(audio[places], text[places]) / TEMPERATURE
        target = torch.arange(len(places), device=audio.device)
        loss = (cross_entropy(similar, target) + cross_entropy(similar.T, target)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.update(loss.detach(), float(len(places)))
    return losses.compute()["loss"]


class Ablation:
    """The trials, and the run that they are logged to."""

    def __init__(self, run: assay.Run, args: argparse.Namespace) -> None:
        self.run, self.args, self.clips = run, args, Clips(args.seed)
        self.tested: dict[Trial, dict[str, Any]] = {}  # metric: its state, its name there
        torch.manual_seed(args.seed)
        self.base = Towers().to(args.device)
        optimizer = torch.optim.AdamW(self.base.parameters(), lr=1e-3)
        audio, text = self.pairs(16000, 1.0, self.clips.train)
        for _ in range(BASE_EPOCHS):
            train_epoch(self.base, optimizer, audio, text)

    def pairs(self, rate: int, words: float, places: Any) -> tuple[Tensor, Tensor]:
        audio, text = self.clips.speech[rate, words], self.clips.text
        return audio[places].to(self.args.device), text[places].to(self.args.device)

    def one(self, trial: Trial) -> None:
        run, args, stage = self.run, self.args, trial.name
        run.log_params(trial._asdict(), stage=stage)
        audio, text = self.pairs(trial.sampling_rate, trial.words, self.clips.train)
        torch.manual_seed(args.seed)
        model = self.base.adapted(trial).to(args.device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        timer = assay.Timer()
        with assay.VramSampler(args.device, mode="train") as memory:
            for epoch in range(1, args.epochs + 1):
                with timer.epoch():
                    loss = train_epoch(model, optimizer, audio, text)
                values = {"train_loss": loss, "epoch_time_s": timer.epochs[-1].time_s}
                run.log(values, step=epoch, stage=stage)
        total_time_s = timer.total_time_s
        self.test(trial, model.eval(), epoch)
        run.log({"total_time_s": total_time_s}, step=epoch, stage=stage)
        run.log(memory.state.pick("peak_train_vram_gb"), step=epoch, stage=stage)

    @torch.inference_mode()
    def test(self, trial: Trial, model: Towers, step: int) -> None:
        audio, text = self.pairs(trial.sampling_rate, trial.words, self.clips.test)
        with assay.VramSampler(self.args.device) as memory:
            speech, sentences = model.embed("audio", audio), model.embed("text", text)
        options: Any = {"both_directions": True, "directions": DIRECTIONS}
        ranks = assay.count_ranks(speech, sentences, np.arange(len(audio)), **options)
        said = self.clips.references
        nearest = [said[row] for row in assay.topk(speech, sentences, 1).index[:, 0]]
        words = assay.count_words(said, nearest, items=True)
        self.tested[trial] = {
            "audio_to_text/map": (ranks, "map"),
            "text_to_audio/map": (ranks.reverse, "map"),
            "wer": (words, "wer"),
        }
        heard = self.clips.heard(trial.sampling_rate, trial.words)

        def query() -> Any:
            return (model.embed("audio", audio[:1]) @ sentences.T).argmax(1)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", assay.MeasurementWarning)  # short, as trials are many
            timed = assay.latency(query, precision=0.05, max_time_s=self.args.latency_s)
        scores = [
            *ranks.pick("map", "recall@1", "recall@5", "recall@10", "median_rank"),
            *words.pick("wer"), *assay.count_chars(said, nearest).pick("cer"),
            *assay.footprint(model).pick("model_size_mb", "trainable_params"),
            *(score for score in timed.scores() if score.name in TIMED),
            *assay.flops(model, (audio[:1], text)).pick("flops"),  # of a query, sentences embedded
            *memory.state.pick("inference_vram_gb"),
        ]  # fmt: skip
        self.run.log(scores, step=step, stage=trial.name)
        values = {
            "recogniser_wer": assay.wer(said, heard),
            "recogniser_cer": assay.cer(said, heard),
        }
        self.run.log(values, step=step, stage=trial.name)  # of the words heard

    def report(self, name: str) -> list[str]:
        """Tables and plots of what was logged, and the paths of the tables."""
        found = summary.ablation(self.run.directory, Trial._fields, METRICS)
        # Held against what hears most, with most bits and the lowest rank.
        base = min(self.tested, key=lambda t: (-t.words, -t.sampling_rate, -t.bits, t.rank))
        tables = found.tables(base._asdict(), (), self.significance(base))
        told = "p: of single clips in pairs, by permutation, corrected for all tests here (Holm)"
        tables["deltas"] = dataclasses.replace(tables["deltas"], note=told)
        for factor, (metric, told) in itertools.product(Trial._fields, TOLD.items()):
            lines = "words" if factor == "sampling_rate" else "sampling_rate"
            table, trends = found.pairwise(lines, factor), []
            place = table.columns.index(metric)
            for level, rows in itertools.groupby(table.rows, key=lambda row: row[0]):
                columns = [*zip(*rows, strict=True)]
                values = columns[1], columns[place], columns[place + 1]
                trends.append(Trend(f"{lines} {level:g}", *values))
            title = f"{told} by {factor}; bars: deviation over the other factors"
            picture = ablation_trend(trends, title, (factor, told))
            self.run.figure(picture, f"{metric.replace('/', '_')}_by_{factor}")
        for cost, unit in COSTS.items():
            key = f"front_{cost.partition('/')[0]}"
            tables[key] = front = found.front(["audio_to_text/map", cost])
            points = [Point(Trial(*levels).name, x, y) for *levels, y, x, _ in front.rows]
            title, names = f"Quality by {unit}", (unit, "mAP, audio to text")
            self.run.figure(pareto_scatter(points, title, names, ("lower", "higher")), key)
        render.to_console([tables[f"by_{factor}"] for factor in Trial._fields], render.console())
        return summary.write_tables(tables, name, self.args.output)

    def significance(self, base: Trial) -> dict[Any, dict[str, float]]:
        """p of single queries and clips in pairs, corrected for all that is compared (Holm)."""
        pairs = [(trial, metric) for trial, own in self.tested.items() for metric in own]
        pairs = [(trial, metric) for trial, metric in pairs if trial != base]
        compared = []
        # With fewer resamples the least p there is, corrected, would say nothing.
        how: Any = {"method": "permutation", "resamples": max(1000, 25 * len(pairs))}
        for trial, metric in pairs:
            (first, score), (second, _) = self.tested[base][metric], self.tested[trial][metric]
            compared.append(assay.compare(first, second, score, **how))
        found: dict[Any, dict[str, float]] = {}
        for (trial, metric), one in zip(pairs, assay.holm(compared), strict=True):
            found.setdefault(tuple(trial), {})[metric] = one.p_adjusted
        return found

    def page(self) -> str:
        """Everything as one page, with what was heard at the lowest rate."""
        trial = max(self.tested, key=lambda t: (t.words, -t.sampling_rate))
        heard = self.clips.heard(trial.sampling_rate, trial.words)
        voices = {"voice": [self.clips.rows[i]["voice"] for i in self.clips.test]}
        items = explain_transcripts(self.clips.references, heard, by=voices)
        explorers, folder = {f"Heard at {trial.sampling_rate:,} Hz": items}, self.run.directory
        return write_page(Path(folder, "report.html"), folder, explorers, metric="wer")


def main() -> None:
    args = arguments()
    name = args.name or f"ablation-{time.strftime('%Y%m%d-%H%M%S')}"
    output, directory = Path(args.output), Path(args.output, name)
    database = f"sqlite:///{(output / 'mlflow.db').resolve()}"
    trackers = [
        MLflow(database, experiment="audio_text_ablation"),
        WandB("audio_text_ablation", mode="offline", dir=output),
        TensorBoard(output / "tensorboard"),
    ]
    params = {key: value for key, value in vars(args).items() if key not in ("name", "output")}
    about = "A frozen, quantised model, and adapters that are trained, for each trial."
    params |= {"pipeline": "ablation", "pipeline_description": about}
    torch.set_num_threads(args.threads)
    factors = args.ranks, args.bits, args.placements, args.rates, args.words
    trials = [Trial(*levels) for levels in itertools.product(*map(dict.fromkeys, factors))]
    known: Any = {"name": name, "params": params, "trackers": trackers}
    with assay.Run(directory, **known, console=True, flush_s=120) as run:
        ablation = Ablation(run, args)
        for number, trial in enumerate(trials, 1):
            print(f"trial {number} of {len(trials)}: {trial.name}", flush=True)
            ablation.one(trial)
        paths = ablation.report(name)
        for path in paths:
            run.artifact(path)
    # The run is finished now, and its page says so; it and its trackers get the page all the same.
    page = ablation.page()
    keep(str(directory), page, "report.html")
    print("\nSent again, with the page; W&B's run has another folder now, which is named last:")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "assay", "resync", str(directory)], check=False)
    print("\n".join(["", *paths, page]))


def arguments() -> argparse.Namespace:
    form = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=form)
    add = parser.add_argument
    add("--ranks", type=int, nargs="+", default=[2, 8, 32], help="of adapters")
    add("--bits", type=int, nargs="+", choices=BITS, default=BITS, help="of a frozen weight")
    add("--placements", nargs="+", choices=PLACES, default=PLACES, help="of adapters")
    add("--rates", type=int, nargs="+", choices=[*RATES], default=[*RATES], help="in Hz")
    add("--words", type=float, nargs="+", choices=WORDS, default=WORDS, help="heard")
    add("--epochs", type=int, default=8, help="of each trial")
    add("--latency-s", type=float, default=0.2, help="seconds of timing a trial, at most")
    add("--threads", type=int, default=1, help="of torch; more gain little here")
    gpu = torch.cuda.is_available()
    add("--device", default="cuda" if gpu else "cpu", help="to run on")
    add("--seed", type=int, default=0, help="of the split, weights and shuffling")
    add("--output", default="outputs", help="where everything is written to")
    add("--name", help="of the run and its files; by default ablation and the time")
    add("--quick", action="store_true", help="16 trials of two epochs")
    args = parser.parse_args()
    if args.quick:
        parser.set_defaults(ranks=[2], bits=[4, 32], placements=["audio", "fusion"])
        parser.set_defaults(rates=[16000, 6000], words=[1.0, 0.5], epochs=2)
        args = parser.parse_args()  # what was asked for stays
    for option, (low, high) in LIMITS.items():
        value = getattr(args, option)
        if not low <= value <= high:
            name = option.replace("_", "-")
            parser.error(f"--{name} must be in {low:,}..{high:,}, got {value}")
    if min(args.ranks) < 1:
        parser.error(f"--ranks must be at least 1, got {min(args.ranks)}")
    if args.name and re.search(r"[/\\:]|^\.+$", args.name):
        parser.error(f"--name must be a part of a file's name, without slashes, got {args.name!r}")
    try:
        torch.zeros(1, device=args.device)
    except (RuntimeError, AssertionError) as error:
        parser.error(f"--device {args.device}: {str(error).splitlines()[0]}")
    return args


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; what was logged so far is kept")
    except assay.AssayError as error:
        sys.exit(f"error: {error}")
