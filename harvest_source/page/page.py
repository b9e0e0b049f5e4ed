"""Puts the page together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from harvest_source import templates
from harvest_source.about import VERSION
from harvest_source.page.accounts import Account
from harvest_source.page.cells import Row, day
from harvest_source.page.freshness import Freshness
from harvest_source.page.sections import sections
from harvest_source.page.tables import Rows
from harvest_source.page.tiles import tiles


@dataclass(frozen=True)
class Answers:
    """What the destination answered."""

    rows: Mapping[str, Sequence[Row]]  # by figure, of all accounts
    missing: Mapping[
        str, Sequence[str]
    ]  # figures that could not be asked for: tables that they need


def build_page(
    accounts: Sequence[Account], answers: Answers, fresh: Freshness, begins_at: datetime | None
) -> str:
    """Returns the page as HTML.

    Args:
        accounts: that it shows.
        answers: rows of figures.
        fresh: how fresh the tables are.
        begins_at: the setting `start_date`: figures that count to date are too small then.
    """
    shown = []
    for account in accounts:
        own = _of(account, answers.rows)
        parts = list(sections(account, own, answers.missing, begins_at))
        shown.append({"account": account, "tiles": tiles(account, own), "sections": parts})
    return templates.render(
        "report.html",
        shown=shown,
        title=accounts[0].name if len(accounts) == 1 else f"{len(accounts)} accounts",
        level=2 if len(accounts) == 1 else 3,
        fresh=fresh,
        version=VERSION,
        day=day,
        moment=moment,
    )


def moment(instant: datetime) -> str:
    """Writes an instant in the zone that it has, to the minute."""
    return f"{day(instant)} {instant:%H:%M %Z}"


def _of(account: Account, rows: Rows) -> Rows:
    """Returns the rows of an account."""
    return {
        name: [row for row in each if row["account_id"] == account.id]
        for name, each in rows.items()
    }
