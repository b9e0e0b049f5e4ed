"""Every value that was worked by hand comes out, on each database; and what must hold whatever the rows are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import psycopg2
import pytest
from destinations import fresh_postgres_address, started_postgres
from figures_cases import BY_NAME, TABLES, differences, fill, rows_by_table
from figures_tables import COLUMNS, Execute, Row, calendar_of, figure_rows

from harvest_source.catalogue.columns.types import Kind
from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.figures.figure import Figure
from harvest_source.figures.figures import FIGURES

TYPES: dict[Kind, type] = {
    Kind.ID: int,
    Kind.DECIMAL: Decimal,
    Kind.TEXT: str,
    Kind.BOOL: bool,
    Kind.DATE: date,
}
ACCOUNTS = sorted(row["account_id"] for row in rows_by_table()["accounts"])
SHIFT = 1_000_000  # from the id of a row to that of its copy
MARKED = datetime(2024, 3, 30, tzinfo=UTC)

# columns that are null where no entry of an account shows a rate or a cost
OF_RATES = {
    "tracked_time": ("amount", "cost"),
    "billable_amount": ("time_amount", "billable_amount"),
    "project_margin": ("time_cost", "profit", "margin"),
    "realisation": ("worked_amount", "realisation"),
}


@pytest.fixture(scope="module")
def on_duckdb() -> Iterator[Execute]:
    with closing(duckdb.connect()) as connection:
        fill(connection.execute, rows_by_table())
        yield connection.execute


@pytest.fixture(scope="module")
def on_postgres() -> Iterator[Execute]:
    with (
        started_postgres() as server,
        closing(psycopg2.connect(fresh_postgres_address(server))) as connection,
    ):

        def execute(statement: str) -> Any:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor

        fill(execute, rows_by_table())
        # without figures of its tables Postgres expects many rows, and compiles the queries for seconds
        execute("analyze")
        yield execute


@pytest.fixture(params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest) -> tuple[Execute, str]:
    """Gives a database with the rows of the five accounts, and its dialect."""
    return request.getfixturevalue(f"on_{request.param}"), request.param


def on_rows(tables: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Returns the rows of each figure over other tables, on DuckDB."""
    with closing(duckdb.connect()) as connection:
        fill(connection.execute, tables)
        return {
            figure.name: figure_rows(connection.execute, figure, "duckdb") for figure in FIGURES
        }


each_figure = pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)


@each_figure
def test_every_value_is_as_worked_by_hand(figure: Figure, database: tuple[Execute, str]) -> None:
    rows = figure_rows(database[0], figure, database[1])
    assert rows
    assert differences(rows, figure) == []


@each_figure
def test_columns_are_those_of_the_catalogue(figure: Figure, database: tuple[Execute, str]) -> None:
    """In its order, and with values of its types."""
    rows = figure_rows(database[0], figure, database[1])
    assert list(rows[0]) == [column.name for column in figure.columns]
    found = {
        column.name: {type(row[column.name]) for row in rows} - {type(None)}
        for column in figure.columns
    }
    assert found == {column.name: {TYPES[column.kind]} for column in figure.columns}


