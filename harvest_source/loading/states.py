"""What dlt's state keeps from one run to the next, in the destination as well."""

from __future__ import annotations

from typing import Any

import dlt

from harvest_source.catalogue.report import AccountReport
from harvest_source.settings import SECTION

LIST_ELEMENTS = "list_elements"  # account id: child table: number of elements
LOOKED = "looked"  # account id: list: hour of the last look at the whole list
CALLERS = "callers"  # account id: report: who asked


def states_of(pipeline: dlt.Pipeline) -> dict[AccountReport, dict[str, Any]]:
    """Returns what is kept of every account and report; empty before the first load."""
    resources: dict[str, Any] = _source_state(pipeline).get("resources", {})
    return {
        AccountReport(int(account_id), name): state
        for name, kept in resources.items()
        for account_id, state in kept.get("accounts", {}).items()
    }


def kept_of(pipeline: dlt.Pipeline, name: str) -> dict[str, Any]:
    """Returns what is kept of each account under one of the names of this module."""
    kept: dict[str, Any] = _source_state(pipeline).get(name, {})
    return kept


def bookmark_of(state: dict[str, Any]) -> str | None:
    """Returns the newest change that a report's state stands for."""
    marks = (
        [state["updated_at"]] if state.get("updated_at") else list(state.get("marks", {}).values())
    )
    return min(marks, default=None)


def _source_state(pipeline: dlt.Pipeline) -> dict[str, Any]:
    state: dict[str, Any] = pipeline.state.get("sources", {}).get(SECTION, {})
    return state
