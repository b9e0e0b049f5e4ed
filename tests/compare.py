"""Compares a warehouse with an account as its API shows it: read anew over the socket, value by value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
from dlt.destinations.impl.sqlalchemy.db_api_client import SqlalchemyClient
from dlt.destinations.sql_client import SqlClientBase
from pipelines import make_pipeline
from support import TOKEN

from harvest_sandbox import Sandbox
from harvest_source.catalogue.columns.types import Kind
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import Report, parent_id_column, value_at
from harvest_source.catalogue.reports import REPORTS

Json = dict[str, Any]


def get(account_id: int, url: str, **params: str) -> Json:
    """Returns one answer, with exact numbers."""
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Harvest-Account-Id": str(account_id),
        "User-Agent": "test (a@example.com)",
    }
    response = requests.get(url, params=params, headers=headers, timeout=30)
    response.raise_for_status()
    answer: Json = json.loads(response.content, parse_float=Decimal)
    return answer


def pages(sandbox: Sandbox, account_id: int, path: str, rows_key: str) -> Iterator[Json]:
    """Yields all rows of a list."""
    answer = get(account_id, sandbox.api_url + path, per_page="2000")
    if rows_key not in answer:  # one object
        yield answer
        return
    yield from answer[rows_key]
    while answer.get("links", {}).get("next"):
        answer = get(account_id, answer["links"]["next"])
        yield from answer[rows_key]


def _module_is_off(sandbox: Sandbox, account_id: int, module_list: str) -> bool:
    try:
        get(account_id, sandbox.api_url + by_name(module_list).path)
    except requests.HTTPError as error:
        return error.response.status_code in {403, 404}
    return False


def account_rows(sandbox: Sandbox, account_id: int, report: Report) -> list[Json]:
    """Returns the records of a report as the API has them now, children with their parent's id.

    None where the account has no module, which one answer tells: no other error means no rows.
    """
    if report.module_list and _module_is_off(sandbox, account_id, report.module_list):
        return []
    if report.rows_key is None:
        return [get(account_id, sandbox.api_url + report.path)]
    if report.parent is None:
        return list(pages(sandbox, account_id, report.path, report.rows_key))
    found = []
    for parent in pages(sandbox, account_id, report.parent.report, report.parent.report):
        if report.name == "teammates" and "manager" not in parent["access_roles"]:
            continue
        path = report.path.format(parent_id=parent["id"])
        found += [
            {**row, report.parent.column: parent["id"]}
            for row in pages(sandbox, account_id, path, report.rows_key)
        ]
    return found


def flat(record: Json, prefix: str = "") -> Json:
    """Returns a record with nested objects flattened; nulls are left out."""
    row: Json = {}
    for name, value in record.items():
        if isinstance(value, dict):
            row |= flat(value, f"{prefix}{name}__")
        elif value is not None:
            row[prefix + name] = value
    return row


def comparable(value: Any) -> Any:
    """Returns a value of the database or of JSON in one common form."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Decimal(value).normalize()
    return value


def table(client: SqlClientBase[Any], name: str, where: str = "true") -> list[Json]:
    """Returns the rows of a table, without nulls and without dlt's own columns."""
    with client.execute_query(f"select * from {name} where {where}") as cursor:
        names = cursor.columns_schema  # in their order; SQLAlchemy's cursors have no description
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    as_told = without_types if isinstance(client, SqlalchemyClient) else comparable
    return [{name: as_told(each) for name, each in row.items() if each is not None} for row in rows]


def without_types(value: Any) -> Any:
    """Returns a value of SQLite or MariaDB in the common form: instants as texts or without a zone, floats for decimals."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", value):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return comparable(value.replace(tzinfo=UTC))
    return Decimal(repr(value)).normalize() if isinstance(value, float) else comparable(value)


def assert_equal(
    folder: Path,
    sandbox: Sandbox,
    *names: str,
    leave_out: tuple[str, ...] = (),
    copies: tuple[str, ...] = (),
) -> None:
    """Asserts that every table, or those named, has the account's rows, values and list elements, and no others.

    Args:
        folder: of `make_pipeline`.
        sandbox: serves the accounts.
        names: of reports; none are all.
        leave_out: reports that are not compared.
        copies: beginnings of columns that hold copies of other rows, which are not compared.
    """
    with make_pipeline(folder).sql_client() as client:
        for account in sandbox.accounts:
            for report in REPORTS:
                if (names and report.name not in names) or report.name in leave_out:
                    continue
                records = account_rows(sandbox, account.id, report)
                assert_rows_equal(client, account.id, report, records, copies)
                if records or not report.module_list:  # plain dlt makes no table for no element
                    assert_lists_equal(client, account.id, report, records)


def assert_rows_equal(
    client: SqlClientBase[Any],
    account_id: int,
    report: Report,
    records: list[Json],
    copies: tuple[str, ...],
) -> None:
    """Asserts that a report's own table holds the records, lists aside."""
    expected = {}
    for record in records:
        row = {
            name: value
            for name, value in flat(record).items()
            if not isinstance(value, list) and not name.startswith(copies)
        }
        expected[tuple(value_at(record, name) for name in report.key)] = {
            name: comparable(value) for name, value in row.items()
        }
    found = {}
    for row in table(client, report.name, f"account_id = {account_id}"):
        key = tuple(int(row[name]) for name in report.key)
        assert key not in found, f"{report.name} {key} stands twice"
        found[key] = {
            name: value
            for name, value in row.items()
            if name != "account_id" and not name.startswith(("_dlt", *copies))
        }
    assert found == expected, report.name


def assert_lists_equal(
    client: SqlClientBase[Any], account_id: int, report: Report, records: list[Json]
) -> None:
    """Asserts that the child tables of a report hold each row's list elements, in their order."""
    for nested in report.lists:
        decimals = {each.name for each in nested.columns if each.kind is Kind.DECIMAL}
        expected: dict[int, list[Any]] = {}
        for record in records:
            elements = [
                flat(each) if isinstance(each, dict) else {"value": each}
                for each in record.get(nested.name) or ()  # answers of years ago lack some
            ]
            if elements:
                expected[value_at(record, report.id_column or "id")] = [
                    {
                        # decimals may come as texts
                        name: comparable(Decimal(value) if name in decimals else value)
                        for name, value in each.items()
                    }
                    for each in elements
                ]
        parent = parent_id_column(report)
        found: dict[int, list[Any]] = {}
        rows = table(client, f"{report.name}__{nested.name}", f"account_id = {account_id}")
        for row in sorted(rows, key=lambda row: row["_dlt_list_idx"]):
            element = {name: value for name, value in row.items() if not name.startswith("_dlt")}
            del element["account_id"]
            found.setdefault(int(element.pop(parent)), []).append(element)
        assert found == expected, f"{report.name}__{nested.name}"
