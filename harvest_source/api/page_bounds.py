"""How many pages a list may have: a server whose pages lead on for ever holds no run for ever."""

from __future__ import annotations

from typing import Any

from harvest_source.api.answers import total_of
from harvest_source.api.errors import RefusedError

MOST_PAGES = 100_000  # of a list that does not say how many rows it has


class PageBound:
    """Counts the pages of one list as they come: twice as many as the first one announces, for rows that come meanwhile."""

    def __init__(self, rows_asked: int) -> None:
        """Begins with no page.

        Args:
            rows_asked: rows of a page that were asked for, which a server may lower.
        """
        self._rows_asked = rows_asked
        self.pages = 0
        self.most = MOST_PAGES

    def count(self, data: dict[str, Any], rows: int) -> None:
        """Counts a page.

        Args:
            data: the answer.
            rows: that it holds: so many has a page of a list that does not say how many it has.

        Raises:
            RefusedError: it is one more than the list may have.
        """
        if self.pages == 0:
            self.most = self._announced(data, rows)
        self.pages += 1
        if self.pages > self.most:
            raise RefusedError(
                f"the pages of a list do not end: {self.pages:,} came, {self.most:,} are the most that can be right"
            )

    def _announced(self, data: dict[str, Any], rows: int) -> int:
        total, told = total_of(data), data.get("per_page")
        if total is None:
            return MOST_PAGES
        rows_told = told if type(told) is int and 1 <= told <= self._rows_asked else rows or self._rows_asked
        return min(2 * max(1, -(-total // rows_told)), MOST_PAGES)
