"""An installed assay where nothing but its own requirements is installed.

`python tests/smoke.py native`, by the interpreter of that environment; `pure`, for a wheel without
the compiled module. Needs no pytest, so that cibuildwheel can run it too.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module, resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import assay
from assay.core.errors import MissingDependency

# package, what it is called where pip installs it, something public that needs it
NEEDS: list[tuple[str, str, Callable[[], Any]]] = [
    ("torchmetrics", "'assay[torchmetrics]'", lambda: integration("torchmetrics")),
    ("lightning", "'assay[lightning]'", lambda: integration("lightning")),
    ("transformers", "'assay[transformers]'", lambda: integration("transformers")),
    ("torch", "'assay[torch]'", lambda: assay.flops(None, ())),
    ("torch", "'assay[torch]'", lambda: assay.footprint(None)),
    ("torch", "'assay[torch]'", lambda: assay.latency(sorted, [1], device="cuda")),
    ("mlflow", "'assay[mlflow]'", lambda: assay.trackers.mlflow.MLflow("runs", experiment="e")),
    ("wandb", "'assay[wandb]'", lambda: assay.trackers.wandb.WandB(project="e")),
    ("tensorboard", "'assay[tensorboard]'", lambda: assay.trackers.tensorboard.TensorBoard("e")),
    ("matplotlib", "'assay[plot]'", lambda: import_module("assay.report.plot").roc([])),
    ("jinja2", "'assay[report]'", lambda: import_module("assay.cli.report").report(["run"])),
    ("sklearn", "'assay[demo]'", lambda: import_module("assay.demo.classification").out_of_fold()),
    ("ray", "'assay[ray]'", lambda: next(import_module("assay.run.ray_engine").ray(None, []))),
    ("fsspec", "'assay[remote]'", lambda: next(iter(assay.read("memory://a.jsonl", ["a"])))),
    ("nltk", "'assay[text]'", lambda: assay.meteor([["a b"]], ["a b"])),
    ("sacrebleu", "'assay[text]'", lambda: assay.ter([["a"]], ["a"], normalized=True)),
    ("regex", "'assay[text]'", lambda: assay.count_chars(["é"], ["e"], unit="grapheme")),
    ("whisper_normalizer", "'assay[text]'",
     lambda: assay.wer(["a"], ["a"], normalise="whisper-basic")),
    ("pandas", "pandas", lambda: assay.count_words(["a"], ["a"]).to_pandas()),
]  # fmt: skip
# of other libraries whose names assay.compat has
NOT_NEEDED = ("jiwer", "rapidfuzz", "evaluate", "polars", "triton", "pytest")


def integration(name: str) -> None:
    import_module(f"assay.integrations.{name}")


def check_missing(package: str, install: str, call: Callable[[], Any]) -> None:
    said = "nothing, as nothing was missed"
    try:
        call()
    except MissingDependency as error:
        said = str(error)
    assert said == f"{package} is not installed; install it with: pip install {install}", said


def command(*words: str) -> str:
    """What the installed command prints."""
    program = Path(sys.executable).with_name("assay")
    done = subprocess.run([program, *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Where its kernels take long to compile it tells how far it is.
    assert all(line.endswith(" MB/s") for line in done.stderr.splitlines()), done.stderr
    return done.stdout


def main(native: bool) -> None:
    package = Path(assay.__file__).parent
    assert "site-packages" in package.parts, package
    for name in ("py.typed", "_native.pyi", "__init__.pyi"):
        assert (resources.files("assay") / name).is_file(), name

    facts = json.loads(command("env", "--json"))
    known = facts["native module"]
    assert known.startswith("loaded from" if native else "not built"), known
    assay.Timer()  # either way
    assert native == (find_spec("assay._native") is not None)

    assert assay.wer(["a b"], ["a c"]) == 0.5
    Path("said.csv").write_text("text,pred\na b,a c\n", "utf-8")
    options = ["--reference", "text", "--hypothesis", "pred", "--json"]
    scores = json.loads(command("score", "transcripts", "said.csv", *options))["scores"]
    assert {s["name"]: s["value"] for s in scores}["wer"] == 0.5
    assert "wer" in command("demo").lower()

    for absent in {*NOT_NEEDED, *(row[0] for row in NEEDS)}:
        assert find_spec(absent) is None, f"{absent} is here: not an empty environment"
    for row in NEEDS:
        check_missing(*row)
    assert import_module("assay.compat.jiwer").wer("a b", "a c") == 0.5
    assert import_module("assay.compat.sklearn").accuracy_score([0, 1], [1, 1]) == 0.5
    loaded = import_module("assay.compat.evaluate").load("wer")
    assert loaded.compute(references=["a b"], predictions=["a c"]) == 0.5


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main(native={"native": True, "pure": False}[sys.argv[1]])
        os.chdir("/")
