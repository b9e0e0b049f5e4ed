"""A real browser for tests: headless Chromium, from Debian's packages chromium and chromium-driver."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from large_tools import do_without
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1000,760",
)
PATIENCE_SECONDS = 30


class Browser:
    """A browser with a profile of its own."""

    def __init__(self, driver: Chrome, pictures: Path) -> None:
        self.driver = driver
        self._pictures = pictures

    def open(self, address: str) -> None:
        """Goes to an address, as typed."""
        self.driver.get(address)

    def decide(self, button: str, account: str | None = None) -> None:
        """Chooses an account on the page of consent, and presses a button."""
        if account:
            self.driver.find_element(By.CSS_SELECTOR, f'input[value="{account}"]').click()
        self.driver.find_element(By.ID, button).click()

    def wait_for(self, title: str) -> str:
        """Waits for a page of that heading; returns its text, read in one step since the page may be on its way out."""
        read = "const h = document.querySelector('h1'); return [h && h.innerText, document.body && document.body.innerText]"

        def text_below_title(driver: Chrome) -> str | None:
            heading, text = driver.execute_script(read)
            return str(text) if heading == title else None

        return str(
            WebDriverWait(self.driver, PATIENCE_SECONDS).until(
                text_below_title, f"no page {title!r} came"
            )
        )

    def picture(self, name: str) -> None:
        """Keeps a picture of the page."""
        self.driver.save_screenshot(str(self._pictures / f"{name}.png"))

    def history(self) -> str:
        """Returns the addresses that the back button leads to."""
        return json.dumps(self.driver.execute_cdp_cmd("Page.getNavigationHistory", {}))

    def complaints(self) -> list[Any]:
        """Returns what the browser's console holds: a page that breaks its own rules is told there."""
        return list(self.driver.get_log("browser"))  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """Returns the addresses that the browser has asked for since this was last read."""
        log = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        messages = [json.loads(entry["message"])["message"] for entry in log]
        asked = [each for each in messages if each["method"] == "Network.requestWillBeSent"]
        return [each["params"]["request"]["url"] for each in asked]


@contextmanager
def started_browser(folder: Path) -> Iterator[Browser]:
    """Gives a browser; where none is installed, the test is skipped, and fails under CI.

    Args:
        folder: of its profile and its pictures.
    """
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and chromedriver):
        do_without(
            "chromium and chromedriver are not installed (Debian: chromium, chromium-driver)"
        )
    options = ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    driver = Chrome(options, ChromeService(chromedriver))
    try:
        yield Browser(driver, folder)
    finally:
        driver.quit()
