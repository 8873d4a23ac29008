"""`assay` as a process of its own, where only that will do: pipes, signals, terminals, memory."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli_kit import CLIPS, ENTRY, apart_from_progress, records, truth
from waiting_kit import PATIENCE_S, wait_until

CLIP = ["score", "transcripts", str(CLIPS), "--hypothesis", "hypothesis_16k"]
LINE = b'{"reference": "a b c", "hypothesis": "a x c"}\n'

# Python's own settings would hide what a user sees.
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PYTHON", "ASSAY_", "FORCE_COLOR", "NO_COLOR"))
}

needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and terminals")


def run(*arguments, **options):
    return subprocess.run(
        [*ENTRY, *arguments], env=PLAIN, timeout=600, check=False, capture_output=True, **options
    )


def start(*arguments, **options):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([*ENTRY, *arguments], env=PLAIN, **{**pipes, **options})


def test_from_one_pipe_into_another():
    done = run("score", "transcripts", "-", "--format", "jsonl", "--json", input=LINE * 3)
    assert (done.returncode, apart_from_progress(done.stderr)) == (0, b"")
    scores = json.loads(done.stdout)["scores"]
    assert (scores[0]["name"], scores[0]["value"], scores[0]["n"]) == ("wer", 1 / 3, 3)


def test_as_a_module():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "assay", "--version"],
        env=PLAIN, timeout=600, check=False, capture_output=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert re.fullmatch(rb"assay \S+\s+", done.stdout)


def test_an_error_is_one_line_and_code_2(tmp_path):
    (tmp_path / "d.jsonl").write_bytes(LINE + b'{"reference": "a", "hypothesis": null}\n')
    done = run("score", "transcripts", "d.jsonl", "--per-item", "i.parquet", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        "error: d.jsonl: line 2: field 'hypothesis' is null, expected a string; "
        'write "" where nothing was said, or drop the record\n'
    )
    assert os.listdir(tmp_path) == ["d.jsonl"]


def test_text_that_the_locale_cannot_write(tmp_path):
    line = json.dumps({"reference": "été", "hypothesis": "日本", "voice": "ñ"}).encode()
    (tmp_path / "d.jsonl").write_bytes(line + b"\n")
    arguments = ["score", "transcripts", "d.jsonl", "--by", "voice"]
    with_latin = PLAIN | {"PYTHONIOENCODING": "ascii"}
    for form, wanted in ((["--json"], "ñ".encode()), ([], b"\n\\xf1 ")):
        done = subprocess.run(
            [*ENTRY, *arguments, *form], env=with_latin, cwd=tmp_path, timeout=600, check=False,
            capture_output=True,
        )  # fmt: skip
        assert (done.returncode, apart_from_progress(done.stderr)) == (0, b"")
        assert wanted in done.stdout


# -- whoever reads the output ----------------------------------------------------------------------


@needs_posix
@pytest.mark.parametrize(
    "arguments", [CLIP, [*CLIP, "--json"], ["demo"], ["env"]], ids=["table", "json", "demo", "env"]
)
def test_a_reader_who_has_gone(arguments):
    process = start(*arguments)
    process.stdout.close()
    assert apart_from_progress(process.stderr.read()) == b""
    assert process.wait(PATIENCE_S) == 141
    process.stdin.close()
    process.stderr.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [CLIP, ["env", "--json"]], ids=["table", "env"])
def test_a_full_disk_behind_the_output(arguments):
    with open("/dev/full", "wb") as full:
        process = start(*arguments, stdout=full)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, apart_from_progress(err)) == (
        2, b"error: standard output: cannot be written: No space left on device\n"
    )  # fmt: skip


@needs_posix
def test_closed_streams():
    script = '"$@" >&- && ! "$@" --nope 2>&- && "$@" 2>&-'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *ENTRY, "--version"],
        env=PLAIN, timeout=600, check=False, capture_output=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert re.fullmatch(rb"(assay \S+\s+)+", done.stdout)


@needs_posix
def test_closed_input():
    command = ["score", "transcripts", "-", "--format", "jsonl"]
    done = subprocess.run(
        ["sh", "-c", '"$@" <&-', "sh", *ENTRY, *command],
        env=PLAIN, timeout=600, check=False, capture_output=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"error: standard input: it is closed; name a file or pipe one in\n"


# -- signals, and reads that hang ------------------------------------------------------------------


def is_read(pipe):
    """Has whoever reads it taken all that was written?"""
    import array
    import fcntl
    import termios

    left = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, left)
    return not left[0]


@needs_posix
@pytest.mark.parametrize(
    ("number", "code", "told"),
    [(signal.SIGINT, 130, b"interrupted\n"), (signal.SIGTERM, 143, b""), (signal.SIGHUP, 129, b"")],
)
def test_ended_while_it_waits_for_input(tmp_path, number, code, told):
    process = start(
        "score", "transcripts", "-", "--format", "jsonl", "--per-item", "i.parquet", cwd=tmp_path
    )
    process.stdin.write(LINE)
    process.stdin.flush()
    wait_until(lambda: os.listdir(tmp_path) and is_read(process.stdin))  # it has begun, and waits
    process.send_signal(number)  # its input stays open
    assert process.wait(PATIENCE_S) == code
    assert process.stdout.read() == b""
    assert process.stderr.read() == told
    assert not os.listdir(tmp_path)
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


@needs_posix
def test_an_error_does_not_wait_for_the_end_of_the_input():
    process = start("score", "transcripts", "-", "--format", "jsonl")
    with suppress(BrokenPipeError):  # it may have gone before it has read it all
        process.stdin.write(b"{\n" + LINE * (9_000_000 // len(LINE)))
        process.stdin.flush()
    assert process.stderr.readline().startswith(b"error: standard input: line 1: not one JSON")
    assert process.wait(PATIENCE_S) == 2
    assert process.stderr.read() == b""
    with suppress(BrokenPipeError):
        process.stdin.close()
    for stream in (process.stdout, process.stderr):
        stream.close()


# -- a terminal ------------------------------------------------------------------------------------


def on_terminal(arguments, columns, feed=(), **environment):
    """(exit code, all that a terminal of so many columns was sent)."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    stdin = subprocess.PIPE if feed else subprocess.DEVNULL
    env = PLAIN | {"TERM": "xterm-256color", "LANG": "C.UTF-8"} | environment
    env = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [*ENTRY, *arguments], env=env, stdin=stdin, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    sent = b""

    def read():
        try:
            return os.read(ours, 1 << 16)
        except OSError:  # Linux says so at the end
            return b""

    def write():
        for piece in feed:
            process.stdin.write(piece)
            process.stdin.flush()
            time.sleep(0.2)
        if feed:
            process.stdin.close()

    writing = threading.Thread(target=write)
    writing.start()
    while piece := read():
        sent += piece
    writing.join()
    os.close(ours)
    return process.wait(PATIENCE_S), sent.decode()


