"""Random weights and sums under them: the slow twin, NumPy, and the laws of resampling."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.ops import reference_resample as twin
from assay.ops import resample
from assay.ops.delong import auc_variance, paired_auc_variance

SIZES = (0, 1, 2, 63, 64, 65, 1000, 1023, 1024, 1025, 3001)


def rows(n, c=3, high=10, seed=0):
    return np.random.default_rng(seed).integers(-2, high, (n, c))


# -- weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1])
def test_weights_are_those_of_the_twin(n, seed):
    assert resample.weights(n, 3, seed).tolist() == [twin.drawn(n, r, seed) for r in range(3)]
    swapped = resample.weights(n, 3, seed, swap=True)
    assert swapped.tolist() == [twin.swapped(n, r, seed) for r in range(3)]
    ids = np.arange(n) * 977 - 5
    poisson = resample.poisson_weights(ids, 3, seed)
    assert poisson.tolist() == [[twin.poisson(i, r, seed) for i in ids.tolist()] for r in range(3)]


def test_weights_of_more_items_than_half_a_hash_x(monkeypatch):
    n = (1 << 20) + 1
    found = resample.weights(n, 1)[0]
    assert found.sum() == n
    key = twin._numbers(twin._stream(0, 1), 0)
    places = [(twin._numbers(key, j) * n) >> 64 for j in range(n - 100, n)]
    assert all(found[place] for place in places)
    assert abs(found.var() - 1) < 0.01


def test_weights_have_the_distribution_they_should():
    n, resamples = 500, 4000
    drawn = resample.weights(n, resamples).astype(float)
    assert (drawn.sum(axis=1) == n).all()
    for w, off in ((drawn, 1 / n), (resample.poisson_weights(np.arange(n), resamples) * 1.0, 0)):
        assert abs(w.mean() - 1) < 0.005
        assert abs(w.var() - (1 - off)) < 0.01
        shares = np.bincount(w.astype(int).ravel(), minlength=6)[:6] / w.size
        expected = [math.exp(-1) / math.factorial(k) for k in range(6)]
        assert np.allclose(shares, expected, atol=0.002)
        # Neither items nor replicates move together.
        for table in (w, w.T):
            assert abs(np.corrcoef(table[:-1].ravel(), table[1:].ravel())[0, 1] + off) < 0.004
    bits = resample.weights(n, resamples, swap=True)
    assert abs(bits.mean() - 0.5) < 0.002
    assert set(np.unique(bits)) == {0, 1}


def test_streams_of_a_seed_and_seeds_differ():
    assert (resample.weights(1000, 1, 0) != resample.weights(1000, 1, 1)).any()
    few, many = resample.weights(100, 3), resample.weights(100, 30)
    assert (few == many[:3]).all()


# -- sums ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", SIZES)
def test_sums_are_those_of_the_weights(n):
    columns = rows(n, high=1000)
    weights = resample.weights(n, 21).astype(np.int64)
    assert (resample.totals(columns, 21) == weights @ columns).all()
    swapped = resample.weights(n, 21, swap=True).astype(np.int64)
    assert (resample.swapped_totals(columns, 21) == swapped @ columns).all()
    ids = np.random.default_rng(1).permutation(n) * 3
    poisson = resample.poisson_weights(ids, 21).astype(np.int64)
    assert (resample.poisson_totals(ids, columns, 21) == poisson @ columns).all()


@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_threads_change_nothing(monkeypatch, threads):
    monkeypatch.setenv("ASSAY_THREADS", threads)
    columns = rows(5000, high=1000)
    assert resample.totals(columns, 203)[[0, 100, 202]].tolist() == (
        (resample.weights(5000, 203).astype(np.int64) @ columns)[[0, 100, 202]].tolist()
    )
    cells = resample.totals(np.eye(3, dtype=int), 203, counts=[4, 5, 6])
    ranked = resample.rank(columns[:, 0] > 3, columns[:, 1])
    areas = resample.aucs(ranked, 203)
    poisson = resample.poisson_totals(np.arange(5000), columns, 203)
    monkeypatch.setenv("ASSAY_THREADS", "3")
    assert (cells == resample.totals(np.eye(3, dtype=int), 203, counts=[4, 5, 6])).all()
    assert (areas == resample.aucs(ranked, 203)).all()
    assert (poisson == resample.poisson_totals(np.arange(5000), columns, 203)).all()


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 2**40))
def test_poisson_sums_of_parts_are_those_of_the_whole(n, cut, first):
    ids, columns = np.arange(n) + first, rows(n)
    order = np.random.default_rng(n).permutation(n)
    parts = [order[:cut], order[cut:]]
    sums = [resample.poisson_totals(ids[part], columns[part], 17) for part in parts]
    assert (sum(sums) == resample.poisson_totals(ids, columns, 17)).all()


def test_rows_that_many_share_are_drawn_by_number(monkeypatch):
    columns = np.random.default_rng(0).integers(0, 3, (20_000, 2))
    by_number = resample.totals(columns, 2000)
    monkeypatch.setattr(resample, "COLLAPSE", 1 << 40)
    one_by_one = resample.totals(columns, 2000)
    assert (by_number != one_by_one).any()  # other draws of one distribution
    for found in (by_number, one_by_one):
        assert np.allclose(found.mean(axis=0), columns.sum(axis=0), rtol=0.002)
        spread = columns.std(axis=0) * math.sqrt(len(columns))
        assert np.allclose(found.std(axis=0), spread, rtol=0.06)
        expected = np.corrcoef(columns.T)[0, 1]
        assert abs(np.corrcoef(found.T)[0, 1] - expected) < 0.08


@pytest.mark.parametrize(
    "columns",
    [
        np.array([[-(2**40), 5]] * 70 + [[2**40, -5]] * 130),
        np.zeros((300, 2), int),
        np.array([[7, 1]] * 64),
    ],
)
def test_collapsed_rows_are_the_rows(columns):
    cells, counts = resample._collapsed(columns)
    assert counts.sum() == len(columns)
    assert np.repeat(cells, counts, axis=0).tolist() == sorted(columns.tolist())


def test_cells_are_a_multinomial():
    counts = np.array([0, 10, 30, 60])
    found = resample.totals(np.eye(4, dtype=int), 5000, counts=counts)
    assert (found.sum(axis=1) == 100).all()
    assert (found[:, 0] == 0).all()
    assert np.allclose(found.mean(axis=0), counts, atol=0.3)
    assert np.allclose(found.var(axis=0), counts * (1 - counts / 100), rtol=0.08, atol=1e-9)
    assert (resample.totals(np.eye(4, dtype=int), 2, counts=[0] * 4) == 0).all()


def test_clusters_are_drawn_together():
    columns, codes = rows(60, 1), np.arange(60) % 7
    sums = np.array([columns[codes == c].sum() for c in range(7)])
    weights = resample.weights(7, 50).astype(np.int64)
    assert (resample.totals(columns, 50, cluster=codes)[:, 0] == weights @ sums).all()


# -- areas -----------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=25),
    st.booleans(),
)
def test_areas_are_those_of_the_weighted_items(items, clustered):
    positive = [one for one, _ in items]
    score = np.array([value / 4 for _, value in items])
    codes = np.arange(len(items)) // (3 if clustered else 1)
    units = len(set(codes.tolist()))
    found = resample.aucs(resample.rank(positive, score, codes if clustered else None), 9)
    for replicate, weights in enumerate(resample.weights(units, 9).tolist()):
        own = [weights[c] for c in codes]
        assert found[replicate] == pytest.approx(twin.auc(positive, score, own), nan_ok=True)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 5)), max_size=30))
def test_delong_is_its_definition(items):
    positive = np.array([p for p, _, _ in items], bool)
    scores = [np.array([one[k] for one in items], float) for k in (1, 2)]
    p, m = int(positive.sum()), int((~positive).sum())
    psi = [
        np.array([[(x > y) + (x == y) / 2 for y in s[~positive]] for x in s[positive]])
        .reshape(p, m)
        for s in scores
    ]  # fmt: skip
    found = [auc_variance(positive, s) for s in scores]
    paired = paired_auc_variance(positive, *scores)
    if not (p and m):
        assert np.isnan([*found[0], *paired]).all()
        return
    for area, table in [*zip(found, psi, strict=True), (paired, psi[1] - psi[0])]:
        assert area.value == pytest.approx(table.mean(), abs=1e-12)
        if min(p, m) < 2:
            assert math.isnan(area.variance)
            continue
        variance = table.mean(axis=1).var(ddof=1) / p + table.mean(axis=0).var(ddof=1) / m
        assert area.variance == pytest.approx(variance, abs=1e-12)


def test_delong_by_hand():
    # positives beat 1 and 1/2 of the negatives, negatives lose to 1 and 1/2 of the positives
    area = auc_variance([1, 1, 0, 0], [0.8, 0.35, 0.4, 0.1])
    assert area == (0.75, 0.125 / 2 + 0.125 / 2)


def test_the_bootstrap_agrees_with_delong():
    rng = np.random.default_rng(3)
    positive = rng.random(3000) < 0.3
    score = rng.normal(size=3000) + positive
    found = resample.aucs(resample.rank(positive, score), 3000)
    area = auc_variance(positive, score)
    assert abs(found.mean() - area.value) < 4 * math.sqrt(area.variance / 3000) + 1e-3
    assert found.std() == pytest.approx(math.sqrt(area.variance), rel=0.06)


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: resample.totals([[0.5]], 3), "totals: columns must be integers [n, c], got shape "
         "(1, 1) of float64"),
        (lambda: resample.totals([1], 3), "columns must be integers [n, c], got shape (1,)"),
        (lambda: resample.totals([[2**61]], 3), "sums of 1 items could leave int64"),
        (lambda: resample.totals([[1]], 0), "resamples must be a whole number in 1..16,777,216"),
        (lambda: resample.totals([[1]], True), "resamples must be a whole number"),
        (lambda: resample.totals([[1]], 3, -1), "seed must be a whole number from 0 to 2**63 - 1"),
        (lambda: resample.totals([[1]], 3, counts=[-1]), "counts must be 1 integers of at least 0"),
        (lambda: resample.totals([[1]], 3, counts=[1], cluster=[0]), "counts are of single items"),
        (lambda: resample.totals([[1]], 3, cluster=[0, 1]), "cluster must be 1 codes from 0"),
        (lambda: resample.poisson_totals([0, 1], [[1]], 3), "ids must be 1 integers, got shape"),
        (lambda: auc_variance([1], [1, 2]), "positive and score must have one length"),
    ],
)  # fmt: skip
def test_what_is_refused(call, message):
    with pytest.raises(InputError) as caught:
        call()
    assert message in str(caught.value)
