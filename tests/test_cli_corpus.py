"""Large corpora on the command line: shards counted apart and merged, work that is gone on with."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assay.core.errors import StateFormatError
from assay.run.state_file import parse
from cli_kit import assay, records

ROWS = 60
FILES = 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder of files of unequal size; one is empty of errors, one has a pair without words."""
    rng = random.Random(7)
    folder = tmp_path_factory.mktemp("corpus")
    words = ["red", "green", "blue", "дом", "fish"]
    for number in range(FILES):
        lines = []
        for i in range(ROWS * (number + 1)):
            said = rng.choices(words, k=rng.randint(0 if number == 2 else 1, 6))
            heard = [word if rng.random() < 0.8 else rng.choice(words) for word in said]
            row = {"id": f"{number}-{i}", "reference": " ".join(said), "voice": rng.choice("ab"),
                   "hypothesis": " ".join(heard if number else said)}  # fmt: skip
            lines.append(json.dumps(row) + "\n")
        (folder / f"part{number}.jsonl").write_text("".join(lines))
    return folder


ASKED = ("--by", "voice", "--errors", "4")


def score(folder, *options):
    return assay("score", "transcripts", f"{folder}/*.jsonl", *ASKED, *options)


@pytest.fixture(scope="module")
def whole(corpus):
    done = score(corpus, "--json")
    assert (done.code, done.err) == (0, "")
    return done.out


def shards(corpus, folder, of):
    files = []
    for number in range(1, of + 1):
        files.append(str(folder / f"s{number}.state"))
        done = score(corpus, "--shard", f"{number}/{of}", "--state-out", files[-1])
        assert (done.code, done.err) == (0, "")
    return files


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_shards_of_any_number_in_any_order_are_the_whole(corpus, whole, tmp_path, of):
    files = shards(corpus, tmp_path, of)
    random.Random(of).shuffle(files)
    merged = assay("merge", *files, "--json")
    assert (merged.code, merged.err, merged.out) == (0, "", whole)


def test_what_cannot_be_merged(corpus, tmp_path):
    one, two, three = shards(corpus, tmp_path, 3)

    def refused(*files):
        done = assay("merge", *files)
        assert (done.code, done.out) == (2, "")
        return done.err.removeprefix("error: ").rstrip("\n")

    assert refused(three, one).startswith("shards 2/3 of 3 are missing; give their files too")
    assert (
        refused(one, two, one, three) == f"shard 1/3 is given twice, in {one} and {one}; give one"
    )
    other = str(tmp_path / "other.state")
    assert score(corpus, "--normalise", "basic", "--shard", "2/3", "--state-out", other).code == 0
    assert refused(one, other, three) == (
        f"{other}: cannot be added to {one}, which was counted with --normalise 'none', now 'basic'"
    )
    fewer = str(tmp_path / "fewer.state")
    asked = ("score", "transcripts", f"{corpus}/part[01].jsonl", *ASKED)
    assert assay(*asked, "--shard", "2/3", "--state-out", fewer).code == 0
    assert refused(one, fewer, three).endswith("is another one")
    of_two = str(tmp_path / "of_two.state")
    assert score(corpus, "--shard", "2/2", "--state-out", of_two).code == 0
    assert refused(one, of_two) == f"{of_two}: is shard 2/2, {one} is one of 3; count again"
    assert "no such file; check the path" in refused(str(tmp_path / "none.state"))
    assert "is no state file" in refused(str(corpus / "part0.jsonl"))


def test_missing_shards_that_are_allowed_stand_in_every_score(corpus, tmp_path):
    one, _, three = shards(corpus, tmp_path, 3)
    done = assay("merge", one, three, "--allow-missing", "--json")
    found = json.loads(done.out)
    assert {score["tags"]["left_out"] for score in found["scores"]} == {"1 of 3 shards"}
    assert found["left_out"] == {"parts": [], "shards": 1}
    assert "1 of 3 shards" in assay("merge", one, three, "--allow-missing").out


def test_every_damage_of_a_state_file_is_seen(corpus, tmp_path):
    (file,) = shards(corpus, tmp_path, 1)
    data = Path(file).read_bytes()
    for place in random.Random(1).sample(range(len(data)), 60):
        damaged = bytearray(data)
        damaged[place] ^= 1 << random.Random(place).randrange(8)
        with pytest.raises(StateFormatError):
            parse(bytes(damaged))
    for length in (0, 5, 40, len(data) - 1):
        with pytest.raises(StateFormatError):
            parse(data[:length])


