"""Makes the resources of reports that are children: transformers, fed by a resource of the parents that a run asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from harvest_source.catalogue.hints import UPDATED_AT, described
from harvest_source.catalogue.report import AccountReport, Report, Row
from harvest_source.errors import SettingError
from harvest_source.reading.children import Asking
from harvest_source.reading.plan import ChildPlan, Wish
from harvest_source.resources.extraction import (
    Extraction,
    Extractions,
    Feed,
    Planned,
    account_state,
    accounts_state,
)
from harvest_source.resources.items import iter_batches, iter_items, kinds_for_threads, rows_in
from harvest_source.settings import SECTION


def child_resources(
    extractions: Extractions, report: Report, hints: dict[str, Any]
) -> list[DltResource]:
    """Returns the resource of a report of children, behind that of its parents, which is not selected."""

    def parents() -> Iterator[Row]:
        extraction = extractions.current()
        with extraction.failing_as_one():
            yield from _iter_parents(extraction, report)

    def children(parent: Any) -> Iterator[Callable[[], Any]]:
        extraction = extractions.current()
        asking = _Asking(extraction, report, extraction.feed(report, kinds_for_threads()))
        for each in _parents_in(parent):
            yield partial(asking.ask, each)  # dlt calls it in a thread

    name = f"{report.name}_parents"
    asked = dlt.resource(parents, name=name, section=SECTION, selected=False)
    rows = dlt.transformer(children, data_from=asked, section=SECTION, **hints)
    return [asked, described(rows, report)]


def _parents_in(item: Any) -> Iterable[Any]:
    """Returns the parents that an item of any resource holds: a page of rows, an Arrow table, or one parent."""
    if isinstance(item, (pa.Table, pa.RecordBatch)):
        rows: list[Any] = item.to_pylist()
        return rows
    return item if isinstance(item, (list, tuple)) else [item]


def _iter_parents(extraction: Extraction, report: Report) -> Iterator[Row]:
    """Yields the parents whose children this run asks for: `id`, and `updated_at` where it tells a change."""
    for account in extraction.accounts:
        pair = AccountReport(account.id, report.name)
        outcome = extraction.reader.plan(pair, Wish(account_state(report.name, account.id)))
        if extraction.is_off(account, report, outcome.error):
            continue
        if outcome.plan is None:
            raise outcome.error or AssertionError(report.name)
        (asking,) = extraction.reader.start([outcome.plan])
        keeps = None if extraction.reader.choice.since else accounts_state(report.name)
        planned = extraction.planned[pair] = Planned(asking, keeps)
        for parent_id, version in planned.versions.items():
            yield {"account_id": account.id, "id": parent_id, UPDATED_AT: version or None}
        planned.all_are_named()


class _Asking:
    """Asks for the children of parents, in dlt's threads."""

    def __init__(self, extraction: Extraction, report: Report, feed: Feed) -> None:
        self._extraction = extraction
        self._report = report
        self._feed = feed

    def ask(self, parent: Any) -> Any:
        """Returns the children of one parent: rows, with new columns described; `None` where there are none, or it came before.

        Args:
            parent: its id, or a row with `id`, and with `account_id` where the source has several accounts.
        """
        with self._extraction.failing_as_one():
            account_id, parent_id = self._identify(parent)
            if not self._feed.is_new(account_id, parent_id):
                return None
            return self._ask(account_id, parent_id)

    def _ask(self, account_id: int, parent_id: int) -> Any:
        planned = self._extraction.planned.get(AccountReport(account_id, self._report.name))
        if planned and parent_id not in planned.versions:
            planned = None
        plan = ChildPlan(self._report, account_id, {parent_id: ""})
        asking = planned.asking if planned else Asking(plan, self._extraction.fetcher)
        asking.ask(parent_id)
        if planned is None or len(asking.refused) == len(planned.versions):
            asking.require_answer()
        if refusal := asking.refused.get(parent_id):
            self._extraction.tell_hidden(
                asking.plan.pair, f"{asking.plan.parent.singular} {parent_id}", refusal
            )
        reading = asking.reading([parent_id])
        shaper = self._feed.shaper
        with self._feed.lock:  # columns that nobody documented are met there
            rows = [row for batch in iter_batches(shaper, reading) for row in rows_in(batch)]
            item = (
                next((item for item, _rows in iter_items(self._report, shaper, [rows])), None)
                if rows
                else None
            )
        if planned:
            planned.is_read(parent_id)
        return item

    def _identify(self, parent: Any) -> tuple[int, int]:
        row = parent if isinstance(parent, Mapping) else {"id": parent}
        account_id = row.get("account_id")
        if not (_is_id(row.get("id")) and (account_id is None or _is_id(account_id))):
            raise SettingError(
                f"{self._report.name}: a parent is an id, or a row with id and account_id; this is {{}}",
                quoted=(repr(parent)[:80],),
            )
        if account_id is None:
            accounts = self._extraction.accounts
            if len(accounts) > 1:
                raise SettingError(
                    f"{self._report.name}: a parent has no account_id, and the source has several accounts"
                )
            account_id = accounts[0].id
        return int(account_id), int(row["id"])


def _is_id(value: Any) -> bool:
    text = str(value)
    return text.isascii() and text.isdigit()
