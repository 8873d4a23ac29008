"""A disk that fills up under a large job: a clear error, nothing half-written, the same digits."""

import json
import random
import resource
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli_kit import assay

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")

ROWS, GROUP = 3000, 500
SCORE = ("score", "transcripts")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    rng = random.Random(5)
    said = [" ".join(rng.choices(["red", "green", "blue", "fish"], k=4)) for _ in range(ROWS)]
    heard = [text.replace("red", rng.choice(["bed", "red"])) for text in said]
    path = tmp_path_factory.mktemp("pairs") / "a.parquet"
    pq.write_table(pa.table({"reference": said, "hypothesis": heard}), path, row_group_size=GROUP)
    return path


@pytest.fixture(scope="module")
def whole(pairs):
    return assay(*SCORE, str(pairs), "--json").out


def run(*arguments, most=None):
    """The command in a process of its own, no file of which may grow beyond `most` bytes: what it
    writes then fails as on a full disk."""

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    return subprocess.run(
        [sys.executable, "-m", "assay", *arguments], capture_output=True, check=False, text=True,
        preexec_fn=limited if most else None,
    )  # fmt: skip


def left(folder):
    """What stands in a folder, but for the lock."""
    return sorted(
        path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock"
    )  # fmt: skip


# The manifest has 800 bytes, a state 9 KB, the items of a shard 13 KB.
@pytest.mark.parametrize("most", [100, 5000])
def test_with_a_work_folder_and_items(pairs, whole, tmp_path, most):
    work, items, one = tmp_path / "w", tmp_path / "items", str(tmp_path / "one.parquet")
    asked = (*SCORE, str(pairs), "--work-dir", str(work), "--per-item", str(items), "--json")
    done = run(*asked, most=most)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path}")
    assert "cannot be written: " in done.stderr
    assert done.stderr.endswith("File too large\n")
    assert done.stderr.count("\n") == 1
    assert not [name for name in left(tmp_path) if ".partial" in name]
    resumed = run(*asked)
    assert (resumed.returncode, resumed.stdout) == (0, whole)
    assert assay(*SCORE, str(pairs), "--per-item", one).code == 0
    found = json.loads(assay("compare", one, str(items), "--metric", "wer", "--json").out)
    assert (found["comparisons"][0]["delta"], found["comparisons"][0]["n"]) == (0, ROWS)


@pytest.mark.parametrize("option", ["--state-out", "--per-item"])
def test_a_single_file(pairs, whole, tmp_path, option):
    file = tmp_path / "out"
    done = run(*SCORE, str(pairs), option, str(file), "--json", most=3000)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {file}: cannot be written: ")
    assert done.stderr.endswith("File too large\n")
    assert left(tmp_path) == []
    file.write_bytes(b"of yesterday")
    assert run(*SCORE, str(pairs), option, str(file), most=3000).returncode == 2
    assert file.read_bytes() == b"of yesterday"
    assert run(*SCORE, str(pairs), option, str(file)).returncode == 0
    if option == "--state-out":
        assert assay("merge", str(file), "--json").out == whole


def test_errors_that_do_not_fit_in_memory(tmp_path):
    """They go to a temporary database, which has no room either."""
    path = tmp_path / "a.jsonl"
    texts = "".join(
        json.dumps({"reference": f"r{i}", "hypothesis": f"h{i}"}) + "\n" for i in range(6000)
    )  # fmt: skip
    path.write_text(texts)
    program = (
        "import assay.run.frequencies as f, sys\n"
        "f.Frequencies.__init__.__defaults__ = (50,)\n"
        "f.CACHE_KIB = 1\n"
        "from assay.cli import main\n"
        f"sys.argv = ['assay', 'score', 'transcripts', {str(path)!r}, '--errors', '1']\n"
        "main()"
    )

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        preexec_fn=limited,
    )  # fmt: skip
    assert done.returncode == 2
    assert "errors that do not fit in memory cannot be written" in done.stderr
    assert "TMPDIR" in done.stderr
