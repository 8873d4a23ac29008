"""Every score command in shards: labels and captions give what they give of the whole."""

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli_kit import assay

ROWS = 90
SHARDS = 4


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Files of labels with scores, and of captions, some rows each; one file without any row."""
    rng = random.Random(11)
    folder = tmp_path_factory.mktemp("corpus")
    words = ["a", "red", "dog", "runs", "over", "the", "green", "hill"]
    for number in range(5):
        rows = []
        for _ in range(ROWS * (number + 1) if number != 3 else 0):
            target, sure = rng.choice("01"), round(rng.random(), 3)
            said = rng.choices(words, k=rng.randint(4, 8))
            rows.append({
                "target": target, "prediction": target if sure > 0.3 else rng.choice("01"),
                "p": sure if target == "1" else 1 - sure, "w": float(rng.randint(1, 4)),
                "q": rng.random(), "site": rng.choice("xyz"),
                "references": [" ".join(said), " ".join(rng.choices(words, k=5))],
                "hypothesis": " ".join(w if rng.random() < 0.8 else rng.choice(words)
                                       for w in said),
            })  # fmt: skip
        schema = pa.schema(
            [(name, pa.string()) for name in ("target", "prediction")]
            + [(name, pa.float64()) for name in ("p", "w", "q")]
            + [("site", pa.string()), ("references", pa.list_(pa.string()))]
            + [("hypothesis", pa.string())]
        )
        table = pa.Table.from_pylist(rows, schema)
        pq.write_table(table, folder / f"part{number}.parquet", row_group_size=50)
    return folder


LABELS = ("labels", "--prediction", "prediction")
ASKED = {
    "predictions": (*LABELS, "--by", "site"),
    "scores": (*LABELS, "--score", "p", "--threshold-grid", "0.3:0.6:0.1", "--metric", "f1"),
    "weights": (*LABELS, "--score", "p", "--weights", "w", "--by", "site"),
    "classes": ("labels", "--score", "q,p", "--labels", "0,1", "--k", "1,2"),
    "captions": ("captions", "--metrics", "bleu,chrf++,rouge_l,ter,cider", "--by", "site"),
}


@pytest.fixture(params=ASKED, scope="module")
def asked(request, folder):
    return (ASKED[request.param][0], f"{folder}/*.parquet", *ASKED[request.param][1:])


@pytest.fixture(scope="module")
def whole(asked):
    done = assay("score", *asked, "--json")
    assert (done.code, done.err) == (0, "")
    return done.out


def test_shards_are_the_whole(asked, whole, tmp_path):
    files = [str(tmp_path / f"{number}.state") for number in range(1, SHARDS + 1)]
    for number, file in enumerate(files, 1):
        done = assay("score", *asked, "--shard", f"{number}/{SHARDS}", "--state-out", file)
        assert (done.code, done.err) == (0, "")
    merged = assay("merge", *files[::-1], "--json")
    assert (merged.code, merged.err, merged.out) == (0, "", whole)
    assert assay("merge", *files).out == assay("score", *asked).out


def test_a_work_folder_gives_the_whole(asked, whole, tmp_path):
    work = tmp_path / "work"
    assert assay("score", *asked, "--json", "--work-dir", str(work)).out == whole
    states = sorted(work.rglob("*.state"))
    assert len(states) > SHARDS
    for state in random.Random(2).sample(states, len(states) // 2):
        state.unlink()
    assert assay("score", *asked, "--json", "--work-dir", str(work)).out == whole


def test_items_of_shards_can_be_compared(asked, tmp_path):
    one, many = str(tmp_path / "one.parquet"), str(tmp_path / "items")
    assert assay("score", *asked, "--per-item", one).code == 0
    assert assay("score", *asked, "--per-item", many, "--work-dir", str(tmp_path / "w")).code == 0
    metric = "cider" if asked[0] == "captions" else "accuracy"
    done = assay("compare", one, many, "--metric", metric, "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["comparisons"][0]["delta"] == 0
    pieces = sorted(Path(many).iterdir())
    pieces[1].unlink()
    done = assay("compare", one, many, "--metric", metric)
    assert done.code == 2
    assert "of its shards missing" in done.err


def test_states_of_two_commands_do_not_add(folder, tmp_path):
    files = []
    for name in ("predictions", "captions"):
        files.append(str(tmp_path / f"{name}.state"))
        command, *options = ASKED[name]
        done = assay("score", command, f"{folder}/*.parquet", *options, "--state-out", files[-1])
        assert done.code == 0
    done = assay("merge", *files)
    assert "which was counted by score labels, now score captions" in done.err
    done = assay("score", *ASKED["scores"], f"{folder}/*.parquet", "--plots", str(tmp_path),
                 "--state-out", "x")  # fmt: skip
    assert done.err == "error: --plots goes with the count of all rows, not with --state-out\n"
