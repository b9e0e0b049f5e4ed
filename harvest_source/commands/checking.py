"""The command `check`: whether a run would succeed, and what to fix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from harvest_source.api.accounts import FEW_TRIES, Account, choose, look_up, reachable
from harvest_source.api.client import HarvestClient
from harvest_source.catalogue.access import Extent
from harvest_source.catalogue.lookup import DEFAULT_NAMES
from harvest_source.commands.access import account_that_counts, notes_on_settings, open_settings
from harvest_source.commands.connecting import asking, connect_at
from harvest_source.commands.destination import try_destination
from harvest_source.commands.output import message, print_json, print_table
from harvest_source.commands.permissions import OFF, permissions
from harvest_source.commands.workplace import Workplace
from harvest_source.errors import (
    AccountNotFoundError,
    ApiError,
    HarvestError,
    SettingError,
    TokenRejectedError,
)
from harvest_source.settings import CONTACT, HarvestSettings

CLOCK_SECONDS = 60  # more than that between the server's clock and ours is told
MODULES = ("expense_feature", "invoice_feature", "estimate_feature")
WRONG_SETTING = 2
TABLES_PAGE = "docs/tables.md"
NO_CONTACT = (
    "contact is not set: Harvest asks for a link or an e-mail address of whoever sends the requests; "
    'contact = "…" under [sources.harvest] in .dlt/config.toml'
)


@dataclass
class Findings:
    """What `check` has found."""

    user: str = ""
    accounts: list[dict[str, Any]] = field(default_factory=list)
    destination: str = ""
    clock_seconds: float | None = None  # how far our clock is ahead of the server's
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    exit_code: int = 0

    def add(self, area: str, text: str, exit_code: int = 1) -> None:
        """Notes a problem, under the name of what is to be fixed."""
        self.problems.append(f"{area}: {text}")
        self.exit_code = max(self.exit_code, exit_code)

    def attempt(self, area: str, step: Callable[[], None]) -> None:
        """Takes one step; what goes wrong becomes a problem."""
        try:
            step()
        except HarvestError as error:
            self.add(
                _area(error, area),
                str(error),
                WRONG_SETTING if isinstance(error, SettingError) else 1,
            )


def _area(error: HarvestError, area: str) -> str:
    if isinstance(error, TokenRejectedError):
        return "token"
    if isinstance(error, AccountNotFoundError):
        return "account"
    return "network" if isinstance(error, ApiError) and area != "destination" else area


def check(place: Workplace, *, name: str | None, as_json: bool) -> int:
    """Tries credentials, accounts, permissions and destination without loading, and says what to fix.

    Returns:
        2 where a setting is wrong, 1 where a run would not be complete, else 0.
    """
    findings = Findings()
    with open_settings(place) as settings:
        findings.attempt("settings", lambda: _check_harvest(findings, place, settings, name))
        findings.attempt("destination", lambda: _check_destination(findings, place))
    if as_json:
        print_json(vars(findings))
    else:
        _show(findings, quiet=place.quiet)
    return findings.exit_code


def _check_harvest(
    findings: Findings, place: Workplace, settings: HarvestSettings, name: str | None
) -> None:
    connection = connect_at(place, settings, sign_in=name)
    findings.notes += [*([connection.note] if connection.note else []), *notes_on_settings(place)]
    findings.notes += [NO_CONTACT] if settings.contact == CONTACT and not place.demo else []
    counts = account_that_counts(place, connection)
    findings.notes += [counts] if counts else []
    with asking(connection.client, quiet=place.quiet) as client:
        _check_accounts(findings, client, connection.wanted)


def _check_accounts(
    findings: Findings, client: HarvestClient, wanted: tuple[int, ...] | None
) -> None:
    findings.user, reached = reachable(client, FEW_TRIES)
    try:
        chosen = choose(reached, wanted)
    except SettingError as error:
        raise AccountNotFoundError(error.message, quoted=error.quoted) from error
    for account in chosen:
        findings.attempt("account", partial(_check_account, findings, client, account))


def _check_account(findings: Findings, client: HarvestClient, account: Account) -> None:
    look_up(client, account)
    answer = client.get(account.id, "users/me", ("id",), tries=FEW_TRIES)
    if answer.server_time:
        findings.clock_seconds = round((datetime.now(UTC) - answer.server_time).total_seconds())
        if abs(findings.clock_seconds) > CLOCK_SECONDS:
            ahead = "ahead of" if findings.clock_seconds > 0 else "behind"
            findings.add(
                "clock",
                f"this machine is {abs(findings.clock_seconds):.0f} s {ahead} Harvest: set its time",
            )
    found = permissions(client, account)
    findings.accounts.append(
        {
            "account_id": account.id,
            "name": account.name,
            "access_roles": list(account.access_roles),
            "modules": {
                module.removesuffix("_feature"): account.company.get(module) for module in MODULES
            },
            "reports": found,
        }
    )
    found = {
        name: found[name] for name in DEFAULT_NAMES
    }  # others are no part of a run by themselves
    refused = [report for report, verdict in found.items() if verdict == Extent.NOTHING]
    if refused:
        role = ", ".join(account.access_roles) or "role not known"
        findings.add(
            "permission",
            f"account {account.id}: this user ({role}) may not read all reports, a run ends with 1: use an administrator's "
            "token, have the role changed ({page(TABLES_PAGE)} says who may read what), or run with "
            f"--exclude {','.join(refused)}",
        )
    unknown = [report for report, verdict in found.items() if verdict == Extent.UNKNOWN]
    if unknown:
        findings.notes.append(
            f"account {account.id}: Harvest does not say this user's role, so it is not known whether all of "
            f"{', '.join(unknown)} is loaded; an administrator's token loads all"
        )
    own = [report for report, verdict in found.items() if verdict == Extent.OWN]
    if own:
        findings.notes.append(
            f"account {account.id}: of {', '.join(own)} only what this user may see is loaded, not all of it"
        )


def _check_destination(findings: Findings, place: Workplace) -> None:
    seen, notes = try_destination(place)
    findings.destination = f"{place.destination}: {seen}"
    findings.notes += notes


def _show(findings: Findings, *, quiet: bool) -> None:
    several = len(findings.accounts) > 1
    facts: list[list[Any]] = [["user", findings.user]] if findings.user else []
    for account in findings.accounts:
        on = [name for name, state in account["modules"].items() if state]
        off = [name for name, state in account["modules"].items() if state is False]
        facts.append(["account", f"{account['account_id']} {account['name']}"])
        facts.append(["role", ", ".join(account["access_roles"]) or Extent.UNKNOWN])
        facts.append(
            [
                "modules",
                "; ".join(
                    f"{word}: {', '.join(names)}"
                    for word, names in (("on", on), ("off", off))
                    if names
                ),
            ]
        )
    facts += [["destination", findings.destination]] if findings.destination else []
    facts += (
        [["clock", f"{findings.clock_seconds:.0f} s from Harvest's"]]
        if findings.clock_seconds is not None
        else []
    )
    print_table(["what", "is"], facts)
    rows = [
        [account["account_id"], *item]
        for account in findings.accounts
        for item in account["reports"].items()
    ]
    if rows and not quiet:
        print_table(
            [*(["account_id"] if several else []), "report", "may be read"],
            [row[not several :] for row in rows],
        )
    for note in findings.notes if not quiet else ():
        message(note)
    for problem in findings.problems:
        message(problem, "red")
    if findings.problems or quiet:
        return
    verdicts = {verdict for account in findings.accounts for verdict in account["reports"].values()}
    if verdicts <= {Extent.ALL, OFF}:
        message("all is well: a run would load everything")
    else:
        message("nothing is wrong: a run would load what this user may see, which may not be all")
