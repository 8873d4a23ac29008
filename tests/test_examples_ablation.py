"""The audio-text ablation, run as people run it: tables against the journal, and all trackers."""

import json
import math
import statistics
import sys
from pathlib import Path

import numpy as np
import pytest

from examples_kit import Journal, done, loaded, table
from test_trackers_files import events, rows
from trackers_kit import Database

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ablated(tmp_path_factory):
    pytest.importorskip("wandb")
    pytest.importorskip("tensorboard")
    folder = tmp_path_factory.mktemp("ablation")
    out, err = done("audio_text_ablation.py", folder, "--quick", "--name", "q", "--latency-s", "5")
    return folder / "outputs", Journal(folder / "outputs" / "q"), out, err


def test_tables_of_the_ablation_are_those_of_the_journal(ablated):
    output, journal, _, _ = ablated
    trials = {stage: own for stage, own in journal.params.items() if stage}
    assert len(trials) == 16
    names = {
        "audio_to_text/map": ("map", {"direction": "audio_to_text"}),
        "text_to_audio/recall_at_1": ("recall@1", {"direction": "text_to_audio"}),
        "wer": ("wer", {}), "cer": ("cer", {}), "model_size_mb": ("model_size_mb", {}),
        "latency_ms/p50": ("latency_ms/p50", {}),
    }  # fmt: skip

    def value(metric, stage):
        name, tags = names[metric]
        return journal.last(name, stage=stage, **tags)

    for factor in ("rank", "bits", "placement", "sampling_rate", "words"):
        for row in table(output / f"by_{factor}_q.csv"):
            own = [s for s, p in trials.items() if str(p[factor]) == row[factor] or
                   p[factor] == pytest.approx(_number(row[factor]))]  # fmt: skip
            assert int(row["n"]) == len(own)
            for metric in names:
                values = [value(metric, stage) for stage in own]
                assert float(row[metric]) == pytest.approx(statistics.mean(values))
                assert float(row[f"{metric} std"]) == pytest.approx(statistics.stdev(values))
    (base,) = [s for s in trials if s == "r2-b32-audio-16k-1"]
    for row in table(output / "deltas_q.csv"):
        heard = f"{int(row['sampling_rate']) // 1000}k-{float(row['words']):g}"
        stage = f"r{row['rank']}-b{row['bits']}-{row['placement']}-{heard}"
        assert float(row["wer"]) == value("wer", stage)
        delta = value("wer", stage) - value("wer", base)
        assert row["delta wer"] == "" or float(row["delta wer"]) == pytest.approx(delta)
        assert stage == base or 0 <= float(row["p wer"]) <= 1
    front = table(output / "front_model_size_mb_q.csv")
    points = [(float(row["audio_to_text/map"]), float(row["model_size_mb"])) for row in front]
    for row, (quality, size) in zip(front, points, strict=True):
        beaten = any(q >= quality and s <= size and (q, s) != (quality, size) for q, s in points)
        assert row["front"] == ("no" if beaten else "yes")
    for name in ("front_model_size_mb", "wer_by_bits", "audio_to_text_map_by_sampling_rate"):
        assert (output / "q" / "figures" / f"{name}.png").read_bytes()[1:4] == b"PNG"
    assert "<svg" in (output / "q" / "report.html").read_text()


def _number(text):
    try:
        return float(text)
    except ValueError:
        return math.nan


