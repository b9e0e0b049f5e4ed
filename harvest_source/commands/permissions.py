"""What a caller may read in an account: told from the role, and tried with the smallest request there is."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from harvest_source.api.accounts import FEW_TRIES, Account
from harvest_source.api.client import HarvestClient, Params
from harvest_source.api.errors import AccessLostError, ApiError, NotAllowedError, NotFoundError, RefusedError
from harvest_source.reports.catalogue import REPORTS, Paging, Report
from harvest_source.settings import COMPANY_FIELDS

FULL = "full"
OWN = "own rows only"  # of a manager: those of teammates and managed projects too
REFUSED = "not allowed"
OFF = "module off"
UNKNOWN = "not known"

THREADS = 8
UNFIT = 422  # the answer for the teammates of somebody who is no manager: it may be asked
ONE_ROW: Params = {"per_page": "1"}
INVOICING = frozenset({"managed_projects_invoice_drafter", "managed_projects_invoice_manager"})
OWN_OF_MANAGERS = frozenset(
    {
        "projects",
        "users",
        "task_assignments",
        "user_assignments",
        "project_assignments",
        "time_entries",
        "expenses",
        "billable_rates",
    }
)
OWN_OF_MEMBERS = frozenset({"time_entries", "expenses"})
NEEDED_BY_MANAGERS = {
    "billable_rates": frozenset({"billable_rates_manager"}),
    **dict.fromkeys(("clients", "contacts", "tasks"), frozenset({"client_and_task_manager"})),
    **dict.fromkeys(("invoices", "invoice_item_categories", "invoice_messages", "invoice_payments"), INVOICING),
    **dict.fromkeys(("estimates", "estimate_item_categories", "estimate_messages"), frozenset({"estimates_manager"})),
}


CLAIMED = {  # report: what claims call it
    "time_entries": "timers",
    "expenses": "expenses",
    "projects": "projects",
    **dict.fromkeys(("invoices", "invoice_item_categories", "invoice_messages", "invoice_payments"), "invoices"),
}


def by_claims(report: Report, claims: Iterable[str]) -> str:
    """Returns what claims such as `timers:read:own` say of a report; answers without a role were seen to have them."""
    if report.name == "company":
        return FULL
    scopes = {claim.rpartition(":")[2] for claim in claims if claim.startswith(f"{CLAIMED.get(report.name)}:read:")}
    return UNKNOWN if not scopes else FULL if "all" in scopes else OWN


def by_role(report: Report, roles: tuple[str, ...]) -> str:
    """Returns what a role may read of a report, before it is tried (Harvest API, permissions)."""
    if "administrator" in roles or report.name == "company":
        return FULL
    if "manager" not in roles:
        return OWN if report.name in OWN_OF_MEMBERS else REFUSED
    needed = NEEDED_BY_MANAGERS.get(report.name)
    if needed is not None and not needed & set(roles):
        return REFUSED
    return OWN if report.name in OWN_OF_MANAGERS else FULL if needed or report.name == "expense_categories" else REFUSED


def permissions(client: HarvestClient, account: Account) -> dict[str, str]:
    """Returns what the caller may read of every report; costs about one request per report.

    A report read once per parent needs its parents too: without them none of its rows can be found.

    Args:
        client: of the caller.
        account: with caller and company filled in.

    Raises:
        TokenRejectedError: the token is refused.
    """
    tried = [report for report in REPORTS if not account.switched_off(report.module) and _path(report, account)]
    with ThreadPoolExecutor(THREADS) as pool:
        answers = dict(
            zip([report.name for report in tried], pool.map(lambda each: _try(client, account, each), tried), strict=True)
        )
    found: dict[str, str] = {}
    for report in sorted(REPORTS, key=lambda each: each.parent is not None):
        parent = found[report.parent.report] if report.parent else None
        found[report.name] = parent if parent in {REFUSED, OFF} else _verdict(report, account, answers.get(report.name))
    return {report.name: found[report.name] for report in REPORTS}


def _verdict(report: Report, account: Account, allowed: bool | None) -> str:  # noqa: FBT001 - None: not tried
    if account.switched_off(report.module):
        return OFF
    roles = account.access_roles
    expected = by_role(report, roles) if roles else by_claims(report, account.caller.get("permissions_claims") or ())
    if allowed is None:
        return expected
    if not allowed:
        return REFUSED
    return OWN if expected == REFUSED else expected


def _path(report: Report, account: Account) -> str | None:
    """Returns what to ask for; None where only a request per invoice or estimate could tell."""
    if report.parent is None:
        return report.path
    caller = account.caller.get("id")
    return report.path.format(parent_id=caller) if report.parent.report == "users" and caller else None


def _try(client: HarvestClient, account: Account, report: Report) -> bool | None:
    params = {} if report.paging is Paging.NONE else ONE_ROW
    holds = (report.rows_key,) if report.rows_key else COMPANY_FIELDS
    try:
        client.get(account.id, _path(report, account) or "", holds, params, report.name, FEW_TRIES)
    except (NotAllowedError, NotFoundError):
        return False
    except RefusedError as error:
        return True if error.status == UNFIT else None
    except AccessLostError:
        raise
    except ApiError:
        return None
    return True
