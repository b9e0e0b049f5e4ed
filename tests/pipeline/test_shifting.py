"""Lists that shift while they are paged by number: a row that moves or goes costs no other row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from compare import assert_equal
from pipelines import rows
from support import serving, stop_timers, sync_once

from harvest_sandbox import Account, Request, Sandbox, Size, build_account
from harvest_source.api import client
from harvest_source.reading import windows

PAGE = 40
SIZE = Size(
    projects=4, users=4, invoices=150, estimates=130, time_entries=160, expenses=150, clients=3
)
DATES = {
    "time_entries": "spent_date",
    "expenses": "spent_date",
    "invoices": "issue_date",
    "estimates": "issue_date",
}


def newest_first(account: Account, report: str) -> list[int]:
    dated = [row for row in account.rows[report].values() if row[DATES[report]]]
    return [
        row["id"]
        for row in sorted(dated, key=lambda row: (row[DATES[report]], row["id"]), reverse=True)
    ]


def dated(report: str, day: str) -> dict[str, Any]:
    return {DATES[report]: day}


def go(account: Account, report: str) -> None:
    """Deletes a row that was read: an unread one slips onto the page already read."""
    account.delete(report, newest_first(account, report)[1])


def move(account: Account, report: str) -> None:
    """Moves a row that was read to the end of the list."""
    account.update(report, newest_first(account, report)[1], **dated(report, "2020-01-02"))


def come(account: Account, report: str) -> None:
    """Inserts a row in front: one comes twice."""
    account.insert(report, **dated(report, "2026-12-02"))


def go_and_come(account: Account, report: str) -> None:
    """Deletes and inserts between two pages: the count stays as it was."""
    go(account, report)
    account.insert(report, **dated(report, "2020-01-02"))


def change_before_second_pages(
    sandbox: Sandbox,
    account: Account,
    reports: Iterable[str],
    change: Callable[[Account, str], None],
) -> Counter[str]:
    """Has a change happen between the first page of each report and its second; returns what counts the requests by report."""
    asked: Counter[str] = Counter()

    def between_pages(request: Request) -> None:
        report = request.path.rpartition("/")[2]
        if report in reports:
            asked[report] += 1
            if asked[report] == 2:
                change(account, report)

    watch(sandbox, between_pages)
    return asked


CHANGES: list[Callable[[Account, str], None]] = [go, move, come, go_and_come]


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES)
def test_a_row_that_moves_costs_no_other_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Account, str], None]
) -> None:
    """Whatever happens between the first page and the second, this run or the next makes the tables equal."""
    monkeypatch.setattr(client, "PER_PAGE", PAGE)
    monkeypatch.setattr(windows, "WINDOW_ROWS", PAGE - 10)
    account = build_account(SIZE, seed=9)
    stop_timers(account)
    before = {report: set(account.rows[report]) for report in DATES}
    with serving(account) as sandbox:
        asked = change_before_second_pages(sandbox, account, DATES, change)
        summary = sync_once(tmp_path, sandbox, *DATES)
        assert [result.error for result in summary.results if result.error] == []
        watch(sandbox, None)
        for report in DATES:
            assert_only_it_may_be_missing(tmp_path, account, report, before[report])
        sync_once(tmp_path, sandbox, *DATES)
        assert_equal(tmp_path, sandbox, *DATES)
    assert min(asked[report] for report in DATES) > 2


def assert_only_it_may_be_missing(
    folder: Path, account: Account, report: str, before: set[int]
) -> None:
    """Asserts that every row that stayed at Harvest is there, and none twice; only the one that moved may come later."""
    found = [row_id for (row_id,) in rows(folder, f"select id from {report}")]
    assert len(found) == len(set(found))
    moved = {
        row["id"] for row in account.rows[report].values() if row[DATES[report]] == "2020-01-02"
    }
    assert (before & set(account.rows[report])) - moved <= set(found)


@pytest.mark.long
@pytest.mark.parametrize("change", [go, go_and_come])
def test_drafts_without_a_date_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Account, str], None]
) -> None:
    """Rows without a date are in no window: they are there all the same, after this run already, each once."""
    monkeypatch.setattr(client, "PER_PAGE", PAGE)
    monkeypatch.setattr(windows, "WINDOW_ROWS", PAGE - 10)
    account = build_account(
        Size(
            projects=3, users=3, invoices=110, estimates=110, time_entries=20, expenses=3, clients=3
        ),
        seed=9,
    )
    reports = ("invoices", "estimates")
    for report in reports:
        for row_id in list(account.rows[report])[::2]:
            account.update(report, row_id, issue_date=None, state="draft")
    undated = {
        report: {row["id"] for row in account.rows[report].values() if row["issue_date"] is None}
        for report in reports
    }
    before = {report: set(account.rows[report]) for report in reports}
    with serving(account) as sandbox:
        change_before_second_pages(sandbox, account, reports, change)
        assert sync_once(tmp_path, sandbox, *reports).exit_code == 0
        watch(sandbox, None)
        for report in reports:
            assert len(undated[report]) >= 50
            assert_only_it_may_be_missing(tmp_path, account, report, before[report])
            found = {
                row_id
                for (row_id,) in rows(tmp_path, f"select id from {report} where issue_date is null")
            }
            assert undated[report] <= found
        sync_once(tmp_path, sandbox, *reports)
        assert_equal(tmp_path, sandbox, *reports)


def test_many_rows_that_go_while_the_list_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is deleted before each of the first ten answers: what stays is whole, after this run already."""
    monkeypatch.setattr(client, "PER_PAGE", PAGE)
    monkeypatch.setattr(windows, "WINDOW_ROWS", PAGE - 10)
    account = build_account(SIZE, seed=9)
    deleted = 0

    def before_each(request: Request) -> None:
        nonlocal deleted
        if request.path.endswith("/expenses") and deleted < 10:
            deleted += 1
            account.delete("expenses", newest_first(account, "expenses")[0])

    with serving(account) as sandbox:
        watch(sandbox, before_each)
        assert sync_once(tmp_path, sandbox, "expenses").exit_code == 0
        assert set(account.rows["expenses"]) <= {
            row_id for (row_id,) in rows(tmp_path, "select id from expenses")
        }
        watch(sandbox, None)
        sync_once(tmp_path, sandbox, "expenses")
        assert_equal(tmp_path, sandbox, "expenses")
    assert deleted == 10


def watch(sandbox: Sandbox, hook: Callable[[Request], None] | None) -> None:
    """Has the sandbox call a hook before it answers."""
    sandbox.before_answer = hook


def test_one_day_with_more_rows_than_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day cannot be cut into windows: it is read by pages until its count agrees."""
    monkeypatch.setattr(client, "PER_PAGE", PAGE)
    monkeypatch.setattr(windows, "WINDOW_ROWS", PAGE - 10)
    account = build_account(SIZE, seed=9)
    for row_id in list(account.rows["expenses"]):
        account.update("expenses", row_id, spent_date="2026-03-02")
    pages = 0

    def between_pages(request: Request) -> None:
        nonlocal pages
        pages += request.path.endswith("/expenses")
        if pages == 2 and request.path.endswith("/expenses"):
            account.delete("expenses", max(account.rows["expenses"]))

    with serving(account) as sandbox:
        watch(sandbox, between_pages)
        assert sync_once(tmp_path, sandbox, "expenses").exit_code == 0
        assert_equal(tmp_path, sandbox, "expenses")
