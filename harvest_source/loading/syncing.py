"""Does one run: what is chosen of a source is loaded into a pipeline's destination, compared with Harvest and repaired."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import dlt

from harvest_source.api.client import HarvestClient
from harvest_source.catalogue.lookup import ALL_NAMES, by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.connection import Connection
from harvest_source.destinations.defaults import dlt_defaults
from harvest_source.destinations.set_up import setting_errors
from harvest_source.errors import SettingError
from harvest_source.loading.listener import Listener
from harvest_source.loading.options import SyncOptions
from harvest_source.loading.run import run_alone
from harvest_source.loading.summary import Summary
from harvest_source.reading.reader import Outcome, Reader, is_passed_over
from harvest_source.resources import HarvestSource
from harvest_source.settings import SECTION

# in the pipeline's working folder: answers that outlive a run that is interrupted
ANSWERS_FOLDER = "harvest"


def sync(
    pipeline: dlt.Pipeline,
    source: HarvestSource,
    *,
    listener: Listener | None = None,
    drop_pending: bool = False,
    accept_deletions: bool = False,
    repairs: bool = True,
    views: bool = True,
    totals: bool = False,
) -> Summary:
    """Brings the destination of a pipeline in line with Harvest, as the command line does.

    While it works dlt's settings are those of the command line where the user has set nothing; afterwards they are as before.

    Args:
        pipeline: of dlt, with any destination that speaks SQL.
        source: of `harvest_source`, with the chosen resources.
        listener: hears what happens meanwhile.
        drop_pending: drops a pending load of an earlier run instead of finishing it.
        accept_deletions: removes rows gone at Harvest even where they are more than half of a table.
        repairs: whether what differs is loaded; without it the summary only tells.
        views: makes the views of the figures that are missing or not as they should be, where the destination has views.
        totals: compares sums per year and month with Harvest's own reports, too.

    Returns:
        what was new, changed and deleted per report; a report that failed has its error there.

    Raises:
        HarvestError: see `Run.execute`.
    """
    listener = listener or Listener()
    options = SyncOptions(
        drop_pending=drop_pending,
        accept_deletions=accept_deletions,
        repairs=repairs,
        views=views,
        totals=totals,
    )
    if source.name != SECTION:
        raise SettingError(
            f"sync knows the source by its own name, {SECTION}; this one is called {{}}",
            quoted=(source.name,),
        )
    if pipeline.refresh:
        raise SettingError(
            "the pipeline is made with refresh, by which dlt drops tables at each load, and a sync loads several times: "
            "leave refresh out; --full-refresh of the command line loads all anew"
        )
    if pipeline.destination is None:
        raise SettingError("the pipeline has no destination: name one in dlt.pipeline")
    source.connection.client.keep_requests(Path(pipeline.pipelines_dir))
    connection = source.connection.for_run()
    names = [name for name in ALL_NAMES if name in source.selected_resources]
    destination = pipeline.destination.destination_name
    with (
        closing(_reader(pipeline, connection, listener)) as reader,
        setting_errors(destination),
        dlt_defaults(pipeline),
        connection.client,
        _telling(connection.client, listener),
        _ending_with_run(connection.client),
    ):
        return run_alone(pipeline, connection, reader, names, options, listener)


def _reader(pipeline: dlt.Pipeline, connection: Connection, listener: Listener) -> Reader:
    """Returns what reads the reports of a run, and tells the listener of it."""

    def tell_read(pair: AccountReport, outcome: Outcome) -> None:
        rows, error = outcome.reading.rows if outcome.reading else 0, outcome.error
        is_error = error and not is_passed_over(error, by_name(pair.report))
        listener.read(*pair, rows, str(error) if is_error else None)

    def tell_planned(pair: AccountReport, requests: int) -> None:
        listener.planned(*pair, requests)

    return connection.reader(
        Path(pipeline.working_dir) / ANSWERS_FOLDER,
        on_planned=tell_planned,
        on_read=tell_read,
    )


@contextmanager
def _ending_with_run(client: HarvestClient) -> Iterator[None]:
    """Has threads that a run leaves behind send nothing more, however it ends."""
    try:
        yield
    finally:
        client.clock.cancel()


def _telling(client: HarvestClient, listener: Listener) -> AbstractContextManager[None]:
    """Has a listener told of what happens on the way to Harvest."""
    return client.told_to(
        on_request=listener.request,
        on_slow=lambda name: listener.note(
            f"{name}: Harvest does not answer in time, so it is asked for in smaller parts"
        ),
        on_wait=listener.waiting,
        on_outage=listener.outage,
    )
