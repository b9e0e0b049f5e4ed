"""Harvest's own ten reports (Harvest API, reports): sums of a span of days, for the subjects that have some.

Their rows have neither ids nor change times: those of a span are replaced together.
"""

from __future__ import annotations

from dataclasses import replace

from harvest_source.catalogue.access import INVOICING, OWN_TIME, Access, Extent
from harvest_source.catalogue.columns import reports
from harvest_source.catalogue.columns.reports import CURRENCY, FROM_DATE, TO_DATE
from harvest_source.catalogue.columns.types import Column
from harvest_source.catalogue.report import Paging, Report, Spans

_OPEN_BUDGETS = Access(
    Extent.OWN,
    Extent.OWN,
    manager_sees="the projects they manage, and assigned ones whose budget is open to all",
    member_sees="assigned projects whose budget is open to all",
)
_INVOICING_PROJECTS = replace(INVOICING, manager=Extent.OWN)


def _of_days(
    path: str,
    columns: tuple[Column, ...],
    of: str,
    *,
    subject: str,
    spans: Spans = Spans.PERIODS,
    access: Access = OWN_TIME,
    module: str | None = None,
) -> Report:
    """Returns a report that is asked for spans of days.

    Args:
        path: below `reports/`.
        columns: of its table.
        of: what a row is, up to the span.
        subject: column with the id of what a row sums up.
        spans: which days its rows sum up.
        access: who may read what of it.
        module: the company flag that switches it on.
    """
    span = (
        "of a calendar year"
        if spans is Spans.YEARS
        else "of a month, a week or a year (`report_period`)"
    )
    return Report(
        name=f"report_{path.replace('/', '_')}",
        domo=None,
        path=f"reports/{path}",
        rows_key="results",
        paging=Paging.PAGE,
        takes_updated_since=False,
        key=(FROM_DATE.name, TO_DATE.name, subject, CURRENCY.name),
        fields=columns,
        row=f"{of} {span}, in one currency.",
        cannot_notice="Renamed clients, projects, tasks and users: names are as they were when the span was last asked for.",
        module=module,
        access=access,
        spans=spans,
    )


_EXPENSES = "expense_feature"

HARVEST_REPORTS: tuple[Report, ...] = (
    _of_days("time/clients", reports.TIME_CLIENTS, "Hours of a client", subject="client_id"),
    _of_days("time/projects", reports.TIME_PROJECTS, "Hours of a project", subject="project_id"),
    _of_days("time/tasks", reports.TIME_TASKS, "Hours of a task", subject="task_id"),
    _of_days("time/team", reports.TIME_TEAM, "Hours of a user", subject="user_id"),
    _of_days(
        "expenses/clients",
        reports.EXPENSES_CLIENTS,
        "Expenses of a client",
        subject="client_id",
        module=_EXPENSES,
    ),
    _of_days(
        "expenses/projects",
        reports.EXPENSES_PROJECTS,
        "Expenses of a project",
        subject="project_id",
        module=_EXPENSES,
    ),
    _of_days(
        "expenses/categories",
        reports.EXPENSES_CATEGORIES,
        "Expenses of a category",
        subject="expense_category_id",
        module=_EXPENSES,
    ),
    _of_days(
        "expenses/team",
        reports.EXPENSES_TEAM,
        "Expenses of a user",
        subject="user_id",
        module=_EXPENSES,
    ),
    _of_days(
        "uninvoiced",
        reports.UNINVOICED,
        "What is not invoiced of a project",
        subject="project_id",
        spans=Spans.YEARS,
        access=_INVOICING_PROJECTS,
    ),
    Report(
        name="report_project_budget",
        domo=None,
        path="reports/project_budget",
        rows_key="results",
        paging=Paging.PAGE,
        takes_updated_since=False,
        key=("project_id",),
        fields=reports.PROJECT_BUDGET,
        row="The budget of a project and what is used of it, now; only of projects that have one.",
        access=_OPEN_BUDGETS,
        spans=Spans.PRESENT,
    ),
)
