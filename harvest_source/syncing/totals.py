"""Compares sums with Harvest's own reports: hours of time entries and amounts of expenses, by year, then by month.

The report endpoints have an allowance of their own (100 requests per 15 minutes) and take at most 365 days at once: a
year is one request, and only years that differ are looked at month by month.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from harvest_source.api.answers import parse_exact
from harvest_source.reports.reader import Reader, Where
from harvest_source.syncing.warehouse import Scope, Warehouse


@dataclass(frozen=True)
class Total:
    """A sum that a report of Harvest shows, and the column it must equal."""

    table: str
    column: str
    path: str
    field: str


# summary reports round each entry by the account's setting, as rounded_hours does (Harvest API, reports)
TOTALS = (
    Total("time_entries", "rounded_hours", "reports/time/projects", "total_hours"),
    Total("expenses", "total_cost", "reports/expenses/projects", "total_amount"),
)


@dataclass(frozen=True)
class Difference:
    """A month whose sum differs."""

    where: Where
    month: str
    column: str
    here: Decimal
    at_harvest: Decimal

    def __str__(self) -> str:
        here, there = (f"{each.normalize():f}" for each in (self.here, self.at_harvest))
        return f"{self.where[1]} {self.month}: sum of {self.column} is {here} here, {there} at Harvest"


def differing_months(reader: Reader, warehouse: Warehouse, account_id: int, names: list[str]) -> list[Difference]:
    """Returns the months of an account in which a sum differs from Harvest's report.

    Raises:
        ApiError: a report could not be read.
    """
    found = []
    for total in TOTALS:
        if total.table not in names or reader.settings.start_date:
            continue  # the setting start_date limits by change time, which no report of Harvest can
        for first, last in _years(warehouse, total, account_id):
            if _difference(reader, warehouse, account_id, total, first, last) is not None:
                months = [
                    (date(first.year, month, 1), date(first.year, month, monthrange(first.year, month)[1]))
                    for month in range(1, 13)
                ]
                differences = (_difference(reader, warehouse, account_id, total, *month) for month in months)
                found += [each for each in differences if each is not None]
    return found


def _years(warehouse: Warehouse, total: Total, account_id: int) -> Iterator[tuple[date, date]]:
    days = [day for day in warehouse.rows_per_day(total.table, "spent_date", account_id, Scope()) if day]
    for year in range(min(days).year, max(days).year + 1) if days else ():
        yield date(year, 1, 1), date(year, 12, 31)


def _difference(
    reader: Reader, warehouse: Warehouse, account_id: int, total: Total, first: date, last: date
) -> Difference | None:
    scope = Scope("spent_date >= %s and spent_date <= %s", (first, last))
    here = warehouse.sum(total.table, total.column, account_id, scope)
    params = {"from": first.isoformat(), "to": last.isoformat()}
    answers = reader.client.iter_pages(account_id, total.path, "results", params, total.table)
    there = sum((Decimal(row[total.field]) for each in answers for row in parse_exact(each.body)["results"]), Decimal(0))
    if here == there:
        return None
    return Difference((account_id, total.table), f"{first:%Y-%m}", total.column, here, there)
