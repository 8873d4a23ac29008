"""RetrievalMeter: the ranks of count_ranks over all rows, on one process and over gloo ranks."""

import functools
from typing import Any

import numpy as np
import pytest

import assay
import retrieval_jobs as jobs
from assay import Meters, RetrievalMeter
from assay.core.errors import InputError
from gloo_kit import SIZE, Pool

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(
    ("kind", "captions", "clips", "ranks"),
    [
        ("numpy", 45, 13, 4),
        ("float32", 17, 30, 3),
        ("float64", 9, 5, 2),
        ("bfloat16", 21, 8, 4),
        ("numpy", 3, 5, 4),
    ],
)
def test_ranks_give_the_digits_of_one_process(
    pool: Pool, kind: str, captions: int, clips: int, ranks: int, both: bool
) -> None:
    case: dict[str, Any] = {"captions": captions, "clips": clips, "kind": kind, "both": both}
    found = pool.run("retrieval_jobs:ranked", ranks, ranks=ranks, **case)
    assert found == [jobs.at_once(**case)] * ranks


def test_bfloat16_ranks_what_was_rounded(pool: Pool) -> None:
    case = {"captions": 20, "clips": 9, "both": False}
    found = pool.run("retrieval_jobs:ranked", 2, ranks=2, kind="float32", store="bfloat16", **case)
    assert found == [jobs.at_once(kind="bfloat16", **case)] * 2


def test_no_rank_holds_the_gallery(pool: Pool) -> None:
    # 10 + 11 + 12 + 13 rows, in stretches of 11 or 12
    assert pool.run("retrieval_jobs:peak") == [[12, 1.0]] * SIZE


@pytest.mark.parametrize(
    ("kind", "own", "others"),
    [
        ("nan", "", "SyncError: sync: not done, since "),
        ("no ids", "InputError: RetrievalMeter: with several ranks rows need ids, the same for a "
         "row wherever it is; give ids= in update()", "SyncError: sync: not done, since 1 of 4"),
        ("type", *["SyncError: sync: embeddings of rank 0 are float64 of width 3, those of rank 1 "
                   "float32 of width 3; they must be alike"] * 2),
        ("width", *["SyncError: sync: embeddings of rank 0 are float64 of width 3, those of rank 1 "
                    "float64 of width 4; they must be alike"] * 2),
        ("one way", *["SyncError: sync: ranks have other meters (ranks 0, 2, 3: count_ranks(k=[1, "
                      '2, 5], metric="dot"); ranks 1: count_ranks(k=[1, 2, 5], metric="dot"); '
                      "query_to_gallery and gallery_to_query); all ranks must sync the same"] * 2),
        ("other kind", *["SyncError: sync: ranks have other meters (ranks 0, 2, 3: ranks (Retrieval"
                         "Meter); ranks 1: ranks); all ranks must"] * 2),
        ("empty", "{", "{"),
        ("no gallery", *["InputError: RetrievalMeter: there are 12 queries and 0 gallery"] * 2),
    ],
)  # fmt: skip
def test_what_one_rank_does_wrong_all_are_told(
    pool: Pool, kind: str, own: str, others: str
) -> None:
    answers = pool.run("retrieval_jobs:bad", kind=kind)
    if kind == "nan":  # it went around: all found it
        assert all(a.startswith(("InputError: ", others)) for a in answers), answers
        assert any(a.startswith("InputError: ") and "NaN" in a for a in answers), answers
    else:
        assert str(answers.pop(1)).startswith(own)
        assert all(str(answer).startswith(others) for answer in answers)
    assert pool.run("retrieval_jobs:nothing") == [{}] * SIZE  # nobody is left waiting


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", ["numpy", "float32"])
def test_one_process(kind: str, both: bool) -> None:
    found = jobs.ranked(None, 0, 30, 11, kind, both, 2)
    query, gallery, clip = jobs.sides(30, 11, kind)
    there = np.unique(clip)  # clips without a caption never came
    ids: dict[str, Any] = {"query_ids": np.arange(30) + 3}
    if both:
        ids |= {"both_directions": True, "gallery_ids": there + 3}
        ids["directions"] = ("text_to_audio", "audio_to_text")
    wanted = jobs.COUNT(query, gallery[there], np.searchsorted(there, clip), **ids)
    assert found == jobs.values(wanted)


def test_a_plain_loop_of_pairs() -> None:
    meter = RetrievalMeter(assay.count_ranks, prefix="val_", tags={"model": "m"})
    assert meter.compute() == {}
    rng = np.random.default_rng(0)
    query, gallery = rng.standard_normal((2, 20, 5))
    for start in range(0, 20, 6):
        rows = slice(start, start + 6)
        meter.update(query[rows], gallery[rows])
    wanted = assay.count_ranks(query, gallery, np.arange(20))
    assert meter.compute() == {
        score.tagged(model="m").key("val_"): score.value for score in wanted.scores()
    }
    meter.reset()
    assert meter.compute() == {}
    meter.update(torch.tensor(query), torch.tensor(gallery), ids=torch.arange(20))
    meter.update(torch.tensor(query[3:5]), torch.tensor(gallery[3:5]), ids=[3, 4])
    assert meter.synced()["map"] == wanted["map"]


