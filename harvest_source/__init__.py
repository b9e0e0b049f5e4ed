"""Harvest (time tracking, invoicing) as a dlt source: every number equal to Harvest's, in any dlt destination."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial

from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext

from harvest_source.api.accounts import choose_accounts
from harvest_source.api.auth import build_auth, chosen_account
from harvest_source.api.client import HarvestClient
from harvest_source.reports.catalogue import NAMES
from harvest_source.reports.reader import Choice, Reader
from harvest_source.resources import HarvestSource, Run, build_source
from harvest_source.settings import load_settings, parse_account_ids, parse_since
from harvest_source.strangers import refuse_strangers
from harvest_source.syncing import sync
from harvest_source.usage_figures import switch_off_unless_set

__all__ = ["HarvestSource", "harvest_source", "sync"]

switch_off_unless_set()


def harvest_source(
    since: str | date | datetime | None = None,
    account_id: int | str | list[int] | None = None,
    assignments: str | None = None,
) -> HarvestSource:
    """Returns the dlt source of Harvest: one resource per report, incremental by `updated_at` where the API allows.

    Settings and credentials come from section `sources.harvest` of dlt's configuration. A run reads what changed since
    the run before; choose reports with `with_resources("time_entries", "invoices")`. A report that cannot be read raises
    and nothing is loaded; `sync` keeps one report's failure its own, and also compares, removes and repairs.

    Args:
        since: only rows updated at or after this instant (ISO 8601, UTC where no zone is given); bookmarks stay as they
            are. `None`: what changed since the last run.
        account_id: one Harvest account, several, or `all`; default: the configured one, or the only one.
        assignments: `account` (account-wide lists) or `project` (one request per project); default: as configured.

    Raises:
        SettingError: a setting is missing or malformed, or somebody else may have written it.
    """
    refuse_strangers()
    settings = load_settings(_active_pipeline(), assignments=assignments)
    wanted = parse_account_ids(settings.account_id if account_id is None else account_id)
    auth, _note = build_auth(settings, accounts=wanted)
    client = HarvestClient(settings, auth)
    chosen = chosen_account(auth)
    wanted = (chosen,) if wanted is None and chosen is not None else wanted
    choice = Choice(since=None if since is None else parse_since("since", since))
    reader = Reader(client, settings, choice)
    return build_source(Run(reader, partial(choose_accounts, client, wanted)), [reader.report(name) for name in NAMES])


def _active_pipeline() -> str | None:
    """Returns the name of the pipeline that settings may stand under: the last one that was made, as for any source of dlt."""
    context = Container()[PipelineContext]
    return context.pipeline().pipeline_name if context.is_active() else None