def test_a_work_folder_goes_on_and_gives_the_same(corpus, whole, tmp_path):
    work = tmp_path / "work"
    assert score(corpus, "--work-dir", str(work), "--json").out == whole
    states = sorted((work / "shards").iterdir())
    assert len(states) == FILES
    kept = {path: path.stat().st_mtime_ns for path in states}
    states[1].unlink()  # was not finished
    states[3].write_bytes(states[3].read_bytes()[:-9])  # was half written
    assert score(corpus, "--work-dir", str(work), "--json").out == whole
    again = {path: path.stat().st_mtime_ns for path in states}
    assert [again[path] == kept[path] for path in states] == [True, False, True, False, True]


def test_a_work_folder_is_of_one_job(corpus, tmp_path):
    work = str(tmp_path / "work")
    own = tmp_path / "own.jsonl"
    own.write_text((corpus / "part1.jsonl").read_text())

    def run(*options):
        return assay("score", "transcripts", str(own), "--work-dir", work, *options)

    assert run().code == 0
    assert "was begun with --unit 'both', now 'word'" in run("--unit", "word").err
    own.write_text(own.read_text() + own.read_text())
    done = run()
    assert done.code == 2
    assert f"{own}: has changed since {work} was begun: size was" in done.err
    assert run("--force").code == 0
    assert len(records(own)) == 4 * ROWS
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.tex").write_text("precious")
    done = assay("score", "transcripts", str(own), "--work-dir", str(elsewhere), "--force")
    assert "has files of something else (thesis.tex)" in done.err
    assert (elsewhere / "thesis.tex").read_text() == "precious"


def test_items_of_shards_are_those_of_the_whole(corpus, tmp_path):
    one, folder = str(tmp_path / "one.parquet"), str(tmp_path / "items")
    assert score(corpus, "--per-item", one).code == 0
    assert score(corpus, "--per-item", folder, "--work-dir", str(tmp_path / "work")).code == 0
    assert len(os.listdir(folder)) == FILES
    rows = sum(len(pq.read_table(f"{folder}/{name}")) for name in os.listdir(folder))
    assert rows == len(pq.read_table(one))
    done = assay("compare", one, folder, "--metric", "wer", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["comparisons"][0]["delta"] == 0


def test_progress_as_lines_of_json(corpus):
    done = score(corpus, "--progress-json", "--json")
    last = json.loads(done.err.splitlines()[-1])
    items = sum(ROWS * (number + 1) for number in range(FILES))
    assert (last["items"], last["bytes"]) == (items, last["total_bytes"])
    assert last["values"]["wer"] == next(
        s["value"] for s in json.loads(done.out)["scores"] if s["name"] == "wer" and not s["tags"]
    )


def test_progress_counts_what_an_earlier_run_has_done(corpus, tmp_path):
    asked = ("--work-dir", str(tmp_path / "work"), "--progress-json", "--json")
    whole = json.loads(score(corpus, *asked).err.splitlines()[-1])
    (tmp_path / "work" / "shards" / "00002.state").unlink()
    last = json.loads(score(corpus, *asked).err.splitlines()[-1])
    for name in ("items", "bytes", "shards_done", "values"):
        assert last[name] == whole[name]
    assert 0 < last["items_per_s"] * last["elapsed_s"] < last["items"]


def test_options_that_do_not_fit(corpus):
    for options, told in (
        (("--shard", "4/3", "--state-out", "x"), "--shard must be as in 7/64"),
        (("--shard", "1/3"), "--shard goes with --state-out"),
        (("--force",), "--force goes with --work-dir"),
        (("--on-error", "ignore"), "--on-error must be one of stop, skip"),
    ):
        done = score(corpus, *options)
        assert done.code == 2
        assert told in done.err


def test_a_damaged_file_is_skipped_and_told(corpus, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text((corpus / "part1.jsonl").read_text())
    with open(tmp_path / "a.jsonl", "a") as file:
        file.write("{not json}\n")
    assert "a.jsonl: line 121" in assay("score", "transcripts", f"{tmp_path}/*.jsonl").err
    done = assay("score", "transcripts", f"{tmp_path}/*.jsonl", "--on-error", "skip", "--json")
    assert done.code == 0
    assert "left out: " in done.err
    assert "a.jsonl" in done.err
    found = json.loads(done.out)
    assert {score["tags"]["left_out"] for score in found["scores"]} == {"1 parts"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_at_random_moments_it_goes_on(corpus, whole, tmp_path):
    """The kernels are compiled, so a whole count takes about as long as Python's start."""
    work = str(tmp_path / "work")
    command = [sys.executable, "-m", "assay", "score", "transcripts", f"{corpus}/*.jsonl", *ASKED,
               "--work-dir", work, "--json"]  # fmt: skip
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    takes = time.monotonic() - began
    rng = random.Random(3)
    for number in range(12):
        process = subprocess.Popen(
            [*command, *(["--force"] if number % 4 == 0 else [])],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(rng.uniform(0.3, 1.0) * takes)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if number % 3 == 2:
            done = subprocess.run(command, capture_output=True, check=True)
            assert done.stdout.decode() == whole
