"""The figures of a loaded account beside Harvest's own reports of the same days, and what differs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import NamedTuple

import duckdb
from compare import pages
from figures_cases import TABLES

from harvest_sandbox import Sandbox
from harvest_source.figures.figures import FIGURES
from harvest_source.figures.sql import select_of

CENT, ZERO = Decimal("0.01"), Decimal(0)
YEAR = timedelta(days=364)  # less than a report may be long


class Days(NamedTuple):
    """The days of a report."""

    first: date
    last: date


class Pair(NamedTuple):
    """A report of Harvest, and the select over the figures that must give the same."""

    report: str
    subject: str  # the column by which their rows belong together
    values: tuple[str, ...]  # columns of the report
    select: str  # month, subject, currency, and what must equal the values


OF_TIME = ("total_hours", "billable_hours", "billable_amount")
OF_MONTHS = (
    Pair(
        "time/projects",
        "project_id",
        OF_TIME,
        "select month, project_id, currency, hours, billable_hours, time_amount from billable_amount",
    ),
    Pair(
        "time/clients",
        "client_id",
        OF_TIME,
        """select month, client_id, currency, sum(hours), sum(billable_hours), sum(time_amount)
        from billable_amount group by all""",
    ),
    Pair(
        "time/tasks",
        "task_id",
        OF_TIME,
        """select month, task_id, currency, sum(rounded_hours), sum(billable_hours), sum(amount)
        from tracked_time group by all""",
    ),
    Pair(
        "time/team",
        "user_id",
        OF_TIME,
        """select month, user_id, currency, sum(rounded_hours), sum(billable_hours), sum(amount)
        from tracked_time group by all""",
    ),
    Pair(
        "expenses/projects",
        "project_id",
        ("total_amount", "billable_amount"),
        """select month, project_id, currency, expense_cost, coalesce(expense_amount, 0)
        from project_margin left join billable_amount using (project_id, month, currency)""",
    ),
    Pair(
        "expenses/clients",
        "client_id",
        ("billable_amount",),
        "select month, client_id, currency, sum(expense_amount) from billable_amount group by all",
    ),
)
OF_ANY_DAYS = Pair(
    "uninvoiced",
    "project_id",
    ("uninvoiced_hours", "uninvoiced_expenses", "uninvoiced_amount"),
    """select null, project_id, currency, uninvoiced_hours, uninvoiced_expenses, uninvoiced_amount
    from uninvoiced_work""",
)
OF_TODAY = Pair(
    "project_budget",
    "project_id",
    ("budget", "budget_spent", "budget_remaining"),
    "select null, project_id, null, budget, spent, remaining from budget_burn where is_current",
)
BELOW_ZERO_AT_HARVEST = (OF_ANY_DAYS.report, "uninvoiced_amount")


class Number(NamedTuple):
    """What a number is of."""

    report: str
    value: str
    days: Days | None
    subject: int
    currency: str | None


Numbers = dict[Number, Decimal | None]


class Compared(NamedTuple):
    """What a comparison found."""

    differing: dict[Number, tuple[Decimal | None, Decimal | None]]  # of the figure, of the report
    equal: set[Number]  # of those that are neither 0 nor null
    below_zero: set[Number]  # of fixed fees, of which more was invoiced


def compared(figures: Numbers, reports: Numbers) -> Compared:
    """Compares numbers of the figures, rounded half up, with those of Harvest's reports.

    By intent, what is left of a fixed fee is never below 0 in a figure: a report's number below 0 is taken for 0.
    """
    below_zero = {
        number
        for number, value in reports.items()
        if number[:2] == BELOW_ZERO_AT_HARVEST and value is not None and value < 0
    }
    expected = reports | dict.fromkeys(below_zero, ZERO)
    found = Compared({}, set(), below_zero)
    for number in figures | reports:  # a row that one side lacks is one of zeros
        value, reported = figures.get(number, ZERO), expected.get(number, ZERO)
        rounded = None if value is None else value.quantize(CENT, ROUND_HALF_UP)
        if rounded != reported:
            found.differing[number] = (value, reported)
        elif reported:
            found.equal.add(number)
    return found


def numbers_of_reports(sandbox: Sandbox) -> Numbers:
    """Returns all numbers of the reports of the one account that is served: of each month, and of all days together."""
    (account,) = sandbox.accounts
    whole = _days_until(account.now().date())
    found = _reported(sandbox, OF_TODAY, None)
    for days in _months(whole):
        for pair in OF_MONTHS:
            found |= _reported(sandbox, pair, days)
    for days in (*_months(whole), whole):
        found |= _reported(sandbox, OF_ANY_DAYS, days)
    return found


def numbers_of_figures(file: Path, today: date, *, with_timers: bool) -> Numbers:
    """Returns the same numbers from the figures.

    Args:
        file: of DuckDB. None of its entries may be older than a year.
        today: until when the reports are.
        with_timers: whether running entries count, which the figures leave out, as if their timers had stopped.
    """
    whole = _days_until(today)
    with _figures(file, with_timers=with_timers) as connection:
        found = _computed(connection, OF_TODAY, None)
        for pair in OF_MONTHS:
            found |= _computed(connection, pair, None)
        found |= _computed(connection, OF_ANY_DAYS, whole)
        for days in _months(whole):
            _narrow(connection, days)
            found |= _computed(connection, OF_ANY_DAYS, days)
    return found


def _days_until(today: date) -> Days:
    return Days(today - YEAR, today)


def _months(whole: Days) -> Iterator[Days]:
    """Yields all months of which some days are in a span."""
    first = whole.first.replace(day=1)
    while first <= whole.last:
        following = (first + timedelta(days=31)).replace(day=1)
        yield Days(first, following - timedelta(days=1))
        first = following


def _reported(sandbox: Sandbox, pair: Pair, days: Days | None) -> Numbers:
    """Returns the numbers of one of Harvest's reports."""
    (account,) = sandbox.accounts
    query = f"?from={days.first}&to={days.last}&include_fixed_fee=true" if days else ""
    found: Numbers = {}
    for row in pages(sandbox, account.id, f"reports/{pair.report}{query}", "results"):
        for name in pair.values:
            value = row[name]
            number = Number(pair.report, name, days, row[pair.subject], row.get("currency"))
            assert number not in found
            found[number] = None if value is None else Decimal(value)
    return found


