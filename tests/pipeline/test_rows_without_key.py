"""A row without its key fails its own report, at reading: the others load, and the next run is not held back by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Type
from pipelines import rows
from second_harvest import by_hand
from support import sync_once

NAMES = ("clients", "tasks", "time_entries", "users", "cost_rates")
SPOILT = {
    "clients",
    "time_entries",
    "cost_rates",
}  # rows that dlt takes as objects, as Arrow tables, and children


@pytest.mark.long
def test_rows_without_key_are_their_reports_errors_alone(tmp_path: Path) -> None:
    """On a first load and on a later run; then Harvest is well again, and so are the tables."""
    with by_hand(users=3, invoices=1, entries=3) as harvest:
        user = harvest.tables["users"][2]["id"]
        spoilt = [
            harvest.tables[path][0]
            for path in ("clients", "time_entries", f"users/{user}/cost_rates")
        ]
        ids = [row["id"] for row in spoilt]
        for day, value in ((5, None), (6, "abc")):
            harvest.now = f"2026-07-{day:02}T12:00:00Z"
            harvest.change("users", user)
            for row in spoilt:
                row.update(id=value, updated_at=harvest.now)
            errors = {
                each.report: each.error
                for each in sync_once(tmp_path, harvest, *NAMES).results
                if each.error
            }
            assert set(errors) == SPOILT
            assert all("without its key (id)" in error for error in errors.values())
            for row, row_id in zip(spoilt, ids, strict=True):
                row["id"] = row_id
            assert [
                each.error for each in sync_once(tmp_path, harvest, *NAMES).results if each.error
            ] == []
    for name, row_id in zip(("clients", "time_entries", "cost_rates"), ids, strict=True):
        assert rows(tmp_path, f"select count(*) from {name} where id = {row_id}") == [(1,)]


def test_row_without_an_id_at_all_is_said_in_one_line(tmp_path: Path, type_command: Type) -> None:
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        del harvest.tables["clients"][0]["id"]
        done = type_command("--reports", "clients,tasks", "--quiet", harvest=harvest)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "clients" in done.err
    assert "without its key (id)" in done.err
    assert (tmp_path / "harvest_pipeline.duckdb").exists()


def test_ids_as_text_or_with_a_point_are_their_rows_keys(tmp_path: Path) -> None:
    """The tables hold whole numbers: such rows are not called missing, nor doubled by the same id written plainly."""
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        first, second = harvest.tables["tasks"][:2]
        ids = first["id"], second["id"]
        first["id"], second["id"] = str(ids[0]), float(ids[1])
        harvest.now = "2026-07-05T12:00:00Z"
        for task in (first, second):
            task["updated_at"] = harvest.now
        (result,) = sync_once(tmp_path, harvest, "tasks").results
        assert (result.total, result.verified, result.error) == (
            len(harvest.tables["tasks"]),
            "yes",
            None,
        )
        first["id"], second["id"] = ids
        (result,) = sync_once(tmp_path, harvest, "tasks").results
        assert (result.new, result.changed, result.total) == (0, 0, len(harvest.tables["tasks"]))
