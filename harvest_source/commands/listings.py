"""The commands `reports` and `status`: what can be loaded, and what was."""

from __future__ import annotations

from harvest_source.about import COMMAND
from harvest_source.api.accounts import look_up
from harvest_source.catalogue.reports import REPORTS
from harvest_source.commands.access import settings_of_command
from harvest_source.commands.output import message, print_json, print_table
from harvest_source.commands.permissions import permissions
from harvest_source.commands.reading import reading
from harvest_source.commands.workplace import Workplace
from harvest_source.connection import connect
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import HarvestError
from harvest_source.loading.history import last_runs
from harvest_source.settings import parse_account_ids


def reports(*, as_json: bool) -> int:
    """Prints the reports: name, Domo's name, endpoint, key, cursor, table; with credentials also what they may read."""
    readable = _readable()
    columns = [
        "report",
        "in Domo",
        "endpoint",
        "key",
        "cursor",
        "table",
        *(["may be read"] if readable else []),
    ]
    rows = [
        [
            report.name,
            report.domo or "-",
            "/" + report.path.replace("{parent_id}", "{id}"),
            ", ".join(report.whole_key),
            "updated_at" if report.takes_updated_since and report.parent is None else "-",
            report.name,
            *([readable[report.name]] if readable else []),
        ]
        for report in REPORTS
    ]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)
    return 0


def _readable() -> dict[str, str]:
    """Returns what the credentials may read of each report; nothing where there are none, or they do not work."""
    try:
        settings = settings_of_command()
        if not (settings.access_token or settings.refresh_token or settings.client_id):
            return {}
        connection = connect(settings)
        with connection.client as client:
            found = {
                account.id: permissions(client, look_up(client, account))
                for account in connection.accounts()
            }
    except HarvestError as error:
        message(f"what your credentials may read is not shown: {error}")
        return {}
    if len(found) == 1:
        return next(iter(found.values()))
    return {
        report.name: ", ".join(f"{key}: {each[report.name]}" for key, each in found.items())
        for report in REPORTS
    }


def status(place: Workplace, *, as_json: bool) -> int:
    """Prints the last run of every report, of the accounts of the option or all: when, bookmark, rows, verified or not.

    Raises:
        SettingError: an account id is malformed.
    """
    wanted = parse_account_ids(place.account)
    runs = []
    with reading(place) as pipeline:
        if pipeline is not None:
            with Warehouse(pipeline) as warehouse:
                runs = last_runs(warehouse)
    columns = ["account_id", "report", "finished_at", "bookmark", "rows_here", "verified", "error"]
    rows = [
        [run.get(column) for column in columns]
        for run in runs
        if not wanted or run.get("account_id") in wanted
    ]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif rows:
        print_table(columns, rows)
    else:
        message(
            "nothing is loaded yet"
            + (" of this account" if wanted and runs else "")
            + f": {COMMAND}"
        )
    return 0
