"""Sums beside those of Harvest's reports: tables of cases on rows in memory, some of which change meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from compared import ACCOUNT, ENTRIES, Sides, sides
from fake_client import NOON
from memory import MemoryTables

from harvest_source.catalogue.report import AccountReport
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.loading.totals import Difference, Totals
from harvest_source.reading.plan import Wish
from harvest_source.reading.reader import Outcome
from harvest_source.settings import HarvestSettings

EXPENSES = AccountReport(ACCOUNT, "expenses")
COLUMNS = {"time_entries": "rounded_hours", "expenses": "total_cost"}
REPORTS = {
    "time_entries": ("reports/time/projects", "total_hours"),
    "expenses": ("reports/expenses/projects", "total_amount"),
}
OLD = NOON - timedelta(days=30)
Row = dict[str, Any]


def row(row_id: int, value: float | None, day: str, changed_at: datetime = OLD, **more: Any) -> Row:
    """Returns a time entry and an expense in one, with a value in hours and in money."""
    values = {"rounded_hours": value, "total_cost": value}
    times = {"updated_at": f"{changed_at:%Y-%m-%dT%H:%M:%SZ}", "spent_date": day}
    return {"id": row_id, "is_running": False, **values, **times, **more}


@contextmanager
def account(
    name: str, there: list[Row], here: list[Row], reported: dict[str, float]
) -> Iterator[Sides]:
    """Gives rows at Harvest and in the table, and what Harvest's report says of days."""
    with sides([], []) as both:
        path, field = REPORTS[name]
        both.client.tables |= {"time_entries": [], "expenses": [], name: there}
        both.client.tables[path] = [
            {"id": number, "spent_date": day, field: value}
            for number, (day, value) in enumerate(reported.items())
        ]
        for each in here:
            exact = {
                key: Decimal(str(each[key])) for key in COLUMNS.values() if each[key] is not None
            }
            both.store.tables[name][ACCOUNT, each["id"]] = {
                **each, **exact, "account_id": ACCOUNT, "hours": Decimal(str(each.get("hours", 0))),
                "updated_at": datetime.fromisoformat(each["updated_at"]), "spent_date": date.fromisoformat(each["spent_date"]),
            }  # fmt: skip
        yield both


def differing(both: Sides, *, read: bool = True) -> list[Difference]:
    """Returns the months that differ once the lists were read."""
    outcomes = {pair: Outcome() for pair in (ENTRIES, EXPENSES)}
    if read:
        outcomes |= both.reader.read_lists({EXPENSES: Wish(), ENTRIES: Wish()})
    tables = cast("Warehouse", MemoryTables(both.store))
    return list(Totals(both.reader, outcomes, tables, ACCOUNT).differing_months())


ONE, TWO = row(1, 2.5, "2025-03-31"), row(2, 4, "2026-02-28")
CHANGED = row(2, 5, "2026-02-28", NOON)
CAME = row(3, 7, "2026-02-01", NOON)
MOVED = row(2, 4, "2026-04-01", NOON)
CASES: dict[str, tuple[list[Row], list[Row], dict[str, float], list[str]]] = {
    "equal": ([ONE, TWO], [ONE, TWO], {"2025-03-31": 2.5, "2026-02-28": 4}, []),
    "one month differs": ([ONE, TWO], [ONE, TWO], {"2025-03-31": 2.5, "2026-02-28": 5}, ["2026-02"]),
    "two years differ": (
        [ONE, TWO], [ONE, TWO], {"2025-03-01": 1, "2026-02-28": 4, "2026-12-31": 0.25}, ["2025-03", "2026-12"],
    ),
    "a row changed since": ([ONE, CHANGED], [ONE, TWO], {"2025-03-31": 2.5, "2026-02-28": 5}, []),
    "a row came since": ([ONE, TWO, CAME], [ONE, TWO], {"2025-03-31": 2.5, "2026-02-28": 4, "2026-02-01": 7}, []),
    "a row moved since": ([ONE, MOVED], [ONE, TWO], {"2025-03-31": 2.5, "2026-04-01": 4}, []),
    "what changed since explains nothing": (
        [ONE, CHANGED], [ONE, TWO], {"2025-03-31": 2.5, "2026-02-28": 50}, ["2026-02"],
    ),
    "no row": ([], [], {"2025-03-31": 2.5}, []),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize(("there", "here", "reported", "months"), CASES.values(), ids=CASES)
def test_months_whose_sum_differs_are_told(
    name: str, there: list[Row], here: list[Row], reported: dict[str, float], months: list[str]
) -> None:
    with account(name, there, here, reported) as both:
        found = differing(both)
    assert [(each.pair.report, each.month, each.column) for each in found] == [
        (name, month, COLUMNS[name]) for month in months
    ]


def test_a_difference_is_told_with_both_sums() -> None:
    with account("expenses", [TWO], [TWO], {"2026-02-28": 1000.5}) as both:
        (found,) = differing(both)
    assert str(found) == "expenses 2026-02: sum of total_cost is 4 here, 1000.5 at Harvest"


@pytest.mark.parametrize(
    ("reported", "months"),
    [(2.5, []), (4.0, []), (6.5, []), (2.25, ["2026-03"]), (6.75, ["2026-03"])],
)
@pytest.mark.parametrize("ran_before", [True, False])
def test_hours_of_a_running_timer_may_be_in_the_report_or_not(
    reported: float, months: list[str], *, ran_before: bool
) -> None:
    """Nobody knows which, nor what has passed of it in between; 2.5 hours are done and 4 run now."""
    done, timer = row(1, 2.5, "2026-03-31"), row(2, 4, "2026-03-31", is_running=True)
    was = {**timer, "rounded_hours": 1, "is_running": ran_before}
    with account("time_entries", [done, timer], [done, was], {"2026-03-31": reported}) as both:
        assert [each.month for each in differing(both)] == months


def test_entry_without_rounded_hours_counts_with_its_hours() -> None:
    old = row(1, None, "2026-03-31", hours=1.75)
    with account("time_entries", [old], [old], {"2026-03-31": 1.75}) as both:
        assert differing(both) == []


def test_lists_that_were_not_read_or_read_in_part_are_not_summed_up() -> None:
    with account("expenses", [TWO], [TWO], {"2026-02-28": 9}) as both:
        assert differing(both, read=False) == []
        both.reader.settings = HarvestSettings(start_date="2026-01-01")
        assert differing(both) == []
        assert [path for path in both.client.paths if path.startswith("reports/")] == []