@needs_posix
def test_a_progress_bar_and_a_table(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_bytes(LINE * 200_000)
    code, sent = on_terminal(["score", "transcripts", str(path), "--unit", "word"], 60)
    assert code == 0
    bar, table = sent.split("score")[0], sent[sent.index("score") :]
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", bar)
    assert re.search(r"━ +\d+ %, [\d,]+ pairs, [\d,]+/s, \d+:\d\d left", shown)
    assert max(map(len, re.split(r"[\r\n]+", shown))) <= 60
    assert "\x1b[1A\x1b[2K" in bar  # it is gone in the end
    assert "─────" in table
    assert "0.3333" in table
    assert "\x1b[1m" in sent


@needs_posix
def test_progress_of_a_pipe_has_no_end_in_sight():
    code, sent = on_terminal(
        ["score", "transcripts", "-", "--format", "jsonl", "--unit", "word"], 80,
        feed=[LINE * 200_000] * 2, NO_COLOR="1",
    )  # fmt: skip
    assert code == 0
    assert re.search(r"[1-9][\d,]* pairs, [\d,]+/s, \d+:\d\d so far", sent)
    assert "left" not in sent
    assert not re.search(r"\x1b\[3\dm", sent)  # no colours


@needs_posix
def test_a_narrow_terminal_cuts_no_number():
    code, sent = on_terminal([*CLIP, "--by", "voice"], 50)
    table = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sent[sent.index("voice") :])
    assert code == 0
    assert "…" not in table
    assert re.search(r"no room for .*chars: widen the terminal", table)
    assert max(map(len, table.splitlines())) <= 50
    clips = records(CLIPS)
    wer = truth([c["reference"] for c in clips], [c["hypothesis_16k"] for c in clips])["wer"]
    assert f"(all)    240  {wer:.4f}" in table


# -- memory ----------------------------------------------------------------------------------------

# The kernel's own high-water mark: that of getrusage begins with that of the parent.
PEAK = """
import re, sys
from assay.cli import main
try:
    main()
finally:
    with open("/proc/self/status") as status:
        print(re.search(r"VmHWM:\\s*(\\d+) kB", status.read())[1], file=sys.stderr)
"""


def peak_mb(*arguments):
    """Peak memory of a run in MB, its last line on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, arguments)],
        env=PLAIN | {"ASSAY_THREADS": "2"}, timeout=600, check=True, capture_output=True,
    )  # fmt: skip
    assert b"1,000,000" in done.stdout
    return int(done.stderr.split()[-1]) / 1024  # a slow one has told how far it is


@pytest.mark.skipif(sys.platform != "linux", reason="Linux keeps the mark in /proc")
@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_memory_is_bounded(tmp_path, kind):
    """A million pairs, 480 MB of text."""
    text = "the quick brown fox jumps over the lazy dog again and again " * 4
    path = tmp_path / f"d.{kind}"
    if kind == "parquet":
        column = pa.array([text]).take(pa.array([0] * 100_000))
        speakers = pa.array([f"speaker {i % 9}" for i in range(100_000)])
        table = pa.table({"reference": column, "hypothesis": column, "speaker": speakers})
        with pq.ParquetWriter(path, table.schema) as writer:
            for _ in range(10):
                writer.write_table(table)
    else:
        record = {"reference": text, "hypothesis": text, "speaker": "s"}
        line = json.dumps(record).encode() + b"\n"
        with open(path, "wb") as out:
            for _ in range(100):
                out.write(line * 10_000)
    arguments = ["score", "transcripts", path, "--unit", "word"]
    items = ["--by", "speaker", "--per-item", tmp_path / "items.parquet"]
    assert peak_mb(*arguments, *items) < 550


# -- kernels ahead of time -------------------------------------------------------------------------

WARM = """
import sys
import numpy as np, pyarrow as pa
from assay.cli import main
from assay.ops import _edit_kernels, _edit_long, _token_kernels, _word_kernels
from assay.ops import _ranking_kernels, _similarity_count, _similarity_pack, _similarity_top
from assay.ops import _resample_kernels

