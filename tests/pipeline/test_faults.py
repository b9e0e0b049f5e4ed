"""Faults of Harvest and of the way to it: what passes leaves no trace; what lasts stays one report's own, and is said."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import command, environment
from compare import assert_equal
from faults_support import (
    PASSING,
    ThreadClock,
    bookmarks,
    edit_all,
    errors_of,
    hanging_on,
    has_edit,
    passing_fault,
    path_of,
    permission_of,
    tables_of,
    tables_under,
    tiny,
)
from pipelines import make_pipeline
from support import TOKEN, make_source, serving, sync_once

from harvest_sandbox import Caller, Fault
from harvest_source.api import client
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import Report
from harvest_source.catalogue.reports import REPORTS
from harvest_source.errors import AccountNotFoundError, TokenRejectedError
from harvest_source.loading.syncing import sync
from harvest_source.patience import OF_HARVEST

FOUR_MINUTES = 240.0


# faults that pass


PAIRS = list(zip(list(PASSING)[:6], list(PASSING)[6:], strict=True))
UNDOCUMENTED = ("500", "cut body")


@pytest.mark.long
def test_passing_faults_at_every_endpoint_leave_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three spoiled answers of one kind and three of another at every endpoint, each kind at several, then good ones.

    No error, equal tables, every one of the spoiled answers was asked again, and the waits of 429s are counted.
    """
    monkeypatch.setattr(client, "OF_HARVEST", replace(OF_HARVEST, read_seconds=1.5))
    with serving(tiny()) as sandbox:
        faults = {
            (report.name, kind): passing_fault(kind, path_of(report), times=3)
            for place, report in enumerate(REPORTS)
            # an answer of another shape may be a good one where none is documented
            for kind in (UNDOCUMENTED if report.module_list else PAIRS[place % len(PAIRS)])
        }
        sandbox.faults.extend(faults.values())
        summary = sync_once(tmp_path, sandbox)
        assert errors_of(summary) == {}
        assert summary.exit_code == 0
        assert {where: fault.hits for where, fault in faults.items() if fault.hits != 3} == {}
        assert_equal(tmp_path, sandbox)
    throttled = sum(fault.hits for (_, kind), fault in faults.items() if kind.startswith("429"))
    # a look at the company may end before a wait
    assert throttled - 1 <= summary.waits <= throttled


SOME_LISTS = ("clients", "time_entries", "expenses", "user_assignments", "task_assignments")
PAGED = ("time_entries", "user_assignments", "task_assignments")


