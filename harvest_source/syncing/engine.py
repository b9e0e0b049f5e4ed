"""Keeps the warehouse equal to Harvest: one call, one run, a summary.

The path of a run: finish what is pending, look up the accounts, read the lists, load them while the children are read,
load those, count, write `load_report`. What a report's failure means is decided here: it stays that report's own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
from filelock import FileLock, Timeout

from harvest_source.api.accounts import Account, look_up
from harvest_source.api.errors import SettingError
from harvest_source.reports.catalogue import NAMES, by_name
from harvest_source.reports.reader import Outcome, Where
from harvest_source.resources import HarvestSource, Run, build_source
from harvest_source.settings import SECTION
from harvest_source.syncing.changes import ChangeFilter, Tally
from harvest_source.syncing.history import load_report_resource
from harvest_source.syncing.listener import Listener
from harvest_source.syncing.package import explained, finish_pending, load
from harvest_source.syncing.summary import ReportResult, Summary
from harvest_source.syncing.warehouse import open_warehouse

GENERAL_PACE_SECONDS = 0.15  # one request per 0.15 s is what the limit allows in the long run


@dataclass
class Sync:
    """One run; see the module."""

    pipeline: dlt.Pipeline
    run: Run
    names: list[str]
    listener: Listener = field(default_factory=Listener)
    drop_pending: bool = False
    summary: Summary = field(default_factory=Summary)
    _started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _tallies: dict[Where, Tally] = field(default_factory=dict)
    _states: dict[str, Any] = field(default_factory=dict)

    def execute(self) -> Summary:
        """Runs, and returns the summary.

        Raises:
            SettingError: nothing was loaded since a setting is wrong.
            AccessLostError: Harvest refuses the token; what was complete before is loaded.
            LoadFailedError: the destination refused; the next run finishes what is pending.
            CancelledError: the run was interrupted.
        """
        with self._alone():
            return self._execute()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps a second run of the same pipeline out; the lock goes with the process, however it ends."""
        lock = FileLock(Path(self.pipeline.pipelines_dir) / f"{self.pipeline.pipeline_name}.lock", timeout=0)
        try:
            with lock:
                yield
        except Timeout as error:
            raise SettingError("another run is working on this pipeline: wait until it has ended") from error

    def _execute(self) -> Summary:
        self._prepare_pipeline()
        accounts = [look_up(self.run.reader.client, account) for account in self.run.accounts]
        wheres = [(account.id, name) for account in accounts for name in self.names if not self._is_off(account, name)]
        self._states = self._state_of_reports()
        self._read_and_load(wheres)
        self._finish(wheres)
        return self.summary

    def _prepare_pipeline(self) -> None:
        """Brings the working state in line with the destination, and finishes what an earlier run left."""
        knew = bool(self._state_of_reports())
        if self.pipeline.has_pending_data:
            if self.drop_pending:
                self.pipeline.drop_pending_packages()
                self.listener.note("dropped a pending load of an earlier run")
            else:
                self.listener.note("an earlier run left a pending load: it is loaded first, then today's data")
                finish_pending(self.pipeline)
                self.summary.pending_loaded = True
        with explained():
            self.pipeline.sync_destination()
        if knew and not self._state_of_reports():
            self.listener.note("the destination holds no earlier load (deleted or moved?): this is a first load")

    def _state_of_reports(self) -> dict[str, Any]:
        resources: dict[str, Any] = self.pipeline.state.get("sources", {}).get(SECTION, {}).get("resources", {})
        return resources

    def _state(self, account_id: int, name: str) -> dict[str, Any]:
        state: dict[str, Any] = self._states.get(name, {}).get("accounts", {}).get(str(account_id), {})
        return state

    def _is_off(self, account: Account, name: str) -> bool:
        """Notes a report whose module is switched off; it is complete, since there is nothing to load."""
        off = account.switched_off(by_name(name).module)
        if off:
            self.summary.results.append(ReportResult(name, account.id, verified="module off"))
            self.listener.note(f"{name}: skipped, the module is switched off in account {account.id}")
        return off

    def _read_and_load(self, wheres: list[Where]) -> None:
        """Loads the lists while the children are still being read."""
        reader = self.run.reader
        reader.on_planned = lambda requests: self.listener.planned(requests, requests * GENERAL_PACE_SECONDS)
        reader.on_read = self._tell_read
        self.run.keeps_errors = True
        self.listener.step("reading")
        reader.collect_lists(wheres, self._state)
        with ThreadPoolExecutor(1, thread_name_prefix="harvest-children") as background:
            children = background.submit(reader.collect_children, wheres, self._state)
            try:
                self._load([where for where in wheres if not reader.report(where[1]).parent])
                children.result()
            except BaseException:
                reader.client.clock.cancel()
                raise
        self._load([where for where in wheres if reader.report(where[1]).parent])

    def _tell_read(self, where: Where, outcome: Outcome) -> None:
        self.listener.read(where[1], outcome.pages.rows if outcome.pages else 0, str(outcome.error) if outcome.error else None)

    def _load(self, wheres: list[Where]) -> None:
        """Loads the reports that were read completely, in one package."""
        reader = self.run.reader
        good = [where for where in wheres if reader.outcomes[where].pages]
        names = [name for name in self.names if any(name == good_name for _, good_name in good)]
        if not names:
            return
        self.listener.step(f"loading {len(names)} reports")
        source = build_source(self.run, [reader.report(name) for name in names]).with_resources(*names)
        with open_warehouse(self.pipeline) as warehouse, explained():
            self.run.filter_rows = compare = ChangeFilter(warehouse, keeps_equal=reader.choice.full_refresh)
            self.pipeline.extract(source)
            self._tallies |= compare.tallies
        finish_pending(self.pipeline)
        for account_id, name in good:
            if reader.report(name).parent:
                reader.spool.drop_answers(account_id, name)

    def _finish(self, wheres: list[Where]) -> None:
        """Counts the tables and writes the run's rows of `load_report`."""
        self._states = self._state_of_reports()
        with open_warehouse(self.pipeline) as warehouse:
            for account_id, name in wheres:
                self.summary.results.append(self._result(account_id, name, warehouse.count(name, account_id)))
        order = {name: place for place, name in enumerate(NAMES)}
        self.summary.results.sort(key=lambda result: (result.account_id, order[result.report]))
        self.summary.waits = self.run.reader.client.traffic.waits
        self.summary.new_fields = sorted(self.run.notes.new_fields)
        for what, columns in (
            ("more than six decimals, rounded", self.run.notes.rounded),
            ("of another type, kept as text", self.run.notes.misfits),
        ):
            if columns:
                self.summary.notes.append(f"values {what}: {', '.join(sorted(columns))}")
        history = load_report_resource(uuid.uuid4().hex, self._started_at, datetime.now(UTC), self.summary.results)
        load(self.pipeline, build_history_source(history))

    def _result(self, account_id: int, name: str, total: int | None) -> ReportResult:
        reader = self.run.reader
        outcome = reader.outcomes[account_id, name]
        tally = self._tallies.get((account_id, name), Tally())
        return ReportResult(
            name,
            account_id,
            new=tally.new,
            changed=tally.changed,
            total=total,
            requests=reader.client.traffic.by_label[account_id, name],
            seconds=round(outcome.pages.seconds, 3) if outcome.pages else 0.0,
            verified="",
            error=str(outcome.error) if outcome.error else None,
            bookmark=bookmark_of(self._state(account_id, name)),
        )


