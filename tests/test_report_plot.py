"""Diagrams: what is drawn, what thinning leaves, and that nothing around them matters."""

import io
import json

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import colors, image

from assay.report import _sheet, plot
from assay.report._sheet import thinned
from assay.report.plot import Curve, Mark

ROC = Curve("AUC 0.8125", [0, 0, 0.25, 0.25, 1], [0, 0.5, 0.5, 1, 1])
MARKS = [Mark("best F1: threshold 0.4", 0.25, 1.0), Mark("threshold 0.5", 0.25, 0.5)]
EDGES = np.arange(6) / 5
BINS = (EDGES, np.array([3, 0, 2, 1, 4]), np.array([0.1, np.nan, 0.5, 0.7, 0.9]),
        np.array([0.0, np.nan, 0.5, 1.0, 0.75]))  # fmt: skip

DRAW = {
    "roc": lambda: plot.roc([ROC], MARKS, "title"),
    "precision_recall": lambda: plot.precision_recall([ROC], MARKS, "title", 0.3),
    "threshold": lambda: plot.threshold([ROC, ROC], MARKS, "title", Curve("grid", [0.1], [0.3])),
    "reliability": lambda: plot.reliability(*BINS, "ECE 0.05", "title"),
}
SIZES = {"threshold": (6.4, 4.6), "reliability": (5.4, 6.6)}


def legend(axes):
    own = axes.get_legend() or axes.figure.legends[0]
    return [text.get_text() for text in own.get_texts()]


def line(axes, label):
    (found,) = (own for own in axes.get_lines() if own.get_label() == label)
    return found


@pytest.mark.parametrize("name", DRAW)
def test_a_png_of_200_dots_an_inch(name):
    data = DRAW[name]()
    assert data.startswith(b"\x89PNG")
    assert b"atplotlib" not in data  # or another version would write other bytes
    width, height = SIZES.get(name, (5.4, 5.4))
    assert image.imread(io.BytesIO(data)).shape[:2] == (round(height * 200), round(width * 200))


@pytest.mark.parametrize("name", DRAW)
def test_settings_of_the_user_stay_and_do_not_matter(name):
    before = DRAW[name]()
    with mpl.rc_context({"lines.linewidth": 17, "axes.facecolor": "red", "font.size": 31,
                         "savefig.dpi": 30, "text.usetex": True}):  # fmt: skip
        settings = dict(mpl.rcParams)
        assert DRAW[name]() == before
        assert dict(mpl.rcParams) == settings


def test_no_display_and_no_pyplot(fresh_python):
    code = (
        "import json, sys; from assay.report import plot; early = 'matplotlib' in sys.modules;"
        "plot.roc([plot.Curve('a', [0, 1], [0, 1])]);"
        "print(json.dumps([early, 'matplotlib.pyplot' in sys.modules]))"
    )
    assert json.loads(fresh_python(code, env={"DISPLAY": None})) == [False, False]


def test_without_matplotlib_the_install_line(fresh_python):
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from assay.report import plot\n"
        "try: plot.roc([])\n"
        "except ImportError as error: print(error)"
    )
    message = "matplotlib is not installed; install it with: pip install 'assay[plot]'"
    assert fresh_python(code) == message


# -- what is drawn ---------------------------------------------------------------------------------


def test_roc(figures):
    plot.roc([ROC], MARKS, "a title")
    (axes,) = figures[0].axes
    assert axes.get_xlabel() == "False positive rate"
    assert axes.get_ylabel() == "True positive rate"
    assert axes.get_aspect() == 1
    assert axes.get_title(loc="left") == "a title"
    assert legend(axes) == ["chance", ROC.label, *(mark.label for mark in MARKS)]
    chance = line(axes, "chance")
    assert (list(chance.get_xdata()), list(chance.get_ydata())) == ([0, 1], [0, 1])
    curve = line(axes, ROC.label)
    assert (list(curve.get_xdata()), list(curve.get_ydata())) == (ROC.x, ROC.y)
    best = line(axes, MARKS[0].label)
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (0.25, 1.0)
    assert best.get_zorder() > line(axes, MARKS[1].label).get_zorder() > curve.get_zorder()


