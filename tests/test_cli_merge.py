"""`assay merge`: what stands for the files, and files that no count has written."""

import json
import struct

import pytest

from assay.core.state_bytes import checksum
from cli_kit import assay as command

ROWS = [("a b", "a c", "x"), ("d", "d", "y"), ("e f", "f", "x")]


@pytest.fixture
def shards(tmp_path, monkeypatch):
    """s1.state to s3.state in the current folder."""
    monkeypatch.chdir(tmp_path)
    keys = ("reference", "hypothesis", "who")
    lines = [json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in ROWS]
    for number, line in enumerate(lines, 1):
        (tmp_path / f"d{number}.jsonl").write_text(line)
    for number in range(1, 4):
        done = counted("transcripts", "d*.jsonl", "--shard", f"{number}/3", out=f"s{number}.state")
        assert done.code == 0, done.err
    return tmp_path


def counted(what, *arguments, out):
    return command("score", what, *arguments, "--state-out", out)


def test_a_quoted_glob_stands_for_its_files(shards):
    wanted = command("score", "transcripts", "d*.jsonl", "--json")
    for given in (["s*.state"], ["s[12].state", "s3.state"], ["s3.state", "s2.state", "s1.state"]):
        done = command("merge", *given, "--json")
        assert (done.code, done.values) == (0, wanted.values)
    (shards / "folder").mkdir()
    (shards / "s[1].state").write_bytes((shards / "s1.state").read_bytes())
    done = command("merge", "s[1].state", "s[23].state", "--json")  # there is one called so
    assert (done.code, done.values) == (0, wanted.values)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["t*.state"], "t*.state: no file matches; check the folder and the pattern"),
        (["s1.state", "no/*.state"], "no/*.state: no file matches"),
        (["nothing.state"], "nothing.state: no such file; check the path"),
        (["s*.state", "s1.state"], "shard 1/3 is given twice, in s1.state and s1.state"),
        (["s[12].state"], "shards 3/3 of 3 are missing"),
    ],
)
def test_globs_that_stand_for_too_little_or_too_much(shards, given, why):
    done = command("merge", *given)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {why}")


# -- forged ----------------------------------------------------------------------------------------

HEAD = len(b"assay.shard\0") + 2


def forge(path, **facts):
    """Other facts in the header of a state file, its checksum right."""
    data = path.read_bytes()
    (size,) = struct.unpack_from("<I", data, HEAD)
    header = json.loads(data[HEAD + 4 : HEAD + 4 + size])
    for name, change in facts.items():
        header[name] = change(header[name])
    text = json.dumps(header).encode()
    body = data[:HEAD] + struct.pack("<I", len(text)) + text + data[HEAD + 4 + size : -16]
    path.write_bytes(body + checksum(body))


def without(name):
    return lambda value: {key: own for key, own in value.items() if key != name}


def others(**more):
    return lambda value: {**value, **more}


@pytest.fixture
def files(tmp_path):
    """command -> a state file of it."""
    data = tmp_path / "d.jsonl"
    rows = [{"reference": "a b", "hypothesis": "a c", "t": n % 2, "p": 1, "s": n / 9}
            for n in range(6)]  # fmt: skip
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.run").write_text("q1 Q0 d1 1 2.5 x\nq1 Q0 d2 2 1.5 x\n")
    (tmp_path / "a.qrels").write_text("q1 0 d1 1\n")
    given = {
        "transcripts": [data],
        "captions": [data, "--references", "reference", "--metrics", "bleu"],
        "labels": [data, "--target", "t", "--prediction", "p", "--score", "s"],
        "rankings": ["--run", tmp_path / "a.run", "--qrels", tmp_path / "a.qrels"],
    }
    found = {}
    for what, arguments in given.items():
        found[what] = tmp_path / f"{what}.state"
        done = counted(what, *arguments, "--shard", "1/1", out=found[what])
        assert done.code == 0, done.err
        assert command("merge", found[what]).code == 0
    return found


@pytest.mark.parametrize(
    ("what", "facts", "why"),
    [
        *((what, {"shown": lambda value: {}}, "TypeError")
          for what in ("transcripts", "captions", "labels", "rankings")),
        ("transcripts", {"shown": without("errors")}, "'errors'"),
        ("transcripts", {"shown": others(more=1)}, "'more'"),
        ("transcripts", {"shown": others(resamples="9")}, "resamples is '9', not int"),
        ("transcripts", {"shown": others(resamples=10**9)}, "resamples must be"),
        ("labels", {"shown": others(asked=[])}, "missing"),
        ("labels", {"shown": others(asked=7)}, "TypeError"),
        ("labels", {"shown": others(grid=[0.5])}, "grid is"),
        ("labels", {"shown": others(metric="x")}, "--metric"),
        ("rankings", {"shown": others(directions=["a"])}, "directions is"),
        ("rankings", {"shown": others(directions=["a", "b"], judged=None)}, "KeyError"),
        ("captions", {"command": lambda value: "labels"}, "TypeError"),
        ("transcripts", {"command": lambda value: "labels", "shown": lambda value: {}}, "labels"),
        ("transcripts", {"states": lambda own: [["bags of word", own[0][1]], *own[1:]]}, "counts"),
        ("transcripts", {"command": lambda value: "../x"}, "whose counts are not shown here"),
    ],
)  # fmt: skip
def test_what_no_command_has_written_is_refused(files, what, facts, why):
    path = files[what]
    forge(path, **facts)
    done = command("merge", path)
    assert (done.code, done.out) == (2, ""), done
    assert done.err.startswith("error: ")
    assert why in done.err


def test_shards_of_other_counts_do_not_add(shards):
    forge(shards / "s2.state", states=lambda own: [["other", own[0][1]], *own[1:]])
    done = command("merge", "s*.state")
    assert (done.code, done.out) == (2, "")
    assert "do not add" in done.err
