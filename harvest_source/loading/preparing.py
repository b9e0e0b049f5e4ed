"""Begins a run: what an earlier one left is put in order or finished, and the bookmarks come from the destination."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import dlt
from dlt.common.destination.client import StateInfo, WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.versioned_state import decompress_state, json_decode_state
from dlt.pipeline.exceptions import PipelineStepFailed

from harvest_source.destinations.abilities import can_merge
from harvest_source.destinations.failures import is_passing, reason
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.dlt_corners import FIRST_FOLDER, loaded_at, state_hash, state_version
from harvest_source.errors import LoadFailedError
from harvest_source.loading.doubled import mend
from harvest_source.loading.listener import Listener
from harvest_source.loading.package import (
    finish_pending,
    has_begun_to_load,
    load_normalized,
    pending_snapshot,
    tidy,
    was_killed_in_a_job,
)
from harvest_source.loading.states import states_of
from harvest_source.loading.tables import lack_by_hand
from harvest_source.settings import SECTION


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
    tidy(pipeline)
    # nobody else has the rows of other accounts
    replaced = not can_merge(pipeline) and has_begun_to_load(pipeline)
    # run again, its rows would stand twice in the staging table
    if not replaced and was_killed_in_a_job(pipeline):
        pipeline.abort_packages()
        listener.note(
            "an earlier run was killed in the middle of a load: that load is taken back and read again"
        )
        load_normalized(pipeline)  # records that it was taken back
    if replaced and drop_pending:
        listener.note(
            "the pending load is finished, not dropped: the files that it replaces are gone already"
        )
    finishes = False
    if pipeline.has_pending_data:
        finishes = _finish_or_drop(pipeline, listener, drop_pending=drop_pending and not replaced)
    beyond = not finishes and _is_beyond_destination(pipeline)
    if beyond:
        _forget_working_state(pipeline)
    pipeline.sync_destination()
    if knew and not states_of(pipeline):
        listener.note(
            "the destination holds no earlier load (deleted or moved?): this is a first load"
        )
    elif beyond:
        listener.note(
            "the destination is older than the working state (a backup, or another database?): its own state counts"
        )
    return finishes


def _finish_or_drop(pipeline: dlt.Pipeline, listener: Listener, *, drop_pending: bool) -> bool:
    """Finishes a pending load, or drops it where that is asked, its rows may be older than those there, or it could not succeed.

    Returns:
        whether it was finished.
    """
    if drop_pending:
        why = ""
    elif _is_made_before_another_load(pipeline):
        why = ": the destination was loaded by another, or is another one; its rows are read again"
    elif lack_by_hand(pipeline):
        why = ": tables were changed in the destination; its rows are read again"
    else:
        listener.note("an earlier run left a pending load: it is loaded first, then today's data")
        failed = _finish(pipeline)
        if failed is None:
            return True
        why = f": it cannot be loaded ({failed}); its rows are read again"
    pipeline.abort_packages()
    listener.note(f"dropped a pending load of an earlier run{why}")
    return False


def _finish(pipeline: dlt.Pipeline) -> str | None:
    """Finishes a pending load.

    Returns:
        the reason where it failed once more and always would, since that is not due to the destination or this machine.

    Raises:
        LoadFailedError: the destination refuses it once more.
    """
    try:
        doubled = finish_pending(pipeline)
    except PipelineStepFailed as failure:
        if is_passing(failure):
            raise
        # dlt drops what a destination calls wrong
        if failure.step == "normalize" or not pipeline.has_pending_data:
            return reason(failure)
        raise LoadFailedError(
            "the destination refused a pending load of an earlier run once more: {}; if it stays so, run with --drop-pending: "
            "its rows are then read again",
            quoted=(reason(failure),),
        ) from failure
    mend(pipeline, doubled)
    return None


def _is_made_before_another_load(pipeline: dlt.Pipeline) -> bool:
    """Returns whether the destination's bookmarks are neither those from which a pending load was read nor those it brings."""
    snapshot = pending_snapshot(pipeline)
    if not pipeline.config.restore_from_destination or snapshot is None:
        return False
    stored = _stored_state(pipeline)
    there = _own_part(decompress_state(stored.state)) if stored else {}
    return there not in (_own_part(json_decode_state(snapshot)), _own_part(pipeline.state))


def _own_part(state: Any) -> Any:
    return state.get("sources", {}).get(SECTION, {})


def _is_beyond_destination(pipeline: dlt.Pipeline) -> bool:
    """Returns whether the working state knows loads that the destination does not hold; dlt would go on from it.

    dlt takes the destination's state where its version is not lower, and calls the state of the newest load the newest. A load
    made while this machine's clock was ahead stays the newest until that time has come: then the working state counts, as far as
    the destination holds it, too.
    """
    if not pipeline.config.restore_from_destination or not states_of(pipeline):
        return False
    stored = _stored_state(pipeline)
    if stored is None:
        return True
    if stored.version >= state_version(pipeline):
        return False
    if loaded_at(stored) <= time.time():
        return True
    with Warehouse(pipeline) as warehouse:
        return not warehouse.has_state(state_hash(pipeline))


def _stored_state(pipeline: dlt.Pipeline) -> StateInfo | None:
    """Returns the state that the destination holds, `None` where it holds none."""
    with pipeline.destination_client() as client:
        assert isinstance(client, WithStateSync)  # noqa: S101 - as each that can be read back
        with suppress(DestinationUndefinedEntity):
            return client.get_stored_state(pipeline.pipeline_name)
    return None


def _forget_working_state(pipeline: dlt.Pipeline) -> None:
    """Has the pipeline know no more than on a new machine, except where its files lie."""
    folder = pipeline.get_local_state_val(FIRST_FOLDER)
    pipeline.drop()
    pipeline.set_local_state_val(FIRST_FOLDER, folder)
