"""A list that is never answered in time as a whole is asked for in smaller parts, which the run says once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import cast

import pytest
from compare import assert_equal
from faults_support import Ears, errors_of
from pipelines import make_pipeline
from second_harvest import Asked, HandMade, by_hand
from support import make_source

from harvest_sandbox import Sandbox
from harvest_source.loading.syncing import sync

TOO_SLOW = (504, b"")
LONG = pytest.mark.long


def days_of(asked: Asked) -> int | None:
    """Returns how many days a request is about, `None` where that is open."""
    if not {"from", "to"} <= asked.query.keys():
        return None
    return (
        date.fromisoformat(asked.query["to"]) - date.fromisoformat(asked.query["from"])
    ).days + 1


def answer_only(harvest: HandMade, report: str, *, days: int, per_page: int) -> None:
    """Has a list answer no request for more days, open ones too, or for larger pages, than given; counts are answered."""

    def answer(asked: Asked) -> tuple[int, bytes] | None:
        size = int(asked.query.get("per_page", "0"))
        small = 0 < size <= per_page or "cursor" in asked.query
        if asked.path != report or size == 1 or (small and (days_of(asked) or days + 1) <= days):
            return None
        return TOO_SLOW

    harvest.spoil = answer


def run(folder: Path, harvest: HandMade, *names: str) -> list[str]:
    """Runs once, complete; returns what the run said of answers that come too late."""
    ears = Ears()
    summary = sync(make_pipeline(folder), make_source(harvest, *names), listener=ears)
    assert errors_of(summary) == {}
    return [note for note in ears.notes if "smaller parts" in note]


@pytest.mark.parametrize(
    ("days", "per_page"),
    [(40, 2000), pytest.param(1, 500, marks=LONG)],
    ids=["windows", "a day by small pages"],
)
def test_slow_list_with_a_date_is_read_by_windows(tmp_path: Path, days: int, per_page: int) -> None:
    """From the newest day back, halved until they are answered, and complete; the comparison asks no more than that either."""
    with by_hand(invoices=1, entries=90) as harvest:
        harvest.tables["time_entries"].sort(key=lambda row: row["spent_date"], reverse=True)
        newest = date.fromisoformat(harvest.tables["time_entries"][0]["spent_date"])
        answer_only(harvest, "time_entries", days=days, per_page=per_page)
        slow = harvest.spoil

        def open_end(asked: Asked) -> tuple[int, bytes] | None:
            first = asked.query.get("from")
            if (
                first
                and "to" not in asked.query
                and (newest - date.fromisoformat(first)).days < days
            ):
                return None
            return slow(asked)

        harvest.spoil = open_end
        assert len(run(tmp_path, harvest, "time_entries", "clients")) == 1
        whole = [
            asked
            for asked in harvest.requests
            if asked.path == "time_entries" and not {"from", "to"} & asked.query.keys()
        ]
        assert len([asked for asked in whole if asked.query["per_page"] == "2000"]) == 4
        harvest.spoil = lambda _asked: None
        assert_equal(tmp_path, cast("Sandbox", harvest), "time_entries", "clients")


@pytest.mark.parametrize("report", ["clients", pytest.param("invoices", marks=LONG)])
def test_slow_list_that_windows_do_not_help_is_read_by_small_pages(
    tmp_path: Path, report: str
) -> None:
    """Clients have no date, and some invoices none either: pages of 500 rows."""
    with by_hand(invoices=12, entries=0) as harvest:
        for invoice in harvest.tables["invoices"][::3]:
            invoice["issue_date"] = None

        def answer(asked: Asked) -> tuple[int, bytes] | None:
            small = int(asked.query.get("per_page", "0")) <= 500 or "cursor" in asked.query
            return None if small or asked.path != report else TOO_SLOW

        harvest.spoil = answer
        assert len(run(tmp_path, harvest, report)) == 1
        assert {asked.query["per_page"] for asked in harvest.requests if asked.path == report} >= {
            "2000",
            "500",
        }
        harvest.spoil = lambda _asked: None
        assert_equal(tmp_path, cast("Sandbox", harvest), report)