@pytest.mark.long
@pytest.mark.parametrize("name", ["429, seconds", "cut body"])
def test_passing_fault_of_comparing_and_of_later_pages_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The whole lists with which a second run ends, and every page but the first, are asked for again as well."""
    monkeypatch.setattr(client, "PER_PAGE", 12)
    account = tiny()
    with serving(account) as sandbox:
        paged = [
            passing_fault(name, rf"/v2/{each}$", query=r"(^|&)(page=2|cursor=)", times=3)
            for each in PAGED
        ]
        sandbox.faults[:] = paged
        assert errors_of(sync_once(tmp_path, sandbox, *SOME_LISTS)) == {}
        assert [fault.hits for fault in paged] == [3] * len(paged)
        for each in ("time_entries", "expenses", "clients"):
            account.insert(each)
        compared = [
            passing_fault(name, path_of(by_name(each)), query=r"^(?!.*updated_since)", times=3)
            for each in SOME_LISTS
        ]
        sandbox.faults[:] = compared
        assert errors_of(sync_once(tmp_path, sandbox, *SOME_LISTS)) == {}
        assert {fault.hits for fault in compared} == {3}
        assert_equal(tmp_path, sandbox, *SOME_LISTS)


@pytest.mark.parametrize("name", ["500", "reset"])
@pytest.mark.parametrize("report", ["clients", "invoice_messages"])
def test_what_passes_after_six_failures_is_loaded(tmp_path: Path, name: str, report: str) -> None:
    """A seventh answer is still waited for."""
    with serving(tiny()) as sandbox:
        fault = passing_fault(name, path_of(by_name(report)), times=6)
        sandbox.faults.append(fault)
        assert errors_of(sync_once(tmp_path, sandbox, report)) == {}
        assert fault.hits == 6
        assert_equal(tmp_path, sandbox, report)


@pytest.mark.long
@pytest.mark.parametrize("path", ["/api/v2/accounts$", "/v2/users/me$", "/v2/company$"])
@pytest.mark.parametrize("chosen", [False, True])
def test_passing_fault_of_the_first_questions_leaves_no_trace(
    tmp_path: Path,
    path: str,
    chosen: bool,  # noqa: FBT001
) -> None:
    """Which accounts, who asks, which modules: six failures of one of these are waited out, an account named or not."""
    account = tiny()
    account.company["invoice_feature"] = False
    with serving(account) as sandbox:
        sandbox.faults.append(Fault(path=path, status=503, times=6))
        accounts = (account.id,) if chosen else None
        summary = sync_once(
            tmp_path, sandbox, "clients", "invoices", "invoice_messages", accounts=accounts
        )
    assert errors_of(summary) == {}
    assert {result.report: result.verified for result in summary.results} == {
        "clients": "yes",
        "invoices": "module off",
        "invoice_messages": "module off",
    }


def test_waits_grow_are_jittered_and_end_within_four_minutes(tmp_path: Path) -> None:
    """Waits of 1, 2, 4, 8 and then 16 s, each but the longest with up to a second more by chance; two runs do not wait alike."""
    waited = []
    for number in range(2):
        clock = ThreadClock()
        with serving(tiny()) as sandbox:
            sandbox.faults.append(Fault(path=path_of(by_name("clients")), status=500, times=None))
            sync_once(tmp_path / str(number), sandbox, "clients", clock=clock)
        (waits,) = [each for each in clock.waits_of.values() if each]
        assert len(waits) >= 6
        for wait, least in zip(
            waits, (min(2**power, 16) for power in itertools.count()), strict=False
        ):
            assert least <= wait <= min(least + 1, 16)
        assert sum(waits) <= FOUR_MINUTES
        waited.append(waits)
    assert waited[0] != waited[1]


@pytest.mark.parametrize("seconds", ["7", "date"])
def test_retry_after_is_obeyed(tmp_path: Path, seconds: str) -> None:
    """A 429 that names its wait is followed to the second, not by the growing waits."""
    clock = ThreadClock()
    with serving(tiny()) as sandbox:
        fault = passing_fault(
            "429, date" if seconds == "date" else "429, seconds", path_of(by_name("roles")), times=2
        )
        fault.retry_after = seconds if seconds != "date" else fault.retry_after
        sandbox.faults.append(fault)
        summary = sync_once(tmp_path, sandbox, "roles", clock=clock)
    assert summary.waits == 2
    # a date that is 30 s away, less what this machine takes
    low, high = (13.5, 14.5) if seconds == "7" else (40.0, 62.0)
    assert low <= clock.longest <= high


# faults that last


def foreign(url: str, name: str = "next") -> Any:
    """Returns what makes the fault of an answer that links to another place."""

    def make(report: Report) -> Fault:
        body: dict[str, Any] = {"links": {name: url}}
        body[report.rows_key or "name"] = [] if report.rows_key else "x"
        return Fault(path=path_of(report), status=200, body=json.dumps(body), times=None)

    return make


def status(number: int, body: bytes | str | None = None) -> Any:
    """Returns what makes the fault of a status for ever."""
    return lambda report: Fault(path=path_of(report), status=number, body=body, times=None)


HTML_PAGE = (
    "<!DOCTYPE html><html><body>The page you were looking for doesn't exist (404)</body></html>"
)
LASTING = {
    "500": status(500),
    "403": status(403, '{"message": "Not authorized!"}'),
    "404": status(404, '{"status": 404, "error": "Not Found"}'),
    "404, a page": status(404, HTML_PAGE),
    "422": status(422, '{"message": "Invalid parameter"}'),
    "foreign link": foreign("https://127.0.0.1:9/v2/clients?cursor=x"),
}
# what is refused of paid time off is passed over
DOCUMENTED = [report for report in REPORTS if not report.module_list]
CHILDREN = tuple(report.name for report in DOCUMENTED if report.parent)
GROUPS = (
    (*CHILDREN, "clients", "contacts", "roles", "tasks", "company", "expense_categories"),
    (
        *(
            "users",
            "invoices",
            "estimates",
            "projects",
            "time_entries",
            "expenses",
            "task_assignments",
            "user_assignments",
        ),
        *("invoice_item_categories", "estimate_item_categories"),
    ),
)


def test_groups_hold_every_report() -> None:
    """No endpoint is left out of the table of lasting faults."""
    documented = [report.name for report in DOCUMENTED]
    assert sorted(itertools.chain.from_iterable(GROUPS)) == sorted(documented)


@pytest.mark.long
def test_lasting_fault_stays_its_reports_own(tmp_path: Path) -> None:
    """Only the reports that fail, and what hangs on them, have an error; their tables and bookmarks stay as they were.

    All others load what changed meanwhile. After the faults are gone one plain run makes everything equal. Every kind of fault
    takes its turn.
    """
    account = tiny()
    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox)) == {}
        for group in GROUPS:
            failing = dict(zip(group, itertools.cycle(LASTING), strict=False))
            # which is how Harvest says there that a user manages nobody
            assert failing.get("teammates") != "422"
            edit_all(account, f"edit {group[0]}")
            before, marks = tables_of(tmp_path), bookmarks(tmp_path)
            sandbox.faults[:] = [LASTING[kind](by_name(each)) for each, kind in failing.items()]
            summary = sync_once(tmp_path, sandbox)
            expected = set(failing).union(*(hanging_on(each) for each in failing))
            assert set(errors_of(summary)) == expected
            assert summary.exit_code == 1
            after, marks_after = tables_of(tmp_path), bookmarks(tmp_path)
            for each in expected:
                assert tables_under(after, each) == tables_under(before, each)
                assert marks_after.get(each) == marks.get(each)
            for each in {
                "clients",
                "contacts",
                "projects",
                "time_entries",
                "expenses",
                "users",
                "invoices",
            } - expected:
                assert has_edit(tmp_path, each, f"edit {group[0]}"), each
            assert {
                result.verified[:2] for result in summary.results if result.report not in expected
            } <= {"ye", "re"}
        sandbox.faults.clear()
        assert errors_of(sync_once(tmp_path, sandbox)) == {}
        assert_equal(tmp_path, sandbox)


@pytest.mark.long
@pytest.mark.parametrize("name", ["500", "404, a page"])
@pytest.mark.parametrize("report", ["clients", "invoice_payments"])
def test_lasting_fault_of_one_report_from_the_first_run_on(
    tmp_path: Path, name: str, report: str
) -> None:
    """A report that never could be read has an error and no rows; once it can be read, one plain run brings it whole."""
    names = ("clients", "invoices", "invoice_payments")
    with serving(tiny()) as sandbox:
        fault = LASTING[name](by_name(report))
        sandbox.faults.append(fault)
        summary = sync_once(tmp_path, sandbox, *names)
        assert set(errors_of(summary)) == {report} | (hanging_on(report) & set(names))
        assert tables_of(tmp_path).get(report, []) == []
        assert_equal(tmp_path, sandbox, *(set(names) - set(errors_of(summary))))
        if name != "500" and not by_name(report).parent:
            assert fault.hits == 1  # what cannot pass is not tried again
        sandbox.faults.clear()
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)


@pytest.mark.parametrize("kind", ["500", "time-out"])
@pytest.mark.parametrize("report", ["clients", "invoice_messages"])
def test_run_with_a_dead_report_ends_within_four_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, report: str
) -> None:
    """The waits, and the time that unanswered requests take, stay below; it is asked seven times before that."""
    real_seconds = OF_HARVEST.read_seconds
    if kind == "time-out":
        monkeypatch.setattr(client, "OF_HARVEST", replace(OF_HARVEST, read_seconds=0.3))
    options: dict[str, Any] = {"kind": "timeout"} if kind == "time-out" else {"status": 500}
    clock = ThreadClock()
    with serving(tiny()) as sandbox:
        fault = Fault(path=path_of(by_name(report)), times=None, **options)
        sandbox.faults.append(fault)
        summary = sync_once(
            tmp_path, sandbox, "clients", "invoices", "invoice_messages", clock=clock
        )
        parents = len(sandbox.accounts[0].rows["invoices"]) if by_name(report).parent else 1
    assert report in errors_of(summary)
    tries = fault.hits / parents
    assert tries >= 7
    assert clock.longest + tries * (real_seconds if kind == "time-out" else 0) <= FOUR_MINUTES


@pytest.mark.parametrize("link", ["next", "last"])
@pytest.mark.parametrize("where", ["host", "port", "scheme", "user", "redirect"])
def test_token_is_sent_to_nobody_else(tmp_path: Path, link: str, where: str) -> None:
    """Another host, port or scheme in any link, followed or not, and every redirect: an error, and no request goes there."""
    with serving(tiny()) as sandbox, serving(tiny()) as stranger:
        url = {
            "host": stranger.api_url.replace("127.0.0.1", "localhost") + "clients?page=2",
            "port": stranger.api_url + "clients?page=2",
            "scheme": sandbox.api_url.replace("http:", "https:") + "clients?page=2",
            "user": stranger.api_url.replace("//", f"//{sandbox.api_url.split('/')[2]}@")
            + "clients?page=2",
            "redirect": stranger.api_url + "clients",
        }[where]
        fault = foreign(url, link)(by_name("clients"))
        if where == "redirect":
            code = {"next": 302, "last": 308}[link]
            fault = Fault(
                path=path_of(by_name("clients")), status=code, headers={"Location": url}, times=None
            )
        sandbox.faults.append(fault)
        summary = sync_once(tmp_path, sandbox, "clients", "roles")
        assert set(errors_of(summary)) == {"clients"}
        assert fault.hits == 1
        assert stranger.requests == []


def test_page_that_lasts_broken_loses_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark moves only after all pages are stored (R27): the rows of page 2 arrive once it answers."""
    monkeypatch.setattr(client, "PER_PAGE", 10)
    names = ("time_entries", "user_assignments")
    with serving(tiny()) as sandbox:
        sandbox.faults.append(Fault(path=r"/time_entries$", query=r"(^|&)page=2", times=None))
        sandbox.faults.append(Fault(path=r"/v2/user_assignments$", query="cursor=", times=None))
        assert set(errors_of(sync_once(tmp_path, sandbox, *names))) == set(names)
        assert all(tables_of(tmp_path).get(name, []) == [] for name in names)
        sandbox.faults.clear()
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)


