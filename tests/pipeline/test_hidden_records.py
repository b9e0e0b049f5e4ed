"""One record that the token does not see (403 for it alone) is passed over, said, and never taken for deleted."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from compare import assert_equal
from faults_support import errors_of
from pipelines import rows
from second_harvest import Asked, HandMade, by_hand
from support import sync_once

from harvest_sandbox import Sandbox
from harvest_source.reading.reader import Choice, Mode

REFUSAL = (403, b'{"message": "Not authorized!"}')
LATER = "2026-07-02T08:30:00Z"
ON_INVOICES = ("invoices", "invoice_messages", "invoice_payments")


def refuse(harvest: HandMade, *beginnings: str) -> None:
    """Has Harvest refuse the paths that begin so."""
    harvest.spoil = lambda asked: REFUSAL if asked.path.startswith(beginnings) else None


def hide(harvest: HandMade, path: str, row_id: int) -> None:
    """Has a row vanish from its list, and Harvest refuse it when it is asked for alone, with all that hangs on it."""
    harvest.tables[path].remove(harvest.row(path, row_id))
    refuse(harvest, f"{path}/{row_id}")


def verified(
    folder: Path, harvest: HandMade, *names: str, choice: Choice | None = None
) -> dict[str, str]:
    """Runs once, complete, and returns what it says of each report, but for whose rows it has."""
    summary = sync_once(folder, harvest, *names, choice=choice)
    assert errors_of(summary) == {}
    return {
        result.report: result.verified.partition(", only rows ")[0] for result in summary.results
    }


def count(folder: Path, table: str, condition: str = "true") -> int:
    """Returns the number of rows of a table."""
    ((number,),) = rows(folder, f"select count(*) from {table} where {condition}")
    return int(number)


@pytest.mark.long
def test_what_hangs_on_a_refused_invoice_stays_and_the_others_go_on(tmp_path: Path) -> None:
    """From the run that first meets the 403, in later ones and in one that loads anew, until Harvest shows it again."""
    with by_hand(invoices=6, entries=0) as harvest:
        sync_once(tmp_path, harvest, *ON_INVOICES)
        refused, other = (harvest.tables["invoices"][place]["id"] for place in (2, 3))
        own = f"invoice_id = {refused}"
        kept = {name: count(tmp_path, name, own) for name in ON_INVOICES[1:]}
        assert all(kept.values())
        harvest.now = LATER
        refuse(harvest, f"invoices/{refused}/")
        for invoice in (refused, other):
            harvest.change("invoices", invoice, notes="edited")
        harvest.tables[f"invoices/{other}/messages"][0].update(subject="edited", updated_at=LATER)
        for choice in (None, Choice(mode=Mode.REPLACE)):
            assert verified(tmp_path, harvest, *ON_INVOICES, choice=choice) == {
                "invoices": "yes",
                "invoice_messages": "read today, 1 invoice not seen",
                "invoice_payments": "read today, 1 invoice not seen",
            }
            assert {name: count(tmp_path, name, own) for name in ON_INVOICES[1:]} == kept
            assert count(tmp_path, "invoice_messages", "subject = 'edited'") == 1
        harvest.spoil = lambda _asked: None
        assert set(verified(tmp_path, harvest, *ON_INVOICES).values()) == {"yes", "read today"}
        assert_equal(tmp_path, cast("Sandbox", harvest), *ON_INVOICES)


@pytest.mark.long
def test_invoice_out_of_sight_is_not_taken_for_deleted(tmp_path: Path) -> None:
    """It is in no list any more and refused alone: it stays with its lines, messages and payments; a deleted one goes."""
    with by_hand(invoices=9, entries=0) as harvest:
        sync_once(tmp_path, harvest, *ON_INVOICES)
        before = {table: count(tmp_path, table) for table in (*ON_INVOICES, "invoices__line_items")}
        hidden = harvest.tables["invoices"][2]["id"]
        refuse(harvest, f"invoices/{hidden}/")
        harvest.now = LATER
        harvest.change("invoices", hidden)  # so that what hangs on it is asked for
        verified(tmp_path, harvest, *ON_INVOICES)
        hide(harvest, "invoices", hidden)
        for _ in range(2):
            assert verified(tmp_path, harvest, *ON_INVOICES) == {
                "invoices": "yes, 1 invoice not seen",
                "invoice_messages": "read today, 1 invoice not seen",
                "invoice_payments": "read today, 1 invoice not seen",
            }
            assert {table: count(tmp_path, table) for table in before} == before
        harvest.tables["invoices"].pop()
        assert verified(tmp_path, harvest, *ON_INVOICES)["invoices"].endswith("1 invoice not seen")
        assert count(tmp_path, "invoices") == before["invoices"] - 1
        assert count(tmp_path, "invoices", f"id = {hidden}") == 1


@pytest.mark.parametrize("role", ["administrator", pytest.param("manager", marks=pytest.mark.long)])
def test_timer_that_is_refused_stays(tmp_path: Path, role: str) -> None:
    """A teammate's timer ran when it was last read and is out of sight now: each run asks for it, and goes on."""
    with by_hand(invoices=1, entries=12) as harvest:
        entry = harvest.tables["time_entries"][4]
        entry.update(is_running=True, timer_started_at=entry["updated_at"])
        with_role(harvest, role)
        sync_once(tmp_path, harvest, "time_entries")
        hide(harvest, "time_entries", entry["id"])
        with_role(harvest, role)
        for _ in range(2):
            assert verified(tmp_path, harvest, "time_entries") == {
                "time_entries": "yes, 1 time entry not seen"
            }
            assert count(tmp_path, "time_entries") == 12
        harvest.tables["time_entries"].pop()
        assert verified(tmp_path, harvest, "time_entries") == {
            "time_entries": "repaired 1, 1 time entry not seen"
        }
        assert count(tmp_path, "time_entries", f"id = {entry['id']}") == 1


