"""The command `reports`: what can be loaded, and what of it the credentials may read."""

from __future__ import annotations

from harvest_source.catalogue.lookup import ALL_REPORTS
from harvest_source.commands.beginning import settings_of_command
from harvest_source.commands.output import message, print_json, print_table
from harvest_source.errors import HarvestError


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
        for report in ALL_REPORTS
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
        # what asks Harvest takes its time to import
        from harvest_source.commands.permissions import permissions_by_account  # noqa: PLC0415

        found = permissions_by_account(settings)
    except HarvestError as error:
        message(f"what your credentials may read is not shown: {error}")
        return {}
    if len(found) == 1:
        return next(iter(found.values()))
    return {
        report.name: ", ".join(f"{key}: {each[report.name]}" for key, each in found.items())
        for report in ALL_REPORTS
    }
