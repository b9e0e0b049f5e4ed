"""Every fact of a report stands beside it in the catalogue, and what is made from it says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvest_source.catalogue.access import Extent
from harvest_source.catalogue.lookup import CASCADES, SECRET_COLUMNS, by_name, reports_as_set
from harvest_source.catalogue.report import AccountReport, Report
from harvest_source.catalogue.reports import NAMES, REPORTS
from harvest_source.commands.cli import SHOW
from harvest_source.commands.output import HIDDEN, hide_secrets
from harvest_source.loading.removals import deleted_rows_resource

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("report", "row", "key"),
    [
        ("clients", {"account_id": 7, "id": 1, "name": "A"}, (1,)),
        ("teammates", {"id": 2, "account_id": 7, "user_id": 1}, (1, 2)),
        ("company", {"account_id": 7, "name": "A"}, ()),
    ],
)
def test_a_row_is_told_from_others_by_its_key(
    report: str, row: dict[str, int | str], key: tuple[int, ...]
) -> None:
    """With the account in front it tells a row from all of the table; a company is the only one of its account."""
    assert by_name(report).key_of(row) == key
    assert by_name(report).whole_key_of(row) == (7, *key)
    assert by_name(report).whole_key[0] == "account_id"


def test_what_opens_a_public_page_is_hidden_wherever_it_stands_and_named_wherever_it_is_told() -> (
    None
):
    """One mark on a column is enough: on the screen, in what is kept of deleted rows, in lists, and in the documents."""
    assert {"statement_key", "client_key"} == SECRET_COLUMNS
    told = [(ROOT / page).read_text(encoding="utf-8") for page in ("SECURITY.md", "docs/tables.md")]
    for name in SECRET_COLUMNS:
        assert hide_secrets(["id", name.upper()], [(1, "opens")]) == [[1, HIDDEN]]
        assert all(name in text for text in (SHOW.help or "", *told))
        row = {"id": 1, name: "opens", "line_items": [{"id": 2, name: "opens"}], "tags": ["plain"]}
        (kept,) = deleted_rows_resource({AccountReport(7, "invoices"): [row]})
        assert kept["row"] == '{"id": 1, "line_items": [{"id": 2}], "tags": ["plain"]}'


@pytest.mark.parametrize("report", REPORTS, ids=NAMES)
def test_who_may_read_a_report_is_told_as_it_is_decided(report: Report) -> None:
    """The sentence of the documents and what `check` says of a role are made from one rule, for every report."""
    access, told = report.access, str(report.access)
    assert {access.by_role(["administrator"]), access.by_role(["administrator", "manager"])} == {
        Extent.ALL
    }
    assert told.startswith("an administrator")
    alone, able = (
        access.by_role(["manager"]),
        {access.by_role(["manager", role]) for role in access.needs},
    )
    assert (
        ("or a manager who may" in told)
        == bool(able)
        == (alone is Extent.NOTHING and Extent.NOTHING not in able and bool(able))
    )
    assert ("a manager sees" in told) == (alone is Extent.OWN)
    assert ("a member only" in told) == (access.by_role(["member"]) is Extent.OWN)
    assert ("or a manager;" in told) == (access.by_role(["member"]) is Extent.ALL)
    assert not access.not_said_of or told.endswith(f"for {access.not_said_of} Harvest does not say")
    assert access.by_role(access.needs) is access.member, "what a manager needs is no use to others"
    claims = {
        f"{access.claim}:read:all": Extent.ALL,
        f"{access.claim}:read:own": Extent.OWN,
        "other:read:all": Extent.UNKNOWN,
    }
    for claim, extent in claims.items():
        known = extent if access.claim else Extent.UNKNOWN
        assert access.of((), [claim]) is (Extent.ALL if access.member is Extent.ALL else known)


def test_a_row_that_goes_takes_along_what_hangs_on_it() -> None:
    """A report says what takes its rows along; tables whose rows take others along come before those."""
    assert CASCADES["users"] == (
        ("user_assignments", "user__id"), ("project_assignments", "user_id"), ("billable_rates", "user_id"),
        ("cost_rates", "user_id"), ("teammates", "user_id"), ("teammates", "id"),
        ("pto_balances", "user_id"),
    )  # fmt: skip
    assert set(CASCADES["projects"]) == {
        (name, "project__id")
        for name in (
            "task_assignments",
            "user_assignments",
            "project_assignments",
            "time_entries",
            "expenses",
        )
    }
    assert CASCADES["invoices"] == (
        ("invoice_messages", "invoice_id"),
        ("invoice_payments", "invoice_id"),
    )
    assert (CASCADES["estimates"], CASCADES["user_assignments"]) == (
        (("estimate_messages", "estimate_id"),),
        (("project_assignments", "id"),),
    )
    order = list(CASCADES)
    for owner, owned in CASCADES.items():
        assert all(order.index(owner) < order.index(name) for name, _ in owned if name in order)
        for name, column in owned:
            assert column in {each.name for each in by_name(name).columns}


@pytest.mark.parametrize("assignments", ["account", "project"])
def test_each_child_has_the_id_of_its_parent(assignments: str) -> None:
    """In a column of its own, or in that of the record: an assignment that is read by project."""
    children = [report for report in reports_as_set(assignments).values() if report.parent]
    for report in children:
        assert report.parent_column in {each.name for each in report.columns}
    by_record = {report.name: report.parent_column for report in children if not report.linked_by}
    names = ("user_assignments", "task_assignments") if assignments == "project" else ()
    assert by_record == dict.fromkeys(names, "project__id")


@pytest.mark.parametrize("report", REPORTS, ids=NAMES)
def test_facts_name_what_there_is(report: Report) -> None:
    """Columns and lists that a fact speaks of are declared."""
    columns = {each.name for each in report.columns}
    if report.running:
        assert {report.running.column, *report.running.grows} <= columns
    if report.sum_at_harvest:
        assert {
            report.sum_at_harvest.column,
            report.sum_at_harvest.instead,
            "spent_date",
        } <= columns
    if report.settling and report.parent:
        above = {each.name for each in by_name(report.parent.report).columns}
        assert report.settling.column in columns
        assert {*report.settling.of_parent.split(" - "), "state"} <= above
    if report.parent and report.parent.only:
        assert report.parent.only.list in {
            each.name for each in by_name(report.parent.report).lists
        }
    assert all(
        scout.report in NAMES and by_name(scout.report).parent is None for scout in report.scouts
    )
    assert report.holds
    # where no shape is documented, a row is told from an envelope
    assert bool(report.module_list) or (report.rows_key is None) == bool(report.answer_has)


@pytest.mark.parametrize(
    ("record", "has"),
    [
        ({"access_roles": ["manager", "project_creator"]}, True),
        ({"access_roles": ["member"]}, False),
        ({"access_roles": "manager"}, False),
        ({}, False),
    ],
)
def test_only_managers_are_asked_for_teammates(record: dict[str, object], has: bool) -> None:  # noqa: FBT001 - a table of cases
    """Anyone else answers with an error; other reports ask every parent."""
    managers, users = by_name("teammates").parent, by_name("cost_rates").parent
    assert managers is not None
    assert users is not None
    assert managers.may_have_children(record) is has
    assert users.may_have_children(record)
