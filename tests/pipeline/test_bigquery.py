"""BigQuery, as an emulator shows it: the tables equal the account, are laid out by month and client, and say what they hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from bigquery_server import PROJECT, BigQuery, running_bigquery
from compare import assert_equal
from faults_support import errors_of, tiny
from google.cloud.bigquery import Table
from large_tools import need
from pipelines import Make, make_pipeline, rows
from support import make_source, serving, sync_once

from harvest_sandbox import Account, Sandbox
from harvest_source.catalogue.columns.types import Column, Kind
from harvest_source.catalogue.hints import table_hints
from harvest_source.catalogue.report import Report, parent_id_column
from harvest_source.catalogue.reports import NAMES, REPORTS
from harvest_source.commands.destination import try_destination
from harvest_source.commands.show import query
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations.scope import LIVE
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.figures.figures import FIGURES
from harvest_source.loading.figure_history import HISTORIES, FiguresOfDay, figures_of_day
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice, Mode
from harvest_source.settings import parse_since

HOW_TO_GET_IT = (
    "run `.ci/install-bigquery-emulator FOLDER`, with Python 3.13, and set "
    "BIGQUERY_EMULATOR=FOLDER/bin/local-bigquery"
)
MONTHS_OF = {
    "time_entries": "spent_date",
    "expenses": "spent_date",
    "invoices": "issue_date",
    "estimates": "issue_date",
}
TYPES = {
    Kind.ID: "INTEGER",
    Kind.DECIMAL: "NUMERIC",
    Kind.TEXT: "STRING",
    Kind.BOOL: "BOOLEAN",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP",
}
MOST_CLUSTERS = 4  # that BigQuery allows a table
MOST_QUERIES = (
    108  # that a first run, or a day with few changes, may ask; each takes BigQuery about a second
)


@pytest.fixture
def bigquery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load_into: Callable[[Make], None]
) -> Iterator[BigQuery]:
    """Gives a running emulator, into which the test's pipelines load; without one the test is skipped, and fails under CI."""
    with running_bigquery(need(os.environ.get("BIGQUERY_EMULATOR"), HOW_TO_GET_IT)) as server:
        load_into(lambda _folder, _name: server.destination())
        monkeypatch.setenv(
            "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION", "true"
        )  # the emulator reads no gzip
        monkeypatch.setenv(
            "LOAD__RAISE_ON_MAX_RETRIES", "1"
        )  # what fails here once, would fail again
        server.write_settings(tmp_path, monkeypatch)
        yield server


@pytest.mark.parametrize("report", REPORTS, ids=NAMES)
def test_layout_names_columns_that_the_table_has(report: Report) -> None:
    """A partition or a cluster by a column that is not there would fail the first load."""
    hints = table_hints(report)
    columns = {column.name for column in report.columns}
    assert hints["x-bigquery-table-description"] == report.row
    assert (
        set(hints["x-bigquery-cluster-columns"]) | hints.get("x-bigquery-partition", {}).keys()
        <= columns
    )
    assert 1 <= len(hints["x-bigquery-cluster-columns"]) <= MOST_CLUSTERS


