"""Strange data arrives whole: odd texts, nulls and missing keys everywhere, empty accounts, other types, large ids."""

from __future__ import annotations

import json
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from compare import assert_equal
from faults_support import errors_of, tiny
from pipelines import rows
from support import notes_on_rows, serving, sync_once

from harvest_sandbox import Account, Fault, Size
from harvest_source.catalogue.reports import NAMES, REPORTS
from harvest_source.reading.reader import Choice, Mode

CONTROLS = "".join(map(chr, range(1, 32))) + "\x7f\x85\u2028\ufeff\u200b"
TEXTS = {
    "32 KB": "x" * 32_768,
    "32 KB of emoji": "👩\u200d👧🚀" * 2_000,
    "control characters": CONTROLS,
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u202b\u05e2\u05d5\u05dc\u05dd\u202c \u061c\u0645\u0631\u062d\u0628\u0627",
    "combining": "e\u0301 Å ﷽ " + "\u0301" * 50,
    "quotes": 'it\'s "quoted" \\ \\u0041 %s {x} $1; drop table x; --',
    "looks like null": "NULL",
    "blanks": "  \t ",
    "noncharacters": "\uffff\ufffe\U0010ffff",
}
TEXT_FIELDS = {
    "clients": "address",
    "contacts": "title",
    "time_entries": "notes",
    "expenses": "notes",
    "invoices": "subject",
    "invoice_payments": "notes",
}


def ids_of(account: Account, report: str) -> list[Any]:
    return list(account.rows[report])


@pytest.mark.long
def test_text_arrives_as_it_is(tmp_path: Path) -> None:
    """In flat tables, in others, in children and in the lists inside a row; the second run sees no change."""
    account = tiny(
        size=Size(
            projects=4, users=4, invoices=24, estimates=3, time_entries=40, expenses=9, clients=9
        )
    )
    for report, field in TEXT_FIELDS.items():
        for row_id, text in zip(ids_of(account, report), TEXTS.values(), strict=False):
            changes: dict[str, Any] = {field: text}
            account.update(report, row_id, **changes)
        assert len(account.rows[report]) >= len(TEXTS), report
    for invoice, text in zip(list(account.rows["invoices"].values()), TEXTS.values(), strict=False):
        lines = deepcopy(invoice["line_items"])
        lines[0]["description"] = text
        account.update("invoices", invoice["id"], line_items=lines)
    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, *TEXT_FIELDS)) == {}
        assert_equal(tmp_path, sandbox, *TEXT_FIELDS)
        again = sync_once(tmp_path, sandbox, *TEXT_FIELDS)
    assert [
        (result.report, result.changed) for result in again.results if result.new or result.changed
    ] == []


def test_what_no_database_stores_is_replaced_and_the_row_is_there(tmp_path: Path) -> None:
    """NUL and half surrogate pairs, escaped or raw, in values, names of new fields and lists: U+FFFD in their place."""
    account = tiny()
    entry, client_id = ids_of(account, "time_entries")[0], ids_of(account, "clients")[0]
    delivered = {
        name: {row["id"]: row for row in account.delivered(name)}
        for name in ("time_entries", "clients")
    }
    delivered["time_entries"][entry]["notes"] = "a\0b\ud83dc\udc00"
    delivered["clients"][client_id]["name"] = "\udfffName\0"
    delivered["clients"][client_id]["tags\0x"] = ["\ud800", {"k": "v\0"}]
    with serving(account) as sandbox:
        for name, found in delivered.items():
            body = json.dumps(
                {name: list(found.values()), "total_entries": len(found), "links": {"next": None}}
            )
            sandbox.faults.append(Fault(path=rf"/v2/{name}$", status=200, body=body, times=None))
        assert errors_of(sync_once(tmp_path, sandbox, *delivered)) == {}
        again = sync_once(tmp_path, sandbox, *delivered)
    assert rows(tmp_path, f"select notes from time_entries where id = {entry}") == [
        ("a\ufffdb\ufffdc\ufffd",)
    ]
    assert rows(tmp_path, f"select name from clients where id = {client_id}") == [
        ("\ufffdName\ufffd",)
    ]
    assert [
        (result.report, result.changed) for result in again.results if result.new or result.changed
    ] == []


