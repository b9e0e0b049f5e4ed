"""Plain `pipeline.run`, and parents that a user feeds: each row once, one type a column, and nothing that stays behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.extract.exceptions import ResourceExtractionError
from faults_support import tiny
from pipelines import make_pipeline, rows
from second_harvest import Asked, HandMade, by_hand
from support import make_source, serving

from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.reports import NAMES
from harvest_source.loading.syncing import sync
from harvest_source.reading.children import REFUSALS
from harvest_source.reading.parts import PartStore

FEES: tuple[Any, ...] = (5, "none", 7.5)


@pytest.fixture
def harvest() -> Iterator[HandMade]:
    """Gives a small account."""
    with by_hand(users=3, invoices=4, entries=12) as running:
        yield running


def payments(harvest: HandMade, invoice_id: int) -> list[dict[str, Any]]:
    """Returns the payments of an invoice."""
    return harvest.tables[f"invoices/{invoice_id}/payments"]


def all_payments(harvest: HandMade) -> list[dict[str, Any]]:
    """Returns the payments of all invoices."""
    return [each for row in harvest.tables["invoices"] for each in payments(harvest, row["id"])]


def asked(harvest: HandMade, end: str = "/payments") -> list[str]:
    """Returns the paths that were asked for and end so."""
    return [each.path for each in harvest.requests if each.path.endswith(end)]


def test_parent_that_is_fed_twice_is_asked_and_loaded_once(
    harvest: HandMade, tmp_path: Path
) -> None:
    """In one item, in two, and as a bare id; a second resource of the same report has its own rows."""
    invoice = max(harvest.tables["invoices"], key=lambda row: len(payments(harvest, row["id"])))
    fed = {"id": invoice["id"], "account_id": harvest.id}
    source = make_source(harvest)
    names = ("invoice_payments", "again")

    @dlt.source(name="fed")
    def both() -> Any:
        for name in names:
            mine = dlt.resource([[fed, fed], fed, invoice["id"]], name=f"for_{name}")
            children = source.resources["invoice_payments"].with_name(name)
            yield mine | children.apply_hints(table_name=name)

    make_pipeline(tmp_path).run(both())
    wanted = sorted((row["id"],) for row in payments(harvest, invoice["id"]))
    assert len(wanted) > 1
    for name in names:
        assert rows(tmp_path, f"select id from {name} order by id") == wanted
    assert len(asked(harvest)) == len(names)


@pytest.mark.parametrize("first", range(len(FEES)))
def test_field_that_nobody_documented_has_one_type_in_a_load(
    harvest: HandMade, tmp_path: Path, first: int
) -> None:
    """Whatever comes first: one column, and one of texts for what does not fit, whichever parents the rows are of."""
    fees = [*FEES[first:], *FEES[:first]]
    for place, payment in enumerate(all_payments(harvest)):
        payment["fee"] = fees[place % len(fees)]
    make_pipeline(tmp_path).run(make_source(harvest, "invoice_payments"))
    columns = rows(
        tmp_path,
        "select column_name from information_schema.columns"
        " where table_name = 'invoice_payments' and column_name like 'fee%'",
    )
    names = {name for (name,) in columns}
    assert {"fee"} <= names <= {"fee", "fee__text"}
    value = f"coalesce({', '.join(f'cast({name} as varchar)' for name in sorted(names))})"
    found = {
        row_id: text if text == "none" else Decimal(text)
        for row_id, text in rows(tmp_path, f"select id, {value} from invoice_payments")
    }
    assert found == {
        row["id"]: row["fee"] if row["fee"] == "none" else Decimal(str(row["fee"]))
        for row in all_payments(harvest)
    }


def test_first_load_where_the_first_parents_are_hidden_brings_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many are refused that the whole report might be; some that are not asked yet tell that it is not."""
    for setting in ("WORKERS", "MAX_PARALLEL_ITEMS"):  # no other request is on its way then
        monkeypatch.setenv(f"EXTRACT__{setting}", "1")
    with by_hand(users=3, invoices=2 * REFUSALS, entries=3) as harvest:
        hidden: list[str] = []

        def hide_the_first(each: Asked) -> tuple[int, bytes] | None:
            if each.path.endswith("/payments") and len(hidden) < REFUSALS:
                hidden.append(each.path)
            return (403, b"{}") if each.path in hidden else None

        harvest.spoil = hide_the_first
        make_pipeline(tmp_path).run(make_source(harvest, "invoice_payments"))
        of_hidden = [each for path in hidden for each in harvest.tables[path]]
        wanted = sorted((row["id"],) for row in all_payments(harvest) if row not in of_hidden)
        assert 0 < len(wanted) < len(all_payments(harvest))
        assert rows(tmp_path, "select id from invoice_payments order by id") == wanted


