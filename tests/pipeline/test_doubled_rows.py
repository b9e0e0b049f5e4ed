"""A key that stands twice, since two machines loaded at once or a hand copied rows, counts as changed and is mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from compare import assert_equal
from destinations import long, on
from pipelines import make_pipeline, rows
from support import serving, stop_timers, sync_once

from harvest_sandbox import Size, build_account
from harvest_source.loading import compare
from harvest_source.reading.reader import Choice, Mode

SMALL = Size(projects=4, users=4, invoices=8, estimates=4, time_entries=200, expenses=40, clients=3)
# one list, one with list elements, one paged by number, one object, children of a list and of users
NAMES = (
    "clients",
    "invoices",
    "time_entries",
    "company",
    "invoice_payments",
    "billable_rates",
    "project_assignments",
)
# table: column with the id of the row
TABLES = {name: "account_id" if name == "company" else "id" for name in NAMES} | {
    "invoices__line_items": "invoice_id",
    "project_assignments__task_assignments": "project_assignment_id",
}


def double(folder: Path) -> None:
    """Copies some rows, with their list elements, as another machine would have loaded them."""
    with make_pipeline(folder).sql_client() as client:
        for table, row_id in TABLES.items():
            condition = "true" if table == "company" else f"{row_id} % 3 = 0"
            client.execute_sql(f"create table copied as select * from {table} where {condition}")
            own = ("_dlt_id", "_dlt_parent_id", "_dlt_root_id") if "__" in table else ("_dlt_id",)
            for name in own if table != "time_entries" else ():  # Arrow tables have none
                client.execute_sql(f"update copied set {name} = {name} || '2'")
            client.execute_sql(f"insert into {table} select * from copied")
            client.execute_sql("drop table copied")


@on("duckdb", long("postgres"))
def test_doubled_rows_are_mended_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a quiet day, in lists of every length and in children, whose parents did not change either."""
    account = build_account(SMALL, seed=7)
    stop_timers(account)
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *NAMES)
        double(tmp_path)
        monkeypatch.setattr(compare, "PER_PAGE", 50)  # time entries are then a long list
        summary = sync_once(tmp_path, sandbox, *NAMES)
        assert {each.report: each.error for each in summary.results} == dict.fromkeys(NAMES)
        assert_equal(tmp_path, sandbox, *NAMES)
        assert rows(tmp_path, "select count(*) from company") == [(1,)]
        assert sum(each.changed for each in sync_once(tmp_path, sandbox, *NAMES).results) == 0


@pytest.mark.long
def test_doubled_rows_are_mended_by_a_full_refresh(tmp_path: Path) -> None:
    """Which is what `verify` does as well."""
    account = build_account(SMALL, seed=7)
    stop_timers(account)
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *NAMES)
        double(tmp_path)
        assert sync_once(tmp_path, sandbox, *NAMES, choice=Choice(mode=Mode.REPLACE)).exit_code == 0
        assert_equal(tmp_path, sandbox, *NAMES)
