"""Where sign-ins are kept: one file each, for its owner only, in the user's configuration folder.

Every change happens under a lock that all processes share, and every file is replaced in one step. Who needs new tokens
asks through `exchange.py`, a process of its own, so that no kill loses a refresh token that works only once.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import click
from filelock import FileLock, Timeout

from harvest_source.errors import SettingError, UnavailableError
from harvest_source.patience import OF_TOKENS, PASSING_STATUSES
from harvest_source.settings import SECTION, HarvestSettings
from harvest_source.signin import exchange
from harvest_source.signin.apart import run_apart
from harvest_source.signin.names import checked_name
from harvest_source.unread import where_looked

APP_NAME = "harvest-pipeline"
FOLDER_MODE = 0o700
LOCK_SECONDS = 240.0  # another process may be renewing, and try some times
TOO_SLOW = "Harvest did not answer the request for tokens in time; try again later"


@dataclass(frozen=True)
class OAuthClient:
    """The application that a person registered at Harvest."""

    client_id: str
    client_secret: str = field(repr=False)
    id_url: str
    user_agent: str

    @property
    def token_url(self) -> str:
        """Returns the address of the token endpoint (Harvest API, OAuth2)."""
        return self.id_url + "api/v2/oauth2/token"


def oauth_client(settings: HarvestSettings, register: str) -> OAuthClient:
    """Returns the configured application.

    Args:
        settings: with `client_id` and `client_secret`.
        register: says what to do where they are missing.

    Raises:
        SettingError: one of the two is missing.
    """
    values = {name: trimmed(getattr(settings, name)) for name in ("client_id", "client_secret")}
    missing = [name for name, value in values.items() if not value]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise SettingError(
            f"{' and '.join(missing)} {are} not set: {register}\n{{}}",
            quoted=(where_looked(missing[0], SECTION),),
        )
    return OAuthClient(**values, id_url=settings.id_url, user_agent=settings.user_agent)


def trimmed(value: object) -> str:
    """Returns a part of the application's credentials without the spaces and quotes that get pasted along."""
    return str(value or "").strip().strip("\"'").strip()


@dataclass(frozen=True)
class Tokens:
    """What is known of one sign-in."""

    name: str = ""
    client_id: str = ""
    id_url: str = ""
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    # some services let the last one work on for a while
    previous_refresh_token: str = field(default="", repr=False)
    expires_at: float | None = None  # seconds since 1970; None: Harvest did not say
    lifetime_seconds: float | None = None
    account_id: int | None = None  # the account that was chosen at sign-in
    # id -> name of those that were reached at sign-in
    accounts: dict[str, str] = field(default_factory=dict)
    user: str = ""

    @property
    def refresh_tokens(self) -> list[str]:
        """Returns the refresh tokens worth trying, the newest first."""
        known = (self.refresh_token, self.previous_refresh_token)
        return list(dict.fromkeys(token for token in known if exchange.is_refresh_token(token)))

    def renewed(self, answer: dict[str, Any]) -> Tokens:
        """Returns these tokens after an answer of the token endpoint.

        Raises:
            ValueError: the access token is none.
        """
        if not exchange.is_token(answer["access_token"]):
            raise ValueError
        known = exchange.known_fields(answer)
        used = answer.get("used") or ""
        newest = known.get("refresh_token") or used
        lifetime = known.get("expires_in")
        return replace(
            self,
            access_token=answer["access_token"],
            refresh_token=newest,
            previous_refresh_token=used if used != newest else self.previous_refresh_token,
            lifetime_seconds=float(lifetime) if lifetime else None,
            expires_at=answer["sent_at"] + lifetime if lifetime else None,
        )


def folder() -> Path:
    """Returns the folder of all sign-ins, outside of any checkout."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (
        Path(base) / APP_NAME
        if base and Path(base).is_absolute()
        else Path(click.get_app_dir(APP_NAME))
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def sign_in_file(client: OAuthClient, name: str) -> TokenFile:
    """Returns the file of a sign-in.

    Raises:
        SettingError: the name is none that a file can have.
    """
    checked_name(name)
    blank = Tokens(name=name, client_id=client.client_id, id_url=client.id_url)
    return TokenFile(
        f"sign-in-{name}-{client_slug(client.client_id)}-{_digest(client.id_url, client.client_id, name)}",
        blank,
    )


def configured_file(client: OAuthClient, refresh_token: str) -> TokenFile:
    """Returns the file of what became of a configured refresh token; a new one there means a new file here."""
    blank = Tokens(client_id=client.client_id, id_url=client.id_url)
    return TokenFile(
        f"configured-{client_slug(client.client_id)}-{_digest(client.id_url, client.client_id, refresh_token)}",
        blank,
    )


def client_slug(client_id: str) -> str:
    """Returns what of an application's id stands in the names of its files."""
    return re.sub(r"[^A-Za-z0-9-]", "_", client_id)[:40]


def stored_sign_ins(client: OAuthClient) -> list[Tokens]:
    """Returns the sign-ins that are stored for an application, by name."""
    found = [TokenFile(path.stem).read() for path in sorted(folder().glob("sign-in-*.json"))]
    mine = [
        each
        for each in found
        if each and (each.client_id, each.id_url) == (client.client_id, client.id_url)
    ]
    return sorted(mine, key=lambda each: each.name)