def bookmark_of(state: dict[str, Any]) -> str | None:
    """Returns the newest change that a report's state stands for."""
    marks = [state["updated_at"]] if state.get("updated_at") else list(state.get("marks", {}).values())
    return min(marks, default=None)


def build_history_source(resource: Any) -> Any:
    """Returns the source that writes `load_report`, with the schema of the reports."""

    @dlt.source(name=SECTION, section=SECTION, root_key=True)
    def harvest() -> Any:
        return resource

    return harvest()


def sync(
    pipeline: dlt.Pipeline,
    source: HarvestSource,
    *,
    listener: Listener | None = None,
    drop_pending: bool = False,
) -> Summary:
    """Brings the destination of a pipeline in line with Harvest, as the command line does.

    Args:
        pipeline: of dlt, with any destination that speaks SQL.
        source: of `harvest_source`, with the chosen resources.
        listener: hears what happens meanwhile.
        drop_pending: drops a pending load of an earlier run instead of finishing it.

    Returns:
        what was new, changed and deleted per report; a report that failed has its error there.

    Raises:
        HarvestError: see `Sync.execute`.
    """
    listener = listener or Listener()
    client = source.shared.reader.client
    client.on_request = lambda _account_id, label: listener.request(label)
    client.budgets.listen(listener.waiting)
    names = [name for name in NAMES if name in source.selected_resources]
    try:
        return Sync(pipeline, source.shared, names, listener, drop_pending).execute()
    finally:
        source.shared.reader.close()
