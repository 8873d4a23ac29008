"""`assay` itself: its version, its help, what is typed wrongly, `assay env`."""

import importlib.metadata
import json

import pytest

from cli_kit import assay


def test_version():

    assert assay("--version") == (0, f"assay {importlib.metadata.version('assay')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--help"], ["env", "demo", "score", "--version"]),
        (["score", "-h"], ["transcripts"]),
        (
            ["score", "transcripts", "--help"],
            ["--unit", "--normalise", "--by", "--per-item", "--json", "none, basic", "word, char"],
        ),
        (["env", "--help"], ["--warm", "--json"]),
        (["demo", "--help"], ["240"]),
        (["probe", "--help"], ["--train-step", "--batch-sizes", "--device", "--json"]),
        (["resync", "--help"], ["--follow"]),
    ],
)
def test_help(arguments, wanted):
    done = assay(*arguments, TERMINAL_WIDTH="100")
    assert (done.code, done.err) == (0, "")
    assert all(text in done.out for text in wanted)


@pytest.mark.parametrize("arguments", [[], ["score"]])
def test_without_a_command_there_is_help(arguments):
    done = assay(*arguments)
    assert done.code == 2
    assert "Usage" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scor"], "No such command 'scor'. Did you mean 'score'? See assay --help"),
        (["score", "transcripts"], "Missing argument 'FILE'. See assay score transcripts --help"),
        (
            ["score", "transcripts", "x", "--refrence", "a"],
            "No such option: --refrence (Possible options: --force, --reference). "
            "See assay score transcripts --help",
        ),
        (["score", "transcripts", "x", "--errors", "-1"], "Invalid value for '--errors'"),
        (["score", "transcripts", "x", "--errors", "many"], "Invalid value for '--errors'"),
        (["env", "--wram"], "No such option: --wram"),
    ],
)
def test_a_command_typed_wrongly(arguments, message):
    done = assay(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")
    assert done.err.count("\n") == 1


def test_env():
    facts = json.loads(assay("env", "--json").out)
    assert {"python", "system", "cpus", "assay", "numba", "kernel cache", "native module"} <= (
        facts.keys()
    )
    plain = assay("env").out.splitlines()
    assert [row.split("  ")[0] for row in plain] == list(facts)
    assert all(row.endswith(value) for row, value in zip(plain, facts.values(), strict=True))
