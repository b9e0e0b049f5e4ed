"""A list of one account under filters, as Harvest is asked for it: its answers, its count, parts of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from harvest_source.api.answers import Answer, total_of
from harvest_source.api.client import TRIES, HarvestClient, Params
from harvest_source.catalogue.report import Report
from harvest_source.instants import format_instant
from harvest_source.reading.parts import PartStore
from harvest_source.reading.reading import Draft
from harvest_source.reading.windows import Window


@dataclass(frozen=True)
class ListQuery:
    """A list, or the one object that is the company."""

    client: HarvestClient
    store: PartStore
    report: Report
    account_id: int
    since: datetime | None = None  # what the filters ask for; None: everything
    params: Params | None = None

    def within(self, window: Window) -> ListQuery:
        """Returns the rows of the list whose day is in a window."""
        return replace(self, params={**(self.params or {}), **window.params()})

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
        )

    def total(self) -> int | None:
        """Returns Harvest's own count of the rows, `None` where it gives none."""
        params = {**(self.params or {}), "per_page": "1"}
        rows_key = self.report.rows_key or ""
        return total_of(
            self.client.get(
                self.account_id, self.report.path, (rows_key,), params, self.report.name
            ).data
        )

    def draft(self, started: datetime | None = None) -> Draft:
        """Returns a reading of the list that has no answer yet; see `Draft`."""
        return Draft(self.store, self.report, self.account_id, self.since, started)


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