def test_rows_without_a_list_that_another_row_has_are_not_changed(tmp_path: Path) -> None:
    """An undocumented list in one row only: the next run over the same rows sees no change."""
    account = tiny()
    account.rows["clients"][ids_of(account, "clients")[0]]["tags"] = ["a", "b"]
    with serving(account) as sandbox:
        for _ in range(2):
            summary = sync_once(tmp_path, sandbox, "clients", choice=Choice(mode=Mode.ALL))
            assert errors_of(summary) == {}
    assert summary.results[0].changed == 0


KEPT = frozenset({"id", "created_at", "updated_at", "user", "project", "access_roles"})
"""Without id nothing is a row; access_roles, user and project say what else is asked."""


SHAPED = frozenset(
    {
        "company",
        "project_assignments",
        "teammates",
        "pto_assignments",
        "pto_allocations",
        "pto_balances",
    }
)
"""One bare object, and what is made of other tables."""


@pytest.mark.long
def test_every_nullable_field_may_be_null(tmp_path: Path) -> None:
    """One row of each list with null in every field: it arrives, and the others beside it."""
    account = tiny()
    for report in REPORTS:
        if report.name not in SHAPED:
            row = account.rows[report.name][ids_of(account, report.name)[-1]]
            row.update(dict.fromkeys(set(row) - KEPT))
    names = [name for name in NAMES if name != "project_assignments"]
    with serving(account) as sandbox:
        summary = sync_once(tmp_path, sandbox, *names)
        assert errors_of(summary) == {}
        assert summary.new_fields == []
        assert_equal(tmp_path, sandbox, *names)
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}


@pytest.mark.long
def test_every_field_may_be_missing(tmp_path: Path) -> None:
    """One row of each list with little but its id: it arrives, and the others beside it."""
    account = tiny()
    lists = [
        report.name
        for report in REPORTS
        if report.parent is None and report.rows_key and report.name not in SHAPED
    ]
    with serving(account) as sandbox:
        for name in lists:
            found = account.delivered(name)
            bare = {field: value for field, value in found[-1].items() if field in KEPT}
            body = json.dumps({name: [*found[:-1], bare], "total_entries": len(found), "links": {}})
            sandbox.faults.append(Fault(path=rf"/v2/{name}$", status=200, body=body, times=None))
        for _ in range(2):
            summary = sync_once(tmp_path, sandbox, *lists)
            assert errors_of(summary) == {}
            assert summary.new_fields == []
    for name in lists:
        assert rows(tmp_path, f"select count(*), count(distinct id) from {name}") == [
            (len(account.rows[name]),) * 2
        ]


OTHER_TYPES: dict[str, tuple[str, str, Any, str]] = {
    "text for a number": ("time_entries", "hours", "a lot", "hours__text"),
    "object for a text": ("clients", "address", {"street": "A"}, "address"),
    "number for a date": ("time_entries", "spent_date", 20250131, "spent_date__text"),
    "text for a flag, by Arrow": ("time_entries", "billable", "perhaps", "billable__text"),
    "text for a flag": ("projects", "is_active", "perhaps", "is_active__text"),
    "list for an object": ("expenses", "receipt", [1, 2], "receipt"),
    "text for an object": ("time_entries", "external_reference", "X-1", "external_reference"),
    "text for a list": ("invoices", "line_items", "none", "line_items__text"),
    "huge number": ("expenses", "total_cost", 10**20, "total_cost__text"),
    "impossible date": ("invoices", "due_date", "2025-02-30", "due_date__text"),
    "number for a text": ("tasks", "name", 12, "name"),
}


