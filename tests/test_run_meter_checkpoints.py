"""Checkpoints of meters: what was counted and kept goes on, and nothing else is taken for it."""

import functools
import json
from typing import Any

import numpy as np
import pytest

import assay
from assay import Meter, Meters, RetrievalMeter
from assay.core.errors import StateFormatError

torch = pytest.importorskip("torch")

REFS = ["a b c", "d", "", "e f", "g g g"]
HYPS = ["a x c", "d e", "f", "", "g"]


def test_a_checkpoint_amid_an_epoch_in_one_process() -> None:
    meter = Meter(assay.count_words)
    meter.update(REFS[:3], HYPS[:3], ids=[0, 1, 2])
    saved = meter.state_dict()
    again = Meter(assay.count_words)
    again.load_state_dict(saved)
    again.update(REFS[2:], HYPS[2:], ids=[2, 3, 4])
    assert again.state.to_bytes() == assay.count_words(REFS, HYPS).to_bytes()
    assert Meter(assay.count_words).state_dict() == {
        "count": "count_words()", "state": "", "ids": "",
    }  # fmt: skip
    for bad in ({}, {"count": "count_words()"}, *({**saved, "state": s} for s in ("?", "AAAA")),
                {**saved, "ids": "AAAA"}):  # fmt: skip
        with pytest.raises(StateFormatError):
            again.load_state_dict(bad)
    early = {name: saved[name] for name in ("state", "ids")}
    with pytest.raises(StateFormatError, match=r"needs count, state and ids, .*got \['ids', 'st"):
        again.load_state_dict(early)
    both = Meters({"a": assay.count_words, "b": assay.count_chars})
    both.update(["ab"], ["ac"])
    copy = Meters({"a": assay.count_words, "b": assay.count_chars})
    copy.load_state_dict(both.state_dict())
    assert copy.compute() == both.compute()
    with pytest.raises(
        StateFormatError, match=r"it is of \['a'\], and the meters are \['a', 'b'\]"
    ):
        both.load_state_dict({"a": saved})


def test_a_checkpoint_of_another_count_is_refused() -> None:
    partial = functools.partial
    words = Meter(assay.count_words)
    words.update(["a b"], ["a c"])
    saved = words.state_dict()
    for count, own in [
        (assay.count_chars, r"count_chars\(\)"),
        (partial(assay.count_words, empty="nan"), r'count_words\(empty="nan"\)'),
        (partial(partial(assay.count_words, items=True), normalise=str.lower),
         r'count_words\(items=true, normalise="str.lower"\)'),
        (partial(assay.count_words, labels=np.arange(2), classes={3, 1}, at={(1, 2): 3}),
         r"count_words\(at=dict, classes=\[1, 3\], labels=\[0, 1\]\)"),
    ]:  # fmt: skip
        meter = Meter(count)
        with pytest.raises(
            StateFormatError,
            match=r"^Meter.load_state_dict: the checkpoint was counted by count_words\(\), and "
            rf"this meter counts by {own}; load it into a meter of the same$",
        ):
            meter.load_state_dict(saved)
        meter.load_state_dict(json.loads(json.dumps(meter.state_dict())))  # its own is right
    words.load_state_dict(saved)
    assert words.state.hits == 1


# -- embeddings ------------------------------------------------------------------------------------


def embeddings(kind: str) -> tuple[Any, Any]:
    query, gallery = np.random.default_rng(0).standard_normal((2, 20, 5))
    if kind == "numpy":
        return query, gallery
    own = getattr(torch, kind)
    return torch.tensor(query).to(own), torch.tensor(gallery).to(own)


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize(
    ("kind", "store"),
    [("numpy", "host"), ("float32", "host"), ("bfloat16", "host"), ("float32", "bfloat16")],
)
def test_embeddings_go_on_from_a_checkpoint(tmp_path, kind: str, store: str, ids: bool) -> None:
    query, gallery = embeddings(kind)

    def meter() -> RetrievalMeter:
        return RetrievalMeter(functools.partial(assay.count_ranks, k=[1, 5]), store=store)

    def feed(to: RetrievalMeter, *batches: slice) -> RetrievalMeter:
        for rows in batches:
            to.update(query[rows], gallery[rows], ids=np.arange(20)[rows] if ids else None)
        return to

    first = feed(meter(), slice(0, 7), slice(7, 12))
    torch.save(first.state_dict(), tmp_path / "meter.pt")
    again = feed(meter(), slice(3, 9))  # forgotten
    again.load_state_dict(torch.load(tmp_path / "meter.pt", weights_only=True))
    assert again.compute() == first.compute()
    feed(again, slice(12, 20), *([slice(10, 13)] if ids else []))
    assert again.synced().to_bytes() == feed(meter(), slice(0, 20)).synced().to_bytes()
    again.load_state_dict(meter().state_dict())
    assert again.compute() == {}


def test_a_checkpoint_of_other_embeddings_is_refused() -> None:
    first = RetrievalMeter(assay.count_ranks)
    first.update(*map(torch.tensor, np.random.default_rng(0).standard_normal((2, 4, 3))))
    saved = first.state_dict()
    rows = saved["query"]
    cases: list[tuple[Any, str]] = [
        ({}, r"needs count, store, query and gallery, as state_dict\(\) gives them, got \[\]"),
        ({**saved, "store": "bfloat16"}, "kept with store='bfloat16', and this meter has store='h"),
        ({**saved, "count": "count_ranks(k=[1])"}, r"by count_ranks\(k=\[1\]\), and this meter "
         r"counts by count_ranks\(\)"),
        ({**saved, "query": None}, "query needs array, ids, labels, named, rows, got None"),
        ({**saved, "query": {**rows, "rows": torch.zeros(4)}},
         r"query rows must be a tensor \[n, d\], got torch.float32 of shape \(4,\)"),
        ({**saved, "gallery": {**rows, "ids": torch.zeros(3, dtype=torch.int64)}},
         r"gallery ids must be a tensor int64 \[4\], got torch.int64 of shape \(3,\)"),
        ({**saved, "gallery": {**rows, "labels": torch.zeros(4)}},
         r"gallery labels must be a tensor int64 \[4\], got torch.float32 of shape \(4,\)"),
    ]  # fmt: skip
    for bad, message in cases:
        with pytest.raises(StateFormatError, match=f"^RetrievalMeter.load_state_dict: .*{message}"):
            first.load_state_dict(bad)
    rounded = RetrievalMeter(assay.count_ranks, store="bfloat16")
    with pytest.raises(StateFormatError, match="query rows must be bfloat16, as the store, got"):
        rounded.load_state_dict({**saved, "store": "bfloat16"})
    assert first.synced().pairs.shape[0] == 4  # as it was
    with pytest.raises(StateFormatError, match=r"by count_ranks\(\)"):
        Meter(assay.count_words).load_state_dict({"count": "count_ranks()", "state": "", "ids": ""})


def test_meters_of_both_kinds_are_in_one_checkpoint(tmp_path) -> None:
    def meters() -> Meters:
        return Meters({"words": assay.count_words, "ranks": RetrievalMeter(assay.count_ranks)})

    first = meters()
    first.update(REFS, HYPS)
    first["ranks"].update(torch.eye(3), torch.eye(3))
    torch.save(first.state_dict(), tmp_path / "meters.pt")
    again = meters()
    again.load_state_dict(torch.load(tmp_path / "meters.pt", weights_only=True))
    assert again.compute() == first.compute()
    assert again.compute()["recall_at_1"] == 1.0