def test_every_trial_has_every_metric(ablated):
    _, journal, _, _ = ablated
    for stage in (stage for stage in journal.params if stage):
        for direction in ("audio_to_text", "text_to_audio"):
            recall = [
                journal.last(f"recall@{k}", stage=stage, direction=direction) for k in (1, 5, 10)
            ]
            assert sorted(recall) == recall
            assert 0 < recall[0] < 1
            assert recall[0] <= journal.last("map", stage=stage, direction=direction) <= 1
        for name in ("wer", "cer", "recogniser_wer", "recogniser_cer", "flops",
                     "trainable_params", "model_size_mb", "latency_ms/p50",
                     "throughput", "total_time_s"):  # fmt: skip
            assert journal.last(name, stage=stage) > 0
        for name in ("peak_train_vram_gb", "inference_vram_gb"):  # of the process, on a CPU
            assert journal.last(name, stage=stage, memory="rss") > 0
        assert [*journal.series("epoch_time_s", stage=stage)] == [1, 2]
        wide, narrow = (384, 256) if "audio" in stage else (256, 128)
        assert journal.last("trainable_params", stage=stage) == 2 * (wide + narrow)
    jiwer = pytest.importorskip("jiwer")
    clips = Path(sys.modules["assay"].__file__).parent / "demo" / "clips.jsonl"
    lines = [json.loads(line) for line in clips.read_text().splitlines()]
    openings = sorted({" ".join(line["reference"].split()[:3]) for line in lines})
    trained = {openings[i] for i in np.random.default_rng(0).permutation(60)[:36]}
    test = [c for c in lines if " ".join(c["reference"].split()[:3]) not in trained]
    assert len(test) == 96
    said, heard = [c["reference"] for c in test], [c["hypothesis_6k"] for c in test]
    for words, share in (("1", 1), ("0.5", 0.5)):
        parts = [text.split()[: math.ceil(share * len(text.split()))] for text in heard]
        for name, metric in (("wer", jiwer.wer), ("cer", jiwer.cer)):
            found = journal.last(f"recogniser_{name}", stage=f"r2-b4-audio-6k-{words}")
            assert found == pytest.approx(metric(said, [" ".join(part) for part in parts]))


def test_all_trackers_have_the_ablation(ablated):
    output, journal, _, _ = ablated
    stage, wanted = "r2-b4-fusion-6k-1", journal.last("wer", stage="r2-b4-fusion-6k-1")
    database = Database(output / "mlflow.db")
    runs = database.runs(journal.head["id"])
    assert len(runs) == 17
    params = {"rank": "2", "bits": "4", "placement": "fusion", "sampling_rate": "6000"}
    assert params.items() <= database.params(runs[stage]).items()
    assert database.params(runs[stage])["pipeline"] == "ablation"
    found = {key: value for key, _, value, *_ in database.points(runs[stage])}
    assert found["wer"] == wanted
    ((_, value),) = events(output / "tensorboard")[f"{stage}/wer", 2]
    assert value.simple_value == np.float32(wanted)
    history, config, code = rows(output / "wandb")
    assert [row[f"{stage}/wer"] for row in history if f"{stage}/wer" in row] == [wanted]
    assert code == 0
    assert config
    for name in ("by_bits_q.csv", "front_model_size_mb.png", "report.html"):
        assert [*(output / "mlartifacts").rglob(name)]


@pytest.mark.parametrize("bits", [4, 8, 16, 32])
def test_frozen_weights_are_near_and_as_small_as_they_say(bits, monkeypatch):
    pytest.importorskip("wandb")
    example = loaded("audio_text_ablation.py", monkeypatch)
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(384, 256), torch.randn(5, 384)
    own = example.Adapted(layer, bits, 4)
    with torch.inference_mode():
        error = (own(x) - layer(x)).abs().max()
        worst = {4: 0.4, 8: 0.03, 16: 2e-3, 32: 0}[bits]  # adapters begin as nothing
    assert float(error) <= worst
    assert own.weight.numel() * own.weight.element_size() == 384 * 256 * bits // 8
    assert [name for name, _ in own.named_parameters()] == ["down", "up"]


def test_vectors_of_parts_of_clips_are_shipped():
    from importlib import resources

    folder = resources.files("assay.demo")
    parts = np.load(folder / "clips_speech_part.npy").astype(np.float64)
    assert parts.shape == (3, 2, 240, 384)
    assert np.abs(np.linalg.norm(parts, axis=-1) - 1).max() < 1e-3
    for part, rate in zip(parts, ("16k", "8k", "6k"), strict=True):
        whole = np.load(folder / f"clips_speech_{rate}.npy").astype(np.float64)
        near = [(own * whole).sum(axis=1).mean() for own in part]
        assert 1 > near[0] > near[1] > 0.4  # three quarters of the words, then half
