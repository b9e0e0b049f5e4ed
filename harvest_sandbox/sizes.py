"""How large an account is built."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """The number of rows of the tables that a person would ask about, from which the others follow, and of their days."""

    clients: int = 6
    users: int = 6
    projects: int = 8
    time_entries: int = 1_200
    expenses: int = 40
    invoices: int = 8
    estimates: int = 4
    days: int = 425  # before the account's last, over which they are spread; fourteen months


SIZES: dict[str, Size] = {
    # A whole load takes less than 80 requests, and 1,200 entries make a week of six people look like a week.
    "demo": Size(),
    "default": Size(
        clients=20,
        users=15,
        projects=60,
        time_entries=5_000,
        expenses=400,
        invoices=300,
        estimates=40,
    ),
}
