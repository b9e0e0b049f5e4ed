"""The table `load_report`: one row per run, report and account, kept by the product itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.schema.typing import TTableSchemaColumns

from harvest_source.catalogue.report import AccountReport, Paging, Report, Row
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.loading.summary import ReportResult
from harvest_source.settings import SECTION

if TYPE_CHECKING:  # pragma: no cover - the command `status` asks Harvest for nothing
    from harvest_source.api.accounts import Account

TABLE = "load_report"
AHEAD = timedelta(hours=1)  # another machine's clock may be a little ahead
ACCOUNTS_TABLE, AS_OF = "accounts", "as_of"
ACCOUNTS_COLUMNS: TTableSchemaColumns = {
    "account_id": {"data_type": "bigint", "nullable": False, "description": "Harvest account."},
    "name": {"data_type": "text", "description": "Name of the account."},
    "currency": {
        "data_type": "text",
        "description": "The company's currency: rates and costs are in it.",
    },
    "week_start_day": {
        "data_type": "text",
        "description": "On which day the company's week begins.",
    },
    AS_OF: {
        "data_type": "date",
        "description": "Day of the last run that loaded the account, in the time zone of the machine that ran.",
    },
}

COLUMNS: TTableSchemaColumns = {
    "run_id": {"data_type": "text", "nullable": False, "description": "One value per run."},
    "account_id": {"data_type": "bigint", "nullable": False, "description": "Harvest account."},
    "report": {
        "data_type": "text",
        "nullable": False,
        "description": "Name of the report and its table.",
    },
    "started_at": {
        "data_type": "timestamp",
        "timezone": True,
        "description": "When the run began, UTC.",
    },
    "finished_at": {
        "data_type": "timestamp",
        "timezone": True,
        "description": "When the run was done with it, UTC.",
    },
    "rows_new": {"data_type": "bigint", "description": "Keys that were not there before."},
    "rows_changed": {
        "data_type": "bigint",
        "description": "Rows of which a column of the API differed.",
    },
    "rows_deleted": {"data_type": "bigint", "description": "Rows gone at Harvest."},
    "rows_here": {
        "data_type": "bigint",
        "description": "Rows of the account in the table afterwards.",
    },
    "rows_at_harvest": {
        "data_type": "bigint",
        "description": "Harvest's own count; null where it gives none.",
    },
    "requests": {"data_type": "bigint", "description": "Requests sent for the report."},
    "seconds": {"data_type": "double", "description": "Seconds of reading."},
    "verified": {
        "data_type": "text",
        "description": "Whether the table equals Harvest: yes, repaired n, part, no and why.",
    },
    "bookmark": {
        "data_type": "text",
        "description": "Newest change that is loaded; the next run asks from a little before.",
    },
    "error": {
        "data_type": "text",
        "description": "Why the report is not complete; null where it is.",
    },
}

LOAD_REPORT_HINTS: dict[str, Any] = {
    "name": TABLE,
    "primary_key": ("run_id", "account_id", "report"),
    "write_disposition": "append",
    "columns": COLUMNS,
    "file_format": "parquet",
}
ACCOUNTS_HINTS: dict[str, Any] = {
    "name": ACCOUNTS_TABLE,
    "primary_key": ("account_id",),
    "columns": ACCOUNTS_COLUMNS,
    "file_format": "parquet",
}
# as `OwnColumns` knows a table: a report of Harvest's is none
ACCOUNTS = Report(
    ACCOUNTS_TABLE,
    domo=None,
    path="accounts",
    rows_key=None,
    paging=Paging.NONE,
    takes_updated_since=False,
    key=(),
    fields=(),
    row="An account of which a report was loaded.",
)
MERGE: dict[str, Any] = {"disposition": "merge", "strategy": "delete-insert"}


def load_report_resource(
    run_id: str,
    started_at: datetime,
    finished_at: datetime,
    results: list[ReportResult],
    kept: dict[str, dict[str, Any]],
) -> Any:
    """Returns the dlt resource that appends the results of a run; dlt's state keeps what the next run must know.

    Args:
        run_id: one value per run.
        started_at: when the run began.
        finished_at: when it ended.
        results: of the run.
        kept: by name in the state: account id: what is kept of it.
    """

    @dlt.resource(**LOAD_REPORT_HINTS)
    def load_report() -> Iterator[list[dict[str, Any]]]:
        for name, by_account in kept.items():
            dlt.current.source_state().setdefault(name, {}).update(by_account)
        of_run = {"run_id": run_id, "started_at": started_at, "finished_at": finished_at}
        yield [{**of_run, **_line_of(result)} for result in results]

    return load_report


def _line_of(result: ReportResult) -> dict[str, Any]:
    """Returns what the line of a report says beside the run."""
    return {
        "account_id": result.account_id,
        "report": result.report,
        "rows_new": result.new,
        "rows_changed": result.changed,
        "rows_deleted": result.deleted,
        "rows_here": result.total,
        "rows_at_harvest": result.harvest_count,
        "requests": result.requests,
        "seconds": result.seconds,
        "verified": result.verified,
        "bookmark": result.bookmark,
        "error": result.error,
    }


def account_rows(accounts: Iterable[Account], before: Mapping[int, Row], day: date) -> list[Row]:
    """Returns the rows of the table `accounts`: one per account; what Harvest did not say stays as it was.

    Args:
        accounts: that a run loaded.
        before: account id: its row before the run.
        day: of the run.
    """
    return [
        {
            **{name: before.get(account.id, {}).get(name) for name in ACCOUNTS_COLUMNS},
            **_said_of(account),
            "account_id": account.id,
            AS_OF: day,
        }
        for account in accounts
    ]


def _said_of(account: Account) -> Row:
    """Returns what Harvest said of an account."""
    company = account.company
    if not company:
        return {"name": account.name} if account.name else {}
    return {
        "name": account.name or _text(company.get("name")),
        "currency": _text(company.get("currency")),
        "week_start_day": _text(company.get("week_start_day")),
    }


def accounts_resource(rows: list[Row], rest: list[Row] | None = None) -> Any:
    """Returns the dlt resource of the table `accounts`.

    Args:
        rows: of this run.
        rest: the other rows of the table, where the destination cannot merge: they are written again with those of this run.
    """
    disposition: Any = MERGE if rest is None else "replace"
    return dlt.resource([[*(rest or ()), *rows]], **ACCOUNTS_HINTS, write_disposition=disposition)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def build_source(resources: list[Any]) -> Any:
    """Returns the source of one load, with the schema of the reports.

    `root_key` lets dlt replace the list elements of a changed row, also where a list shrinks or empties.
    """

    @dlt.source(name=SECTION, section=SECTION, root_key=True)
    def harvest() -> Any:
        return resources

    return harvest()


def last_runs(warehouse: Warehouse, *, complete: bool = False) -> list[Row]:
    """Returns the newest row of `load_report` of every account and report; with `complete`, of those without an error."""
    lines = warehouse.rows(TABLE)
    return newest_lines(
        (line for line in lines if not (complete and line["error"])), datetime.now(UTC)
    )


def newest_lines(lines: Iterable[Row], now: datetime) -> list[Row]:
    """Returns the newest of the rows of every account and report.

    Rows that lie in the future, since a clock was ahead, are passed over: they would hide every run that follows.
    """
    newest: dict[AccountReport, Row] = {}
    for line in lines:
        pair = AccountReport(line["account_id"], line["report"])
        if line["started_at"] > now + AHEAD:
            continue
        if pair not in newest or line["started_at"] >= newest[pair]["started_at"]:
            newest[pair] = line
    return [newest[pair] for pair in sorted(newest)]