@each_figure
def test_no_two_rows_have_the_same_key(figure: Figure, on_duckdb: Execute) -> None:
    keys = [
        tuple(row[name] for name in figure.key) for row in figure_rows(on_duckdb, figure, "duckdb")
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("account_id", ACCOUNTS)
def test_an_account_is_the_same_without_the_others(account_id: int, on_duckdb: Execute) -> None:
    tables = rows_by_table()
    alone = {
        name: rows
        if name == "calendar"
        else [row for row in rows if row["account_id"] == account_id]
        for name, rows in tables.items()
    }
    among_others = {
        figure.name: [
            row
            for row in figure_rows(on_duckdb, figure, "duckdb")
            if row["account_id"] == account_id
        ]
        for figure in FIGURES
    }
    assert on_rows(alone) == among_others
    assert any(among_others.values())


def test_rows_that_are_gone_at_harvest_change_nothing(on_duckdb: Execute) -> None:
    """A marked copy of every row, with an id of its own: a copied invoice brings its lines along."""
    tables = rows_by_table()
    marked = dict(tables)
    for table in TABLES:
        names = {column.name for column in COLUMNS[table]}
        if DELETED_AT in names and "id" in names:
            marked[table] = [*tables[table], *map(gone, tables[table])]
    marked["invoices__line_items"] = [
        *tables["invoices__line_items"],
        *(
            {**row, "invoice_id": row["invoice_id"] + SHIFT}
            for row in tables["invoices__line_items"]
        ),
    ]
    assert all(
        len(marked[table]) == 2 * len(tables[table]) for table in ("time_entries", "invoices")
    )
    assert on_rows(marked) == {
        figure.name: figure_rows(on_duckdb, figure, "duckdb") for figure in FIGURES
    }


def gone(row: Row) -> Row:
    """Returns a marked copy of a row."""
    return {**row, "id": row["id"] + SHIFT, DELETED_AT: MARKED}


def test_an_entry_on_a_day_that_the_calendar_lacks_is_in_no_figure(on_duckdb: Execute) -> None:
    tables = rows_by_table()
    (first, *others) = [row for row in tables["time_entries"] if row["account_id"] == 2]
    lost = {**first, "id": SHIFT, "spent_date": date(202, 3, 29)}
    assert others == []
    rows = on_rows({**tables, "time_entries": [*tables["time_entries"], lost]})
    assert rows == {figure.name: figure_rows(on_duckdb, figure, "duckdb") for figure in FIGURES}


def test_who_sees_no_rates_gets_nulls_and_no_zeros() -> None:
    tables = rows_by_table()
    hidden = {"billable_rate": None, "cost_rate": None}
    tables["time_entries"] = [{**row, **hidden} for row in tables["time_entries"]]
    rows = on_rows(tables)
    for name, columns in OF_RATES.items():
        assert rows[name], name
        assert {row[column] for row in rows[name] for column in columns} == {None}, name
    by_time = [row for row in rows["uninvoiced_work"] if not row["is_fixed_fee"]]
    assert by_time
    for column in ("uninvoiced_amount", "days_0_30", "days_31_60", "days_61_90", "days_over_90"):
        assert {row[column] for row in by_time} == {None}
    in_money = [row for row in rows["budget_burn"] if row["currency"] is not None]
    assert in_money
    assert {(row["spent"], row["burn"], row["is_over"]) for row in in_money} == {(None, None, None)}
    assert not any(row["currency"] for row in rows["over_budget_projects"])
    earning = [
        row for row in rows["project_margin"] if row["is_billable"] and not row["is_fixed_fee"]
    ]
    assert earning
    assert {(row["work_revenue"], row["revenue"]) for row in earning} == {(None, None)}


def test_hours_are_there_also_for_who_sees_no_rates(on_duckdb: Execute) -> None:
    tables = rows_by_table()
    hidden = {"billable_rate": None, "cost_rate": None}
    tables["time_entries"] = [{**row, **hidden} for row in tables["time_entries"]]
    rows = on_rows(tables)
    for name in ("utilisation", "timesheet_gaps"):
        assert rows[name] == figure_rows(on_duckdb, BY_NAME[name], "duckdb")
    assert [row["billable_hours"] for row in rows["tracked_time"]] == [
        row["hours_without_rate"] for row in rows["tracked_time"]
    ]


def test_what_was_invoiced_is_paid_written_off_or_due(on_duckdb: Execute) -> None:
    rows = figure_rows(on_duckdb, BY_NAME["invoiced"], "duckdb")
    assert {row["invoiced"] - row["paid"] - row["written_off"] - row["due"] for row in rows} == {0}


def test_what_is_due_stands_in_the_receivables(on_duckdb: Execute) -> None:
    due = total(figure_rows(on_duckdb, BY_NAME["invoiced"], "duckdb"), "due")
    receivable = total(figure_rows(on_duckdb, BY_NAME["receivables"], "duckdb"), "due_amount")
    assert {group: money for group, money in due.items() if money} == receivable
    assert receivable[1, "EUR"] == 284


def total(rows: list[Row], column: str) -> dict[tuple[int, str], Decimal]:
    """Returns the sum of a column by account and currency."""
    sums: dict[tuple[int, str], Decimal] = {}
    for row in rows:
        group = (row["account_id"], row["currency"])
        sums[group] = sums.get(group, Decimal(0)) + row[column]
    return sums


def test_the_ages_add_up_to_what_is_not_invoiced(on_duckdb: Execute) -> None:
    rows = figure_rows(on_duckdb, BY_NAME["uninvoiced_work"], "duckdb")
    by_time = [row for row in rows if row["days_0_30"] is not None]
    assert len(by_time) > 5
    for row in by_time:
        ages = (row["days_0_30"], row["days_31_60"], row["days_61_90"], row["days_over_90"])
        assert sum(ages) == row["uninvoiced_amount"]


def test_the_months_of_a_fixed_fee_that_ended_add_up_to_it(on_duckdb: Execute) -> None:
    rows = figure_rows(on_duckdb, BY_NAME["project_margin"], "duckdb")
    ended = [row for row in rows if (row["account_id"], row["project_id"]) == (1, 300)]
    assert [row["work_revenue"] for row in ended] == [2900, 3100]


def test_the_rows_worked_by_hand_fit_together() -> None:
    """Lines less discount with taxes give the amount of an invoice, and its payments what is no longer due."""
    tables = rows_by_table()
    live = {name: [row for row in rows if not row.get(DELETED_AT)] for name, rows in tables.items()}
    for invoice in live["invoices"]:
        lines, payments = (
            sum(
                row["amount"]
                for row in live[table]
                if (row["account_id"], row["invoice_id"]) == (invoice["account_id"], invoice["id"])
            )
            for table in ("invoices__line_items", "invoice_payments")
        )
        taxes = (invoice["tax_amount"] or 0) + (invoice["tax2_amount"] or 0)
        assert lines - (invoice["discount_amount"] or 0) + taxes == invoice["amount"], invoice
        assert invoice["amount"] - invoice["due_amount"] == payments, invoice


def test_the_calendar_reaches_over_all_rows() -> None:
    days = [row["day"] for row in calendar_of(rows_by_table())]
    assert days[0] <= date(2023, 11, 1) <= date(2024, 5, 30) <= days[-1]
