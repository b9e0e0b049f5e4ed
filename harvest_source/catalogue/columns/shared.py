"""Shapes that several reports share: ids, name pairs, assignments, line items, amounts and people in messages."""

from __future__ import annotations

from harvest_source.catalogue.columns.types import Column, Kind, NestedList, under


def whole(name: str, description: str, refers_to: str = "") -> Column:
    """Declares an id, or whole seconds or bytes."""
    return Column(name, Kind.ID, description, refers_to=refers_to)


def decimal(name: str, description: str) -> Column:
    """Declares an exact decimal: Harvest sends one and the same column as 100, 100.0 or 0."""
    return Column(name, Kind.DECIMAL, description)


def text(name: str, description: str) -> Column:
    """Declares a text; empty ones come as null or as an empty text, without a rule."""
    return Column(name, Kind.TEXT, description)


def secret(name: str, description: str) -> Column:
    """Declares a text that opens a public page without a login."""
    return Column(name, Kind.TEXT, description, secret=True)


def flag(name: str, description: str) -> Column:
    """Declares a boolean."""
    return Column(name, Kind.BOOL, description)


def date(name: str, description: str) -> Column:
    """Declares a calendar day without a time zone."""
    return Column(name, Kind.DATE, description)


def instant(name: str, description: str) -> Column:
    """Declares a moment in UTC, in whole seconds."""
    return Column(name, Kind.TIMESTAMP, description)


def values(name: str, description: str, value: Column) -> NestedList:
    """Declares a list of plain values, loaded as a child table with the single column `value`."""
    return NestedList(name, (value,), description)


def identity(of: str) -> Column:
    """Declares the id of a row, 64 bits wide: time entry ids have passed 32 bits."""
    return whole("id", f"Harvest's id of the {of}.")


def named(prefix: str, of: str, refers_to: str) -> tuple[Column, ...]:
    """Declares the flattened pair {id, name}; the name is a copy that goes stale when the other record is renamed."""
    return under(
        prefix,
        whole("id", f"Id of the {of}; join on it.", refers_to),
        text(
            "name",
            f"Name of the {of} when this row was last read; a later rename need not show here.",
        ),
    )


ACCOUNT_ID = whole("account_id", "Harvest account that the row belongs to; part of every key.")
CREATED_AT = instant("created_at", "When the record was created, UTC.")
UPDATED_AT = instant(
    "updated_at", "When the record was last changed, UTC; moved by Harvest, not by the load."
)
STAMPS = (CREATED_AT, UPDATED_AT)

USER_ID = whole(
    "user_id",
    "Id of the user that the row was read for; not in Harvest's answer, taken from the request.",
    "users",
)
INVOICE_ID = whole(
    "invoice_id",
    "Id of the invoice that the row hangs on; not in Harvest's answer, taken from the request.",
    "invoices",
)
ESTIMATE_ID = whole(
    "estimate_id",
    "Id of the estimate that the row hangs on; not in Harvest's answer, taken from the request.",
    "estimates",
)

USER = named("user", "user", "users")
CLIENT = named("client", "client", "clients")
TASK = named("task", "task", "tasks")
PROJECT = (
    *named("project", "project", "projects"),
    text("project__code", "Code of the project; null or empty where it has none."),
)
CREATOR = named("creator", "user who created it", "users")
CLIENT_CURRENCY = text(
    "client__currency",
    "Client's currency, ISO 4217 code; sent by Harvest without being documented everywhere.",
)
INVOICE = under(
    "invoice",
    whole("id", "Id of the invoice that bills this row; null while it is on none.", "invoices"),
    text("number", "Number of that invoice; a text, not always numeric."),
)

