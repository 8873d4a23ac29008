"""What tests of several files share: hypothesis settings, fresh interpreters, fixtures."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from gloo_kit import Pool
from waiting_kit import PATIENCE_S

# A failed assert of these shows both sides, as one in a test does.
pytest.register_assert_rewrite(
    "cli_kit", "device_kit", "jiwer_kit", "labels_cli_kit", "sklearn_kit"
)

# Times on shared machines say nothing, so no deadline. Kernels compile inside some first example.
# The same examples each time; `pytest --hypothesis-profile explore` draws others.
settings.register_profile(
    "explore",
    deadline=None,
    derandomize=False,
    max_examples=50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("assay", settings.get_profile("explore"), derandomize=True)
settings.load_profile("assay")

# Ignored where a shell starts the tests in its background; programs they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

FreshPython = Callable[..., str]


def run_python(
    code: str, *, env: Mapping[str, str | None] | None = None, cwd: Path | None = None, **options
) -> str:
    """What a new interpreter prints that runs `code`; warnings are errors there too.

    env: variables to set, or with None to leave out. options: for subprocess.run.
    """
    variables = {k: v for k, v in os.environ.items() if not k.startswith("ASSAY_")}
    for name, value in (env or {}).items():
        variables.pop(name, None)
        if value is not None:
            variables[name] = value
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=variables,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="session")
def fresh_python() -> FreshPython:
    return run_python


@pytest.fixture(scope="session")
def fake_cuda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver that native_kit scripts; skips where nothing compiles it."""
    from native_kit import build_fake

    return build_fake(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Four processes of torch.distributed, for all tests that want some."""
    with Pool(tmp_path_factory.mktemp("gloo")) as pool:
        yield pool


@pytest.fixture(params=[1, 2, 8], ids=lambda n: f"{n}-threads")
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """ASSAY_THREADS, in turn."""
    monkeypatch.setenv("ASSAY_THREADS", str(request.param))
    return request.param


@pytest.fixture
def no_thread_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails where a scan has not ended its threads, however slow they are."""
    from assay.run import shards
    from shards_kit import threads_of_scans

    monkeypatch.setattr(shards, "PATIENCE_S", PATIENCE_S)
    yield
    assert not threads_of_scans()


@pytest.fixture(scope="session")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pairs of transcripts_cli_kit as JSON lines."""
    from transcripts_cli_kit import ROWS

    path = tmp_path_factory.mktemp("transcripts") / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    return path


@pytest.fixture
def labels_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go where d.csv is the table of labels_cli_kit."""
    from labels_cli_kit import frame

    monkeypatch.chdir(tmp_path)
    frame().to_csv("d.csv", index=False)


@pytest.fixture
def needs_cuda() -> None:
    """Skips where no GPU is, or fails where ASSAY_FAIL_WITHOUT_CUDA=1 promises one."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        return
    if os.environ.get("ASSAY_FAIL_WITHOUT_CUDA") == "1":
        pytest.fail("ASSAY_FAIL_WITHOUT_CUDA=1, and torch sees no GPU")
    pytest.skip("torch sees no GPU")


@pytest.fixture(params=["usual", "few", "small"], scope="module")
def posing(request: pytest.FixtureRequest) -> Iterator[str]:
    """Tensors, also of the CPU, are on a device; batches become one as usual, or soon."""
    from assay.ops import _held_torch, columns

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "on_device", lambda data: hasattr(data, "detach"))
        if request.param == "few":
            patch.setattr(_held_torch, "BATCHES", 2)
        if request.param == "small":
            patch.setattr(_held_torch, "ITEMS", 3)
        yield request.param


@pytest.fixture
def several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors are ranked by several threads and in several blocks, however few they are."""
    from assay.ops import _similarity_scan

    monkeypatch.setattr(_similarity_scan, "SMALL_WORK", 0)
    monkeypatch.setenv("ASSAY_THREADS", "3")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """write(name, data) makes a file; tests of formats that take other data have their own."""

    def write(name: str, data: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list:
    """The figures that are drawn."""
    from assay.report._sheet import Sheet

    found = []
    done = Sheet.done
    monkeypatch.setattr(Sheet, "done", lambda own: found.append(own.figure) or done(own))
    return found
