"""Threads, forks, spawned processes, and the cache of compiled kernels."""

import ast
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

import assay
from assay import align, count_chars, count_words
from assay.core import threads
from assay.ops import _edit_kernels, jit
from waiting_kit import PATIENCE_S

PACKAGE = Path(assay.__file__).parent
N = 3000
REFS = [f"the cat {k % 97} sat on the mat {'é' * (k % 3)}" for k in range(N)]
HYPS = [f"the cat {k % 89} on a mat {'e' * (k % 3)}" for k in range(N)]

# Cutting compiles fast and counting slowly; what is asked for comes in the order of the arguments.
CODE = """
import sys
import assay
from assay.ops import tokens
refs = [f"the cat {k % 97} sat on the mat" for k in range(600)]
hyps = [f"the cat {k % 89} on a mat" for k in range(600)]
calls = {
    "words": lambda: len(tokens.word_pairs(tokens.pack(refs), tokens.pack(hyps)).ref),
    "characters": lambda: len(tokens.char_pairs(tokens.pack(refs), tokens.pack(hyps)).ref),
    "count": lambda: assay.count_chars(refs, hyps).errors,
}
print([[what, calls[what]()] for what in sys.argv[1:]])
"""


def errors() -> tuple[int, int]:
    return count_words(REFS, HYPS).errors, count_chars(REFS, HYPS).errors


@pytest.fixture(scope="module")
def truth() -> tuple[int, int]:
    return errors()


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_THREADS", "2")


# -- threads ---------------------------------------------------------------------------------------