# An assignment's own values, without its ids; the same in the reports and in the copies nested elsewhere.
USER_ASSIGNMENT_VALUES = (
    flag("is_active", "False once the user is taken off the project."),
    flag("is_project_manager", "True if the user manages the project."),
    flag(
        "use_default_rates",
        "True: the user's own billable rate counts; false: hourly_rate of this assignment.",
    ),
    decimal(
        "hourly_rate",
        "Billable rate per hour; counts only where the project bills by People. Null: none set.",
    ),
    decimal(
        "budget",
        "Hours budgeted for the user; counts only where the project budgets by person. Null: none set.",
    ),
)
TASK_ASSIGNMENT_VALUES = (
    flag("is_active", "False once the task is taken off the project."),
    flag("billable", "True if time on this task of the project is billable."),
    decimal(
        "hourly_rate",
        "Billable rate per hour; counts only where the project bills by Tasks. Null: none set.",
    ),
    decimal(
        "budget", "Budget of the task: hours (budget_by task) or money (task_fees). Null: none set."
    ),
)
USER_ASSIGNMENT_COPY = under(
    "user_assignment",
    whole(
        "id",
        "Id of the assignment of user to project; null where Harvest sends none. Joins user_assignments.",
        "user_assignments",
    ),
    *USER_ASSIGNMENT_VALUES,
    instant("created_at", "When the assignment was created, UTC."),
    instant("updated_at", "When the assignment was last changed, UTC, as of this row's last read."),
)
TASK_ASSIGNMENT_COPY = under(
    "task_assignment",
    whole(
        "id",
        "Id of the assignment of task to project; null where Harvest sends none. Joins task_assignments.",
        "task_assignments",
    ),
    *TASK_ASSIGNMENT_VALUES,
    instant("created_at", "When the assignment was created, UTC."),
    instant("updated_at", "When the assignment was last changed, UTC, as of this row's last read."),
)

APPROVAL = (
    flag(
        "is_locked",
        "True if the row can no longer be edited: approved, invoiced or archived; see locked_reason.",
    ),
    text("locked_reason", "Why it is locked, in Harvest's words; null while it is not."),
    text(
        "approval_status",
        "`unsubmitted`, `submitted` or `approved`; new in 2025, null in older answers.",
    ),
    flag("is_closed", "True once approved; deprecated by Harvest in favour of approval_status."),
)

# Amounts and texts that an invoice and an estimate have in common.
DOCUMENT_AMOUNTS = (
    decimal("amount", "Total with tax and discount, in the document's currency."),
    decimal("tax", "First tax in percent (19 = 19 %), not money; null: none."),
    decimal("tax_amount", "Money of the first tax, already in amount."),
    decimal("tax2", "Second tax in percent, not money; null: none."),
    decimal("tax2_amount", "Money of the second tax, already in amount."),
    decimal("discount", "Discount in percent, not money; null: none."),
    decimal("discount_amount", "Money of the discount, already taken off amount."),
    text(
        "currency",
        "ISO 4217 code of every amount in the row; never add amounts of different currencies.",
    ),
)
DOCUMENT_TEXTS = (
    text("number", "Number printed on the document; a text, not always numeric."),
    text("purchase_order", "Client's purchase order number; usually empty."),
    text("subject", "Subject line; may be null."),
    text("notes", "Notes printed on the document; may be null."),
)
LINE_ITEM = (
    whole(
        "id", "Harvest's id of the line; an edit of the document replaces all its lines together."
    ),
    text("kind", "Name of the item category, not its id."),
    text("description", "Text of the line; may be null or empty."),
    decimal("quantity", "Hours or units."),
    decimal(
        "unit_price",
        "Price of one unit, in the document's currency; three and more decimals occur.",
    ),
    decimal("amount", "Quantity times unit_price, before document tax and discount."),
    flag("taxed", "True if the first tax applies to the line."),
    flag("taxed2", "True if the second tax applies to the line."),
)
MESSAGE = (
    text("sent_by", "Name of the user who created the message."),
    text("sent_by_email", "E-mail address of the user who created the message."),
    text("sent_from", "Name shown to the recipients as sender."),
    text("sent_from_email", "E-mail address shown to the recipients as sender."),
    text("subject", "Subject of the e-mail; null for a mere change of state."),
    text("body", "Text of the e-mail; null for a mere change of state."),
    flag("send_me_a_copy", "True if the sender got a copy."),
)
RECIPIENTS = NestedList(
    "recipients",
    (
        text("name", "Name of the recipient; may be null."),
        text("email", "E-mail address of the recipient."),
    ),
    "People the message went to; none for a mere change of state.",
)