@contextmanager
def _figures(file: Path, *, with_timers: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """Gives a connection with the tables of a file, and the figures as views.

    Args:
        file: of DuckDB.
        with_timers: as `numbers_of_figures`.
    """
    # those of the days that are set, or all
    of_days = """where spent_date >= coalesce(cast(getvariable('first') as date), spent_date)
        and spent_date <= coalesce(cast(getvariable('last') as date), spent_date)"""
    stopped = "replace (false as is_running)" if with_timers else ""
    selects = {
        **{table: f"select * from loaded.harvest.{table}" for table in TABLES},
        "time_entries": f"select * {stopped} from loaded.harvest.time_entries {of_days}",
        "expenses": f"select * from loaded.harvest.expenses {of_days}",
        "accounts": """select * replace (coalesce(cast(getvariable('last') as date), as_of) as as_of)
            from loaded.harvest.accounts""",
        **{figure.name: select_of(figure.name, str, "duckdb") for figure in FIGURES},
    }
    with closing(duckdb.connect()) as connection:
        connection.execute(f"attach '{file}' as loaded (read_only)")
        for name, select in selects.items():
            connection.execute(f"create view {name} as {select}")
        yield connection


def _narrow(connection: duckdb.DuckDBPyConnection, days: Days) -> None:
    """Has the figures see entries and expenses of some days alone, as of the last of them."""
    for name, day in days._asdict().items():
        connection.execute(f"set variable {name} = date '{day}'")


def _computed(connection: duckdb.DuckDBPyConnection, pair: Pair, days: Days | None) -> Numbers:
    """Returns the numbers of the figures, of the given days where a row names no month."""
    found: Numbers = {}
    for month, subject, currency, *values in connection.execute(pair.select).fetchall():
        of_month = next(_months(Days(month, month))) if month else days
        for name, value in zip(pair.values, values, strict=True):
            number = Number(pair.report, name, of_month, subject, currency)
            assert number not in found
            found[number] = value
    return found
