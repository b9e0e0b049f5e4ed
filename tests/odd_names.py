"""Loaded accounts with names that a page must survive, more projects than it lists, and secrets that it must not show."""

from __future__ import annotations

from pathlib import Path

import duckdb

LARGE = "1234567890123.456789"
PROJECTS = 300
HOSTILE = "<script>alert(1)</script>&amp;\"'{{ 7*7 }}\x01\u202e"
RIGHT_TO_LEFT = "شركة الأمل للتصميم"
LONG = "Ü" * 200


def give_odd_names(file: Path, first: int, second: int) -> None:
    """Gives two loaded accounts odd names, secrets and 300 projects, by hand."""
    with duckdb.connect(str(file)) as database:
        database.execute("use harvest")
        copied = "select * exclude (n) replace (id + n * 1000000 as id, name || ' ' || n as name, budget + n as budget)"
        database.execute(
            f"insert into projects by name {copied} from (select * from projects where account_id = {first} limit 1) as p, "
            f"range(1, {PROJECTS}) as t(n)"
        )
        for table in ("projects", "clients"):
            for name, where in (
                (HOSTILE, "% 3 = 0"),
                (RIGHT_TO_LEFT, "% 3 = 1"),
                (LONG, "% 3 = 2"),
            ):
                database.execute(f"update {table} set name = ? where id {where}", [name])
        database.execute(
            f"update users set first_name = ?, last_name = ? where account_id = {first}",
            [LONG, HOSTILE],
        )
        database.execute("update users set email = 'planted@example.com'")
        database.execute("update invoices set client_key = 'planted-key', number = ?", [HOSTILE])
        database.execute(
            f"update invoices set amount = {LARGE}, due_amount = {LARGE} where state = 'open'"
        )
        database.execute("update clients set statement_key = 'planted-key'")
        database.execute(
            f"update accounts set name = ? where account_id = {second}", [RIGHT_TO_LEFT]
        )
