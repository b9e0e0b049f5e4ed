"""Whether a table holds an account's time entries: every field of every entry, compared by SQL."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from harvest_sandbox import Sandbox
from harvest_sandbox.encode import encode
from harvest_sandbox.rows import peek

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
OF_LOADERS = (
    "_dlt",
    "account_id",
)  # what the columns begin with that Harvest's entries do not have
OTHER_TYPE = "__v_"  # dlt keeps values of another type in a column beside the first


class Expected(NamedTuple):
    """What a table must hold."""

    file: Path  # the entries as the API delivers them, a line each
    kinds: dict[str, str]  # path of each field: the type of SQL in which its values are compared


def write_rows(sandbox: Sandbox, file: Path) -> Expected:
    """Writes the entries of the account, as they are now."""
    (account,) = sandbox.accounts
    rows = account.rows["time_entries"]
    kinds: dict[str, str] = {}
    unknown: set[str] | None = None  # fields without a value so far
    with file.open("wb") as lines:
        for key in rows:
            row = account.deliver("time_entries", peek(rows, key))
            lines.write(encode(row) + b"\n")
            unknown = {*row} if unknown is None else unknown
            while known := [path for path in unknown if _value(row, path) is not None]:
                for path in known:
                    unknown.remove(path)
                    value = _value(row, path)
                    if isinstance(value, dict):  # its own fields are looked at in this row, too
                        unknown |= {f"{path}.{name}" for name in value}
                    else:
                        kinds[path] = _kind_of(value)
    return Expected(file, kinds)


def _value(row: dict[str, Any], path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = value and value[name]
    return value


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "decimal(20, 6)"
    return "timestamptz" if INSTANT.fullmatch(value) else "varchar"


def differing_rows(database: duckdb.DuckDBPyConnection, table: str, expected: Expected) -> int:
    """Returns how many rows of a table are missing, too many, doubled, or have another value.

    Args:
        database: where the table can be asked for.
        table: its name in SQL.
        expected: what it must hold.
    """
    columns = [row[0] for row in database.execute(f"describe {table}").fetchall()]
    paths = [*expected.kinds]
    conditions = ["entry.id is null", "loaded.id is null"]
    for place, (path, kind) in enumerate(expected.kinds.items(), 1):
        name = path.replace(".", "__")
        own = [each for each in columns if each == name or each.startswith(name + OTHER_TYPE)]
        values = ", ".join(f'cast(loaded."{each}" as {kind})' for each in own)
        found = f"coalesce({values})" if own else "null"
        conditions.append(f"cast(entry.fields[{place}] as {kind}) is distinct from {found}")
        columns = [each for each in columns if each not in own]
    others = [each for each in columns if not each.startswith(OF_LOADERS)]
    conditions += [f'loaded."{each}" is not null' for each in others]
    listed = ", ".join(f"'$.{path}'" for path in paths)
    count = f"""
        with entry as (
            select cast(json ->> '$.id' as bigint) as id,
                json_extract_string(json, [{listed}]) as fields
            from read_json_objects('{expected.file}', format = 'newline_delimited')
        )
        select count(*) + (select count(*) - count(distinct id) from {table})
        from entry full join {table} as loaded on cast(loaded.id as bigint) = entry.id
        where {" or ".join(conditions)}"""
    database.execute("set timezone = 'UTC'")
    ((differing,),) = database.execute(count).fetchall()
    return int(differing)
