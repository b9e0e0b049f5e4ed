"""Any order of changes, faults, interruptions and runs ends in the account's state."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from compare import assert_equal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support import TOKEN, stop_timers, sync_once

from harvest_sandbox import Fault, Sandbox, Size, build_account
from harvest_source.errors import HarvestError

NAMES = (
    "time_entries",
    "expenses",
    "invoices",
    "invoice_payments",
    "projects",
    "user_assignments",
    "project_assignments",
)
TINY = Size(projects=5, users=4, invoices=8, estimates=2, time_entries=40, expenses=12, clients=3)
COPIES = (
    "user_assignment__",
    "task_assignment__",
)  # inside entries and expenses, whose change time does not move with them
KINDS = st.sampled_from(["time_entries", "expenses", "invoices", "projects", "user_assignments"])
PICK = st.integers(min_value=0, max_value=10_000)


class AnyOrder(RuleBasedStateMachine):
    """An account that changes, and a warehouse that follows it."""

    @initialize(seed=st.integers(min_value=1, max_value=50))
    def start(self, seed: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.account = build_account(TINY, seed=seed)
        self.stop_timers()
        self.sandbox = Sandbox([self.account], token=TOKEN).start()

    def teardown(self) -> None:
        if hasattr(self, "sandbox"):
            self.sandbox.faults.clear()
            self.stop_timers()
            for _ in range(2):  # the first run finds what is gone, the second what that left behind
                summary = self.sync(sweep_days=0)  # quiet changes of children need a full sweep
            assert [result.error for result in summary.results if result.error] == []
            assert_equal(Path(self.folder.name), self.sandbox, *NAMES, copies=COPIES)
            self.sandbox.stop()
            self.folder.cleanup()

    def stop_timers(self) -> None:
        """Stops the timers as quietly as their hours grew: a run must look at them once more."""
        stop_timers(self.account, quiet=True)

    def sync(self, **options: Any) -> Any:
        return sync_once(Path(self.folder.name), self.sandbox, *NAMES, **options)

    def pick(self, report: str, pick: int) -> int | None:
        ids = list(self.account.rows[report])
        return ids[pick % len(ids)] if ids else None

    @rule(report=KINDS, pick=PICK)
    def edit(self, report: str, pick: int) -> None:
        row_id = self.pick(report, pick)
        if row_id is not None:
            note = {"user_assignments": {"hourly_rate": pick / 100}}.get(
                report, {"notes": f"edit {pick}"}
            )
            self.account.update(report, row_id, **note)

    @rule(report=st.sampled_from(["time_entries", "expenses"]), pick=PICK)
    def move(self, report: str, pick: int) -> None:
        row_id = self.pick(report, pick)
        if row_id is not None:
            self.account.update(report, row_id, spent_date=f"2026-0{1 + pick % 9}-1{pick % 10}")

    @rule(pick=PICK)
    def move_to_another_project(self, pick: int) -> None:
        entry, project = self.pick("time_entries", pick), self.pick("projects", pick)
        if entry is not None and project is not None:
            name = self.account.rows["projects"][project]["name"]
            old = self.account.rows["time_entries"][entry]["project"]
            self.account.update("time_entries", entry, project={**old, "id": project, "name": name})

    @rule(pick=PICK)
    def start_timer(self, pick: int) -> None:
        entry = self.pick("time_entries", pick)
        if entry is not None:
            self.account.update(
                "time_entries", entry, is_running=True, timer_started_at="2026-11-20T08:00:00Z"
            )

    @rule(pick=PICK)
    def change_a_payment_quietly(self, pick: int) -> None:
        payment = self.pick("invoice_payments", pick)
        if payment is not None:
            self.account.rows["invoice_payments"][payment]["notes"] = f"quiet {pick}"

    @rule(report=st.sampled_from(["time_entries", "expenses"]))
    def insert(self, report: str) -> None:
        self.account.insert(report)

    @rule(report=st.sampled_from(["time_entries", "expenses", "invoices", "projects"]), pick=PICK)
    def delete(self, report: str, pick: int) -> None:
        row_id = self.pick(report, pick)
        if row_id is not None and len(self.account.rows[report]) > 3:
            self.account.delete(report, row_id)

    @rule(pick=PICK)
    def archive_assignment(self, pick: int) -> None:
        row_id = self.pick("user_assignments", pick)
        if row_id is not None:
            self.account.update("user_assignments", row_id, is_active=False)

    @rule(
        report=KINDS,
        status=st.sampled_from([403, 429, 500, 503]),
        after=st.integers(min_value=0, max_value=2),
    )
    def fail(self, report: str, status: int, after: int) -> None:
        self.sandbox.faults.append(
            Fault(path=rf"/{report}$", kind="status", status=status, times=1, after=after)
        )

    @rule()
    def run_once(self) -> None:
        self.sync()
        self.sandbox.faults.clear()

    @rule(after=st.integers(min_value=0, max_value=30))
    def interrupted_run(self, after: int) -> None:
        self.sandbox.faults.append(
            Fault(path=r"^/v2/", kind="status", status=401, times=None, after=after)
        )
        try:
            self.sync()
        except HarvestError:
            pass
        finally:
            self.sandbox.faults.clear()

    @invariant()
    def nothing(self) -> None:
        """The tables are compared at the end: in between the account is ahead of them."""


AnyOrder.TestCase.settings = settings(
    max_examples=4,
    stateful_step_count=8,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
test_any_order_ends_in_the_accounts_state = pytest.mark.long(AnyOrder.TestCase)
