"""Which reports a failed load concerns: a table of cases; the destination and the loads are made up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from harvest_source.catalogue.report import AccountReport
from harvest_source.errors import (
    ApiError,
    LoadFailedError,
    OddAnswerError,
    RefusedError,
    TokenRejectedError,
)
from harvest_source.loading import apart
from harvest_source.loading.apart import load_apart
from harvest_source.loading.delivery import Delivery
from harvest_source.loading.result import Tally

CLIENTS, TASKS, ROLES = (AccountReport(7, name) for name in ("clients", "tasks", "roles"))
ODD = OddAnswerError("Harvest sent an odd answer")


class MadeUp:
    """Loads that fail where they hold certain reports."""

    pipeline_name = "harvest_pipeline"
    has_pending_data = True
    is_active = True

    def __init__(self, failing: dict[AccountReport, Exception], step: str) -> None:
        self.failing = failing
        self.step = step
        self.tried: list[list[str]] = []
        self.aborted = 0

    def abort_packages(self) -> None:
        """Takes back what a failed load left."""
        self.aborted += 1

    def load(self, chosen: list[Delivery]) -> dict[AccountReport, Tally]:
        """Loads in one package."""
        self.tried.append([each.pair.report for each in chosen])
        for each in chosen:
            if error := self.failing.get(each.pair):
                pipeline: Any = self
                raise PipelineStepFailed(pipeline, self.step, "1.5", error) from error  # type: ignore[arg-type]  # a step's name
        return {each.pair: Tally(1) for each in chosen}

    def load_apart(
        self, pairs: Iterable[AccountReport] = (CLIENTS, TASKS, ROLES)
    ) -> dict[AccountReport, Tally | ApiError]:
        """Loads some reports."""
        pipeline: Any = self
        return dict(load_apart(pipeline, [Delivery(pair) for pair in pairs], self.load))


@pytest.fixture(autouse=True)
def merges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the destination merge."""
    monkeypatch.setattr(apart, "can_merge", lambda _pipeline: True)


def test_what_fails_for_nothing_is_loaded_together() -> None:
    made_up = MadeUp({}, "load")
    assert made_up.load_apart() == dict.fromkeys((CLIENTS, TASKS, ROLES), Tally(1))
    assert made_up.tried == [["clients", "tasks", "roles"]]


@pytest.mark.parametrize("step", ["extract", "normalize", "load"])
def test_the_failure_of_one_report_stays_its_own(step: str) -> None:
    made_up = MadeUp({TASKS: ValueError("a row of it"), ROLES: ODD}, step)
    found = made_up.load_apart()
    assert found[CLIENTS] == Tally(1)
    assert found[ROLES] is ODD
    assert isinstance(found[TASKS], RefusedError)
    assert str(found[TASKS]) == f"its rows could not be loaded ({step}): a row of it"
    assert made_up.tried == [["clients", "tasks", "roles"], ["clients"], ["tasks"], ["roles"]]
    assert made_up.aborted == 3


def test_a_single_report_is_not_tried_twice() -> None:
    made_up = MadeUp({TASKS: ODD}, "extract")
    assert made_up.load_apart([TASKS]) == {TASKS: ODD}
    assert (made_up.tried, made_up.aborted) == ([["tasks"]], 1)


@pytest.mark.parametrize(
    ("error", "step", "whole"),
    [
        (OSError(28, "No space left on device"), "load", True),
        (OSError("of this machine"), "normalize", True),
        (KeyboardInterrupt(), "load", True),
        (LoadFailedError("the destination refused"), "load", True),
        (TokenRejectedError("Harvest refuses the token"), "extract", True),
        (ValueError("all of them"), "normalize", False),
    ],
)
def test_what_is_no_reports_fault_is_raised(error: Any, step: str, *, whole: bool) -> None:
    """At once, with what is pending left as it is; or, where rows seem to blame, once every report has failed."""
    made_up = MadeUp(dict.fromkeys((CLIENTS, TASKS, ROLES), error), step)
    with pytest.raises(PipelineStepFailed) as told:
        made_up.load_apart()
    assert told.value.__cause__ is error
    assert (made_up.aborted == 0) == whole
    assert (len(made_up.tried) == 1) == whole


def test_answers_that_all_are_odd_are_each_reports_own() -> None:
    made_up = MadeUp(dict.fromkeys((CLIENTS, TASKS, ROLES), ODD), "extract")
    assert made_up.load_apart() == dict.fromkeys((CLIENTS, TASKS, ROLES), ODD)


def test_files_that_were_replaced_in_part_are_not_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where rows cannot be merged, the tables' files are gone once the load has begun."""
    monkeypatch.setattr(apart, "can_merge", lambda _pipeline: False)
    begun = MadeUp({TASKS: ValueError("a row of it")}, "load")
    with pytest.raises(PipelineStepFailed):
        begun.load_apart()
    assert begun.aborted == 0
    not_begun = MadeUp({TASKS: ValueError("a row of it")}, "normalize")
    assert isinstance(not_begun.load_apart()[TASKS], RefusedError)
