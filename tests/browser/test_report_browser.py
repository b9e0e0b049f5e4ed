"""The page of `report` in a real browser: narrow and wide, light and dark, printed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from browsers import Browser, started_browser
from command_line import command, environment
from faults_support import tiny
from loopback import Answering, Loopback
from odd_names import give_odd_names
from support import serving

PLAIN, ODD = "plain", "odd"
WIDTHS = (390, 900, 1400)
LIGHT, DARK = "light", "dark"
PRINTED_PIXELS = 688  # of a sheet of A4 between its margins
LEAST_CONTRAST = 4.5
LEAST_CONTRAST_OF_BARS = 1.5

TOO_WIDE = """
const most = document.documentElement.clientWidth + 0.5, found = [];
if (document.documentElement.scrollWidth > most) found.push('the page');
for (const each of document.querySelectorAll('body *')) {
  const box = each.getBoundingClientRect();
  if (box.width > 1 && (box.right > most || box.left < -0.5)) found.push(each.tagName + ' ' + each.className + ' ' + box.right);
  if (each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 1) found.push(each.tagName + ' holds more than its width');
}
return found;
"""
COLOURS = """
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const each = walker.currentNode.parentElement;
  if (!walker.currentNode.nodeValue.trim() || each.getClientRects().length === 0) continue;
  let up = each, colour = 'rgba(0, 0, 0, 0)';
  for (; up && colour === 'rgba(0, 0, 0, 0)'; up = up.parentElement) colour = getComputedStyle(up).backgroundColor;
  const style = getComputedStyle(each);
  found.push([walker.currentNode.nodeValue.trim().slice(0, 30), style.color, colour, style.opacity]);
}
return found;
"""


class _Serves(Answering):
    owner: Serves

    def serve(self) -> None:
        self.owner.asked.append(self.path)
        page = self.owner.page
        self.answer(200, page, {"Content-Type": "text/html; charset=utf-8"})


class Serves(Loopback):
    """A server that has one page."""

    answers: ClassVar[type[Answering]] = _Serves

    def __init__(self, page: bytes) -> None:
        self.page = page
        self.asked: list[str] = []


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of the sandbox's demo account, and one of two accounts with odd names and 300 projects."""
    folder = tmp_path_factory.mktemp("pages")
    one, other = tiny(), tiny(seed=9)
    with serving(one, other) as sandbox:
        done = command(folder, "--account", "all", "--no-views", env=environment(sandbox))
        assert done.returncode == 0, done.stderr
    found = {name: folder / f"{name}.html" for name in (PLAIN, ODD)}
    account = ("--account", str(one.id))
    assert command(folder, "report", *account, "--out", f"{PLAIN}.html").returncode == 0
    give_odd_names(folder / "harvest_pipeline.duckdb", one.id, other.id)
    assert command(folder, "report", "--out", f"{ODD}.html").returncode == 0
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all looks at a page."""
    with started_browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


def look(browser: Browser, width: int, scheme: str, media: str = "") -> None:
    """Has the browser be of a width, and its user like light or dark."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"media": media, "features": [feature]}
    )


def channels(colour: str) -> tuple[float, float, float]:
    """Returns red, green and blue of a colour without transparency."""
    numbers = [float(each) for each in colour.partition("(")[2].rstrip(")").split(",")]
    assert numbers[3:] in ([], [1.0]), colour
    red, green, blue = (each / 255 for each in numbers[:3])
    return red, green, blue


def luminance(colour: str) -> float:
    """Returns how light a colour is, by the rule of the guidelines for accessible pages."""
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
        for each in channels(colour)
    ]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Returns the contrast of two colours."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def too_pale(browser: Browser) -> list[Any]:
    """Returns the texts that are hard to read, with their contrast."""
    found = browser.driver.execute_script(COLOURS)
    assert found
    assert {opacity for *_, opacity in found} == {"1"}
    rated = [(text, contrast(ink, ground)) for text, ink, ground, _ in found]
    return [each for each in rated if each[1] < LEAST_CONTRAST]


@pytest.mark.long
@pytest.mark.parametrize("name", [PLAIN, ODD])
def test_page_fits_and_is_readable(browser: Browser, pages: dict[str, Path], name: str) -> None:
    """At each width, light and dark; it asks for nothing and the console stays empty."""
    with Serves(pages[name].read_bytes()) as server:
        browser.requests()
        for address in (server.url, pages[name].as_uri()):
            browser.open(address)
            asked = [each for each in browser.requests() if not each.startswith("data:")]
            assert asked == [address]
        for width in WIDTHS:
            for scheme in (LIGHT, DARK):
                look(browser, width, scheme)
                browser.picture(f"{name}-{width}-{scheme}")
                assert browser.driver.execute_script(TOO_WIDE) == [], (width, scheme)
                assert too_pale(browser) == [], (width, scheme)
        assert browser.requests() == []
        assert [each for each in server.asked if each != "/favicon.ico"] == ["/"]
    assert browser.complaints() == []


@pytest.mark.parametrize("name", [PLAIN, ODD])
def test_page_fits_on_paper(browser: Browser, pages: dict[str, Path], name: str) -> None:
    """In dark ink on white, whatever the user likes on a screen."""
    browser.open(pages[name].as_uri())
    look(browser, PRINTED_PIXELS, DARK, "print")
    assert browser.driver.execute_script(TOO_WIDE) == []
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert browser.driver.execute_script(ground) == "rgba(0, 0, 0, 0)"
    for _text, ink, _ground, _opacity in browser.driver.execute_script(COLOURS):
        assert contrast(ink, "rgb(255, 255, 255)") >= LEAST_CONTRAST
    look(browser, PRINTED_PIXELS, LIGHT)
    printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF-")


def test_bars_are_as_long_as_their_numbers(browser: Browser, pages: dict[str, Path]) -> None:
    """Beside the largest of the table, and seen against their ground."""
    browser.open(pages[PLAIN].as_uri())
    for scheme in (LIGHT, DARK):
        look(browser, 900, scheme)
        lines = browser.driver.execute_script(
            """return [...document.querySelector('table').tBodies[0].rows].map(row => [
              row.querySelector('data').value,
              row.querySelector('.light').getBoundingClientRect().width,
              row.querySelector('.track').getBoundingClientRect().width,
              ...['full', 'light', 'track'].map(each => getComputedStyle(row.querySelector('.' + each)).fill)])"""
        )
        most = max(float(hours) for hours, *_ in lines)
        assert most > 0
        for hours, length, whole, full, light, track in lines:
            assert length == pytest.approx(whole * float(hours) / most, abs=whole / 100)
            assert contrast(full, light) >= LEAST_CONTRAST_OF_BARS
            assert contrast(light, track) >= LEAST_CONTRAST_OF_BARS - 0.3
