"""Compares sums with Harvest's own reports: hours of time entries and amounts of expenses, by year, then by month.

The report endpoints have an allowance of their own (100 requests per 15 minutes) and take at most 365 days at once: a
year is one request, and only years that differ are looked at month by month.

Rows change meanwhile, and the hours of a running timer grow without a change time; whether a report of Harvest holds running time
is not known (Harvest API, gotchas). So where a sum differs, what runs and what changed since the rows were read is read again,
after the report: all is well where the report lies between the sum without what runs and the sum with it.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from harvest_source.api.client import Params
from harvest_source.api.parsing import parse_exact
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.catalogue.reports import REPORTS
from harvest_source.destinations.scope import LIVE
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import HarvestError, RefusedError
from harvest_source.loading import timers
from harvest_source.reading.query import list_params
from harvest_source.reading.reader import Outcome, Reader
from harvest_source.reading.values import Unfit, to_decimal

LOOKS = 3  # a sum that differs while rows change is looked at again


@dataclass(frozen=True)
class Total:
    """A sum that a report of Harvest shows, and the column it must equal."""

    table: str
    column: str
    instead: str  # of rows that have no value there
    path: str
    field: str

    def value_of(self, record: dict[str, Any]) -> Decimal:
        """Returns what a record of the API adds to the sum."""
        value = record.get(self.column)
        return self._number(record, self.instead if value is None else self.column, if_none=0)

    def reported(self, record: dict[str, Any]) -> Decimal:
        """Returns what a row of Harvest's report adds to the sum.

        Raises:
            RefusedError: it is no number that a table could hold.
        """
        return self._number(record, self.field, if_none=None)

    def _number(self, record: dict[str, Any], name: str, if_none: int | None) -> Decimal:
        value = record.get(name)
        try:
            return to_decimal(if_none if value is None else value)
        except Unfit:
            raise RefusedError(
                f"Harvest sent a {name} of {self.table} that is no number, or too large for one"
            ) from None


TOTALS = tuple(
    Total(report.name, *report.sum_at_harvest) for report in REPORTS if report.sum_at_harvest
)


@dataclass(frozen=True)
class Difference:
    """A month whose sum differs."""

    pair: AccountReport
    month: str
    column: str
    here: Decimal
    at_harvest: Decimal

    def __str__(self) -> str:
        return str(self.error)

    @property
    def error(self) -> HarvestError:
        """Returns the same as the error of a report; the sums are quotes."""
        sums = [f"{each.normalize():f}" for each in (self.here, self.at_harvest)]
        return HarvestError(
            f"{self.pair.report} {self.month}: sum of {self.column} is {{}} here, {{}} at Harvest",
            quoted=sums,
        )


@dataclass(frozen=True)
class Totals:
    """The sums of one account."""

    reader: Reader
    outcomes: Mapping[AccountReport, Outcome]  # of the reports that are loaded
    warehouse: Warehouse
    account_id: int

    def differing_months(self) -> Iterator[Difference]:
        """Yields the months in which a sum differs from Harvest's report, of the lists that were read.

        Raises:
            ApiError: a report could not be read.
        """
        for total in TOTALS:
            outcome = self.outcomes.get(AccountReport(self.account_id, total.table))
            if not outcome or not outcome.reading or self.reader.settings.begins_at:
                # the setting start_date limits by change time, which no report of Harvest can
                continue
            for year in self._years(total):
                if self._difference(total, date(year, 1, 1), date(year, 12, 31)) is not None:
                    yield from self._months(total, year)

    def _years(self, total: Total) -> range:
        days = [
            day
            for day in self.warehouse.count_by(total.table, "spent_date", self.account_id)
            if day
        ]
        return range(min(days).year, max(days).year + 1) if days else range(0)

    def _months(self, total: Total, year: int) -> Iterator[Difference]:
        for month in range(1, 13):
            found = self._difference(
                total, date(year, month, 1), date(year, month, monthrange(year, month)[1])
            )
            if found is not None:
                yield found

    def _difference(self, total: Total, first: date, last: date) -> Difference | None:
        params = {"from": first.isoformat(), "to": last.isoformat()}
        for _ in range(LOOKS):
            there = sum(
                (total.reported(row) for row in self._rows(total, total.path, "results", params)),
                Decimal(0),
            )
            here = self._sum(total, first, last)
            if here == there:
                return None
            fresh = self._fresh(total)
            rest = self._sum(total, first, last, fresh)
            within = [
                row
                for row in fresh.values()
                if first.isoformat() <= row["spent_date"] <= last.isoformat()
            ]
            low = rest + sum((total.value_of(row) for row in within if not row["ran"]), Decimal(0))
            if low <= there <= rest + sum((total.value_of(row) for row in within), Decimal(0)):
                return None
            if not within:
                break
        return Difference(
            AccountReport(self.account_id, total.table), f"{first:%Y-%m}", total.column, here, there
        )

    def _fresh(self, total: Total) -> dict[int, dict[str, Any]]:
        """Returns what runs and what changed since the rows were read, by id; `ran` tells what ran then or runs now."""
        report = by_name(total.table)
        reading = self.outcomes[AccountReport(self.account_id, total.table)].reading
        began = reading.started - timedelta(seconds=1) if reading and reading.started else None
        changed = (
            list(self._rows(total, report.path, total.table, list_params(report, began, None)))
            if began
            else []
        )
        if not report.running:
            return {row["id"]: {**row, "ran": False} for row in changed}
        ran_before = timers.running_ids(self.warehouse, report, self.account_id, None)
        running = self._rows(total, report.path, total.table, {report.running.column: "true"})
        return {
            row["id"]: {**row, "ran": row[report.running.column] or row["id"] in ran_before}
            for row in [*changed, *running]
        }

    def _rows(
        self, total: Total, path: str, rows_key: str, params: Params
    ) -> Iterator[dict[str, Any]]:
        for answer in self.reader.client.get_pages(
            self.account_id, path, rows_key, params, total.table
        ):
            yield from parse_exact(answer.body)[rows_key]

    def _sum(
        self, total: Total, first: date, last: date, without: dict[int, Any] | None = None
    ) -> Decimal:
        scope = LIVE.where("spent_date", ">=", first).where("spent_date", "<=", last)
        if without:
            scope = scope.where("id", "not in", [*without])
        return self.warehouse.sum(total.table, total.column, total.instead, self.account_id, scope)
