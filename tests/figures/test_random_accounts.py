"""A thousand small accounts, put together by chance, in one database: SQL and plain Python say the same of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from math import isclose
from random import Random
from typing import Any

import duckdb
import pytest
from figures_books import Books
from figures_cases import TABLES, fill
from figures_of_budgets import budget_burn, over_budget_projects
from figures_of_invoices import invoiced, realisation, receivables
from figures_of_projects import billable_amount, effective_rate, project_margin, uninvoiced_work
from figures_of_time import timesheet_gaps, tracked_time, utilisation
from figures_random import Maker
from figures_tables import Execute, Row, calendar_of, figure_rows, key_of

from harvest_source.figures.figure import Figure
from harvest_source.figures.figures import FIGURES

ACCOUNTS = 1000
NEAR = 1e-5  # a quotient is kept to six decimals, and sums of such quotients are divided again
LEAST_ROWS = 100  # fewer would say that the accounts hold too little for a figure

IN_PYTHON: dict[str, Callable[[Books], list[Row]]] = {
    each.__name__: each
    for each in (
        tracked_time,
        utilisation,
        billable_amount,
        uninvoiced_work,
        budget_burn,
        project_margin,
        effective_rate,
        realisation,
        invoiced,
        receivables,
        timesheet_gaps,
        over_budget_projects,
    )
}

Accounts = dict[int, dict[str, list[Row]]]


@pytest.fixture(scope="module")
def accounts() -> Accounts:
    return {
        seed: Maker(seed, Random(seed)).tables()  # noqa: S311 - made-up data needs no cryptography
        for seed in range(1, ACCOUNTS + 1)
    }


@pytest.fixture(scope="module")
def execute(accounts: Accounts) -> Iterator[Execute]:
    tables = {
        table: [row for account in accounts.values() for row in account[table]]
        for table in TABLES
        if table != "calendar"
    }
    with closing(duckdb.connect()) as connection:
        fill(connection.execute, {**tables, "calendar": calendar_of(tables)})
        yield connection.execute


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_every_row_equals_what_plain_python_says(
    figure: Figure, accounts: Accounts, execute: Execute
) -> None:
    """An account's id is the seed that makes it again."""
    rows = figure_rows(execute, figure, "duckdb")
    found = {key_of(figure, row): row for row in rows}
    expected = {
        key_of(figure, row): row
        for account in accounts.values()
        for row in IN_PYTHON[figure.name](Books(account))
    }
    assert len(rows) == len(found) > LEAST_ROWS
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert row.keys() == expected[key].keys()
        other = {
            name: (value, expected[key][name])
            for name, value in row.items()
            if not same(value, expected[key][name])
        }
        assert not other, key


def same(value: Any, expected: Any) -> bool:
    """Returns whether a value is the expected one, a decimal nearly so."""
    if isinstance(value, Decimal) and isinstance(expected, Decimal):
        return isclose(value, expected, rel_tol=NEAR, abs_tol=NEAR)
    return bool(value == expected)