def test_precision_recall(figures):
    plot.precision_recall([ROC], MARKS, "", 0.25)
    (axes,) = figures[0].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Recall", "Precision")
    assert axes.get_aspect() == 1
    assert legend(axes)[0] == "chance (0.250)"
    assert set(line(axes, "chance (0.250)").get_ydata()) == {0.25}
    assert line(axes, ROC.label).get_drawstyle() == "steps-post"


def test_threshold(figures):
    x = np.array([-4.0, 0, 2, 6])
    curves = [Curve("F1", x, [0.2, 0.6, 0.9, 0.1]), Curve("recall", x, [1, 0.9, 0.7, 0])]
    plot.threshold(curves, [Mark("best", 2, 0.9)], "", Curve("grid", [0, 2], [0.6, 0.9]))
    (axes,) = figures[0].axes
    assert axes.get_xlabel() == "Threshold (positive at or above)"
    assert legend(axes) == ["F1", "recall", "grid", "best"]
    low, high = axes.get_xlim()
    assert low < -4 < 6 < high < 7
    first, second = (line(axes, curve.label) for curve in curves)
    assert first.get_drawstyle() == "steps-pre"
    assert first.get_linewidth() > second.get_linewidth()
    drops = [own for own in axes.get_lines() if list(own.get_xdata()) == [2, 2]]
    assert [list(own.get_ydata()) for own in drops] == [[0, 0.9]]
    plot.threshold([Curve("F1", [0.1, 0.8], [0.2, 0.6])])
    assert figures[1].axes[0].get_xlim() == (-0.02, 1.02)  # probabilities: the whole range


def test_a_mark_that_is_nowhere_is_left_out(figures):
    plot.roc([ROC], [Mark("no threshold", np.nan, np.nan)])
    assert legend(figures[0].axes[0]) == ["chance", ROC.label]


def test_reliability(figures):
    plot.reliability(*BINS, "ECE 0.05", "", ("score", "share"))
    axes, below = figures[0].axes
    assert legend(axes) == ["calibrated", "gap", "ECE 0.05"]
    own = line(axes, "ECE 0.05")
    assert list(own.get_xdata()) == [0.1, 0.5, 0.7, 0.9]
    assert list(own.get_ydata()) == [0, 0.5, 1, 0.75]
    assert [bar.get_height() for bar in below.patches] == [3, 0, 2, 1, 4]
    assert (axes.get_ylabel(), below.get_xlabel()) == ("share", "score")
    gaps = [segment.tolist() for segment in axes.collections[0].get_segments()]
    assert gaps[0] == [[0.1, 0.0], [0.1, 0.1]]


def test_curves_are_told_apart_without_colour(figures):
    curves = [Curve(f"class {i}", [0, 1], [0, i / 8]) for i in range(8)]
    plot.roc(curves)
    own = figures[0].axes[0].get_lines()[1:]
    assert len({str(line._unscaled_dash_pattern) for line in own}) == 8
    greys = sorted(
        np.dot(colors.to_rgb(line.get_color()), (0.2126, 0.7152, 0.0722)) for line in own
    )
    assert len({line.get_color() for line in own}) == 8
    assert greys[-1] < 0.75  # none too light for white paper


@pytest.mark.parametrize(
    "label", ["_hidden", "$x_1$", "$x_^$", "日本語", "a\x1b[31m\nb", "50 % \\frac"]
)
def test_any_text_is_a_label(figures, label):
    plot.roc([Curve(label, [0, 1], [0, 1])], title=label)
    shown = legend(figures[0].axes[0])[1]
    assert "\x1b" not in shown
    assert shown.strip() == label.replace("\x1b", "\\x1b").replace("\n", "\\n")


