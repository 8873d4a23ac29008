"""The Ray engine on a real cluster of two workers: the digits of `local`, whoever dies."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray as library

import assay as package
from assay.core.errors import DataError, InputError, MissingDependency, ProgramError
from assay.core.protocols import Batch, Part
from assay.metrics.words import count_words
from assay.run import ray_engine
from assay.run.jobs import Answer, Job, Shard, cut, local
from assay.run.ray_engine import ray
from assay.run.totals import Total
from cli_kit import ENTRY, assay
from waiting_kit import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Ray is of Linux and macOS")

FILES, ROWS = 6, 40


@pytest.fixture(scope="module", autouse=True)
def cluster():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")  # others' memory is no reason to kill
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        here = os.path.dirname(__file__)
        patch.setenv("PYTHONPATH", here)  # workers import this file
        # Ray takes our word for the GPUs
        library.init("local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
        yield
        library.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of unequal size with the columns of all three commands; one without any row."""
    rng = random.Random(3)
    folder = tmp_path_factory.mktemp("corpus")
    words = ["a", "red", "dog", "runs", "over", "the", "дом", "hill"]
    schema = pa.schema(
        [
            (name, pa.string())
            for name in ("reference", "hypothesis", "target", "prediction", "site")
        ]
        + [("p", pa.float64())]
    )
    for number in range(FILES):
        rows = []
        for _ in range(ROWS * (number + 1) if number != 2 else 0):
            said = rng.choices(words, k=rng.randint(1, 6))
            rows.append({
                "reference": " ".join(said), "target": rng.choice("01"), "p": rng.random(),
                "hypothesis": " ".join(w if rng.random() < 0.8 else "x" for w in said),
                "prediction": rng.choice("01"), "site": rng.choice("xyz"),
            })  # fmt: skip
        table = pa.Table.from_pylist(rows, schema)
        pq.write_table(table, folder / f"part{number}.parquet", row_group_size=30)
    return folder


ASKED = {
    "transcripts": ("--by", "site", "--errors", "3"),
    "labels": ("--prediction", "prediction", "--score", "p", "--by", "site"),
    "captions": ("--metrics", "bleu,chrf++,cider", "--by", "site"),
}


@pytest.mark.parametrize("command", ASKED)
def test_the_bytes_are_those_of_local(command, folder):
    asked = ("score", command, f"{folder}/*.parquet", *ASKED[command], "--json")
    local, far = assay(*asked), assay(*asked, "--engine", "ray")
    assert (far.code, far.err) == (0, "")
    assert far.out == local.out


def test_a_work_folder_goes_on_with_another_engine(folder, tmp_path):
    asked = ("score", "transcripts", f"{folder}/*.parquet", *ASKED["transcripts"], "--json")
    one = str(tmp_path / "one.parquet")
    whole = assay(*asked, "--per-item", one).out
    work, items = tmp_path / "work", tmp_path / "items"
    kept = (*asked, "--work-dir", str(work), "--per-item", str(items))
    assert assay(*kept, "--engine", "ray").out == whole
    states = sorted((work / "shards").iterdir())
    for state in states[::2]:
        state.unlink()
    times = {state: state.stat().st_mtime_ns for state in states[1::2]}
    stray = items / "00001-of-00020.parquet.x.partial"
    stray.write_bytes(b"half")
    for engine in ("ray", "local"):
        assert assay(*kept, "--engine", engine).out == whole
        assert {state: state.stat().st_mtime_ns for state in times} == times
        (work / "shards" / states[0].name).unlink()
    assert not list(items.glob("*.partial"))
    done = assay("compare", one, str(items), "--metric", "wer", "--json")
    assert json.loads(done.out)["comparisons"][0]["delta"] == 0


def test_progress_comes_from_the_workers(folder):
    asked = ("score", "transcripts", f"{folder}/*.parquet", "--json")
    near, far = (assay(*asked, "--progress-json", *more) for more in ((), ("--engine", "ray")))
    want, last = (json.loads(done.err.splitlines()[-1]) for done in (near, far))
    for name in ("items", "bytes", "total_bytes", "values"):
        assert last[name] == want[name]
    assert last["shards_done"] == last["shards"] > 1


