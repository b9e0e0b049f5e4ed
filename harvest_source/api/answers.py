"""Decides of each answer whether it is good, may get better by asking again, or never will.

Bodies of errors have no common shape (Harvest API, error answers), and a 429 may be a web page: the status is looked at
first, a body is read as JSON only where it should be JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
import requests

from harvest_source.addresses import Origin, origin
from harvest_source.api.parsing import UnreadableError, parse_quick
from harvest_source.errors import NotAllowedError, NotFoundError, RefusedError
from harvest_source.patience import PASSING_STATUSES

SLOW_STATUSES = frozenset({408, 504, 524})  # somebody on the way waited for the answer in vain
# the longest wait the API's limits can call for (reports: 100 per 15 minutes)
MAX_PAUSE_SECONDS = 900.0
MESSAGE_LENGTH = 200
REASON_BYTES = 10_000  # of an error's body that is no JSON: enough for a message
LONGEST_LINK = 10_000  # characters; a cursor has a hundred or so
MOST_ROWS = 10**12  # a count beyond it is none


class PassingFault(Exception):  # noqa: N818 - it is no error until it lasts
    """An answer, or its absence, that may be different the next time."""

    def __init__(
        self,
        message: str,
        status: int | None = None,
        pause_seconds: float | None = None,
        *,
        too_slow: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.too_slow = too_slow or status in SLOW_STATUSES
        # what a 429 asks everybody to wait; None for other faults
        self.pause_seconds = pause_seconds


Pack = Callable[[bytes], tuple[dict[str, Any], Any] | None]
"""Reads the body of a page: returns what it holds beside its rows, and its rows packed; `None` where they cannot be."""


@dataclass(frozen=True)
class Answer:
    """A good answer: JSON of the expected shape."""

    body: bytes
    # numbers with a fraction are floats here: for ids and links, not for amounts
    data: dict[str, Any]
    server_time: datetime | None  # the server's clock when it answered
    # of a flat list: its rows in a tenth of the memory; body and data then do not hold them
    packed: Any = None

    def count(self, rows_key: str) -> int:
        """Returns how many rows a page holds. Raises as `rows_of`."""
        return len(rows_of(self.data, rows_key) if self.packed is None else self.packed)


def read_answer(
    body: bytes, server_time: datetime | None, pack: Pack | None = None, status: int | None = None
) -> Answer:
    """Returns the answer that a body is.

    Args:
        body: as it was sent.
        server_time: the server's clock.
        pack: of a flat list.
        status: for errors.

    Raises:
        PassingFault, RefusedError: it is no JSON, or of another shape than expected.
    """
    packed = pack(body) if pack else None
    if packed is None:
        return Answer(body, _parse_object(body, status), server_time)
    data, rows = packed
    return Answer(b"", data, server_time, rows)


def check(
    response: requests.Response,
    body: bytes,
    default_pause_seconds: float,
    pack: Pack | None = None,
) -> Answer:
    """Returns the answer of a response whose status and body are good.

    Args:
        response: its status and headers.
        body: as it was read.
        default_pause_seconds: the pause after a 429 that names none.
        pack: of a flat list.

    Raises:
        PassingFault: worth asking again.
        NotAllowedError, NotFoundError, RefusedError: not worth asking again.
    """
    status = response.status_code
    if status in PASSING_STATUSES or status < requests.codes.ok:
        pause = (
            _retry_after_seconds(response, default_pause_seconds)
            if status == requests.codes.too_many
            else None
        )
        raise PassingFault(f"Harvest answered {status}", status, pause)
    if 300 <= status < 400:  # noqa: PLR2004 - the range of redirects
        raise RefusedError(
            f"Harvest answered with a redirect ({status}), which is not followed", status
        )
    if not 200 <= status < 300:  # noqa: PLR2004 - the range of good answers; requests calls 999 good as well
        raise _lasting_error(response, body)
    return read_answer(body, _server_time(response), pack, status)


def _parse_object(body: bytes, status: int | None) -> dict[str, Any]:
    try:
        data = parse_quick(body)
    except UnreadableError as error:
        raise (PassingFault if error.may_pass else RefusedError)(str(error), status) from None
    if not isinstance(data, dict):
        raise PassingFault("the answer is JSON of another shape than expected", status)
    return data


def rows_of(data: dict[str, Any], rows_key: str) -> list[dict[str, Any]]:
    """Returns the rows of a page.

    Raises:
        PassingFault: the page has no list of objects under its rows key.
    """
    rows = data.get(rows_key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PassingFault(f"the answer has no list of {rows_key}", requests.codes.ok)
    return rows


def total_of(data: dict[str, Any]) -> int | None:
    """Returns how many rows an answer says that its list has; `None` where it does not say, or no number of rows."""
    total = data.get("total_entries")
    return total if type(total) is int and 0 <= total < MOST_ROWS else None


def next_link(data: dict[str, Any], api_url: str) -> str | None:
    """Returns the address of the next page, None on the last one.

    Every address of the answer is looked at, followed or not: one that leads to another host, scheme or port, or that is
    no plain address, means that the token could be sent to a stranger.

    Raises:
        RefusedError: an address leads elsewhere, or there is a next page without an address.
    """
    links = data.get("links") or {}
    if not isinstance(links, dict):
        raise RefusedError("the answer's links are not of the documented shape")
    home = origin(api_url)
    for link in links.values():
        if link and not (
            isinstance(link, str) and len(link) <= LONGEST_LINK and _leads_to(link, home)
        ):
            raise RefusedError(
                "an answer links to another host than the configured API address; it is not followed"
            )
    following = links.get("next")
    if not following and data.get("next_page"):
        raise RefusedError("an answer has a next_page but no links.next: rows would be missing")
    return following or None


def _leads_to(link: str, home: Origin) -> bool:
    try:
        return origin(link) == home
    except ValueError:
        return False


def _lasting_error(
    response: requests.Response, body: bytes
) -> NotAllowedError | NotFoundError | RefusedError:
    status, said = response.status_code, _said(response, body)
    if status == requests.codes.forbidden:
        return NotAllowedError("Harvest does not allow it (403: {})", status, quoted=(said,))
    if status == requests.codes.not_found:
        return NotFoundError("Harvest does not know it (404: {})", status, quoted=(said,))
    return RefusedError(f"Harvest refused the request ({status}: {{}})", status, quoted=(said,))


def _said(response: requests.Response, body: bytes) -> str:
    """Returns the reason in an error's body on one line, without the token, which an answer may repeat."""
    token = response.request.headers.get("Authorization", "").removeprefix("Bearer ")
    reason = " ".join(_reason(response, body).split())
    return (reason.replace(token, "…") if token else reason)[:MESSAGE_LENGTH] or "no reason given"


def _reason(response: requests.Response, body: bytes) -> str:
    """Returns message, else error_description, else error, else the first characters of a body."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = None
    if isinstance(data, dict):
        for name in ("message", "error_description", "error"):
            if data.get(name) and not isinstance(data[name], (dict, list)):
                return str(data[name])
    if "html" in response.headers.get("Content-Type", ""):
        return "a web page"
    return body[:REASON_BYTES].decode(errors="replace")


def _server_time(response: requests.Response) -> datetime | None:
    text = response.headers.get("Date")
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        return None


def _retry_after_seconds(response: requests.Response, default: float) -> float:
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        try:
            until = parsedate_to_datetime(text).astimezone(UTC)
        except (ValueError, OverflowError):
            return default
        seconds = (until - (_server_time(response) or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), MAX_PAUSE_SECONDS)
