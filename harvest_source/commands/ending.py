"""What a run says at its end: a line per report, and one of the whole."""

from __future__ import annotations

import shlex
from decimal import Decimal
from typing import Any

import dlt

from harvest_source.about import COMMAND, DATASET_NAME
from harvest_source.commands.output import fits, print_table
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations import of
from harvest_source.loading.summary import ReportResult, Summary
from harvest_source.settings_files import shown_path

# of a narrow terminal: what a column is called there; others are left out
SHORT = {
    "report": "report",
    "new": "new",
    "changed": "chg",
    "deleted": "del",
    "total": "total",
    "verified": "verified",
}


def print_summary(summary: Summary) -> None:
    """Prints what a run did, a line per report; where that is too wide, an account at a time, and with fewer columns."""
    lines: dict[int, list[dict[str, Any]]] = {}
    for result in summary.results:
        lines.setdefault(result.account_id, []).append(_line(result))
    together = [{"account": account, **line} for account, of_it in lines.items() for line in of_it]
    if len(lines) > 1 and fits(list(together[0]), [list(line.values()) for line in together]):
        _print_lines(together)
        return
    for account, of_it in lines.items():
        _print_lines(of_it, f"account {account}" if len(lines) > 1 else None)


def _line(result: ReportResult) -> dict[str, Any]:
    return {
        "report": result.report,
        "new": result.new,
        "changed": result.changed,
        "deleted": result.deleted,
        "total": result.total,
        "requests": result.requests,
        "seconds": Decimal(f"{result.seconds:.1f}"),
        "verified": ("no" if result.loaded else "FAILED") if result.error else result.verified,
    }


def _print_lines(lines: list[dict[str, Any]], title: str | None = None) -> None:
    names = list(lines[0])
    rows = [list(line.values()) for line in lines]
    if fits(names, rows):
        print_table(names, rows, title)
    else:
        print_table(list(SHORT.values()), [[line[name] for name in SHORT] for line in lines], title)


def last_line(place: Workplace, pipeline: dlt.Pipeline, summary: Summary, seconds: float) -> str:
    """Returns whether the tables are complete, how long it took, where they are and how to look at them.

    Args:
        place: where the command works.
        pipeline: what the run loaded into.
        summary: what the run did.
        seconds: that it took.
    """
    failed = sum(bool(result.error) for result in summary.results)
    said = f"{'incomplete' if failed else 'complete'} after {duration(seconds)}"
    if failed:
        said += f": {failed} of {len(summary.results)} reports, see above"
    filled = [result.report for result in summary.results if result.total]
    if not filled:
        return said
    path = of(pipeline).place(pipeline)
    where = (
        f"{shown_path(str(path)) if path else place.destination}, dataset {place.stored_dataset}"
    )
    return f"{said}; the tables are in {where}; look at them: {show_command(place, filled)}"


def show_command(place: Workplace, filled: list[str]) -> str:
    """Returns a command that shows something of tables with rows, ready to be typed."""
    options = [
        *(["--demo"] if place.demo else []),
        *(["--destination", place.destination] if place.destination != "duckdb" else []),
        *(["--dataset", place.dataset] if place.dataset != DATASET_NAME else []),
    ]
    sql = (
        "select name, currency from clients"
        if "clients" in filled
        else f"select count(*) from {filled[0]}"
    )
    return f'{COMMAND} {shlex.join(["show", *options])} "{sql}"'


def duration(seconds: float) -> str:
    """Returns a time as a person says it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
