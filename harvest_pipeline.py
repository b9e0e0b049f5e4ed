"""The command line: `python harvest_pipeline.py [COMMAND] [OPTIONS]`. Options in, one call, exit code out."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from harvest_source.api.errors import CancelledError, HarvestError
from harvest_source.commands import listings
from harvest_source.commands import run as run_command
from harvest_source.commands import show as show_command
from harvest_source.commands.output import message
from harvest_source.commands.workplace import Workplace
from harvest_source.settings import DATASET_NAME

INTERRUPTED = 130
USAGE = 2

COMMON = [
    click.option("--demo", is_flag=True, help="Use the built-in sandbox account: no sign-in, no settings."),
    click.option("--destination", default="duckdb", show_default=True, help="Any dlt destination."),
    click.option("--dataset", default=DATASET_NAME, show_default=True, help="Dataset (schema) of the tables."),
    click.option("--account", metavar="ID[,ID]", help="Harvest accounts, or all; default: the configured or the only one."),
    click.option("--quiet", is_flag=True, help="Less on standard error."),
    click.option("--verbose", is_flag=True, help="More on standard error, tracebacks too."),
]
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output, nothing else there.")


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of every command that reads or writes tables; hands them on as one `place`."""

    def with_place(**options: Any) -> Any:
        names = ("demo", "destination", "dataset", "account", "quiet", "verbose")
        return command(place=Workplace(**{name: options.pop(name) for name in names}), **options)

    with_place.__doc__, with_place.__name__ = command.__doc__, command.__name__
    with_place.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(COMMON):
        with_place = option(with_place)
    return with_place


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Load Harvest (time tracking, invoicing) into your own warehouse. Without a command: run."""


@cli.command("run")
@click.option("--reports", metavar="A,B", help="Only these reports, by table name; all is every one.")
@click.option("--exclude", metavar="A,B", help="All reports but these.")
@click.option("--since", metavar="DATE", help="Only rows updated at or after DATE (ISO 8601, UTC without a zone).")
@click.option("--days-back", type=int, metavar="N", help="The same, N days before now.")
@click.option("--full-refresh", is_flag=True, help="Load the chosen reports anew and replace the accounts' rows.")
@click.option("--accept-deletions", is_flag=True, help="Remove rows gone at Harvest even if more than half of a table.")
@click.option("--drop-pending", is_flag=True, help="Drop a pending load of an earlier run instead of finishing it.")
@JSON
@place_options
def run(place: Workplace, as_json: bool, **options: Any) -> int:  # noqa: FBT001 - click names it
    """Load every report, or what changed since the last run."""
    return run_command.run(place, run_command.RunOptions(json=as_json, **options))


@cli.command("reports")
@JSON
def reports(as_json: bool) -> int:  # noqa: FBT001 - click names it
    """List the reports: name, endpoint, key, cursor, table."""
    return listings.reports(as_json=as_json)


@cli.command("status")
@JSON
@place_options
def status(place: Workplace, as_json: bool) -> int:  # noqa: FBT001 - click names it
    """Show the last run of every report: when, bookmark, rows, verified or not."""
    return listings.status(place, as_json=as_json)


@cli.command("show")
@click.argument("sql", metavar="SQL")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV.")
@JSON
@place_options
def show(place: Workplace, sql: str, as_csv: bool, as_json: bool) -> int:  # noqa: FBT001 - click names them
    """Show a query's rows as a table."""
    return show_command.show(place, sql, as_csv=as_csv, as_json=as_json)


def with_command_first(arguments: list[str]) -> list[str]:
    """Returns the arguments with the command in front, `run` where none is named: options may stand before it."""
    with_value = {
        name
        for command in cli.commands.values()
        for param in command.params
        if isinstance(param, click.Option) and not param.is_flag
        for name in param.opts
    }
    value_follows = False
    for place, argument in enumerate(arguments):
        if not value_follows and not argument.startswith("-"):
            if argument in cli.commands:
                return [argument, *arguments[:place], *arguments[place + 1 :]]
            break
        value_follows = not value_follows and argument in with_value
    return arguments if arguments in (["--help"], ["-h"]) else ["run", *arguments]


def main(arguments: list[str]) -> int:
    """Runs one command; returns its exit code."""
    verbose = "--verbose" in arguments
    try:
        code = cli.main(with_command_first(arguments), prog_name="harvest_pipeline.py", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        message(f"error: {error.format_message()} (see --help)", "red")
        return USAGE
    except (KeyboardInterrupt, click.Abort, CancelledError):
        message("interrupted: what was complete is loaded, the next run goes on from here")
        return INTERRUPTED
    except HarvestError as error:
        if verbose:
            traceback.print_exc()
        message(f"error: {error}", "red")
        return run_command.exit_code_of(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
