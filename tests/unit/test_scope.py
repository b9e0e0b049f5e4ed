"""Which rows a question is about, as SQL of a real database reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import pytest

from harvest_source.destinations.scope import EVERY_ROW, LIVE, MARKED, Scope, sql_of

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
ROWS = [
    # id, account, deleted, changed, day, running, hours, state
    "(1, 7, null, '2026-03-04 11:59:59+00', date '2026-03-03', false, 1.5, 'open')",
    "(2, 7, null, '2026-03-04 12:00:00+00', date '2026-03-04', true, 2.0, 'closed')",
    "(3, 7, '2026-03-05 00:00:00+00', '2026-03-04 12:00:01+00', date '2026-03-05', true, 3.0, null)",
    "(4, 8, null, '2026-03-04 12:00:01+00', null, null, null, 'it''s %s')",
]
COLUMNS = """id bigint, account_id bigint, deleted_at timestamptz, updated_at timestamptz, day date, running bool,
    h decimal(9, 2), s text"""
IDS = {
    "every row": (EVERY_ROW, {1, 2, 3, 4}),
    "there at Harvest": (LIVE, {1, 2, 4}),
    "gone and kept": (MARKED, {3}),
    "of an account": (LIVE.of(7), {1, 2}),
    "changed since": (LIVE.where("updated_at", ">=", NOON), {2, 4}),
    "changed before": (EVERY_ROW.where("updated_at", "<", NOON), {1}),
    "within": (
        EVERY_ROW.where("updated_at", ">=", NOON).where("updated_at", "<", NOON.replace(second=1)),
        {2},
    ),
    "up to a day": (EVERY_ROW.where("day", "<=", NOON.date()), {1, 2}),
    "a truth": (EVERY_ROW.where("running", "=", value=True), {2, 3}),
    "no truth": (EVERY_ROW.where("running", "=", value=False), {1}),
    "a number": (EVERY_ROW.where("h", "=", Decimal("1.50")), {1}),
    "no value": (EVERY_ROW.where("day", "=", None), {4}),
    "a value": (EVERY_ROW.where("day", "<>", None), {1, 2, 3}),
    "another text, which a row without one does not have": (
        EVERY_ROW.where("s", "<>", "closed"),
        {1, 4},
    ),
    "a text with signs": (EVERY_ROW.where("s", "=", "it's %s"), {4}),
    "some ids": (LIVE.where("id", "in", [1, 3, 9]), {1}),
    "no such ids": (LIVE.where("id", "not in", {1: "x", 9: "y"}), {2, 4}),
}


@pytest.mark.parametrize("name", IDS)
def test_scope_holds_the_rows_that_it_says(name: str) -> None:
    scope, wanted = IDS[name]
    with duckdb.connect() as database:
        database.execute(f"create table t ({COLUMNS})")
        database.execute(f"insert into t values {', '.join(ROWS)}")
        condition, values = sql_of(scope, '"{}"'.format)
        found = database.execute(
            f"select id from t where {condition.replace('%s', '?') or 'true'}", values
        ).fetchall()
    assert {row[0] for row in found} == wanted


def test_nothing_but_whole_numbers_stands_in_the_text_of_a_condition() -> None:
    scope = EVERY_ROW.of(7).where("state", "=", "x' or 1 = 1 --").where("id", "in", [True, 2])
    assert sql_of(scope, str.upper) == (
        "ACCOUNT_ID = 7 and STATE = %s and ID in (1, 2)",
        ["x' or 1 = 1 --"],
    )
    with pytest.raises(ValueError, match="invalid literal"):
        sql_of(EVERY_ROW.where("id", "in", ["1); drop table t"]), str)
    assert sql_of(Scope(), str) == ("", [])
