"""Whatever an answer does stays with its report: the others are loaded, and a line says what was odd."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import Type
from compare import assert_equal
from destinations import on
from faults_support import errors_of, path_of, tiny
from pipelines import rows
from support import serving, sync_once

from harvest_sandbox import Fault, Sandbox
from harvest_source.catalogue.lookup import by_name
from harvest_source.loading.compare import Comparison
from harvest_source.reading import lists, reader
from harvest_source.reading.shape import Shaper


def spoil(sandbox: Sandbox, report: str, body: bytes | str, **options: Any) -> None:
    """Has the endpoint of a report answer with a body for ever."""
    sandbox.faults.append(
        Fault(path=path_of(by_name(report)), status=200, body=body, times=None, **options)
    )


def deep(levels: int) -> bytes:
    """Returns a field that is so many lists within lists."""
    return b"[" * levels + b"]" * levels


def with_field(sandbox: Sandbox, report: str, field: bytes, value: bytes) -> bytes:
    """Returns a report's own rows, the first of which has one field more, as bytes give it."""
    account = sandbox.accounts[0]
    found = json.dumps(account.delivered(report)).encode()
    return b'{"%b": [{"%b": %b, %b, "total_entries": %d}' % (
        report.encode(), field, value, found[2:], len(account.rows[report]),
    )  # fmt: skip


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "clients": (b'{"clients": ' + deep(200_000) + b"}", "nested too deeply"),
    "tasks": (
        b'{"tasks": [], "links": {"next": "http://127.0.0.1:abc/v2/tasks"}}',
        "links to another host",
    ),
    "roles": (b"[1, 2]", "another shape"),
    "expenses": (b"1e400", "another shape"),
    "contacts": (b'"text"', "another shape"),
    "invoice_item_categories": (
        b'{"invoice_item_categories": [{"id": 1' + b"0" * 5000 + b"}]}",
        "without its key",
    ),
    "estimate_item_categories": (
        b'{"estimate_item_categories": [{"id": 9223372036854775808}]}',
        "without its key",
    ),
    "expense_categories": (b'{"expense_categories": [{"id": NaN}]}', "without its key"),
}


def test_odd_answers_stay_with_their_reports(tmp_path: Path) -> None:
    """Lists that cannot be read, and what hangs on others; all others are loaded, and once all is well, all is equal."""
    names = [*UNREADABLE, "users", "projects", "invoices", "cost_rates", "invoice_payments"]
    with serving(tiny()) as sandbox:
        for report, (body, _) in UNREADABLE.items():
            spoil(sandbox, report, body)
        spoil(sandbox, "cost_rates", b'{"cost_rates": ' + deep(200_000) + b"}")
        errors = errors_of(sync_once(tmp_path, sandbox, *names))
        assert {
            name: said in errors.get(name, "") for name, (_, said) in UNREADABLE.items()
        } == dict.fromkeys(UNREADABLE, True)
        assert errors.keys() == {*UNREADABLE, "cost_rates"}
        assert_equal(tmp_path, sandbox, "users", "projects", "invoices", "invoice_payments")
        sandbox.faults.clear()
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)


TIMES = (
    "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "99999-01-01T00:00:00Z",
    "-1",
    "",
)


@pytest.mark.long
def test_odd_change_times_stop_no_run(tmp_path: Path) -> None:
    """Beyond every calendar, of parents as well: the rows are there, and later runs go on, with what changed since."""
    account = tiny()
    with serving(account) as sandbox:
        for report in ("clients", "invoices", "time_entries"):
            for row, odd in zip(account.rows[report].values(), TIMES, strict=False):
                row["updated_at"] = odd
            list(account.rows[report].values())[-1]["updated_at"] = 20250101
        names = ("clients", "invoices", "time_entries", "invoice_payments")
        for _ in range(2):
            for name in names[:3]:
                found = account.delivered(name)
                spoil(sandbox, name, json.dumps({name: found, "total_entries": len(found)}))
            assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        for name in names:
            assert rows(tmp_path, f"select count(*), count(distinct id) from {name}") == [
                (len(account.rows[name]),) * 2
            ]


