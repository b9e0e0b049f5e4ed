"""Remembers whose tokens the tables were loaded with: a user who sees less must not remove what is only hidden from them.

Harvest hides rows without a sign from all but administrators, so a list that got shorter proves nothing where somebody else
asks, or the same person with fewer permissions. dlt's state keeps, for each account and report, the callers whose rows the table
may hold: those of the last run that compared it, and of the runs since that only loaded into it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harvest_source.api.accounts import Account
from harvest_source.catalogue.access import Extent
from harvest_source.catalogue.report import Report
from harvest_source.loading.summary import ReportResult

ADMINISTRATOR = "administrator"

Caller = dict[str, Any]
"""`id` of a user, `None` where Harvest did not say, and `access_roles`."""
Callers = dict[str, dict[str, list[Caller]]]
"""Account id, report, callers."""


def caller_of(account: Account) -> Caller:
    """Returns who asks in an account."""
    return {"id": account.caller.get("id"), "access_roles": list(account.access_roles)}


def doubt_about(account: Account, names: Iterable[str], known: Callers) -> str | None:
    """Returns why rows of reports may be hidden from who asks now; `None` where there is no reason to think so."""
    now = caller_of(account)
    if ADMINISTRATOR in now["access_roles"]:
        return None
    for former in (each for name in names for each in known.get(str(account.id), {}).get(name, ())):
        if (
            former["id"] is None
            or former["id"] != now["id"]
            or not set(former["access_roles"]) <= set(now["access_roles"])
        ):
            return (
                f"the token's user was {_shown(former)} and is now {_shown(now)}: rows may be hidden, so nothing is compared or "
                "removed; use an administrator's token, or --accept-deletions"
            )
    return None


def _shown(caller: Caller) -> str:
    if caller["id"] is None:
        return "not known"
    return f"{caller['id']} ({', '.join(caller['access_roles']) or 'role not known'})"


def callers_after(
    accounts: Iterable[Account], results: Iterable[ReportResult], known: Callers, *, compared: bool
) -> Callers:
    """Returns the callers whose rows the tables may hold after a run.

    Args:
        accounts: of the run.
        results: of the run.
        known: callers before the run.
        compared: whether the run compared whole tables; those that it could not compare have an error.
    """
    after = {account_id: dict(reports) for account_id, reports in known.items()}
    now = {account.id: caller_of(account) for account in accounts}
    for result in results:
        if result.total is None:
            continue
        reports = after.setdefault(str(result.account_id), {})
        former = reports.get(result.report, []) if result.error or not compared else []
        caller = now[result.account_id]
        reports[result.report] = former if caller in former else [*former, caller]
    return after


def whose_rows(account: Account, report: Report) -> str:
    """Returns whose rows a report has where the caller sees only some of them, else nothing."""
    if report.access.of(account.access_roles, account.claims) in {Extent.ALL, Extent.UNKNOWN}:
        return ""
    if "manager" in account.access_roles:
        return f"only rows that {account.caller_name}, a manager, sees"
    return f"only rows of {account.caller_name}"
