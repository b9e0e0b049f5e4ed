"""A Harvest in memory that answers as the client does: no socket, no limits, no second tries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from clocks import SteppedClock

from harvest_source.api.answers import Answer, Pack, read_answer
from harvest_source.api.client import Traffic
from harvest_source.api.envelopes import Settle
from harvest_source.errors import ApiError, NotFoundError

Row = dict[str, Any]
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


class FakeClient:
    """Holds rows by the path of their list; `fail` says what is not answered, `before` what happens meanwhile."""

    api_url = "https://harvest.invalid/"

    def __init__(self, tables: dict[str, list[Row]] | None = None, page_rows: int = 100) -> None:
        self.tables = tables or {}
        self.rows: dict[str, Row] = {}  # answers that are one row, by path
        self.page_rows = page_rows
        self.counts = True  # whether answers say how many rows there are
        self.now: datetime | None = NOON
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.fail: Callable[[str, dict[str, str]], ApiError | None] = lambda _path, _params: None
        self.before: Callable[[int], None] = lambda _number: None  # told the number of the request
        self.slow_lists: set[tuple[int, str]] = set()
        self.told_slow: list[str] = []
        self.preferred: frozenset[str] = frozenset()
        self.clock = SteppedClock(NOON.timestamp())
        self.traffic = Traffic()

    @property
    def paths(self) -> list[str]:
        """Returns what was asked for, in order."""
        return [path for path, _ in self.asked]

    @contextmanager
    def preferring(self, labels: Iterable[str]) -> Iterator[None]:
        """Keeps which reports are preferred."""
        self.preferred = frozenset(labels)
        yield
        self.preferred = frozenset()

    def on_slow(self, name: str) -> None:
        """Keeps what is told of slow lists."""
        self.told_slow.append(name)

    def _ask(self, path: str, params: dict[str, str], label: str) -> None:
        self.asked.append((path, params))
        self.traffic.add_request(7, label)
        self.before(len(self.asked))
        if error := self.fail(path, params):
            raise error

    def _chosen(self, path: str, params: dict[str, str]) -> list[Row]:
        if path not in self.tables:
            raise NotFoundError("Harvest does not know it (404: no reason given)", 404)
        column = "issue_date" if path in {"invoices", "estimates"} else "spent_date"
        return [
            row
            for row in self.tables[path]
            if str(row.get("updated_at") or "9") >= params.get("updated_since", "")
            and ("from" not in params or (row.get(column) or "") >= params["from"])
            and ("to" not in params or (row.get(column) or "9") <= params["to"])
            and ("is_running" not in params or row.get("is_running"))
        ]

    def _answer(self, data: Row) -> Answer:
        return Answer(json.dumps(data).encode(), data, self.now)

    def get(
        self,
        _account_id: int,
        path: str,
        holds: tuple[str, ...],
        params: dict[str, str] | None = None,
        label: str = "",
        **_more: Any,
    ) -> Answer:
        """Gives one answer: a count, the company, or one row of a list."""
        self._ask(path, params or {}, label)
        if holds and path in self.tables:
            page: Row = {holds[0]: []}
            return self._answer(
                {**page, "total_entries": len(self._chosen(path, params or {}))}
                if self.counts
                else page
            )
        if path in self.rows:
            return self._answer(self.rows[path])
        name, _, row_id = path.rpartition("/")
        found = [row for row in self.tables.get(name, []) if str(row["id"]) == row_id]
        if not found:
            raise NotFoundError("Harvest does not know it (404: no reason given)", 404)
        return self._answer(found[0])

    def iter_pages(
        self,
        _account_id: int,
        path: str,
        rows_key: str,
        params: dict[str, str],
        label: str,
        *,
        per_page: int | None = None,
        slow_tries: int = 7,  # noqa: ARG002 - what is not answered stays so
        pack: Pack | None = None,
        settle: Settle | None = None,  # noqa: ARG002 - its answers are as documented
    ) -> Iterator[Answer]:
        """Yields the pages of a list as it is when each is asked for."""
        first, size = 0, min(per_page or self.page_rows, self.page_rows)
        asked = {**params, **({"per_page": str(per_page)} if per_page else {})}
        while True:
            self._ask(path, {**asked, **({"first": str(first)} if first else {})}, label)
            chosen = self._chosen(path, params)
            more = first + size < len(chosen)
            data: Row = {
                rows_key: chosen[first : first + size],
                "links": {"next": f"{self.api_url}{first}" if more else None},
            }
            answer = self._answer(
                {**data, **({"total_entries": len(chosen)} if self.counts else {})}
            )
            yield read_answer(answer.body, answer.server_time, pack)
            if not more:
                return
            first += size

    def get_pages(
        self,
        account_id: int,
        path: str,
        rows_key: str,
        params: dict[str, str],
        label: str,
        _settle: Settle | None = None,
    ) -> list[Answer]:
        """Returns all pages of a list."""
        return list(self.iter_pages(account_id, path, rows_key, params, label))
