"""Declares the commands and their options: options in, one call, exit code out."""

from __future__ import annotations

import platform
import sys
import traceback
from typing import Any

import click
import dlt

from harvest_source import about
from harvest_source.commands import checking, listings, signing
from harvest_source.commands import run as run_command
from harvest_source.commands import show as show_command
from harvest_source.commands.options import (
    JSON,
    LOGIN_NAME,
    NAME,
    Commands,
    place_options,
    with_command_first,
)
from harvest_source.commands.output import message, show_log
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations.failures import is_interrupted
from harvest_source.errors import CancelledError, exit_code_of, one_line
from harvest_source.exit_codes import INTERRUPTED, USAGE
from harvest_source.secrecy import without_secrets
from harvest_source.settings_files import pass_over_marks
from harvest_source.usage_figures import switch_off

LOADING = frozenset({"run", "verify"})
REPORTS = click.option(
    "--reports",
    metavar="A,B",
    help="Only these reports: names of tables, separated by commas, or all.",
)
EXCLUDE = click.option("--exclude", metavar="A,B", help="All reports except these.")
NOTIFY = click.option(
    "--notify",
    metavar="URL",
    help="Post a short message to a webhook if something is wrong or was repaired.",
)


VERSIONS = (
    f"{about.NAME} {about.VERSION} (dlt {dlt.__version__}, Python {platform.python_version()})"
)


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(about.VERSION, message=VERSIONS)
def cli() -> None:
    """Load Harvest (time tracking, invoicing) into your own warehouse. Without a command: run."""


@cli.command("run")
@REPORTS
@EXCLUDE
@click.option(
    "--since",
    metavar="DATE",
    help="Only rows updated at or after DATE, such as 2025-01-31 or 2025-01-31T08:00:00+02:00; UTC if it has no zone.",
)
@click.option("--days-back", type=int, metavar="N", help="Only rows updated in the last N days.")
@click.option(
    "--full-refresh",
    is_flag=True,
    help="Load the chosen reports anew; replace the rows of the chosen accounts once the new load is complete.",
)
@click.option(
    "--accept-deletions",
    is_flag=True,
    help="Remove rows deleted at Harvest even if they are more than half of a table.",
)
@click.option(
    "--drop-pending",
    is_flag=True,
    help="Drop the unfinished load of an earlier run instead of finishing it.",
)
@NOTIFY
@JSON
@place_options
def run(place: Workplace, as_json: bool, **options: Any) -> int:  # noqa: FBT001 - click names it
    """Load every report, or what changed since the last run.

    --since and --days-back hold for this run only: the next run without them continues where the last one without them
    ended. Reports that Harvest does not filter by date are loaded in full.
    """
    return run_command.run(place, run_command.RunOptions(json=as_json, **options))


@cli.command("login")
@click.option("--no-browser", is_flag=True, help="Only print the address to open.")
@LOGIN_NAME
@place_options
def login(place: Workplace, name: str, no_browser: bool) -> int:  # noqa: FBT001 - click names it
    """Sign in with the browser, store the tokens and choose an account."""
    return signing.login(place, name=name, no_browser=no_browser)


@cli.command("logout")
@LOGIN_NAME
def logout(name: str) -> int:
    """Forget the stored tokens, and say where to revoke the access at Harvest.

    That includes the tokens that came from a configured refresh_token.
    """
    return signing.logout(name=name)


@cli.command("accounts")
@JSON
@NAME
@place_options
def accounts(place: Workplace, name: str | None, as_json: bool) -> int:  # noqa: FBT001 - click names it
    """List the Harvest accounts that the credentials reach."""
    return checking.accounts(place, name=name, as_json=as_json)


@cli.command("check")
@JSON
@NAME
@place_options
def check(place: Workplace, name: str | None, as_json: bool) -> int:  # noqa: FBT001 - click names it
    """Try credentials, account, permissions and destination without loading, and say what to fix."""
    return checking.check(place, name=name, as_json=as_json)


@cli.command("reports")
@JSON
def reports(as_json: bool) -> int:  # noqa: FBT001 - click names it
    """List the reports: name, endpoint, key, cursor, table.

    With credentials, the list also says what they may read.
    """
    return listings.reports(as_json=as_json)


@cli.command("status")
@JSON
@place_options
def status(place: Workplace, as_json: bool) -> int:  # noqa: FBT001 - click names it
    """Show the last run of every report: when, bookmark, rows, verified or not."""
    return listings.status(place, as_json=as_json)


@cli.command("verify")
@REPORTS
@EXCLUDE
@click.option("--no-repair", is_flag=True, help="Only say what differs.")
@NOTIFY
@JSON
@place_options
def verify(place: Workplace, no_repair: bool, as_json: bool, **options: Any) -> int:  # noqa: FBT001 - click names them
    """Compare every table with Harvest, and totals with Harvest's own reports; repair what differs."""
    return run_command.verify(
        place, run_command.RunOptions(json=as_json, repairs=not no_repair, totals=True, **options)
    )


@cli.command("show")
@click.argument("sql", metavar="SQL")
@click.option(
    "--csv",
    "as_csv",
    is_flag=True,
    help="As CSV for programs: exact, even if a text looks like a formula.",
)
@click.option(
    "--spreadsheet",
    "as_spreadsheet",
    is_flag=True,
    help="As CSV for Excel and the like: no text becomes a formula.",
)
@JSON
@place_options
def show(place: Workplace, sql: str, **form: bool) -> int:
    """Show a query's rows as a table.

    It only reads: any other statement ends with exit code 2. It hides columns that open public pages without a login
    (statement_key, client_key).
    """
    return show_command.show(place, sql, **form)


def main(arguments: list[str]) -> int:
    """Runs one command; returns its exit code."""
    verbose, command = "--verbose" in arguments, ""
    show_log(shown=verbose)
    try:
        switch_off()
        pass_over_marks()
        arguments = with_command_first(cli, arguments)
        command = arguments[0]
        code = cli.main(arguments, prog_name=about.COMMAND, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        message(f"error: {error.format_message()} (see --help)", "red")
        return USAGE
    except (KeyboardInterrupt, click.Abort, CancelledError) as error:
        return interrupted(command, error)
    except Exception as error:  # noqa: BLE001 - whatever happens, a person gets one line
        if is_interrupted(error):
            return interrupted(command, error)
        if verbose:
            sys.stderr.write(without_secrets(traceback.format_exc()))
        message(f"error: {one_line(error)}", "red")
        return exit_code_of(error)


def interrupted(command: str, error: BaseException) -> int:
    """Says what Ctrl-C means for a command; returns its exit code."""
    if command in LOADING:
        message("interrupted: what was complete is loaded, the next run continues from here")
    else:
        message(f"interrupted: {error}" if isinstance(error, CancelledError) else "interrupted")
    return INTERRUPTED
