"""What runs on Java: the PTB tokeniser and METEOR 1.5, against pycocoevalcap; and without Java."""

import math
import random
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caption_oracle as oracle
from assay import State, count_bleu, count_meteor, count_rouge_l, meteor, rouge_l
from assay.core.errors import InputError, MergeError, MissingDependency, ProgramError
from assay.ops import java
from assay.ops.cutting import cut_ptb
from assay.ops.tokens import pack, strings

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="no java on the PATH")

REFS = [
    ["A Cat (sat) on 1 1/2 mats.", "The cat's mat..."], ["Don't — go!", "", "“Café” naïve; 日本"],
    ['He said: "it\'s 5.5%"', "x"], ["-LRB- a [b] {c}", "U.S. dollars, $3.50"],
]  # fmt: skip
HYPS = ["a cat sat on 1 1/2 mats", "do n't go", "", "the u.s. dollar"]
ITEMS = list(zip(REFS, HYPS, strict=True))


@needs_java
def test_ptb_equals_pycocoevalcap() -> None:
    texts = [*HYPS, *(ref for own in REFS for ref in own), "", "  ", "a\nb", "last."]
    assert strings(cut_ptb(pack(texts))) == oracle.ptb(texts)


@needs_java
def test_line_ends_of_java_are_white_space() -> None:
    texts = ["a\rb", "c\x0bd", "e\x0cf", "g\u2028h", "i\u2029j", "k\x85l\x1cm", "\ud800 n"]
    found = strings(cut_ptb(pack(texts)))
    assert found[:5] == ["a b", "c d", "e f", "g h", "i j"]
    assert len(found) == len(texts)


@needs_java
def test_scores_of_raw_text_equal_pycocoevalcap() -> None:
    cut = [([*oracle.ptb(own)], hyp) for own, hyp in zip(REFS, oracle.ptb(HYPS), strict=True)]
    state = count_bleu(REFS, HYPS, variant="coco", tokenizer="ptb", items=True)
    whole, single = oracle.coco_bleu(cut)
    oracle.same(state["bleu"], whole[-1])
    oracle.same(state.per_item("bleu"), single[-1])
    assert "|tok:ptb|" in state.signature
    rouge = count_rouge_l(REFS, HYPS, tokenizer="ptb", items=True)
    oracle.same(rouge.per_item("rouge_l"), oracle.rouge_l(cut)[1])
    assert "|tok:ptb|" in rouge.signature
    found = meteor(REFS, HYPS, tokenizer="ptb", synonyms="none")
    oracle.same(found, np.mean(oracle.nltk_meteor(cut)))
    with pytest.raises(MergeError, match="RougeL: tokenizer differs: 'ptb' and 'none'"):
        rouge.totals() + count_rouge_l(["a"], ["a"])


@needs_java
def test_ptb_after_a_normaliser_and_in_blocks() -> None:
    refs, hyps = [["THE $CAT, sat"]] * 3000, ["the cat"] * 3000
    found = rouge_l(refs, hyps, tokenizer="ptb", normalise=drop_dollars)
    assert found == rouge_l("the cat sat", "the cat")


def drop_dollars(text: str) -> str:
    return text.replace("$", "")


def sentences(rng: random.Random) -> list[tuple[list[str], str]]:
    words = [
        "the", "a", "cat", "cats", "dog", "running", "runs", "ran", "quickly", "fast", "hound",
        "sat", "sitting", "on", "of", "in", ",", ".", "big", "large", "home", "house", "man",
        "person", "people", "walk", "walked", "é", "1", "50", "%", "don't", "|||", "|",
    ]  # fmt: skip
    items = []
    for _ in range(60):
        hyp = rng.choices(words, k=rng.choice([0, 1, 2, 8, 15]))
        refs = [
            [word if rng.random() < 0.7 else rng.choice(words) for word in hyp]
            for _ in range(rng.choice([1, 2, 5]))
        ]
        if rng.random() < 0.2:
            refs.append(hyp)
        joined = [" ".join(ref).replace("|||", "x") for ref in refs]  # which pycocoevalcap cannot
        items.append((joined, " ".join(hyp)))
    return items


