"""The backend table: every row resolves and agrees, an override is obeyed or refused."""

import logging
import random
from importlib import import_module

import pytest

from assay import align, count_chars, count_words
from assay.core.errors import InputError
from assay.ops import backend


@pytest.mark.parametrize("name", backend.BACKENDS["edit"])
def test_every_backend_gives_the_same_counts_and_chunks(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(5)
    refs = [" ".join(rng.choices("ab", k=rng.randrange(9))) for _ in range(600)]
    hyps = [" ".join(rng.choices("abc", k=rng.randrange(9))) for _ in range(600)]
    words, chars = count_words(refs, hyps).to_bytes(), count_chars(refs, hyps).to_bytes()
    chunks = align(refs, hyps)
    monkeypatch.setenv("ASSAY_BACKEND", name)
    assert count_words(refs, hyps).to_bytes() == words
    assert count_chars(refs, hyps).to_bytes() == chars
    again = align(refs, hyps)
    for column in ("kind", "ref_start", "ref_end", "hyp_start", "hyp_end", "offsets"):
        assert getattr(again, column).tolist() == getattr(chunks, column).tolist()


@pytest.mark.parametrize("op", backend.BACKENDS)
def test_every_row_leads_to_functions(op: str) -> None:
    row = backend.BACKENDS[op]
    assert list(row)[-1] == "reference"
    for place in row.values():
        module, _, name = place.partition(":")
        assert callable(getattr(import_module(module), name)), place


def test_an_unknown_backend_is_refused_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASSAY_BACKEND", "abacus")
    message = "ASSAY_BACKEND must be one of numba, reference for edit, got 'abacus'"
    with pytest.raises(InputError, match=f"^{message}$"):
        count_words(["a"], ["b"])


def test_the_choice_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    backend._load.cache_clear()
    monkeypatch.setenv("ASSAY_BACKEND", "reference")
    with caplog.at_level(logging.DEBUG, "assay"):
        count_words(["a"], ["b"])
        count_words(["a"], ["b"])
    assert [r.getMessage() for r in caplog.records] == ["edit: backend reference (ASSAY_BACKEND)"]


def test_a_backend_that_cannot_be_imported_is_passed_over_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend._load.cache_clear()
    row = {"fast": "assay.ops.missing:compare", **backend.BACKENDS["edit"]}
    monkeypatch.setitem(backend.BACKENDS, "edit", row)
    try:
        assert count_words(["a b"], ["a"]).hits == 1
        monkeypatch.setenv("ASSAY_BACKEND", "fast")
        with pytest.raises(ModuleNotFoundError):
            count_words(["a b"], ["a"])
    finally:
        backend._load.cache_clear()
