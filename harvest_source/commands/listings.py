"""The commands `reports` and `status`: what can be loaded, and what was."""

from __future__ import annotations

from harvest_source.commands.output import message, print_json, print_table
from harvest_source.commands.workplace import Workplace, setting_errors
from harvest_source.reports.catalogue import REPORTS
from harvest_source.syncing.history import last_runs
from harvest_source.syncing.warehouse import Warehouse


def reports(*, as_json: bool) -> int:
    """Prints the reports: name, Domo's name, endpoint, key, cursor, table."""
    columns = ["report", "in Domo", "endpoint", "key", "cursor", "table"]
    rows = [
        [
            report.name,
            report.domo or "-",
            "/" + report.path.replace("{parent_id}", "{id}"),
            ", ".join(("account_id", *report.key)),
            "updated_at" if report.takes_updated_since and report.parent is None else "-",
            report.name,
        ]
        for report in REPORTS
    ]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)
    return 0


def status(place: Workplace, *, as_json: bool) -> int:
    """Prints the last run of every report: when, bookmark, rows, verified or not."""
    pipeline = place.pipeline()
    with setting_errors(place.destination):
        pipeline.sync_destination()
        with Warehouse(pipeline) as warehouse:
            runs = last_runs(warehouse)
    columns = ["account_id", "report", "finished_at", "bookmark", "rows_here", "verified", "error"]
    rows = [[run.get(column) for column in columns] for run in runs]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif rows:
        print_table(columns, rows)
    else:
        message("nothing is loaded yet: python harvest_pipeline.py")
    return 0
