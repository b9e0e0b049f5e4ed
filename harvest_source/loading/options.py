"""What a run may be asked to do otherwise."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class SyncOptions:
    """How a run goes about what it finds."""

    drop_pending: bool = False  # drops a pending load of an earlier run instead of finishing it
    # removes rows gone at Harvest even where they are more than half of a table
    accept_deletions: bool = False
    repairs: bool = True  # loads what differs; without it the summary only tells
    views: bool = True  # makes the views of the figures
    totals: bool = False  # compares sums per year and month with Harvest's own reports, too

    @property
    def keywords(self) -> dict[str, bool]:
        """Returns these options as `sync` takes them, without those of a class made of this one."""
        return {each.name: getattr(self, each.name) for each in fields(SyncOptions)}