def test_company_of_another_shape_is_no_company(tmp_path: Path) -> None:
    """JSON that is no company does not become the row of the company, however often it comes."""
    with serving(tiny()) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, "company")) == {}
        before = tables_of(tmp_path)
        sandbox.faults.append(Fault(path=r"/company$", kind="wrong_shape", times=None))
        assert set(errors_of(sync_once(tmp_path, sandbox, "company"))) == {"company"}
        assert tables_of(tmp_path) == before


# token, account, permissions, modules

SOME = ("clients", "time_entries", "invoices", "invoice_messages", "invoice_payments")


@pytest.mark.long
@pytest.mark.parametrize("after", [0, 7])
def test_dead_token_ends_the_run_at_once(tmp_path: Path, after: int) -> None:
    """401 from the first request on, or from a later one: it names the token, and asks no more; tables as before (R12)."""
    account = tiny()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *SOME)
        before, marks = tables_of(tmp_path), bookmarks(tmp_path)
        sandbox.clear()
        sandbox.faults.append(Fault(path=r"/v2/", status=401, after=4, times=None))
        with pytest.raises(TokenRejectedError, match="token"):
            sync_once(tmp_path, sandbox, *SOME)
        assert len(sandbox.requests) <= after + 2 * client.THREADS
        assert tables_of(tmp_path) == before
        assert {
            name: kept for name, kept in bookmarks(tmp_path).items() if "marks" not in kept
        } == {name: kept for name, kept in marks.items() if "marks" not in kept}
        sandbox.faults.clear()
        edit_all(account, "after")
        assert errors_of(sync_once(tmp_path, sandbox, *SOME)) == {}
        assert_equal(tmp_path, sandbox, *SOME)


