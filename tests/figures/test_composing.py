"""The select of a figure is whole in itself, and its text is the file's but for names of tables and the type of numbers."""

from __future__ import annotations

import textwrap
from pathlib import Path

import duckdb
import pytest
import sqlglot
from figures_tables import DATASET, create_tables
from sqlglot import exp

from harvest_source.figures.figure import Figure
from harvest_source.figures.figures import FIGURES
from harvest_source.figures.sql import (
    FOLDER,
    OPTIONAL,
    TEXTS,
    built_on,
    names_in,
    select_of,
    tables_needed,
    tables_of,
)

# as dlt writes the names of tables
QUALIFIED = {
    "duckdb": '"warehouse"."harvest"."{}"',
    "postgres": '"harvest"."{}"',
    "bigquery": "`my-project`.`harvest`.`{}`",
    "snowflake": '"HARVEST"."{}"',
}
DECIMAL = "decimal(20, 6)"
NUMBER = {"bigquery": "numeric"}  # which refuses digits in a cast
each_figure = pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
each_dialect = pytest.mark.parametrize("dialect", QUALIFIED)


@each_figure
@each_dialect
def test_every_table_has_its_dataset_and_no_other_text_changes(
    figure: Figure, dialect: str
) -> None:
    pattern = QUALIFIED[dialect]
    sql = select_of(figure.name, pattern.format, dialect)
    bare = sql
    for table in tables_of(figure.name):
        assert pattern.format(table) in sql
        bare = bare.replace(pattern.format(table), table)
    assert bare == select_of(figure.name, str, dialect)
    for below in built_on(figure.name, dialect)[:-1]:
        text = TEXTS[below].replace(DECIMAL, NUMBER.get(dialect, DECIMAL))
        assert f"{below} as (\n{textwrap.indent(text.strip(), '  ')}\n)" in bare


@each_figure
@each_dialect
def test_a_select_names_no_table_without_its_dataset(figure: Figure, dialect: str) -> None:
    sql = select_of(figure.name, QUALIFIED[dialect].format, dialect)
    tree = sqlglot.parse_one(sql, dialect=dialect)
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    without = {table.name for table in tree.find_all(exp.Table) if not table.db}
    assert without <= own


@each_figure
def test_on_bigquery_no_cast_has_digits(figure: Figure) -> None:
    tree = sqlglot.parse_one(select_of(figure.name, str, "bigquery"), dialect="postgres")
    assert not [cast.sql() for cast in tree.find_all(exp.Cast) if cast.to.expressions]


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("invoiced", []),
        ("receivables", []),
        ("tracked_time", ["account_now"]),
        (
            "utilisation",
            [
                "accounts_with_time_off",
                "approved_leave",
                "public_holidays",
                "account_now",
                "tracked_time",
                "user_days",
            ],
        ),
        (
            "over_budget_projects",
            ["account_now", "tracked_expenses", "tracked_time", "budget_burn"],
        ),
        (
            "effective_rate",
            ["account_now", "invoice_lines", "tracked_expenses", "tracked_time", "project_margin"],
        ),
    ],
)
def test_a_figure_brings_what_it_builds_on_in_an_order_that_runs(
    name: str, below: list[str]
) -> None:
    assert built_on(name, None) == [*below, name]


def test_a_figure_that_builds_on_none_stays_as_it_is() -> None:
    assert select_of("invoiced", str, "duckdb") == TEXTS["invoiced"]


@each_figure
def test_the_tables_that_are_named_are_enough(figure: Figure) -> None:
    with duckdb.connect() as connection:
        create_tables(connection.execute, tables_of(figure.name))
        sql = select_of(figure.name, f"{DATASET}.{{}}".format, "duckdb")
        assert connection.execute(sql).fetchall() == []


@each_figure
def test_none_of_the_tables_that_are_needed_can_be_missing(figure: Figure) -> None:
    for missing in tables_needed(figure.name):
        with duckdb.connect() as connection:
            create_tables(connection.execute, set(tables_of(figure.name)) - {missing})
            sql = select_of(figure.name, f"{DATASET}.{{}}".format, "duckdb")
            with pytest.raises(duckdb.CatalogException, match=missing):
                connection.execute(sql)


@each_dialect
def test_only_tables_of_paid_time_off_can_be_missing(dialect: str) -> None:
    """Nothing else of a figure changes where they are not there; each destination reads what stands there instead."""
    optional = {*tables_of("utilisation")} - {*tables_needed("utilisation")}
    assert optional == {each for each in tables_of("utilisation") if each.startswith("pto_")}
    whole = select_of("utilisation", str, dialect)
    assert whole == select_of("utilisation", str, dialect, there=tables_of("utilisation"))
    without = select_of("utilisation", str, dialect, there=tables_needed("utilisation"))
    tree = sqlglot.parse_one(without, dialect=dialect)
    read = {table.name for table in tree.find_all(exp.Table)}
    assert not read & optional
    assert read >= {*tables_needed("utilisation")}
    assert select_of("invoiced", str, dialect, there=()) == select_of("invoiced", str, dialect)


@pytest.mark.parametrize("optional", sorted(OPTIONAL.keys() & {*tables_of("utilisation")}))
def test_a_figure_has_the_same_columns_where_an_optional_table_is_missing(optional: str) -> None:
    read = tables_of("utilisation")
    with duckdb.connect() as connection:
        create_tables(connection.execute, read)
        names = f"{DATASET}.{{}}".format
        whole = connection.execute(select_of("utilisation", names, "duckdb")).description
        connection.execute(f"drop table {DATASET}.{optional}")
        sql = select_of("utilisation", names, "duckdb", there={*read} - {optional})
        assert connection.execute(sql).description == whole


def test_an_unknown_figure_is_an_error() -> None:
    with pytest.raises(KeyError):
        select_of("profit", str, "duckdb")


def test_each_file_is_a_figure_or_a_part_of_one() -> None:
    assert {path.stem for path in Path(FOLDER).glob("*.sql")} == {each.name for each in FIGURES}
    used = {name for text in TEXTS.values() for name in names_in(text, None)}
    assert {path.stem for path in (FOLDER / "parts").glob("*.sql")} <= used


@each_figure
def test_the_catalogue_names_columns_once_and_the_key_among_them(figure: Figure) -> None:
    names = [column.name for column in figure.columns]
    assert len(set(names)) == len(names)
    assert set(figure.key) <= set(names)
    assert names[0] == "account_id"
    assert all(column.description.endswith(".") for column in figure.columns)
