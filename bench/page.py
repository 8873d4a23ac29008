"""The page of a report: what writing it takes, and what a browser takes to open it."""

import atexit
import base64
import gzip
import json
import re
import shutil
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from corpus import corpus
from gate import Contender, Work
from report import journals
from tracking import folder

__all__ = ["opened", "written"]

LIMIT = 40 * 2**20  # bytes of a page

_DATA = re.compile(r'<script type="application/json" id="data-explorer-1"( data-packed)?>(.*?)<')


@cache
def texts(n: int) -> tuple[list[str], list[str]]:
    references, hypotheses = corpus(n).columns()
    return references.to_pylist(), hypotheses.to_pylist()


def write(n: int) -> Path:
    from assay.metrics.explain_transcripts import explain_transcripts
    from assay.report.page import write_page

    path = folder() / f"page-{n}.html"
    speakers = {"speaker": [f"s{row % 300}" for row in range(n)]}
    rows = explain_transcripts(*texts(n), by=speakers)
    write_page(path, journals(4)[0], {"Transcripts": rows})
    return path


def written(n: int) -> Work:
    """A page of one run and n transcripts; its hypotheses are put together again."""

    def read(path: Path) -> Mapping[str, Any]:
        packed, text = _DATA.search(path.read_text("utf-8")).groups()
        data = json.loads(gzip.decompress(base64.b64decode(text)) if packed else text)["columns"]
        same = map(str.__eq__, map(_hypothesis, *map(data.get, ("reference", "edits", "other"))),
                   (" ".join(said.split()) for said in texts(n)[1]))  # fmt: skip
        return {"same": sum(same), "small": path.stat().st_size < LIMIT}

    return Work(
        ours=lambda: Contender(lambda: write(n), read),
        truth=lambda: {"same": n, "small": True},
        floor=lambda: gzip.compress(json.dumps(texts(n)).encode(), 6),
    )


def _hypothesis(reference: str, edits: str, other: str) -> str:
    if not edits:
        return reference
    left, right, said = iter(reference.split()), iter(other.split()), []
    for size, kind in re.findall(r"(\d+)(.)", edits):
        for _ in range(int(size)):
            word = "" if kind == "i" else next(left)
            if kind != "d":
                said.append(word if kind == "=" else next(right))
    return " ".join(said)


def opened(n: int) -> Work:
    """From the address to a page of n transcripts that can be searched, in Chromium."""
    path, browser = write(n), _browser()

    def run() -> str:
        browser.get(f"file://{path}")
        while not browser.execute_script("return document.documentElement.dataset.ready"):
            time.sleep(0.01)
        return str(browser.execute_script("return document.querySelector('.count').textContent"))

    return Work(
        ours=lambda: Contender(run, lambda told: {"items": int(told.split()[0].replace(",", ""))}),
        truth=lambda: {"items": n},
        floor=lambda: browser.get("about:blank"),
    )


@cache
def _browser() -> Any:
    from selenium import webdriver

    driver = shutil.which("chromedriver")
    if driver is None:
        raise FileNotFoundError("chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    flags = ["headless=new", "no-sandbox", "disable-gpu", "disable-background-networking"]
    for flag in (*flags, f"user-data-dir={folder() / 'profile'}"):
        options.add_argument(f"--{flag}")
    made = webdriver.Chrome(options, webdriver.ChromeService(driver))
    atexit.register(made.quit)
    return made
