"""The one list of all reports: what the commands, the source, the documents and the tests are built from.

Says where a report's rows are, how they are paged and keyed and what its load cannot notice; the columns stand in
`columns/`, by topic. Sends nothing and knows nothing of dlt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from harvest_source.catalogue.columns import company, estimates, invoices, people, projects, time
from harvest_source.catalogue.columns.types import Column, Field, NestedList


class Paging(Enum):
    """How an endpoint hands out its rows (Harvest API, pagination)."""

    CURSOR = "cursor"  # keyset on id: rows do not shift while it is read
    PAGE = "page"  # by number over an editable date: rows may shift while it is read
    NONE = "none"  # one bare object


class AccountReport(NamedTuple):
    """One report of one account: what is read, loaded and compared."""

    account_id: int
    report: str


@dataclass(frozen=True)
class Parent:
    """Whose id stands in a child's path, and in which column it is kept."""

    report: str  # the parent's report
    column: str  # the column of the child that keeps the parent's id
    moves_parent: bool  # whether a change of the child is known to move the parent's `updated_at`


@dataclass(frozen=True)
class Report:
    """One report: an endpoint and the table it fills."""

    name: str  # of the report, the resource and the table
    domo: str | None  # its name in Domo's connector; None beyond Domo
    path: str  # below the API address; a child's path has {parent_id}
    rows_key: str | None  # under which a page holds its rows; None: the answer is the row
    paging: Paging
    takes_updated_since: bool
    has_updated_at: bool
    key: tuple[str, ...]  # beside account_id
    fields: tuple[Field, ...]
    row: str  # what one row is
    cannot_notice: str = ""  # what its load cannot see by itself
    parent: Parent | None = None
    date_column: str | None = None  # the date that from/to select, where the list takes them
    from_start_date: bool = False  # whether the setting start_date holds for it
    arrow: bool = False  # loaded as Arrow tables: flat and large
    module: str | None = None  # the company flag that switches it on
    permission: str = "an administrator"  # who may read all of it (Harvest API, permissions)
    project_path: str | None = None  # the same rows for one project, by request (setting assignments = "project")

    @property
    def columns(self) -> tuple[Column, ...]:
        """Returns the columns of the report's own table."""
        return tuple(field for field in self.fields if isinstance(field, Column))

    @property
    def lists(self) -> tuple[NestedList, ...]:
        """Returns the lists inside a row, which become child tables."""
        return tuple(field for field in self.fields if isinstance(field, NestedList))


_DELETIONS = "Deletions, since a row deleted at Harvest is simply gone."
_MANAGER_OF_ALL = "an administrator, or a manager who may manage clients and tasks (client_and_task_manager)"
_OWN_PROJECTS = "an administrator; a manager sees the projects they manage"
_OWN_TEAM = "an administrator; a manager sees their teammates and projects"
_OWN_TIME = "an administrator; a manager sees their teammates and projects, a member only their own"
_INVOICING = "an administrator, or a manager who may create and edit invoices"
_ESTIMATING = "an administrator, or a manager who may create and edit estimates"


def _listed(
    name: str,
    domo: str | None,
    fields: tuple[Field, ...],
    *,
    row: str,
    permission: str,
    cannot_notice: str = _DELETIONS,
    takes_updated_since: bool = True,
    date_column: str | None = None,
    module: str | None = None,
    arrow: bool = False,
    project_path: str | None = None,
) -> Report:
    """Returns a report of an account-wide list; its path and rows key are its name, its key is the id.

    A list that takes from/to is sorted by that editable date and paged by number, and start_date holds for it.
    """
    return Report(
        name=name,
        domo=domo,
        path=name,
        rows_key=name,
        paging=Paging.PAGE if date_column else Paging.CURSOR,
        takes_updated_since=takes_updated_since,
        has_updated_at=True,
        key=("id",),
        fields=fields,
        row=row,
        cannot_notice=cannot_notice,
        date_column=date_column,
        from_start_date=date_column is not None,
        arrow=arrow,
        module=module,
        permission=permission,
        project_path=project_path,
    )


