"""The README's Python is run as it stands."""

import doctest
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_every_example_prints_what_it_says() -> None:
    failed, run = doctest.testfile(str(README), module_relative=False)
    assert run >= 10
    assert failed == 0
