"""Large corpora on a bad day: damaged files, a full disk, two processes, interruptions."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.cli import corpus as corpus_module
from assay.run import totals
from cli_kit import assay

SCORE = ("score", "transcripts")
FILES = 64


def rows(count, seed):
    rng = random.Random(seed)
    words = ["red", "green", "blue", "fish"]
    said = [" ".join(rng.choices(words, k=3)) for _ in range(count)]
    heard = [" ".join(rng.choices(words, k=3)) for _ in range(count)]
    return pa.table({"reference": said, "hypothesis": heard, "g": [f"s{i}" for i in range(count)]})


def jsonl(table):
    return "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode()


def value(done, name="wer"):
    (found,) = [s for s in json.loads(done.out)["scores"] if s["name"] == name]
    return found


# -- damaged files ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gzipped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gzipped")
    for number in range(FILES):
        with pa.CompressedOutputStream(str(folder / f"p{number:02}.jsonl.gz"), "gzip") as out:
            out.write(jsonl(rows(20, number)))
    bad = folder / "p37.jsonl.gz"
    bad.write_bytes(bad.read_bytes()[:-60])
    return folder


def test_a_gzip_that_is_cut_short_in_shard_37_of_64(gzipped, tmp_path):
    given = f"{gzipped}/*.gz"
    done = assay(*SCORE, given, "--work-dir", str(tmp_path / "w"))
    assert done.code == 2
    assert done.err.startswith(f"error: {gzipped}/p37.jsonl.gz: the file is cut short")
    skipped = assay(
        *SCORE, given, "--work-dir", str(tmp_path / "s"), "--on-error", "skip", "--json"
    )
    assert skipped.code == 0
    assert skipped.err.startswith(f"left out: {gzipped}/p37.jsonl.gz: the file is cut short")
    (lost,) = json.loads(skipped.out)["left_out"]["parts"]
    assert (lost["part"], lost["items"]) == (f"{gzipped}/p37.jsonl.gz", 0)
    others = [str(path) for path in sorted(gzipped.iterdir()) if "p37" not in path.name]
    assert value(skipped)["value"] == value(assay(*SCORE, *others, "--json"))["value"]
    assert value(skipped)["tags"] == {"left_out": "1 parts"}
    again = assay(*SCORE, given, "--on-error", "skip", "--json")
    assert (again.out, again.err) == (skipped.out, skipped.err)
    assert "left_out" in assay(*SCORE, given, "--on-error", "skip").out


def test_a_shard_with_a_damaged_file_is_merged_as_such(gzipped, tmp_path):
    given = (f"{gzipped}/*.gz", "--on-error", "skip")
    whole = assay(*SCORE, *given, "--json")
    files = [str(tmp_path / f"{number}.state") for number in (1, 2)]
    for number, file in enumerate(files, 1):
        assert assay(*SCORE, *given, "--shard", f"{number}/2", "--state-out", file).code == 0
    merged = assay("merge", *files, "--json")
    assert merged.out == whole.out
    assert merged.err == whole.err.replace("pairs", "items")


def test_a_corrupt_row_group_and_a_file_without_the_column(tmp_path):
    for number in range(4):
        pq.write_table(rows(300, number), tmp_path / f"{number}.parquet", row_group_size=100,
                       compression="none", use_dictionary=False)  # fmt: skip
    bad = tmp_path / "1.parquet"
    column = pq.ParquetFile(bad).metadata.row_group(1).column(0)
    data = bytearray(bad.read_bytes())
    at = column.data_page_offset
    data[at : at + 40] = b"\xff" * 40
    bad.write_bytes(data)
    pq.write_table(rows(300, 2).drop(["hypothesis"]), tmp_path / "2.parquet")
    (tmp_path / "3.parquet").write_bytes(b"PAR1 no more PAR1")
    given = f"{tmp_path}/*.parquet"
    assert assay(*SCORE, given).code == 2
    assert "2.parquet" in assay(*SCORE, given).err  # a look at the footers comes first
    skipped = assay(*SCORE, given, "--on-error", "skip", "--json")
    lines = skipped.err.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == [
        f"{bad}, row group 1", f"{tmp_path}/2.parquet", f"{tmp_path}/3.parquet"
    ]  # fmt: skip
    assert "it has 100 rows" in lines[0]
    assert "no column 'hypothesis'" in lines[1]
    assert value(skipped)["n"] == 500
    assert value(skipped)["tags"] == {"left_out": "3 parts"}


def test_rows_that_were_left_out_are_not_compared_by_number(gzipped, tmp_path):
    items = str(tmp_path / "i.parquet")
    given = (f"{gzipped}/*.gz", "--per-item", items, "--on-error", "skip")
    assert assay(*SCORE, *given).code == 0
    done = assay("compare", items, items, "--metric", "wer")
    assert done.code == 2
    assert "rows of the input were left out" in done.err


def test_an_empty_shard_and_a_list_that_matches_nothing(tmp_path):
    pq.write_table(rows(10, 0), tmp_path / "a.parquet")
    pq.write_table(rows(0, 0), tmp_path / "b.parquet")
    files = [str(tmp_path / f"{number}.state") for number in range(1, 6)]
    for number, file in enumerate(files, 1):
        asked = (f"{tmp_path}/*.parquet", "--shard", f"{number}/5", "--state-out", file)
        assert assay(*SCORE, *asked).code == 0
    whole = assay(*SCORE, f"{tmp_path}/*.parquet", "--json").out
    assert assay("merge", *files, "--json").out == whole
    done = assay(*SCORE, f"{tmp_path}/*.csv", "--work-dir", str(tmp_path / "w"))
    assert (
        done.err == f"error: {tmp_path}/*.csv: no file matches; check the folder and the pattern\n"
    )
    assert not (tmp_path / "w").exists()
    nothing = assay(*SCORE, str(tmp_path / "b.parquet"), "--work-dir", str(tmp_path / "w"))
    assert "no rows" in nothing.err


def test_a_pipe_cannot_be_cut(tmp_path):
    data = jsonl(rows(10, 0))
    done = assay(*SCORE, "-", "--format", "jsonl", "--work-dir", str(tmp_path / "w"), stdin=data)
    assert done.err.startswith("error: standard input: cannot be read again")


def test_ids_are_no_groups(tmp_path, monkeypatch):
    pq.write_table(rows(100, 0), tmp_path / "a.parquet", row_group_size=20)
    monkeypatch.setattr(totals, "GROUPS", 19)
    assert assay(*SCORE, f"{tmp_path}/a.parquet", "--by", "g").code == 2
    assert "more than 19 groups" in assay(*SCORE, f"{tmp_path}/a.parquet", "--by", "g").err
    monkeypatch.setattr(totals, "GROUPS", 100)
    assert assay(*SCORE, f"{tmp_path}/a.parquet", "--by", "g").code == 0


# -- processes -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "a.parquet"
    pq.write_table(rows(3000, 5), path, row_group_size=50)
    return path


def command(path, work, *more):
    return [sys.executable, "-m", "assay", *SCORE, str(path), "--work-dir", str(work), *more]


def test_a_folder_is_for_one_process_at_a_time(plain, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    work = tmp_path / "w"
    assert assay(*SCORE, str(plain), "--work-dir", str(work)).code == 0
    with open(work / "lock") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = assay(*SCORE, str(plain), "--work-dir", str(work))
        assert done.err == (
            f"error: --work-dir: {work} is in use by process {os.getpid()}; wait for it, or name "
            "another folder\n"
        )
    assert assay(*SCORE, str(plain), "--work-dir", str(work)).code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_full_disk(plain, tmp_path):
    """No file may grow beyond some bytes, which is what a full disk looks like."""
    whole = assay(*SCORE, str(plain), "--json").out
    work = tmp_path / "w"

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))

    done = subprocess.run(
        command(plain, work, "--json"), capture_output=True, check=False, preexec_fn=limited
    )
    assert done.returncode == 2
    assert b"cannot be written: File too large" in done.stderr
    assert not list(work.rglob("*.partial"))
    resumed = subprocess.run(command(plain, work, "--json"), capture_output=True, check=True)
    assert resumed.stdout.decode() == whole


def test_the_first_interruption_waits_and_the_second_does_not(capsys):
    before = signal.getsignal(signal.SIGINT)
    reached = []

    def once():
        with corpus_module._gently() as may_go_on:
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("the shard goes on")
            may_go_on()
            reached.append("never")

    def twice():
        with corpus_module._gently():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("once more")
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
            reached.append("never")

    with pytest.raises(KeyboardInterrupt):
        once()
    assert reached == ["the shard goes on"]
    assert "finishing this shard; Ctrl-C again stops at once" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        twice()
    assert reached[1:] == ["once more"]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_at_thirty_random_moments(plain, tmp_path):
    """By SIGKILL, as the kernel does when memory runs out, or by Ctrl-C; at moments drawn up to
    where half of the 60 shards are kept: on a busy machine the blow comes late."""
    whole = assay(*SCORE, str(plain), "--json").out
    rng = random.Random(5)
    interrupted = 0
    for moment in range(30):
        work = tmp_path / f"w{moment}"
        process = subprocess.Popen(
            command(plain, work, "--json"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        aim = rng.randint(0, 29)
        while process.poll() is None and len(list(Path(work, "shards").glob("*.state"))) < aim:
            time.sleep(0.001)
        number = signal.SIGINT if moment % 3 == 0 else signal.SIGKILL
        process.send_signal(number)
        process.communicate()
        interrupted += process.returncode != 0
        done = assay(*SCORE, str(plain), "--work-dir", str(work), "--json")
        assert (done.code, done.out) == (0, whole)
        assert not list(work.rglob("*.partial"))
    assert interrupted > 15
