"""A real Chromium without a display, for pages: what it logs, what it loads, what keys do."""

import json
import os
import shutil
import time

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from waiting_kit import PATIENCE_S

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1280,900",
)  # fmt: skip


class Browser:
    """One Chromium; open() a page, look at it, and check that nothing went wrong."""

    def __init__(self, folder):
        programs = [
            shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")
        ]
        program, driver = next(filter(None, programs), None), shutil.which("chromedriver")
        if program is None or driver is None:
            what = "needs Chromium and its driver: apt-get install chromium chromium-driver"
            if os.environ.get("ASSAY_REQUIRE_BROWSER"):
                pytest.fail(what)
            pytest.skip(what)
        options = webdriver.ChromeOptions()
        options.binary_location = program
        for flag in (*FLAGS, f"--user-data-dir={folder}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(driver))

    def open(self, path, *, dark=False, width=1280, media=""):
        """Show a file, and wait until its script is done."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900,
                     deviceScaleFactor=1, mobile=False)  # fmt: skip
        for log in "browser", "performance":
            self.driver.get_log(log)
        self.driver.get(f"file://{path}")
        self.wait(lambda: self.run("return document.documentElement.dataset.ready"))

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def all(self, selector, within=None):
        return (within or self.driver).find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector, within=None):
        found = self.all(selector, within)
        assert len(found) == 1, f"{selector}: {len(found)}"
        return found[0]

    def texts(self, selector, within=None):
        found = self.all(selector, within)
        return self.run("return arguments[0].map((own) => own.textContent)", found)

    def wait(self, holds):
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, self.driver.get_log("browser")
            time.sleep(0.02)

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    @property
    def focused(self):
        return self.driver.switch_to.active_element

    def check(self):
        """No error on the console, and nothing that was loaded but the page itself."""
        assert [line["message"] for line in self.driver.get_log("browser")] == []
        asked = []
        for line in self.driver.get_log("performance"):
            message = json.loads(line["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.append(message["params"]["request"]["url"])
        own = ("file://", "data:", "blob:", "chrome://")  # the last: its empty tab, still loading
        assert [url for url in asked if not url.startswith(own)] == []

    def close(self):
        self.driver.quit()
