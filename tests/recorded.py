"""What Harvest really answered, from `tests/outside/`: errors, and one account with a server of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from second_harvest import Asked, HandMade

from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import Report

Json = dict[str, Any]

OUTSIDE = Path(__file__).parent / "outside"
ACCOUNT = OUTSIDE / "recorded-2001"
ERRORS: dict[str, Json] = json.loads((OUTSIDE / "recorded-errors.json").read_text(encoding="utf-8"))
"""Status, headers and body of each kind of error."""

ID = 2001
OF_PAGES = {"page", "per_page", "ref"}


def stored(name: str, number: Callable[[str], Any] = float) -> Any:
    """Returns what a file of the account holds: rows, or rows by the id of what they hang on.

    Args:
        name: of the file.
        number: reads a number with a fraction; `Decimal` keeps it exact.
    """
    return json.loads((ACCOUNT / f"{name}.json").read_text(encoding="utf-8"), parse_float=number)


def names() -> list[str]:
    """Returns the names of all files."""
    return sorted(file.stem for file in ACCOUNT.glob("*.json"))


def plain_rows(name: str) -> list[Json]:
    """Returns all rows of a file."""
    return [row for _, row in _by_parent(stored(name))]


def records(report: Report) -> list[Json]:
    """Returns the rows of a report with exact numbers, children with their parent's id; none of what the account lacks."""
    if report.name not in names():
        return []
    linked_by = report.linked_by
    return [
        {**row, linked_by: parent_id} if linked_by else row
        for parent_id, row in _by_parent(stored(report.name, Decimal))
    ]


def _by_parent(found: Any) -> Iterator[tuple[int | None, Json]]:
    lists = found.items() if isinstance(found, dict) else [(None, found)]
    for parent_id, rows in lists:
        for row in rows:
            yield parent_id and int(parent_id), row


class Recorded(HandMade):
    """Serves the account: each list as it was recorded, in small pages with Harvest's own links."""

    def __init__(self) -> None:
        super().__init__(id=ID, name="Sample Agency")
        self.headers = {"Content-Type": "application/json; charset=utf-8"}
        (self.company,) = stored("company")
        (self.me,) = stored("users_me")
        for name in {*names()} - {"company", "users_me"}:
            found = stored(name)
            path = by_name(name).path
            lists = found if isinstance(found, dict) else {None: found}
            self.tables |= {path.format(parent_id=parent): rows for parent, rows in lists.items()}

    def rows(self, path: str) -> list[Json]:
        """Returns all rows of a list as they were recorded; those of a project are taken from the account's list."""
        return super().rows(path) if path.startswith("projects/") else self.tables[path]

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        """Returns status and body."""
        if asked.path == "users/me":
            return 200, json.dumps(self.me).encode()
        return super().answer(asked)

    def _page(self, asked: Asked) -> Json:
        """Returns a page by its number: links carry all parameters along, and say what they lead to."""
        query = {name: text for name, text in asked.query.items() if name not in OF_PAGES}
        rows = [row for row in self.rows(asked.path) if self._is_asked(row, asked.path, query)]
        size = min(int(asked.query["per_page"]), self.rows_per_page)
        number, pages = int(asked.query.get("page", "1")), max(1, -(-len(rows) // size))

        def link(page: int, **ref: str) -> str | None:
            values = {**query, "page": page, "per_page": size, **ref}
            url = f"{self.api_url}{asked.path}?{urlencode(sorted(values.items()))}"
            return url if 1 <= page <= pages else None

        return {
            self._rows_key(asked.path): rows[(number - 1) * size : number * size],
            "per_page": size,
            "total_pages": pages,
            "total_entries": len(rows),
            "next_page": number + 1 if number < pages else None,
            "previous_page": number - 1 if number > 1 else None,
            "page": number,
            "links": {
                "first": link(1, ref="first"),
                "next": link(number + 1, ref="next"),
                "previous": link(number - 1),
                "last": link(pages, ref="last"),
            },
        }
