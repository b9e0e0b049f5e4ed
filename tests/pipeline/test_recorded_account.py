"""An account in the form in which Harvest really answered is loaded: every value is the one that was recorded."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from compare import assert_lists_equal, assert_rows_equal
from pipelines import make_pipeline, rows
from recorded import ID, Recorded, names, records
from support import sync_once

from harvest_source.catalogue.reports import NAMES, REPORTS

NOT_RECORDED = {report.name for report in REPORTS if report.module_list}  # newer than the account
NO_ROWS = {*NOT_RECORDED, "teammates"}  # of which no manager of the account has some


def assert_as_recorded(folder: Path) -> None:
    """Asserts that the tables hold what stands in the files, exactly, and nothing else."""
    with make_pipeline(folder).sql_client() as client:
        for report in REPORTS:
            expected = records(report)
            assert bool(expected) == (report.name not in NO_ROWS), report.name
            assert_rows_equal(client, ID, report, expected, ())
            assert_lists_equal(client, ID, report, expected)


def test_the_recorded_account_has_a_file_for_every_report() -> None:
    """And one of who asks, which is loaded by none."""
    assert {*names()} == {*NAMES} - NOT_RECORDED | {"users_me"}


EXACT: dict[str, list[tuple[Any, ...]]] = {
    "select sum(hours), sum(hours_without_timer), count(*) from time_entries": [
        (Decimal("146.90"), Decimal("128.42"), 17)
    ],
    "select count(*) from time_entries where approval_status is null": [(13,)],
    "select amount, tax, tax_amount, discount, discount_amount from invoices where number = '134'": [
        tuple(map(Decimal, ("127.39", "15", "16.62", "41.7", "79.23")))
    ],
    "select sum(tax_amount), count(*) filter (tax_amount is null) from invoices": [
        (Decimal("16.62"), 2)
    ],
    "select quantity, unit_price, amount from invoices__line_items where quantity < 1": [
        tuple(map(Decimal, ("0.01", "10", "0.1")))
    ],
    "select default_hourly_rate from tasks where default_hourly_rate is not null": [
        (Decimal("75.5"),)
    ],
    "select name, currency, clock from company": [("Sample Agency", "USD", "12h")],
}
"""Worked by hand from the files, so that it is not only the comparison that says so."""


def test_every_recorded_value_is_in_its_table(tmp_path: Path) -> None:
    """Rows, list elements and nulls; what answers of years ago lack is null, and no field is new."""
    with Recorded() as harvest:
        summary = sync_once(tmp_path, harvest)
    assert {result.report: result.error for result in summary.results} == dict.fromkeys(NAMES)
    assert {result.verified for result in summary.results} == {"yes", "read today", "module off"}
    assert summary.new_fields == []
    assert_as_recorded(tmp_path)
    assert {sql: rows(tmp_path, sql) for sql in EXACT} == EXACT


@pytest.mark.long
def test_a_second_run_on_the_recorded_account_changes_nothing(tmp_path: Path) -> None:
    """Read project by project as well; three timers run, whose hours stand still here."""
    with Recorded() as harvest:
        sync_once(tmp_path, harvest, assignments="project")
        assert_as_recorded(tmp_path)
        summary = sync_once(tmp_path, harvest, assignments="project")
    assert {(each.new, each.changed, each.deleted, each.repaired) for each in summary.results} == {
        (0, 0, 0, 0)
    }
    assert_as_recorded(tmp_path)
