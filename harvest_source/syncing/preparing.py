"""Begins a run: what an earlier one left is put in order or finished, and the bookmarks come from the destination."""

from __future__ import annotations

from typing import Any

import dlt

from harvest_source.reports.reader import Where
from harvest_source.settings import SECTION
from harvest_source.syncing.listener import Listener
from harvest_source.syncing.package import finish_pending, load_normalized, repair_interrupted


def prepare(pipeline: dlt.Pipeline, listener: Listener, *, drop_pending: bool) -> bool:
    """Brings the working state in line with the destination, and finishes what an earlier run left.

    Args:
        pipeline: of the run.
        listener: hears what was found.
        drop_pending: drops a pending load instead of finishing it.

    Returns:
        whether a pending load was finished.
    """
    knew = bool(states_of(pipeline))
    if repair_interrupted(pipeline):
        listener.note("an earlier run was killed in the middle of a load: that load is taken back and read again")
        load_normalized(pipeline)  # records that it was taken back
    finishes = pipeline.has_pending_data and not drop_pending
    if finishes:
        listener.note("an earlier run left a pending load: it is loaded first, then today's data")
        finish_pending(pipeline)
    elif pipeline.has_pending_data:
        pipeline.abort_packages()
        listener.note("dropped a pending load of an earlier run")
    pipeline.sync_destination()
    if knew and not states_of(pipeline):
        listener.note("the destination holds no earlier load (deleted or moved?): this is a first load")
    return finishes


def states_of(pipeline: dlt.Pipeline) -> dict[Where, dict[str, Any]]:
    """Returns what dlt's state keeps of every account and report; empty before the first load."""
    resources: dict[str, Any] = pipeline.state.get("sources", {}).get(SECTION, {}).get("resources", {})
    return {
        (int(account_id), name): state
        for name, kept in resources.items()
        for account_id, state in kept.get("accounts", {}).items()
    }