def test_letters_come_from_a_family_that_the_machine_has(monkeypatch, caplog):
    def drawn(*families):
        monkeypatch.setattr(_sheet, "FAMILIES", families)
        return plot.roc([Curve("\U0001d538 and a", [0, 1], [0, 1])]), plot.roc([ROC])

    odd, plain = drawn("no such family")
    odd_there, plain_there = drawn("STIXGeneral")  # has what DejaVu Sans may lack
    assert plain == plain_there
    assert not caplog.records
    assert odd[1:4] == odd_there[1:4] == b"PNG"


# -- thinning --------------------------------------------------------------------------------------


def test_short_lines_stay_as_they_are():
    x, y = thinned([0, 0.5, 1], [3, 1, 2], 1)
    assert (x.tolist(), y.tolist()) == ([0, 0.5, 1], [3, 1, 2])


@pytest.mark.parametrize("step", [1, -1])
def test_what_thinning_keeps(step):
    rng = np.random.default_rng(0)
    x, y = np.sort(rng.random(5000))[::step], rng.standard_normal(5000)
    kept = thinned(x, y, 10)
    assert len(kept[0]) <= 40
    place = np.minimum(((x - x.min()) / (x.max() - x.min()) * 10).astype(int), 9)
    expected = set()
    for column in range(10):
        rows = np.flatnonzero(place == column)
        expected |= {rows[0], rows[-1], rows[y[rows].argmin()], rows[y[rows].argmax()]}
    rows = sorted(expected)
    np.testing.assert_array_equal(kept, (x[rows], y[rows]))


def test_thinning_keeps_extremes_beside_gaps_and_one_point_of_each_gap():
    y = np.full(1000, np.nan)
    y[100:110], y[500], y[900] = 1.0, 7.0, -7.0
    kept = thinned(np.arange(1000), y, 2)
    assert {-7.0, 1.0, 7.0} <= set(kept[1].tolist())
    assert 4 <= np.isnan(kept[1]).sum() <= 6
    assert len(kept[1]) <= 2 * 4 + 4


def test_a_thinned_line_of_one_threshold():
    x, y = thinned(np.full(100, 0.5), np.arange(100), 3)
    assert set(y.tolist()) == {0, 99}
    assert set(x.tolist()) == {0.5}


def test_thinning_does_not_show(monkeypatch):
    rng = np.random.default_rng(1)
    n = 60_000
    target = rng.random(n) < 0.4
    target = target[np.argsort(-(target + rng.standard_normal(n)))]
    tp, fp = np.cumsum(target) / target.sum(), np.cumsum(~target) / (~target).sum()
    precision = np.cumsum(target) / np.arange(1, n + 1)
    pictures = {
        "roc": lambda: plot.roc([Curve("a", fp, tp)]),
        "precision_recall": lambda: plot.precision_recall([Curve("a", tp[::-1], precision[::-1])]),
        "threshold": lambda: plot.threshold([Curve("a", np.arange(n) / n, precision)]),
    }
    assert len(thinned(fp, tp, 2048)[0]) < n / 5
    thin = {name: ink(draw()) for name, draw in pictures.items()}
    monkeypatch.setattr(_sheet, "thinned", lambda x, y, columns: (x, y))
    for name, draw in pictures.items():
        whole = ink(draw())
        # but for a dot or two at an end, where matplotlib joins what it simplified otherwise
        assert (whole & ~thicker(thin[name])).sum() <= 2, name
        assert (thin[name] & ~thicker(whole)).sum() <= 2, name
        assert (whole != thin[name]).sum() < whole.sum() / 10, name


def ink(data):
    """Where a picture is dark."""
    return image.imread(io.BytesIO(data))[:, :, :3].mean(axis=2) < 0.6


def thicker(where):
    """The same with all neighbours."""
    padded = np.pad(where, 1)
    size = where.shape
    return np.any([padded[i : i + size[0], j : j + size[1]] for i in range(3) for j in range(3)], 0)