def test_damage_is_told_as_local_tells_it(folder, tmp_path):
    for number in (1, 3, 4):
        table = pq.read_table(folder / f"part{number}.parquet").to_pylist()
        text = "".join(json.dumps(row) + "\n" for row in table)
        (tmp_path / f"{number}.jsonl").write_text(text + ("{not json}\n" if number > 1 else ""))
    asked = ("score", "transcripts", f"{tmp_path}/*.jsonl")
    stopped = assay(*asked, "--engine", "ray")
    assert (stopped.code, stopped.out, stopped.err) == (2, "", assay(*asked).err)
    assert "3.jsonl: line 161: not one JSON object" in stopped.err
    skip = (*asked, "--on-error", "skip", "--json")
    assert assay(*skip, "--engine", "ray")[:3] == assay(*skip)[:3]
    missing = (*asked, "--reference", "said")
    assert assay(*missing, "--engine", "ray").err == assay(*missing).err  # a MissingColumn


def test_options_that_do_not_fit(folder, tmp_path):
    asked = ("score", "transcripts", f"{folder}/*.parquet")
    far = ("--engine", "ray")
    for options, told in (
        (("--engine", "spark"), "--engine must be one of local, ray, got 'spark'"),
        (("--ray-address", "auto"), "--ray-address goes with --engine ray"),
        ((*far, "--shard", "1/2", "--state-out", "x"), "--shard is for schedulers that start"),
        (
            (*far, "--per-item", str(tmp_path / "x")),
            "--per-item with --engine ray needs --work-dir",
        ),
    ):
        done = assay(*asked, *options)
        assert done.code == 2
        assert told in done.err
    pipe = assay("score", "transcripts", "-", "--format", "jsonl", *far, stdin=b"{}")
    assert "standard input: only this process can read a pipe" in pipe.err


@pytest.mark.slow
def test_a_cluster_is_started_and_paths_are_those_of_the_caller(folder):
    asked = ["score", "transcripts", "*.parquet", "--json", "--engine"]
    near, far = (
        subprocess.run([*ENTRY, *asked, engine], cwd=folder, capture_output=True, check=True)
        for engine in ("local", "ray")
    )
    assert far.stdout == near.stdout
    assert b"ray" not in far.stderr.lower()


@pytest.mark.slow
def test_an_address_where_nobody_is(folder, monkeypatch):
    monkeypatch.setenv("RAY_gcs_rpc_server_connect_timeout_s", "1")
    monkeypatch.setenv("RAY_NUM_REDIS_GET_RETRIES", "1")
    asked = ["score", "transcripts", f"{folder}/*.parquet", "--engine", "ray"]
    done = subprocess.run(
        [*ENTRY, *asked, "--ray-address", "127.0.0.1:1"], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"error: --ray-address: no Ray cluster at '127.0.0.1:1': " in done.stderr


def test_without_ray_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependency, match=r"pip install 'assay\[ray\]'"):
        next(ray(None, []))


# -- what a cluster does ---------------------------------------------------------------------------


class Numbers:
    """A source of parts of one row: their number."""

    def __init__(self, parts):
        self.size = parts

    def parts(self):
        return [Part(i, f"part {i}", size=1) for i in range(self.size)]

    def batches(self, part):
        rows = pa.record_batch({"n": [part.index]})
        yield Batch(rows, 0, 1, "{}".format)


def deadly(rows, folder, times):
    """Counts a row; at row 5 the worker is killed the first `times` times."""
    (number,) = rows.column(0).to_pylist()
    if number == 5 and len(os.listdir(folder)) < times:
        open(os.path.join(folder, str(time.time_ns())), "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    words = ["a"] * (number + 1)
    return Answer(Total(1, {"words": count_words([" ".join(words)], ["a"])}), None, None)


@pytest.mark.parametrize("parts", [1, 2, 9, 70])
def test_a_tree_of_any_size_is_the_sum(parts, tmp_path):
    job = Job(Numbers(parts), partial(deadly, folder=str(tmp_path), times=0))
    shards = cut(job.source.parts(), parts)
    (done,), (want,) = ray(job, shards), local(job, cut(job.source.parts(), 1))
    assert done.total.items == want.total.items == parts
    assert done.total.states["words"].to_bytes() == want.total.states["words"].to_bytes()
    assert done.shard.width == parts


def test_a_worker_that_is_killed_changes_nothing(tmp_path):
    job = Job(Numbers(9), partial(deadly, folder=str(tmp_path), times=2))
    (done,) = ray(job, cut(job.source.parts(), 9))
    assert len(os.listdir(tmp_path)) == 2
    assert (done.total.items, done.total.states["words"].reference_units) == (9, 45)


def test_workers_that_are_killed_again_and_again_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "RETRIES", 1)
    job = Job(Numbers(9), partial(deadly, folder=str(tmp_path), times=100))
    with pytest.raises(ProgramError, match=r"^shard 6/9: Ray gave up: .*--work-dir"):
        list(ray(job, cut(job.source.parts(), 9)))
    assert len(os.listdir(tmp_path)) == 2


