"""What the tests of the command line share: the command itself, and jiwer's answers."""

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import jiwer

from assay.cli import main

CLIPS = Path(__file__).parent.parent / "src" / "assay" / "demo" / "clips.jsonl"
RATES = ("16k", "8k", "6k")

SCRIPT = Path(sys.executable).with_name("assay")  # the entry point, as pip installs it
ENTRY = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "assay.cli"]


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def values(self):
        """(score, *tags) -> value, of --json."""
        found = json.loads(self.out)["scores"]
        return {(s["name"], *s["tags"].values()): s["value"] for s in found}


def assay(*arguments, stdin=b"", **environment):
    """The command in this process: its real entry point, but for the start of Python."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    reading = io.TextIOWrapper(io.BytesIO(stdin))
    with (
        patch.object(sys, "argv", ["assay", *map(str, arguments)]),
        patch.object(sys, "stdin", reading),
        patch.dict(os.environ, environment),
        patch("assay.cli.watch.LINE_S", 1e9),  # a slow machine does not make it tell how far it is
        patch("assay.cli.watch.JSON_S", 1e9),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return Done(code, *texts)


def apart_from_progress(err):
    """What a process said that may have been slow enough to tell how far it is."""
    return b"".join(line for line in err.splitlines(True) if not line.endswith(b" MB/s\n"))


def transcripts(*arguments, what="transcripts", **options):
    """`assay score transcripts`, which must succeed in silence."""
    done = assay("score", what, *arguments, **options)
    assert done.err == ""
    assert done.code == 0
    return done


def rankings(*arguments, **options):
    """`assay score rankings`, which must succeed in silence."""
    return transcripts(*arguments, what="rankings", **options)


def refused(*arguments, what="transcripts", **options):
    """What `assay score transcripts` says when it refuses to go on, without its `error: `."""
    done = assay("score", what, *arguments, **options)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert done.err.endswith("\n")
    return done.err[7:-1]


def records(path):
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def truth(refs, hyps):
    """Every score of both units as jiwer has them; sentence errors by jiwer's own words."""
    words, chars = jiwer.process_words(refs, hyps), jiwer.process_characters(refs, hyps)
    wrong = sum(map(list.__ne__, words.references, words.hypotheses))
    kinds = ("hits", "substitutions", "deletions", "insertions")
    return {
        "wer": words.wer,
        "mer": words.mer,
        "wil": words.wil,
        "wip": words.wip,
        "sentence_error_rate": wrong / len(refs),
        **{kind: getattr(words, kind) for kind in kinds},
        "reference_words": sum(map(len, words.references)),
        "hypothesis_words": sum(map(len, words.hypotheses)),
        "cer": chars.cer,
        **{f"char_{kind}": getattr(chars, kind) for kind in kinds},
        "reference_characters": sum(map(len, chars.references)),
        "hypothesis_characters": sum(map(len, chars.hypotheses)),
    }


def truth_of_groups(rows, reference, hypothesis, *by):
    """(score, *values of by) -> value: the total, then each group."""
    groups = {}
    for row in rows:
        key = tuple("(none)" if row[name] is None else str(row[name]) for name in by)
        for place in {(), key}:
            groups.setdefault(place, []).append((row[reference], row[hypothesis]))
    return {
        (name, *key): value
        for key, pairs in groups.items()
        for name, value in truth(*map(list, zip(*pairs, strict=True))).items()
    }


def truth_of_items(rows, reference, hypothesis):
    """The columns of the per-item file, from jiwer pair by pair."""
    found = []
    for number, row in enumerate(rows):
        one = truth([row[reference]], [row[hypothesis]])
        kinds = ("hits", "substitutions", "deletions", "insertions")
        found.append(
            {
                "row": number,
                **{f"word_{kind}": one[kind] for kind in kinds},
                "wer": one["wer"],
                **{f"char_{kind}": one[f"char_{kind}"] for kind in kinds},
                "cer": one["cer"],
            }
        )
    return found