@needs_java
@pytest.mark.slow
def test_meteor_15_equals_its_program() -> None:
    items = sentences(random.Random(5))
    refs, hyps = oracle.columns(items)
    state = count_meteor(refs, hyps, variant="1.5", items=True)
    assert isinstance(state, State)
    whole, single = oracle.coco_meteor(items)
    oracle.same(state["meteor"], whole)
    oracle.same(state.per_item("meteor"), single)
    oracle.same(state["mean_meteor"], math.fsum(single) / len(single))
    assert max(single) == 1
    parts = [
        count_meteor(refs[s], hyps[s], variant="1.5", items=True, ids=np.arange(60)[s])
        for s in (slice(20, None), slice(0, 20))
    ]
    assert sum(parts).to_bytes() == state.to_bytes()
    odd = count_meteor([["a\nb ||| c"]], ["a b c\r\n"], variant="1.5")
    assert odd["meteor"] == 1


# -- without what they need ------------------------------------------------------------------------

ASKED: list[tuple[Any, dict[str, Any], str]] = [
    (count_bleu, {"variant": "coco", "tokenizer": "ptb"}, "do not match published COCO scores"),
    (count_rouge_l, {"tokenizer": "ptb"}, "do not match published COCO scores"),
    (count_meteor, {"tokenizer": "ptb"}, "do not match published COCO scores"),
    (count_meteor, {"variant": "1.5"}, "METEOR's own program makes published COCO scores"),
]


@pytest.mark.parametrize(("count", "options", "why"), ASKED)
def test_without_java(
    count: Any, options: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingDependency, match=rf"{why}.*no java is on the PATH; install a Java"):
        count(["a"], ["a"], **options)


@pytest.mark.parametrize(("count", "options", "why"), ASKED)
def test_without_the_jar(
    count: Any, options: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(java.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=rf"{why}.*pip install --no-deps pycocoevalcap"):
        count(["a"], ["a"], **options)


def test_other_tokenizers_are_refused() -> None:
    with pytest.raises(InputError, match="tokenizer must be one of none, ptb, got 'char'"):
        count_rouge_l(["a"], ["a"], tokenizer="char")


# -- programs that fail ----------------------------------------------------------------------------


def stand_in(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the name java that runs this code."""
    program = folder / "java"
    program.write_text(f"#!{sys.executable}\nimport sys, time, os\n{code}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


FAILING = [
    ("sys.stderr.write('no memory'); sys.exit(3)", "ended with exit code 3: no memory", 120.0),
    ("print('one')", "gave 1 lines for 2: no message", 120.0),
    ("os.kill(os.getpid(), 9)", "ended with exit code -9", 120.0),
    ("print('a', flush=True); time.sleep(600)", "said nothing for 1 s and was killed", 1.0),
]


@pytest.mark.parametrize(("code", "message", "silence"), FAILING)
def test_a_program_that_fails(
    code: str, message: str, silence: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, code, monkeypatch)
    monkeypatch.setattr(java, "SILENCE", silence)
    with pytest.raises(ProgramError, match=f"stanford-corenlp-3.4.1.jar {message}"):
        rouge_l(["a"], ["b"], tokenizer="ptb")


def test_a_program_that_talks_before_it_has_read_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, "for line in sys.stdin: sys.stdout.write(line)", monkeypatch)
    texts = [f"{k} {'x' * 100}" for k in range(20_000)]
    assert strings(cut_ptb(pack(texts))) == texts


def test_a_program_is_killed_when_its_caller_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, "time.sleep(60)", monkeypatch)
    started = []
    popen = java.subprocess.Popen

    def interrupted(*args: Any, **options: Any) -> Any:
        started.append(popen(*args, **options))
        return started[-1]

    def interrupt(process: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(java.subprocess, "Popen", interrupted)
    monkeypatch.setattr(java, "_everything", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cut_ptb(pack(["a"]))
    assert started[0].returncode == -9


def test_without_items_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert math.isnan(rouge_l([], [], tokenizer="ptb"))
    assert math.isnan(meteor([], [], variant="1.5"))
