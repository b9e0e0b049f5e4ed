"""What the package offers to other programs: the dlt source, and `sync`. Importing it switches dlt's usage figures off."""

from __future__ import annotations

import logging
from datetime import date, datetime
from typing import Any

import dlt
from dlt.common.configuration.specs import BaseConfiguration, configspec
from dlt.common.typing import TSecretStrValue

from harvest_source.api.net import LOGGER
from harvest_source.connection import connect
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice
from harvest_source.resources import HarvestSource, active_pipeline, build_resources
from harvest_source.settings import SECTION, load_settings, parse_since
from harvest_source.strangers import refuse_strangers
from harvest_source.usage_figures import switch_off_unless_set

__all__ = ["HarvestSource", "harvest_source", "sync"]

switch_off_unless_set()


@configspec
class NotInjected(BaseConfiguration):
    """Has dlt inject nothing: it would take a bare `ACCESS_TOKEN` of another program for an argument's value."""


@dlt.source(name=SECTION, section=SECTION, root_key=True, spec=NotInjected, _impl_cls=HarvestSource)
def harvest_source(  # noqa: PLR0913 - each is a setting, given by name
    since: str | date | datetime | None = None,
    account_id: int | str | list[int] | None = None,
    assignments: str | None = None,
    *,
    access_token: TSecretStrValue | None = None,
    client_id: str | None = None,
    client_secret: TSecretStrValue | None = None,
    refresh_token: TSecretStrValue | None = None,
    api_url: str | None = None,
    id_url: str | None = None,
    contact: str | None = None,
    start_date: str | date | datetime | None = None,
    overlap_seconds: int | None = None,
    deleted_rows: str | None = None,
    sweep_days: int | None = None,
    report_period: str | None = None,
) -> Any:
    """Returns the resources of Harvest: one per report, incremental by `updated_at` where the API allows.

    What is not given comes from section `sources.harvest` of dlt's configuration. A run reads what changed since the run
    before; choose reports with `with_resources("time_entries", "invoices")`. A report that cannot be read raises and
    nothing is loaded; `sync` keeps one report's failure its own, and also compares, removes and repairs. Nothing is asked
    before rows are wanted, and the same source may be run as often as one likes.

    Args:
        since: only rows updated at or after this instant (ISO 8601, UTC where no zone is given); bookmarks stay as they
            are. `None`: what changed since the last run.
        account_id: one Harvest account, several, or `all`; default: the one chosen at sign-in, or the only one.
        assignments: `account` (account-wide lists) or `project` (one request per project).
        access_token: personal access token; counts before the other credentials.
        client_id: of your OAuth2 application at Harvest.
        client_secret: of the same.
        refresh_token: of a sign-in with it.
        api_url: address of the API, https.
        id_url: address of the sign-in, https.
        contact: link or e-mail that Harvest asks for in the User-Agent.
        start_date: time entries, expenses, invoices, estimates and what hangs on them begin here.
        overlap_seconds: how far before the bookmark a run asks again.
        deleted_rows: `remove`, `keep` or `ignore`; for `sync`, since plain dlt looks for no deleted rows.
        sweep_days: within so many days the children of parents that changed lately are read again; those of others more rarely.
        report_period: `month`, `week` or `year`: what a row of a `report_...` table sums up. These resources are selected only
            where they are named, since Harvest allows 100 requests for reports in 15 minutes; `report_project_budget` always is.

    Raises:
        SettingError: a setting or credential is missing or malformed, or somebody else may have written it.
    """
    refuse_strangers()
    pipeline = active_pipeline()  # settings may stand under its name, as for any source of dlt
    settings = load_settings(
        pipeline.pipeline_name if pipeline else None,
        assignments=assignments,
        access_token=access_token,
        client_id=client_id,
        client_secret=client_secret,
        refresh_token=refresh_token,
        api_url=api_url,
        id_url=id_url,
        contact=contact,
        start_date=start_date,
        overlap_seconds=overlap_seconds,
        deleted_rows=deleted_rows,
        sweep_days=sweep_days,
        report_period=report_period,
    )
    choice = Choice(since=None if since is None else parse_since("since", since))
    connection = connect(settings, account_id, choice)
    if connection.note:
        logging.getLogger(LOGGER).warning(connection.note)
    return build_resources(connection)
