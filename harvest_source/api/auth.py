"""Signs requests: which token stands in the Authorization header.

A token belongs into these objects and nowhere else: they show no secret when printed.
"""

from __future__ import annotations

from typing import Protocol

from harvest_source.api.errors import SettingError
from harvest_source.settings import DEVELOPERS_URL, HarvestSettings


class Auth(Protocol):
    """Whatever can sign a request."""

    def token(self) -> str:
        """Returns the access token that is valid now."""

    def renew(self, rejected: str) -> bool:
        """Gets a new token after Harvest refused `rejected`; returns whether it is worth asking again."""


class PersonalToken:
    """A personal access token: it does not expire and cannot be renewed (Harvest API, personal access tokens)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __repr__(self) -> str:
        return "PersonalToken(…)"

    def token(self) -> str:
        """Returns the token."""
        return self._token

    def renew(self, rejected: str) -> bool:  # noqa: ARG002 - the protocol's argument; nothing can be renewed
        """Returns False: a personal token that was refused stays refused."""
        return False


def clean_token(pasted: str) -> tuple[str, bool]:
    """Trims what gets pasted along with a token: spaces, quotes, line ends, the word `Bearer`.

    Returns:
        the token, and whether anything had to be trimmed.

    Raises:
        SettingError: what is left is no token.
    """
    token = pasted.strip().strip("\"'").strip()
    if token.lower().startswith("bearer "):
        token = token[len("bearer ") :].strip().strip("\"'").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise SettingError(f"access_token is empty or holds signs no token has: copy it again from {DEVELOPERS_URL}")
    return token, token != pasted


def build_auth(settings: HarvestSettings) -> tuple[Auth, str | None]:
    """Returns what signs the requests of these settings, and a note for the person where a token was trimmed.

    Raises:
        SettingError: no credentials are set.
    """
    if settings.access_token:
        token, trimmed = clean_token(settings.access_token)
        return PersonalToken(token), "access_token was trimmed: keep it without quotes or spaces" if trimmed else None
    raise SettingError(
        f"no access token is set: make one at {DEVELOPERS_URL} and set SOURCES__HARVEST__ACCESS_TOKEN, "
        "or write it into .dlt/secrets.toml (see .dlt/secrets.toml.example)"
    )