@pytest.mark.long
def test_dead_token_on_the_command_line(tmp_path: Path) -> None:
    """Exit 1, one line that names the token and what to do; also in JSON."""
    with serving(tiny()) as sandbox:
        env = environment(sandbox)
        assert command(tmp_path, "--quiet", "--reports", ",".join(SOME), env=env).returncode == 0
        before = tables_of(tmp_path)
        sandbox.faults.append(Fault(path=r"/v2/", status=401, after=4, times=None))
        done = command(tmp_path, "--quiet", "--json", "--reports", ",".join(SOME), env=env)
    assert done.returncode == 1
    assert "token" in done.stderr
    assert "401" in done.stderr
    assert "account" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert json.loads(done.stdout)["exit_code"] == 1
    assert tables_of(tmp_path) == before


def test_wrong_account_is_told_from_a_dead_token(tmp_path: Path) -> None:
    """An account that the token does not reach is named, with those it reaches; also where the list cannot be read (R18)."""
    account = tiny()
    with serving(account) as sandbox:
        with pytest.raises(
            AccountNotFoundError, match=f"account 999 is not one of: {account.id} {account.name}"
        ):
            sync_once(tmp_path, sandbox, "clients", accounts=(999,))
        sandbox.faults.append(Fault(path="/api/v2/accounts", times=None))
        with pytest.raises(AccountNotFoundError, match="account 999"):
            sync_once(tmp_path, sandbox, "clients", accounts=(999,))
        assert tables_of(tmp_path) == {}


