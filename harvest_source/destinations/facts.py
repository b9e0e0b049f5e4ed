"""The kinds of facts that differ from one destination to another; each destination has a file with its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
from dlt.common.destination import Destination
from dlt.destinations.sql_client import SqlClientBase

CLASSES_OF_DLT = "dlt.destinations."  # where the classes are of destinations that dlt brings


@dataclass(frozen=True)
class Views:
    """How a destination keeps views; in a query, `%s` stands for the dataset, or for a view as a statement names it."""

    # asks for what stands in a dataset: names, whether each is a view, and their comments
    standing: str
    # asks for what hangs on a view, which is not dropped then; nothing where a view is dropped whatever hangs on it
    hanging: str = ""
    # asks for the statements that give others the rights again which go with a view, in their order, each behind the column that
    # it is about, which is null for the whole view; nothing where it has none
    grants: str = ""


@dataclass(frozen=True)
class Facts:
    """What is true of one kind of destination; as it stands here, of one that nobody has looked at."""

    # a server takes several files at once: with one after another, most of the time is waiting
    load_workers: int = 4
    is_tested: bool = False  # by this product, so that it need not be tried before a first load
    # whether it knows the statements that keep the values of a user's own columns in rows that change
    keeps_own_columns: bool = False
    # whether a column may be computed by the database, which takes no value then
    computes_columns: bool = True
    warnings: tuple[str, ...] = ()  # how warnings of its driver begin that mean nothing to a person
    # statements after which the database itself refuses to write, on this connection
    read_only: tuple[str, ...] = ()
    views: Views | None = None  # where views of the figures are made
    # asks for the tables of a dataset (`%s`), each with an empty name, and for their columns, with the comments on them; nothing
    # where none are set
    comments: str = ""
    # makes it ready to be opened; its credentials are settled before
    settle: Callable[[dlt.Pipeline], None] = lambda _: None
    # raises `SettingError` where a load could not work
    check: Callable[[dlt.Pipeline], None] = lambda _: None
    place: Callable[[dlt.Pipeline], Path | None] = lambda _: (
        None
    )  # the file or folder on this machine with the tables, if it is one
    # what `check` finds on an open connection; raises `SettingError`
    told: Callable[[SqlClientBase[Any]], str] = lambda _: ""
    # writes a row as loads do, into a table with an id
    write_one: Callable[[dlt.Pipeline, str], None] = lambda _, _table: None


def kind_of(destination: Destination[Any, Any] | None) -> str:
    """Returns dlt's name of the kind of a destination, however it was named or made; nothing for one that is not dlt's."""
    classes = type(destination).__mro__
    return next(
        (each.__name__ for each in classes if each.__module__.startswith(CLASSES_OF_DLT)), ""
    )
