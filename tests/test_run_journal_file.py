"""The file of a journal: whole lines, one writer, a full disk, a lock that ends with a process."""

import errno
import json
import os
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest

import assay
from assay.core.errors import DataError, InputError
from assay.core.record import read_journal
from assay.run import journal_file
from assay.run.journal_file import JournalFile, Lock, encoded
from run_kit import END, HEAD, lines_of, metric, points, write_journal

posix = pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind here")

HOLD = "from assay.run.journal_file import Lock; import sys; print(Lock(sys.argv[1]).take()); "


@contextmanager
def held_elsewhere(path):
    """Another process holds the lock."""
    command = [sys.executable, "-u", "-c", HOLD + "sys.stdin.read()", str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == b"True\n"
        yield process
        process.kill()


@posix
def test_a_lock_ends_with_its_process(tmp_path):
    path = tmp_path / "lock"
    assert Lock(str(path)).is_free()
    with held_elsewhere(path) as process:
        lock = Lock(str(path))
        assert not lock.is_free()
        assert not lock.take(1)
        assert lock.holder() == f"process {process.pid}"
        process.kill()
        process.wait()
        assert lock.is_free()
        assert lock.take(1)
        assert not Lock(str(path)).take(1)  # within one process too
        assert not Lock(str(path)).is_free()
        lock.release()
        lock.release()
        assert Lock(str(path)).is_free()


@posix
def test_a_worker_that_was_forked_does_not_hold_it_on(tmp_path):
    """As one of a data loader, which outlives a trainer that is killed."""
    code = HOLD + (
        "import os, time\npid = os.fork()\n"
        "if pid == 0: print(os.getpid(), flush=True); time.sleep(300)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-u", "-c", code, str(tmp_path / "lock")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == b"True\n"
        worker = int(process.stdout.readline())
        process.kill()
        process.wait()
        assert Lock(str(tmp_path / "lock")).is_free()
        os.kill(worker, 9)


@posix
def test_a_lock_stays_when_its_file_is_read(tmp_path):
    """As by a second run that is refused, or whoever copies the folder."""
    lock = Lock(str(tmp_path / "lock"))
    looks = (
        "from assay.run.journal_file import Lock; import sys; print(Lock(sys.argv[1]).is_free())"
    )
    assert lock.take()
    assert lock.holder() == f"process {os.getpid()}"
    found = subprocess.run(
        [sys.executable, "-c", looks, lock.path], capture_output=True, check=True
    )
    assert found.stdout == b"False\n"
    lock.release()


@posix
def test_two_processes_and_one_directory(tmp_path):
    (tmp_path / "exp").mkdir()
    with held_elsewhere(tmp_path / "exp" / "lock") as process:
        with pytest.raises(DataError) as caught, assay.Run(tmp_path / "exp"):
            pass
        assert str(caught.value) == (
            f"{tmp_path}/exp: process {process.pid} is writing a run there; name another directory"
        )


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """As Lustre has none by default: the number of the process stands for the lock."""
    import fcntl

    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = Lock(str(tmp_path / "lock"))
    assert lock.take()
    lock.release()
    assert lock.is_free()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        (tmp_path / "lock").write_text(str(process.pid))
        assert not lock.is_free()
        assert not lock.take(1)
        process.kill()
        process.wait()
        assert lock.take(1)
    lock.release()


# -- lines ---------------------------------------------------------------------------------------


def opened(tmp_path, **options):
    return JournalFile(str(tmp_path), **options)


@pytest.mark.parametrize("torn", [b"{", b"\0" * 200_000, b"x" * 70_000])
def test_what_a_crash_left_is_taken_off(tmp_path, torn):
    write_journal(tmp_path, HEAD, END, tail=torn)
    file = opened(tmp_path)
    file.append(encoded({"kind": "end"}))
    file.close()
    assert [line["kind"] for line in lines_of(tmp_path)] == ["run", "end", "end"]


def test_a_journal_of_nothing_but_a_torn_line(tmp_path):
    write_journal(tmp_path, tail=b"{" * 100_000)
    file = opened(tmp_path)
    assert file.size == 0
    file.close()


def test_a_line_has_a_limit(tmp_path):
    file = opened(tmp_path)
    with pytest.raises(InputError) as caught:
        file.append(b"x" * (5 << 20))
    assert "a line holds at most 4,194,304 bytes, got 5,242,880; log less at once" in str(
        caught.value
    )
    file.close()


# -- a disk that is full ---------------------------------------------------------------------------


@contextmanager
def disk_of(folder, size):
    """A file system of so many bytes."""
    folder.mkdir()
    options = f"size={size}"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path):
    """Take all room there is."""
    with open(path, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_a_full_disk_keeps_nothing_up_and_nothing_is_lost(tmp_path, caplog, capsys, monkeypatch):
    monkeypatch.setattr(journal_file, "RETRY_S", 0.0)
    folder = tmp_path / "disk"
    with disk_of(folder, 1 << 20):
        ballast = folder / "ballast"
        with assay.Run(folder / "exp") as run:
            run.log({"a": -1.0}, step=0)
            fill(ballast)
            for step in range(1, 3000):
                run.log({"a": float(step), "b": 0.1}, step=step)
            assert run.best == {}
            size = (folder / "exp" / "journal.jsonl").stat().st_size
            assert (folder / "exp" / "journal.jsonl").read_bytes()[-1:] == b"\n"
            ballast.write_bytes(b"x" * 4096)  # room is made
            run.log({"a": 3000.0}, step=3000)
            assert (folder / "exp" / "journal.jsonl").stat().st_size > size
        record = read_journal(str(folder / "exp"))
    assert [(p.step, p.value) for p in record.points("a")] == [
        (0, -1.0), *((step, float(step)) for step in range(1, 3001)),
    ]  # fmt: skip
    assert record.status == "finished"
    (message,) = set(caplog.messages)
    assert message.endswith(
        "journal.jsonl: cannot be written: No space left on device; what is logged waits in memory"
    )


def test_a_disk_that_stays_full(tmp_path, capsys):
    folder = tmp_path / "disk"
    with disk_of(folder, 64 << 10):
        with assay.Run(folder / "exp") as run:
            for step in range(5000):
                run.log({"a": float(step)}, step=step)
        err = capsys.readouterr().err
        record = read_journal(str(folder / "exp"))
        kept = [p.step for p in record.points("a")]
        assert kept == list(range(len(kept)))
        assert 100 < len(kept) < 5000
        lost = 5000 - len(kept) + 1  # and the end
        assert f"journal.jsonl: {lost:,} lines are lost: the disk had no room" in err


def test_strict_says_that_the_disk_is_full(tmp_path):
    folder = tmp_path / "disk"
    with disk_of(folder, 64 << 10):

        def use():
            with assay.Run(folder / "exp", strict=True) as run:
                for step in range(5000):
                    run.log({"a": float(step)}, step=step)

        with pytest.raises(DataError, match="No space left"):
            use()
        assert read_journal(str(folder / "exp")).written < 5000


def test_memory_for_lines_that_wait_has_an_end(tmp_path, monkeypatch, caplog):
    file = opened(tmp_path)
    monkeypatch.setattr(journal_file, "WAITING_BYTES", 1000)
    monkeypatch.setattr(file, "_write", lambda line: False)
    for _ in range(50):
        file.append(b"x" * 99 + b"\n")
    assert (file.waiting, file.lost) == (10, 40)
    assert caplog.messages == [
        f"{tmp_path}/journal.jsonl: no memory left for what is logged: it is lost"
    ]
    file.close()
    assert file.lost == 50


def test_a_partial_write_leaves_no_partial_line(tmp_path, monkeypatch):
    file = opened(tmp_path)
    file.append(encoded(HEAD))
    whole = os.write
    calls = []

    def part(handle, data):
        calls.append(len(data))
        if len(calls) == 1:
            return whole(handle, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", part)
    file.append(encoded(metric("a")))
    monkeypatch.undo()
    assert lines_of(tmp_path) == [HEAD]
    monkeypatch.setattr(file, "_retry_at", 0.0)
    file.append(encoded(points(0, 1.0, a=1)))
    file.close()
    assert lines_of(tmp_path) == [HEAD, metric("a"), points(0, 1.0, a=1)]


def test_a_read_only_directory(tmp_path):
    folder = tmp_path / "disk"
    with disk_of(folder, 64 << 10):
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        with pytest.raises(DataError) as caught, assay.Run(folder / "exp"):
            pass
        assert str(caught.value) == (
            f"{folder}/exp: no run can be written there: Read-only file system; "
            "name another directory"
        )


def test_a_file_where_the_directory_should_be(tmp_path):
    (tmp_path / "exp").write_text("")
    with (
        pytest.raises(DataError, match="exp: no run can be written there: File exists"),
        assay.Run(tmp_path / "exp"),
    ):
        pass


# -- killed ----------------------------------------------------------------------------------------

TRAINER = """
import os, random, sys, time
import assay, assay.run.journal
folder, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)
for number in range({runs}):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        with assay.Run(f"{{folder}}/{{number}}") as run:
            for step in range(10**9):
                run.log({{"a": step * 0.1, "b": float(step)}}, step=step)
                os.write(writing, step.to_bytes(4, "little"))
    os.close(writing)
    told, least = b"", rng.randrange(2000)
    while len(told) <= 4 * least:
        told += os.read(reading, 1 << 16)
    time.sleep(rng.uniform(0, 0.001))
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    while data := os.read(reading, 1 << 16):
        told += data
    os.close(reading)
    print(number, len(told) // 4, flush=True)
"""


@posix
def test_killed_at_any_moment_nothing_is_lost_but_the_line_in_flight(tmp_path, fresh_python):
    code = f"import sys; sys.argv[1:] = [{str(tmp_path)!r}, '5']\n" + TRAINER.format(runs=50)
    told = [tuple(map(int, line.split())) for line in fresh_python(code).splitlines()]
    assert len(told) == 50
    for number, count in told:
        record = read_journal(str(tmp_path / str(number)))
        values = {p.step: p.value for p in record.points("a")}
        assert record.status == "unfinished"
        assert count <= len(values) <= count + 1  # logged, and not yet told
        assert values == {step: step * 0.1 for step in range(len(values))}
        assert len(record.points("b")) == len(values)
    assert len({count for _, count in told}) > 25  # moments differ
    with assay.Run(tmp_path / "7", resume=True) as run:
        run.log({"a": -1.0}, step=0)
    assert read_journal(str(tmp_path / "7")).points("a")[0].value == -1.0


def test_every_line_of_a_killed_run_is_json(tmp_path):
    with assay.Run(tmp_path / "exp") as run:
        run.log({"a": 1.0}, step=0)
        handle = open(tmp_path / "exp" / "journal.jsonl", "rb")  # noqa: SIM115
        with handle:  # seen by another before the run ends
            assert [json.loads(line)["kind"] for line in handle] == ["run", "metric", "points"]


@posix
@pytest.mark.parametrize("folder_too", [False, True])
def test_a_journal_that_is_deleted_is_written_again(tmp_path, capfd, folder_too):
    folder = tmp_path / "run"
    with assay.Run(folder) as run:
        run.log({"loss": 1.0}, step=0)
        (folder / "journal.jsonl").unlink()
        run.log({"loss": 2.0}, step=1)
        if folder_too:
            for file in sorted(folder.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
            folder.rmdir()
    told = capfd.readouterr().err
    if folder_too:
        assert "journal.jsonl: it was deleted during the run, and cannot be written again" in told
        return
    assert "journal.jsonl: it was deleted during the run, and was written again" in told
    assert [p.value for p in read_journal(folder).points("loss")] == [1.0, 2.0]


def test_it_is_on_the_disk_when_it_says_so(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    file = opened(tmp_path)
    file.append(b"{}\n")
    file.sync()
    file.sync()  # nothing new
    file.append(b"[]\n")
    file.close()
    assert synced == [3, 6]
