"""The command line: what can be typed, and one line and an exit code for whatever comes of it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

import click

from harvest_source import about
from harvest_source.commands.options import (
    COMMON,
    JSON,
    LOGIN_NAME,
    NAME,
    Command,
    with_command_first,
)
from harvest_source.errors import CancelledError, exit_code_of, one_line
from harvest_source.exit_codes import INTERRUPTED, USAGE
from harvest_source.secrecy import without_secrets

LOADING = frozenset({"run", "verify"})
REPORTS = click.Option(
    ["--reports"],
    metavar="A,B",
    help="Only these reports: names of tables, separated by commas, or all. Without it all lists, and of Harvest's own reports "
    "(report_...) only report_project_budget.",
)
EXCLUDE = click.Option(["--exclude"], metavar="A,B", help="All reports except these.")
NOTIFY = click.Option(
    ["--notify"],
    metavar="URL",
    help="Post a short message to a webhook if something is wrong or was repaired.",
)
HEARTBEAT = click.Option(
    ["--heartbeat"],
    metavar="URL",
    help="Ping a dead man's switch: URL/start at the start, URL after a complete run, URL/fail after any other.",
)


def tell_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click gives it so
    """Prints what a report of a fault needs, and ends."""
    if not asked:
        return
    import platform  # noqa: PLC0415 - only this option needs it
    from importlib.metadata import version  # noqa: PLC0415 - as above

    versions = f"dlt {version('dlt')}, Python {platform.python_version()}"
    click.echo(f"{about.NAME} {about.VERSION} ({versions})")
    context.exit()


VERSION = click.Option(
    ["--version"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=tell_version,
    help="Show the version and exit.",
)

RUN = Command(
    "run",
    "run.run",
    (
        REPORTS,
        EXCLUDE,
        click.Option(
            ["--since"],
            metavar="DATE",
            help="Only rows updated at or after DATE, such as 2025-01-31 or 2025-01-31T08:00:00+02:00; UTC if it has no zone.",
        ),
        click.Option(
            ["--days-back"],
            type=int,
            metavar="N",
            help="Only rows updated in the last N days.",
        ),
        click.Option(
            ["--full-refresh"],
            is_flag=True,
            help="Load the chosen reports anew; replace the rows of the chosen accounts once the new load is complete.",
        ),
        click.Option(
            ["--accept-deletions"],
            is_flag=True,
            help="Remove rows deleted at Harvest even if they are more than half of a table.",
        ),
        click.Option(
            ["--drop-pending"],
            is_flag=True,
            help="Drop the unfinished load of an earlier run instead of finishing it.",
        ),
        click.Option(
            ["--no-views"], is_flag=True, help="Leave the views of the figures as they are."
        ),
        NOTIFY,
        HEARTBEAT,
        click.Option(
            ["--metrics"],
            metavar="FILE",
            help="Write the run's figures as Prometheus text, for a textfile collector.",
        ),
        JSON,
        *COMMON,
    ),
    """Load every report, or what changed since the last run.

    --since and --days-back hold for this run only: the next run without them continues where the last one without them
    ended. Reports that Harvest does not filter by date are loaded in full.
    """,
)
LOGIN = Command(
    "login",
    "signing.login",
    (
        click.Option(["--no-browser"], is_flag=True, help="Only print the address to open."),
        LOGIN_NAME,
        *COMMON,
    ),
    "Sign in with the browser, store the tokens and choose an account.",
)
LOGOUT = Command(
    "logout",
    "logout.logout",
    (LOGIN_NAME,),
    """Forget the stored tokens, and say where to revoke the access at Harvest.

    That includes the tokens that came from a configured refresh_token.
    """,
)
ACCOUNTS = Command(
    "accounts",
    "accounts.accounts",
    (JSON, NAME, *COMMON),
    "List the Harvest accounts that the credentials reach.",
)
CHECK = Command(
    "check",
    "checking.check",
    (JSON, NAME, *COMMON),
    "Try credentials, account, permissions and destination without loading, and say what to fix.",
)
LIST = Command(
    "reports",
    "reports.reports",
    (JSON,),
    """List the reports: name, endpoint, key, cursor, table.

    With credentials, the list also says what they may read.
    """,
)
STATUS = Command(
    "status",
    "status.status",
    (
        REPORTS,
        EXCLUDE,
        click.Option(
            ["--max-age"],
            metavar="AGE",
            help="End with 1 if a report was not complete for longer than AGE, such as 90m, 26h or 2d.",
        ),
        JSON,
        *COMMON,
    ),
    """Show the last run of every report: when, bookmark, rows, verified or not.

    With --max-age it asks about the reports that a run with the same --reports and --exclude loads, in every account that
    was ever loaded or that --account names.
    """,
)
VERIFY = Command(
    "verify",
    "run.verify",
    (
        REPORTS,
        EXCLUDE,
        click.Option(["--no-repair"], is_flag=True, help="Only say what differs."),
        NOTIFY,
        HEARTBEAT,
        JSON,
        *COMMON,
    ),
    "Compare every table with Harvest, and totals with Harvest's own reports; repair what differs.",
)
SHOW = Command(
    "show",
    "show.show",
    (
        click.Argument(["asked"], metavar="[FIGURE-OR-SQL]", required=False),
        click.Option(
            ["--csv", "as_csv"],
            is_flag=True,
            help="As CSV for programs: exact, even if a text looks like a formula.",
        ),
        click.Option(
            ["--spreadsheet", "as_spreadsheet"],
            is_flag=True,
            help="As CSV for Excel and the like: no text becomes a formula.",
        ),
        JSON,
        *COMMON,
    ),
    """Show a figure, or a query's rows, as a table. Alone, list the figures.

    It takes figures from the tables, also where their views are not made. In the table numbers of a figure are rounded; all
    other forms are exact. A query only reads: any other statement ends with exit code 2. Columns that open public pages
    without a login (statement_key, client_key) are hidden.
    """,
)
REPORT = Command(
    "report",
    "report.report",
    (
        click.Option(
            ["--out"],
            metavar="FILE",
            default="harvest_report.html",
            show_default=True,
            help="Write the page there.",
        ),
        click.Option(["--no-open"], is_flag=True, help="Leave the browser closed."),
        *COMMON,
    ),
    """Write the figures as one page of HTML, to look at, print or send.

    It shows this month and the twelve before it, budgets, work that is not invoiced, what clients owe, utilisation and effective
    rates, and needs nothing beside itself. On a terminal with a display your browser opens it.
    """,
)

cli = click.Group(
    "cli",
    [RUN, LOGIN, LOGOUT, ACCOUNTS, CHECK, LIST, STATUS, VERIFY, SHOW, REPORT],
    params=[VERSION],
    help="Load Harvest (time tracking, invoicing) into your own warehouse. Without a command: run.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def main(arguments: list[str], begins: Callable[[], None] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: as they were typed.
        begins: is called once all that the command needs is imported, before it does anything.

    Returns:
        its exit code.
    """
    verbose, command = "--verbose" in arguments, ""
    try:
        arguments = with_command_first(cli, arguments)
        command = arguments[0]
        code = cli.main(arguments, prog_name=about.COMMAND, standalone_mode=False, obj=begins)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        say(f"error: {error.format_message()} (see --help)", "red")
        return USAGE
    except (KeyboardInterrupt, click.Abort, CancelledError) as error:
        return interrupted(command, error)
    except Exception as error:  # noqa: BLE001 - whatever happens, a person gets one line
        from harvest_source.destinations.failures import is_interrupted  # noqa: PLC0415 - brings dlt

        if is_interrupted(error):
            return interrupted(command, error)
        if verbose:
            sys.stderr.write(without_secrets(traceback.format_exc()))
        say(f"error: {one_line(error)}", "red")
        return exit_code_of(error)


def interrupted(command: str, error: BaseException) -> int:
    """Says what Ctrl-C means for a command; returns its exit code."""
    if command in LOADING:
        say("interrupted: what was complete is loaded, the next run continues from here")
    else:
        say(f"interrupted: {error}" if isinstance(error, CancelledError) else "interrupted")
    return INTERRUPTED


def say(text: str, style: str = "") -> None:
    """Prints one message on standard error."""
    from harvest_source.commands.output import message  # noqa: PLC0415 - `--help` says nothing

    message(text, style)
