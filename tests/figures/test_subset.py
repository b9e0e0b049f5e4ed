"""The SQL of the figures keeps to what DuckDB, Postgres, BigQuery and Snowflake understand in the same way."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import sqlglot
from sqlglot import exp

from harvest_source.figures.sql import TEXTS, names_in

DIALECTS = ("duckdb", "postgres", "bigquery", "snowflake")
CALENDAR = "calendar"

CLAUSES = (exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.With, exp.CTE, exp.Union)
NAMES = (exp.Table, exp.TableAlias, exp.Alias, exp.Column, exp.Identifier)
VALUES = (exp.Literal, exp.Null, exp.Boolean)
CONDITIONS = (exp.And, exp.Or, exp.Not, exp.Is, exp.In)
COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.DPipe)
FUNCTIONS = (exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Sum, exp.Min, exp.Max, exp.Count)
TYPES = (exp.Cast, exp.DataType, exp.DataTypeParam)
ALLOWED = (*CLAUSES, *NAMES, *VALUES, *CONDITIONS, *COMPARISONS, *ARITHMETIC, *FUNCTIONS, *TYPES)
# the moment at which a project was created is the only one that counts as a day
CASTS_TO_DAY = {"CAST(p.created_at AS DATE)", "CAST(NULL AS DATE)"}
DECIMAL = "DECIMAL(20, 6)"
JOINS = {"", "LEFT"}

# each breaks one rule: the rules see something
BROKEN = {
    "a function of one database": "select date_trunc('month', t.day) as month from tracked_time as t",
    "a window": "select sum(t.hours) over (partition by t.user_id) as hours from tracked_time as t",
    "a filter": "select sum(t.hours) filter (where t.is_billed) as hours from tracked_time as t",
    "rounding": "select round(t.hours, 2) as hours from tracked_time as t",
    "an order": "select t.hours from tracked_time as t order by t.hours",
    "a limit": "select t.hours from tracked_time as t limit 1",
    "having": "select t.user_id from tracked_time as t group by t.user_id having sum(t.hours) > 1",
    "distinct": "select distinct t.user_id from tracked_time as t",
    "a union without all": "select t.day from tracked_time as t union select t.day from tracked_time as t",
    "a cast to whole numbers, of which no two databases have the same name": (
        "select cast(t.hours as bigint) as hours from tracked_time as t"
    ),
    "a cast to double": "select cast(t.hours as double) as hours from tracked_time as t",
    "another cast to a day": "select cast(t.day as date) as day from tracked_time as t",
    "all columns": "select * from tracked_time as t",
    "all columns of one": "select t.* from tracked_time as t",
    "a quoted name": 'select t."day" from tracked_time as t',
    "a column without its table": "select day from tracked_time as t",
    "a table without an alias": "select tracked_time.day from tracked_time",
    "a division that is not cast": "select t.amount / nullif(t.hours, 0) as rate from tracked_time as t",
    "a group by a position": "select t.day from tracked_time as t group by 1",
    "a join without the account": "select t.day from tracked_time as t join users as u on u.id = t.user_id",
    "a full join": (
        "select t.day from tracked_time as t full join users as u on u.account_id = t.account_id"
    ),
    "a cross join": "select t.day from tracked_time as t cross join users as u",
    "a subquery": "select t.day from (select e.day from tracked_time as e) as t",
    "a CTE named as its column": "with day as (select t.day from tracked_time as t) select d.day from day as d",
    "a CTE named as a table": (
        "with clients as (select t.day from tracked_time as t) select c.day from clients as c"
    ),
}


def faults(sql: str, dialect: str | None = None) -> set[str]:
    """Returns what in a text does not keep to the rules."""
    tree = sqlglot.parse_one(sql, dialect=dialect)
    return {
        *_unknown(tree),
        *_names(tree),
        *_casts(tree),
        *_joins(tree),
        *_groups_and_unions(tree),
        *_ctes(tree),
    }


def _unknown(tree: exp.Expr) -> Iterable[str]:
    for node in tree.walk():
        counts_rows = isinstance(node, exp.Star) and isinstance(node.parent, exp.Count)
        if not isinstance(node, ALLOWED) and not counts_rows:
            yield f"{type(node).__name__}: {node.sql()}"
        if isinstance(node, exp.Select) and node.args.get("distinct"):
            yield "distinct"


def _names(tree: exp.Expr) -> Iterable[str]:
    for identifier in tree.find_all(exp.Identifier):
        if identifier.quoted:
            yield f"quoted: {identifier.sql()}"
    for column in tree.find_all(exp.Column):
        if not column.table:
            yield f"no table: {column.sql()}"
    for table in tree.find_all(exp.Table):
        if table.alias in ("", table.name):
            yield f"no alias: {table.sql()}"


def _casts(tree: exp.Expr) -> Iterable[str]:
    for cast in tree.find_all(exp.Cast):
        if cast.to.sql() != DECIMAL and cast.sql() not in CASTS_TO_DAY:
            yield f"cast: {cast.sql()}"
    for division in tree.find_all(exp.Div):
        if not isinstance(division.parent, exp.Cast):
            yield f"not cast at once: {division.sql()}"


def _joins(tree: exp.Expr) -> Iterable[str]:
    for join in tree.find_all(exp.Join):
        condition = join.args.get("on")
        if join.side not in JOINS or join.kind or condition is None:
            yield f"join: {join.sql()}"
        elif join.this.name != CALENDAR and not _joins_account(join.this.alias, condition):
            yield f"without the account: {join.sql()}"


def _joins_account(alias: str, condition: exp.Expr) -> bool:
    """Returns whether a condition, among others joined by `and`, compares the account with that of another table."""
    parts = condition.flatten() if isinstance(condition, exp.And) else [condition]
    return any(
        isinstance(each, exp.EQ)
        and each.left.name == each.right.name == "account_id"
        and alias in (each.left.text("table"), each.right.text("table"))
        and each.left.text("table") != each.right.text("table")
        for each in parts
    )


def _groups_and_unions(tree: exp.Expr) -> Iterable[str]:
    for group in tree.find_all(exp.Group):
        if not all(isinstance(each, exp.Column) for each in group.expressions):
            yield f"grouped: {group.sql()}"
    for union in tree.find_all(exp.Union):
        if union.args.get("distinct"):
            yield "union without all"


def _ctes(tree: exp.Expr) -> Iterable[str]:
    for cte in tree.find_all(exp.CTE):
        if cte.alias in cte.this.named_selects:
            yield f"named as its column: {cte.alias}"
        if cte.alias in TABLES_AND_TEXTS:
            yield f"named as a table or figure: {cte.alias}"


TABLES_AND_TEXTS = {name for text in TEXTS.values() for name in names_in(text, None)} | TEXTS.keys()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", TEXTS)
def test_each_text_keeps_to_the_rules(name: str, dialect: str) -> None:
    assert faults(TEXTS[name], dialect) == set()


@pytest.mark.parametrize("broken", BROKEN)
def test_what_breaks_a_rule_is_seen(broken: str) -> None:
    assert faults(BROKEN[broken])


def test_what_keeps_to_the_rules_is_let_pass() -> None:
    assert not faults(
        "select t.day, c.month from tracked_time as t join calendar as c on c.day = t.day"
    )
