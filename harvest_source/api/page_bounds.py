"""Bounds how many pages a list may have and how large they may be together, so that pages without an end end with an error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harvest_source.api.answers import Answer, total_of
from harvest_source.api.bodies import LARGEST_BYTES, MIB
from harvest_source.errors import RefusedError

MOST_PAGES = 100_000  # of a list that does not say how many rows it has
# of pages that are held in memory: one parent's children, a report's rows
MOST_BYTES_TOGETHER = LARGEST_BYTES


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
        # a server that repeats what it was asked for may deliver fewer
        came = rows or self._rows_asked
        rows_a_page = min(told, came) if type(told) is int and told >= 1 else came
        return min(2 * max(1, -(-total // rows_a_page)), MOST_PAGES)


def held_together(answers: Iterable[Answer]) -> list[Answer]:
    """Returns all pages of a list, for one that is held in memory.

    Raises:
        RefusedError: they are larger together than the largest single answer may be.
    """
    held: list[Answer] = []
    left_bytes = MOST_BYTES_TOGETHER
    for answer in answers:
        left_bytes -= len(answer.body)
        if left_bytes < 0:
            raise RefusedError(
                f"the pages of a list are larger than {MOST_BYTES_TOGETHER // MIB} MiB together"
            )
        held.append(answer)
    return held
