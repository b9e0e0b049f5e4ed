"""What is known of the figures of projects."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import date, decimal, flag, text
from harvest_source.figures.columns import (
    AS_OF,
    CURRENCY,
    MONTH,
    OF_PROJECT,
    WITHOUT_COST,
    WITHOUT_RATE,
)
from harvest_source.figures.figure import Figure

_BUDGET_BY = text("budget_by", "`project`, `project_cost`, `task`, `task_fees` or `person`.")
_BUDGET_CURRENCY = text("currency", "Currency of the client; null for a budget in hours.")
_BUDGET_MONTH = date(
    "month",
    "First day of the month, for a budget that starts again every month; null: the whole life of the project.",
)
_BUDGET = decimal(
    "budget",
    "Hours, or money; with `task`, `task_fees` and `person` the sum over active assignments. Null: none set.",
)
_SPENT = decimal("spent", "What counts against the budget, in hours or money.")
_BURN = decimal("burn", "Spent by budget (1 is all of it); null if the budget is 0 or not set.")

BILLABLE_AMOUNT = Figure(
    name="billable_amount",
    question="What is the work of each month worth, and how much of it is billable?",
    row="A project, a month and a currency, with time or billable expenses.",
    key=("account_id", "client_id", "project_id", "month", "currency"),
    columns=(
        *OF_PROJECT,
        MONTH,
        CURRENCY,
        decimal("hours", "Rounded hours, billable or not."),
        decimal("billable_hours", "Rounded hours of billable entries."),
        decimal("billable_ratio", "Billable hours by hours; null without hours."),
        decimal(
            "time_amount",
            "Rounded hours of billable entries times their rates, on fixed-fee projects too.",
        ),
        decimal("expense_amount", "Billable expenses."),
        decimal("billable_amount", "Both amounts together."),
        WITHOUT_RATE,
    ),
    equals="`billable_amount` of Harvest's time report by project with `include_fixed_fee=true`, and of its expense report.",
    differs=(
        "Fixed-fee projects have an amount, by the rates of their time: Harvest's report leaves it at 0 unless asked otherwise.",
    ),
)

UNINVOICED_WORK = Figure(
    name="uninvoiced_work",
    question="What has been worked and not yet invoiced, and for how long?",
    row="A billable project, also if nothing is open.",
    key=("account_id", "project_id"),
    counts_to_date=True,
    columns=(
        *OF_PROJECT,
        flag("is_fixed_fee", "True if the client pays a fixed fee instead of hours."),
        CURRENCY,
        decimal("uninvoiced_hours", "Rounded hours of entries that are billable and not billed."),
        decimal("uninvoiced_expenses", "Expenses that are billable and not billed."),
        decimal(
            "uninvoiced_amount",
            "By time: amount of those hours, and those expenses. Fixed fee: the fee less what was invoiced, never below 0; "
            "0 before the project's start, and before its creation where it has no start.",
        ),
        decimal("on_drafts", "Lines on drafts: no longer here, and not yet in receivables."),
        decimal(
            "days_0_30",
            "Of uninvoiced_amount, work of the last 30 days; null for a fixed fee, as the next three.",
        ),
        decimal("days_31_60", "Work 31 to 60 days old."),
        decimal("days_61_90", "Work 61 to 90 days old."),
        decimal("days_over_90", "Work more than 90 days old."),
        date("oldest_day", "Day of the oldest uninvoiced work; null for a fixed fee."),
        WITHOUT_RATE,
        AS_OF,
    ),
    equals="Harvest's uninvoiced report, for the same days.",
    differs=(
        "What is left of a fixed fee is never below 0: at Harvest it can be, and would lessen the sum of other projects.",
        "Expenses of a fixed-fee project are shown and not added: whether the fee includes them is not known.",
    ),
)

BUDGET_BURN = Figure(
    name="budget_burn",
    question="How much of each budget is spent?",
    row="A project with a budget; where the budget starts again every month, one row for this month and each month with time "
    "or counted expenses.",
    key=("account_id", "project_id", "month"),
    counts_to_date=True,
    columns=(
        *OF_PROJECT,
        flag("is_active", "False if the project is archived."),
        _BUDGET_BY,
        _BUDGET_CURRENCY,
        _BUDGET_MONTH,
        flag("is_current", "True for this month, and for a budget of the whole life."),
        _BUDGET,
        _SPENT,
        decimal("remaining", "Budget less spent; null without a budget."),
        _BURN,
        flag("is_over", "True if more is spent than the budget; null without a budget."),
        AS_OF,
    ),
    equals="Harvest's project budget report, for rows that are current.",
    differs=(
        "Past months are held against today's budget, since Harvest keeps no other; its report knows this month only.",
        "An empty budget is not 0: nothing can be over it, and time of a task or user without a budget does not count.",
    ),
)

OVER_BUDGET_PROJECTS = Figure(
    name="over_budget_projects",
    question="Which active projects are over their budget now?",
    row="An active project that is over its budget, this month or in its whole life.",
    key=("account_id", "project_id"),
    counts_to_date=True,
    columns=(
        *OF_PROJECT,
        _BUDGET_BY,
        _BUDGET_CURRENCY,
        _BUDGET_MONTH,
        _BUDGET,
        _SPENT,
        decimal("over_by", "Spent less budget."),
        _BURN,
        AS_OF,
    ),
)

PROJECT_MARGIN = Figure(
    name="project_margin",
    question="What does each project earn after the cost of its time and expenses?",
    row="A project and a month, with time, expenses or a share of a fixed fee.",
    key=("account_id", "project_id", "month"),
    columns=(
        *OF_PROJECT,
        MONTH,
        flag("is_billable", "False for projects that are not charged: they have cost only."),
        flag("is_fixed_fee", "True if the client pays a fixed fee instead of hours."),
        CURRENCY,
        decimal("hours", "Hours as tracked, billable or not."),
        decimal(
            "work_revenue",
            "By time: rounded hours of billable entries times their rates. Fixed fee: its share by days, from the project's "
            "first day to its last, as far as they have passed; of what was invoiced, if that is more than the fee.",
        ),
        decimal("expense_revenue", "Billable expenses; 0 with a fixed fee."),
        decimal("revenue", "Both revenues together."),
        text("cost_currency", "Currency of the account: time_cost is in it."),
        decimal("time_cost", "Hours as tracked times cost rates."),
        decimal("expense_cost", "All expenses, billable or not, in currency."),
        decimal(
            "profit",
            "Revenue less both costs; null where the currencies differ or lacks_fee_or_dates.",
        ),
        decimal("margin", "Profit by revenue; null if either is missing or revenue is 0."),
        WITHOUT_RATE,
        WITHOUT_COST,
        flag(
            "lacks_fee_or_dates",
            "True for a fixed fee without fee, start or end: it has no revenue and no profit.",
        ),
        AS_OF,
    ),
    differs=(
        "A fixed fee is earned by the days that have passed: Harvest's profitability report counts days to come as well.",
        "Costs of time are in the account's currency: where the client's differs there is no profit, as nobody converts money.",
    ),
)

EFFECTIVE_RATE = Figure(
    name="effective_rate",
    question="What does an hour of each project bring in the end?",
    row="A billable project, to date.",
    key=("account_id", "project_id"),
    counts_to_date=True,
    columns=(
        *OF_PROJECT,
        CURRENCY,
        decimal("hours", "Hours as tracked, billable or not."),
        decimal("work_revenue", "Sum of work_revenue of project_margin: without expenses."),
        decimal(
            "effective_rate",
            "Work_revenue by hours; null without hours, and for a fixed fee without fee, start or end.",
        ),
        AS_OF,
    ),
)
