"""Makes the views of the figures, with comments, and drops them; what differs from one destination to another are its `Views`.

The comment of a view ends with a mark, by which it is known for the product's own and for what it was made of: a view that is
as it should be costs no statement, and one of somebody else's is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationException
from dlt.destinations.sql_client import SqlClientBase

from harvest_source.about import NAME, VERSION
from harvest_source.destinations import of
from harvest_source.destinations.facts import Views
from harvest_source.destinations.statements import comment_on, execute_all, stored_name
from harvest_source.errors import first_line
from harvest_source.figures.figure import Figure
from harvest_source.figures.figures import FIGURES
from harvest_source.figures.sql import TEXTS, select_of, tables_needed, tables_of

# in the pipeline's local state: the views of which was said that their tables are not there
TOLD = "views_without_tables"
MARK = re.compile(rf"\({re.escape(NAME)} ([0-9a-f]{{16}})\)$")

OF_ONE = ("view", "stays as it was", "is not made")
OF_SEVERAL = ("views", "stay as they were", "are not made")


@dataclass(frozen=True)
class Relation:
    """What stands in a dataset under a name."""

    is_view: bool
    comment: str | None

    @property
    def mark(self) -> str | None:
        """Returns what a view of this product was made of; `None` for whatever is somebody else's."""
        found = MARK.search(self.comment or "") if self.is_view else None
        return found and found[1]


@dataclass
class Report:
    """Why views are not as they should be."""

    lacking: dict[str, list[str]] = field(default_factory=dict)  # view: tables
    taken: list[str] = field(default_factory=list)
    # whether the view stays as it was, and why it cannot be made anew: views
    failed: dict[tuple[bool, str], list[str]] = field(default_factory=dict)

    def notes(self, *, tells_lacking: bool) -> Iterator[str]:
        """Yields what the summary says."""
        if self.lacking and tells_lacking:
            tables = sorted({table for each in self.lacking.values() for table in each})
            yield (
                f"views not made, since tables are not there ({', '.join(tables)}): {', '.join(self.lacking)}"
            )
        if self.taken:
            yield (
                "views not made, since something that is not this product's has their names "
                f"(rename it, or run with --no-views): {', '.join(self.taken)}"
            )
        for (stays, why), names in self.failed.items():
            what = OF_SEVERAL if len(names) > 1 else OF_ONE
            yield f"{what[0]} {', '.join(names)} {what[1] if stays else what[2]}: {why}"


def make_views(pipeline: dlt.Pipeline) -> list[str]:
    """Makes the views that are missing or made of another text; a destination of which no views are known is left alone.

    Args:
        pipeline: of a run, with the tables in place.

    Returns:
        what the summary says: why views were not made. The tables are right all the same. Which tables are not there is said
        once, not by every run of a few reports.
    """
    views = of(pipeline).views
    if views is None:
        return []
    report = Report()
    with pipeline.sql_client() as client:
        standing = _standing(client, views)
        for figure in FIGURES:
            if figure.name in standing and standing[figure.name].mark is None:
                report.taken.append(figure.name)
            elif figure.name not in standing or standing[figure.name].mark != _mark(
                figure, client, standing
            ):
                _make_if_possible(client, views, figure, standing, report)
    return list(report.notes(tells_lacking=_is_news(pipeline, sorted(report.lacking))))


def _is_news(pipeline: dlt.Pipeline, lacking: list[str]) -> bool:
    """Returns whether the last run on this machine lacked tables for other views; keeps those of this run."""
    with suppress(KeyError):  # no run has lacked any
        if pipeline.get_local_state_val(TOLD) == lacking:
            return False
    pipeline.set_local_state_val(TOLD, lacking)
    return True


def make_way(pipeline: dlt.Pipeline, dropped: Collection[str]) -> list[str]:
    """Drops the views of figures on tables that are to go, where none can go on which a view hangs; a run makes them anew.

    Args:
        pipeline: that is about to drop tables.
        dropped: these tables; those of the lists in their rows go with them.

    Returns:
        why some are still there: what hangs on them is not this product's, and is not dropped.
    """
    views = of(pipeline).views
    if views is None or not views.hanging:
        return []
    left = []
    with pipeline.sql_client() as client:
        standing = _standing(client, views)
        for name in (figure.name for figure in FIGURES if _reads(figure, dropped)):
            if name in standing and standing[name].mark:
                try:
                    client.execute_sql(f"drop view {client.make_qualified_table_name(name)}")
                except DestinationException as error:
                    left.append(f"view {name} is not dropped: {_why(client, views, name, error)}")
    return left


