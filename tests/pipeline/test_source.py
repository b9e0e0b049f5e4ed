"""The source as users of dlt know sources: looked at, cut, mapped, fed by hand, run again; rows of the API and no others."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
import pytest
from dlt.extract.exceptions import ResourceExtractionError
from dlt.extract.reference import SourceReference
from faults_support import tiny
from pipelines import forget_dlt, rows
from second_harvest import HandMade, by_hand
from support import make_source, serving

from harvest_source import HarvestSource, harvest_source, sync
from harvest_source.catalogue.lookup import DEFAULT_NAMES, by_name
from harvest_source.catalogue.reports import NAMES, REPORTS
from harvest_source.errors import AccessLostError, SettingError
from harvest_source.loading.listener import Listener

TOKEN = "SECRET-123"
SINCE = "2026-07-01T00:00:00Z"
LISTS = [report.name for report in REPORTS if report.parent is None and report.takes_updated_since]


@pytest.fixture
def harvest() -> Iterator[HandMade]:
    """Gives a small account; nothing is configured."""
    with by_hand(users=3, invoices=4, entries=12) as running:
        forget_dlt()
        yield running


def source_of(harvest: HandMade, **options: Any) -> HarvestSource:
    """Returns the source with everything given in code."""
    given = {"access_token": TOKEN, "api_url": harvest.api_url, "id_url": harvest.id_url, **options}
    source: HarvestSource = harvest_source(**given)
    return source


def pipeline() -> dlt.Pipeline:
    """Returns a pipeline in this test's folder."""
    place = Path.cwd()
    database = dlt.destinations.duckdb(str(place / "harvest_pipeline.duckdb"))
    return dlt.pipeline(
        "harvest_pipeline",
        destination=database,
        dataset_name="harvest",
        pipelines_dir=str(place / "state"),
    )


def kept(name: str) -> dict[str, Any]:
    """Returns what dlt's state keeps of a resource."""
    found: dict[str, Any] = pipeline().state["sources"]["harvest"]["resources"].get(name, {})
    return found


def paths(harvest: HandMade) -> list[str]:
    """Returns what was asked for, but for the list of accounts."""
    return [asked.path for asked in harvest.requests if not asked.path.startswith("api/")]


def ids(items: list[Any]) -> list[int]:
    """Returns the ids of rows."""
    return sorted(item["id"] for item in items)