ODD_VALUES: dict[str, tuple[bytes, bytes]] = {
    "huge exponent": (b"x_huge", b"1e400"),
    "beyond Decimal": (b"x_beyond", b"1e99999999999999999999"),
    "memory": (b"x_memory_id", b"1e999999999"),
    "tiny": (b"x_tiny", b"1e-999999999"),
    "long": (b"x_long", b"1" + b"0" * 5000),
    "NaN": (b"x_nan", b"NaN"),
    "Infinity": (b"x_infinity", b"[-Infinity, NaN]"),
    "NUL": (b"x_\\u0000nul", b'"a\\u0000b"'),
    "raw half": (b"x_raw", b'"\xed\xa0\x80"'),
    "twice": (b"x_twice", b'1, "x_twice": 2'),
    "nested": (b"x_nested", b'{"a":' * 50 + b"1" + b"}" * 50),
    "lists": (b"x_lists", deep(90)),
    "dlt": (b"_dlt_id", b'"mine"'),
    "load": (b"_dlt_load_id", b'"mine"'),
    "root": (b"_dlt_root_id", b"7"),
    "nothing": (b"", b'"empty name"'),
    "signs": (b"!!!", b'"signs"'),
    "long name": (b"n" * 5000, b'"long name"'),
    "SQL": (b'\\"; drop table x; --', b"1"),
    "own": (b"deleted_at", b'"2020-01-01T00:00:00Z"'),
}


@pytest.mark.long
@on("duckdb", "postgres")
@pytest.mark.parametrize("report", ["clients", "time_entries"])
def test_odd_values_and_names_arrive(tmp_path: Path, report: str) -> None:
    """As dicts and by Arrow: every row is there, and the next run sees the same columns."""
    with serving(tiny()) as sandbox:
        fields = b", ".join(b'"%b": %b' % each for each in ODD_VALUES.values())
        body = with_field(sandbox, report, b"x_first", b"1, " + fields)
        spoil(sandbox, report, body)
        summary = sync_once(tmp_path, sandbox, report, "users")
        assert errors_of(summary) == {}
        assert_equal(tmp_path, sandbox, "users")
        assert rows(tmp_path, f"select count(*) from {report}") == [
            (len(sandbox.accounts[0].rows[report]),)
        ]
        again = sync_once(tmp_path, sandbox, report, "users")
        assert (errors_of(again), again.new_fields) == ({}, [])


@pytest.mark.long
def test_report_with_more_than_200_new_fields_is_not_loaded_and_not_tried_again(
    tmp_path: Path,
) -> None:
    """As dicts and by Arrow; the others are loaded, and no field is called a column that is none."""
    wide = ("clients", "time_entries")
    with serving(tiny()) as sandbox:
        for report in wide:
            found = sandbox.accounts[0].delivered(report)
            for n in range(201):
                found[n % len(found)][f"x_{n}"] = n
            spoil(sandbox, report, json.dumps({report: found, "total_entries": len(found)}))
        summary = sync_once(tmp_path, sandbox, *wide, "users")
        asked = [each.path for each in sandbox.requests]
        assert_equal(tmp_path, sandbox, "users")
    told = "Harvest sent more than 200 fields of {} that nobody documented: its rows are not loaded"
    assert errors_of(summary) == {report: told.format(report) for report in wide}
    assert summary.new_fields == []
    for report in wide:
        # time entries are asked for running timers as well
        assert asked.count(f"/v2/{report}") <= 2
        assert rows(tmp_path, f"select count(*) from {report}") == [(0,)]


def test_fault_of_this_program_ends_one_report_and_shows_where_with_verbose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_command: Type
) -> None:
    """While it reads, while it shapes, while it compares: exit code 1, the others loaded, a traceback for who asks for one."""

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a fault of mine")

    read, shape, compare = lists.read_list, Shaper.shape, Comparison.compare
    monkeypatch.setattr(
        reader, "read_list", lambda query: broken() if query.report.name == "roles" else read(query)
    )
    monkeypatch.setattr(
        Shaper,
        "shape",
        lambda self, *a: broken() if self.report.name == "tasks" else shape(self, *a),
    )
    monkeypatch.setattr(
        Comparison,
        "compare",
        lambda self, pair, *a: (broken if pair.report == "contacts" else compare)(self, pair, *a),
    )
    with serving(tiny()) as sandbox:
        for options in ((), ("--verbose",)):
            done = type_command(
                "run", "--reports", "clients,roles,tasks,contacts", *options, harvest=sandbox
            )
            assert done.code == 1
            for name in ("roles", "tasks", "contacts"):
                assert re.search(
                    rf"not (loaded|verified): .*{name}.*unexpected ZeroDivisionError: a fault of mine",
                    done.err,
                )
            assert ("Traceback" in done.err) == bool(options)
            assert ("in broken" in done.err) == bool(options)
        assert_equal(tmp_path, sandbox, "clients", "contacts")