@pytest.mark.long
def test_row_whose_type_changed_is_kept_and_said(tmp_path: Path) -> None:
    """Loaded rows come back with a value of another type: no error, each value is kept somewhere, and it is said."""
    account = tiny()
    reports = sorted({report for report, *_ in OTHER_TYPES.values()})
    delivered = {
        report: {row["id"]: row for row in account.delivered(report)} for report in reports
    }
    changed: dict[str, int] = {}
    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, *reports)) == {}
        for place, (name, (report, field, value, _)) in enumerate(OTHER_TYPES.items()):
            changed[name] = ids_of(account, report)[place % len(account.rows[report])]
            delivered[report][changed[name]] |= {field: value, "updated_at": "2099-01-01T00:00:00Z"}
        for report, found in delivered.items():
            body = json.dumps(
                {report: list(found.values()), "total_entries": len(found), "links": {"next": None}}
            )
            sandbox.faults.append(Fault(path=rf"/v2/{report}$", status=200, body=body, times=None))
        summary = sync_once(tmp_path, sandbox, *reports)
        assert errors_of(summary) == {}
        for report, found in delivered.items():
            assert rows(tmp_path, f"select count(*), count(distinct id) from {report}") == [
                (len(found),) * 2
            ]
        for name, (report, field, value, column) in OTHER_TYPES.items():
            ((kept,),) = rows(tmp_path, f"select {column} from {report} where id = {changed[name]}")
            assert str(kept) in {str(value), json.dumps(value)}, name
            if name.startswith("text for a flag"):
                assert rows(
                    tmp_path, f"select {field} from {report} where id = {changed[name]}"
                ) == [(None,)]
        as_text = sorted(
            f"{report}.{field}"
            for report, field, _, column in OTHER_TYPES.values()
            if column.endswith("__text")
        )
        as_text.remove("invoices.line_items")  # a list that is none is a new field
        assert notes_on_rows(summary) == [
            f"values of another type, kept as text: {', '.join(as_text)}"
        ]
        assert "invoices.line_items__text" in summary.new_fields
        assert errors_of(sync_once(tmp_path, sandbox, *reports)) == {}


def test_ids_in_the_billions_are_exact(tmp_path: Path) -> None:
    """Ids beyond 32 bits, and beyond what a float holds, of rows and of what they link to."""
    account = tiny()
    ids = [2**31 + 7, 4_000_000_123, 2**53 + 1, 2**63 - 1]
    for row_id in ids:
        entry = deepcopy(account.delivered("time_entries")[0])
        client_row = deepcopy(account.delivered("clients")[0])
        client_row["id"] = entry["id"] = entry["task"]["id"] = row_id
        account.put("time_entries", entry)
        account.put("clients", client_row)
    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, "time_entries", "clients")) == {}
    listed = ", ".join(map(str, ids))
    found = rows(
        tmp_path, f"select id, task__id from time_entries where id in ({listed}) order by 1"
    )
    assert found == [(row_id, row_id) for row_id in ids]
    assert rows(tmp_path, f"select id from clients where id in ({listed}) order by 1") == [
        (row_id,) for row_id in ids
    ]


# cases of the field reports


def test_billable_and_billed_are_not_mixed_up(tmp_path: Path) -> None:
    """R22: all four combinations, with other hours each."""
    account = tiny()
    combinations = {(True, False): 2, (True, True): 3, (False, False): 4, (False, True): 1}
    kept = ids_of(account, "time_entries")[:4]
    for (billable, billed), hours, row_id in zip(
        combinations, combinations.values(), kept, strict=True
    ):
        account.update("time_entries", row_id, billable=billable, is_billed=billed, hours=hours)
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "time_entries")
    listed = ", ".join(map(str, kept))
    found = rows(
        tmp_path,
        f"select billable, is_billed, sum(hours) from time_entries where id in ({listed}) group by all",
    )
    assert {(billable, billed): int(hours) for billable, billed, hours in found} == combinations


def test_rounding_that_changed_for_all_past_time_is_mended_by_a_full_refresh(
    tmp_path: Path,
) -> None:
    """R33: `rounded_hours` of all entries change while no entry was edited; hours and rounded hours are both kept."""
    account = tiny()
    kept = ids_of(account, "time_entries")[:3]
    for row_id in kept:
        account.update("time_entries", row_id, hours=0.1, rounded_hours=0.25)
    listed = ", ".join(map(str, kept))
    sums = f"select sum(hours), sum(rounded_hours) from time_entries where id in ({listed})"
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "time_entries")
        assert rows(tmp_path, sums) == [(Decimal("0.3"), Decimal("0.75"))]
        for row_id in kept:
            account.update("time_entries", row_id, quiet=True, rounded_hours=0.5)
        sync_once(tmp_path, sandbox, "time_entries", choice=Choice(mode=Mode.ALL))
        assert rows(tmp_path, sums) == [(Decimal("0.3"), Decimal("1.5"))]