KERNELS = {
    f"{room.__name__}.{name}": kernel
    for room in (
        _edit_kernels, _edit_long, _token_kernels, _word_kernels,
        _ranking_kernels, _similarity_count, _similarity_pack, _similarity_top, _resample_kernels,
    )
    for name, kernel in vars(room).items()
    if hasattr(kernel, "signatures")
}
sys.argv = ["assay", "env", "--warm", "--json"]
try:
    main()
except SystemExit:
    pass
warm = {name: len(kernel.signatures) for name, kernel in KERNELS.items()}

import assay
texts = ["a b", "Été, 日本\\ud800", " ", "x"], ["a c", "x", "\\u3000y z", ""]
for refs, hyps in (texts, [pa.array(side[::3]) for side in texts]):
    for normalise in ("none", "basic"):
        for count in (assay.count_words, assay.count_chars):
            count(refs, hyps, normalise=normalise, items=True, confusions=True)
assay.wer(*texts), assay.cer(*texts), assay.align(*texts, unit="char").text()
assay.count_words([["a"], []], [["b"], ["c"]]), assay.cer(["a b"], ["a c"])
ids = np.arange(12).reshape(3, 4)
assay.count_words(ids, ids[:, ::-1], ignore_index=2)
assay.count_words(ids.astype("i4"), ids.astype("i4"), lengths=([1, 2, 3], [1, 2, 3]))
forth = " ".join(map(str, range(9000)))
for back in (" ".join(map(str, range(9000, 0, -1))), forth[20000:] + " " + forth[:20000]):
    assay.count_words([forth], [back]), assay.wer(forth, back), assay.cer(forth, back)
    assay.count_chars([forth], [back])
rng = np.random.default_rng(0)
for kind in ("f2", "f4", "f8", "i1"):
    x = (rng.standard_normal((60, 17)) * 20).astype(kind)
    many = assay.same_label(np.arange(60) % 3, np.arange(60) % 3)
    for metric in ("dot", "cosine", "l2"):
        assay.topk(x, x, 5, metric=metric), assay.topk(x[:2], x, 5, metric=metric)
        assay.count_ranks(x, x, many, metric=metric, both_directions=True, exclude=np.arange(60))
        assay.count_ranks(x, x, many, exclude=(np.arange(60) // 2, np.arange(60) // 2))
run = {f"q{i}": {f"d{j}": float(j % 3) for j in range(9)} for i in range(4)}
columns = np.repeat(np.arange(4), 9), np.tile(np.arange(9), 4), np.arange(36.0)
for convention in ("trec", "sklearn", "cross-modal", "sentence-transformers"):
    for ties in (None, "expected"):
        options = {"convention": convention, "ties": ties, "gain": "exponential"}
        assay.count_rankings(run, {"q1": ["d1", "d5"]}, **options).scores()
        assay.count_rankings(columns, (columns[0], columns[1], columns[2] % 2), **options).scores()
assay.count_rankings([[3, 1, 2]], [[1]]).scores()
from assay.metrics.bootstrap import fill_bags, poisson_bootstrap
words = assay.count_words(["a b c"] * 70, [f"a {i} c" for i in range(70)], items=True)
for state in (words, fill_bags(words, ["wer"]), poisson_bootstrap(words, ["wer"])):
    assay.interval(state, "wer")
scored = [np.arange(9) % 2, np.arange(9.0)]
areas = assay.count_scores(*scored, items=True)
for more in (areas, assay.count_scores(*scored, items=True, weights=np.ones(9))):
    assay.interval(more, "average_precision"), more.roc_auc
for state, metric in ((words, "wer"), (areas, "roc_auc")):
    assay.interval(state, metric, cluster=range(len(state.rows)))
    for method in ("bootstrap", "permutation" if metric == "wer" else "delong"):
        assay.compare(state, state, metric, method=method)
print([name for name, kernel in KERNELS.items() if len(kernel.signatures) > warm[name]])
"""


def test_warm_compiles_every_kernel():
    """No kernel is compiled, or loaded, for types of which `assay env --warm` has not made one."""
    done = subprocess.run(
        [sys.executable, "-c", WARM], env=PLAIN, timeout=1200, check=False, capture_output=True
    )
    assert done.stderr == b""
    facts, missed = done.stdout.decode().rsplit("}\n", 1)
    assert "kernels compiled in (s)" in json.loads(facts + "}")
    assert missed == "[]\n"
