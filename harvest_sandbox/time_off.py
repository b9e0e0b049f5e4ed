"""Whether an account has paid time off, and what of it stands in no table: who has which calendar, schedule and days."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class TimeOff:
    """The module of one account.

    Attributes:
        refused: The status with which all of it is refused; None where the account has the module.
        calendar_of: User id: id of the holiday calendar.
        schedule_of: User id: id of the work schedule, for users whose schedule is not the default one.
        days_of: User id and id of the type: days of the year, where they are not those of the type.
    """

    refused: int | None = None
    calendar_of: dict[int, int] = field(default_factory=dict)
    schedule_of: dict[int, int] = field(default_factory=dict)
    days_of: dict[tuple[int, int], float] = field(default_factory=dict)
