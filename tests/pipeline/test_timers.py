"""Running timers: their hours grow while their change time stands still."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from pipelines import make_pipeline, rows
from second_harvest import Asked, HandMade, by_hand
from support import make_source, sync_once

from harvest_source.loading.summary import ReportResult, Summary
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice, Mode
from harvest_source.settings import parse_since


def ids_since(harvest: HandMade, since: str) -> list[tuple[int]]:
    return sorted(
        (row["id"],) for row in harvest.tables["time_entries"] if row["updated_at"] >= since
    )


def start_timers(harvest: HandMade) -> tuple[int, int, str]:
    """Has the entry that changed first and the one that changed last run; returns their ids and an instant in between."""
    by_change = sorted(harvest.tables["time_entries"], key=lambda row: row["updated_at"])
    for entry in (by_change[0], by_change[-1]):
        entry.update(
            is_running=True, timer_started_at=entry["updated_at"], hours=1.5, rounded_hours=2
        )
    return by_change[0]["id"], by_change[-1]["id"], by_change[len(by_change) // 2]["updated_at"]


@pytest.mark.long
def test_timer_not_changed_since_the_date_is_not_loaded(tmp_path: Path) -> None:
    """`--since` loads and counts what changed since, whatever runs; a plain run brings the grown hours."""
    with by_hand(invoices=0, entries=12) as harvest:
        old, _, since = start_timers(harvest)
        part = Choice(since=parse_since("since", since))
        (result,) = sync_once(tmp_path, harvest, "time_entries", choice=part).results
        assert (result.error, result.verified) == (None, "part")
        assert rows(tmp_path, "select id from time_entries order by id") == ids_since(
            harvest, since
        )
        (result,) = sync_once(tmp_path, harvest, "time_entries").results
        assert (result.error, result.total) == (None, 12)
        harvest.row("time_entries", old)["hours"] = 2.25
        (result,) = sync_once(tmp_path, harvest, "time_entries", choice=part).results
        assert (result.error, result.changed) == (None, 0)
        sync_once(tmp_path, harvest, "time_entries")
        assert rows(tmp_path, f"select hours from time_entries where id = {old}") == [(2.25,)]


def test_timer_from_before_start_date_is_not_loaded(tmp_path: Path) -> None:
    """The request for running timers carries the date, too; one that is followed grows."""
    with by_hand(invoices=0, entries=12) as harvest:
        _, new, since = start_timers(harvest)
        start_date = parse_since("start_date", since)
        sync_once(tmp_path, harvest, "time_entries", start_date=start_date)
        harvest.row("time_entries", new)["hours"] = 2.25
        harvest.requests.clear()
        (result,) = sync_once(tmp_path, harvest, "time_entries", start_date=start_date).results
        assert (result.error, result.verified, result.changed) == (None, "yes", 1)
        assert rows(tmp_path, "select id from time_entries order by id") == ids_since(
            harvest, since
        )
        of_timers = [
            asked.query["updated_since"]
            for asked in harvest.requests
            if "is_running" in asked.query
        ]
        assert of_timers == [since]


@dataclass
class Growing:
    """Answers of a Harvest in which time goes by with every request, with a report of hours that may hold running time or not."""

    harvest: HandMade
    holds_running_time: bool
    wrong_by: int = 0
    stops: bool = False  # the timers, just before the report is read

    def __call__(self, asked: Asked) -> tuple[int, bytes] | None:
        entries = self.harvest.tables["time_entries"]
        for entry in (entry for entry in entries if entry["is_running"]):
            entry["hours"] += 0.25
            entry["rounded_hours"] += 0.5
        if asked.path != "reports/time/projects":
            return None
        if self.stops:
            for entry in (entry for entry in entries if entry["is_running"]):
                self.harvest.change(
                    "time_entries", entry["id"], is_running=False, timer_started_at=None
                )
        days = asked.query["from"], asked.query["to"]
        counted = [each for each in entries if days[0] <= each["spent_date"] <= days[1]]
        values = [
            each["hours"] if each["rounded_hours"] is None else each["rounded_hours"]
            for each in counted
            if self.holds_running_time or not each["is_running"]
        ]
        total = sum(
            (Decimal(str(value)) for value in values), Decimal(self.wrong_by if counted else 0)
        )
        return (
            200,
            f'{{"results": [{{"total_hours": {total}}}], "links": {{"next": null}}}}'.encode(),
        )


@pytest.mark.long
@pytest.mark.parametrize("holds_running_time", [True, False])
def test_verify_finds_nothing_wrong_while_timers_run(
    tmp_path: Path, *, holds_running_time: bool
) -> None:
    """Hours grow between two looks, one timer stops, old entries have no rounded hours; a sum that is wrong is still found."""

    def verify(*, repairs: bool = True) -> tuple[Summary, ReportResult]:
        source = make_source(harvest, "time_entries", choice=Choice(mode=Mode.ALL))
        summary = sync(make_pipeline(tmp_path), source, repairs=repairs, totals=True)
        return summary, summary.results[0]

    with by_hand(invoices=0, entries=12) as harvest:
        start_timers(harvest)
        assert None in [entry["rounded_hours"] for entry in harvest.tables["time_entries"]]
        harvest.spoil = growing = Growing(harvest, holds_running_time)
        sync_once(tmp_path, harvest, "time_entries")
        for repairs in (False, True):
            summary, result = verify(repairs=repairs)
            assert (summary.notes, result.error, result.verified) == ([], None, "yes")
        growing.wrong_by = 1000
        summary, result = verify()
        assert (summary.exit_code, result.loaded) == (1, True)
        assert result.verified.startswith("no: time_entries 2026-")
        growing.wrong_by, growing.stops = 0, True
        summary, result = verify()
        assert (summary.notes, result.error) == ([], None)
