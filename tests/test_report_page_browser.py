"""The page in a real browser: what people do with it, and what it must not do."""

from collections import Counter

import pytest
from selenium.webdriver.common.keys import Keys

import assay
from assay.metrics.explain_labels import explain_labels
from assay.metrics.explain_rankings import explain_rankings
from assay.metrics.explain_transcripts import explain_transcripts
from assay.report import page_data
from assay.report.page import write_page
from browser_kit import Browser
from run_kit import END, HEAD, metric, points, write_journal
from test_report_page_left_out import png

EVIL = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'><!--\u2028"
)
REFERENCES = ["the cat sat on the mat", "hello world", "a b c", "yes sir"]
HYPOTHESES = ["the cat sat on mat", "hello there world", "a x z", "yes sir"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The page of a run with everything, of 200 runs, and of texts that are code."""
    folder = tmp_path_factory.mktemp("pages")
    with assay.Run(folder / "run", params={"lr": 0.1}) as run:
        for step in range(12):
            run.log(
                {"val_macro_f1": 0.5 + step / 100, "val_loss": 1 - step / 20}, step=step, fold=1
            )
        for name in "abcdefghij":
            run.log({f"metric_{name}": float(ord(name) % 7)})
    ids = ["u10", "u9", "u8", "u7"]
    explorers = {
        "Words": explain_transcripts(REFERENCES, HYPOTHESES, ids=ids, by={"who": list("xyxy")}),
        "Search": explain_rankings(
            {"q1": {"a": 0.9, "b": 0.5}, "q2": {"b": 1.0, "c": 0.5, "a": 0.1}, "q3": {"a": 1.0}},
            {"q1": ["a"], "q2": ["a"], "q3": ["z"]}, names={"a": "an apple", "b": "a bean"}),
        "Labels": explain_labels(["cat", "dog", "cat", "dog"], score=[0.2, 0.9, 0.8, 0.1],
                                 positive="cat", text=["one", "two", "three", "four"]),
    }  # fmt: skip
    made = {"one": write_page(folder / "one.html", folder / "run", explorers)}
    runs = []
    for i in range(200):
        about = {**HEAD, "name": f"run {i}", "params": {"rank": 2 ** (i % 4), "seed": i}}
        lines = [about, metric("val_macro_f1"), metric("ms_per_sample")]
        lines += [points(s, 100.0 + s, val_macro_f1=(i * 7 % 199 + s) / 300) for s in range(4)]
        lines += [points(0, 105.0, ms_per_sample=float(i % 13 + 1)), END]
        runs.append(write_journal(folder / f"r{i}", *lines))
    made["many"] = write_page(folder / "many.html", runs)
    made["evil"] = evil_page(folder)
    return made


def evil_page(folder):
    tags = {"host": EVIL, f"{EVIL} 2": "x"}
    with assay.Run(folder / "evil", name=EVIL, params={EVIL: EVIL}, tags=tags) as run:
        for step in 0, 1:
            run.log({f"loss {EVIL}": step + 1.0}, step=step, fold=EVIL)
            run.log({"val_macro_f1": 0.5}, step=step, stage=EVIL)
        run.table([{"x": 1}], EVIL)
    said = [f"a {EVIL} b", EVIL]
    explorers = {
        EVIL: explain_transcripts(
            said, [f"{EVIL} c", "d"], ids=[EVIL, "2"], by={EVIL: [EVIL, "x"]}
        ),
        "r": explain_rankings({EVIL: {EVIL: 1.0, "b": 0.5}}, {EVIL: ["b"]}, names={"b": EVIL}),
        "l": explain_labels([EVIL, "b"], ["b", EVIL], text=[EVIL, EVIL], ids=[EVIL, EVIL]),
    }
    return write_page(folder / "evil.html", folder / "evil", explorers, title=EVIL, positive=EVIL)


def explorer(browser, name):
    return next(s for s in browser.all("section.explorer") if browser.texts("h2", s) == [name])


def items(browser, frame):
    return browser.texts("tr.item .open", frame)


def write(browser, frame, text):
    """Search in an explorer."""
    field = browser.one("input[type=search]", frame)
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(text or Keys.BACKSPACE)
    browser.run("return new Promise((done) => setTimeout(done, 250))")


def test_a_table_is_sorted_and_filtered(browser, pages):
    browser.open(pages["one"])
    frame = next(
        f for f in browser.all("figure.table") if "Metrics" in browser.texts("figcaption", f)
    )
    name, best = browser.all("thead button", frame)[:2]

    def column(place):
        return browser.texts(f"tbody tr:not([hidden]) td:nth-child({place})", frame)

    before = column(1)
    name.click()
    assert column(1) == sorted(before)
    name.click()
    assert column(1) == sorted(before, reverse=True)
    best.click()
    numbers = [float(text) for text in column(2) if text]
    assert numbers == sorted(numbers, reverse=True)
    assert column(2)[-1] == ""  # what has no best is last, either way
    best.click()
    assert column(2)[-1] == ""
    assert browser.run("return arguments[0].closest('th').ariaSort", best) == "ascending"
    browser.one("input[type=search]", frame).send_keys("METRIC_ lower")
    assert column(1) == []
    browser.one("input[type=search]", frame).send_keys(Keys.CONTROL, "a")
    browser.one("input[type=search]", frame).send_keys("METRIC_")
    assert set(column(1)) == {f"metric_{c}" for c in "abcdefghij"}
    browser.one("input[type=search]", frame).send_keys(Keys.CONTROL, "a")
    browser.one("input[type=search]", frame).send_keys("fold loss")
    assert column(1) == ["fold_1/val_loss"]
    assert browser.texts(".count", frame) == ["1 of 12 rows"]
    browser.check()


def test_an_alignment_is_opened(browser, pages):
    browser.open(pages["one"])
    frame = explorer(browser, "Words")
    assert items(browser, frame)[0] == "u8"  # most errors
    assert browser.texts("tr.item td.said", frame)[0] == "a b x c z"
    first = browser.all("tr.item .open", frame)[0]
    first.click()
    assert first.get_attribute("aria-expanded") == "true"
    assert browser.texts(".aligned .r", frame) == ["b", "c"]
    assert browser.texts(".aligned .h", frame) == ["x", "z"]
    assert browser.texts("tr.detail .note", frame) == [
        "1 right, 2 substituted, 0 deleted, 0 inserted"
    ]
    first.click()
    assert browser.all("tr.detail", frame) == []
    browser.check()


def test_items_are_searched_filtered_and_sorted(browser, pages):
    browser.open(pages["one"])
    frame = explorer(browser, "Words")
    facts = browser.texts(".facts li", frame)
    state = assay.count_words(REFERENCES, HYPOTHESES)
    assert facts[0] == f"{100 * state.wer:.2f} % WER"
    for text, found in (
        ("there", ["u9"]),
        ("u7", ["u7"]),
        ("WORLD hello", ["u9"]),
        ("nothing", []),
    ):
        write(browser, frame, text)
        assert items(browser, frame) == found
    assert "Nothing is like that" in frame.text
    write(browser, frame, "")
    browser.one("input[type=checkbox]", frame).click()
    assert items(browser, frame) == ["u8", "u10", "u9"]
    assert browser.texts(".facts li", frame) == facts  # of all, whatever is listed
    browser.run(
        """const s = arguments[0]; s.value = 1;
                   s.dispatchEvent(new Event("change"));""",
        browser.one("select", frame),
    )
    assert items(browser, frame) == ["u9"]
    assert browser.texts(".count", frame) == ["1 of 4 pairs"]
    browser.one("input[type=checkbox]", frame).click()
    browser.all(".items thead button", frame)[0].click()
    assert items(browser, frame) == ["u7", "u9"]
    browser.check()


def test_items_whose_names_are_numbers_and_texts_are_in_one_order(browser, tmp_path):
    ids = ["b", 10, "a", 9, "10"]
    rows = explain_transcripts(list("vwxyz"), list("vwxyz"), ids=ids)
    browser.open(write_page(tmp_path / "ids.html", [], {"Mixed": rows}))
    frame = explorer(browser, "Mixed")
    browser.all(".items thead button", frame)[0].click()
    assert items(browser, frame) == ["9", "10", "10", "a", "b"]
    browser.check()


def test_what_is_taken_for_what(browser, pages):
    browser.open(pages["one"])
    frame = explorer(browser, "Words")
    browser.one("summary", frame).click()
    browser.wait(lambda: browser.all(".tables figure", frame))
    state = assay.count_words(REFERENCES, HYPOTHESES, confusions=True)
    shown = {
        browser.texts("figcaption", figure)[0]: browser.texts("tbody td", figure)
        for figure in browser.all(".tables figure", frame)
    }
    for kind in ("substitutions", "deletions", "insertions"):
        cells = shown[kind.title()]
        expected = {(" → ".join(own for own in (ref, hyp) if own), str(times))
                    for ref, hyp, times in state.top_confusions(kind, 99)}  # fmt: skip
        assert set(zip(cells[::2], cells[1::2], strict=True)) == expected
    words = Counter(word for text in REFERENCES for word in text.split())
    assert shown["Words most often wrong"][:4] == ["b", "1", str(words["b"]), "100 %"]
    next(b for b in browser.all(".pick", frame) if b.text == "c → z").click()
    assert items(browser, frame) == ["u8"]
    browser.one(".chip", frame).click()
    assert len(items(browser, frame)) == 4
    browser.check()


def test_rankings_show_what_is_above(browser, pages):
    browser.open(pages["one"])
    frame = explorer(browser, "Search")
    assert items(browser, frame) == ["q3", "q2", "q1"]
    assert browser.texts(".facts b", frame) == ["33.33 %", "66.67 %", "66.67 %", "3"]
    browser.all(".open", frame)[1].click()
    assert browser.texts(".ranked li", frame) == ["1a bean1", "2c0.5000", "3✓an apple0.1000"]
    browser.all(".open", frame)[0].click()
    assert "–✓z" in browser.texts(".ranked li", frame)
    browser.check()


def test_labels_show_confident_mistakes(browser, pages):
    browser.open(pages["one"])
    frame = explorer(browser, "Labels")
    assert browser.texts("tr.item td.said", frame) == ["two", "one"]
    assert browser.texts(".facts li", frame) == ["50.00 % accuracy of these", "2 mistakes"]
    browser.all(".matrix .pick", frame)[0].click()  # cat taken for cat
    assert browser.texts("tr.item td.said", frame) == ["three"]
    browser.check()


def test_keys_alone_do(browser, pages):
    browser.open(pages["one"])
    frame = explorer(browser, "Words")
    browser.press(Keys.TAB)
    assert browser.focused.text == "Skip to the content"
    browser.run("arguments[0].focus()", browser.one("input[type=search]", frame))
    browser.press(Keys.TAB, Keys.TAB, Keys.TAB, Keys.TAB)
    assert browser.focused.text == "item"
    browser.press(Keys.ENTER)
    assert items(browser, frame) == ["u10", "u7", "u8", "u9"]
    assert browser.focused.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    outline = browser.run("return getComputedStyle(arguments[0]).outlineStyle", browser.focused)
    assert outline == "solid"
    while "open" not in browser.focused.get_attribute("class"):
        browser.press(Keys.TAB)
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER)
    assert browser.focused.text == "u7"
    assert browser.focused.get_attribute("aria-expanded") == "true"
    browser.check()


def test_code_in_texts_stays_text(browser, pages):
    browser.open(pages["evil"])
    for button in browser.all("tr.item .open"):
        button.click()
    browser.run("document.querySelectorAll('details').forEach((own) => { own.open = true; })")
    browser.wait(lambda: browser.all(".tables figure"))
    assert browser.run("return window.hacked") is None
    assert browser.all("img") == []
    assert len(browser.all("script:not([type])")) == 1
    assert browser.one("h1").text.startswith("</script><script>window.hacked")
    assert browser.one("h1").text.endswith("<!--\\u2028")
    said = explorer(browser, browser.texts("section.explorer h2")[0])
    assert "</script><script>window.hacked" in browser.texts("td.said", said)[0]
    assert any("onerror" in text for text in browser.texts(".drawn text"))
    browser.check()


def test_two_hundred_runs(browser, pages):
    browser.open(pages["many"])
    assert len(browser.all("#runs tbody tr")) == 200
    told = browser.one("#curves").text
    assert "8 lines those that are best by val_macro_f1" in told
    titles = " ".join(browser.texts("#curves svg text"))
    assert "the first 8 of 200 series in colour, 92 in grey" in titles
    assert "100 left out" in titles
    frame = browser.one("#comparison")
    assert len(browser.all("thead th.n", frame)) == 3
    run = browser.texts("thead th.n", frame)[0]
    assert browser.texts("#overview .about")[0].startswith(run)  # the best one is the first
    add = browser.all("select", frame)[-1]
    browser.run(
        """const s = arguments[0]; s.value = 7;
                   s.dispatchEvent(new Event("change"));""",
        add,
    )
    assert browser.texts("thead th.n", frame)[3] == "run 7"
    row = next(r for r in browser.all("tbody tr", frame) if "val_macro_f1" in r.text)
    assert len(browser.all("td.best", row)) == 1
    browser.check()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("page", ["one", "many", "evil"])
def test_nothing_is_wider_than_the_screen(browser, pages, page, width):
    browser.open(pages[page], width=width)
    assert browser.run("return document.documentElement.scrollWidth") <= width


def test_a_reader_that_cannot_see_hears_what_is_what(browser, pages):
    browser.open(pages["one"])
    browser.run("document.querySelectorAll('details').forEach((own) => { own.open = true; })")
    browser.wait(lambda: len(browser.all(".tables figure")) > 2)
    told = browser.run(
        """const all = (own) => [...document.querySelectorAll(own)];
        const ids = all("[id]").map((own) => own.id);
        return [ids.length - new Set(ids).size, all("th:not([scope])").length,
                all("svg:not([aria-label]), img:not([alt])").length,
                all("button, input, select").filter((own) => !own.hidden && !own.textContent.trim()
                  && !own.ariaLabel && !own.closest("label")).length,
                all("table").filter((own) => !own.ariaLabel && !own.closest("[aria-label]")
                  && !own.closest("figure")?.querySelector("figcaption")).length];"""
    )
    assert told == [0] * 5


def test_light_and_dark(browser, pages):
    def paper():
        return browser.run("return getComputedStyle(document.body).backgroundColor")

    browser.open(pages["one"])
    light = paper()
    browser.open(pages["one"], dark=True)
    dark = paper()
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(20, 23, 26)")
    browser.one("#theme").click()
    assert paper() == light
    browser.open(pages["one"], dark=True)
    assert paper() == light  # as it was left
    browser.one("#theme").click()
    assert paper() == dark
    browser.run("localStorage.clear()")
    browser.check()


def test_printed(browser, pages):
    browser.open(pages["one"], dark=True, media="print")
    assert not browser.one("header").is_displayed()
    assert not any(own.is_displayed() for own in browser.all(".tools, .pager"))
    assert (
        browser.run("return getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    assert browser.one("#overview").is_displayed()
    assert browser.one(".printed", explorer(browser, "Words")).is_displayed()
    assert browser.texts(".printed") == [
        "4 pairs are looked at; printed are 1 to 4 of 4.",
        "3 queries are looked at; printed are 1 to 3 of 3.",
        "2 of 4 items are looked at; printed are 1 to 2 of 2.",
    ]
    browser.open(pages["one"])
    assert not any(own.is_displayed() for own in browser.all(".printed"))
    assert browser.command("Page.printToPDF")["data"].startswith("JVBERi")


def test_pictures_are_seen(browser, tmp_path):
    with assay.Run(tmp_path / "run") as run:
        run.figure(png(128, 40), EVIL)
        run.log({"wer": 0.5})
    for dark in False, True:
        browser.open(write_page(tmp_path / "pictures.html", tmp_path / "run"), dark=dark)
        picture = browser.one("#pictures img")
        assert browser.run("return arguments[0].naturalWidth", picture) == 40
        assert picture.get_attribute("alt").startswith("</script><script>window.hacked")
        assert browser.run("return window.hacked") is None
        browser.check()


def test_pages_of_packed_items(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(page_data, "LARGE", 10)
    references = [f"word {i}" for i in range(120)]
    rows = explain_transcripts(references, [*references[:100], *["é x y"] * 20])
    browser.open(write_page(tmp_path / "packed.html", [], {"Packed": rows}))
    frame = explorer(browser, "Packed")
    assert browser.texts(".pager span", frame) == ["Page 1 of 3"]
    assert len(items(browser, frame)) == 50
    assert items(browser, frame)[0] == "100"
    previous, following = browser.all(".pager button", frame)
    assert not previous.is_enabled()
    following.click()
    browser.press(Keys.ENTER)  # the focus stays
    assert browser.texts(".pager span", frame) == ["Page 3 of 3"]
    assert len(items(browser, frame)) == 20
    browser.check()
