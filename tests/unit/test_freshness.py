"""When tables were last complete, by lines of `load_report`: a table of cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harvest_source.loading.freshness import freshness

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
HOURS = timedelta(hours=1)


def line(hours_ago: float, report: str = "clients", **more: Any) -> dict[str, Any]:
    """Returns a line of a run that ended so many hours ago."""
    of = {"account_id": 7, "error": None, "verified": "yes"}
    return {**of, "report": report, "finished_at": NOW - hours_ago * HOURS, **more}


FAILED: dict[str, Any] = {"error": "Harvest refuses it", "verified": "no"}
OF_DATES: dict[str, Any] = {"verified": "part, only rows of Ann"}


@pytest.mark.parametrize(
    ("lines", "hours_ago"),
    [
        ([], None),
        ([line(30), line(5), line(9)], 5),
        ([line(30), line(5, **FAILED)], 30),
        ([line(5, **FAILED)], None),
        ([line(30), line(5, **OF_DATES)], 30),
        ([line(5, verified="not compared")], 5),
        ([line(5, verified=None)], 5),  # nobody said
        ([line(30), line(5, account_id=8)], 30),
        ([line(30), line(5, "roles")], 30),  # a run of some reports hides nothing of the others
        ([line(30), line(-48)], 30),  # a clock was ahead
        ([line(-48)], None),
        ([line(30), line(-0.5)], -0.5),
    ],
)
def test_last_complete(lines: list[Any], hours_ago: float | None) -> None:
    (found,) = freshness(lines, [7], ["clients"], NOW)
    assert found.complete_at == (None if hours_ago is None else NOW - hours_ago * HOURS)
    assert found.is_older(26 * HOURS, NOW) == (hours_ago is None or hours_ago > 26)


def test_every_account_and_report_is_told_whether_it_was_loaded_or_not() -> None:
    lines = [line(5), line(6, account_id=8), line(-48, account_id=8)]
    found = freshness(lines, {8, 7}, ["roles", "clients"], NOW)
    assert [(*each.pair, each.complete_at, each.ahead_at) for each in found] == [
        (7, "clients", NOW - 5 * HOURS, None),
        (7, "roles", None, None),
        (8, "clients", NOW - 6 * HOURS, NOW + 48 * HOURS),
        (8, "roles", None, None),
    ]


def test_age_itself_is_not_older() -> None:
    (found,) = freshness([line(26)], [7], ["clients"], NOW)
    assert not found.is_older(26 * HOURS, NOW)
    assert found.is_older(26 * HOURS, NOW + timedelta(microseconds=1))
