"""Tokens: who holds one, until when, and how a new one is issued."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harvest_sandbox.access import Caller
from harvest_sandbox.answers import Answer
from harvest_sandbox.encode import encode

FOURTEEN_DAYS = 1_209_600


@dataclass
class OAuth:
    """The application registered with the sandbox, and its tokens.

    Attributes:
        callers: Access token -> who it is; shared with the sandbox.
        client_id: Of the application.
        client_secret: Of the application.
        redirect_url: Registered with it; a redirect address must start with it. Empty: any one will do.
        expires_in: Seconds that an access token lives.
        rotating: A refresh returns a new refresh token and ends the old one. Whether Harvest does is not documented.
        clock: Seconds from any beginning.
        codes: Authorization code -> who allowed it; each works once.
        challenges: Authorization code -> the code challenge (PKCE, S256) that its verifier must answer, where one was sent.
        refresh_tokens: Refresh token -> who it is.
        issued: Every answer with tokens, in order.
    """

    callers: dict[str, Caller]
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"  # noqa: S105 - of a stand-in
    redirect_url: str = ""
    expires_in: int = FOURTEEN_DAYS
    rotating: bool = False
    clock: Callable[[], float] = time.monotonic
    codes: dict[str, Caller] = field(default_factory=dict)
    challenges: dict[str, str] = field(default_factory=dict)
    refresh_tokens: dict[str, Caller] = field(default_factory=dict)
    issued: list[dict[str, Any]] = field(default_factory=list)
    expiry: dict[str, float] = field(default_factory=dict)

    def issue_code(self, caller: Caller | None = None, challenge: str = "") -> str:
        """Returns an authorization code, as if a person had consented."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = caller or Caller()
        if challenge:
            self.challenges[code] = challenge
        return code

    def issue(
        self, caller: Caller | None = None, *, refresh_token: str | None = None
    ) -> dict[str, Any]:
        """Issues tokens.

        Args:
            caller: who they are for.
            refresh_token: the one to hand out again, else a new one.

        Returns:
            The answer of the token endpoint.
        """
        caller = caller or Caller()
        access_token = f"at-{secrets.token_urlsafe(24)}"
        refresh_token = refresh_token or f"rt-{secrets.token_urlsafe(24)}"
        self.callers[access_token] = caller
        self.refresh_tokens[refresh_token] = caller
        self.expiry[access_token] = self.clock() + self.expires_in
        answer = {
            "access_token": access_token,
            "refresh_token": refresh_token,
            "token_type": "bearer",
            "expires_in": self.expires_in,
        }
        self.issued.append(answer)
        return answer

    def who(self, token: str) -> Caller | None:
        """Returns who a token is; None if it is unknown, revoked or expired."""
        caller = self.callers.get(token)
        if caller is not None and token in self.expiry and self.clock() >= self.expiry[token]:
            return None
        return caller

    def revoke(self, token: str) -> None:
        """Ends an access token or refresh token."""
        self.callers.pop(token, None)
        self.refresh_tokens.pop(token, None)

    def exchange(self, fields: dict[str, str]) -> Answer:
        """Answers a request for tokens."""
        if (
            fields.get("client_id") != self.client_id
            or fields.get("client_secret") != self.client_secret
        ):
            return _error(401, "invalid_client", "Client authentication failed.")
        grant = fields.get("grant_type")
        if grant == "authorization_code":
            code = fields.get("code", "")
            caller, challenge = self.codes.pop(code, None), self.challenges.pop(code, None)
            good = caller and challenge in {None, challenge_of(fields.get("code_verifier", ""))}
            return Answer(200, encode(self.issue(caller))) if good else _bad_grant("code")
        if grant == "refresh_token":
            return self._refresh(fields.get("refresh_token", ""))
        return _error(400, "unsupported_grant_type", "The grant type is not supported.")

    def _refresh(self, token: str) -> Answer:
        caller = self.refresh_tokens.get(token)
        if caller is None:
            return _bad_grant("refresh token")
        if self.rotating:
            del self.refresh_tokens[token]
        return Answer(
            200, encode(self.issue(caller, refresh_token=None if self.rotating else token))
        )


def challenge_of(verifier: str) -> str:
    """Returns the code challenge that a verifier answers (RFC 7636, S256)."""
    return (
        base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    )


def _bad_grant(what: str) -> Answer:
    return _error(
        400,
        "invalid_grant",
        f"The provided {what} is invalid, expired, revoked or was used before.",
    )


def _error(status: int, error: str, description: str) -> Answer:
    return Answer(status, encode({"error": error, "error_description": description}))
