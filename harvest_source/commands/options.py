"""The options that several commands have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import reduce, wraps
from typing import Any

import click

from harvest_source.commands.access import tell_other_hosts
from harvest_source.commands.workplace import Workplace
from harvest_source.errors import SettingError
from harvest_source.settings import DATASET_NAME
from harvest_source.signin.tokens import DEFAULT_NAME, checked_name
from harvest_source.strangers import refuse_strangers

COMMON = [
    click.option(
        "--demo",
        is_flag=True,
        help="Use the built-in sandbox account: no sign-in, no settings, a database of its own.",
    ),
    click.option(
        "--destination",
        metavar="NAME",
        default="duckdb",
        show_default=True,
        help="Any dlt destination.",
    ),
    click.option(
        "--dataset",
        metavar="NAME",
        default=DATASET_NAME,
        show_default=True,
        help="Dataset (schema) of the tables.",
    ),
    click.option(
        "--account",
        metavar="ID[,ID]",
        help="Harvest accounts, or all. Default: account_id, else the account chosen at sign-in, else the only one.",
    ),
    click.option("--quiet", is_flag=True, help="Write less to standard error."),
    click.option(
        "--verbose", is_flag=True, help="Write more to standard error, including tracebacks."
    ),
]
# a dataset is a folder's name too: of the working state, and where files are loaded
OF_PATHS = re.compile(r"[/\\]|\.\.")


def _check_name(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    return None if name is None else checked_name(name)


NAME = click.option(
    "--name", metavar="N", callback=_check_name, help="Use the stored sign-in of this name."
)
LOGIN_NAME = click.option(
    "--name",
    metavar="N",
    default=DEFAULT_NAME,
    show_default=True,
    callback=_check_name,
    help="Keep several sign-ins apart.",
)
JSON = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document on standard output, and nothing else there.",
)


class Command(click.Command):
    """A command that first refuses settings of strangers, and says where the token goes if not to Harvest."""

    def invoke(self, ctx: click.Context) -> Any:
        """Carries the command out; before it no setting is read."""
        refuse_strangers()
        if not ctx.params.get("demo"):
            tell_other_hosts()
        return super().invoke(ctx)


class Commands(click.Group):
    """The commands of the program."""

    command_class = Command


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of every command that reads or writes tables; hands them on as one `place`."""

    @wraps(command)  # with the options that click has put on it so far
    def with_place(**options: Any) -> Any:
        if not options["dataset"].strip():
            raise SettingError(
                f"--dataset is empty: leave it out for {DATASET_NAME}, or give a name"
            )
        if OF_PATHS.search(options["dataset"]) or not options["dataset"].isprintable():
            raise SettingError(
                "--dataset {} reads like a path: give a name without / \\ .. and control characters",
                quoted=(repr(options["dataset"]),),
            )
        names = ("demo", "destination", "dataset", "account", "quiet", "verbose")
        return command(place=Workplace(**{name: options.pop(name) for name in names}), **options)

    return reduce(lambda wrapped, option: option(wrapped), reversed(COMMON), with_place)


def with_command_first(cli: click.Group, arguments: list[str]) -> list[str]:
    """Returns the arguments with the command in front, `run` where none is named: options may stand before it.

    Raises:
        click.UsageError: the first word is no command.
    """
    if "--version" in arguments:
        return ["--version"]
    options = [
        param
        for command in cli.commands.values()
        for param in command.params
        if isinstance(param, click.Option)
    ]
    takes_value = {name: not option.is_flag for option in options for name in option.opts} | {
        "--help": False,
        "-h": False,
    }
    value_follows = False
    for place, argument in enumerate(arguments):
        if not value_follows and not argument.startswith("-"):
            if argument in cli.commands:
                return [argument, *arguments[:place], *arguments[place + 1 :]]
            near = get_close_matches(argument, cli.commands, 1)
            meant = (
                f"did you mean {near[0]}?" if near else f"commands are: {', '.join(cli.commands)}"
            )
            raise click.UsageError(f"there is no command {argument!r}; {meant}")
        if not value_follows and argument.partition("=")[0] not in takes_value:
            break  # an option that there is not: the next word may be its value
        value_follows = not value_follows and takes_value.get(argument, False)
    return arguments if arguments in (["--help"], ["-h"]) else ["run", *arguments]
