"""What a user installs: the sdist, the wheel with and without native code, the pins, the links."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
SMOKE = ROOT / "tests" / "smoke.py"
NATIVE = re.compile(r"assay/_native\..*\.so")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)")


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    # The tests' own settings must not leak into what a user would see.
    inherited = {k: v for k, v in os.environ.items() if k != "ASSAY_REQUIRE_NATIVE"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**inherited, **environment},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def must_run(*command: object, cwd: Path, **environment: str) -> str:
    done = run(*command, cwd=cwd, **environment)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def fresh_checkout(tmp_path_factory):
    """Copies of the sources alone, one for each build: what a build leaves must not count."""
    ignored = shutil.ignore_patterns(
        *(".*", "build", "dist", "*.egg-info", "*.so", "__pycache__", "assay-demo", "outputs")
    )

    def copy() -> Path:
        folder = tmp_path_factory.mktemp("checkout") / "assay"
        return shutil.copytree(ROOT, folder, ignore=ignored)

    return copy


@pytest.fixture(scope="module")
def sdist(fresh_checkout):
    source = fresh_checkout()
    must_run(sys.executable, *["-m", "build", "--sdist", "--no-isolation"], cwd=source)
    (archive,) = (source / "dist").iterdir()
    return archive


def build_wheel(source: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`pip install .`, stopped at the wheel."""
    command = "-m pip wheel --no-deps --no-build-isolation -w dist ."
    return run(sys.executable, *command.split(), cwd=source, **environment)


def wheel(source: Path, **environment: str) -> tuple[str, set[str]]:
    """The name of the wheel and the package files in it."""
    done = build_wheel(source, **environment)
    assert done.returncode == 0, done.stdout
    (built,) = (source / "dist").iterdir()
    names = zipfile.ZipFile(built).namelist()
    return built.name, {name for name in names if name.startswith("assay/")}


def package_files() -> set[str]:
    package = ROOT / "src" / "assay"
    kept = ("*.py", "*.pyi", "py.typed", "*.jsonl", "*.npy", "templates/*.*")
    return {f"assay/{p.relative_to(package)}" for k in kept for p in package.rglob(k)}


@pytest.mark.skipif(sys.platform != "linux", reason="the native extension is for Linux")
@pytest.mark.slow
def test_checkout_and_sdist_build_the_same_whole_wheel(sdist, fresh_checkout, tmp_path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    name, files = wheel(unpacked, ASSAY_REQUIRE_NATIVE="1")
    native = {file for file in files if NATIVE.fullmatch(file)}
    assert len(native) == 1
    assert files - native == package_files()
    assert wheel(fresh_checkout(), ASSAY_REQUIRE_NATIVE="1") == (name, files)


def test_a_required_extension_that_does_not_build_is_an_error(fresh_checkout):
    source = fresh_checkout()
    done = build_wheel(source, ASSAY_REQUIRE_NATIVE="1", CC="false", CXX="false")
    assert done.returncode != 0
    assert not list(source.rglob("*.whl"))


@pytest.fixture(scope="module")
def pure_wheel(fresh_checkout):
    source = fresh_checkout()
    return *wheel(source, CC="false", CXX="false"), next((source / "dist").iterdir())


def test_without_a_compiler_the_wheel_is_pure(pure_wheel):
    name, files, _ = pure_wheel
    assert name.endswith("-py3-none-any.whl")
    assert files == package_files()


@pytest.mark.skipif(sys.platform != "linux", reason="the native extension is for Linux")
@pytest.mark.slow
def test_both_wheels_work_in_an_empty_environment(sdist, pure_wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    # A path without spaces, as pip splits these variables at them. The first reaches the build
    # environment in older pips, the second in newer ones.
    shutil.copy(CONSTRAINTS, tmp_path / "pins.txt")
    pins = {"PIP_CONSTRAINT": "pins.txt", "PIP_BUILD_CONSTRAINT": "pins.txt"}
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    must_run(*pip, "install", sdist, cwd=tmp_path, **pins)  # builds a wheel, on its own
    must_run(python, SMOKE, "native", cwd=tmp_path)
    must_run(*pip, "install", "--no-deps", "--force-reinstall", pure_wheel[-1], cwd=tmp_path)
    must_run(python, SMOKE, "pure", cwd=tmp_path)


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    lines = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *extras["test"],
        *extras["lint"],
        *extras["docs"],
    ]
    return [Requirement(line) for line in lines]


def test_constraints_pin_what_runs_here():
    lines = CONSTRAINTS.read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    for requirement in requirements():
        running = Version(version(requirement.name)).public
        assert pins.get(requirement.name) == running, requirement.name
        assert running in requirement.specifier, requirement.name


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("[a-z]*/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = LINK.findall(page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
