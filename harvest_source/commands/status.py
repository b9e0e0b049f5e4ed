"""The command `status`: what was loaded, and when; and whether that is too long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import groupby

from harvest_source.about import COMMAND
from harvest_source.catalogue.report import AccountReport, Row
from harvest_source.clock import Clock
from harvest_source.commands.output import message, print_json, print_table, shown
from harvest_source.commands.reading import reading
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import SettingError
from harvest_source.exit_codes import COMPLETE, INCOMPLETE
from harvest_source.loading.freshness import Freshness, freshness
from harvest_source.loading.history import TABLE, newest_lines
from harvest_source.settings import LARGEST, parse_account_ids

COLUMNS = ("account_id", "report", "finished_at", "bookmark", "rows_here", "verified", "error")
AGE = re.compile(r"([1-9][0-9]{0,8})([mhd])")
SECONDS = {"m": 60, "h": 3600, "d": 86400}
NAMED = 3  # reports of an account


def status(
    place: Workplace,
    *,
    reports: str | None = None,
    exclude: str | None = None,
    max_age: str | None = None,
    as_json: bool = False,
    clock: Clock | None = None,
) -> int:
    """Prints the last run of every report, of the accounts of the option or all: when, bookmark, rows, verified or not.

    Args:
        place: where it works.
        reports: names of those that are meant, as `run` takes them; default: all that were ever loaded, with `max_age` those that
            a plain `run` loads.
        exclude: names of those that are not.
        max_age: how long ago each may have been complete last, such as `26h`.
        as_json: prints JSON.
        clock: what time it is.

    Returns:
        the exit code: 1 where a report was not complete for longer than `max_age`, else 0.

    Raises:
        SettingError: an account id, a name or the age is malformed.
        HarvestError: the destination cannot be read.
    """
    wanted = parse_account_ids(place.account)
    age = None if max_age is None else parse_age("--max-age", max_age)
    names = None if (reports, exclude, max_age) == (None, None, None) else _meant(reports, exclude)
    now = datetime.fromtimestamp((clock or Clock()).wall(), UTC)
    every = _read(place)
    of_accounts = [line for line in every if not wanted or line["account_id"] in wanted]
    accounts = {line["account_id"] for line in of_accounts} | {*(wanted or ())}
    fresh = [] if age is None else freshness(of_accounts, accounts, names or (), now)
    old = [each for each in fresh if age is not None and each.is_older(age, now)]
    is_old = bool(old) or (age is not None and not fresh)
    last = newest_lines(
        (line for line in of_accounts if names is None or line["report"] in names), now
    )
    if as_json:
        print_json(_as_json(last, fresh, old) if fresh else [_shown(line) for line in last])
    elif last:
        print_table(COLUMNS, [list(_shown(line).values()) for line in last])
    elif not is_old:
        message(f"nothing is loaded yet{' of this account' if every else ''}: {COMMAND}")
    if is_old:
        message(_said_of(old, max_age or "", len(names or ())), "red")
    return INCOMPLETE if is_old else COMPLETE


def parse_age(name: str, text: str) -> timedelta:
    """Reads a time such as `90m`, `26h` or `2d`.

    Args:
        name: of the option, for the message.
        text: what was typed.

    Raises:
        SettingError: it is none, or longer than thirty years.
    """
    found = AGE.fullmatch(text.strip())
    seconds = int(found[1]) * SECONDS[found[2]] if found else LARGEST + 1
    if seconds > LARGEST:
        raise SettingError(
            f"{name} {{}} is no age: write a whole number with m, h or d, such as 90m, 26h or 2d",
            quoted=(repr(text),),
        )
    return timedelta(seconds=seconds)


def _meant(reports: str | None, exclude: str | None) -> list[str]:
    from harvest_source.commands.run import chosen_reports  # noqa: PLC0415 - brings all that a run needs

    return chosen_reports(reports, exclude)


def _read(place: Workplace) -> list[Row]:
    """Returns `load_report` as it stands in the destination; nothing where there is no database file yet."""
    with reading(place) as pipeline:
        if pipeline is None:
            return []
        with Warehouse(pipeline) as warehouse:
            return list(warehouse.rows(TABLE))


def _shown(line: Row) -> Row:
    return {column: line.get(column) for column in COLUMNS}


def _as_json(last: list[Row], fresh: list[Freshness], old: list[Freshness]) -> list[Row]:
    """Returns a row for each report that is meant, also for those of which there is no line."""
    lines = {AccountReport(line["account_id"], line["report"]): line for line in last}
    return [
        {
            **_shown(lines.get(each.pair, each.pair._asdict())),
            "last_complete_at": each.complete_at,
            "too_old": each in old,
        }
        for each in fresh
    ]


def _said_of(old: list[Freshness], max_age: str, meant: int) -> str:
    """Returns the line that says which reports are too old, and since when."""
    accounts = [
        _said_of_account(account_id, list(of_it), meant)
        for account_id, of_it in groupby(old, key=lambda each: each.pair.account_id)
    ]
    ahead = max((each.ahead_at for each in old if each.ahead_at), default=None)
    clock = (
        [f"a run lies in the future, {shown(ahead)}: look at this machine's clock and that of runs"]
        if ahead
        else []
    )
    return f"no complete run within {max_age}: {'; '.join([*accounts, *clock]) or 'there is none'}"


def _said_of_account(account_id: int, old: list[Freshness], meant: int) -> str:
    names = [each.pair.report for each in old]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    which = "all reports" if len(names) == meant > 1 else ", ".join(names[:NAMED]) + more
    times = [each.complete_at for each in old if each.complete_at]
    since = f"since {shown(min(times))}" if len(times) == len(old) else "never"
    return f"account {account_id}, {which}, {since}"
