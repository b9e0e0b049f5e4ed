"""What a caller may read in an account: told from the role, and tried with the smallest request there is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from harvest_source.api.accounts import FEW_TRIES, Account, look_up
from harvest_source.api.client import HarvestClient, Params
from harvest_source.api.envelopes import settle_of
from harvest_source.catalogue.access import Extent
from harvest_source.catalogue.lookup import ALL_REPORTS
from harvest_source.catalogue.report import Paging, Report
from harvest_source.commands.connecting import asking, connect_at
from harvest_source.commands.workplace import Workplace
from harvest_source.errors import (
    AccessLostError,
    ApiError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
)
from harvest_source.settings import HarvestSettings

OFF = "module off"

THREADS = 8
ONE_ROW: Params = {"per_page": "1"}


def permissions_by_account(settings: HarvestSettings) -> dict[int, dict[str, str]]:
    """Returns what the credentials of settings may read, for each account that a run would load.

    Raises:
        SettingError: as `connect`.
        ApiError: the accounts cannot be read.
    """
    connection = connect_at(Workplace(), settings)
    with asking(connection.client) as client:
        return {
            account.id: permissions(client, look_up(client, account))
            for account in connection.accounts()
        }


def permissions(client: HarvestClient, account: Account) -> dict[str, str]:
    """Returns what the caller may read of every report; costs about one request per report.

    A report read once per parent needs its parents too: without them none of its rows can be found.

    Args:
        client: of the caller.
        account: with caller and company filled in.

    Raises:
        TokenRejectedError: the token is refused.
    """
    tried = [
        report
        for report in ALL_REPORTS
        if not account.switched_off(report.module)
        and _path(report, account)
        and not report.only_when_named  # few requests for reports are allowed: the role tells
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        answers = dict(
            zip(
                [report.name for report in tried],
                pool.map(lambda each: _try(client, account, each), tried),
                strict=True,
            )
        )
    found: dict[str, str] = {}
    for report in sorted(ALL_REPORTS, key=lambda each: each.parent is not None):
        parent = found[report.parent.report] if report.parent else None
        hidden = parent in {Extent.NOTHING, OFF} and report.access.member is not Extent.OWN
        found[report.name] = (
            parent if parent and hidden else _verdict(report, account, answers.get(report.name))
        )
    return {report.name: found[report.name] for report in ALL_REPORTS}


def _verdict(report: Report, account: Account, allowed: bool | None) -> str:  # noqa: FBT001 - None: not tried
    if account.switched_off(report.module):
        return OFF
    told = report.access.of(account.access_roles, account.claims)
    if allowed is None:
        return told
    if not allowed:
        return OFF if report.module_list else Extent.NOTHING
    return Extent.OWN if told is Extent.NOTHING else told


def _path(report: Report, account: Account) -> str | None:
    """Returns what to ask for; None where only a request per invoice or estimate could tell."""
    if report.parent is None:
        return report.path
    caller = account.caller.get("id")
    return (
        report.path.format(parent_id=caller) if report.parent.report == "users" and caller else None
    )


def _try(client: HarvestClient, account: Account, report: Report) -> bool | None:
    params = {} if report.paging is Paging.NONE else ONE_ROW
    try:
        client.get(
            account.id,
            _path(report, account) or "",
            report.holds,
            params,
            report.name,
            FEW_TRIES,
            settle_of(report),
        )
    except (NotAllowedError, NotFoundError):
        return False
    except RefusedError as error:
        return (
            True
            if report.parent and report.parent.only and error.status == report.parent.only.status
            else None
        )
    except AccessLostError:
        raise
    except ApiError:
        return None
    return True
