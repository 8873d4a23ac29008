"""Vectors that are ranked in every kind and layout, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.ops.similarity import rank_pairs, topk

pytestmark = pytest.mark.usefixtures("several_blocks")
ROWS = np.random.default_rng(5).standard_normal((40, 6)).astype(np.float16)
FOUND = topk(ROWS.astype(np.float32)[:9], ROWS.astype(np.float32), 5)


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: rows,
        lambda rows: rows.astype(np.float64),
        lambda rows: np.asfortranarray(rows.astype(np.float32)),
        lambda rows: rows.tolist(),
        lambda rows: pa.FixedSizeListArray.from_arrays(pa.array(rows.astype("f4").ravel()), 6),
        lambda rows: pa.chunked_array(
            [
                pa.FixedSizeListArray.from_arrays(pa.array(part.astype("f4").ravel()), 6)
                for part in (rows[:4], rows[4:5], rows[5:])
            ]
        ),
    ],
    ids=["float16", "float64", "fortran", "lists", "arrow", "arrow-chunks"],
)
def test_kinds_of_vectors(make: Any) -> None:
    found = topk(make(ROWS[:9]), make(ROWS), 5)
    assert found.index.tolist() == FOUND.index.tolist()
    assert found.scores.tobytes() == FOUND.scores.tobytes()
    relevant = Ragged.from_lengths(np.arange(9), np.ones(9, int))
    assert rank_pairs(make(ROWS[:9]), make(ROWS), relevant).above.tolist() == [0] * 9


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_in_tensors_out(kind: torch.dtype) -> None:
    rows = torch.from_numpy(ROWS).to(kind)
    rows.requires_grad_()
    found = topk(rows[:9], rows, 5)
    plain = topk(rows.detach().double().numpy()[:9], rows.detach().double().numpy(), 5)
    assert isinstance(found.index, torch.Tensor)
    assert found.index.tolist() == plain.index.tolist()
    assert found.scores.dtype == torch.float64
    assert found.scores.numpy().tobytes() == plain.scores.tobytes()


def test_a_gallery_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "g.npy", ROWS.astype(np.float32))
    mapped = np.load(tmp_path / "g.npy", mmap_mode="r")
    assert topk(ROWS[:9], mapped, 5).index.tolist() == FOUND.index.tolist()


# -- what is refused -------------------------------------------------------------------------------

GOOD = np.ones((3, 4), np.float32)
BROKEN = GOOD.copy()
BROKEN[1, 2] = np.nan
ONE = Ragged.from_lengths(np.zeros(3, np.int64), np.ones(3, np.int64))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: topk(BROKEN, GOOD, 1), r"query\[1\] holds NaN or infinity; drop it or mend it"),
        (lambda: topk(GOOD, BROKEN * np.inf, 1), r"gallery\[0\] holds NaN or infinity"),
        (
            lambda: topk(GOOD, GOOD * [[1], [0], [1]], 1),
            r"gallery\[1\] has norm 0, and no c",
        ),
        (
            lambda: topk(GOOD.astype(float) * 1e200, GOOD, 1, metric="dot"),
            r"query\[0\]: its norm is beyond float64",
        ),
        (
            lambda: topk(GOOD, GOOD[:, :3], 1),
            "query and gallery must have the same width, got 4 and 3",
        ),
        (lambda: topk(GOOD, GOOD, 4), r"topk: k must be in 1..g, got k=4 with g=3"),
        (lambda: topk(GOOD, GOOD, 0), r"topk: k must be in 1..g, got k=0 with g=3"),
        (lambda: topk(GOOD, GOOD, 1.5), "topk: k must be a whole number, got 1.5"),
        (
            lambda: topk(GOOD, np.ones((5000, 4)), 4097),
            r"k must be in 1..4,096, got k=4097 with g=5000",
        ),
        (lambda: topk(GOOD, GOOD[:0], 1), "gallery is empty; there is nothing to rank"),
        (lambda: topk(GOOD[0], GOOD, 1), r"query must have shape \[rows, width\], got \(4,\)"),
        (lambda: topk([[1.0], [1.0, 2.0]], GOOD, 1), r"query must have shape \[rows, width\]: "),
        (
            lambda: topk(GOOD.astype(complex), GOOD, 1),
            "query: vectors must be floats or integers of up to 32",
        ),
        (
            lambda: topk(GOOD, [["a"]], 1),
            "gallery: vectors must be floats or integers of up to 32 bits, got <U1",
        ),
        (
            lambda: topk(GOOD, GOOD, 1, metric="cos"),
            "metric must be one of dot, cosine, l2, got 'cos'",
        ),
        (
            lambda: topk(GOOD, GOOD, 1, precision="fp8"),
            "precision must be one of exact, float32, int8",
        ),
        (
            lambda: topk(pa.array([[1.0]]), GOOD, 1),
            "query must be a column of fixed-size lists, got list",
        ),
        (
            lambda: rank_pairs(GOOD, GOOD, ONE.rows(0, 2)),
            "relevant must have a row for each of 3 queries",
        ),
        (
            lambda: rank_pairs(GOOD, GOOD, Ragged(np.array([0, 3, 1]), ONE.offsets)),
            r"relevant\[1\]: gallery rows must be in 0..2, got 3",
        ),
        (
            lambda: rank_pairs(GOOD, GOOD, Ragged(np.array([1, 1, 1]), np.array([0, 0, 2, 3]))),
            r"relevant\[1\]: row 1 stands there twice",
        ),
        (
            lambda: rank_pairs(GOOD, GOOD, ONE, exclude=ONE.rows(0, 1)),
            "exclude must have a row for each of 3 queries, got 1",
        ),
        (
            lambda: rank_pairs(GOOD, GOOD, ONE, scores=np.zeros(2)),
            "scores must be one for each of 3 pairs, got 2",
        ),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
