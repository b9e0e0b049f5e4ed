"""`verify` compares every value and the sums of Harvest's own reports, names what differs and repairs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from compare import assert_equal
from destinations import on
from pipelines import make_pipeline, rows
from support import make_source, serving, stop_timers

from harvest_sandbox import Fault, Sandbox, Size, build_account
from harvest_source.api.parsing import parse_exact
from harvest_source.errors import RefusedError
from harvest_source.loading.summary import Summary
from harvest_source.loading.syncing import sync
from harvest_source.loading.totals import TOTALS
from harvest_source.reading.reader import Choice, Mode

REPORT = "reports/time/projects"
SMALL = Size(projects=4, users=4, invoices=6, estimates=2, time_entries=100, expenses=10, clients=3)
NAMES = ("time_entries", "expenses", "invoices", "invoice_payments")


def verify(folder: Path, sandbox: Sandbox, *, repairs: bool = True) -> Summary:
    source = make_source(sandbox, *NAMES, choice=Choice(mode=Mode.ALL))
    return sync(make_pipeline(folder), source, repairs=repairs, totals=True)


NO_HOURS = (
    "1e999998",
    "-1e14",
    "NaN",
    "Infinity",
    '"abc"',
    "null",
    "true",
    "[1]",
    "1" + 2000 * "0",
)


@pytest.mark.parametrize("hours", NO_HOURS, ids=range(len(NO_HOURS)))
def test_number_of_harvests_report_that_is_none_is_refused(hours: str) -> None:
    """A sum with it is no sum, and the longest would be printed in a million digits."""
    row = parse_exact(b'{"total_hours": %b}' % hours.encode())
    (hours_of_entries,) = (total for total in TOTALS if total.table == "time_entries")
    with pytest.raises(
        RefusedError,
        match=r"^Harvest sent a total_hours of time_entries that is no number, or too large",
    ):
        hours_of_entries.reported(row)
    with pytest.raises(RefusedError):
        hours_of_entries.reported({})


def test_sums_that_cannot_be_compared_are_told_in_a_line(tmp_path: Path) -> None:
    """The number of Harvest's report is not repeated."""
    account = build_account(SMALL, seed=4)
    with serving(account) as sandbox:
        body = b'{"results": [{"total_hours": 1e999998}], "links": {}}'
        sandbox.faults.append(Fault(path=REPORT, status=200, body=body, times=None))
        told = verify(tmp_path, sandbox)
    (note,) = (
        note
        for note in told.notes
        if note.startswith(f"sums of account {account.id} are not compared")
    )
    assert note.endswith(
        "Harvest sent a total_hours of time_entries that is no number, or too large for one"
    )


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_quiet_changes_are_told_and_then_repaired(tmp_path: Path) -> None:
    """A changed rounding setting rewrites the past without a change time (R33); a payment goes quietly."""
    account = build_account(SMALL, seed=4)
    stop_timers(account)
    with serving(account) as sandbox:
        assert verify(tmp_path, sandbox).exit_code == 0
        assert verify(tmp_path, sandbox, repairs=False).exit_code == 0
        for entry_id in list(account.rows["time_entries"])[:20]:
            account.update("time_entries", entry_id, quiet=True, rounded_hours=90.25)
        payment = next(iter(account.rows["invoice_payments"]))
        account.update("invoice_payments", payment, quiet=True, amount=0.01)
        before = rows(tmp_path, "select sum(rounded_hours) from time_entries")
        told = verify(tmp_path, sandbox, repairs=False)
        assert told.exit_code == 1
        differing = {"time_entries", "invoice_payments", "invoices"}
        assert {each.report for each in told.results if each.error} == differing
        assert {
            each.report for each in told.results if each.verified.startswith("no: ")
        } == differing
        assert any("sum of rounded_hours is" in note for note in told.notes)
        assert rows(tmp_path, "select sum(rounded_hours) from time_entries") == before
        repaired = verify(tmp_path, sandbox)
        assert [each.error for each in repaired.results if each.error] == []
        assert {each.report: each.verified for each in repaired.results}[
            "time_entries"
        ] == "repaired 20"
        assert_equal(tmp_path, sandbox, *NAMES)
        assert verify(tmp_path, sandbox, repairs=False).exit_code == 0


def test_table_that_is_not_compared_is_not_called_repaired(tmp_path: Path) -> None:
    """Where nobody wants to know what is gone: a row changed by a hand is loaded anew, one gone at Harvest stays."""
    account = build_account(SMALL, seed=4)
    with serving(account) as sandbox:
        sync(make_pipeline(tmp_path), make_source(sandbox, *NAMES, deleted_rows="ignore"))
        gone, changed = list(account.rows["invoices"])[:2]
        account.delete("invoices", gone)
        with make_pipeline(tmp_path).sql_client() as client:
            client.execute_sql(f"update invoices set notes = 'by hand' where id = {changed}")
        source = make_source(
            sandbox, "invoices", choice=Choice(mode=Mode.ALL), deleted_rows="ignore"
        )
        (told,) = sync(make_pipeline(tmp_path), source, totals=True).results
        assert (told.changed, told.repaired, told.verified) == (1, 0, "not compared")
    number = len(account.rows["invoices"])
    assert rows(tmp_path, "select count(*) from invoices") == [(number + 1,)]
    assert rows(tmp_path, "select count(*) from invoices where notes = 'by hand'") == [(0,)]


def test_rows_that_are_only_told_are_counted_once(tmp_path: Path) -> None:
    """Those that were read as changed are found again by the comparison, since nothing was loaded in between."""
    account = build_account(SMALL, seed=4)
    stop_timers(account)
    counts = {name: len(account.rows[name]) for name in NAMES}
    with serving(account) as sandbox:

        def told() -> dict[str, tuple[int, int]]:
            summary = verify(tmp_path, sandbox, repairs=False)
            return {each.report: (each.new, each.changed) for each in summary.results}

        assert told() == {name: (number, 0) for name, number in counts.items()}
        assert list(tmp_path.glob("*.duckdb")) == []
        verify(tmp_path, sandbox)
        assert told() == dict.fromkeys(NAMES, (0, 0))
        with make_pipeline(tmp_path).sql_client() as client:
            client.execute_sql("drop table time_entries")
            client.execute_sql("update expenses set notes = 'by hand'")
            client.execute_sql("delete from invoices where id = (select min(id) from invoices)")
        for choice in (Choice(), Choice(mode=Mode.ALL)):
            source = make_source(sandbox, *NAMES, choice=choice)
            summary = sync(make_pipeline(tmp_path), source, repairs=False)
            found = {each.report: (each.new, each.changed) for each in summary.results}
            assert found["time_entries"] == (counts["time_entries"], 0)
            assert found["invoices"] == (1, 0)
        assert found["expenses"] == (0, counts["expenses"])
