"""Answers to requests, and the errors of the API with the bodies it was seen to send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harvest_sandbox.encode import encode

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass
class Answer:
    """Status, body and headers, and how many rows of a list the body holds."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    rows: int = 0


class Refused(Exception):  # noqa: N818 - an answer on its way out, not a failure of this program
    """Ends the work on a request with an answer."""

    def __init__(self, answer: Answer) -> None:
        """Keeps the answer.

        Args:
            answer: what the caller gets.
        """
        super().__init__(answer.status)
        self.answer = answer


def ok(value: Any, rows: int = 0) -> Answer:
    """Returns a value as a successful answer; `rows` of it are those of a list."""
    return Answer(200, encode(value), rows=rows)


def no_user_agent() -> Refused:
    """400: the User-Agent header is missing."""
    return Refused(Answer(400, encode({"message": "The User-Agent header is required."})))


def bad_token() -> Refused:
    """401: the token is wrong or expired, or no account is named."""
    text = "The access token provided is expired, revoked, malformed or invalid for other reasons."
    header = f'Bearer realm="Rack::OAuth2 Protected Resources", error="invalid_token", error_description="{text}"'
    body = encode({"error": "invalid_token", "error_description": text})
    return Refused(Answer(401, body, headers={"WWW-Authenticate": header}))


def not_allowed() -> Refused:
    """403: the caller may not see it."""
    return _with_hint(403, "Not authorized!")


def not_found() -> Refused:
    """404: no such record, or no such account."""
    return Refused(Answer(404, encode({"status": 404, "error": "Not Found"})))


def no_route() -> Refused:
    """404: the path is not a route; a page for people."""
    return Refused(Answer(404, page("HARVEST: Can\N{MODIFIER LETTER APOSTROPHE}t find page"), HTML))


def unprocessable(message: str) -> Refused:
    """422: a parameter is wrong or a rule is violated."""
    return _with_hint(422, message)


def too_long() -> Refused:
    """400: the range of a report exceeds a year."""
    return Refused(Answer(400, encode({"message": "Invalid timeframe: must not exceed 1 year"})))


def throttled(seconds: int) -> Refused:
    """429: a budget is used up; never JSON."""
    return Refused(Answer(429, page("HARVEST"), HTML, {"Retry-After": str(seconds)}))


def page(title: str) -> bytes:
    """Returns a small HTML page."""
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n".encode()


def _with_hint(status: int, message: str) -> Refused:
    return Refused(Answer(status, encode({"message": message}), headers={"Hint": message}))
