"""Posts a short message to a webhook when a run needs attention: what is missing, repaired or new; never a row or a secret.

The message is `{"text": "…"}`, which Slack and Mattermost take as it is. It holds names of reports, account ids, counts and
reasons in this product's own words: what Harvest, a database or a setting said word for word stays in the run's own output.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from harvest_source.commands.output import message
from harvest_source.commands.sending import Sending
from harvest_source.commands.workplace import Workplace
from harvest_source.errors import in_own_words
from harvest_source.loading.summary import ReportResult, Summary

LINES = 10
LINE_LENGTH = 200
NAMED_FIELDS = 5

NOT_SAID = "not complete"
NOTHING_TO_DO = "Nothing needs to be done."
WHAT_TO_DO = {
    1: "To do: follow the reasons above; otherwise the next run catches up. The run's own output says more.",
    2: "To do: correct what the reason says, then run again. The run's own output says more.",
}


@dataclass(frozen=True)
class Alerts:
    """Tells a webhook how a command ended, where that calls for a look."""

    url: str | None = field(repr=False)  # None: nobody is told
    place: Workplace
    command: str

    def done(self, summary: Summary) -> None:
        """Posts what is missing, repaired or new; nothing where a run was complete and quiet."""
        failed = [
            f"{_where(each)}: {each.reason or NOT_SAID}" for each in summary.results if each.error
        ]
        items = [*failed, *_repaired(summary), *_new_fields(summary)]
        if not items:
            return
        said = (
            f"not complete: {len(failed)} of {len(summary.results)} reports"
            if failed
            else "complete, with something to know"
        )
        self._tell(said, items, summary.exit_code)

    def ended_early(self, error: Exception, exit_code: int) -> None:
        """Posts why there is no summary."""
        self._tell(
            "nothing was loaded" if exit_code != 1 else "ended early",
            [in_own_words(error)],
            exit_code,
        )

    def _tell(self, said: str, items: list[str], exit_code: int) -> None:
        if self.url is None:
            return
        place = self.place
        head = [
            f"Harvest {self.command}: {said} (exit code {exit_code})",
            f"pipeline {place.pipeline_name}, destination {named(place.destination)}, dataset {named(place.dataset)}",
        ]
        text = build_text(head, items, WHAT_TO_DO.get(exit_code, NOTHING_TO_DO))
        if reason := Sending(self.url, {"text": text}).end():
            message(f"the notification could not be sent: {reason}")


def named(typed: str) -> str:
    """Returns a name as it was typed, unless it is none: a connection string in its place holds a password."""
    return typed if re.fullmatch(r"[\w.-]+", typed) else "…"


def _where(result: ReportResult) -> str:
    return f"{result.report} (account {result.account_id})"


def _repaired(summary: Summary) -> list[str]:
    """Returns the tables of which the summary says that they were repaired, and what of it was gone at Harvest."""
    found = []
    for result in summary.results:
        gone = f", {result.deleted} of them gone at Harvest" if result.deleted else ""
        found += (
            [f"{_where(result)}: rows repaired: {result.repaired}{gone}"] if result.repaired else []
        )
    return found


def _new_fields(summary: Summary) -> list[str]:
    names = summary.new_fields
    if not names:
        return []
    more = f" and {len(names) - NAMED_FIELDS} more" if len(names) > NAMED_FIELDS else ""
    return [f"new fields at Harvest, now columns here: {', '.join(names[:NAMED_FIELDS])}{more}"]


def build_text(head: list[str], items: list[str], last: str) -> str:
    """Returns the text of a message, with a bounded number of bounded lines, escaped as Slack asks for."""
    room = LINES - len(head) - 1
    if len(items) > room:
        items = [*items[: room - 1], f"and {len(items) - room + 1} more"]
    lines = [" ".join(line.split()) for line in [*head, *(f"• {item}" for item in items), last]]
    shown = [line if len(line) <= LINE_LENGTH else line[: LINE_LENGTH - 1] + "…" for line in lines]
    return html.escape("\n".join(shown), quote=False)