def test_token_given_in_code_is_the_one_that_is_sent(
    harvest: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is configured but bare names, which are another program's; a configured token does not count."""
    monkeypatch.setenv("ACCESS_TOKEN", "of-another-program")
    monkeypatch.setenv("SOURCES__ACCESS_TOKEN", "of-another-source")
    forget_dlt()
    with pytest.raises(SettingError, match="no access token"):
        harvest_source()
    monkeypatch.setenv("SOURCES__HARVEST__ACCESS_TOKEN", "configured")
    forget_dlt()
    assert ids(list(source_of(harvest).with_resources("clients"))) == ids(harvest.tables["clients"])
    assert {asked.headers["authorization"] for asked in harvest.requests} == {f"Bearer {TOKEN}"}


def test_source_is_known_to_dlt_under_its_name() -> None:
    """A dlt source at module level."""
    found = SourceReference.find("harvest_source.harvest_source")
    assert (found.name, found.section) == ("harvest", "harvest")


def test_looking_at_a_source_asks_nothing(harvest: HandMade) -> None:
    """Neither printing nor the schema, the resources or a choice of them sends a request."""
    source = source_of(harvest)
    assert "clients" in str(source)
    assert set(source.selected_resources) == set(DEFAULT_NAMES)
    assert set(NAMES) <= set(source.discover_schema().tables)
    assert source.schema.name == "harvest"
    assert {source.resources[name].incremental is not None for name in LISTS} == {True}
    assert list(source.with_resources("clients").selected_resources) == ["clients"]
    assert paths(harvest) == []


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_reading_outside_a_pipeline_gives_the_rows_of_the_api_and_no_others(
    harvest: HandMade, name: str
) -> None:
    """Each resource by itself: an Arrow table an item, or dicts."""
    found = list(source_of(harvest).with_resources(name))
    if found and isinstance(found[0], pa.Table):
        found = [row for table in found for row in table.to_pylist()]
    sync(pipeline(), source_of(harvest).with_resources(name))
    key = ("account_id", *by_name(name).key)
    there = rows(Path.cwd(), f"select {', '.join(key)} from {name}")
    assert sorted(tuple(row[column] for column in key) for row in found) == sorted(there)
    assert bool(there) is (by_name(name).module_list is None)  # this account lacks the module


def test_limits_maps_filters_and_transformers_see_rows_of_the_api_only(harvest: HandMade) -> None:
    """What users hang behind a resource is given each row once."""
    clients = ids(harvest.tables["clients"])
    invoices = ids(harvest.tables["invoices"])
    # an item is a page of rows
    assert ids(list(source_of(harvest).resources["invoices"].add_limit(1))) == invoices
    entries = list(source_of(harvest).resources["time_entries"].add_limit(1))
    assert sorted(entries[0].column("id").to_pylist()) == ids(harvest.tables["time_entries"])
    seen: list[int] = []

    def see(row: dict[str, Any]) -> dict[str, Any]:
        seen.append(row["id"])
        return {**row, "own": row["name"].upper()}

    mapped = list(
        source_of(harvest)
        .resources["clients"]
        .add_map(see)
        .add_filter(lambda row: row["id"] != clients[0])
    )
    assert sorted(seen) == clients
    assert ids(mapped) == clients[1:]
    assert all(row["own"] for row in mapped)

    @dlt.transformer
    def doubled(found: Any) -> Iterator[dict[str, Any]]:
        yield from ({"id": row["id"], "times": 2} for row in found)

    assert ids(list(source_of(harvest).resources["invoices"] | doubled)) == invoices


def test_same_object_run_twice_reads_twice(harvest: HandMade) -> None:
    """Plain, with a change between, and by `sync`: what changed comes, and little more is asked for."""
    source = source_of(harvest).with_resources(
        "clients", "time_entries", "invoices", "invoice_payments"
    )
    changed = harvest.tables["clients"][0]["id"]
    runs: tuple[Callable[[Any], Any], ...] = (
        pipeline().run,
        pipeline().run,
        lambda each: sync(pipeline(), each),
    )
    for number, run in enumerate(runs):
        harvest.now = f"2026-07-0{number + 2}T08:00:00Z"
        harvest.change("clients", changed, address=f"address {number}")
        harvest.requests.clear()
        run(source)
        assert "clients" in paths(harvest)
        assert rows(Path.cwd(), f"select address from clients where id = {changed}") == [
            (f"address {number}",)
        ]
    assert len(paths(harvest)) < 15


def test_incremental_is_visible_and_its_mark_lies_where_dlt_keeps_it(harvest: HandMade) -> None:
    """`updated_at` is the cursor; of one account the mark is dlt's own; a row within the lag comes again, late ones too."""
    source = source_of(harvest).with_resources("clients")
    wrapped: Any = source.resources["clients"].incremental
    assert wrapped.incremental.cursor_path == "updated_at"
    pipeline().run(source)
    mark = max(row["updated_at"] for row in harvest.tables["clients"])
    assert kept("clients")["incremental"]["updated_at"]["last_value"] == mark
    harvest.requests.clear()
    late = {**harvest.tables["clients"][0], "id": 999, "updated_at": mark}
    harvest.tables["clients"].append(late)
    pipeline().run(source)
    assert (999,) in rows(Path.cwd(), "select id from clients")
    (asked,) = [each for each in harvest.requests if each.path == "clients"]
    assert asked.query["updated_since"] < mark
    assert kept("clients")["incremental"]["updated_at"]["last_value"] == mark


def test_reading_that_is_cut_leaves_the_mark(harvest: HandMade) -> None:
    """After `add_limit`, of a list and of parents, a plain run brings all the rest."""
    source = source_of(harvest).with_resources("clients", "invoice_payments")
    for name in ("clients", "invoice_payments_parents"):
        source.resources[name].add_limit(1)
    harvest.requests.clear()
    pipeline().run(source)
    assert len([path for path in paths(harvest) if path.endswith("/payments")]) == 1
    assert kept("clients").get("accounts", {}) == {}
    assert kept("clients")["incremental"]["updated_at"]["last_value"] is None
    assert kept("invoice_payments").get("accounts", {}) == {}
    pipeline().run(source_of(harvest).with_resources("clients", "invoice_payments"))
    assert len(rows(Path.cwd(), "select id from clients")) == len(harvest.tables["clients"])
    assert len(rows(Path.cwd(), "select id from invoice_payments")) == payments_of(harvest)


def payments_of(harvest: HandMade) -> int:
    """Returns how many payments there are."""
    return sum(
        len(harvest.tables[f"invoices/{row['id']}/payments"]) for row in harvest.tables["invoices"]
    )


def test_parents_are_one_item_each_with_what_tells_a_change(harvest: HandMade) -> None:
    """A first run asks all invoices; a later one those that changed."""
    source = source_of(harvest)
    invoices = {row["id"]: row["updated_at"] for row in harvest.tables["invoices"]}
    found = list(source.resources["invoice_payments_parents"])
    assert {(row["account_id"], row["id"], row["updated_at"]) for row in found} == {
        (77, *each) for each in invoices.items()
    }
    pipeline().run(source.with_resources("invoice_payments"))
    harvest.now = "2026-07-02T08:00:00Z"
    changed = harvest.tables["invoices"][1]["id"]
    harvest.change("invoices", changed)
    harvest.requests.clear()
    pipeline().run(source.with_resources("invoice_payments"))
    assert [each for each in paths(harvest) if each.endswith("/payments")] == [
        f"invoices/{changed}/payments"
    ]


FORMS: dict[str, Callable[[list[dict[str, Any]]], list[Any]]] = {
    "rows": lambda fed: fed,
    "rows without an account": lambda fed: [{"id": each["id"]} for each in fed],
    "a page of rows": lambda fed: [fed],
    "a tuple of rows": lambda fed: [tuple(fed)],
    "an Arrow table": lambda fed: [pa.Table.from_pylist(fed)],
    "an Arrow batch": lambda fed: [pa.RecordBatch.from_pylist(fed)],
}


@pytest.mark.parametrize("form", FORMS)
def test_children_of_exactly_the_parents_that_a_user_feeds(harvest: HandMade, form: str) -> None:
    """Two invoices fed: two requests, their payments, and nothing of the marks is moved."""
    chosen = [row["id"] for row in harvest.tables["invoices"]][1:3]
    wanted = sorted(
        row["id"] for each in chosen for row in harvest.tables[f"invoices/{each}/payments"]
    )
    fed = FORMS[form]([{"id": each, "account_id": 77} for each in chosen])
    payments = dlt.resource(fed, name="mine") | source_of(harvest).resources["invoice_payments"]
    if form != "rows":
        assert ids(list(payments)) == wanted
        assert sorted(paths(harvest)) == [f"invoices/{each}/payments" for each in sorted(chosen)]
        return
    pipeline().run(source_of(harvest).with_resources("invoices"))
    harvest.requests.clear()
    pipeline().run(payments)
    assert sorted(paths(harvest)) == [f"invoices/{each}/payments" for each in sorted(chosen)]
    assert [
        each for (each,) in rows(Path.cwd(), "select id from invoice_payments order by id")
    ] == wanted
    assert not kept("invoice_payments").get("accounts")


def test_invoices_feed_their_payments_through_a_pipe(harvest: HandMade) -> None:
    source = source_of(harvest)
    piped = list(source.resources["invoices"] | source.resources["invoice_payments"])
    assert len(piped) == payments_of(harvest) > 0


def test_resources_in_parallel_ask_for_a_list_once(harvest: HandMade) -> None:
    """Both need the invoices, each in a thread of its own."""
    source = source_of(harvest).with_resources("invoices", "invoice_payments", "invoice_messages")
    for name in ("invoices", "invoice_payments_parents", "invoice_messages_parents"):
        source.resources[name].parallelize()
    assert len(list(source)) > len(harvest.tables["invoices"])
    assert paths(harvest).count("invoices") == 1


def test_refused_parents_are_said_once(harvest: HandMade, caplog: pytest.LogCaptureFixture) -> None:
    """Their children are missing, and plain dlt has no summary that says so."""
    refused = {f"invoices/{row['id']}/payments" for row in harvest.tables["invoices"][:2]}
    harvest.spoil = lambda asked: (403, b"{}") if asked.path in refused else None
    found = list(source_of(harvest).with_resources("invoice_payments"))
    assert len(found) == payments_of(harvest) - sum(len(harvest.tables[each]) for each in refused)
    (told,) = [each.getMessage() for each in caplog.records if each.name == "harvest_source"]
    assert re.match(
        r"invoice_payments of account 77: those of invoice \d+ are not read \(.*403.*\); it may be",
        told,
    )


@pytest.mark.parametrize(
    "given",
    [
        {"cursor_path": "created_at"},
        {"cursor_path": "updated_at", "initial_value": SINCE},
        {"cursor_path": "updated_at", "initial_value": SINCE, "end_value": "2026-08-01T00:00:00Z"},
        {"cursor_path": "updated_at", "last_value_func": min},
        {"cursor_path": "updated_at", "lag": 5},
    ],
)
@pytest.mark.parametrize("name", ["clients", "time_entries"])
def test_incremental_of_ones_own_is_refused_instead_of_not_followed(
    harvest: HandMade, name: str, given: dict[str, Any]
) -> None:
    """It would choose nothing: what is asked of Harvest follows the marks, or `since`."""
    source = source_of(harvest).with_resources(name)
    source.resources[name].apply_hints(incremental=dlt.sources.incremental(**given))
    with pytest.raises(
        ResourceExtractionError, match=rf"{name}: an incremental of your own .*since="
    ):
        list(source)
    assert paths(harvest) == []


def test_incremental_that_chooses_nothing_is_let_be(harvest: HandMade) -> None:
    source = source_of(harvest).with_resources("clients")
    source.resources["clients"].apply_hints(incremental=dlt.sources.incremental("updated_at"))
    assert ids(list(source)) == ids(harvest.tables["clients"])


def test_copies_of_a_source_read_as_it_does(harvest: HandMade) -> None:
    source = source_of(harvest).with_resources("clients")
    for copied in (copy.copy(source), copy.deepcopy(source), source.clone()):
        assert list(copied.selected_resources) == ["clients"]
        assert ids(list(copied)) == ids(harvest.tables["clients"])


def test_several_accounts_keep_their_marks_apart(tmp_path: Path) -> None:
    """Together, and one after another: an older row of the second account comes although the first one's mark is newer."""
    accounts = tiny(1), tiny(2)
    with serving(*accounts) as sandbox:
        names = ("clients", "invoices", "invoice_payments", "time_entries")
        here = pipeline()
        here.run(make_source(sandbox, *names, accounts=(accounts[0].id,)))
        here.run(make_source(sandbox, *names, accounts=(accounts[1].id,)))
        for name in names:
            found = rows(tmp_path, f"select account_id, count(*) from {name} group by 1 order by 1")
            assert found == [(each.id, len(each.rows[name])) for each in accounts]
            assert set(kept(name)["accounts"]) == {str(each.id) for each in accounts}
        accounts[1].insert("clients")
        sandbox.clear()
        here.run(make_source(sandbox, *names, accounts=()))
        assert all(
            "updated_since" in each.query for each in sandbox.requests if each.path == "/v2/clients"
        )
        assert rows(
            tmp_path, f"select count(*) from clients where account_id = {accounts[1].id}"
        ) == [(len(accounts[1].rows["clients"]),)]


def test_one_source_runs_again_after_a_run_that_failed(harvest: HandMade) -> None:
    """What ended a run and what it counted is forgotten by the next one of the same object."""
    source = source_of(harvest).with_resources("clients", "roles", "invoices", "invoice_payments")
    harvest.spoil = lambda asked: (401, b"{}") if asked.path == "roles" else None
    with pytest.raises(AccessLostError):
        sync(pipeline(), source)
    harvest.spoil = lambda _asked: None
    for _ in range(2):  # the second looks once more at what the run that failed had read
        assert sync(pipeline(), source).exit_code == 0
    again, fresh = (
        sync(pipeline(), each).results
        for each in (source, source_of(harvest).with_resources(*source.selected_resources))
    )
    assert [each.requests for each in again] == [each.requests for each in fresh]
    assert {each.report for each in again} == {"clients", "roles", "invoices", "invoice_payments"}


def test_nobody_is_told_of_a_source_after_its_run(harvest: HandMade) -> None:
    """A plain run of the same object does not speak to the listener of an earlier `sync`."""
    source = source_of(harvest).with_resources("clients")
    heard: list[str] = []

    class Ears(Listener):
        def request(self, account_id: int | None, report: str) -> None:  # noqa: ARG002 - which is not asked
            heard.append(report)

    sync(pipeline(), source, listener=Ears())
    before = len(heard)
    pipeline().run(source)
    assert len(heard) == before > 0


def test_rows_that_went_into_a_table_of_ones_own_are_loaded_by_sync(harvest: HandMade) -> None:
    """The bookmark of a report whose own table was never made proves nothing."""
    pipeline().run(source_of(harvest).with_resources("invoice_payments"), table_name="mine")
    assert rows(Path.cwd(), "select count(*) from mine")[0][0] > 0
    summary = sync(pipeline(), source_of(harvest).with_resources("invoices", "invoice_payments"))
    assert [each.error for each in summary.results] == [None, None]
    assert rows(Path.cwd(), "select count(*) from invoice_payments") == rows(
        Path.cwd(), "select count(*) from mine"
    )


@pytest.mark.parametrize("parent", [{"number": "1"}, None, "x", {"id": 1, "account_id": "North"}])
def test_a_parent_without_an_id_is_named(harvest: HandMade, parent: Any) -> None:
    with pytest.raises(
        ResourceExtractionError, match="invoice_payments: a parent is an id, or a row with id"
    ):
        list(
            dlt.resource([[parent]], name="mine") | source_of(harvest).resources["invoice_payments"]
        )


def test_sync_knows_the_source_by_its_own_name(harvest: HandMade) -> None:
    """Marks of another name would be kept beside those of `sync`."""
    with pytest.raises(SettingError, match="this one is called"):
        sync(pipeline(), source_of(harvest).clone("other"))


def test_sync_refuses_a_pipeline_that_drops_tables_at_each_load(harvest: HandMade) -> None:
    """It loads several times, and the last load would leave its own tables alone."""
    dropping = dlt.pipeline("dropping", destination="duckdb", refresh="drop_sources")
    with pytest.raises(SettingError, match="leave refresh out"):
        sync(dropping, source_of(harvest))
    assert paths(harvest) == []


def test_sync_says_that_a_pipeline_has_no_destination(harvest: HandMade) -> None:
    with pytest.raises(SettingError, match="the pipeline has no destination"):
        sync(dlt.pipeline("nowhere", pipelines_dir="state"), source_of(harvest))
    assert paths(harvest) == []


def test_an_empty_list_of_accounts_is_none_of_them(harvest: HandMade) -> None:
    with pytest.raises(SettingError, match="account_id"):
        source_of(harvest, account_id=[])


def test_a_token_that_was_pasted_with_spaces_is_mended_and_said(
    harvest: HandMade, caplog: pytest.LogCaptureFixture
) -> None:
    source = source_of(harvest, access_token=f" {TOKEN}\n").with_resources("clients")
    assert len(list(source)) == len(harvest.tables["clients"])
    assert "access_token" in caplog.text
    assert TOKEN not in caplog.text
