"""The setting `deleted_rows`: what becomes of rows gone at Harvest when it changes from run to run."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from compare import assert_equal
from faults_support import TINY, errors_of, tiny
from pipelines import make_pipeline, rows
from support import make_source, serving, sync_once

from harvest_source.loading.syncing import sync

LONG = pytest.mark.long
NAMES = ("time_entries", "invoices", "invoice_payments")
MARKED = " union all ".join(
    f"select '{name}', id, deleted_at from {name} where deleted_at is not null" for name in NAMES
)


@pytest.mark.long
@pytest.mark.parametrize(
    "destination",
    ["duckdb", pytest.param("postgres", marks=LONG), pytest.param("filesystem", marks=LONG)],
    indirect=True,
)
@pytest.mark.usefixtures("destination")
def test_rows_marked_as_gone_are_taken_out_when_none_are_to_be_kept(tmp_path: Path) -> None:
    """From `keep` over `ignore` to `remove`: no mark is lost, all goes with its lists and children, and is written down once."""
    account = tiny(size=replace(TINY, invoices=8))
    with serving(account) as sandbox:
        run = partial(sync_once, tmp_path, sandbox, *NAMES)
        run(deleted_rows="keep")
        paid = account.parent_of("invoice_payments", next(iter(account.rows["invoice_payments"])))
        entry, back, *_ = account.rows["time_entries"]
        restored = deepcopy(account.rows["time_entries"][back])
        account.delete("invoices", paid)
        account.delete("time_entries", entry)
        account.delete("time_entries", back)
        run(deleted_rows="keep")
        marked = rows(tmp_path, MARKED)
        assert {(name, row_id) for name, row_id, _ in marked} >= {
            ("invoices", paid),
            ("time_entries", entry),
            ("time_entries", back),
        }
        assert {name for name, *_ in marked} == set(NAMES)
        written_down = rows(tmp_path, "select report, id from deleted_rows order by 1, 2")
        ignored = list(account.rows["time_entries"])[-2:]
        for each in ignored:
            account.delete("time_entries", each)
        run(deleted_rows="ignore")
        assert sorted(rows(tmp_path, MARKED)) == sorted(marked)
        account.put("time_entries", restored)
        source = make_source(sandbox, *NAMES, deleted_rows="remove")
        told = sync(make_pipeline(tmp_path), source, repairs=False)
        assert {each.report for each in told.results if each.verified.startswith("no: ")} == set(
            NAMES
        )
        summary = run(deleted_rows="remove")
        assert errors_of(summary) == {}
        assert_equal(tmp_path, sandbox, *NAMES)
        assert rows(
            tmp_path, f"select count(*) from invoices__line_items where invoice_id = {paid}"
        ) == [(0,)]
        now_written = rows(tmp_path, "select report, id from deleted_rows order by 1, 2")
        assert now_written == sorted([*written_down, *(("time_entries", each) for each in ignored)])
        again = run(deleted_rows="remove")
        assert sum(each.new + each.changed + each.deleted for each in again.results) == 0


@pytest.mark.long
def test_what_becomes_of_a_row_counts_from_the_run_that_notices_it(tmp_path: Path) -> None:
    """Also where an earlier run was set otherwise, and no load came in between; of Arrow tables and of those with lists."""
    account = tiny(size=replace(TINY, invoices=8))
    gone: dict[str, list[int]] = {"time_entries": [], "invoices": []}
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *gone)
        for setting in ("keep", "remove"):
            for name, each in gone.items():
                each.append(next(iter(account.rows[name])))
                account.delete(name, each[-1])
            assert errors_of(sync_once(tmp_path, sandbox, *gone, deleted_rows=setting)) == {}
            for name, (kept, *removed) in gone.items():
                expected = {*account.rows[name], *([] if removed else [kept])}
                assert set(rows(tmp_path, f"select id from {name}")) == {
                    (each,) for each in expected
                }
        assert_equal(tmp_path, sandbox, *gone)
