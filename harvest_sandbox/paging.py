"""The envelope of a list: both kinds of paging, with links that carry the filters along."""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from harvest_sandbox.answers import unprocessable
from harvest_sandbox.lists import PER_PAGE

_NOT_CARRIED = frozenset({"page", "cursor", "ref", "per_page", "access_token", "account_id"})
SortKey = Callable[[Any], Any]


@dataclass
class Page:
    """One page: the keys of its rows, and everything around them."""

    keys: Sequence[Any]
    envelope: dict[str, Any]


@dataclass
class Pager:
    """Cuts one list into pages.

    Attributes:
        url: Of the list, without its query.
        query: The request's parameters.
        default: Rows per page where the request does not say.
    """

    url: str
    query: Mapping[str, str]
    default: int = PER_PAGE

    def __post_init__(self) -> None:
        """Reads `per_page`."""
        self.per_page = self._number("per_page", self.default, PER_PAGE)

    def by_page(self, keys: Sequence[Any]) -> Page:
        """Returns the page that `page` asks for; one past the end is empty."""
        number = self._number("page", 1)
        pages = self._pages(keys)
        first = (number - 1) * self.per_page
        following = number + 1 if number < pages else None
        links = {
            "next": self._link(page=following, ref="next") if following else None,
            "previous": self._link(page=number - 1) if number > 1 else None,
        }
        return self._page(keys, keys[first : first + self.per_page], number, links)

    def by_cursor(self, keys: Sequence[Any], sort_key: SortKey) -> Page:
        """Returns the page that `cursor` asks for.

        Args:
            keys: all rows, in ascending order of `sort_key`.
            sort_key: what the cursor remembers of a row: a list of JSON values.
        """
        cursor = self.query.get("cursor")
        if cursor is None:
            number = self._number("page", 1)
            first = (number - 1) * self.per_page
        else:
            number = 1
            first = self._position(keys, sort_key, cursor)
        rows = keys[first : first + self.per_page]
        more = first + self.per_page < len(keys)
        links = {
            "next": self._link(cursor=_write("after", sort_key(rows[-1])), ref="next_cursor")
            if more and rows
            else None,
            "previous": self._link(
                cursor=_write("before", sort_key(rows[0])), ref="previous_cursor"
            )
            if first and rows
            else None,
        }
        if cursor is not None and first:
            number = 0 if more else self._pages(keys)  # a page in the middle has no number
        return self._page(keys, rows, number or None, links)

    def _position(self, keys: Sequence[Any], sort_key: SortKey, cursor: str) -> int:
        side, mark = _read(cursor)
        try:
            if side == "after":
                return bisect_right(keys, mark, key=sort_key)
            return max(0, bisect_left(keys, mark, key=sort_key) - self.per_page)
        except TypeError:
            raise unprocessable("Invalid cursor parameter") from None

    def _page(
        self,
        keys: Sequence[Any],
        rows: Sequence[Any],
        number: int | None,
        links: dict[str, str | None],
    ) -> Page:
        pages = self._pages(keys)
        envelope = {
            "per_page": self.per_page,
            "total_pages": pages,
            "total_entries": len(keys),
            "next_page": number + 1 if number and number < pages else None,
            "previous_page": number - 1 if number and number > 1 else None,
            "page": number,
            "links": {
                "first": self._link(page=1, ref="first"),
                **links,
                "last": self._link(page=pages, ref="last"),
            },
        }
        return Page(rows, envelope)

    def _pages(self, keys: Sequence[Any]) -> int:
        return max(1, -(-len(keys) // self.per_page))

    def _link(self, **place: Any) -> str:
        carried = {name: text for name, text in self.query.items() if name not in _NOT_CARRIED}
        return f"{self.url}?{urlencode(sorted({**carried, **place, 'per_page': self.per_page}.items()))}"

    def _number(self, name: str, default: int, largest: int | None = None) -> int:
        text = self.query.get(name, "")
        if not text:
            return default
        if not text.isdecimal() or int(text) < 1 or (largest and int(text) > largest):
            raise unprocessable(f"Invalid {name} parameter")
        return int(text)


def _write(side: str, mark: Any) -> str:
    return (
        base64.urlsafe_b64encode(json.dumps({side: mark}, separators=(",", ":")).encode())
        .decode()
        .rstrip("=")
    )


def _read(cursor: str) -> tuple[str, Any]:
    try:
        content = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        ((side, mark),) = content.items()
    except (binascii.Error, ValueError, AttributeError):
        raise unprocessable("Invalid cursor parameter") from None
    return ("after" if side == "after" else "before"), mark
