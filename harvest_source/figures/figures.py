"""The one list of all figures: views, commands and documents are made from it."""

from __future__ import annotations

from harvest_source.figures.invoices import INVOICED, REALISATION, RECEIVABLES
from harvest_source.figures.projects import (
    BILLABLE_AMOUNT,
    BUDGET_BURN,
    EFFECTIVE_RATE,
    OVER_BUDGET_PROJECTS,
    PROJECT_MARGIN,
    UNINVOICED_WORK,
)
from harvest_source.figures.time import TIMESHEET_GAPS, TRACKED_TIME, UTILISATION

FIGURES = (
    TRACKED_TIME,
    UTILISATION,
    BILLABLE_AMOUNT,
    UNINVOICED_WORK,
    BUDGET_BURN,
    PROJECT_MARGIN,
    EFFECTIVE_RATE,
    REALISATION,
    INVOICED,
    RECEIVABLES,
    TIMESHEET_GAPS,
    OVER_BUDGET_PROJECTS,
)
BY_NAME = {figure.name: figure for figure in FIGURES}
