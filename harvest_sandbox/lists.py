"""Which list there is: its rows, paging, order and filters. One entry per path; routes and tests are built from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PER_PAGE = 2_000
INVOICES_PER_PAGE = 100  # documented since early 2025

Module = Literal["expense_feature", "invoice_feature", "estimate_feature", "pto"]


@dataclass(frozen=True)
class ListSpec:
    """One list of the API.

    Attributes:
        path: After /v2; `{parent}` stands for the parent's id.
        report: The table its rows come from.
        paging: By cursor or by page number.
        sort: `id` is newest first, `start_date` oldest first, the dates newest first.
        since: Takes `updated_since`; `strict` where a row's own `updated_at` does not return it (seen on time entries).
        filters: Query parameters.
        single: There is a GET for one row.
        module: The setting of the company that switches it off; `pto` has none there, see `Account.pto`.
        under: The field that holds the parent, for lists below a project.
    """

    path: str
    report: str
    paging: Literal["cursor", "page"] = "cursor"
    sort: Literal["id", "spent_date", "issue_date", "start_date"] = "id"
    since: Literal["no", "inclusive", "strict"] = "inclusive"
    filters: tuple[str, ...] = ()
    single: bool = True
    module: Module | None = None
    per_page: int = PER_PAGE
    under: str | None = None
    key: str = ""

    @property
    def rows_key(self) -> str:
        """Returns the key of the rows in the answer."""
        return self.key or self.report


_CHARGE = ("user_id", "client_id", "project_id", "is_billed", "approval_status", "from", "to")

LISTS: tuple[ListSpec, ...] = (
    ListSpec("clients", "clients", filters=("is_active",)),
    ListSpec("contacts", "contacts", filters=("client_id",)),
    ListSpec("projects", "projects", filters=("is_active", "client_id")),
    ListSpec(
        "user_assignments", "user_assignments", filters=("user_id", "is_active"), single=False
    ),
    ListSpec("task_assignments", "task_assignments", filters=("is_active",), single=False),
    ListSpec(
        "projects/{parent}/user_assignments",
        "user_assignments",
        "page",
        filters=("user_id", "is_active"),
        under="project",
    ),
    ListSpec(
        "projects/{parent}/task_assignments",
        "task_assignments",
        "page",
        filters=("is_active",),
        under="project",
    ),
    ListSpec("tasks", "tasks", filters=("is_active",)),
    ListSpec(
        "time_entries",
        "time_entries",
        "page",
        "spent_date",
        "strict",
        (*_CHARGE, "task_id", "external_reference_id", "is_running"),
    ),
    ListSpec(
        "expenses", "expenses", "page", "spent_date", filters=_CHARGE, module="expense_feature"
    ),
    ListSpec(
        "expense_categories", "expense_categories", filters=("is_active",), module="expense_feature"
    ),
    ListSpec(
        "invoices",
        "invoices",
        "page",
        "issue_date",
        filters=("client_id", "project_id", "state", "from", "to"),
        module="invoice_feature",
        per_page=INVOICES_PER_PAGE,
    ),
    ListSpec(
        "invoices/{parent}/payments", "invoice_payments", single=False, module="invoice_feature"
    ),
    ListSpec(
        "invoices/{parent}/messages", "invoice_messages", single=False, module="invoice_feature"
    ),
    ListSpec("invoice_item_categories", "invoice_item_categories", module="invoice_feature"),
    ListSpec(
        "estimates",
        "estimates",
        "page",
        "issue_date",
        filters=("client_id", "state", "from", "to"),
        module="estimate_feature",
    ),
    ListSpec(
        "estimates/{parent}/messages", "estimate_messages", single=False, module="estimate_feature"
    ),
    ListSpec("estimate_item_categories", "estimate_item_categories", module="estimate_feature"),
    ListSpec("roles", "roles", since="no"),
    ListSpec("users", "users", filters=("is_active",)),
    ListSpec("users/{parent}/billable_rates", "billable_rates", sort="start_date", since="no"),
    ListSpec("users/{parent}/cost_rates", "cost_rates", sort="start_date", since="no"),
    ListSpec("users/{parent}/teammates", "teammates", since="no", single=False),
    ListSpec("pto/types", "pto_types", filters=("is_active",), single=False, module="pto"),
    ListSpec(
        "pto/requests",
        "pto_requests",
        filters=("user_id", "status", "pto_type_id"),
        single=False,
        module="pto",
    ),
    ListSpec(
        "pto/holiday_calendars", "pto_holiday_calendars", since="no", single=False, module="pto"
    ),
    ListSpec(
        "pto/work_schedules",
        "pto_work_schedules",
        since="no",
        filters=("is_active",),
        single=False,
        module="pto",
    ),
)
# These two have code of their own: their rows are put together from two tables.
PROJECT_ASSIGNMENTS = ListSpec(
    "users/{parent}/project_assignments",
    "user_assignments",
    single=False,
    key="project_assignments",
)
MY_PROJECT_ASSIGNMENTS = ListSpec(
    "users/me/project_assignments",
    "user_assignments",
    "page",
    since="no",
    single=False,
    key="project_assignments",
)
# Time entries of a list longer than this are sorted once and remembered until the table changes.
REMEMBERED_FROM = 5_000
