"""Takes rows that are gone at Harvest out of the tables, and keeps what they were.

What is gone is found elsewhere (`compare`, `proof`); here it is decided whether it may be believed, what goes
with it, and what is written down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dlt
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.extract import DltResource

from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.lookup import CASCADES, SECRET_COLUMNS, by_name
from harvest_source.catalogue.report import AccountReport, Key, Report, Row
from harvest_source.destinations.warehouse import Warehouse, without_dlt
from harvest_source.loading.list_elements import lower
from harvest_source.loading.states import LIST_ELEMENTS
from harvest_source.reading.values import to_json

TABLE = "deleted_rows"
# from so many rows on, more than half of a table does not go without being asked
DOUBTFUL_ROWS = 20

COLUMNS: TTableSchemaColumns = {
    "account_id": {"data_type": "bigint", "nullable": False, "description": "Harvest account."},
    "report": {
        "data_type": "text",
        "nullable": False,
        "description": "Report and table that the row stood in.",
    },
    "id": {"data_type": "bigint", "nullable": True, "description": "Harvest's id of the row."},
    "noticed_at": {
        "data_type": "timestamp",
        "timezone": True,
        "nullable": True,
        "description": "When it was noticed to be gone, UTC.",
    },
    "row": {
        "data_type": "text",
        "description": "The row as it was last known, as JSON, its lists included.",
    },
}
DELETED_ROWS_HINTS: dict[str, Any] = {
    "name": TABLE,
    "primary_key": ("account_id", "report", "id", "noticed_at"),
    "write_disposition": "append",
    "columns": COLUMNS,
    "file_format": "parquet",
}


@dataclass
class Removals:
    """The rows that one run found gone."""

    warehouse: Warehouse
    chosen: set[AccountReport]  # what this run is about: only these rows are taken out
    accept: bool = False
    gone: dict[AccountReport, set[Key]] = field(default_factory=dict)
    # gone since long, and kept until now
    marked: dict[AccountReport, set[Key]] = field(default_factory=dict)
    # account id: why none of its rows may be removed
    doubts: dict[int, str] = field(default_factory=dict)

    def add(self, pair: AccountReport, keys: AbstractSet[Key]) -> None:
        """Notes keys that are gone at Harvest, and what Harvest deleted along with them.

        Where more than half of a table is gone, and 20 rows or more of it or of what hangs on it, that is doubted, and with it
        whatever is gone in the account: one wrong answer seldom comes alone.
        """
        fresh = set(keys - self.gone.get(pair, set()))
        if not fresh:
            return
        found = self._with_all_under(pair, fresh)
        doubted = None if self.accept or not self._is_most(pair, fresh) else self._too_many(found)
        if doubted:
            self.doubts.setdefault(pair.account_id, doubted)
            found = {pair: fresh}
        for each, gone in found.items():
            self.gone.setdefault(each, set()).update(gone)

    def _is_most(self, pair: AccountReport, keys: AbstractSet[Key]) -> bool:
        return len(keys) * 2 > (self.warehouse.count(pair.report, pair.account_id) or 0)

    def _too_many(self, found: dict[AccountReport, set[Key]]) -> str | None:
        """Returns which table would lose so many rows that a person must say so."""
        for pair, keys in found.items():
            if len(keys) >= DOUBTFUL_ROWS and self._is_most(pair, keys):
                rows = self.warehouse.count(pair.report, pair.account_id)
                return f"{len(keys)} of {rows} {pair.report} are gone at Harvest, more than half"
        return None

    def _with_all_under(self, pair: AccountReport, keys: set[Key]) -> dict[AccountReport, set[Key]]:
        """Returns keys of a table with those of all rows that Harvest deletes along with them."""
        found: dict[AccountReport, set[Key]] = {pair: keys}
        left = [pair]
        while left:
            above = left.pop()
            for child, column in CASCADES.get(above.report, ()):
                below = AccountReport(pair.account_id, child)
                if below not in self.chosen:
                    continue
                under = keys_under(
                    self.warehouse,
                    by_name(child),
                    pair.account_id,
                    column,
                    {key[0] for key in found[above]},
                )
                fresh = under - self.gone.get(below, set()) - found.get(below, set())
                if fresh:
                    found.setdefault(below, set()).update(fresh)
                    left.append(below)
        return found

    def last_known(self) -> dict[AccountReport, tuple[Row, ...]]:
        """Returns the rows to remove, whole, with their lists; none of an account that is doubted."""
        return {
            pair: tuple(self._rows(pair.account_id, by_name(pair.report), keys))
            for pair in {**self.gone, **self.marked}
            if pair.account_id not in self.doubts
            and (keys := self.gone.get(pair, set()) | self.marked.get(pair, set()))
        }

    def _rows(self, account_id: int, report: Report, keys: set[Key]) -> list[Row]:
        found = self.warehouse.rows_by_id(
            report.name, account_id, report.key[0], (key[0] for key in keys)
        )
        rows = [row for row in found if report.key_of(row) in keys]
        own_id = report.id_column or ""
        ids = (row.get(own_id) for row in rows)
        lists = self.warehouse.lists_of(
            report, (each.name for each in report.lists), account_id, ids
        )
        for row in rows:
            row.update(
                {
                    name: [without_dlt(each) for each in elements.get(row.get(own_id), [])]
                    for name, elements in lists.items()
                }
            )
        return [without_dlt(row) for row in rows]


def children_of(
    warehouse: Warehouse, report: Report, account_id: int, parents: Iterable[int]
) -> set[Key]:
    """Returns the keys of the children in the table of some parents."""
    return keys_under(warehouse, report, account_id, report.parent_column, parents)


def keys_under(
    warehouse: Warehouse, report: Report, account_id: int, column: str, ids: Iterable[int]
) -> set[Key]:
    """Returns the keys of a table's rows, but for those marked as gone, that have one of some ids in a column."""
    rows = warehouse.rows_by_id(report.name, account_id, column, ids)
    return {report.key_of(row) for row in rows if row.get(DELETED_AT) is None}


def deleted_rows_resource(
    removed: Mapping[AccountReport, Collection[Row]], *, keeps: bool = False
) -> DltResource:
    """Returns the dlt resource that writes down what is removed: nothing is lost. Rows kept until now were written down then.

    Args:
        removed: as it was last known.
        keeps: rows stay, with a mark, and so do the elements of their lists.
    """
    now = datetime.now(UTC)

    @dlt.resource(**DELETED_ROWS_HINTS)
    def deleted_rows() -> Iterator[list[dict[str, Any]]]:
        # else a run that ends early would leave fewer than the next one looks for
        lower(dlt.current.source_state().get(LIST_ELEMENTS, {}), removed, keeps=keeps)
        yield [
            {
                "account_id": account_id,
                "report": name,
                "id": row.get("id"),
                "noticed_at": now,
                "row": to_json(_without_secrets(row)),
            }
            for (account_id, name), rows in removed.items()
            for row in rows
            if row.get(DELETED_AT) is None
        ]

    return deleted_rows


def _without_secrets(row: Row) -> Row:
    """Returns a row, and the elements of its lists, without what opens a public page."""
    return {name: _public(value) for name, value in row.items() if name not in SECRET_COLUMNS}


def _public(value: Any) -> Any:
    return (
        [_without_secrets(each) if isinstance(each, dict) else each for each in value]
        if isinstance(value, list)
        else value
    )
