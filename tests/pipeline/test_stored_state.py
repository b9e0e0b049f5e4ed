"""State that older code stored is gone on from: no second first load, by `sync` and by plain dlt.

`tests/states/` holds what dlt's state kept of the source once older code had loaded `by_hand(users=3, invoices=4, entries=12)`,
word for word. A form that is stored somewhere stays readable, so a file there is never changed; a new form is a new file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import dlt
import pytest
from pipelines import make_pipeline, rows
from second_harvest import HandMade, by_hand
from support import make_source, sync_once

from harvest_source import sync
from harvest_source.clock import Clock
from harvest_source.settings import parse_since

STATES = Path(__file__).parents[1] / "states"
STORED_HOUR = "498864"  # in which the stored states were made
SOME = ("clients", "users", "time_entries", "expenses", "invoices", "invoice_payments")
OVERLAP = timedelta(seconds=300)


def stored_state(name: str) -> dict[str, Any]:
    """Returns a stored state as if it had been made within this hour."""
    text = (STATES / f"{name}.json").read_text(encoding="utf-8")
    state: dict[str, Any] = json.loads(text.replace(STORED_HOUR, str(Clock().hour())))
    return state


def put_back(folder: Path, state: dict[str, Any]) -> None:
    """Has working folder and destination keep a state, instead of what they keep."""

    @dlt.resource(name="nothing")
    def nothing() -> Any:
        kept = dlt.current.source_state()
        kept.clear()
        kept.update(state)
        yield from ()

    pipeline = make_pipeline(folder)
    pipeline.run(dlt.source(lambda: nothing, name="harvest", section="harvest")())
    assert pipeline.state["sources"]["harvest"] == state


def run_plain(folder: Path, harvest: HandMade) -> None:
    """Runs as users of dlt do."""
    make_pipeline(folder).run(make_source(harvest, *SOME))


def run_sync(folder: Path, harvest: HandMade) -> None:
    """Runs as the command line does."""
    assert [
        result.error
        for result in sync(make_pipeline(folder), make_source(harvest, *SOME)).results
        if result.error
    ] == []


@pytest.mark.parametrize("run", [run_plain, run_sync])
@pytest.mark.parametrize(
    "stored",
    [
        pytest.param("first_form", marks=pytest.mark.long),
        pytest.param("with_callers", marks=pytest.mark.long),
        "with_swept",
    ],
)
def test_run_goes_on_from_a_stored_state(
    tmp_path: Path, stored: str, run: Callable[[Path, HandMade], None]
) -> None:
    """Lists are asked from their mark less the overlap, and children of parents that changed; what changed is loaded."""
    state = stored_state(stored)
    with by_hand(users=3, invoices=4, entries=12) as harvest:
        sync_once(tmp_path, harvest, *SOME)
        put_back(tmp_path, state)
        before = {name: rows(tmp_path, f"select count(*) from {name}") for name in SOME}
        harvest.now = "2026-07-02T08:00:00Z"
        newest = max(harvest.tables["invoices"], key=lambda row: row["updated_at"])["id"]
        entry, invoice = (
            harvest.tables["time_entries"][0]["id"],
            harvest.tables["invoices"][1]["id"],
        )
        harvest.change("time_entries", entry, notes="after the update")
        harvest.change("invoices", invoice, notes="after the update")
        harvest.tables[f"invoices/{invoice}/payments"][0].update(notes="after the update")
        harvest.requests.clear()
        run(tmp_path, harvest)
    first = {asked.path: asked.query.get("updated_since") for asked in reversed(harvest.requests)}
    marks = {
        name: kept["accounts"]["77"].get("updated_at") for name, kept in state["resources"].items()
    }
    expected = {
        name: parse_since("mark", mark) - OVERLAP
        for name, mark in marks.items()
        if mark and name in SOME
    }
    assert {
        name: parse_since("asked", first[name] or "1970-01-01") for name in expected
    } == expected
    asked = {path for path in first if path.endswith("/payments")}
    # the newest may change in its very second
    looked_at = "followed" in state["resources"]["invoice_payments"]["accounts"]["77"]
    assert asked == {
        f"invoices/{each}/payments" for each in ({invoice} if looked_at else {invoice, newest})
    }
    assert {name: rows(tmp_path, f"select count(*) from {name}") for name in SOME} == before
    for table, key in (
        ("time_entries", f"id = {entry}"),
        ("invoices", f"id = {invoice}"),
        ("invoice_payments", f"invoice_id = {invoice}"),
    ):
        assert ("after the update",) in rows(tmp_path, f"select notes from {table} where {key}")
    kept = make_pipeline(tmp_path).state["sources"]["harvest"]["resources"]["time_entries"]
    assert kept["accounts"]["77"]["updated_at"] == harvest.now
    assert kept["incremental"]["updated_at"]["last_value"] == harvest.now
