"""The options that several commands have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from harvest_source.api.tokens import DEFAULT_NAME
from harvest_source.commands.workplace import Workplace
from harvest_source.settings import DATASET_NAME

COMMON = [
    click.option("--demo", is_flag=True, help="Use the built-in sandbox account: no sign-in, no settings."),
    click.option("--destination", default="duckdb", show_default=True, help="Any dlt destination."),
    click.option("--dataset", default=DATASET_NAME, show_default=True, help="Dataset (schema) of the tables."),
    click.option("--account", metavar="ID[,ID]", help="Harvest accounts, or all; default: the configured or the only one."),
    click.option("--quiet", is_flag=True, help="Less on standard error."),
    click.option("--verbose", is_flag=True, help="More on standard error, tracebacks too."),
]
NAME = click.option("--name", metavar="N", help="The stored sign-in of this name.")
LOGIN_NAME = click.option("--name", metavar="N", default=DEFAULT_NAME, show_default=True, help="Keeps several sign-ins apart.")
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
