"""List elements that a hand took out of a child table, or put in, are noticed by the next run and mended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from compare import assert_equal
from destinations import on
from faults_support import Ears, errors_of, tiny
from pipelines import make_pipeline, rows
from second_harvest import by_hand
from support import make_source, serving, sync_once

from harvest_sandbox import Size, build_account
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice

SMALL = Size(projects=4, users=4, invoices=8, estimates=4, time_entries=0, expenses=0, clients=3)
NAMES = (
    "invoices",
    "estimates",
    "users",
    "project_assignments",
)  # lists, and one that is read user by user
TAKEN = (
    "delete from invoices__line_items where invoice_id = (select max(invoice_id) from invoices__line_items)",
    "delete from estimates__line_items",
    "delete from users__access_roles where _dlt_list_idx = 0",
    "delete from project_assignments__task_assignments where _dlt_list_idx = 1",
)


@pytest.mark.long
@on("duckdb", "postgres")
def test_elements_taken_out_by_hand_come_back(tmp_path: Path) -> None:
    """In a run of everything; one of a late part does not forget that they are missing, and one after the mend is quiet."""
    with serving(build_account(SMALL, seed=7)) as sandbox:
        sync_once(tmp_path, sandbox, *NAMES)
        with make_pipeline(tmp_path).sql_client() as client:
            for statement in TAKEN:
                client.execute_sql(statement)
        sync_once(tmp_path, sandbox, *NAMES, choice=Choice(since=datetime.now(UTC)))
        summary = sync_once(tmp_path, sandbox, *NAMES)
        assert [each.error for each in summary.results] == [None] * len(NAMES)
        assert all(each.changed for each in summary.results)
        assert_equal(tmp_path, sandbox, *NAMES)
        sandbox.clear()
        assert (
            sum(each.changed + each.new for each in sync_once(tmp_path, sandbox, *NAMES).results)
            == 0
        )
        assert not [
            request for request in sandbox.requests if request.path.endswith("/project_assignments")
        ]


@pytest.mark.long
def test_lists_that_change_at_harvest_are_not_read_from_the_beginning(tmp_path: Path) -> None:
    """Not where the last element of a table goes, and not where the run's rows are not compared, since the role was lowered."""
    names = ("invoices", "invoice_messages")
    with by_hand(invoices=6, entries=0) as harvest:
        sync_once(tmp_path, harvest, *names)
        member = (200, b'{"id": 4711, "access_roles": ["member"]}')
        for day, compared in ((2, True), (3, True), (4, False), (5, False)):
            if not compared:
                harvest.spoil = lambda asked: member if asked.path == "users/me" else None
            harvest.now = f"2026-07-0{day}T08:30:00Z"
            invoice = harvest.tables["invoices"][0]["id"]
            harvest.change("invoices", invoice, notes=harvest.now)
            recipients = [{"name": None, "email": f"{number}@example.com"} for number in range(day)]
            harvest.tables[f"invoices/{invoice}/messages"][0].update(
                recipients=recipients, updated_at=harvest.now
            )
            for each in [row for row in harvest.tables["invoices"] if row["line_items"]]:
                harvest.change("invoices", each["id"], line_items=[])
            harvest.requests.clear()
            assert bool(errors_of(sync_once(tmp_path, harvest, *names))) is not compared
            asked = {each.path for each in harvest.requests if each.path.endswith("/messages")}
            assert 0 < len(asked) < 6
            first = next(each for each in harvest.requests if each.path == "invoices")
            assert "updated_since" in first.query
        assert rows(tmp_path, "select count(*) from invoices__line_items") == [(0,)]


def test_list_that_plain_dlt_changed_is_counted_anew(tmp_path: Path) -> None:
    """Nobody is blamed for it, and a run from a date on says that it is the next one that reads all."""
    account = tiny()
    invoice = next(key for key, row in account.rows["invoices"].items() if row["line_items"])
    said = f"invoices of account {account.id} is not as it was last counted: it is read from the beginning"
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "invoices")
        account.update("invoices", invoice, line_items=[])
        make_pipeline(tmp_path).run(make_source(sandbox, "invoices"))
        notes = []
        later = datetime.now(UTC) + timedelta(hours=1)  # in this second the invoice changed
        for since in (later, None, None):
            ears = Ears()
            source = make_source(sandbox, "invoices", choice=Choice(since=since))
            assert errors_of(sync(make_pipeline(tmp_path), source, listener=ears)) == {}
            notes.append(ears.notes)
        assert notes == [[f"{said} by the next run without a date"], [said], []]
        assert_equal(tmp_path, sandbox, "invoices")
