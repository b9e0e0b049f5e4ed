"""The commands of the program as click sees them, and the options that several of them have in common.

Whoever asks for `--help` waits for what this file imports: nothing of dlt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module

import click

from harvest_source.about import DATASET_NAME
from harvest_source.errors import SettingError
from harvest_source.signin.names import DEFAULT_NAME, checked_name

# a dataset is a folder's name too: of the working state, and where files are loaded
OF_PATHS = re.compile(r"[/\\]|\.\.")


def _check_dataset(
    _context: click.Context, _option: click.Parameter, dataset: str | None
) -> str | None:
    if dataset is None:
        return None
    if not dataset.strip():
        raise SettingError(f"--dataset is empty: leave it out for {DATASET_NAME}, or give a name")
    if OF_PATHS.search(dataset) or not dataset.isprintable():
        raise SettingError(
            "--dataset {} reads like a path: give a name without / \\ .. and control characters",
            quoted=(repr(dataset),),
        )
    return dataset


def _check_name(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    return None if name is None else checked_name(name)


COMMON = (
    click.Option(
        ["--demo"],
        is_flag=True,
        help="Use the built-in sandbox account: no sign-in, no settings, a database of its own.",
    ),
    click.Option(
        ["--destination"],
        metavar="NAME",
        default="duckdb",
        show_default=True,
        help="Any dlt destination.",
    ),
    click.Option(
        ["--dataset"],
        metavar="NAME",
        default=DATASET_NAME,
        show_default=True,
        callback=_check_dataset,
        help="Dataset (schema) of the tables.",
    ),
    click.Option(
        ["--account"],
        metavar="ID[,ID]",
        help="Harvest accounts, or all. Default: account_id, else the account chosen at sign-in, else the only one.",
    ),
    click.Option(["--quiet"], is_flag=True, help="Write less to standard error."),
    click.Option(
        ["--verbose"], is_flag=True, help="Write more to standard error, including tracebacks."
    ),
)
"""The options of every command that reads or writes tables."""

NAME = click.Option(
    ["--name"], metavar="N", callback=_check_name, help="Use the stored sign-in of this name."
)
LOGIN_NAME = click.Option(
    ["--name"],
    metavar="N",
    default=DEFAULT_NAME,
    show_default=True,
    callback=_check_name,
    help="Keep several sign-ins apart.",
)
JSON = click.Option(
    ["--json", "as_json"],
    is_flag=True,
    help="Print one JSON document on standard output, and nothing else there.",
)


class Command(click.Command):
    """A command whose work is in a file of its own, which is imported when the command is carried out."""

    def __init__(self, name: str, work: str, params: Sequence[click.Parameter], text: str) -> None:
        """Takes what `--help` shows, and where the work is.

        Args:
            name: as it is typed.
            work: file of this folder and function, such as `status.status`. It is given the values of the options by their
                names, those of `COMMON` as one `place`, and returns the exit code.
            params: its options and arguments.
            text: what it does.
        """
        super().__init__(name, params=list(params), help=text)
        self.work = work

    def import_work(self) -> Callable[..., int]:
        """Returns the function that does the work; imports what that needs."""
        file, _, function = self.work.partition(".")
        work: Callable[..., int] = getattr(
            import_module(f"harvest_source.commands.{file}"), function
        )
        return work

    def invoke(self, ctx: click.Context) -> int:
        """Carries the command out; `ctx.obj` is called once all is imported, before anything is done."""
        from harvest_source.commands.beginning import begin  # noqa: PLC0415 - brings dlt

        work = self.import_work()
        if ctx.obj is not None:
            ctx.obj()
        return work(**begin(ctx.params))


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