def test_account_that_answers_404_everywhere_ends_the_run(tmp_path: Path) -> None:
    """A 404 at every endpoint is the account's: the run ends and names it; the tables stay (R12)."""
    account = tiny()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *SOME)
        before = tables_of(tmp_path)
        sandbox.faults.append(
            Fault(
                path=r"^/v2/", status=404, body='{"status": 404, "error": "Not Found"}', times=None
            )
        )
        with pytest.raises(AccountNotFoundError, match=f"account {account.id}"):
            sync_once(tmp_path, sandbox, *SOME)
        assert tables_of(tmp_path) == before


@pytest.mark.long
def test_account_that_vanishes_during_a_run_touches_no_table(tmp_path: Path) -> None:
    """404 from the middle of a run on: every report still to be read has an error, nothing is taken for deleted."""
    with serving(tiny()) as sandbox:
        sync_once(tmp_path, sandbox, *SOME)
        before = tables_of(tmp_path)
        sandbox.faults.append(
            Fault(path=r"^/v2/", status=404, body='{"error": "Not Found"}', times=None, after=3)
        )
        summary = sync_once(tmp_path, sandbox, *SOME)
        assert summary.exit_code == 1
        assert tables_of(tmp_path) == before
        sandbox.faults.clear()
        assert errors_of(sync_once(tmp_path, sandbox, *SOME)) == {}
        assert_equal(tmp_path, sandbox, *SOME)


@pytest.mark.parametrize("report", ["time_entries", "cost_rates", "company"])
def test_403_says_which_permission_is_missing(tmp_path: Path, report: str) -> None:
    """The error names who may read the report."""
    with serving(tiny()) as sandbox:
        sandbox.faults.append(Fault(path=path_of(by_name(report)), status=403, times=None))
        summary = sync_once(tmp_path, sandbox, report)
    assert permission_of(report) in errors_of(summary)[report]
    assert "403" in errors_of(summary)[report]