def test_eight_callers_at_once(truth: tuple[int, int], two_threads: None) -> None:
    together = threading.Barrier(8, timeout=PATIENCE_S)
    found: list[object] = [None] * 8

    def call(k: int) -> None:
        together.wait()
        try:
            texts = align(REFS[:700], HYPS[:700]).text()
            found[k] = [errors() for _ in range(3)], hash(texts)
        except BaseException as error:  # reported by the assertion below
            found[k] = error

    callers = [threading.Thread(target=call, args=(k,)) for k in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [([truth] * 3, hash(align(REFS[:700], HYPS[:700]).text()))] * 8


# -- processes -------------------------------------------------------------------------------------

forks = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
# Python warns of forking with threads alive, which is what is tested.
with_threads = pytest.mark.filterwarnings("ignore:.*use of fork\\(\\):DeprecationWarning")


@forks
@with_threads
def test_a_forked_child_has_a_pool_of_its_own(truth: tuple[int, int], two_threads: None) -> None:
    assert errors() == truth  # the parent's pool is at work now
    assert any(thread.name.startswith("assay") for thread in threading.enumerate())
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        assert pool.apply_async(errors).get(timeout=PATIENCE_S) == truth
        states = pool.starmap_async(count_words, [(REFS, HYPS), (HYPS, REFS)]).get(
            timeout=PATIENCE_S
        )
    assert states[0].to_bytes() == count_words(REFS, HYPS).to_bytes()
    assert errors() == truth


@forks
@with_threads
def test_a_child_forked_while_the_pool_is_made(truth: tuple[int, int], two_threads: None) -> None:
    context = multiprocessing.get_context("fork")
    with threads._pool_lock, context.Pool(1) as pool:  # nobody is left in the child to release it
        assert pool.apply_async(errors).get(timeout=PATIENCE_S) == truth


@forks
@with_threads
def test_a_child_forked_while_the_pool_works(truth: tuple[int, int], two_threads: None) -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            errors()

    other = threading.Thread(target=busy)
    other.start()
    try:
        context = multiprocessing.get_context("fork")
        for _ in range(5):
            with context.Pool(1) as pool:
                assert pool.apply_async(errors).get(timeout=PATIENCE_S) == truth
    finally:
        stop.set()
        other.join()


def test_a_spawned_process_gives_the_same(two_threads: None) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        states = pool.starmap_async(count_words, [(REFS, HYPS), (HYPS, REFS)]).get(
            timeout=PATIENCE_S
        )
    assert states[0].to_bytes() == count_words(REFS, HYPS).to_bytes()
    assert states[1].to_bytes() == count_words(HYPS, REFS).to_bytes()


# -- the cache of compiled kernels ---------------------------------------------------------------


def environment(**variables: str | Path | None) -> dict[str, str]:
    """This environment with some variables set, or with None left out."""
    out = {k: v for k, v in os.environ.items() if not k.startswith(("ASSAY_", "NUMBA_"))}
    for name, value in variables.items():
        out.pop(name, None)
        if value is not None:
            out[name] = str(value)
    return out


def run(code: str, *arguments: str, env: dict[str, str], **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=1200)
    assert process.returncode == 0, err
    return out.strip()


@pytest.mark.slow
def test_eight_processes_compile_at_once(tmp_path: Path) -> None:
    env = environment(NUMBA_CACHE_DIR=tmp_path / "cache")
    orders = [["words", "characters"], ["characters", "words"]]
    plans = [[*orders[k % 2], *["count"][: k < 2]] for k in range(8)]
    everybody = [run(CODE, *plan, env=env) for plan in plans]
    found = [dict(ast.literal_eval(finish(process))) for process in everybody]
    assert all(found[k].items() <= found[0].items() for k in range(8))
    compiled = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert len(compiled) > 3
    assert not list(tmp_path.rglob("*.tmp*"))
    # What they left is whole and in order: the next process compiles nothing.
    assert dict(ast.literal_eval(finish(run(CODE, *plans[0], env=env)))) == found[0]
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == compiled


def test_a_kernel_has_one_type_only() -> None:
    # Processes that compile two types of one kernel at once could mix them up in the cache.
    from assay.ops import _edit_kernels, _edit_long, _token_kernels, _word_kernels

    rng = random.Random(1)
    long = [[rng.randrange(3) for _ in range(4200)] for _ in range(2)]
    texts = ["a b", "é \u3000", "abc abc abc abc"]
    for column in (texts, pa.array(texts), pa.array(texts[:1]), pa.array(texts).slice(1)):
        for normalise in ("none", "basic", str.lower):
            count_words(column, column, normalise=normalise)
            count_chars(column, column, normalise=normalise)
            count_chars(column[:1], column[:1], normalise=normalise, confusions=True)
            count_words(column[:1], column[-1:], normalise=normalise, confusions=True)
    count_words([long[0]], [long[1]])
    for ids in (
        np.zeros((1, 2), np.uint8),
        [[-1]],
        [[2**40]],
        torch.zeros((1, 2), dtype=torch.int32),
    ):
        count_words(ids, ids)
    for module in (_edit_kernels, _edit_long, _token_kernels, _word_kernels):
        for name, kernel in vars(module).items():
            if getattr(getattr(kernel, "_cache", None), "cache_path", None):
                assert (name, len(kernel.signatures)) == (name, 1)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the package, uncompiled; its folder for sys.path."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "site" / "assay", ignore=ignore)
    return tmp_path / "site"


WHERE = """
import json
import assay
from assay.ops import _token_kernels, tokens
ends = tokens.char_pairs(tokens.pack([" a b "]), tokens.pack(["c"])).ref_ends.tolist()
cache = getattr(_token_kernels.strip_bytes, "_cache", None)
print(json.dumps([ends, assay.__file__, getattr(cache, "cache_path", None)]))
"""


def where(env: dict[str, str], package: Path, code: str = WHERE, *arguments: str) -> Path | None:
    """The folder that a process of this environment keeps its kernels in."""
    ends, home, cache = json.loads(finish(run(code, *arguments, env=env)))
    assert ends == [4]
    assert Path(home).parent == package
    return cache and Path(cache)


def block_caches(package: Path) -> None:
    """Put a file where each folder for caches would be: not even root can write there."""
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").write_text("")


def test_an_install_that_cannot_be_written_uses_the_users_folder(
    installed: Path, tmp_path: Path
) -> None:
    block_caches(installed / "assay")
    user = tmp_path / "user"
    env = environment(PYTHONPATH=installed, HOME=user, XDG_CACHE_HOME=user / ".cache")
    cache = where(env, installed / "assay")
    assert cache is not None
    assert cache.is_relative_to(user / ".cache")
    assert list(cache.glob("*.nbc"))


def test_nowhere_to_write_compiles_in_every_process(installed: Path, tmp_path: Path) -> None:
    block_caches(installed / "assay")
    nobody = tmp_path / "file"
    nobody.write_text("")  # a home that is no folder: not even root can write below it
    env = environment(PYTHONPATH=installed, HOME=nobody, XDG_CACHE_HOME=nobody / ".cache")
    assert where(env, installed / "assay") is None
    assert not list(tmp_path.rglob("*.nbc"))


def test_a_named_cache_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    env = environment(NUMBA_CACHE_DIR=tmp_path / "file" / "cache")
    cache = where(env, PACKAGE)
    assert cache is None or not cache.is_relative_to(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of file sizes are tried on Linux")
def test_a_cache_folder_without_room(tmp_path: Path) -> None:
    # No file may grow beyond 4,000 bytes, as on a full disk or over quota.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
    ignore = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    env = environment(NUMBA_CACHE_DIR=tmp_path)
    for _ in range(2):  # what the first leaves behind does not stop the second
        cache = where(env, PACKAGE, ignore + limit + WHERE)
        assert cache is not None
        assert cache.is_relative_to(tmp_path)
        assert not list(tmp_path.rglob("*.nbc"))


# Root passes by permissions, so the process gives that right away first. It cannot have it back.
BOUND = """
import ctypes, os, sys
if os.geteuid() == 0:
    for right in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if ctypes.CDLL(None).prctl(24, right, 0, 0, 0):  # PR_CAPBSET_DROP
            raise SystemExit("not allowed")
os.execv(sys.executable, [sys.executable, "-W", "error", "-c", *sys.argv[1:]])
"""
REFUSED = """
import sys
try:
    open(sys.argv[1] + "/assay/probe", "w")
except PermissionError:
    pass
else:
    raise SystemExit("permissions do not bind this process")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="bound by Linux capabilities")
def test_a_read_only_install(installed: Path, tmp_path: Path) -> None:
    user = tmp_path / "user"
    user.mkdir()
    folders = [installed, *(path for path in installed.rglob("*") if path.is_dir()), user]
    env = environment(PYTHONPATH=installed, HOME=user, XDG_CACHE_HOME=None)
    probe = run(BOUND, "pass", env=env)
    probe.communicate(timeout=PATIENCE_S)
    if probe.returncode:
        pytest.skip("this container does not let root give rights away")
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert where(env, installed / "assay", BOUND, REFUSED + WHERE, str(installed)) is None
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert not list(tmp_path.rglob("*.nbc"))


def test_twins_have_names_of_their_own() -> None:
    assert _edit_kernels.byte_pairs.__qualname__ == "byte_pairs"
    assert jit.twin(_edit_kernels.symbol_pairs, "other").__name__ == "other"