@pytest.mark.long
def test_runs_equal_the_account(tmp_path: Path, bigquery: BigQuery) -> None:
    """All reports; the next day, on another machine, changes, deletions and a new field; then what other commands ask."""
    account = tiny()
    with serving(account) as sandbox:
        first = sync_once(tmp_path, sandbox)
        assert errors_of(first) == {}
        assert len(bigquery.queries) <= MOST_QUERIES
        assert [result.report for result in first.results if result.new == result.total] == list(
            NAMES
        )
        assert_equal(tmp_path, sandbox)
        assert_layout(bigquery)

        messages = edit(account)
        bigquery.queries.clear()
        second = sync_once(tmp_path / "another machine", sandbox)
        assert errors_of(second) == {}
        assert second.new_fields == ["clients.brand_new__colour"]
        assert {
            result.report: (result.new, result.changed, result.deleted) for result in second.results
        } == {
            **dict.fromkeys(NAMES, (0, 0, 0)),
            "time_entries": (1, 1, 1),
            "clients": (0, 1, 0),
            "estimates": (0, 1, 1),
            "estimate_messages": (0, 0, messages),
        }
        assert (
            sum(query.split()[0].lower() == "select" for query in bigquery.queries) <= MOST_QUERIES
        )
        assert_equal(tmp_path, sandbox)
        days = "select count(distinct spent_date) from time_entries"
        joined = f"{days} join calendar on day = spent_date"
        assert rows(tmp_path, joined) == rows(tmp_path, days)
        assert_figures_are_kept(tmp_path, account)
        gone = dict(rows(tmp_path, "select report, count(*) from deleted_rows group by report"))
        assert gone == {
            result.report: result.deleted for result in second.results if result.deleted
        }

        assert_changed_since(tmp_path, account)
        assert_commands_work(bigquery, account)
        assert_verify_tells(tmp_path, sandbox, list(account.rows["time_entries"])[5])


@pytest.mark.long
def test_tables_of_an_older_version_take_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout is BigQuery's: elsewhere, tables that were made before there was one go on taking rows."""
    account = tiny()
    with serving(account) as sandbox:
        with monkeypatch.context() as patch:
            patch.setattr("harvest_source.catalogue.hints.table_hints", lambda _report: {})
            sync_once(tmp_path, sandbox, "clients", "estimates")
        edit(account)
        assert errors_of(sync_once(tmp_path, sandbox, "clients", "estimates")) == {}
        assert_equal(tmp_path, sandbox, "clients", "estimates")


def edit(account: Account) -> int:
    """Changes, adds and removes rows; returns how many messages went with an estimate."""
    entries, estimates = list(account.rows["time_entries"]), list(account.rows["estimates"])
    account.update(
        "time_entries",
        entries[0],
        hours=7.333333,
        notes='it\'s `50 %` of %s\\n\n"ü" 日',
        is_billed=True,
    )
    account.insert("time_entries", spent_date="2024-02-29", hours=0.1, notes="")
    account.delete("time_entries", entries[1])
    account.update("clients", next(iter(account.rows["clients"])), brand_new={"colour": "red"})
    account.update(
        "estimates",
        estimates[0],
        line_items=account.rows["estimates"][estimates[0]]["line_items"][:1],
    )
    before = len(account.rows["estimate_messages"])
    account.delete("estimates", estimates[1])
    return before - len(account.rows["estimate_messages"])


def assert_changed_since(folder: Path, account: Account) -> None:
    """Asserts that rows are counted by an instant, as after a run with `--since`."""
    instants = sorted(
        parse_since("updated_at", row["updated_at"]) for row in account.rows["expenses"].values()
    )
    with Warehouse(make_pipeline(folder)) as warehouse:
        found = warehouse.count("expenses", account.id, LIVE.where("updated_at", ">=", instants[2]))
    assert found == sum(instant >= instants[2] for instant in instants)


def assert_figures_are_kept(folder: Path, account: Account) -> None:
    """Asserts that every figure can be computed, and that the day of two of them is in their tables."""
    complete = {history: {account.id} for history in HISTORIES}
    with Warehouse(make_pipeline(folder)) as warehouse:
        for figure in FIGURES:
            found = warehouse.figure(figure.name)
            assert all(list(row) == [each.name for each in figure.columns] for row in found)
        ((day,),) = rows(folder, "select as_of from accounts")
        assert figures_of_day(warehouse, complete, day) == FiguresOfDay()
        for history in HISTORIES:
            assert len(warehouse.rows(history.name)) == len(warehouse.figure(history.figure.name))


