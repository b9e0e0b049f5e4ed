"""Adding a report is tried: an endpoint that Harvest does not have takes its columns and one entry in the catalogue."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
from second_harvest import HandMade, like

PRODUCT = Path(__file__).parents[2] / "harvest_source"
LAST = "\n)\n\nNAMES: tuple"
ENTRY = """
    _listed(
        "kitchens",
        None,
        kitchens.KITCHENS,
        row="A kitchen of a client, and what it cooks.",
        owners=(Owner("clients", "client__id"),),
    ),"""
COLUMNS = """
from harvest_source.catalogue.columns.shared import ACCOUNT_ID, CLIENT, STAMPS, decimal, identity, secret, text, whole
from harvest_source.catalogue.columns.types import NestedList

KITCHENS = (
    ACCOUNT_ID,
    identity("kitchen"),
    text("name", "Its name."),
    secret("door_key", "Opens its door."),
    *CLIENT,
    *STAMPS,
    NestedList("dishes", (whole("id", "Id of the dish."), decimal("price", "What it costs.")), "What it cooks."),
)
"""
RUNS = """
import dlt
from harvest_source import harvest_source, sync
from harvest_source.catalogue.docs import tables_part

assert "| `door_key` | text | Opens its door. |" in tables_part()

def pipeline(name):
    return dlt.pipeline(name, destination=dlt.destinations.duckdb("k.duckdb"), dataset_name=name, pipelines_dir="state")

def source():
    return harvest_source().with_resources("clients", "kitchens")

def told():
    for result in sync(pipeline("synced"), source()).results:
        numbers = result.new, result.changed, result.deleted, result.total
        print(result.report, *numbers, result.error or result.verified, flush=True)

pipeline("plain").run(harvest_source().with_resources("kitchens"))
told()
input()
told()
"""


def test_a_made_up_report_takes_its_columns_and_one_entry(tmp_path: Path) -> None:
    """Loaded by plain dlt and by `sync`, with its list: compared, changed, gone with its client, its secret not kept."""
    shutil.copytree(
        PRODUCT, tmp_path / "harvest_source", ignore=shutil.ignore_patterns("__pycache__")
    )
    catalogue = tmp_path / "harvest_source" / "catalogue"
    (catalogue / "columns" / "kitchens.py").write_text(COLUMNS, encoding="utf-8")
    declared = (catalogue / "reports.py").read_text(encoding="utf-8")
    assert declared.count(LAST) == 1
    declared = declared.replace(LAST, ENTRY + LAST).replace(
        "import company, ", "import kitchens, company, ", 1
    )
    (catalogue / "reports.py").write_text(declared, encoding="utf-8")
    with HandMade(company=like("company", 0)) as harvest:
        harvest.tables["clients"] = [like("clients", number) for number in range(1, 5)]
        harvest.tables["kitchens"] = [
            {
                "id": number,
                "name": f"kitchen {number}",
                "door_key": "OPENS-IT",
                "client": {"id": harvest.tables["clients"][number % 4]["id"], "name": "A"},
                "created_at": harvest.now,
                "updated_at": harvest.now,
                "dishes": [
                    {"id": 10 * number, "price": 7.5},
                    {"id": 10 * number + 1, "price": None},
                ],
            }
            for number in range(1, 9)
        ]
        env = {
            **os.environ,
            "PYTHONPATH": str(tmp_path),
            "SOURCES__HARVEST__API_URL": harvest.api_url,
            "SOURCES__HARVEST__ID_URL": harvest.id_url,
            "SOURCES__HARVEST__ACCESS_TOKEN": "token",
        }
        command = [sys.executable, "-c", RUNS]
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stdin is not None
            assert running.stdout is not None
            first = [running.stdout.readline(), running.stdout.readline()]
            harvest.now = "2026-07-02T08:00:00Z"
            gone = harvest.tables["clients"].pop()
            left = [row for row in harvest.tables["kitchens"] if row["client"]["id"] != gone["id"]]
            harvest.tables["kitchens"] = left
            harvest.change("kitchens", left[0]["id"], dishes=[{"id": 5, "price": 1.25}])
            second, errors = running.communicate("\n", timeout=120)
    assert errors == ""
    assert first == ["clients 4 0 0 4 yes\n", "kitchens 8 0 0 8 yes\n"]
    assert second == "clients 0 0 1 3 repaired 1\nkitchens 0 1 2 6 repaired 2\n"
    with duckdb.connect(tmp_path / "k.duckdb", read_only=True) as database:
        assert database.sql("select count(*), min(door_key) from plain.kitchens").fetchall() == [
            (8, "OPENS-IT")
        ]
        assert database.sql(
            "select count(*), sum(price) from plain.kitchens__dishes"
        ).fetchall() == [(16, 60)]
        changed = (
            f"select id, price from synced.kitchens__dishes where kitchen_id = {left[0]['id']}"
        )
        assert [(row_id, float(price)) for row_id, price in database.sql(changed).fetchall()] == [
            (5, 1.25)
        ]
        kept = database.sql(
            "select row from synced.deleted_rows where report = 'kitchens'"
        ).fetchall()
    assert [len(json.loads(row)["dishes"]) for (row,) in kept] == [2, 2]
    assert not any("OPENS-IT" in row for (row,) in kept)
