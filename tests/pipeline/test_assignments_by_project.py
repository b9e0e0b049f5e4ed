"""`assignments = "project"` asks project by project, as Domo does, and gives the same two tables as the account-wide lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from compare import assert_equal, table
from pipelines import make_pipeline
from second_harvest import HandMade, by_hand, like
from support import make_source, sync_once

from harvest_sandbox import Sandbox

NAMES = ("task_assignments", "user_assignments")
LATER = "2026-07-02T08:30:00Z"


def loaded(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Returns the rows of the two tables, dlt's own columns left out."""
    with make_pipeline(folder).sql_client() as client:
        tables = {name: table(client, name) for name in NAMES}
    return {
        name: sorted(
            (
                {column: value for column, value in row.items() if not column.startswith("_dlt")}
                for row in rows
            ),
            key=lambda row: row["id"],
        )
        for name, rows in tables.items()
    }


def load_both_ways(folder: Path, harvest: Sandbox | HandMade) -> None:
    """Loads one folder by account and one by project, and asserts that both have the same rows."""
    for way in ("account", "project"):
        (folder / way).mkdir(exist_ok=True)
        assert sync_once(folder / way, harvest, *NAMES, assignments=way).exit_code == 0
    assert loaded(folder / "account") == loaded(folder / "project")
    assert_equal(folder / "project", cast("Sandbox", harvest), *NAMES)


@pytest.mark.long
def test_both_ways_give_the_same_tables_of_a_hand_made_server(tmp_path: Path) -> None:
    """After the first run, after changes that leave their project alone, and after one in a project that is new."""
    with by_hand() as harvest:
        load_both_ways(tmp_path, harvest)
        asked = {
            asked.path
            for asked in harvest.requests
            if "/" in asked.path and asked.path.endswith("assignments")
        }
        assert asked == {
            f"projects/{project['id']}/{name}"
            for project in harvest.tables["projects"]
            for name in NAMES
        }
        harvest.now = LATER
        for name in NAMES:
            harvest.change(name, harvest.tables[name][2]["id"], hourly_rate=77.125, is_active=False)
        harvest.tables["projects"].append(like("projects", 5, created_at=LATER, updated_at=LATER))
        harvest.tables["task_assignments"].append(
            like("task_assignments", 6, project={"id": 5, "name": "New"}, updated_at=LATER)
        )
        load_both_ways(tmp_path, harvest)
        load_both_ways(tmp_path, harvest)


@pytest.mark.long
@pytest.mark.parametrize("ways", [("account", "project"), ("project", "account")])
def test_changing_the_way_later_keeps_the_tables_equal(
    tmp_path: Path, ways: tuple[str, str]
) -> None:
    """The setting may be changed between two runs; a third run changes nothing."""
    with by_hand() as harvest:
        sync_once(tmp_path, harvest, *NAMES, assignments=ways[0])
        harvest.now = LATER
        for name in NAMES:
            harvest.change(name, harvest.tables[name][1]["id"], budget=3.5)
        sync_once(tmp_path, harvest, *NAMES, assignments=ways[1])
        assert_equal(tmp_path, cast("Sandbox", harvest), *NAMES)
        again = sync_once(tmp_path, harvest, *NAMES, assignments=ways[1])
        assert sum(result.new + result.changed + result.deleted for result in again.results) == 0


def test_plain_dlt_gives_the_same_tables_too(tmp_path: Path) -> None:
    """Without `sync`: the setting works for a library's user as well."""
    with by_hand() as harvest:
        for way in ("account", "project"):
            (tmp_path / way).mkdir()
            make_pipeline(tmp_path / way).run(make_source(harvest, *NAMES, assignments=way))
        assert loaded(tmp_path / "account") == loaded(tmp_path / "project")
        assert len(loaded(tmp_path / "project")["task_assignments"]) == len(
            harvest.tables["task_assignments"]
        )
