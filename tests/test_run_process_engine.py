"""The engine of processes: the digits of `local`, and a word where one is killed."""

import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import time
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.cli import engines
from assay.core.errors import DataError, ProgramError
from assay.run.frequencies import Frequencies
from assay.run.jobs import Job, cut, local
from assay.run.process_engine import processes
from cli_kit import assay
from test_run_ray_engine import Numbers, deadly, refusing
from waiting_kit import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setenv("ASSAY_THREADS", "2")


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    for number in range(4):
        said = [f"Mr. Smith's {i} colour's naïve" for i in range(20 * (number + 1))]
        heard = [text.upper() if i % 3 else "nothing" for i, text in enumerate(said)]
        pq.write_table(
            pa.table({"reference": said, "hypothesis": heard}), folder / f"{number}.parquet"
        )
    return ("score", "transcripts", f"{folder}/*.parquet", "--unit", "grapheme", "--json")


def test_counts_that_hold_the_lock_go_to_processes(pairs, monkeypatch, tmp_path):
    chosen.clear()
    monkeypatch.setitem(engines.ENGINES, "processes", "test_run_process_engine:noted")
    whole = assay(*pairs)
    assert (whole.code, chosen) == (0, [])  # too small to be worth it
    monkeypatch.setattr(engines, "LOCKED_BYTES", 1)
    assert assay(*pairs) == whole
    assert chosen == ["processes"]
    assert (
        assay(*pairs, "--work-dir", str(tmp_path / "w"), "--per-item", str(tmp_path / "i")) == whole
    )
    assert chosen == ["processes"] * 2
    assert assay(*pairs, "--per-item", str(tmp_path / "one")) == whole  # one file: by one process
    assert assay(*pairs, ASSAY_THREADS="1") == whole
    assert assay(*pairs, "--unit", "word").code == 0
    assert chosen == ["processes"] * 2


chosen: list[str] = []


def noted(*arguments):
    chosen.append("processes")
    return processes(*arguments)


def test_the_sum_is_that_of_threads(tmp_path):
    job = Job(Numbers(9), partial(deadly, folder=str(tmp_path), times=0))
    found = sorted(processes(job, cut(job.source.parts(), 4)), key=lambda done: done.shard)
    want = list(local(job, cut(job.source.parts(), 4)))
    assert [done.shard for done in found] == [done.shard for done in want]
    for ours, theirs in zip(found, want, strict=True):
        states = ours.total.states["words"], theirs.total.states["words"]
        assert states[0].to_bytes() == states[1].to_bytes()


def test_the_first_error_in_the_order_of_rows_is_raised():
    job = Job(Numbers(9), refusing)
    with pytest.raises(DataError, match=r"^0: 3 is not allowed$"):
        list(processes(job, cut(job.source.parts(), 9)))


def test_a_process_that_is_killed_is_told_and_the_rest_is_kept(tmp_path):
    (tmp_path / "deaths").mkdir()
    job = Job(Numbers(9), partial(deadly, folder=str(tmp_path / "deaths"), times=1))
    shards, found = cut(job.source.parts(), 9), []
    with pytest.raises(ProgramError, match=r"^shard .*6/9.* was killed.*--work-dir"):
        found += processes(job, shards)
    kept = [done.shard for done in found]
    found.extend(processes(job, [shard for shard in shards if shard not in kept]))
    assert sum(done.total.items for done in found) == 9


def test_frequencies_travel_also_those_on_disk():
    few = Frequencies(held=2)
    few.add({("word", f"дом\n{i}", ""): i + 1 for i in range(7)})
    assert few.database is not None
    assert list(pickle.loads(pickle.dumps(few)).rows()) == list(few.rows())
    assert not list(pickle.loads(pickle.dumps(Frequencies())).rows())


def test_whoever_drops_errors_closes_their_database() -> None:
    few = Frequencies(held=1)
    few.add({("all", str(n), "b"): 1 for n in range(3)})
    database, others = few.database, [few]
    del few
    other = threading.Thread(target=others.clear)
    other.start()
    other.join()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")


def test_processes_end_with_the_one_that_asked(tmp_path):
    """By SIGKILL, after which nobody tidies up."""
    code = f"""
import sys, time
from functools import partial
from assay.run.jobs import Job, cut
from assay.run.process_engine import processes
from test_run_process_engine import slow
from test_run_ray_engine import Numbers
if __name__ == "__main__":
    job = Job(Numbers(2), partial(slow, folder={str(tmp_path)!r}))
    list(processes(job, cut(job.source.parts(), 2)))
"""
    script = tmp_path / "main.py"
    script.write_text(code)
    own = dict(os.environ, PYTHONPATH=os.path.dirname(__file__))
    process = subprocess.Popen([sys.executable, str(script)], env=own, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(alive, tmp_path.glob("*.pid"))))


def slow(rows, folder):
    open(os.path.join(folder, f"{os.getpid()}.pid"), "w").close()
    time.sleep(600)


def alive(path):
    try:
        os.kill(int(path.stem), 0)
        with open(f"/proc/{path.stem}/stat") as file:
            return file.read().rsplit(")")[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
