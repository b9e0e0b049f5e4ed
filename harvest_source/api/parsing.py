"""Reads JSON of any content: numbers of any length, NaN, halves of surrogate pairs. What cannot be read raises an error."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

# digits of a whole number; Python refuses more than some thousand, and no column has them
LONGEST_NUMBER = 1000


# as UTF-8 must not have it, and Python's reader of JSON takes it
HALF_SURROGATE = re.compile(rb"\xed[\xa0-\xbf]")


class UnreadableError(ValueError):
    """A body is no JSON that can be read; the message says why."""

    def __init__(self, message: str, *, may_pass: bool) -> None:
        super().__init__(message)
        self.may_pass = may_pass  # whether another answer may be better


def parse_quick(body: bytes) -> Any:
    """Reads JSON with every fraction as a float: for ids, links and change times.

    Raises:
        UnreadableError: it is no JSON, or nested too deeply.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # reads half surrogate pairs, NaN and huge numbers, which orjson refuses
        return _parse_any(body, float)


def parse_exact(body: bytes) -> Any:
    """Reads JSON with every fraction as an exact Decimal.

    Raises:
        UnreadableError: as `parse_quick`.
    """
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        return _parse_any(body, _exact)


def _parse_any(body: bytes, parse_float: Any) -> Any:
    try:
        return json.loads(body, parse_float=parse_float, parse_int=_whole)
    except RecursionError:
        raise UnreadableError(
            "the answer is nested too deeply to be read", may_pass=False
        ) from None
    except ValueError:
        raise UnreadableError(
            "the answer is no JSON (a web page, or cut off)", may_pass=True
        ) from None


def _whole(text: str) -> int | Decimal | str:
    return int(text) if len(text) <= LONGEST_NUMBER else _exact(text)


def _exact(text: str) -> Decimal | str:
    """Returns a number; one beyond all bounds of Decimal stays the text that it is."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def clean_text(value: Any) -> Any:
    """Replaces what no database stores: NUL, and halves of surrogate pairs; each by U+FFFD.

    Args:
        value: a whole JSON value; looked through to any depth.
    """
    if isinstance(value, str):
        return (
            value.replace("\0", "\N{REPLACEMENT CHARACTER}")
            .encode("utf-16", "surrogatepass")
            .decode("utf-16", "replace")
        )
    if isinstance(value, list):
        return [clean_text(element) for element in value]
    if isinstance(value, dict):
        return {clean_text(key): clean_text(element) for key, element in value.items()}
    return value


def needs_cleaning(body: bytes) -> bool:
    """Returns whether a JSON text may hold what `clean_text` replaces; a quick look at the bytes."""
    lowered = body.lower() if b"\\u" in body or b"\\U" in body else b""
    return (
        b"\\u0000" in lowered
        or b"\\ud" in lowered
        or b"\0" in body
        or bool(HALF_SURROGATE.search(body))
    )
