"""Tables in memory in place of a destination: dicts that answer what a run asks, and a loader that writes into them.

Hundreds of histories take as long as one whole load: `near` has the rest of it. `Interrupted` stands for a kill: it is raised
where a request is sent or a table is written.
"""

from __future__ import annotations

import operator
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, Report, Row
from harvest_source.destinations.scope import LIVE, Condition, Scope
from harvest_source.destinations.warehouse import DOUBLED, IDS, Elements
from harvest_source.errors import ApiError
from harvest_source.loading.changes import split
from harvest_source.loading.delivery import Delivery
from harvest_source.loading.result import Tally
from harvest_source.reading.shape import Notes, Shaper
from harvest_source.resources import iter_batches, rows_in

COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">=": operator.ge,
    "in": lambda value, values: value in values,
    "not in": lambda value, values: value not in values,
}
Key = tuple[Any, ...]


class Interrupted(BaseException):
    """A kill."""


@dataclass
class Store:
    """What a destination holds: tables, dlt's state, and a package that is not loaded to its end."""

    # rows by account id and key
    tables: dict[str, dict[Key, Row]] = field(default_factory=lambda: defaultdict(dict))
    states: dict[AccountReport, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    pending: list[Written] = field(default_factory=list)
    is_made: bool = False  # the tables were made
    rewrites: bool = False  # a table that changes is written anew, as where rows cannot be merged
    # tables that a kill left with rows whose list elements may be missing
    unfinished: set[str] = field(default_factory=set)
    writes_left: int | None = None  # so many tables are written before a kill

    def write(self, package: list[Written]) -> None:
        """Loads a package, table by table, and the states at its end."""
        self.pending = package
        for each in package:
            if self.writes_left is not None:
                self.writes_left -= 1
                if self.writes_left < 0:
                    raise Interrupted
            self.tables[each.pair.report].update(each.rows)
            for key in each.removed:
                self.tables[each.pair.report].pop(key, None)
        self.states |= {each.pair: each.state for each in package if each.state is not None}
        self.pending = []


@dataclass(frozen=True)
class Written:
    """What a package brings of one report and account."""

    pair: AccountReport
    rows: dict[Key, Row]
    removed: list[Key]
    state: dict[str, Any] | None


@dataclass
class MemoryTables:
    """Answers what a run asks of its destination; see `Warehouse`."""

    store: Store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Has nothing to close."""

    def let_go(self) -> None:
        """Has nothing to close either."""

    def _of(self, table: str, account_id: int, scope: Scope) -> list[Row]:
        rows = (row for key, row in self.store.tables[table].items() if key[0] == account_id)
        return [row for row in rows if all(meets(row, each) for each in scope.conditions)]

    def count(self, table: str, account_id: int, scope: Scope = LIVE) -> int | None:
        return len(self._of(table, account_id, scope)) if self.store.is_made else None

    def count_by(
        self, table: str, column: str, account_id: int, scope: Scope = LIVE
    ) -> Counter[Any]:
        return Counter(row.get(column) for row in self._of(table, account_id, scope))

    def count_elements(self, names: Collection[str]) -> Elements:
        found: Counter[tuple[str, int]] = Counter()
        for report in map(by_name, names):
            for key, row in self.store.tables[report.name].items():
                if report.parent and row.get(DELETED_AT) is None:
                    found[report.name, key[0]] += 1
                for each in report.lists:
                    table, elements = f"{report.name}__{each.name}", row.get(each.name) or ()
                    found[table, key[0]] += len(elements)
                    found[f"{table}{IDS}", key[0]] += sum(part.get("id") or 0 for part in elements)
        return Elements(found, set())

    def sum(
        self, table: str, column: str, instead: str, account_id: int, scope: Scope = LIVE
    ) -> Decimal:
        values = (
            row[instead] if row.get(column) is None else row[column]
            for row in self._of(table, account_id, scope)
        )
        return sum((value or Decimal(0) for value in values), Decimal(0))

    def keys(self, report: Report, account_id: int, scope: Scope = LIVE) -> set[Key]:
        return {
            tuple(row[name] for name in report.key)
            for row in self._of(report.name, account_id, scope)
        }

    def versions(
        self, scopes: Mapping[AccountReport, Scope]
    ) -> dict[AccountReport, dict[Key, datetime | None]]:
        assert DOUBLED.year == 1  # keys stand once here
        return {
            pair: {
                (row["id"],): row["updated_at"]
                for row in self._of(pair.report, pair.account_id, scope)
            }
            for pair, scope in scopes.items()
        }

    def rows_by_id(
        self, table: str, account_id: int, id_column: str, ids: Iterable[int]
    ) -> list[Row]:
        wanted = set(ids)
        report, _, name = table.partition("__")
        rows = self._of(report, account_id, Scope())
        if name:  # elements of a list
            rows = [element for row in rows for element in row.get(name) or ()]
        return [dict(row) for row in rows if row.get(id_column) in wanted]

    def rows(self, table: str, account_id: int | None = None) -> list[Row]:
        return [
            dict(row)
            for key, row in self.store.tables[table].items()
            if account_id in {None, key[0]}
        ]

    def lists_of(
        self, report: Report, names: Iterable[str], account_id: int, ids: Iterable[int | None]
    ) -> dict[str, dict[int | None, list[Row]]]:
        wanted = set(ids)
        rows = [
            row for row in self._of(report.name, account_id, Scope()) if row.get("id") in wanted
        ]
        return {name: {row.get("id"): list(row.get(name) or ()) for row in rows} for name in names}

    def has_unfinished_load(self, table: str) -> bool:
        return table in self.store.unfinished

    def doubled_children(self, reports: Iterable[Report]) -> dict[AccountReport, list[int]]:  # noqa: ARG002 - keys stand once here
        return {}

    def ids_off_sum(
        self,
        table: str,
        value: str,
        under: tuple[str, str, str],
        account_id: int,
        scope: Scope = LIVE,
    ) -> list[int]:
        child, column, parent_id = under
        sums: Counter[int] = Counter()
        for row in self._of(child, account_id, LIVE):
            sums[row[parent_id]] += row[column] or 0
        first, second = (name.strip() for name in value.split("-"))
        rows = self._of(table, account_id, scope)
        return sorted(
            row["id"] for row in rows if (row[first] or 0) - (row[second] or 0) != sums[row["id"]]
        )


def meets(row: Row, condition: Condition) -> bool:
    """Returns whether a row meets a condition."""
    column, comparison, wanted = condition
    value = row.get(column)
    if wanted is None:
        return (value is None) == (comparison == "=")
    return value is not None and COMPARED[comparison](value, wanted)


@dataclass
class MemoryLoader:
    """Loads deliveries into a store; see `Loader`."""

    store: Store
    reports: list[Report]
    keeps: bool
    repairs: bool = True
    notes: Notes = field(default_factory=Notes)

    @property
    def rewrites(self) -> bool:
        return self.store.rewrites

    def warehouse(self, _counted: Iterable[str] = (), *, lets_go: bool = False) -> MemoryTables:
        assert lets_go in {True, False}
        return MemoryTables(self.store)

    def kept_open(self) -> AbstractContextManager[None]:
        return nullcontext()

    def states(self) -> dict[AccountReport, dict[str, Any]]:
        return {pair: dict(state) for pair, state in self.store.states.items()}

    def kept(self, name: str) -> dict[str, Any]:
        return self.store.kept.get(name, {})

    def is_kept(self, _pair: AccountReport) -> bool:
        return True

    def prepare(self, *, drop_pending: bool) -> bool:
        pending = [] if drop_pending else self.store.pending
        self.store.write(pending)
        return bool(pending)

    def complete_tables(self, _when: str) -> None:
        self.store.is_made = True

    def load(self, deliveries: list[Delivery]) -> Iterator[tuple[AccountReport, Tally | ApiError]]:
        found: dict[AccountReport, Tally | ApiError] = {}
        package = []
        for delivery in deliveries:
            try:
                written, found[delivery.pair] = self._written(delivery)
            except ApiError as error:
                found[delivery.pair] = error
            else:
                package.append(written)
        if self.repairs:
            self.store.write(package)
        yield from found.items()

    def _written(self, delivery: Delivery) -> tuple[Written, Tally]:
        account_id, report = (
            delivery.pair.account_id,
            next(each for each in self.reports if each.name == delivery.pair.report),
        )
        present = self.store.tables[report.name]
        tally, rows = Tally(), dict[Key, Row]()
        if delivery.reading:
            shaper = Shaper(report, lambda _table: {}, self.notes)
            for batch in map(rows_in, iter_batches(shaper, delivery.reading)):
                keys = [(account_id, *(row[name] for name in report.key)) for row in batch]
                found = split(report, batch, [present[key] for key in keys if key in present])
                tally += found.tally
                rows |= {
                    (account_id, *(row[name] for name in report.key)): row
                    for row in found.new + found.changed
                }
        removed = [(account_id, *(row[name] for name in report.key)) for row in delivery.removed]
        if self.keeps:
            rows |= {
                key: {**row, DELETED_AT: datetime.now(UTC)}
                for key, row in zip(removed, delivery.removed, strict=True)
            }
            removed = []
        state = None if delivery.state is None else dict(delivery.state)
        return Written(delivery.pair, rows, removed, state), tally

    def count_elements(self) -> Elements:
        return self.warehouse().count_elements([report.name for report in self.reports])

    def finish(self, *, views: bool) -> list[str]:  # noqa: ARG002 - it has none
        """Has nothing to do."""
        return []

    def forget(self, lost: Iterable[AccountReport]) -> None:
        for pair in lost:
            self.store.states.pop(pair, None)

    def write_history(
        self, _times: Any, _results: Any, _accounts: Any, kept: dict[str, dict[str, Any]]
    ) -> list[str]:
        for name, by_account in kept.items():
            self.store.kept.setdefault(name, {}).update(by_account)
        return []
