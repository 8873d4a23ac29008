"""jiwer's pictures, error tables and command line, byte for byte."""

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.compat import jiwer as ours
from assay.compat.jiwer.cli import cli

jiwer = pytest.importorskip("jiwer")
jiwer_cli = pytest.importorskip("jiwer.cli")

WORD = st.sampled_from(["a", "b", "long", "longer", "*", "語", "ß", ""])
SENTENCE = st.lists(WORD, max_size=8).map(" ".join)
PAIRS = st.lists(st.tuples(SENTENCE, SENTENCE), max_size=4)
PROCESS = st.sampled_from(["process_words", "process_characters"])


def outputs(process: str, pairs: list[tuple[str, str]], *transforms: Any) -> list[Any]:
    refs, hyps = [r for r, _ in pairs], [h for _, h in pairs]
    return [getattr(module, process)(refs, hyps, *transforms) for module in (ours, jiwer)]


def same(function: str, our: Any, their: Any, **options: Any) -> None:
    results = []
    for module, output in ((ours, our), (jiwer, their)):
        try:
            results.append(getattr(module, function)(output, **options))
        except Exception as error:
            results.append((type(error), str(error)))
    assert results[0] == results[1], options


@given(process=PROCESS, pairs=PAIRS, width=st.none() | st.integers(-2, 60))
@settings(deadline=None, max_examples=200)
def test_visualize_alignment(process: str, pairs: list[tuple[str, str]], width: int | None) -> None:
    our, their = outputs(process, pairs)
    for measures, skip in itertools.product((True, False), repeat=2):
        same(
            "visualize_alignment",
            our,
            their,
            show_measures=measures,
            skip_correct=skip,
            line_width=width,
        )
    same("visualize_alignment", our, their)


def test_visualize_alignment_of_tokens_of_the_caller() -> None:
    pairs = [("x", "y")]
    for refs, hyps in itertools.product(
        ([["", "a b", "*"]], [["a"]], [[]]), ([["", "*"]], [["***", "a"]], [[""]], [[]])
    ):
        our, their = outputs("process_words", pairs, lambda _, r=refs: r, lambda _, h=hyps: h)
        for width in (None, 8, 10):
            same("visualize_alignment", our, their, skip_correct=False, line_width=width)
        same("visualize_error_counts", our, their)


def test_an_unknown_chunk_is_an_error() -> None:
    our, their = outputs("process_words", [("a b", "a c")])
    for output in (our, their):
        output.alignments[0][1].type = "replace"
    same("visualize_alignment", our, their)
    same("visualize_error_counts", our, their)


@given(process=PROCESS, pairs=PAIRS)
@settings(deadline=None, max_examples=100)
def test_collect_error_counts(process: str, pairs: list[tuple[str, str]]) -> None:
    our, their = outputs(process, pairs)
    ours_, theirs = ours.collect_error_counts(our), jiwer.collect_error_counts(their)
    assert [[*counts.items()] for counts in ours_] == [[*counts.items()] for counts in theirs]
    assert [type(counts) for counts in ours_] == [type(counts) for counts in theirs]
    assert ours_[1]["never seen"] == 0


@given(
    process=PROCESS,
    pairs=PAIRS,
    shown=st.tuples(*[st.booleans()] * 3),
    top_k=st.none() | st.integers(-3, 5),
)
@settings(deadline=None, max_examples=200)
def test_visualize_error_counts(
    process: str, pairs: list[tuple[str, str]], shown: tuple[bool, ...], top_k: int | None
) -> None:
    our, their = outputs(process, pairs)
    names = ("show_substitutions", "show_insertions", "show_deletions")
    same("visualize_error_counts", our, their, top_k=top_k, **dict(zip(names, shown, strict=True)))
    same("visualize_error_counts", our, their)


# -- command line ------------------------------------------------------------------------------

LINES = "the cat sat\n\nx\non  the mat \n ok\r\nno\tend\n語 é\n"
OTHER = "the bat sat\nx\n\non mat\n ok then\nno end\n語 e\n"
OPTIONS = ("-c", "-a", "-g")
COMBINATIONS = [c for n in range(4) for c in itertools.combinations(OPTIONS, n)]


def run(command: Any, args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[Any, ...]:
    """Exit code and output, or the error that would end the process."""
    try:
        with pytest.raises(SystemExit) as exit:
            command(args)
    except (Exception, pytest.fail.Exception) as error:
        return type(error), str(error), capsys.readouterr().out
    return exit.value.code or 0, capsys.readouterr().out


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = []
    for name, text in (("ref", LINES), ("hyp", OTHER), ("short", "one line\n"), ("empty", "")):
        path = tmp_path / name
        path.write_bytes(text.encode())
        paths.append(str(path))
    return paths


@pytest.mark.parametrize("options", COMBINATIONS, ids="".join)
def test_command_line(
    options: tuple[str, ...], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    ref, hyp, short, empty = files
    long = {"-c": "--cer", "-a": "--align", "-g": "--global"}
    for args in (
        ["-r", ref, "-h", hyp, *options],
        [*(long[o] for o in options), "--reference", ref, f"--hypothesis={hyp}"],
        ["-r", ref, "-h", short, *options],
        ["-r", empty, "-h", empty, *options],
        ["-r", empty, "-h", short, *options],
        ["-r", ref, "-h", ref, *options],
        ["-r" + ref, "-h" + hyp, "-" + "".join(o[1] for o in options)] if options else [],
    ):
        assert run(cli, args, capsys) == run(jiwer_cli.cli, args, capsys)


@pytest.mark.parametrize(
    "args",
    [[], ["-r", "x"], ["-r"], ["--nonsense"], ["-r", "x", "-h", "y", "z"], ["--ref", "x"], ["-q"]],
    ids=" ".join,
)
def test_a_wrong_command_exits_with_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, args, capsys) == run(jiwer_cli.cli, args, capsys) == (2, "")


def test_missing_file_and_bytes(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(files[2]).write_bytes(b"\xff\xfe\n")
    for args in (["-r", files[0] + "x", "-h", files[1]], ["-r", files[0], "-h", files[2]]):
        our = run(cli, args, capsys)
        assert our == run(jiwer_cli.cli, args, capsys)
        assert our[0] in (FileNotFoundError, UnicodeDecodeError)


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(cli, ["--help"], capsys)
    assert code == 0
    for option in (
        "-r, --reference",
        "-h, --hypothesis",
        "-c, --cer",
        "-a, --align",
        "-g, --global",
    ):
        assert all(part in text for part in option.split(", "))


def test_as_a_program(files: list[str]) -> None:
    done = [
        subprocess.run(
            [sys.executable, "-m", name, "-r", files[0], "-h", files[1], "-a"],
            capture_output=True,
            check=False,
        )
        for name in ("assay.compat.jiwer.cli", "jiwer.cli")
    ]
    assert (done[0].returncode, done[0].stdout) == (done[1].returncode, done[1].stdout)
    assert done[0].stdout
