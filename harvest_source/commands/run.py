"""The command `run`: loads every report, or what changed since the last run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dlt

from harvest_source.catalogue.lookup import ALL_NAMES, DEFAULT_NAMES
from harvest_source.catalogue.reports import NAMES
from harvest_source.clock import Clock
from harvest_source.commands.access import account_that_counts, notes_on_settings, open_settings
from harvest_source.commands.answers import print_answers
from harvest_source.commands.connecting import connect_at
from harvest_source.commands.ending import last_line, print_summary
from harvest_source.commands.memory import keep_small
from harvest_source.commands.output import message, print_json
from harvest_source.commands.progress import listener_for
from harvest_source.commands.telling import telling
from harvest_source.commands.workplace import Workplace
from harvest_source.errors import HarvestError, SettingError, exit_code_of
from harvest_source.loading.options import SyncOptions
from harvest_source.loading.summary import Summary
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice, Mode
from harvest_source.resources import HarvestSource, source_of
from harvest_source.settings import parse_since

REFUSAL = re.compile(r"Harvest does not allow it \(403[^)]*\)")


@dataclass(frozen=True)
class RunOptions(SyncOptions):
    """The options of `run`, and of `verify`."""

    reports: str | None = None
    exclude: str | None = None
    since: str | None = None
    days_back: int | None = None
    full_refresh: bool = False
    notify: str | None = None
    heartbeat: str | None = None
    metrics: str | None = None
    as_json: bool = False

    @property
    def told(self) -> dict[str, str | None]:
        """Returns whom to tell how it ended, as `telling` takes them."""
        return {"notify": self.notify, "heartbeat": self.heartbeat, "metrics": self.metrics}


def run(place: Workplace, *, no_views: bool, **typed: Any) -> int:
    """Loads the chosen reports and shows what was done.

    Args:
        place: where it works.
        no_views: does not make the views of the figures.
        typed: fields of `RunOptions`.

    Returns:
        the exit code: 0 where every chosen report is complete, else 1.

    Raises:
        SettingError: usage or a setting is wrong; nothing was loaded.
        HarvestError: the run ended early.
    """
    options = RunOptions(views=not no_views, **typed)
    with telling(place, "run", **options.told) as told:
        names = chosen_reports(options.reports, options.exclude)
        choice = Choice(
            chosen_since(options), Mode.REPLACE if options.full_refresh else Mode.CHANGES
        )
        summary, last = execute(place, names, choice, options)
        # the answers need the tables of all lists
        if place.demo and not options.as_json and set(NAMES) <= set(names):
            print_answers(place)
        told.done(summary)
    return _end(place, summary, last)


def verify(place: Workplace, *, no_repair: bool, **typed: Any) -> int:
    """Compares the chosen tables with Harvest, value by value, and sums with Harvest's own reports; repairs what differs.

    Args:
        place: where it works.
        no_repair: only tells what differs.
        typed: fields of `RunOptions`.

    Returns:
        the exit code: 0 where every table equals Harvest in the end, else 1.

    Raises:
        SettingError, HarvestError: as `run`.
    """
    options = RunOptions(repairs=not no_repair, views=False, totals=True, **typed)
    with telling(place, "verify", **options.told) as told:
        names = chosen_reports(options.reports, options.exclude)
        summary, last = execute(place, names, Choice(mode=Mode.ALL), options)
        told.done(summary)
    return _end(place, summary, last)


def execute(
    place: Workplace, names: list[str], choice: Choice, options: RunOptions
) -> tuple[Summary, str]:
    """Runs once and shows what was done; returns that and the last line. Raises as `run`."""
    keep_small()
    clock = Clock()
    began = clock.now()
    try:
        pipeline, summary = _sync(place, names, choice, options)
    except HarvestError as error:
        if options.as_json:
            print_json(
                {**Summary().as_json(), "exit_code": exit_code_of(error), "error": str(error)}
            )
        raise
    if options.as_json:
        print_json(summary.as_json())
    else:
        print_summary(summary)
    _tell(summary, quiet=place.quiet)
    return summary, last_line(place, pipeline, summary, clock.now() - began)


def _end(place: Workplace, summary: Summary, last: str) -> int:
    if not place.quiet:
        message(last)
    return summary.exit_code


def _sync(
    place: Workplace, names: list[str], choice: Choice, options: RunOptions
) -> tuple[dlt.Pipeline, Summary]:
    with (
        listener_for(quiet=place.quiet) as listener,
        _open_source(place, names, choice, listener.note) as source,
    ):
        pipeline = place.pipeline()
        return pipeline, sync(pipeline, source, listener=listener, **options.keywords)


@contextmanager
def _open_source(
    place: Workplace, names: list[str], choice: Choice, note: Callable[[str], None]
) -> Iterator[HarvestSource]:
    """Gives the source of the chosen reports.

    Args:
        place: which account, and whether it is the sandbox's.
        names: of the chosen reports.
        choice: what of each report.
        note: hears what a person should know about the credentials and settings.

    Raises:
        SettingError: credentials or settings are missing or malformed.
    """
    with open_settings(place) as settings:
        connection = connect_at(place, settings, choice)
        notes = [] if place.quiet else notes_on_settings(place)
        counts = None if place.quiet else account_that_counts(place, connection)
        for text in (connection.note, *notes, counts):
            if text:
                note(text)
        yield source_of(connection).with_resources(*names)


def _tell(summary: Summary, *, quiet: bool) -> None:
    """Says on standard error what the table does not."""
    for line in error_lines(summary):
        message(line, "red")
    if quiet:
        return
    if summary.new_fields:
        message(f"new fields at Harvest, now columns here: {', '.join(summary.new_fields)}")
    for note in summary.notes:
        message(note)
    if summary.waits:
        message(f"Harvest asked {summary.waits} times to wait (429)")


def error_lines(summary: Summary) -> Iterator[str]:
    """Yields a line for every report that is not complete; those of an account that have one reason share theirs."""
    groups: dict[tuple[int, str, str], list[str]] = {}
    for result in summary.results:
        if result.error:
            what = "not verified" if result.loaded else "not loaded"
            refusal = REFUSAL.search(result.error)
            reason = (
                f"{refusal[0]}; an administrator's token reads them, --exclude leaves them out"
                if refusal
                else result.error
            )
            groups.setdefault((result.account_id, what, reason), []).append(result.report)
    errors = {(result.account_id, result.report): result.error for result in summary.results}
    for (account_id, what, reason), names in groups.items():
        said = reason if len(names) > 1 else errors[account_id, names[0]]
        yield f"{what}: {', '.join(names)} (account {account_id}): {said}"


def chosen_reports(reports: str | None, exclude: str | None) -> list[str]:
    """Returns the names of the chosen reports, in the catalogue's order.

    Raises:
        SettingError: a name is not known, or none is left.
    """
    included = set(DEFAULT_NAMES) if reports is None else _names(reports)
    excluded = set() if exclude is None else _names(exclude)
    chosen = [name for name in ALL_NAMES if name in included - excluded]
    if not chosen:
        raise SettingError("no report is chosen: --exclude takes away all of --reports")
    return chosen


def _names(text: str) -> set[str]:
    names = {part.strip() for part in text.split(",") if part.strip()}
    if names == {"all"}:
        return set(ALL_NAMES)
    unknown = sorted(names - set(ALL_NAMES))
    if unknown or not names:
        raise SettingError(
            f"unknown report {{}}; known are: {', '.join(ALL_NAMES)}",
            quoted=(", ".join(unknown) or repr(text),),
        )
    return names


def chosen_since(options: RunOptions) -> datetime | None:
    """Returns from when on rows are loaded, `None` for what changed since the last run.

    Raises:
        SettingError: both options are given, or one is malformed.
    """
    if options.since is not None and options.days_back is not None:
        raise SettingError("--since and --days-back exclude each other: give one")
    if options.full_refresh and (options.since is not None or options.days_back is not None):
        raise SettingError(
            "--full-refresh loads everything: give it without --since and --days-back"
        )
    if options.since is not None:
        return parse_since("--since", options.since)
    if options.days_back is None:
        return None
    if options.days_back < 0:
        raise SettingError(
            f"--days-back is {options.days_back}; it must be a whole number, 0 or more"
        )
    try:
        return datetime.now(UTC).replace(microsecond=0) - timedelta(days=options.days_back)
    except OverflowError as error:
        raise SettingError(
            f"--days-back {options.days_back} reaches before the first year; leave it out for everything"
        ) from error
