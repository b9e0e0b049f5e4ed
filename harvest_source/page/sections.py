"""The sections of an account, in the order of the page: a title, what it counts, and the figures that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from harvest_source.figures.figure import Figure
from harvest_source.figures.invoices import INVOICED, RECEIVABLES
from harvest_source.figures.projects import (
    BILLABLE_AMOUNT,
    BUDGET_BURN,
    EFFECTIVE_RATE,
    UNINVOICED_WORK,
)
from harvest_source.figures.time import UTILISATION
from harvest_source.page.accounts import Account
from harvest_source.page.months import months
from harvest_source.page.people import utilisation
from harvest_source.page.projects import budgets, rates, uninvoiced
from harvest_source.page.receivables import receivables
from harvest_source.page.tables import Note, Part, Rows, Table


@dataclass(frozen=True)
class Kind:
    """What a section shows."""

    name: str  # of its place on the page
    title: str
    lead: str
    figures: tuple[Figure, ...]
    build: Callable[[Account, Rows], Part]
    empty: str  # what is said where there is nothing to show


KINDS = (
    Kind(
        "months",
        "Month by month",
        "Hours as the account rounds them, and what billable hours and expenses are worth by their rates, also on fixed fees. "
        "Invoices count in the month of their date, with tax and without drafts; what was paid of them counts there as well.",
        (BILLABLE_AMOUNT, INVOICED),
        months,
        "No time, expense or invoice in these months.",
    ),
    Kind(
        "budgets",
        "Budgets",
        "Active projects with a budget, the most used first. A budget that starts again every month is this month's.",
        (BUDGET_BURN,),
        budgets,
        "No active project has a budget.",
    ),
    Kind(
        "uninvoiced",
        "Work not invoiced yet",
        "Billable hours and expenses that are on no invoice, by the day of the work, and what is left of fixed fees.",
        (UNINVOICED_WORK,),
        uninvoiced,
        "Nothing is open: all billable work is invoiced.",
    ),
    Kind(
        "receivables",
        "Owed by clients",
        "Invoices that were sent and not yet paid, by the days since they were due. The latest payer stands first.",
        (RECEIVABLES,),
        receivables,
        "Nobody owes anything.",
    ),
    Kind(
        "utilisation",
        "Utilisation",
        "Hours tracked, and billable ones, by each person's capacity from Monday to Friday. The whole bar is 100 %. "
        "Available is the capacity less holidays and approved leave, where an account has paid time off.",
        (UTILISATION,),
        utilisation,
        "Nobody tracked time in these months.",
    ),
    Kind(
        "rates",
        "What an hour brings",
        "Billable projects to date: revenue without expenses by all hours, billable or not. The lowest rate stands first.",
        (EFFECTIVE_RATE,),
        rates,
        "No time on billable projects yet.",
    ),
)
FIGURES = tuple(figure for kind in KINDS for figure in kind.figures)
"""What the page asks for."""


@dataclass(frozen=True)
class Section:
    """A section of an account."""

    kind: Kind
    anchor: str
    tables: Sequence[Table]
    notes: Sequence[Note]
    missing: Mapping[
        str, Sequence[str]
    ]  # figures that could not be asked for: tables that they need
    begins_at: datetime | None  # the tables begin there, so that it is too small


def sections(
    account: Account, rows: Rows, missing: Mapping[str, Sequence[str]], begins_at: datetime | None
) -> Iterator[Section]:
    """Yields the sections of an account.

    Args:
        account: of the page.
        rows: its rows of each figure that could be asked for.
        missing: the other figures, and which tables they need.
        begins_at: the setting `start_date`.
    """
    for kind in KINDS:
        there = [figure for figure in kind.figures if figure.name in rows]
        part = (
            kind.build(account, {figure.name: rows[figure.name] for figure in there})
            if there
            else Part()
        )
        yield Section(
            kind,
            f"{kind.name}-{account.id}",
            part.tables,
            part.notes,
            {figure.name: missing[figure.name] for figure in kind.figures if figure not in there},
            begins_at if any(figure.counts_to_date for figure in there) else None,
        )
