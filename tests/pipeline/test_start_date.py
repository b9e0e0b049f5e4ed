"""Rows from before `start_date` stay where it is set or moved forward later; they are no longer followed, and the run says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Type
from pipelines import rows
from support import serving, stop_timers

from harvest_sandbox import Account, Size, build_account

SMALL = Size(
    projects=4, users=4, invoices=12, estimates=4, time_entries=200, expenses=40, clients=3
)
NAMES = ("clients", "time_entries", "invoices", "invoice_payments", "estimates")
LISTS = ("time_entries", "invoices", "estimates")


def middle(account: Account) -> str:
    """Returns an instant before which about half of the time entries changed last."""
    return sorted(str(row["updated_at"]) for row in account.rows["time_entries"].values())[100]


@pytest.mark.long
def test_older_rows_stay_and_are_said_not_to_be_followed(
    tmp_path: Path, type_command: Type
) -> None:
    """By a plain run, a full refresh and `verify` alike: an older row deleted at Harvest is no part of what is proved."""
    account = build_account(SMALL, seed=7)
    stop_timers(account)
    since = middle(account)
    older = {
        name: [key for key, row in account.rows[name].items() if row["updated_at"] < since]
        for name in LISTS
    }
    paid = {account.parent_of("invoice_payments", key) for key in account.rows["invoice_payments"]}
    assert set(older["invoices"]) & paid
    with serving(account) as sandbox:
        chosen = ("--reports", ",".join(NAMES))
        assert type_command("run", *chosen, harvest=sandbox).code == 0
        payments = dict(
            rows(tmp_path, "select invoice_id, count(*) from harvest.invoice_payments group by 1")
        )
        account.delete("time_entries", older["time_entries"][0])
        for command in (("run", *chosen), ("run", "--full-refresh", *chosen), ("verify",)):
            done = type_command(*command, "--json", harvest=sandbox, START_DATE=since)
            verified = {each["report"]: each["verified"] for each in done.json()["reports"]}
            assert done.code == 0, done.err
            assert verified["clients"] == "yes"
            for name in LISTS:
                assert verified[name] == f"yes, {len(older[name])} older rows not followed", command
        unfollowed = sum(payments.get(key, 0) for key in older["invoices"])
        assert verified["invoice_payments"] == f"read today, {unfollowed} older rows not followed"
        assert type_command("run", *chosen, harvest=sandbox).code == 0
    assert rows(tmp_path, "select count(*) from harvest.time_entries") == [(199,)]
