"""Running timers: their hours grow while their change time stands still."""

from __future__ import annotations

from pathlib import Path

from support import HandMade, by_hand, rows, sync_once

from harvest_source.reports.reader import Choice
from harvest_source.settings import parse_since


def ids_since(harvest: HandMade, since: str) -> list[tuple[int]]:
    return sorted((row["id"],) for row in harvest.tables["time_entries"] if row["updated_at"] >= since)


def start_timers(harvest: HandMade) -> tuple[int, int, str]:
    """Has the entry that changed first and the one that changed last run; returns their ids and an instant in between."""
    by_change = sorted(harvest.tables["time_entries"], key=lambda row: row["updated_at"])
    for entry in (by_change[0], by_change[-1]):
        entry.update(is_running=True, timer_started_at=entry["updated_at"], hours=1.5)
    return by_change[0]["id"], by_change[-1]["id"], by_change[len(by_change) // 2]["updated_at"]


def test_timer_not_changed_since_the_date_is_not_loaded(tmp_path: Path) -> None:
    """`--since` loads and counts what changed since, whatever runs; a plain run brings the grown hours."""
    with by_hand(invoices=0, entries=12) as harvest:
        old, _, since = start_timers(harvest)
        part = Choice(since=parse_since("since", since))
        (result,) = sync_once(tmp_path, harvest, "time_entries", choice=part).results
        assert (result.error, result.verified) == (None, "part")
        assert rows(tmp_path, "select id from time_entries order by id") == ids_since(harvest, since)
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
        assert rows(tmp_path, "select id from time_entries order by id") == ids_since(harvest, since)
        of_timers = [asked.query["updated_since"] for asked in harvest.requests if "is_running" in asked.query]
        assert of_timers == [since]