def order_of(client: OAuthClient, now: float, **grant: str) -> dict[str, Any]:
    """Returns what `exchange.ask` is told: that file knows nothing of the package. See `TokenFile.exchange`."""
    return {
        "token_url": client.token_url,
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "user_agent": client.user_agent,
        "sent_at": now,
        "timeout": OF_TOKENS.timeout,
        "seconds": OF_TOKENS.whole_seconds,
        "passing": sorted(PASSING_STATUSES),
        **grant,
    }


class TokenFile:
    """One file of tokens, with the lock that guards it."""

    def __init__(self, stem: str, blank: Tokens | None = None) -> None:
        self.path = folder() / f"{stem}.json"
        self._answer_path = folder() / f"{stem}.answer"
        self.blank = blank or Tokens()  # what is known before there are tokens

    def __repr__(self) -> str:
        return f"TokenFile({self.path.name})"

    def read(self) -> Tokens | None:
        """Returns what is stored; None where nothing is, or nothing that can be read."""
        try:
            stored = json.loads(self.path.read_bytes())
            return Tokens(**stored) if stored["access_token"] else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the lock of all processes, after an answer that another one is still waiting for has come in.

        Raises:
            SettingError: the folder cannot be written.
            UnavailableError: another process holds the lock too long, or the answer cannot be read; it is gone then.
        """
        with self._alone():
            with self._setting_errors():
                self._adopt()
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._setting_errors():
            self.path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            if os.name == "posix" and self.path.parent.stat().st_mode & 0o077:
                self.path.parent.chmod(FOLDER_MODE)
            lock = FileLock(
                f"{self.path}.lock", timeout=LOCK_SECONDS, mode=exchange.PRIVATE, thread_local=False
            )
            lock.acquire(poll_interval=0.02)
        try:
            yield
        finally:
            lock.release()

    def write(self, tokens: Tokens) -> None:
        """Stores tokens; to be called under the lock.

        Raises:
            SettingError: the folder cannot be written.
        """
        with self._setting_errors():
            exchange.write_private(self.path, json.dumps(asdict(tokens)).encode())

    def forget(self) -> bool:
        """Removes the tokens, also those that are still on their way; returns whether there were any.

        Raises:
            SettingError: the folder cannot be written.
            UnavailableError: another process holds the lock too long.
        """
        kept = (self.path, self._answer_path)
        with self._alone(), self._setting_errors(), exchange.sending_lock(self._answer_path):
            there = [path for path in (*kept, *map(exchange.part_of, kept)) if path.exists()]
            for path in there:
                path.unlink()
        return bool(there)

    @contextmanager
    def anew(self, port: int) -> Iterator[TokenFile]:
        """Yields a file beside this one for a new sign-in, so that this one stays until all is well; it is gone afterwards.

        Args:
            port: which the new sign-in listens at, and so nobody else at the same time.
        """
        new = TokenFile(f"new-{port}-{self.path.stem}", self.blank)
        new.forget()  # what a killed program left
        try:
            yield new
        finally:
            new.forget()

    def replace(self, new: TokenFile, **known: Any) -> None:
        """Takes over a new sign-in in place of this one, with what is known of it.

        Raises:
            SettingError: the folder cannot be written, or the new sign-in is gone.
        """
        with self.locked():
            tokens = new.read()
            if tokens is None:
                raise SettingError(
                    "the new sign-in was removed meanwhile, by a logout; start again"
                )
            self.write(replace(tokens, **known))

    def exchange(self, client: OAuthClient, now: float, **grant: str) -> dict[str, Any]:
        """Asks Harvest for new tokens and stores them; to be called under the lock.

        Args:
            client: the application.
            now: from when the lifetime of the tokens counts, in seconds since 1970.
            grant: `refresh_token`, or `code`, `redirect_uri` and `code_verifier`.

        Returns:
            what became of it: `outcome`, `status` and `error`, never a token.

        Raises:
            SettingError: the folder cannot be written.
            RefusedError: no process can be started.
            UnavailableError: Harvest did not answer in time.
        """
        result = run_apart(json.dumps(order_of(client, now, **grant)), self._answer_path)
        with self._setting_errors():
            if result["error"] == exchange.NO_ROOM:
                raise OSError(errno.ENOSPC, "no room, or not allowed to write")
            self._adopt()
        # not asked again: the lock has been held long enough
        if result["error"] == exchange.TOO_SLOW:
            raise UnavailableError(TOO_SLOW)
        return result

    def _adopt(self) -> None:
        """Takes over the answer that a process of `exchange.py` has left; waits for one that is still at work."""
        with exchange.sending_lock(self._answer_path):
            try:
                content = self._answer_path.read_bytes()
            except FileNotFoundError:
                return
            try:
                answer = json.loads(content)
                # a new sign-in begins anew
                before = (self.read() if answer["used"] else None) or self.blank
                tokens = json.dumps(asdict(before.renewed(answer))).encode()
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                self._answer_path.unlink()  # else it would stop every later run
                raise UnavailableError(
                    "the tokens that Harvest answered cannot be read; try again later"
                ) from None
            exchange.write_private(self.path, tokens)
            self._answer_path.unlink()

    @contextmanager
    def _setting_errors(self) -> Iterator[None]:
        try:
            yield
        except Timeout as error:
            raise UnavailableError(
                "another run is renewing the sign-in and does not end; try again later"
            ) from error
        except OSError as error:
            raise SettingError(
                "cannot keep tokens in {} ({}): make it writable, or set XDG_CONFIG_HOME",
                quoted=(folder(), error.strerror or error),
            ) from error
