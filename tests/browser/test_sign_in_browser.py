"""The whole sign-in in a real browser, headless Chromium, against the sandbox's identity pages."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from browsers import PATIENCE_SECONDS, Browser, started_browser
from selenium.webdriver.support.ui import WebDriverWait
from signing import Login, identity, secrets_of, tiny

from harvest_sandbox import Fault, Sandbox


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser with a profile of its own."""
    with started_browser(tmp_path) as started:
        yield started


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Two accounts, and an application that the sandbox knows."""
    with identity(tiny(1), tiny(2)) as running:
        yield running


@pytest.fixture
def held(sandbox: Sandbox) -> Sandbox:
    """The same, but the program waits for an answer until `closing` is set, so that its listener stays."""
    sandbox.faults.append(Fault("/v2/users/me", kind="timeout", times=2))
    return sandbox


def stored(login: Login) -> dict[str, Any]:
    """Returns what the sign-in left."""
    found: dict[str, Any] = json.loads(next(login.config.rglob("sign-in-*.json")).read_bytes())
    return found


def test_consent_and_choice_of_an_account(
    browser: Browser, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The last page says that it worked; neither its address nor the way back holds anything secret."""
    account = sandbox.accounts[1]
    with Login(tmp_path, sandbox) as login:
        sandbox.oauth.redirect_url = f"http://127.0.0.1:{login.port}/"
        address = login.address
        browser.open(address)
        browser.wait_for("Allow access to your Harvest data?")
        browser.picture("consent")
        browser.decide("allow", str(account.id))
        text = browser.wait_for("You are signed in")
        browser.picture("signed-in")
        assert login.finish() == 0, login.output
    assert account.name in text
    assert sandbox.accounts[0].name not in text
    assert browser.driver.current_url.startswith(f"http://127.0.0.1:{login.port}/done?key=")
    assert browser.driver.execute_script("return document.referrer") == ""
    assert stored(login)["account_id"] == account.id
    for secret in secrets_of(sandbox):
        assert secret not in browser.history() + browser.driver.page_source + login.output
    assert "code=" not in browser.history()
    assert browser.complaints() == []


def test_all_accounts(browser: Browser, sandbox: Sandbox, tmp_path: Path) -> None:
    with Login(tmp_path, sandbox, "--account", "all") as login:
        browser.open(login.address)
        browser.decide("allow", "all")
        text = browser.wait_for("You are signed in")
        assert login.finish() == 0, login.output
    assert all(account.name in text for account in sandbox.accounts)
    assert len(stored(login)["accounts"]) == 2


def test_refusal(browser: Browser, sandbox: Sandbox, tmp_path: Path) -> None:
    with Login(tmp_path, sandbox) as login:
        browser.open(login.address)
        browser.decide("deny")
        text = browser.wait_for("You are not signed in")
        browser.picture("refused")
        assert login.finish() == 1
    assert "refused at Harvest" in text
    assert "access_denied" not in browser.driver.current_url
    assert not list(login.config.rglob("*.json"))


def test_wrong_state(browser: Browser, sandbox: Sandbox, tmp_path: Path) -> None:
    """The answer to another sign-in is ignored, with a page that says so; the right one still works."""
    with Login(tmp_path, sandbox) as login:
        address = login.address
        before, _, _state = address.partition("state=")
        browser.open(before + "state=of-another-sign-in")
        browser.decide("allow")
        assert "It was ignored" in browser.wait_for("Not from this sign-in")
        assert browser.driver.current_url == f"http://127.0.0.1:{login.port}/other"
        browser.picture("wrong-state")
        browser.open(address)
        browser.decide("allow")
        browser.wait_for("You are signed in")
        assert login.finish() == 0, login.output
    assert len(sandbox.oauth.issued) == 1


@pytest.mark.long
def test_back_button(browser: Browser, held: Sandbox, tmp_path: Path) -> None:
    """It leads to Harvest's page; consenting once more changes nothing, and going forward shows the last page again."""
    with Login(tmp_path, held) as login:
        browser.open(login.address)
        browser.decide("allow")
        browser.wait_for("You are signed in")
        browser.driver.back()
        browser.wait_for("Allow access to your Harvest data?")
        browser.driver.forward()
        browser.wait_for("You are signed in")
        browser.driver.back()
        browser.wait_for("Allow access to your Harvest data?")
        browser.decide("allow")
        browser.wait_for("Already answered")
        browser.picture("already")
        assert "code=" not in browser.history()
        held.closing.set()
        assert login.finish() == 0, login.output
    assert len(held.oauth.issued) == 1


def test_second_tab(browser: Browser, held: Sandbox, tmp_path: Path) -> None:
    """Two tabs answer: the first counts."""
    first, second = (str(account.id) for account in held.accounts)
    with Login(tmp_path, held) as login:
        address = login.address
        browser.open(address)
        browser.driver.switch_to.new_window("tab")
        browser.open(address)
        browser.decide("allow", second)
        browser.wait_for("You are signed in")
        browser.driver.switch_to.window(browser.driver.window_handles[0])
        browser.decide("allow", first)
        assert "The first answer counts" in browser.wait_for("Already answered")
        held.closing.set()
        assert login.finish() == 0, login.output
    assert str(stored(login)["account_id"]) == second


def test_start_page(browser: Browser, sandbox: Sandbox, tmp_path: Path) -> None:
    """The program opens it, by an address without secrets; its cookie comes back with the answer of another site.

    Harvest is another site than this machine, as `localhost` is one than `127.0.0.1`. A reload and the address that the
    terminal shows lead the same browser on.
    """
    opened = tmp_path / "opened"
    recorder = f"{shlex.quote(sys.executable)} -c 'import sys; open(sys.argv[1], \"w\").write(sys.argv[2])' {opened} %s"
    id_url = sandbox.id_url.replace("127.0.0.1", "localhost")
    with Login(tmp_path, sandbox, "--account", "all", browser=recorder, ID_URL=id_url) as login:
        shown = login.address
        WebDriverWait(browser.driver, PATIENCE_SECONDS).until(
            lambda _driver: opened.exists() and opened.read_text()
        )
        for address in (opened.read_text(), opened.read_text(), shown):
            browser.open(address)
            browser.wait_for("Allow access to your Harvest data?")
            assert browser.driver.current_url.startswith(id_url)
        browser.decide("allow", "all")
        browser.wait_for("You are signed in")
        assert login.finish() == 0, login.output
    assert browser.driver.execute_script("return document.cookie") == ""
    for secret in secrets_of(sandbox):
        assert secret not in browser.history() + browser.driver.page_source + opened.read_text()


@pytest.mark.long
def test_answer_without_the_start_page(browser: Browser, sandbox: Sandbox, tmp_path: Path) -> None:
    """Another browser's answer is ignored, with a page that says what to do."""
    with (
        Login(tmp_path, sandbox, "--account", "all", browser="true") as login,
        requests.Session() as other,
    ):
        shown = login.address
        consent_page = other.get(shown, timeout=10).url
        browser.open(consent_page)
        browser.decide("allow", "all")
        assert "login --no-browser" in browser.wait_for("Not from the browser that began")
        browser.picture("no-cookie")
        browser.open(shown)
        browser.wait_for("Opened twice")
        browser.picture("opened-twice")
        login.stop(signal.SIGINT)
        assert login.finish() == 130
    assert not list(login.config.rglob("*.json"))