def test_answers_go_when_dlt_has_taken_the_rows(
    harvest: HandMade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source lives on; so it is after a run and after rows that are read without a pipeline."""
    open_stores: list[PartStore] = []
    opened, closed = PartStore.__init__, PartStore.close

    def open_one(self: PartStore, *given: Any) -> None:
        opened(self, *given)
        open_stores.append(self)

    def close_one(self: PartStore) -> None:
        closed(self)
        if self in open_stores:
            open_stores.remove(self)

    monkeypatch.setattr(PartStore, "__init__", open_one)
    monkeypatch.setattr(PartStore, "close", close_one)
    source = make_source(harvest, "invoices", "invoice_payments", "clients")
    reading = iter(source)
    assert next(reading)
    assert len(open_stores) == 1
    assert len(list(reading)) > 1
    del reading
    assert open_stores == []
    make_pipeline(tmp_path).run(source)
    assert open_stores == []
    assert rows(tmp_path, "select count(*) from clients") == [(len(harvest.tables["clients"]),)]
    harvest.spoil = lambda each: (400, b"{}") if each.path == "invoices" else None
    with pytest.raises(ResourceExtractionError):
        list(source)
    assert open_stores == []


@pytest.mark.long
def test_reports_of_a_module_that_is_off_have_no_rows(tmp_path: Path) -> None:
    """All reports of a plain run load; of another account the rows come; the company is asked once an account."""
    off, on = tiny(1), tiny(2)
    off.company |= {"estimate_feature": False, "expense_feature": False}
    modules = {"estimate_feature", "expense_feature"}
    with serving(off, on) as sandbox:
        make_pipeline(tmp_path).run(make_source(sandbox, *NAMES))
        for name in NAMES:
            of_accounts = dict(
                rows(tmp_path, f"select account_id, count(*) from {name} group by 1")
            )
            is_off = by_name(name).module in modules
            assert of_accounts.get(off.id, 0) == 0 if is_off else of_accounts[off.id] > 0, name
            assert of_accounts[on.id] > 0, name
        asked = [each for each in sandbox.requests if each.path == "/v2/company"]
        assert len(asked) == 2


def test_module_that_is_off_is_told_from_a_report_that_is_refused(harvest: HandMade) -> None:
    """A refusal stays an error where the company does not say that the module is off, or cannot be read."""
    harvest.company["estimate_feature"] = True
    for refused in ({"estimates"}, {"estimates", "company"}):
        harvest.spoil = lambda each, refused=refused: (  # type: ignore[misc]
            (403, b"{}") if each.path in refused else None
        )
        for name in ("estimates", "estimate_messages"):
            with pytest.raises(ResourceExtractionError, match="403"):
                list(make_source(harvest, name))


@pytest.mark.long
def test_hours_of_timers_grow_in_plain_runs(harvest: HandMade, tmp_path: Path) -> None:
    """While one runs, and after it stopped without a new change time; a run without a timer asks for none by id."""
    entry = min(harvest.tables["time_entries"], key=lambda row: row["updated_at"])
    found = f"select hours, is_running from time_entries where id = {entry['id']}"

    def run(hours: float, *, running: bool) -> None:
        entry.update(hours=hours, is_running=running, timer_started_at="2026-07-01T10:00:00Z")
        harvest.requests.clear()
        make_pipeline(tmp_path).run(make_source(harvest, "time_entries"))
        assert rows(tmp_path, found) == [(Decimal(str(hours)), running)]

    for hours, running in ((1.0, True), (3.5, True), (4.25, False)):
        run(hours, running=running)
    assert asked(harvest, f"time_entries/{entry['id']}")
    make_pipeline(tmp_path).run(make_source(harvest, "time_entries"))
    harvest.requests.clear()
    make_pipeline(tmp_path).run(make_source(harvest, "time_entries"))
    assert not asked(harvest, f"time_entries/{entry['id']}")
    summary = sync(make_pipeline(tmp_path), make_source(harvest, "time_entries"))
    assert [(each.error, each.verified) for each in summary.results] == [(None, "yes")]


def test_one_source_in_two_threads_keeps_the_state_of_both(
    harvest: HandMade, tmp_path: Path
) -> None:
    """Each pipeline asks next time for what changed only."""
    source = make_source(harvest, "invoices", "invoice_payments")
    both = threading.Barrier(2)

    def wait_for_the_other(parent: dict[str, Any]) -> dict[str, Any]:
        both.wait(30)
        return parent

    source.resources["invoice_payments_parents"].add_map(wait_for_the_other)
    names = ("one", "two")
    failed: list[BaseException] = []

    def run(name: str) -> None:
        try:
            make_pipeline(tmp_path, name).run(source.with_resources(*source.selected_resources))
        except BaseException as error:  # noqa: BLE001 - of a thread, told below
            failed.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for name in names:
        harvest.requests.clear()
        make_pipeline(tmp_path, name).run(make_source(harvest, "invoices", "invoice_payments"))
        assert asked(harvest) == []
        assert rows(tmp_path, "select count(*) from invoice_payments", name) == [
            (len(all_payments(harvest)),)
        ]
