"""A list of one account under filters, as Harvest is asked for it: its answers, its count, parts of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from math import ceil
from urllib.parse import urlencode

import orjson

from harvest_source.api.answers import Answer, rows_of, total_of
from harvest_source.api.client import THREADS, TRIES, HarvestClient, Params, tells_nobody
from harvest_source.api.envelopes import settle_of
from harvest_source.catalogue.report import AccountReport, Report
from harvest_source.instants import format_instant, instant_in
from harvest_source.reading.flat import pack
from harvest_source.reading.parts import Part, PartStore
from harvest_source.reading.reading import Draft
from harvest_source.reading.windows import Window, day_of, within_all_days

WINDOW_THREADS = partial(ThreadPoolExecutor, THREADS, "harvest-windows")
_WINDOW = "window "  # in front of the days in the key of a part


@dataclass(frozen=True)
class ListQuery:
    """A list, or the one object that is the company."""

    client: HarvestClient
    store: PartStore
    report: Report
    account_id: int
    since: datetime | None = None  # what the filters ask for; None: everything
    params: Params | None = None
    on_planned: Callable[[int], None] = tells_nobody  # told how many requests the list still takes
    # in which an interrupted run may have kept windows that count; None: no window outlives the run
    kept_hours: range | None = None
    window_threads: ThreadPoolExecutor = field(default_factory=WINDOW_THREADS, repr=False)

    @property
    def pair(self) -> AccountReport:
        """Returns whose list it is."""
        return AccountReport(self.account_id, self.report.name)

    def having(self, **params: str) -> ListQuery:
        """Returns the list under further filters, or others of the same name."""
        return replace(self, params={**(self.params or {}), **params})

    def changed_since(self, began: datetime | None) -> ListQuery:
        """Returns the rows of the list that changed since a reading of it began, by the server's clock."""
        since = (began or datetime.fromtimestamp(0, UTC)) - timedelta(seconds=1)
        return self.having(updated_since=format_instant(since))

    def within(self, window: Window) -> ListQuery:
        """Returns the rows of the list whose day is in a window."""
        return self.having(**window.params())

    def answers(self, *, per_page: int | None = None, slow_tries: int = TRIES) -> Iterator[Answer]:
        """Yields the list's pages; see `HarvestClient.iter_pages`."""
        report = self.report
        if report.rows_key is None:
            return iter(
                [self.client.get(self.account_id, report.path, report.holds, label=report.name)]
            )
        return self.client.iter_pages(
            self.account_id,
            report.path,
            report.rows_key,
            self.params or {},
            report.name,
            per_page=per_page,
            slow_tries=slow_tries,
            pack=partial(pack, report, self.account_id) if report.arrow else None,
            settle=settle_of(report),
        )

    def count_of(self, answer: Answer) -> int:
        """Returns how many rows an answer holds."""
        return answer.count(self.report.rows_key) if self.report.rows_key else 1

    def days_of(self, answer: Answer) -> list[date | None]:
        """Returns the days of the rows of an answer, `None` for those without one that a window can have."""
        column = self.report.date_column or ""
        if answer.packed is not None:
            return [day and within_all_days(day) for day in answer.packed.days]
        rows = rows_of(answer.data, self.report.rows_key or "")
        return [day_of(row, column) for row in rows]

    def total(self) -> int | None:
        """Returns Harvest's own count of the rows, `None` where it gives none."""
        params = {**(self.params or {}), "per_page": "1"}
        report = self.report
        return total_of(
            self.client.get(
                self.account_id,
                report.path,
                (report.rows_key or "",),
                params,
                report.name,
                settle=settle_of(report),
            ).data
        )

    def plan(self, first: Answer, known_rows: int = 0, filled: float = 1.0) -> None:
        """Tells how many requests the rest of the list takes, where its first answer says how many rows there are.

        Args:
            first: that answer.
            known_rows: of an earlier run, which are not asked for again.
            filled: how much of a page is rows, on average.
        """
        rows, total = self.count_of(first), total_of(first.data)
        if rows and total:
            self.on_planned(ceil(max(total - max(rows, known_rows), 0) / (rows * filled)))

    def draft(self, started: datetime | None = None) -> Draft:
        """Returns a reading of the list that has no answer yet; see `Draft`."""
        return Draft(self.store, self.report, self.account_id, self.since, started)

    def window_draft(self, window: Window) -> Draft:
        """Returns a reading of a window that has no answer yet; what comes outlives the run where that is wanted."""
        kept_as = None if self.kept_hours is None else self._part_of(window)
        return Draft(self.store, self.report, self.account_id, self.since, kept_as=kept_as)

    def keep_window(self, window: Window, draft: Draft) -> None:
        """Has the next run continue from a window that was read whole, should this one be interrupted."""
        if self.kept_hours is not None:
            started = format_instant(draft.started) if draft.started else None
            body = orjson.dumps({"pages": draft.pages, "started": started})
            self.store.keep(self._part_of(window), body, self.client.clock.hour())

    def kept_windows(self) -> dict[Window, Draft]:
        """Returns the windows that an interrupted run read whole."""
        found = {}
        for key, kept in self.store.kept(self.pair, self.kept_hours or ()).items():
            if not key.startswith(_WINDOW) or " page " in key:
                continue
            window = Window.parse(key.removeprefix(_WINDOW))
            part = self._part_of(window)
            if kept.version == part.version:
                said = orjson.loads(self.store.body(part))
                draft = found[window] = self.window_draft(window)
                draft.started = instant_in(said["started"])
                draft.take_pages(said["pages"])
        return found

    def _part_of(self, window: Window) -> Part:
        version = urlencode(sorted((self.params or {}).items()))
        return Part(self.pair, f"{_WINDOW}{window}", version=version, outlives_run=True)


def list_params(report: Report, since: datetime | None, start_date: datetime | None) -> Params:
    """Returns the filters of a list: changed at or after `since`, and from `start_date` on where it holds."""
    bounds = [since] if since else []
    if start_date and report.from_start_date:
        bounds.append(start_date)
    return (
        {"updated_since": format_instant(max(bounds))}
        if bounds and report.takes_updated_since
        else {}
    )
