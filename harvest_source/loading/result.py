"""What a run learns of one report of one account, in one place, and what it may say of it in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from harvest_source.catalogue.report import AccountReport, Key
from harvest_source.errors import HarvestError, in_own_words
from harvest_source.loading.summary import ReportResult

if TYPE_CHECKING:  # pragma: no cover - the command `status` asks Harvest for nothing
    from harvest_source.reading.reader import Outcome


class Verdict(StrEnum):
    """How a table stands beside Harvest."""

    YES = "yes"
    PART = "part"
    REPAIRED = "repaired"
    READ_AGO = "read ago"
    AS_READ = "as read"
    NO = "no"
    NOT_COMPARED = "not compared"
    MODULE_OFF = "module off"
    PASSED_OVER = "passed over"


@dataclass(frozen=True)
class Verified:
    """A verdict with what belongs to it."""

    verdict: Verdict
    rows: int = 0  # repaired
    days: int = 0  # since the children unread for longest were read
    why: str = ""  # the table does not equal Harvest
    besides: tuple[str, ...] = ()  # what is no part of the proof

    def __str__(self) -> str:
        said = {
            Verdict.REPAIRED: f"repaired {self.rows}",
            Verdict.READ_AGO: f"read {self.days} day{'s' if self.days > 1 else ''} ago"
            if self.days
            else "read today",
            Verdict.NO: f"no: {self.why}" if self.why else "no",
        }.get(self.verdict, str(self.verdict))
        return ", ".join((said, *self.besides))


@dataclass(frozen=True)
class Tally:
    """What a load found of one report and account."""

    new: int = 0
    changed: int = 0
    grown: int = 0  # of the changed ones: timers that went on running

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.new + other.new, self.changed + other.changed, self.grown + other.grown)


@dataclass
class Result:
    """What a run learns of one report of one account: one record, written by the run and by its proof and nobody else."""

    pair: AccountReport
    # what dlt's state kept of it before the run
    state: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None  # of the reading; None: it was not read
    tally: Tally = field(default_factory=Tally)
    removed: int = 0  # rows gone at Harvest, taken out or marked
    repaired: int = 0  # rows loaded or removed since the comparison
    gone: int = 0  # rows of the table that Harvest no longer has
    # rows of the table that Harvest has and does not show to the caller
    unseen: frozenset[Key] = frozenset()
    at_harvest: int | None = None  # Harvest's own count
    whose: str = ""  # of whom the rows are, where the token does not show all
    older: int = 0  # rows from before start_date, which nobody follows
    counted: bool = False  # nothing but counts was compared
    verified: Verified = Verified(Verdict.NO)
    error: str | HarvestError | None = None  # why the table is not proved to equal Harvest

    @property
    def is_loaded(self) -> bool:
        """Returns whether what Harvest answered is in the table."""
        return bool(self.outcome and not self.outcome.error)

    @property
    def loaded_rows(self) -> int:
        """Returns how many rows were loaded."""
        return self.tally.new + self.tally.changed

    def fail(self, error: str | HarvestError) -> None:
        """Says that the table does not equal Harvest, and why."""
        self.error, self.verified = error, Verified(Verdict.NO, why=str(error))

    def differing_rows(self) -> int:
        """Returns how many rows were found to differ; hours of a timer that went on running are none."""
        return self.loaded_rows - self.tally.grown + max(self.removed, self.gone)

    def _with_what_is_no_part(self) -> Verified:
        """Returns what is verified, and which rows are no part of that: other people's, and those that are not followed."""
        if self.error:
            return self.verified
        older = (
            f"{self.older:,} older row{'s' if self.older > 1 else ''} not followed"
            if self.older
            else ""
        )
        return replace(
            self.verified, besides=(*self.verified.besides, *filter(None, (self.whose, older)))
        )

    def told(self, total: int | None, requests: int, bookmark: str | None) -> ReportResult:
        """Returns the line of the summary.

        Args:
            total: rows of the account in the table.
            requests: sent for the report.
            bookmark: newest change that is loaded.
        """
        reading = self.outcome.reading if self.outcome else None
        failed = self.outcome.error if self.outcome else None
        error = failed or self.error
        return ReportResult(
            self.pair.report,
            self.pair.account_id,
            new=self.tally.new,
            changed=self.tally.changed,
            deleted=self.removed,
            repaired=self.verified.rows,
            total=total,
            requests=requests,
            seconds=round(reading.seconds, 3) if reading else 0.0,
            verified=str(Verified(Verdict.NO) if failed else self._with_what_is_no_part()),
            error=str(error) if error else None,
            reason=in_own_words(error) if error else None,
            loaded=not failed,
            bookmark=bookmark,
            harvest_count=self.at_harvest,
        )
