"""Alignments of characters in a real browser: what one sees as a character stands together."""

import pytest

import assay
from assay.metrics.explain_transcripts import explain_transcripts
from assay.report.page import write_page
from browser_kit import Browser

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.fixture
def browser(tmp_path):
    made = Browser(tmp_path / "profile")
    yield made
    made.close()


def test_letters_with_marks_and_emoji_are_one_each(browser, tmp_path):
    pairs = {
        f"ne\u0301{FAMILY}x": f"ne\u0301{FAMILY}y",
        "cafe\u0301s": "cafes",  # a mark alone is wrong
        "a\u200db": "ab",  # what cannot be seen
    }
    rows = explain_transcripts([*pairs], [*pairs.values()], "char")
    browser.open(write_page(tmp_path / "page.html", [], {"Characters": rows}))
    for button in browser.all("tr.item .open"):
        button.click()
    lists = browser.all("ul.aligned")
    assert [browser.texts("li:not(.head) > span:first-child", own) for own in lists] == [
        ["n", "e\u0301", FAMILY, "x"],
        ["c", "a", "f", "e", "\u25cc\u0301", "s"],
        ["a", "\\u200d", "b"],
    ]
    assert browser.texts("p.note", browser.one("section.explorer"))[:3] == [
        "8 right, 1 substituted, 0 deleted, 0 inserted",
        "5 right, 0 substituted, 1 deleted, 0 inserted",
        "2 right, 0 substituted, 1 deleted, 0 inserted",
    ]
    counted = assay.count_chars([*pairs], [*pairs.values()])
    assert (counted.hits, counted.substitutions, counted.deletions) == (15, 1, 2)
    assert browser.texts("tr.item td.said del") == ["x", "\u25cc\u0301", "\\u200d"]
    assert browser.texts("tr.item td.said")[0] == f"ne\u0301{FAMILY}xy"
    browser.check()