def test_embeddings_may_change_afterwards() -> None:
    for rows in (np.eye(3), torch.eye(3)):
        for store in ("host", *(["bfloat16"] if isinstance(rows, torch.Tensor) else [])):
            own = rows.clone() if isinstance(rows, torch.Tensor) else rows.copy()
            meter = RetrievalMeter(assay.count_ranks, store=store)
            meter.update(own, own)
            own[:] = 1.0
            assert meter.compute()["recall_at_1"] == 1.0


class Foreign:
    """An array of another library, on the host."""

    ndim = 2

    def __init__(self, rows: Any) -> None:
        self.rows, self.shape = rows, rows.shape

    def __len__(self) -> int:
        return len(self.rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.rows, dtype)


def test_batches_of_other_kinds() -> None:
    meter = RetrievalMeter(assay.count_ranks)
    meter.update(np.zeros((0, 7), np.float16), np.zeros((0, 2)), ids=[])  # of a loop's empty end
    assert meter.compute() == {}
    meter.update(Foreign(np.eye(3)), Foreign(np.eye(3)))
    assert meter.compute()["recall_at_1"] == 1.0
    with torch.inference_mode():
        own = torch.eye(3, requires_grad=True)
        meter = RetrievalMeter(assay.count_ranks, both_directions=True)
        meter.update(own, own, ids=torch.arange(3))
    meter.update(own.clone(), own.clone(), ids=torch.arange(2, 5))
    assert meter.scores()[0].n == 5


def test_ranks_among_meters_that_count(pool: Pool) -> None:
    found = pool.run("retrieval_jobs:among_others")
    assert found == [jobs.among_others(None, None)] * SIZE
    assert len(found[0]["values"]) > 20
    calls = pool.run("retrieval_jobs:calls_among_others")
    assert calls == [{"alone": [1, 2], "first": [1, 2]}] * SIZE


def test_meters_of_embeddings_are_named_and_read_by_name() -> None:
    meters = Meters(
        {
            "labels": assay.count_labels,
            "ranks": RetrievalMeter(assay.count_ranks, prefix="r_", tags={"model": "clip"}),
        },
        prefix="val_",
    )
    meters.update([0, 1], [0, 1])
    assert meters.state["ranks"] is None
    meters["ranks"].update(np.eye(2), np.eye(2))
    found = meters.compute()
    assert (found["val_accuracy"], found["val_r_clip/recall_at_1"]) == (1.0, 1.0)
    assert {score.name for score in meters.scores()} > {"accuracy", "recall@1"}
    meters.reset()
    assert meters.compute() == {}
    alone = Meters({"ranks": RetrievalMeter(assay.count_ranks)})
    with pytest.raises(InputError, match=r"none of the meters counts batches; .*meters\['ranks'\]"):
        alone.update(np.eye(2), np.eye(2))


def test_what_is_refused() -> None:
    partial = functools.partial
    for count, message in [
        (
            assay.count_words,
            "count must rank a gallery, as count_ranks does, got <function count_w",
        ),
        (
            partial(assay.count_ranks, both_directions=True),
            "both_directions of a partial is not of",
        ),
        (partial(assay.count_ranks, by={}), "by of a partial is not of all rows"),
    ]:
        with pytest.raises(InputError, match=message):
            RetrievalMeter(count)
    with pytest.raises(InputError, match="store must be one of host, bfloat16, got 'disk'"):
        RetrievalMeter(assay.count_ranks, store="disk")
    eye = np.eye(2)

    def meter(**options: Any) -> RetrievalMeter:
        made = RetrievalMeter(assay.count_ranks, **options)
        made.update(eye, eye, ids=[0, 1])
        return made

    cases: list[tuple[Any, dict[str, Any], str]] = [
        ((), {}, "give query, gallery or both"),
        ((eye[0],), {}, r"query must be an array or tensor \[n, d\], got \(2,\)"),
        (([[1.0]],), {}, r"query must be an array or tensor \[n, d\], got list"),
        ((np.eye(3),), {"ids": [2, 3, 4]}, "query has width 3, batches before 2"),
        ((torch.eye(2),), {"ids": [2, 3]}, "query must be arrays or tensors in all batches"),
        ((None, eye), {"ids": [2]}, r"gallery_ids must be 2 integers, one a row, got shape \(1,\)"),
        ((None, eye), {"ids": [2, 3], "gallery_labels": ["a", "b"]},
         "gallery_labels must be integers, got <U1"),
    ]  # fmt: skip
    for columns, options, message in cases:
        with pytest.raises(InputError, match=message):
            meter().update(*columns, **options)
    with pytest.raises(
        InputError, match="store='bfloat16' keeps tensors, and query is an array of"
    ):
        meter(store="bfloat16")
    plain = RetrievalMeter(assay.count_ranks)
    plain.update(eye, eye)
    with pytest.raises(InputError, match="give ids= with each batch, or with none"):
        plain.update(eye, eye, ids=[5, 6])
    named = meter()
    with pytest.raises(InputError, match="of query, give ids= with each batch, or with none"):
        named.update(eye, eye)  # would be numbered from 0, and left out
    with pytest.raises(InputError, match="gallery has width 3, batches before 2"):
        named.update(eye, np.eye(3)[:2], ids=[2, 3])
    assert named.synced().pairs.shape[0] == 2  # nothing of a bad batch was kept
    plain.reset()
    plain.update(eye)
    with pytest.raises(InputError, match="there are 2 queries and 0 gallery rows"):
        plain.compute()
