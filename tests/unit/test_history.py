"""The newest line of `load_report` of every account and report: a table of cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from harvest_source.loading.history import last_runs

HOURS = timedelta(hours=1)


def line(hours_ago: float, **more: Any) -> dict[str, Any]:
    """Returns a line of a run that began so many hours ago."""
    begun = datetime.now(UTC) - hours_ago * HOURS
    of = {"account_id": 7, "report": "clients", "error": None}
    return {**of, "run_id": f"{hours_ago}", "started_at": begun, **more}


FAILED: dict[str, Any] = {"error": "Harvest refuses it"}


@pytest.mark.parametrize(
    ("lines", "complete", "newest"),
    [
        ([], False, []),
        ([line(2), line(1), line(3)], False, ["1"]),
        ([line(2), line(1, **FAILED)], False, ["1"]),
        ([line(2), line(1, **FAILED)], True, ["2"]),
        ([line(1, **FAILED)], True, []),
        ([line(5), line(-3)], False, ["5"]),  # a clock was ahead
        ([line(5), line(-0.5)], False, ["-0.5"]),
        (
            [line(4, report="tasks"), line(3, account_id=6), line(2), line(1, account_id=8)],
            False,
            ["3", "2", "4", "1"],  # by account, then by report
        ),
    ],
)
def test_newest_lines(lines: list[Any], newest: list[str], *, complete: bool) -> None:
    warehouse: Any = SimpleNamespace(rows=lambda _table: lines)
    assert [each["run_id"] for each in last_runs(warehouse, complete=complete)] == newest
