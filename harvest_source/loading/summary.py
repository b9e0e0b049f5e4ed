"""What a run did, as data: the command line shows it, `load_report` keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from harvest_source.exit_codes import INCOMPLETE


@dataclass
class ReportResult:
    """What became of one report of one account."""

    report: str
    account_id: int
    new: int = 0  # keys that were not there
    changed: int = 0  # rows of which a column of the API differs
    deleted: int = 0  # rows gone at Harvest
    # rows that differed when tables were compared, and were loaded or removed then
    repaired: int = 0
    total: int | None = None  # rows of the account in the table afterwards
    requests: int = 0
    seconds: float = 0.0
    verified: str = ""
    error: str | None = None  # why the report is not complete
    reason: str | None = None  # the same without what it quotes of others, for alerts
    # whether what Harvest answered is in the table; False: it could not be read
    loaded: bool = True
    bookmark: str | None = None
    harvest_count: int | None = None  # rows at Harvest by its own count


@dataclass
class Summary:
    """What a run did."""

    results: list[ReportResult] = field(default_factory=list)
    waits: int = 0
    new_fields: list[str] = field(default_factory=list)
    pending_loaded: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Returns 0 where every chosen report is complete, else 1."""
        return INCOMPLETE if any(result.error for result in self.results) else 0

    def as_json(self) -> dict[str, Any]:
        """Returns the summary as `run --json` prints it."""
        shown = (
            "report",
            "account_id",
            "new",
            "changed",
            "deleted",
            "total",
            "requests",
            "seconds",
            "verified",
            "error",
        )
        return {
            "exit_code": self.exit_code,
            "reports": [{name: asdict(result)[name] for name in shown} for result in self.results],
            "waits": self.waits,
            "new_fields": self.new_fields,
            "pending_loaded": self.pending_loaded,
        }
