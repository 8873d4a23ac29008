"""Diagrams of training, ablations, fronts, stages, latencies and memory: where things are drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.ops import durations
from assay.report.plot import Curve
from assay.report.plot_ablation import Bars, Trend, ablation_trend, stage_bars
from assay.report.plot_efficiency import Phase, latency_distribution, vram_timeline
from assay.report.plot_pareto import Point, pareto_scatter
from assay.report.plot_training import Series, Spread, fold_spread, training_curves
from assay.report.render import Marked

BOTH = ("lower", "higher")


def lines(axes, marker=None):
    return [own for own in axes.get_lines() if marker is None or own.get_marker() == marker]


def data_of(line):
    return [*zip(*map(list, line.get_data()), strict=True)]


def named(axes, start):
    (found,) = (own for own in axes.get_lines() if str(own.get_label()).startswith(start))
    return found


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


# -- training --------------------------------------------------------------------------------------


def test_the_best_epoch_is_marked_on_its_curve(figures):
    series = [Series("fold 1", [3, 1, 2], [0.6, 0.5, 0.7], 2), Series("fold 2", [1, 2], [0.4, 0.8])]
    training_curves(series, "Macro F1", ("Epoch", "Macro F1"))
    (axes,) = figures[0].axes
    assert [data_of(own) for own in lines(axes, "*")] == [[(2, 0.7)]]
    assert data_of(named(axes, "fold 1")) == [(1, 0.5), (2, 0.7), (3, 0.6)]
    drops = [own for own in lines(axes, "None") if list(own.get_xdata()) == [2, 2]]
    assert [own.get_ydata()[1] for own in drops] == [0.7]
    assert legend(figures[0]) == ["fold 1: best 0.7 at 2", "fold 2"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Epoch", "Macro F1")


def test_gaps_stay_gaps_and_lone_points_are_seen(figures):
    y = [1, np.nan, np.inf, 2, np.nan, *range(3, 203)]
    training_curves([Series("a", range(205), y)], "t")
    (own,) = lines(figures[0].axes[0])
    assert np.isnan(own.get_ydata()[[1, 2, 4]]).all()
    assert own.get_markevery() == [0, 3]
    assert (
        figures[0].axes[0].get_title(loc="left").endswith("(values that are no finite numbers: 3)")
    )


def test_many_series_of_many_points(figures):
    rng = np.random.default_rng(0)
    x = np.arange(1000)
    series = [Series(f"run {i}", x, rng.random(1000), 5) for i in range(120)]
    data = training_curves(series, "t", format="svg")
    assert len(data) < 250_000
    (axes,) = figures[0].axes
    assert len(legend(figures[0])) == 8
    assert len(lines(axes, "*")) == 8
    assert axes.get_title(loc="left") == (
        "t\n(the first 8 of 120 series in colour, 92 in grey; 20 left out)"
    )
    grey = [own for own in lines(axes) if own.get_color() == "#767676" and len(own.get_xdata()) > 2]
    assert len(grey) == 92
    for own, given_ in zip(grey, series[8:100], strict=True):  # extremes are not lost
        assert own.get_ydata().min() == given_.y.min()
        assert own.get_ydata().max() == given_.y.max()


def test_a_diverged_loss_is_logarithmic(figures):
    training_curves([Series("a", [1, 2], [0.1, 1e4])], "t", ("Step", "Loss"))
    (axes,) = figures[0].axes
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "Loss, logarithmic"
    training_curves([Series("a", [1, 2], [-0.1, 1e4])], "t")
    assert figures[1].axes[0].get_yscale() == "linear"


def test_series_that_do_not_fit():
    with pytest.raises(InputError, match=r"x and y of 'a' must be of one length, got \[2\] and"):
        training_curves([Series("a", [1, 2], [1])], "t")
    with pytest.raises(InputError, match="best of 'a' must be an x with a finite y, got 2"):
        training_curves([Series("a", [1, 2], [1, np.nan], 2)], "t")


def test_folds_with_their_mean_and_standard_deviation(figures):
    values = [0.81, 0.84, np.nan, 0.83]
    fold_spread([Spread("a", values), Spread("b", [0.5]), Spread("c", [])], "t", "Score")
    (axes,) = figures[0].axes
    labels = [own.get_text() for own in axes.get_yticklabels()]
    assert labels == ["a\n0.8267 ± 0.015 (n = 3)", "b\n0.5 (n = 1)", "c\nno value (n = 0)"]
    folds = [sorted(own.get_xdata()) for own in lines(axes, "o")]
    assert folds == [[0.81, 0.83, 0.84], [0.5]]
    ((low, _), (high, _)) = axes.collections[0].get_segments()[0]
    known = np.array([0.81, 0.84, 0.83])
    np.testing.assert_allclose((low + high) / 2, known.mean())
    np.testing.assert_allclose((high - low) / 2, known.std(ddof=1))


# -- ablations -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "scale", "ticks"),
    [
        ([1, 2, 4, 32], "log", [1, 2, 4, 32]),
        ([32, 4.0, 0.25], "log", [32, 4, 0.25]),
        ([0.001, 0.01, 0.1], "log", [0.001, 0.01, 0.1]),
        ([6, 8, 16], "linear", [6, 8, 16]),
        ([0, 4, 8], "linear", [0, 4, 8]),
        ([1, 2], "linear", [1, 2]),
        (["text", "audio", 4], "linear", [0, 1, 2]),
        ([True, False], "linear", [0, 1]),
    ],
)
def test_the_axis_of_a_factor(figures, levels, scale, ticks):
    ablation_trend([Trend("a", levels, range(len(levels)))], "t", ("Factor", "F1"))
    (axes,) = figures[0].axes
    assert axes.get_xscale() == scale
    assert sorted(axes.get_xticks()) == pytest.approx(sorted(ticks))
    assert axes.get_xlabel() == "Factor" + ", logarithmic" * (scale == "log")


def test_trends_with_error_bars(figures):
    trend = Trend("a", [8, 2, 4], [0.7, 0.5, 0.6], [0.1, 0.2, np.nan])
    ablation_trend([trend], "t", ("Rank", "F1"))
    (axes,) = figures[0].axes
    assert data_of(lines(axes, "o")[0]) == [(2, 0.5), (4, 0.6), (8, 0.7)]
    first, none, last = axes.collections[0].get_segments()
    np.testing.assert_allclose(first, [(2, 0.3), (2, 0.7)])
    assert not len(none)
    np.testing.assert_allclose(last, [(8, 0.6), (8, 0.8)])
    with pytest.raises(InputError, match="must be of one length, got 2, 1, 1 of 'b'"):
        ablation_trend([Trend("b", [1, 2], [3])], "t", ("a", "b"))


@settings(max_examples=15)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12),
    st.tuples(st.sampled_from(BOTH), st.sampled_from(BOTH)),
)
def test_the_front_is_that_of_all_pairs(values, better):
    from assay.report import _sheet

    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sheet.Sheet, "done", lambda own: found.append(own.figure) or b"")
        pareto_scatter([Point("p", *v) for v in values], "t", ("a", "b"), better)
    (axes,) = found[0].axes
    sign = [1 if way == "higher" else -1 for way in better]
    table = np.array(values) * sign
    front = sorted(
        tuple(map(float, own))
        for own, row in zip(values, table, strict=True)
        if not any((other >= row).all() and (other > row).any() for other in table)
    )
    line = named(axes, "Pareto front")
    assert sorted(data_of(line)) == front
    # from the left to the right, never upwards, as seen
    seen = axes.transData.transform(data_of(line))
    assert (np.diff(seen[:, 0]) >= -1e-6).all()
    assert (np.diff(seen[:, 1]) <= 1e-6).all()
    assert line.get_drawstyle() == "steps-pre"  # down from a point, then on to the next
    assert axes.xaxis_inverted() == (better[0] == "lower")
    assert axes.yaxis_inverted() == (better[1] == "lower")


def test_up_and_right_is_better_and_the_axes_say_so(figures):
    points = [Point("small", 1, 0.8), Point("large", 9, 0.9), Point("lost", np.nan, 1)]
    pareto_scatter(points, "t", ("Latency (ms)", "F1"), BOTH)
    (axes,) = figures[0].axes
    assert axes.get_xlabel() == "Latency (ms) – lower is better →"
    assert axes.get_ylabel() == "F1 – higher is better →"
    assert min(axes.get_xticks()) >= 0
    assert axes.get_title(loc="left").split("\n")[1] == "(1 without a finite place)"
    with pytest.raises(InputError, match="better must be one of higher, lower, got 'up'"):
        pareto_scatter([], "t", ("a", "b"), ("up", "higher"))


def test_labels_of_points_do_not_cover_one_another(figures):
    rng = np.random.default_rng(0)
    points = [Point(f"configuration {i}", *rng.random(2)) for i in range(200)]
    pareto_scatter(points, "t", ("a", "b"), BOTH)
    (axes,) = figures[0].axes
    figures[0].draw_without_rendering()
    boxes = [own.get_window_extent().extents for own in axes.texts]
    assert 10 <= len(boxes) <= 40
    for k, (left, bottom, right, top) in enumerate(boxes):
        for other in boxes[k + 1 :]:
            apart = right <= other[0] or other[2] <= left or top <= other[1] or other[3] <= bottom
            assert apart, (axes.texts[k].get_text(), other)
    title = axes.get_title(loc="left")
    assert title.endswith(f"(no room for {200 - len(boxes)} of 200 labels)")


# -- stages, latencies, memory ---------------------------------------------------------------------


def test_bars_are_as_long_as_their_values(figures):
    sizes = [440.0, Marked(260, "260 (sparse)"), np.nan]
    bars = [Bars("Size (MB)", sizes, "lower"), Bars("Delta", [0.0, -0.5, 12345])]
    stage_bars(["Baseline", "Pruned", "Quantized"], bars, "Stages")
    first, second = figures[0].axes
    assert [(bar.get_y() + 0.34, bar.get_width()) for bar in first.patches] == [
        (pytest.approx(0), 440), (pytest.approx(1), 260)]  # fmt: skip
    assert [bar.get_width() for bar in second.patches] == [0, -0.5, 12345]
    assert [text.get_text() for text in first.texts] == ["440", "260 (sparse)", "no value"]
    assert [text.get_text() for text in second.texts] == ["0", "-0.5", "12,345"]
    assert first.get_title(loc="left") == "Size (MB)\nlower is better"
    assert first.get_ylim()[0] > first.get_ylim()[1]  # the first stage on top
    with pytest.raises(InputError, match="'b' must have a value for each of 2 stages, got 1"):
        stage_bars(["x", "y"], [Bars("b", [1])], "t")


def test_latencies_and_their_quantiles(figures):
    latency_distribution([1e6, 2e6, 3e6, 5e6], [50, 45, 5], "t")
    (axes,) = figures[0].axes
    assert [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in axes.patches] == [
        (1, 1, 50), (2, 1, 45), (3, 2, 5)]  # fmt: skip
    assert legend(figures[0]) == ["p50: 1.5 ms", "p90: 2.5 ms", "p99: 4 ms"]
    assert data_of(named(axes, "p99")) == [(4, 0), (4, 50)]
    assert axes.get_xlabel() == "Latency (ms)"
    assert axes.get_title(loc="left") == "t\n(100 runs)"


def test_a_fine_histogram_keeps_its_count_and_quantiles(figures):
    ns = np.random.default_rng(0).lognormal(15, 1, 5000).astype(np.int64)
    buckets, counts = np.unique(durations.bucket_of(ns), return_counts=True)
    middles = durations.middle_of(buckets)
    between = (middles[:-1] + middles[1:]) / 2
    edges = np.concatenate([[middles[0] - 1], between, [middles[-1] + 1]])
    latency_distribution(edges, counts, "t")
    (axes,) = figures[0].axes
    assert axes.get_xscale() == "log"
    assert len(axes.patches) <= 80
    assert sum(bar.get_height() for bar in axes.patches) == 5000
    at = named(axes, "p90").get_xdata()[0] * 1e6
    assert at == pytest.approx(durations.quantile(buckets, counts, 0.9), rel=0.02)


@pytest.mark.parametrize(("edges", "counts"), [([1, 2], [1, 2]), ([2, 1], [1]), ([1, 1], [1])])
def test_edges_that_do_not_fit(edges, counts):
    with pytest.raises(InputError, match="edges must ascend, one more than counts, got"):
        latency_distribution(edges, counts, "t")


def test_memory_with_its_peak_and_phases(figures):
    phases = [Phase("forward", 0, 1), Phase("backward", 1, 2), Phase("forward", 2, 3)]
    allocated = Curve("allocated", [0, 1, 2, 3], np.array([1, 3, 2, np.nan]) * 2**30)
    vram_timeline([allocated, Curve("reserved", [0, 3], [2**32] * 2)], "t", phases)
    (axes,) = figures[0].axes
    assert data_of(named(axes, "peak")) == [(1, 3)]
    assert legend(figures[0]) == ["allocated", "reserved", "forward", "backward",
                                  "peak: 3 GiB at 1 s"]  # fmt: skip
    spans = [
        [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in own.get_paths()]
        for own in axes.collections
    ]
    assert spans == [[(0, 1), (2, 3)], [(1, 2)]]
    assert axes.get_ylabel() == "Memory (GiB)"
    assert axes.get_ylim() == pytest.approx((0, 4.32))


def test_more_phases_than_can_be_seen(figures):
    vram_timeline([Curve("a", [0, 1], [5, 6])], "t", [Phase("p", k, k + 1) for k in range(1000)])
    assert figures[0].axes[0].get_title(loc="left") == "t\n(600 of 1,000 phases not shaded)"
