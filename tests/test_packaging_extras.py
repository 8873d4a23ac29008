"""Which extra brings which package: as declared, as errors say it, and as the README tells it."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

import smoke
from assay.core.optional import EXTRAS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
DECLARED = PROJECT["project"]["optional-dependencies"]
USERS = set(DECLARED) - {"all", "test", "lint", "docs"}
# import name -> what it is called where pip finds it
DISTRIBUTIONS = {"sklearn": "scikit-learn", "whisper_normalizer": "whisper-normalizer"}

HIDDEN = """
import sys
import smoke

class Finder:
    hidden = ""

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *rest):
        hidden = name.partition(".")[0] == Finder.hidden
        return None if hidden else self.finder.find_spec(name, *rest)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Finder, sys.meta_path)
for row in smoke.NEEDS:
    Finder.hidden = row[0]
    assert row[0] not in sys.modules, row[0]
    smoke.check_missing(*row)
"""


def names(requirements):
    return {Requirement(line).name for line in requirements}


def test_each_missing_package_gives_its_install_line(fresh_python):
    fresh_python(HIDDEN, env={"PYTHONPATH": str(Path(smoke.__file__).parent)})


def test_each_optional_package_is_in_the_extra_that_errors_name():
    for package, extra in EXTRAS.items():
        assert DISTRIBUTIONS.get(package, package) in names(DECLARED[extra]), package
    asked = {package: install for package, install, _ in smoke.NEEDS}
    for package, install in asked.items():
        extra = EXTRAS.get(package)
        assert install == (f"'assay[{extra}]'" if extra else package)
    # triton has slower stand-ins; jiwer and rapidfuzz are what `text` is compared with
    assert set(EXTRAS) - set(asked) == {"triton", "jiwer", "rapidfuzz"}


def test_all_has_every_extra_of_users():
    found = [extra for line in DECLARED["all"] for extra in Requirement(line).extras]
    assert sorted(found) == sorted(USERS)


def test_the_readme_says_what_is_in_which_extra():
    text = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `assay(?:\[(\w+)\])?` \|([^|]*)\|", text, re.MULTILINE)
    told = {extra or "assay": set(re.findall(r"`([^`]+)`", cell)) for extra, cell in rows}
    assert told.pop("assay") == names(PROJECT["project"]["dependencies"])
    assert told.pop("test") <= names(DECLARED["test"])
    assert told == {extra: names(DECLARED[extra]) for extra in USERS}


def test_the_python_that_is_stated():
    stated = PROJECT["project"]["classifiers"]
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(stated))
    assert versions == ["3.11", "3.12", "3.13"]
    assert PROJECT["project"]["requires-python"] == f">={versions[0]}"
    wheels = PROJECT["tool"]["cibuildwheel"]["build"].split()
    assert wheels == [f"cp{version.replace('.', '')}-manylinux_*" for version in versions]
