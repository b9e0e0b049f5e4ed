"""Whose rows the tables may hold, and when that is a reason for doubt: tables of cases on plain data."""

from __future__ import annotations

from typing import Any

import pytest

from harvest_source.api.accounts import Account
from harvest_source.catalogue.lookup import by_name
from harvest_source.loading.callers import Caller, Callers, callers_after, doubt_about, whose_rows
from harvest_source.loading.summary import ReportResult

NOBODY: Caller = {"id": None, "access_roles": []}
ADMINISTRATOR: Caller = {"id": 1, "access_roles": ["administrator"]}
MANAGER: Caller = {"id": 2, "access_roles": ["manager"]}
MORE: Caller = {"id": 2, "access_roles": ["expenses_manager", "manager"]}
MEMBER: Caller = {"id": 3, "access_roles": ["member"]}
UNNAMED: Caller = {"id": 2, "access_roles": []}


def account(caller: Caller) -> Account:
    """Returns an account as a caller sees it."""
    return Account(7, caller=dict(caller))


@pytest.mark.parametrize(
    ("former", "now", "was_and_is"),
    [
        ([], MANAGER, None),
        ([MANAGER], MANAGER, None),
        ([MANAGER], MORE, None),
        ([MEMBER], ADMINISTRATOR, None),
        ([NOBODY], ADMINISTRATOR, None),
        ([MORE], MANAGER, "was 2 (expenses_manager, manager) and is now 2 (manager)"),
        ([MANAGER, MEMBER], MANAGER, "was 3 (member) and is now 2 (manager)"),
        ([ADMINISTRATOR], MANAGER, "was 1 (administrator) and is now 2 (manager)"),
        ([MANAGER], UNNAMED, "was 2 (manager) and is now 2 (role not known)"),
        ([MANAGER], NOBODY, "was 2 (manager) and is now not known"),
        ([NOBODY], MANAGER, "was not known and is now 2 (manager)"),
        ([NOBODY], NOBODY, "was not known and is now not known"),
    ],
)
def test_rows_may_be_hidden_where_somebody_asks_who_sees_less(
    former: list[Caller], now: Caller, was_and_is: str | None
) -> None:
    known: Callers = {"7": {"clients": former, "tasks": [ADMINISTRATOR]}, "8": {"clients": [MORE]}}
    doubt = doubt_about(account(now), ["clients", "roles"], known)
    assert (doubt or "").partition(":")[0] == (
        f"the token's user {was_and_is}" if was_and_is else ""
    )


def result(**changes: Any) -> ReportResult:
    """Returns a line of the summary."""
    return ReportResult("clients", 7, **{"total": 5, **changes})


@pytest.mark.parametrize(
    ("result", "compared", "callers"),
    [
        (result(), True, [MEMBER]),
        (result(), False, [MANAGER, MEMBER]),
        (result(error="the table has 4 rows"), True, [MANAGER, MEMBER]),
        (result(total=None), True, [MANAGER]),  # there is no table
    ],
)
def test_only_a_comparison_that_succeeds_forgets_earlier_callers(
    result: ReportResult, callers: list[Caller], *, compared: bool
) -> None:
    known: Callers = {"7": {"clients": [MANAGER], "tasks": [MANAGER]}, "8": {"clients": [MANAGER]}}
    after = callers_after([account(MEMBER)], [result], known, compared=compared)
    assert after == {**known, "7": {"clients": callers, "tasks": [MANAGER]}}
    again = callers_after([account(MEMBER)], [result], after, compared=compared)
    assert again == after  # nobody is written down twice


def test_the_first_run_of_an_account_writes_down_its_caller() -> None:
    after = callers_after([account(MEMBER)], [result()], {}, compared=True)
    assert after == {"7": {"clients": [MEMBER]}}


@pytest.mark.parametrize(
    ("report", "caller", "whose"),
    [
        ("time_entries", ADMINISTRATOR, ""),
        ("time_entries", MANAGER, "only rows that Ann Lee, a manager, sees"),
        ("time_entries", MEMBER, "only rows of Ann Lee"),
        ("time_entries", NOBODY, ""),  # Harvest does not say what the caller may do
        ("company", MEMBER, ""),
    ],
)
def test_whose_rows_a_table_has_is_said_where_it_is_not_all(
    report: str, caller: Caller, whose: str
) -> None:
    seen = account({**caller, "first_name": "Ann", "last_name": "Lee"})
    assert whose_rows(seen, by_name(report)) == whose
