"""What the tests of the sign-in share: a small account, settings that lead to its sandbox, and the login as a program."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from command_line import SCRIPT, bare_environment, hear_ctrl_c
from loopback import free_port

from harvest_sandbox import Account, Sandbox, Size, build_account
from harvest_source.settings import HarvestSettings
from harvest_source.signin import exchange

TINY = Size(projects=4, users=4, invoices=4, estimates=2, time_entries=60, expenses=6, clients=3)
CLIENT_SECRET = "client-secret-that-nobody-sees"


def tiny(seed: int = 5) -> Account:
    """Returns a small account."""
    return build_account(TINY, seed=seed)


@contextmanager
def identity(*accounts: Account, **options: Any) -> Iterator[Sandbox]:
    """Serves accounts, with an application registered whose secret can be searched for."""
    with Sandbox(list(accounts) or [tiny()], **options) as sandbox:
        sandbox.oauth.client_secret = CLIENT_SECRET
        yield sandbox


def oauth_settings(sandbox: Sandbox, **changes: Any) -> HarvestSettings:
    """Returns settings of the sandbox's application."""
    application = {
        "client_id": sandbox.oauth.client_id,
        "client_secret": sandbox.oauth.client_secret,
    }
    return HarvestSettings(
        **{**application, "api_url": sandbox.api_url, "id_url": sandbox.id_url, **changes}
    )


def asked_here(patch: pytest.MonkeyPatch) -> None:
    """Has tokens asked for within this process, in the same words: a process of its own takes longer than what is asked."""

    def run_here(order: str, answer_path: Path) -> dict[str, Any]:
        with exchange.sending_lock(answer_path):
            return exchange.exchange(json.loads(order), answer_path)

    for name, value in (
        ("OAUTHLIB_INSECURE_TRANSPORT", "1"),
        ("OAUTHLIB_RELAX_TOKEN_SCOPE", "1"),
        ("no_proxy", "*"),
    ):  # as the process sets them for itself
        patch.setenv(name, value)
    patch.setattr("harvest_source.signin.tokens.run_apart", run_here)


def secrets_of(sandbox: Sandbox) -> set[str]:
    """Returns everything that must never be seen: tokens, the secret of the application, codes."""
    tokens = {
        str(answer[name])
        for answer in sandbox.oauth.issued
        for name in ("access_token", "refresh_token")
    }
    codes = {
        request.fields[name]
        for request in sandbox.requests
        for name in ("code", "code_verifier")
        if request.fields.get(name)
    }
    return tokens | codes | {sandbox.oauth.client_secret}


def token_requests(sandbox: Sandbox) -> int:
    """Returns how often the token endpoint was asked."""
    return sum(request.path == "/api/v2/oauth2/token" for request in sandbox.requests)


def environment(
    sandbox: Sandbox, config: Path, port: int = 8484, **settings: str
) -> dict[str, str]:
    """Returns an environment for the command line, without this machine's settings."""
    values = {
        "API_URL": sandbox.api_url,
        "ID_URL": sandbox.id_url,
        "CLIENT_ID": sandbox.oauth.client_id,
        "CLIENT_SECRET": sandbox.oauth.client_secret,
        "REDIRECT_PORT": str(port),
        **settings,
    }
    return bare_environment(str(config), **values)


class Login:
    """A running `login --no-browser`, with an open standard input that is no terminal; use it in a `with`.

    With a `browser`, the command line of one, it opens the start page in that.
    """

    def __init__(
        self,
        folder: Path,
        sandbox: Sandbox,
        *arguments: str,
        port: int | None = None,
        browser: str = "",
        **settings: str,
    ) -> None:
        self.port = port or free_port()
        self.config = folder / "config"
        self.env = environment(sandbox, self.config, self.port, **settings)
        self._folder = folder
        self._arguments = arguments if browser else ("--no-browser", *arguments)
        self.env |= {"BROWSER": browser} if browser else {}
        self.output = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "login", *self._arguments],
            cwd=self._folder,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - it only sets a signal's disposition, for which no lock is needed
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def address(self) -> str:
        """Returns the address to open: the only line that is nothing but an address."""
        assert self._process.stdout
        while True:
            line = self._process.stdout.readline()
            self.output += line
            if line.startswith("http") and ("redirect_uri" in line or "/start?key=" in line):
                return line.removesuffix("\n")
            if not line:
                raise AssertionError(self.output)

    def stop(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self._process.send_signal(number)

    def finish(self) -> int:
        """Waits for the end; returns the exit code."""
        assert self._process.stdout
        self.output += self._process.stdout.read()
        return self._process.wait(60)
