"""What a change does to the row and to others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvest_sandbox import Account, Clock, Sandbox, Size, build_account
from harvest_sandbox.blanks import REPORTS

if TYPE_CHECKING:
    from sandbox.conftest import Api

NOW = "2025-06-30T17:00:00Z"


@pytest.fixture(autouse=True)
def _later(clock: Clock) -> None:
    """Let every change happen an hour after the account was built."""
    clock.advance(3600)


def first(account: Account, report: str) -> Any:
    """Return the first key of a table."""
    return next(iter(account.rows[report]))


def related(account: Account, report: str, field: str, key: int) -> list[Any]:
    """Return the keys of the rows whose nested object is a certain one."""
    return [
        each for each, row in account.rows[report].items() if row[field] and row[field]["id"] == key
    ]


@pytest.mark.parametrize("report", REPORTS)
def test_a_row_can_be_inserted_updated_and_deleted_in_every_table(
    account: Account, report: str
) -> None:
    before = len(account.rows[report])
    if report == "teammates":
        account.delete(report, first(account, report))
        before -= 1
    begin: dict[str, Any] = (
        {"start_date": "2025-06-01"} if report.endswith("_rates") else {}
    )  # one without would replace all others
    row = account.insert(report, **begin)
    key = next(key for key, each in account.rows[report].items() if each is row)
    assert len(account.rows[report]) == before + 1
    if report != "teammates":
        assert (row["created_at"], row["updated_at"]) == (NOW, NOW)
        assert row["id"] == max(account.rows[report])
    assert not [
        name for name in ("client", "project", "user", "task") if name in row and row[name] is None
    ]
    account.update(report, key)
    account.delete(report, key)
    assert key not in account.rows[report]


@pytest.mark.parametrize("report", [report for report in REPORTS if report != "teammates"])
def test_an_update_moves_updated_at_unless_it_is_quiet(
    account: Account, clock: Clock, report: str
) -> None:
    key = first(account, report)
    old = account.rows[report][key]["updated_at"]
    account.update(report, key, quiet=True)
    assert account.rows[report][key]["updated_at"] == old
    clock.advance(60)
    assert account.update(report, key)["updated_at"] == "2025-06-30T17:01:00Z"


def test_an_inserted_pattern_gets_an_id_of_its_own(account: Account) -> None:
    pattern = account.rows["clients"][first(account, "clients")]
    row = account.insert("clients", pattern, name="Copy")
    assert row["id"] != pattern["id"]
    assert (row["name"], row["currency"], row["created_at"]) == ("Copy", pattern["currency"], NOW)
    given_id = account.insert(
        "clients", {"id": 77, "name": "Given", "updated_at": "2020-01-01T00:00:00Z"}
    )
    assert (given_id["id"], given_id["updated_at"]) == (77, "2020-01-01T00:00:00Z")


def test_a_renamed_client_is_renamed_in_nested_copies_while_they_stand_still(
    api: Api, account: Account
) -> None:
    client = next(row["client"]["id"] for row in account.rows["time_entries"].values())
    entry = api.json("time_entries", client_id=client)["time_entries"][0]
    account.update("clients", client, name="Renamed")
    again = api.json(f"time_entries/{entry['id']}")
    assert again["client"]["name"] == "Renamed"
    assert again["updated_at"] == entry["updated_at"]


def test_a_changed_assignment_shows_in_entries_but_moves_no_project(account: Account) -> None:
    key = first(account, "user_assignments")
    project = account.rows["projects"][account.rows["user_assignments"][key]["project"]["id"]]
    old = project["updated_at"]
    account.update("user_assignments", key, hourly_rate=12.5)
    entries = related(account, "time_entries", "user_assignment", key)
    assert entries
    assert all(
        account.rows["time_entries"][entry]["user_assignment"]["hourly_rate"] == 12.5
        for entry in entries
    )
    assert project["updated_at"] == old


def test_deleting_a_project_takes_its_work_but_no_invoice(account: Account) -> None:
    project = next(
        row["project"]["id"] for row in account.rows["time_entries"].values() if row["is_billed"]
    )
    invoices = len(account.rows["invoices"])
    account.delete("projects", project)
    for report in ("time_entries", "expenses", "user_assignments", "task_assignments"):
        assert related(account, report, "project", project) == []
        assert account.rows[report]
    assert len(account.rows["invoices"]) == invoices


def test_deleting_an_invoice_takes_payments_and_messages_and_frees_its_work(
    account: Account,
) -> None:
    invoice = next(parent for parent in account.parents["invoice_payments"].values())
    entries = related(account, "time_entries", "invoice", invoice)
    account.delete("invoices", invoice)
    assert invoice not in set(account.parents["invoice_payments"].values()) | set(
        account.parents["invoice_messages"].values()
    )
    assert set(account.parents["invoice_messages"]) == set(account.rows["invoice_messages"])
    for key in entries:
        entry = account.rows["time_entries"][key]
        assert (entry["invoice"], entry["is_billed"], entry["updated_at"]) == (None, False, NOW)


def test_deleting_a_user_takes_rates_assignments_and_places_in_teams_and_roles(
    account: Account,
) -> None:
    user = next(mate for _, mate in account.rows["teammates"])
    account.delete("users", user)
    assert user not in set(account.parents["billable_rates"].values()) | set(
        account.parents["cost_rates"].values()
    )
    assert related(account, "user_assignments", "user", user) == []
    assert all(user not in key for key in account.rows["teammates"])
    assert all(user not in role["user_ids"] for role in account.rows["roles"].values())


def test_deleting_a_role_unlinks_its_users(account: Account) -> None:
    role = account.rows["roles"][first(account, "roles")]
    account.delete("roles", role["id"])
    assert all(role["name"] not in user["roles"] for user in account.rows["users"].values())


def test_harvest_would_refuse_to_delete_what_is_in_use(account: Account) -> None:
    entry = account.rows["time_entries"][first(account, "time_entries")]
    for report, field in (
        ("clients", "client"),
        ("users", "user"),
        ("tasks", "task"),
        ("task_assignments", "task_assignment"),
    ):
        assert not account.may_delete(report, entry[field]["id"])
    assert account.may_delete("projects", entry["project"]["id"])
    assert account.may_delete("clients", account.insert("clients")["id"])


def test_a_payment_moves_its_invoice_to_the_second(account: Account, clock: Clock) -> None:
    invoice = next(
        row
        for row in account.rows["invoices"].values()
        if row["state"] == "open" and row["due_amount"] == row["amount"]
    )
    payment = account.insert("invoice_payments", invoice_id=invoice["id"], amount=5)
    assert invoice["due_amount"] == pytest.approx(invoice["amount"] - 5)
    assert invoice["updated_at"] == payment["created_at"] == NOW
    assert invoice["state"] == "open"
    clock.advance(1)
    rest = account.insert("invoice_payments", parent=invoice["id"], amount=invoice["due_amount"])
    assert (invoice["due_amount"], invoice["state"], invoice["paid_date"]) == (
        0,
        "paid",
        rest["paid_date"],
    )
    account.update("invoice_payments", rest["id"], amount=1)
    assert invoice["state"] == "open"
    clock.advance(1)
    account.delete("invoice_payments", payment["id"], quiet=True)
    assert invoice["due_amount"] == pytest.approx(invoice["amount"] - 1)
    assert invoice["updated_at"] == "2025-06-30T17:00:01Z"


def test_a_message_that_changes_the_state_moves_its_parent_and_a_reminder_does_not(
    account: Account,
) -> None:
    draft = next(row for row in account.rows["invoices"].values() if row["state"] == "draft")
    old = draft["updated_at"]
    account.insert("invoice_messages", invoice_id=draft["id"], reminder=True)
    assert (draft["state"], draft["updated_at"]) == ("draft", old)
    account.insert("invoice_messages", invoice_id=draft["id"], event_type="send")
    assert (draft["state"], draft["sent_at"], draft["updated_at"]) == ("open", NOW, NOW)
    estimate = next(row for row in account.rows["estimates"].values() if row["state"] == "sent")
    account.insert("estimate_messages", estimate_id=estimate["id"], event_type="accept")
    assert (estimate["state"], estimate["accepted_at"]) == ("accepted", NOW)


def test_new_lines_give_a_new_amount(account: Account) -> None:
    invoice = account.insert("invoices")
    line = {
        "quantity": 2,
        "unit_price": 50.0,
        "amount": 100.0,
        "taxed": True,
        "taxed2": False,
        "project": None,
    }
    account.update("invoices", invoice["id"], line_items=[line], tax=19.0, discount=10)
    assert (invoice["amount"], invoice["due_amount"], invoice["discount_amount"]) == (
        107.1,
        107.1,
        10.0,
    )


def test_new_hours_are_rounded_and_stored(account: Account) -> None:
    entry = account.insert("time_entries", hours=1.3)
    assert (entry["hours_without_timer"], entry["rounded_hours"]) == (1.3, 1.5)
    account.update("time_entries", entry["id"], hours=2)
    assert (entry["hours_without_timer"], entry["rounded_hours"]) == (2, 2)


def test_a_new_entry_follows_user_and_project(account: Account) -> None:
    assignment = list(account.rows["user_assignments"].values())[7]
    entry = account.insert(
        "time_entries", user_id=assignment["user"]["id"], project_id=assignment["project"]["id"]
    )
    project = account.rows["projects"][assignment["project"]["id"]]
    assert entry["client"] == project["client"]
    assert entry["user_assignment"]["id"] == assignment["id"]
    assert (
        account.rows["task_assignments"][entry["task_assignment"]["id"]]["project"]["id"]
        == project["id"]
    )


def test_a_project_of_another_client_takes_its_entries_along(account: Account) -> None:
    project = first(account, "projects")
    client = account.insert("clients", name="Other")
    account.update("projects", project, client_id=client["id"])
    entries = related(account, "time_entries", "project", project)
    assert {account.rows["time_entries"][key]["client"]["id"] for key in entries} == {client["id"]}


def test_a_new_rate_ends_the_one_before_and_replaces_later_ones(account: Account) -> None:
    user = max(
        account.rows["users"], key=lambda key: len(account.children_of("billable_rates", key))
    )
    account.insert("billable_rates", user_id=user, amount=150, start_date="2025-06-01")
    rates = [
        account.rows["billable_rates"][key] for key in account.children_of("billable_rates", user)
    ]
    assert [rate["end_date"] for rate in rates][-2:] == ["2025-05-31", None]
    assert account.rows["users"][user]["default_hourly_rate"] == 150
    account.insert("billable_rates", user_id=user, amount=99)
    assert len(account.children_of("billable_rates", user)) == 1
    assert account.rows["users"][user]["default_hourly_rate"] == 99


def test_a_running_timer_grows_while_updated_at_stands_still(api: Api, clock: Clock) -> None:
    before = api.rows("time_entries", is_running="true")
    clock.advance(1800)
    after = api.rows("time_entries", is_running="true")
    assert len(after) == 2
    for old, new in zip(before, after, strict=True):
        assert new["hours"] == pytest.approx(old["hours"] + 0.5, abs=0.011)
        assert new["rounded_hours"] >= new["hours"] > new["hours_without_timer"]
        assert new["updated_at"] == old["updated_at"]
        assert api.json(f"time_entries/{new['id']}") == new


def test_a_timer_can_be_started_and_stopped(account: Account, clock: Clock) -> None:
    entry = account.insert("time_entries", is_running=True, hours=1)
    assert entry["timer_started_at"] == NOW
    clock.advance(3600)
    assert account.deliver("time_entries", entry)["hours"] == 2
    account.update("time_entries", entry["id"], is_running=False)
    assert (entry["hours"], entry["hours_without_timer"], entry["timer_started_at"]) == (2, 2, None)


def test_delivered_rows_are_what_the_api_delivers(api: Api, account: Account) -> None:
    for report in ("time_entries", "expenses", "users"):
        expected = {row["id"]: row for row in account.delivered(report)}
        assert {row["id"]: row for row in api.rows(report)} == expected


def test_a_long_list_is_remembered_until_it_changes(
    api: Api, sandbox: Sandbox, account: Account
) -> None:
    large = build_account(Size(time_entries=6_000), today=account.now().date())
    sandbox.accounts[:] = [large]
    assert api.ids("time_entries", is_billed="false") == api.ids("time_entries", is_billed="false")
    keys = api.ids("time_entries")
    assert len(set(keys)) == 6_000
    large.delete("time_entries", keys[0])
    row = large.insert("time_entries", spent_date="2030-01-01")
    assert api.ids("time_entries")[:2] == [row["id"], keys[1]]
    assert api.ids("time_entries", from_="2030-01-01") == [row["id"]]
    large.update("time_entries", row["id"], spent_date="2020-01-01")
    assert api.ids("time_entries")[-1] == row["id"]


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(REPORTS),
            st.sampled_from(["insert", "update", "delete"]),
            st.integers(0, 10_000),
        ),
        max_size=30,
    )
)
def test_any_order_of_changes_leaves_a_consistent_account(
    account: Account, steps: list[tuple[str, str, int]]
) -> None:
    account = build_account(today=account.now().date())
    for report, action, number in steps:
        keys = list(account.rows[report])
        if action == "insert" and report != "teammates":
            account.insert(report)
        elif keys and action == "update":
            account.update(report, keys[number % len(keys)])
        elif keys and action == "delete":
            account.delete(report, keys[number % len(keys)])
    for report, parents in account.parents.items():
        assert set(parents) == set(account.rows[report])
        assert sorted(map(str, parents)) == sorted(
            str(key) for keys in account.children[report].values() for key in keys
        )
    for report, field in (
        ("time_entries", "project"),
        ("expenses", "user"),
        ("user_assignments", "user"),
        ("projects", "client"),
    ):
        known = account.rows[f"{field}s"]
        assert all(
            row[field] is None or row[field]["id"] in known for row in account.rows[report].values()
        )


def test_balances_follow_requests(api: Api, account: Account) -> None:
    """A request takes its working days, half of one where it says so; approved they are used, and gone they are back."""
    user = next(key for key, row in account.rows["users"].items() if row["is_active"])
    kind = first(account, "pto_types")

    def days(year: int = 2030) -> tuple[str, str]:
        of_type = api.json("pto/balances", user_id=user, year=year)["balances"][0]
        assert of_type["pto_type"]["id"] == kind
        return of_type["used_days"], of_type["pending_days"]

    assert days() == ("0.0", "0.0")
    row = account.insert(
        "pto_requests",
        user_id=user,
        pto_type_id=kind,
        start_date="2030-01-04",
        end_date="2030-01-07",
    )
    assert (len(row["request_days"]), row["days"]) == (4, 2)
    assert days() == ("0.0", "2.0")
    account.update("pto_requests", row["id"], status="approved")
    assert row["reviewed_at"] == NOW
    assert days() == ("2.0", "0.0")
    account.delete("pto_types", kind)
    assert row["id"] not in account.rows["pto_requests"]


def test_changes_from_another_thread_do_not_disturb_a_load(api: Api, account: Account) -> None:
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            account.delete("time_entries", account.insert("time_entries")["id"])

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(20):
            assert len(set(api.ids("time_entries"))) >= 1_200
    finally:
        done.set()
        thread.join()