def assert_verify_tells(folder: Path, sandbox: Sandbox, entry: int) -> None:
    """Asserts that `verify` finds a row whose values differ from Harvest's, and the month whose sum differs."""
    with make_pipeline(folder).sql_client() as client:
        client.execute_sql(
            f"update time_entries set rounded_hours = 99.25, billable = not billable where id = {entry}"
        )
    source = make_source(sandbox, "time_entries", choice=Choice(mode=Mode.ALL))
    summary = sync(make_pipeline(folder), source, repairs=False, totals=True)
    assert [result.changed for result in summary.results] == [1]
    (note,) = summary.notes
    assert "sum of rounded_hours" in note


def assert_layout(server: BigQuery) -> None:
    """Asserts that every table and its columns are partitioned, clustered, typed and described."""
    client = server.client()
    for report in REPORTS:
        table = client.get_table(f"{PROJECT}.harvest.{report.name}")
        stamped = any(column.name == "updated_at" for column in report.columns)
        months = MONTHS_OF.get(report.name) or ("updated_at" if stamped else None)
        partitions = table.time_partitioning
        assert (partitions and (partitions.type_, partitions.field)) == (
            ("MONTH", months) if months else None
        ), report.name
        has_client = any(column.name == "client__id" for column in report.columns)
        assert table.clustering_fields == [
            "account_id",
            *(["client__id"] if has_client else report.key),
        ], report.name
        assert table.description == report.row
        assert_columns(table, report.columns)
        for nested in report.lists:
            child = client.get_table(f"{PROJECT}.harvest.{report.name}__{nested.name}")
            assert child.clustering_fields == ["account_id", parent_id_column(report)], (
                child.table_id
            )
            assert child.description == nested.description
            assert_columns(child, nested.columns)


def assert_columns(table: Table, columns: tuple[Column, ...]) -> None:
    """Asserts the types and descriptions of a table's documented columns."""
    fields = {field.name: field for field in table.schema}
    for column in columns:
        field = fields[column.name]
        size = (20, 6) if column.kind is Kind.DECIMAL else (None, None)
        assert (field.field_type, field.precision, field.scale) == (TYPES[column.kind], *size), (
            f"{table.table_id}.{column.name}"
        )
        assert field.description == column.description


def assert_commands_work(server: BigQuery, account: Account) -> None:
    """Asserts that `check` and `show` work with the settings of a user, and that `check` leaves nothing behind."""
    assert (
        try_destination(Workplace(destination="bigquery"))[0]
        == "reached and writable, dataset harvest"
    )
    assert (
        try_destination(Workplace(destination="bigquery", dataset="elsewhere"))[0]
        == "reached and writable, dataset elsewhere"
    )
    assert {dataset.dataset_id for dataset in server.client().list_datasets()} >= {"harvest"}
    assert "elsewhere" not in {dataset.dataset_id for dataset in server.client().list_datasets()}
    entries = account.rows["time_entries"].values()
    hours = sum(Decimal(str(entry["hours"])) for entry in entries)
    oldest = date.fromisoformat(min(entry["spent_date"] for entry in entries))
    (found,) = query(
        Workplace(destination="bigquery"),
        "select sum(hours) as hours, min(spent_date) as oldest from time_entries",
    )
    assert found == (["hours", "oldest"], [[hours, oldest]])


@pytest.mark.long
def test_what_a_hand_took_away_is_made_anew(tmp_path: Path, bigquery: BigQuery) -> None:
    """A table, a child table, columns, a link of dlt's: the next run ends equal, and so does the one after it, with changes."""
    account, names = tiny(), ("clients", "users", "estimates")
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *names)
        client = bigquery.client()
        for table in ("clients", "estimates__line_items"):
            client.delete_table(f"{PROJECT}.harvest.{table}")
        for table, column in (("users", "telephone"), ("users", "_dlt_id"), ("estimates", "notes")):
            client.query_and_wait(f"alter table `{PROJECT}.harvest.{table}` drop column {column}")
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)
        edit(account)
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)