@pytest.mark.long
def test_manager_loads_what_a_manager_may_read(tmp_path: Path) -> None:
    """By a real role: each report that is refused names its permission, the others are loaded; exit 1, on the command line."""
    with serving(tiny()) as sandbox:
        sandbox.callers[TOKEN] = Caller(access_roles=["manager"])
        done = command(tmp_path, "--json", env=environment(sandbox))
    assert done.returncode == 1
    results = {each["report"]: each for each in json.loads(done.stdout)["reports"]}
    refused = {name for name, each in results.items() if each["error"]}
    assert {"clients", "invoices", "invoice_messages", "estimates", "cost_rates"} <= refused
    assert {"time_entries", "expenses", "company"} <= results.keys() - refused
    # one reason, one line
    (line,) = (line for line in done.stderr.splitlines() if "not loaded: " in line)
    assert set(line.removeprefix("not loaded: ").partition(" (account ")[0].split(", ")) == refused
    assert permission_of("clients") in results["clients"]["error"]


def test_module_that_is_switched_off_is_skipped_and_said(tmp_path: Path) -> None:
    """Exit 0; what was loaded before stays as it was; switched on again everything is equal."""
    account = tiny()
    off = (
        "expenses",
        "expense_categories",
        "estimates",
        "estimate_item_categories",
        "estimate_messages",
    )
    names = (*off, "clients", "invoices")
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *names)
        before, marks = tables_of(tmp_path), bookmarks(tmp_path)
        account.company |= {"expense_feature": False, "estimate_feature": False}
        summary = sync_once(tmp_path, sandbox, *names)
        assert summary.exit_code == 0
        assert {
            result.report for result in summary.results if result.verified == "module off"
        } == set(off)
        (note,) = summary.notes
        assert note.startswith("skipped, since their module is switched off")
        for name in off:
            assert name in note
            assert tables_under(tables_of(tmp_path), name) == tables_under(before, name)
            assert bookmarks(tmp_path).get(name) == marks.get(name)
        account.company |= {"expense_feature": True, "estimate_feature": True}
        edit_all(account, "on again")
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)


def test_failed_report_is_named_with_its_cause_on_the_command_line(tmp_path: Path) -> None:
    """Exit 1; report, account, cause; the other reports stand in the summary as loaded."""
    with serving(tiny()) as sandbox:
        sandbox.faults.append(
            Fault(path=r"/contacts$", status=422, body='{"message": "Nothing doing"}', times=None)
        )
        done = command(
            tmp_path, "--json", "--reports", "clients,contacts", env=environment(sandbox)
        )
        account = sandbox.accounts[0].id
    assert done.returncode == 1
    assert f"not loaded: contacts (account {account})" in done.stderr
    assert "Nothing doing" in done.stderr
    results = {each["report"]: each for each in json.loads(done.stdout)["reports"]}
    assert results["clients"]["error"] is None
    assert results["clients"]["verified"] == "yes"


@pytest.mark.long
def test_waits_stand_in_the_summary_of_the_command_line(tmp_path: Path) -> None:
    """A 429 with a web page as its body (R16): all rows, once each; the waits are said and stand in `--json`."""
    with serving(tiny()) as sandbox:
        sandbox.faults.append(Fault(path=r"/clients$", status=429, retry_after="0", times=2))
        done = command(tmp_path, "--json", "--reports", "clients,roles", env=environment(sandbox))
        assert done.returncode == 0, done.stderr
        assert_equal(tmp_path, sandbox, "clients", "roles")
    assert json.loads(done.stdout)["waits"] == 2
    assert "2 times to wait" in done.stderr


def test_server_that_is_gone_is_said_for_every_report(tmp_path: Path) -> None:
    """Nobody listens: an error, not an empty success; the tables stay."""
    account = tiny()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "clients", "roles")
        before = tables_of(tmp_path)
        gone = make_source(sandbox, "clients", "roles", accounts=(account.id,))
    summary = sync(make_pipeline(tmp_path), gone)
    assert set(errors_of(summary)) == {"clients", "roles"}
    assert tables_of(tmp_path) == before
