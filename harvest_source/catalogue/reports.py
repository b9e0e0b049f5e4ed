"""The one list of all reports but Harvest's own ten, which stand in `harvest_reports.py`.

What the commands, the source, the documents and the tests are built from.

Says where a report's rows are, how they are paged and keyed and what its load cannot notice; the columns stand in
`columns/`, by topic, and the look-ups in `lookup.py`. Sends nothing and knows nothing of dlt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict, Unpack

from harvest_source.catalogue.access import (
    ADMINISTRATORS,
    ESTIMATING,
    EVERYBODY,
    INVOICING,
    MANAGERS_OF_CLIENTS,
    NOT_SAID,
    ONESELF,
    OWN_PROJECTS,
    OWN_TEAM,
    OWN_TIME,
    RATES,
    TEAMMATES,
    Access,
)
from harvest_source.catalogue.columns import company, estimates, invoices, people, projects, time
from harvest_source.catalogue.columns.types import Field
from harvest_source.catalogue.facts import Holding, Owner, Running, Scout, Settling, Sum
from harvest_source.catalogue.paid_time_off import PAID_TIME_OFF
from harvest_source.catalogue.report import Paging, Parent, Report

_DELETIONS = "Deletions, since a row deleted at Harvest is simply gone."
_OF_PROJECT = Owner("projects", "project__id")


class _Facts(TypedDict, total=False):
    """What only some reports have; see `Report`."""

    module: str
    arrow: bool
    project_path: str
    by_id: bool
    scouts: tuple[Scout, ...]
    owners: tuple[Owner, ...]
    running: Running
    sum_at_harvest: Sum
    settling: Settling


def _listed(
    name: str,
    domo: str | None,
    fields: tuple[Field, ...],
    *,
    row: str,
    access: Access = ADMINISTRATORS,
    cannot_notice: str = _DELETIONS,
    takes_updated_since: bool = True,
    date_column: str | None = None,
    **facts: Unpack[_Facts],
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
        key=("id",),
        fields=fields,
        row=row,
        cannot_notice=cannot_notice,
        date_column=date_column,
        from_start_date=date_column is not None,
        access=access,
        **facts,
    )


def _child(
    name: str,
    domo: str | None,
    fields: tuple[Field, ...],
    parent: Parent,
    *,
    row: str,
    cannot_notice: str,
    access: Access = ADMINISTRATORS,
    takes_updated_since: bool = True,
    key: tuple[str, ...] = ("id",),
    **facts: Unpack[_Facts],
) -> Report:
    """Returns a report read with one request per parent; start_date holds for what hangs on invoices and estimates."""
    return Report(
        name=name,
        domo=domo,
        path=f"{parent.report}/{{parent_id}}/{name.removeprefix(parent.singular + '_')}",
        rows_key=name,
        paging=Paging.CURSOR,
        takes_updated_since=takes_updated_since,
        key=key,
        fields=fields,
        row=row,
        cannot_notice=cannot_notice,
        parent=parent,
        from_start_date=parent.report != "users",
        access=access,
        **facts,
    )


_USER = Parent("users", "user_id", moves_parent=False)
_MANAGER = replace(_USER, only=Holding("access_roles", "manager", status=422))
_INVOICE = Parent("invoices", "invoice_id", moves_parent=True)
_ESTIMATE = Parent("estimates", "estimate_id", moves_parent=True)

REPORTS: tuple[Report, ...] = (
    _listed(
        "clients",
        "All Clients",
        company.CLIENTS,
        row="A client, active or archived.",
        access=MANAGERS_OF_CLIENTS,
        by_id=True,
    ),
    _listed(
        "contacts",
        "All Contacts",
        company.CONTACTS,
        row="A contact person of a client.",
        access=MANAGERS_OF_CLIENTS,
        by_id=True,
    ),
    _listed(
        "expenses",
        "All Expenses",
        time.EXPENSES,
        row="An expense of a user on a project.",
        cannot_notice="Deletions, one by one or all those of a deleted project.",
        date_column="spent_date",
        arrow=True,
        module="expense_feature",
        access=replace(OWN_TIME, claim="expenses"),
        by_id=True,
        owners=(_OF_PROJECT,),
        sum_at_harvest=Sum("total_cost", "total_cost", "reports/expenses/projects", "total_amount"),
    ),
    _listed(
        "projects",
        "All Projects",
        projects.PROJECTS,
        row="A project, active or archived.",
        access=replace(OWN_PROJECTS, claim="projects"),
        by_id=True,
    ),
    _listed(
        "roles",
        "All Roles",
        people.ROLES,
        row="A job title and the users who have it; unrelated to permissions.",
        cannot_notice="Nothing but what happens after the read, since the list is read whole.",
        takes_updated_since=False,
    ),
    _listed(
        "tasks",
        "All Tasks",
        projects.TASKS,
        row="A task that projects can use, active or archived.",
        access=MANAGERS_OF_CLIENTS,
        by_id=True,
    ),
    _listed(
        "task_assignments",
        "All Task Assignments",
        projects.TASK_ASSIGNMENTS,
        row="A task on a project, active or archived.",
        access=OWN_PROJECTS,
        owners=(_OF_PROJECT,),
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
        access=replace(OWN_TIME, claim="timers"),
        by_id=True,
        owners=(_OF_PROJECT,),
        running=Running("is_running", frozenset({"hours", "rounded_hours"})),
        # summary reports round each entry by the account's setting, as rounded_hours does, which old entries do not have
        sum_at_harvest=Sum("rounded_hours", "hours", "reports/time/projects", "total_hours"),
    ),
    _listed(
        "user_assignments",
        "All User Assignments",
        projects.USER_ASSIGNMENTS,
        row="A user on a project, active or archived.",
        access=OWN_TEAM,
        owners=(_OF_PROJECT, Owner("users", "user__id")),
        project_path="projects/{parent_id}/user_assignments",
    ),
    _listed(
        "users",
        "All Users",
        people.USERS,
        row="A user, active or archived.",
        cannot_notice="Deletions; a changed rate or role is not known to move updated_at.",
        access=TEAMMATES,
        by_id=True,
    ),
    _child(
        "project_assignments",
        "All Project Assignments",
        projects.PROJECT_ASSIGNMENTS,
        _USER,
        row="A project that a user may track time on, with its tasks; active assignments only.",
        cannot_notice="Deletions and archived assignments, which both drop out of the list.",
        access=ONESELF,
        scouts=(
            Scout("user_assignments", ("user", "id")),
            Scout("task_assignments", ("project", "id"), of_project=True),
            Scout("projects", ("id",), of_project=True),
        ),
        owners=(_OF_PROJECT, Owner("user_assignments", "id")),
    ),
    Report(
        name="company",
        domo="Company",
        path="company",
        rows_key=None,
        paging=Paging.NONE,
        takes_updated_since=False,
        key=(),
        fields=company.COMPANY,
        row="The company of the account; one row an account.",
        cannot_notice="When a setting changed, since it has no timestamps.",
        access=EVERYBODY,
        answer_has=("name", "base_uri", "full_domain", "is_active"),
    ),
    _listed(
        "expense_categories",
        "Expense Categories",
        time.EXPENSE_CATEGORIES,
        row="A category of expenses, active or archived.",
        module="expense_feature",
        access=NOT_SAID,
    ),
    _listed(
        "invoices",
        "Invoices",
        invoices.INVOICES,
        row="An invoice in any state, drafts too.",
        cannot_notice="Deletions; a deleted payment is not known to move updated_at.",
        date_column="issue_date",
        module="invoice_feature",
        access=INVOICING,
        by_id=True,
    ),
    _listed(
        "invoice_item_categories",
        "Invoice Item Categories",
        invoices.INVOICE_ITEM_CATEGORIES,
        row="A category of invoice lines.",
        module="invoice_feature",
        access=INVOICING,
    ),
    _child(
        "invoice_messages",
        "Invoice Messages",
        invoices.INVOICE_MESSAGES,
        _INVOICE,
        row="A message about an invoice, or a change of its state.",
        cannot_notice="Deletions, and messages that leave the invoice's updated_at alone, as a reminder may.",
        module="invoice_feature",
        access=INVOICING,
    ),
    _child(
        "invoice_payments",
        "Invoice Payments",
        invoices.INVOICE_PAYMENTS,
        _INVOICE,
        row="A payment of an invoice.",
        cannot_notice="Deletions, and quiet payments, whose changes leave the invoice's updated_at alone.",
        module="invoice_feature",
        access=INVOICING,
        # of one written off nothing is due
        settling=Settling("amount", "amount - due_amount", but_state="closed"),
    ),
    _listed(
        "estimates",
        None,
        estimates.ESTIMATES,
        row="An estimate in any state, drafts too.",
        date_column="issue_date",
        module="estimate_feature",
        access=ESTIMATING,
        by_id=True,
    ),
    _listed(
        "estimate_item_categories",
        None,
        estimates.ESTIMATE_ITEM_CATEGORIES,
        row="A category of estimate lines.",
        module="estimate_feature",
        access=ESTIMATING,
    ),
    _child(
        "estimate_messages",
        None,
        estimates.ESTIMATE_MESSAGES,
        _ESTIMATE,
        row="A message about an estimate, or a change of its state.",
        cannot_notice="Deletions, and messages that leave the estimate's updated_at alone.",
        module="estimate_feature",
        access=ESTIMATING,
    ),
    _child(
        "billable_rates",
        None,
        people.BILLABLE_RATES,
        _USER,
        takes_updated_since=False,
        row="A billable rate of a user and the days it holds.",
        cannot_notice="Rates replaced by newer ones, whose rows vanish.",
        access=RATES,
    ),
    _child(
        "cost_rates",
        None,
        people.COST_RATES,
        _USER,
        takes_updated_since=False,
        row="A cost rate of a user and the days it holds.",
        cannot_notice="Rates replaced by newer ones, whose rows vanish.",
    ),
    _child(
        "teammates",
        None,
        people.TEAMMATES,
        _MANAGER,
        takes_updated_since=False,
        row="A user assigned to a manager; asked for managers only.",
        cannot_notice="When somebody was assigned or taken off, since it has no timestamps.",
        owners=(Owner("users", "id"),),
        key=("user_id", "id"),
    ),
    *PAID_TIME_OFF,
)

NAMES: tuple[str, ...] = tuple(report.name for report in REPORTS)