def with_role(harvest: HandMade, role: str) -> None:
    """Has the caller be of a role, with what is refused already."""
    spoil = harvest.spoil
    me = (200, b'{"id": 1, "access_roles": ["%s"]}' % role.encode())
    harvest.spoil = lambda asked: me if asked.path == "users/me" else spoil(asked)


@pytest.mark.long
def test_rows_out_of_a_managers_sight_are_asked_for_before_they_go(tmp_path: Path) -> None:
    """A teammate was taken from a manager: the user and their entries are in no list; nothing was refused before."""
    names = ("users", "time_entries", "billable_rates")
    with by_hand(invoices=1, entries=24) as harvest:
        with_role(harvest, "manager")
        sync_once(tmp_path, harvest, *names)
        user = harvest.tables["users"][2]["id"]
        entries = [row["id"] for row in harvest.tables["time_entries"] if row["user"]["id"] == user]
        deleted = harvest.tables["time_entries"].pop()["id"]
        assert deleted not in entries
        harvest.tables["users"] = [row for row in harvest.tables["users"] if row["id"] != user]
        harvest.tables["time_entries"] = [
            row for row in harvest.tables["time_entries"] if row["id"] not in entries
        ]
        refuse(harvest, f"users/{user}", *(f"time_entries/{each}" for each in entries))
        with_role(harvest, "manager")
        assert verified(tmp_path, harvest, *names) == {
            "users": "yes, 1 user not seen",
            "time_entries": "repaired 1, 4 time entries not seen",
            "billable_rates": "read today",
        }
        assert count(tmp_path, "users") == 6
        assert count(tmp_path, "time_entries") == 23
        assert count(tmp_path, "billable_rates", f"user_id = {user}") == 2


@pytest.mark.long
def test_what_hangs_on_rows_out_of_a_managers_sight_stays(tmp_path: Path) -> None:
    """A project and a teammate were taken from a manager: what hangs on them is in no list, and is not asked for."""
    names = (
        "projects",
        "users",
        "task_assignments",
        "user_assignments",
        "project_assignments",
        "billable_rates",
    )
    with by_hand(users=3, invoices=1, entries=0) as harvest:
        with_role(harvest, "manager")
        verified(tmp_path, harvest, *names)
        before = {name: count(tmp_path, name) for name in names}
        project, user = harvest.tables["projects"][1]["id"], harvest.tables["users"][2]["id"]
        hide(harvest, "projects", project)
        hide(harvest, "users", user)
        refuse(harvest, f"projects/{project}", f"users/{user}")
        with_role(harvest, "manager")
        for name in ("task_assignments", "user_assignments"):
            rows_left = [each for each in harvest.tables[name] if each["project"]["id"] != project]
            harvest.tables[name] = [
                each for each in rows_left if each.get("user", {}).get("id") != user
            ]
        for choice in (None, Choice(mode=Mode.REPLACE)):
            told = verified(tmp_path, harvest, *names, choice=choice)
            assert told["projects"] == "yes, 1 project not seen"
            assert "assignments not seen" in told["user_assignments"]
            assert {name: count(tmp_path, name) for name in names} == before


@pytest.mark.long
def test_report_of_which_every_parent_is_refused_is_refused(tmp_path: Path) -> None:
    """As a whole, on a first run and on later ones, with few requests; one refused invoice alone does not make it so."""
    names = ("invoices", "invoice_messages")

    def refused(asked: Asked) -> bool:
        return asked.path.endswith("/messages")

    with by_hand(invoices=60, entries=0) as harvest:
        for after in (False, True):
            harvest.spoil = lambda asked: REFUSAL if refused(asked) else None
            harvest.requests.clear()
            (error,) = errors_of(sync_once(tmp_path, harvest, *names)).values()
            assert "one must be an administrator" in error
            # those under way at once come on top
            assert len([asked for asked in harvest.requests if refused(asked)]) < 45
            harvest.spoil = lambda _asked: None
            assert errors_of(sync_once(tmp_path, harvest, *names)) == {}
            harvest.now = LATER
            invoices = harvest.tables["invoices"] if not after else harvest.tables["invoices"][:1]
            for invoice in invoices:
                harvest.change("invoices", invoice["id"])
        refuse(harvest, f"invoices/{harvest.tables['invoices'][0]['id']}/")
        assert (
            verified(tmp_path, harvest, *names)["invoice_messages"]
            == "read today, 1 invoice not seen"
        )
        assert_equal(tmp_path, cast("Sandbox", harvest), "invoices")