def seen_gpu(rows, folder, deadly_at=None):
    """Counts a row, and notes who did and which GPUs it was given."""
    (number,) = rows.column(0).to_pylist()
    with open(os.path.join(folder, f"{number}-{time.time_ns()}"), "w") as file:
        file.write(f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}")
    if number == deadly_at and len([n for n in os.listdir(folder) if n.startswith("5-")]) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return Answer(Total(1, {"words": count_words(["a " * number + "b"], ["a"])}), None, None)


@pytest.mark.parametrize("deadly_at", [None, 5])
def test_gpus_are_held_by_actors(tmp_path, deadly_at):
    count = partial(seen_gpu, folder=str(tmp_path), deadly_at=deadly_at)
    job = Job(Numbers(9), count, gpu=True)
    (done,) = ray(job, cut(job.source.parts(), 9))
    assert (done.total.items, done.total.states["words"].reference_units) == (9, 45)
    seen = [path.read_text().split() for path in tmp_path.iterdir()]
    rows = Counter(int(path.name.partition("-")[0]) for path in tmp_path.iterdir())
    assert rows.keys() == {*range(9)}
    if deadly_at is None:
        assert rows.total() == 9
    else:  # the answer to another row may have died with it
        assert rows[deadly_at] == 2
        assert rows.total() <= 11
    assert {gpu for _, gpu in seen} == {"0", "1"}
    assert len({process for process, _ in seen}) == 2 + (deadly_at is not None)
    wait_until(lambda: library.available_resources().get("GPU") == 2)  # given back
    for path in tmp_path.iterdir():
        path.unlink()
    list(ray(Job(Numbers(2), count), cut(Numbers(2).parts(), 2)))  # what no GPU is faster at
    assert {path.read_text().split()[1] for path in tmp_path.iterdir()} <= {"", "None"}


def test_an_error_of_an_actor_is_that_of_a_task():
    job = Job(Numbers(9), refusing, gpu=True)
    with pytest.raises(DataError, match=r"^0: 3 is not allowed$"):
        list(ray(job, cut(job.source.parts(), 9)))


def refusing(rows):
    (number,) = rows.column(0).to_pylist()
    if number in (3, 5):
        time.sleep(0.3 * (number == 3))
        raise InputError("no", row=0, about=f"{number} is not allowed")
    return Answer(Total(1, {}), None, None)


def test_the_first_error_in_the_order_of_rows_is_raised():
    job = Job(Numbers(9), refusing)
    with pytest.raises(DataError, match=r"^0: 3 is not allowed$"):
        list(ray(job, cut(job.source.parts(), 9)))


def test_few_tasks_are_handed_out_at_a_time(tmp_path):
    tasks = ray_engine._Tasks(library, Job(Numbers(50), refusing), cut(Numbers(50).parts(), 50))
    sent = [library.put(tasks.job)], str(tmp_path)
    tasks._hand_out(sent)
    assert (len(tasks.flying), len(tasks.todo)) == (4, 46)
    tasks._hand_out(sent)
    assert len(tasks.flying) == 4
    for task in tasks.flying:
        library.cancel(task, force=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own use of itself
def test_a_dataset_is_a_source():
    table = pa.table({"said": ["a b", "c", "d e f"] * 20, "heard": ["a", "c", "d f"] * 20})
    dataset = library.data.from_arrow([table.slice(0, 7), table.slice(7, 40), table.slice(47)])
    source = package.read(dataset, ["said", "heard"])
    assert pa.Table.from_batches(source).equals(table)
    job = Job(source, words_of)
    shards = cut(source.parts(), 3)
    (near,), (far,) = local(job, cut(source.parts(), 1)), ray(job, shards)
    assert near.total.items == far.total.items == 60
    assert near.total.states["words"].to_bytes() == far.total.states["words"].to_bytes()
    with pytest.raises(DataError, match=r"block 1: no column 'sad'; .* did you mean 'said'"):
        list(package.read(dataset, ["sad", "heard"]))
    with pytest.raises(InputError, match="key and format belong to files"):
        package.read(dataset, key="said")


def words_of(rows):
    state = count_words(*rows.columns)
    return Answer(Total(state.pairs, {"words": state}), None, None)


def test_a_cluster_of_the_caller_stays():
    list(ray(Job(Numbers(1), refusing), [Shard(1, 1, 0, 1)]))
    assert library.is_initialized()