def _child(
    name: str,
    domo: str | None,
    fields: tuple[Field, ...],
    parent: Parent,
    *,
    row: str,
    cannot_notice: str,
    permission: str,
    takes_updated_since: bool = True,
    has_updated_at: bool = True,
    key: tuple[str, ...] = ("id",),
    module: str | None = None,
) -> Report:
    """Returns a report read with one request per parent; start_date holds for what hangs on invoices and estimates."""
    return Report(
        name=name,
        domo=domo,
        path=f"{parent.report}/{{parent_id}}/{name.removeprefix(parent.column.removesuffix('id'))}",
        rows_key=name,
        paging=Paging.CURSOR,
        takes_updated_since=takes_updated_since,
        has_updated_at=has_updated_at,
        key=key,
        fields=fields,
        row=row,
        cannot_notice=cannot_notice,
        parent=parent,
        from_start_date=parent is not _USER,
        module=module,
        permission=permission,
    )


_USER = Parent("users", "user_id", moves_parent=False)
_INVOICE = Parent("invoices", "invoice_id", moves_parent=True)
_ESTIMATE = Parent("estimates", "estimate_id", moves_parent=True)

REPORTS: tuple[Report, ...] = (
    _listed("clients", "All Clients", company.CLIENTS, row="A client, active or archived.", permission=_MANAGER_OF_ALL),
    _listed("contacts", "All Contacts", company.CONTACTS, row="A contact person of a client.", permission=_MANAGER_OF_ALL),
    _listed(
        "expenses",
        "All Expenses",
        time.EXPENSES,
        row="An expense of a user on a project.",
        cannot_notice="Deletions, one by one or all those of a deleted project.",
        date_column="spent_date",
        arrow=True,
        module="expense_feature",
        permission=_OWN_TIME,
    ),
    _listed("projects", "All Projects", projects.PROJECTS, row="A project, active or archived.", permission=_OWN_PROJECTS),
    _listed(
        "roles",
        "All Roles",
        people.ROLES,
        row="A job title and the users who have it; unrelated to permissions.",
        cannot_notice="Nothing but what happens after the read, since the list is read whole.",
        takes_updated_since=False,
        permission="an administrator",
    ),
    _listed(
        "tasks",
        "All Tasks",
        projects.TASKS,
        row="A task that projects can use, active or archived.",
        permission=_MANAGER_OF_ALL,
    ),
    _listed(
        "task_assignments",
        "All Task Assignments",
        projects.TASK_ASSIGNMENTS,
        row="A task on a project, active or archived.",
        permission=_OWN_PROJECTS,
        project_path="projects/{parent_id}/task_assignments",
    ),
    _listed(
        "time_entries",
        "All Time Entries",
        time.TIME_ENTRIES,
        row="A time entry: hours of a user on a task of a project on one day.",
        cannot_notice="Deletions, and the growing hours of a running timer, which leave updated_at alone.",
        date_column="spent_date",
        arrow=True,
        permission=_OWN_TIME,
    ),
    _listed(
        "user_assignments",
        "All User Assignments",
        projects.USER_ASSIGNMENTS,
        row="A user on a project, active or archived.",
        permission=_OWN_TEAM,
        project_path="projects/{parent_id}/user_assignments",
    ),
    _listed(
        "users",
        "All Users",
        people.USERS,
        row="A user, active or archived.",
        cannot_notice="Deletions; a changed rate or role is not known to move updated_at.",
        permission="an administrator; a manager sees their teammates",
    ),
    _child(
        "project_assignments",
        "All Project Assignments",
        projects.PROJECT_ASSIGNMENTS,
        _USER,
        row="A project that a user may track time on, with its tasks; active assignments only.",
        cannot_notice="Deletions and archived assignments, which both drop out of the list.",
        permission="an administrator; a manager sees their teammates and themselves, a member only themselves",
    ),
    Report(
        name="company",
        domo="Company",
        path="company",
        rows_key=None,
        paging=Paging.NONE,
        takes_updated_since=False,
        has_updated_at=False,
        key=(),
        fields=company.COMPANY,
        row="The company of the account; one row an account.",
        cannot_notice="When a setting changed, since it has no timestamps.",
        permission="an administrator or a manager; for a member Harvest does not say",
    ),
    _listed(
        "expense_categories",
        "Expense Categories",
        time.EXPENSE_CATEGORIES,
        row="A category of expenses, active or archived.",
        module="expense_feature",
        permission="an administrator; for others Harvest does not say",
    ),
    _listed(
        "invoices",
        "Invoices",
        invoices.INVOICES,
        row="An invoice in any state, drafts too.",
        cannot_notice="Deletions; a deleted payment is not known to move updated_at.",
        date_column="issue_date",
        module="invoice_feature",
        permission=_INVOICING,
    ),
    _listed(
        "invoice_item_categories",
        "Invoice Item Categories",
        invoices.INVOICE_ITEM_CATEGORIES,
        row="A category of invoice lines.",
        module="invoice_feature",
        permission=_INVOICING,
    ),
    _child(
        "invoice_messages",
        "Invoice Messages",
        invoices.INVOICE_MESSAGES,
        _INVOICE,
        row="A message about an invoice, or a change of its state.",
        cannot_notice="Deletions, and messages that leave the invoice's updated_at alone, as a reminder may.",
        module="invoice_feature",
        permission=_INVOICING,
    ),
    _child(
        "invoice_payments",
        "Invoice Payments",
        invoices.INVOICE_PAYMENTS,
        _INVOICE,
        row="A payment of an invoice.",
        cannot_notice="Deletions, and quiet payments, whose changes leave the invoice's updated_at alone.",
        module="invoice_feature",
        permission=_INVOICING,
    ),
    _listed(
        "estimates",
        None,
        estimates.ESTIMATES,
        row="An estimate in any state, drafts too.",
        date_column="issue_date",
        module="estimate_feature",
        permission=_ESTIMATING,
    ),
    _listed(
        "estimate_item_categories",
        None,
        estimates.ESTIMATE_ITEM_CATEGORIES,
        row="A category of estimate lines.",
        module="estimate_feature",
        permission=_ESTIMATING,
    ),
    _child(
        "estimate_messages",
        None,
        estimates.ESTIMATE_MESSAGES,
        _ESTIMATE,
        row="A message about an estimate, or a change of its state.",
        cannot_notice="Deletions, and messages that leave the estimate's updated_at alone.",
        module="estimate_feature",
        permission=_ESTIMATING,
    ),
    _child(
        "billable_rates",
        None,
        people.BILLABLE_RATES,
        _USER,
        takes_updated_since=False,
        row="A billable rate of a user and the days it holds.",
        cannot_notice="Rates replaced by newer ones, whose rows vanish.",
        permission="an administrator, or a manager who may edit billable rates",
    ),
    _child(
        "cost_rates",
        None,
        people.COST_RATES,
        _USER,
        takes_updated_since=False,
        row="A cost rate of a user and the days it holds.",
        cannot_notice="Rates replaced by newer ones, whose rows vanish.",
        permission="an administrator",
    ),
    _child(
        "teammates",
        None,
        people.TEAMMATES,
        _USER,
        takes_updated_since=False,
        row="A user assigned to a manager; asked for managers only.",
        cannot_notice="When somebody was assigned or taken off, since it has no timestamps.",
        has_updated_at=False,
        key=("user_id", "id"),
        permission="an administrator",
    ),
)

NAMES: tuple[str, ...] = tuple(report.name for report in REPORTS)

_BY_NAME = {report.name: report for report in REPORTS}


def by_name(name: str) -> Report:
    """Returns the report of that name.

    Raises:
        KeyError: There is no such report.
    """
    return _BY_NAME[name]


def report_as_set(name: str, assignments: str) -> Report:
    """Returns a report as the setting `assignments` has it: `project` makes those of assignments children of projects."""
    report = by_name(name)
    if report.project_path and assignments == "project":
        return replace(report, path=report.project_path, parent=Parent("projects", "", moves_parent=False))
    return report


def parent_id_column(report: Report) -> str:
    """Returns the column in which a report's child tables keep its id: `invoice_id` in `invoices__line_items`."""
    return f"{report.name.removesuffix('s')}_id"
