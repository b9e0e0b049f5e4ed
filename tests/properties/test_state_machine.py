"""Any order of inserts, edits, moves, faults, kills and runs ends equal to the account, deletes aside."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dlt
from compare import assert_equal
from faults_support import PASSING, errors_of, passing_fault, path_of, tiny
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from support import TOKEN, make_pipeline, make_source

from harvest_sandbox import Fault, Sandbox, Size
from harvest_source.api.errors import HarvestError
from harvest_source.reports.catalogue import by_name
from harvest_source.syncing import Summary, sync
from harvest_source.syncing.listener import Listener

NAMES = ("clients", "time_entries", "expenses", "invoices", "invoice_payments", "invoice_messages", "estimates")
SIZE = Size(projects=3, users=3, invoices=6, estimates=3, time_entries=20, expenses=8, clients=3)
PICK = st.integers(min_value=0, max_value=1000)
INSTANT_FAULTS = sorted(set(PASSING) - {"time-out"})


class Killed(BaseException):
    """Stands for a kill: no code of the product expects it."""


class Murderer(Listener):
    """Kills a run at one of its requests or steps."""

    def __init__(self, after: int) -> None:
        self._left = after

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed

    def request(self, report: str) -> None:  # noqa: ARG002 - as in the base class
        self._count()

    def step(self, what: str) -> None:  # noqa: ARG002 - as in the base class
        self._count()


class StateMachine(RuleBasedStateMachine):
    """An account that changes, a pipeline that is run, hindered and killed."""

    @initialize(seed=st.integers(min_value=1, max_value=50))
    def begin(self, seed: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.account = tiny(seed, SIZE)
        self.sandbox = Sandbox([self.account], token=TOKEN).start()

    def teardown(self) -> None:
        if not hasattr(self, "sandbox"):
            return
        try:
            self.sandbox.faults.clear()
            assert errors_of(self.sync()) == {}
            assert_equal(self.path, self.sandbox, *NAMES)
        finally:
            self.sandbox.stop()
            self.folder.cleanup()

    def sync(self, listener: Listener | None = None) -> Summary:
        source = make_source(self.sandbox, *NAMES, folder=self.path / "spool")
        return sync(make_pipeline(self.path), source, listener=listener)

    def pick(self, report: str, pick: int) -> Any:
        ids = list(self.account.rows[report])
        return ids[pick % len(ids)]

    @rule(report=st.sampled_from(["time_entries", "expenses", "invoices", "estimates", "clients"]))
    def insert(self, report: str) -> None:
        self.account.insert(report)

    @rule(pick=PICK)
    def insert_payment(self, pick: int) -> None:
        self.account.insert("invoice_payments", parent=self.pick("invoices", pick), amount=1 + pick % 7)

    @rule(report=st.sampled_from(["time_entries", "expenses", "invoices", "estimates", "invoice_payments"]), pick=PICK)
    def edit(self, report: str, pick: int) -> None:
        self.account.update(report, self.pick(report, pick), notes=f"edit {pick}")

    @rule(report=st.sampled_from(["time_entries", "expenses", "invoices", "estimates"]), pick=PICK)
    def move(self, report: str, pick: int) -> None:
        day = f"202{pick % 6}-0{1 + pick % 9}-1{pick % 10}"
        field = "spent_date" if report in {"time_entries", "expenses"} else "issue_date"
        changes: dict[str, Any] = {field: day}
        self.account.update(report, self.pick(report, pick), **changes)

    @rule(report=st.sampled_from(NAMES), name=st.sampled_from(INSTANT_FAULTS), after=st.integers(min_value=0, max_value=3))
    def fault_that_passes(self, report: str, name: str, after: int) -> None:
        self.sandbox.faults.append(passing_fault(name, path_of(by_name(report)), times=3, after=after))

    @rule(report=st.sampled_from(NAMES), status=st.sampled_from([403, 404, 422, 500]))
    def fault_that_lasts(self, report: str, status: int) -> None:
        self.sandbox.faults.append(Fault(path=path_of(by_name(report)), status=status, times=None))

    @rule()
    def faults_end(self) -> None:
        self.sandbox.faults.clear()

    @rule()
    def run(self) -> None:
        self.sync()

    @rule(after=st.integers(min_value=0, max_value=40))
    def killed_at_a_request_or_step(self, after: int) -> None:
        with suppress(Killed):
            self.sync(Murderer(after))

    @rule(step=st.sampled_from(["normalize", "load"]), calls=st.integers(min_value=0, max_value=2), done=st.booleans())
    def killed_at_a_load(self, step: str, calls: int, done: bool) -> None:  # noqa: FBT001 - hypothesis names it
        real: Callable[..., Any] = getattr(dlt.Pipeline, step)
        left = calls

        def kill(pipeline: dlt.Pipeline, *arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                if done:
                    real(pipeline, *arguments, **options)
                raise Killed
            return real(pipeline, *arguments, **options)

        with patch.object(dlt.Pipeline, step, kill), suppress(Killed):
            self.sync()

    @rule(after=st.integers(min_value=0, max_value=20))
    def run_with_a_token_that_dies(self, after: int) -> None:
        dead = Fault(path=r"^/v2/", status=401, times=None, after=after)
        self.sandbox.faults.insert(0, dead)
        try:
            self.sync()
        except HarvestError:
            pass
        finally:
            self.sandbox.faults.remove(dead)


StateMachine.TestCase.settings = settings(
    max_examples=5, stateful_step_count=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
test_any_order_ends_equal_to_the_account = StateMachine.TestCase
