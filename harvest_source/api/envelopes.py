"""Brings answers whose shape Harvest has not documented into the documented one: rows under their key, the next page as a link.

An answer may be a list without anything around it, one object, or rows under another key, and tell its next page by a link, by a
number or not at all. Where it cannot be told which rows are meant, that is an error: it never becomes "no rows".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson

from harvest_source.api.parsing import UnreadableError, clean_text, parse_exact
from harvest_source.catalogue.report import Report
from harvest_source.errors import RefusedError

Settle = Callable[[bytes, str], bytes]
"""Returns the body of a good answer in the documented shape, made of the body as it was sent and of the address asked."""


def settle_of(report: Report) -> Settle | None:
    """Returns what brings answers of a report into the documented shape, `None` where Harvest has documented them."""
    return partial(settled, report) if report.module_list else None


def settled(report: Report, body: bytes, url: str) -> bytes:
    """Returns a body in the documented shape; one that is no JSON stays as it is, for others to judge.

    Args:
        report: whose rows.
        body: of a good answer.
        url: that was asked.

    Raises:
        RefusedError: it cannot be told which rows are meant, or one of the numbers cannot be written again.
    """
    try:
        data = clean_text(parse_exact(body))
    except UnreadableError:
        return body
    key = report.rows_key or report.name
    around = data if isinstance(data, dict) else {}
    paging = _paging(around, report)
    rows = _rows(data, report, key)
    link = _next_link(paging, url)
    links = around.get("links")
    known = {"links": {**(links if isinstance(links, dict) else {}), "next": link}}
    if type(paging.get("total_entries")) is int:
        known["total_entries"] = paging["total_entries"]
    try:
        return orjson.dumps({key: rows, **known}, default=_number)
    except TypeError:
        raise RefusedError(
            f"an answer of {report.name} has a number that is too large to be read"
        ) from None


def _rows(data: Any, report: Report, key: str) -> list[Any]:
    if _is_rows(data):
        return list(data)
    if isinstance(data, dict):
        if _is_rows(data.get(key)):
            return list(data[key])
        declared = {nested.name for nested in report.lists}
        lists = [each for name, each in data.items() if name not in declared and _is_rows(each)]
        if report.is_record(data):
            if not lists:
                return [data]
        elif len(lists) == 1:
            return list(lists[0])
        elif not lists:
            objects = [
                each for each in data.values() if isinstance(each, dict) and report.is_record(each)
            ]
            if len(objects) == 1:
                return objects
    raise RefusedError(
        f"it cannot be told which rows of an answer are {report.name}: none of them is loaded"
    )


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _paging(around: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    """Returns the object that says which page an answer is: the answer itself, or one within it."""
    within = (
        each for each in around.values() if isinstance(each, dict) and not report.is_record(each)
    )
    names = {"next_page", "total_pages", "total_entries"}
    return next((each for each in (around, *within) if names & each.keys()), around)


def _next_link(paging: Mapping[str, Any], url: str) -> Any:
    """Returns the address of the next page: the link, else the address asked with the next page's number."""
    links = paging.get("links")
    if isinstance(links, dict) and links.get("next"):
        return links["next"]
    following = paging.get("next_page")
    page, pages = paging.get("page"), paging.get("total_pages")
    if following is None and type(page) is int and type(pages) is int and page < pages:
        following = page + 1
    if type(following) is not int:
        return None
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), "page": str(following)}
    return urlunsplit(parts._replace(query=urlencode(query)))


def _number(value: Any) -> Any:
    """Returns a fraction as it was written: a float would lose digits."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError
