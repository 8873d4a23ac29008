"""Diagrams as SVG: many in one page, on light and dark ones, and nothing in a label is markup."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest

from assay.core.errors import InputError
from assay.report import _sheet, plot
from assay.report.plot import Curve, Mark
from assay.report.plot_ablation import Bars, Trend, ablation_trend, stage_bars
from assay.report.plot_efficiency import Phase, latency_distribution, vram_timeline
from assay.report.plot_pareto import Point, pareto_scatter
from assay.report.plot_training import Series, Spread, fold_spread, training_curves

EVIL = "<script>a</script> $x_1$ #222222 ভাষা 日本 \x1b&\uffff"
TOLD = "<script>a</script> $x_1$ #222222 ভাষা 日本 \\x1b&\\uffff"
BINS = (np.arange(3) / 2, np.array([3, 2]), np.array([0.2, 0.7]), np.array([0.1, 0.9]))

DRAW = {
    "roc": lambda t, f: plot.roc([Curve(t, [0, 1], [0, 1])], [Mark(t, 0.5, 0.5)], t, f),
    "precision_recall": lambda t, f: plot.precision_recall(
        [Curve(t, [0, 1], [0, 1])], (), t, 0.3, f
    ),
    "threshold": lambda t, f: plot.threshold([Curve(t, [0, 1], [0, 1])], (), t, None, f),
    "reliability": lambda t, f: plot.reliability(*BINS, t, t, (t, t), f),
    "training": lambda t, f: training_curves([Series(t, [1, 2], [3, 4], 2)], t, (t, t), f),
    "folds": lambda t, f: fold_spread([Spread(t, [1, 2, np.nan])], t, t, f),
    "ablation": lambda t, f: ablation_trend([Trend(t, [t, "b"], [1, 2], [1, 1])], t, (t, t), f),
    "pareto": lambda t, f: pareto_scatter(
        [Point(t, 1, 2), Point(t, 2, 1)], t, (t, t), ("lower", "higher"), f
    ),
    "stages": lambda t, f: stage_bars([t], [Bars(t, [1.0], "lower")], t, f),
    "latency": lambda t, f: latency_distribution([1, 2, 3], [4, 5], t, t, f),
    "vram": lambda t, f: vram_timeline([Curve(t, [0, 1], [5, 6])], t, [Phase(t, 0, 1)], t, f),
}  # fmt: skip
EMPTY = {
    "roc": lambda f: plot.roc([], format=f),
    "precision_recall": lambda f: plot.precision_recall([], format=f),
    "threshold": lambda f: plot.threshold([Curve("a", [], [])], format=f),
    "reliability": lambda f: plot.reliability([0, 1], [0], [np.nan], [np.nan], "a", format=f),
    "training": lambda f: training_curves([Series("a", [1], [np.nan])], "t", format=f),
    "no training": lambda f: training_curves([], "t", format=f),
    "folds": lambda f: fold_spread([], "t", format=f),
    "ablation": lambda f: ablation_trend([], "t", ("a", "b"), f),
    "pareto": lambda f: pareto_scatter([], "t", ("a", "b"), ("lower", "higher"), f),
    "stages": lambda f: stage_bars([], [], "t", f),
    "no number": lambda f: stage_bars(["a"], [Bars("b", [np.nan])], "t", f),
    "latency": lambda f: latency_distribution([], [], "t", format=f),
    "no runs": lambda f: latency_distribution([0, 1], [0], "t", format=f),
    "vram": lambda f: vram_timeline([Curve("a", [], [])], "t", format=f),
}


def texts(data):
    return [own.text for own in ET.fromstring(data).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", DRAW)
def test_nothing_that_could_clash_or_leave_the_page(name):
    data = DRAW[name]("a title", "svg").decode()
    assert data.startswith("<svg ")
    tags = {own.tag.partition("}")[2] for own in ET.fromstring(data).iter()}
    assert tags == {"svg", "path", "text"}
    assert not re.search(r"\b(id|class|href|clip-path)=|url\(|@|matplotlib", data)
    assert data.count("http") == 1  # the name of the format
    assert len(data) < 12_000


@pytest.mark.parametrize("name", DRAW)
def test_the_same_bytes_again(name):
    assert DRAW[name]("t", "svg") == DRAW[name]("t", "svg")
    assert DRAW[name]("t", "png") == DRAW[name]("t", "png")


@pytest.mark.parametrize("name", DRAW)
def test_any_text_is_shown_as_it_is(name):
    data = DRAW[name](EVIL, "svg")
    assert TOLD in " ".join(texts(data))
    assert ET.fromstring(data).get("aria-label").startswith(TOLD)
    assert b"<script" not in data
    assert DRAW[name](EVIL, "png")[1:4] == b"PNG"


@pytest.mark.parametrize("name", DRAW)
def test_ink_is_the_colour_of_the_page(name):
    data = DRAW[name]("t", "svg").decode()
    assert "currentColor" in data
    assert not re.search(r'"#(222222|000000)"', data)
    letters = [own for own in ET.fromstring(data).iter() if own.text]
    assert letters
    assert all(own.get("font-size") for own in letters)
    assert {own.get("fill") for own in letters} <= {"currentColor", _sheet.GREY}
    for own in ET.fromstring(data).iter():  # white is the page's own where a browser draws
        for key in ("fill", "stroke"):
            if own.get(key) == "#ffffff":
                assert f"{key}:var(--paper,Canvas)" in own.get("style")


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("format", ["svg", "png"])
def test_nothing_to_draw(name, format):
    data = EMPTY[name](format)
    assert b"svg" in data[:5] or data[1:4] == b"PNG"


HARD = [0, 1, -1, 1e-300, 1e300, -1e300, np.nan, np.inf, -np.inf, 3, 3, 2**60]
WIDE = "日本語" * 80


@pytest.mark.parametrize("values", [HARD, [5e8], [1e-9, 1e9]])
def test_hard_numbers_and_wide_text(values):
    """Warnings are errors here."""
    n, ways = len(values), ("lower", "higher")
    ticks, mark = range(n), Mark(WIDE, values[0], 0)
    for data in (
        plot.threshold([Curve(WIDE, values, np.zeros(n))], [mark], format="svg"),
        training_curves([Series(WIDE, ticks, values)] * 9, WIDE, (WIDE, WIDE), "svg"),
        training_curves([Series(WIDE, values, values)], WIDE, format="svg"),
        fold_spread([Spread(WIDE, values)] * 50, WIDE, WIDE, "svg"),
        ablation_trend([Trend(WIDE, values, values, np.abs(values))], WIDE, (WIDE, WIDE), "svg"),
        ablation_trend([Trend("a", [f"{WIDE}{k}" for k in ticks], values)], "t", ("", ""), "svg"),
        pareto_scatter([Point(WIDE, v, v) for v in values], WIDE, (WIDE, WIDE), ways, "svg"),
        stage_bars([WIDE] * n, [Bars(WIDE, values)] * 9, WIDE, "svg"),
        latency_distribution([0, 1e-9, 1e15], [2**40, 1], WIDE, WIDE, "svg"),
        vram_timeline([Curve(WIDE, ticks, values)] * 9, WIDE, [Phase(WIDE, 0, 1)], WIDE, "svg"),
    ):  # fmt: skip
        for own in ET.fromstring(data).iter():
            assert not re.search("nan|inf", "".join(own.get(key, "") for key in ("d", "x", "y")))


def test_an_unknown_format():
    with pytest.raises(InputError, match="format must be one of png, svg, got 'pdf'"):
        plot.roc([], format="pdf")


def test_long_text_is_cut_and_long_titles_are_wrapped():
    data = plot.roc([Curve("x" * 1000, [0, 1], [0, 1])], title="word " * 500, format="svg")
    found = texts(data)
    assert "x" * 28 + "…" + "x" * 27 in found
    assert sum(own.startswith("word") for own in found) > 2
    assert max(map(len, found)) <= 56


def test_svg_and_figure_agree(figures):
    """The paths of the SVG are where matplotlib says that the data are."""
    x, y = [0, 0.25, 0.5, 1], [0, 0.75, 0.5, 1]
    data = plot.roc([Curve("a", x, y)], [Mark("m", 0.5, 0.5)], format="svg")
    axes = figures[0].axes[0]
    at = axes.transData.transform(np.column_stack([x, y])) * 72 / figures[0].dpi
    at[:, 1] = figures[0].get_size_inches()[1] * 72 - at[:, 1]
    paths = [own for own in ET.fromstring(data) if own.get("stroke") == "#0072b2"]
    drawn = np.array(re.findall(r"[\d.]+", paths[0].get("d")), float).reshape(-1, 2)
    np.testing.assert_allclose(drawn, at, atol=0.06)
    marks = [own for own in ET.fromstring(data) if own.get("fill") == "#d55e00"]
    start = re.match(r"M([\d.]+) ([\d.]+)m(.*)z", marks[0].get("d"))
    np.testing.assert_allclose(np.array(start.groups()[:2], float), at[2], atol=0.06)
    moves = np.array([own.split() for own in start[3].split("l")], float)
    r = 6.5 / 2 * 2**0.5
    corners = [(0, r), (r, 0), (0, -r), (-r, 0)]
    np.testing.assert_allclose(moves.cumsum(axis=0), corners, atol=0.02)


def test_a_circle_is_two_arcs_around_its_point():
    data = plot.roc([], [Mark("a", 0, 0), Mark("b", 0.5, 0.5)], format="svg").decode()
    assert re.search(
        r'd="M[\d.]+ [\d.]+m0-5.50a5.50 5.50 0 1 0 0 11.00a5.50 5.50 0 1 0 0 -11.00z"', data
    )


# -- colours ---------------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                   [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip


def linear(color):
    value = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x, y, z = np.cbrt(np.maximum(TO_XYZ @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883], 0.00886))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("ink", ["#1c1c1c", "#e6e6e6"])
def test_colours_are_told_apart(sight, ink):
    colors = [ink if own == _sheet.INK else own for own in _sheet.COLORS]
    seen = [lab(np.array(SIGHT[sight]) @ linear(own)) for own in colors]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 15


def test_colours_stand_out_on_paper_and_in_the_dark():
    for color in {*_sheet.COLORS, _sheet.GREY} - {_sheet.INK}:
        light = TO_XYZ[1] @ linear(color) + 0.05
        assert 1.05 / light > 2.2
        assert light / (TO_XYZ[1] @ linear("#16181d") + 0.05) > 2.9
