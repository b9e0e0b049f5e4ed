"""What a role, or claims where no role is named, may read of each report, before it is tried (Harvest API, permissions)."""

from __future__ import annotations

from collections.abc import Iterable

from harvest_source.api.accounts import Account
from harvest_source.catalogue.reports import Report

FULL = "full"
OWN = "own rows only"  # of a manager: those of teammates and managed projects too
REFUSED = "not allowed"
UNKNOWN = "not known"

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
OWN_OF_MEMBERS = frozenset({"time_entries", "expenses", "project_assignments"})
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


def expected(report: Report, account: Account) -> str:
    """Returns what the caller of an account may read of a report, by what Harvest says of them."""
    roles = account.access_roles
    claims = account.caller.get("permissions_claims")
    listed = [claim for claim in claims if isinstance(claim, str)] if isinstance(claims, list) else []
    return by_role(report, roles) if roles else by_claims(report, listed)
