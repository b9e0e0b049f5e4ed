"""The command `status`: what was loaded, and when."""

from __future__ import annotations

from harvest_source.about import COMMAND
from harvest_source.commands.output import message, print_json, print_table
from harvest_source.commands.reading import reading
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.loading.history import last_runs
from harvest_source.settings import parse_account_ids


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
