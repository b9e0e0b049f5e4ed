"""A member's token: what it may read is loaded, the summary says whose rows they are, and refusals take one line."""

from __future__ import annotations

from pathlib import Path

from command_line import Type
from pipelines import rows
from support import TOKEN, serving, stop_timers

from harvest_sandbox import Caller, Size, build_account

SMALL = Size(projects=4, users=4, invoices=4, estimates=2, time_entries=60, expenses=10, clients=3)


def test_member_loads_their_own_rows_and_is_told_so(tmp_path: Path, type_command: Type) -> None:
    """Their time, expenses and project assignments; a second run says the same."""
    account = build_account(SMALL, seed=7)
    stop_timers(account)
    user = next(row for row in account.rows["users"].values() if row["access_roles"] == ["member"])
    own = {
        row["id"]
        for row in account.rows["user_assignments"].values()
        if row["user"]["id"] == user["id"] and row["is_active"]
    }
    with serving(account) as sandbox:
        sandbox.callers[TOKEN] = Caller(user_id=user["id"], access_roles=["member"])
        for _ in range(2):
            done = type_command("run", harvest=sandbox)
            assert done.code == 1
            skipped, refused = sorted(
                (line for line in done.err.splitlines() if "403" in line),
                key=lambda line: not line.startswith("skipped"),
            )
            assert "pto_types" in skipped
            assert {"clients", "invoices", "users", "cost_rates"} <= set(
                refused.partition(" (account")[0].split(": ")[1].split(", ")
            )
            lines = {
                line.split()[0]: line for line in map(str.rstrip, done.out.splitlines()) if line
            }
            whose = f"only rows of {user['first_name']} {user['last_name']}"
            assert lines["time_entries"].endswith(f"yes, {whose}")
            assert lines["project_assignments"].endswith(f"read today, {whose}")
            assert lines["company"].endswith("yes")
    assert own
    assert {row[0] for row in rows(tmp_path, "select id from harvest.project_assignments")} == own
    assert {row[0] for row in rows(tmp_path, "select user__id from harvest.time_entries")} == {
        user["id"]
    }