def _reads(figure: Figure, tables: Collection[str]) -> bool:
    """Returns whether a figure reads one of some tables, or a list in its rows."""
    return any({table, table.partition("__")[0]} & {*tables} for table in tables_of(figure.name))


def _standing(client: SqlClientBase[Any], views: Views) -> dict[str, Relation]:
    found = client.execute_sql(views.standing, stored_name(client)) or ()
    # where `Invoiced` and `invoiced` are one name, figures are found under either
    fold = str if client.capabilities.has_case_sensitive_identifiers else str.lower
    return {fold(name): Relation(bool(is_view), comment) for name, is_view, comment in found}


def _mark(figure: Figure, client: SqlClientBase[Any], standing: Mapping[str, Relation]) -> str:
    """Returns what tells what a view is made of, at no cost: a select is put together in milliseconds, a run asks for twelve.

    A version may put them together otherwise, and any of the texts may be part of any. A table that it can do without may come.
    """
    without = [table for table in tables_of(figure.name) if table not in standing]
    name = client.make_qualified_table_name("t")
    made_of = (VERSION, name, figure, sorted(TEXTS.items()), without)
    return sha256(repr(made_of).encode()).hexdigest()[:16]


def _make_if_possible(
    client: SqlClientBase[Any],
    views: Views,
    figure: Figure,
    standing: Mapping[str, Relation],
    report: Report,
) -> None:
    """Makes a view, or notes why it is not made."""
    lacking = [table for table in tables_needed(figure.name) if table not in standing]
    if lacking:
        report.lacking[figure.name] = lacking
        return
    try:
        _make(client, views, figure, standing)
    except DestinationException as error:
        why = _why(client, views, figure.name, error)
        report.failed.setdefault((figure.name in standing, why), []).append(figure.name)


def _make(
    client: SqlClientBase[Any], views: Views, figure: Figure, standing: Mapping[str, Relation]
) -> None:
    """Makes a view anew, at once and with its comments; readers go on reading the old one until then.

    Postgres replaces no view by one that lacks a column of it, or has another under that name: it is dropped then, and what
    others may do with it is granted again.
    """
    name = client.make_qualified_table_name(figure.name)
    dialect = client.capabilities.sqlglot_dialect
    select = select_of(
        figure.name, client.make_qualified_table_name, dialect, there=standing.keys()
    )
    comments = list(_comments(client, figure, _mark(figure, client, standing)))
    try:
        execute_all(client, f"create or replace view {name} as\n{select}", *comments)
    except DestinationException:
        grants = client.execute_sql(views.grants, name) if views.grants else ()
        columns = {None, *(column.name for column in figure.columns)}
        again = (statement for column, statement in grants or () if column in columns)
        execute_all(
            client,
            f"drop view if exists {name}",
            f"create view {name} as\n{select}",
            *comments,
            *again,
        )


def _comments(client: SqlClientBase[Any], figure: Figure, mark: str) -> Iterator[str]:
    name = client.make_qualified_table_name(figure.name)
    text = f"{figure.meaning} ({NAME} {mark})"
    yield comment_on(f"view {name}", text)
    for column in figure.columns:
        column_name = client.escape_column_name(column.name)
        yield comment_on(f"column {name}.{column_name}", column.description)


def _why(client: SqlClientBase[Any], views: Views, name: str, error: DestinationException) -> str:
    """Returns why a view could not be made anew or dropped: what hangs on it, else what the database said."""
    view = client.make_qualified_table_name(name)
    try:
        found = client.execute_sql(views.hanging, view) if views.hanging else ()
    except DestinationException:  # there is no such view
        found = ()
    hanging = ", ".join(each for (each,) in found or ())
    said = first_line(error)
    return f"it is used by {hanging}; drop that and run again ({said})" if hanging else said
