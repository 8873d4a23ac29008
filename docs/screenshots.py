"""Pictures of `assay demo`'s report for the README: `python docs/screenshots.py`.

Needs Chromium and its driver, and what `pip install -e '.[test]'` brings.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from assay.cli import app

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1200, 760
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars",
)  # fmt: skip

# name -> color scheme, and the heading at the top
PICTURES = {"report-light": ("light", "Runs"), "report-dark": ("dark", "Transcripts at 16k")}


def shoot(page: Path) -> None:
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    # Named, so that nothing is asked of the network.
    browser = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    try:
        browser.set_window_size(WIDTH, HEIGHT)
        for name, (scheme, heading) in PICTURES.items():
            feature = {"name": "prefers-color-scheme", "value": scheme}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            browser.get(page.as_uri())
            at = browser.find_element(By.XPATH, f"//h2[normalize-space()='{heading}']")
            browser.execute_script("arguments[0].scrollIntoView()", at)
            browser.save_screenshot(str(IMAGES / f"{name}.png"))
    finally:
        browser.quit()


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            app(["demo"], standalone_mode=False)
        shoot(Path(folder, "assay-demo", "report.html"))


if __name__ == "__main__":
    main()
