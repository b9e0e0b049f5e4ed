"""Who a caller is and what that person may see."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from harvest_sandbox.account import Account
from harvest_sandbox.answers import not_allowed
from harvest_sandbox.rows import Row, getter

Test = Callable[[Any], bool]
_INVOICES = frozenset(
    {"invoices", "invoice_payments", "invoice_messages", "invoice_item_categories"}
)
_ESTIMATES = frozenset({"estimates", "estimate_messages", "estimate_item_categories"})
_DRAFTERS = frozenset({"managed_projects_invoice_drafter", "managed_projects_invoice_manager"})
_NEEDED: dict[str, frozenset[str]] = {
    **dict.fromkeys(("clients", "contacts", "tasks"), frozenset({"client_and_task_manager"})),
    **dict.fromkeys(_INVOICES, _DRAFTERS),
    **dict.fromkeys(_ESTIMATES, frozenset({"estimates_manager"})),
    "billable_rates": frozenset({"billable_rates_manager"}),
}


@dataclass
class Caller:
    """Who a token belongs to.

    Attributes:
        user_id: The user; None for the first administrator of whichever account is asked.
        accounts: The ids of the accounts it reaches; None for all.
        access_roles: Instead of those of the user's row.
    """

    user_id: int | None = None
    accounts: Collection[int] | None = None
    access_roles: Collection[str] | None = None


class Access:
    """What one caller may see in one account."""

    def __init__(self, account: Account, caller: Caller) -> None:
        """Finds the user behind a caller.

        Args:
            account: the account that is asked.
            caller: who asks.
        """
        self.account = account
        self.user = _find_user(account, caller)
        roles = (
            caller.access_roles
            if caller.access_roles is not None
            else (self.user or {}).get("access_roles", ["administrator"])
        )
        self.access_roles = list(roles)
        self.user_id: int | None = self.user["id"] if self.user else caller.user_id

    @property
    def is_administrator(self) -> bool:
        """Tells whether everything is open."""
        return "administrator" in self.access_roles

    @property
    def is_manager(self) -> bool:
        """Tells whether the caller is a manager."""
        return "manager" in self.access_roles

    @property
    def sees_rates(self) -> bool:
        """Tells whether money by hourly rates is shown."""
        return self.is_administrator or (
            self.is_manager and "billable_rates_manager" in self.access_roles
        )

    def may_invoice(self) -> bool:
        """Tells whether the caller may create and edit invoices."""
        return self.is_administrator or (
            self.is_manager and bool(_DRAFTERS & set(self.access_roles))
        )

    def managed_projects(self) -> set[int]:
        """Returns the projects that the caller manages."""
        return {
            row["project"]["id"]
            for row in self._assignments()
            if row["is_project_manager"] and row["is_active"]
        }

    def assigned_projects(self) -> set[int]:
        """Returns the projects that the caller works on."""
        return {row["project"]["id"] for row in self._assignments() if row["is_active"]}

    def teammates(self) -> set[int]:
        """Returns the users who are assigned to the caller, a manager."""
        return {user for manager, user in self.account.rows["teammates"] if manager == self.user_id}

    def rule(self, report: str) -> Test | None:
        """Returns which keys of a table the caller may see: None for all.

        Raises:
            Refused: 403, where the caller may not ask at all.
        """
        if self.is_administrator:
            return None
        if report in {"time_entries", "expenses"}:
            return self._charges(report)
        needed = _NEEDED.get(report)
        if report.startswith("pto_"):  # who else may see them is not known
            raise not_allowed()
        if not self.is_manager or report in {"roles", "cost_rates", "teammates"}:
            raise not_allowed()
        if needed is not None:
            if not needed & set(self.access_roles):
                raise not_allowed()
            return None
        if report == "expense_categories":
            return None
        return self._managed(report)

    def of_user(self, report: str, user_id: int) -> None:
        """Refuses a table below a user whom the caller may not see."""
        if self.is_administrator or (report == "project_assignments" and user_id == self.user_id):
            return
        if report != "project_assignments":
            self.rule(report)
        if not self.is_manager or user_id not in self.teammates() | {self.user_id or 0}:
            raise not_allowed()

    def _managed(self, report: str) -> Test:
        """Returns the rule of what belongs to managed projects and teammates."""
        rows, projects, mates = self.account.rows[report], self.managed_projects(), self.teammates()
        if report == "users":
            return _only(mates)
        if report == "projects":
            return _only(projects)
        if report == "user_assignments":
            _only(projects | mates)
            return lambda key: (
                rows[key]["project"]["id"] in projects or rows[key]["user"]["id"] in mates
            )
        _only(projects)
        return lambda key: rows[key]["project"]["id"] in projects

    def _charges(self, report: str) -> Test:
        """Returns the rule of time and expenses: own ones, and a manager's people's and projects'."""
        rows = self.account.rows[report]
        users = {self.user_id, *(self.teammates() if self.is_manager else ())}
        projects = self.managed_projects() if self.is_manager else set()
        user, project = getter(rows, "user"), getter(rows, "project")
        return lambda key: user(key)["id"] in users or project(key)["id"] in projects

    def _assignments(self) -> list[Row]:
        return [
            row
            for row in self.account.rows["user_assignments"].values()
            if row["user"]["id"] == self.user_id
        ]


def _only(keys: set[int]) -> Test:
    if not keys:
        raise not_allowed()
    return keys.__contains__


def _find_user(account: Account, caller: Caller) -> Row | None:
    users = account.rows["users"]
    if caller.user_id is not None:
        return users.get(caller.user_id)
    for user in users.values():
        if "administrator" in user["access_roles"] and user["is_active"]:
            return user
    return None
