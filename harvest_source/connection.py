"""What a source knows before it asks anything: settings, credentials, the wanted accounts, and what of each report is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvest_source.api.accounts import Account, choose_accounts
from harvest_source.api.client import HarvestClient
from harvest_source.api.limits import Budgets
from harvest_source.clock import Clock
from harvest_source.settings import HarvestSettings, parse_account_ids
from harvest_source.signin.auth import Auth, build_auth, chosen_account

if TYPE_CHECKING:
    from harvest_source.reading.reader import Choice, Reader


@dataclass(frozen=True)
class Connection:
    """The way to Harvest; making one sends no request."""

    settings: HarvestSettings
    auth: Auth
    client: HarvestClient
    wanted: tuple[int, ...] | None = None  # account ids, an empty tuple for all; None: the only one
    choice: Choice | None = None  # of each report; None: what changed since the last run
    note: str | None = None  # what a person should know of the credentials

    def for_run(self) -> Connection:
        """Returns the way to Harvest of one run; see `HarvestClient.for_run`."""
        return replace(self, client=self.client.for_run())

    def accounts(self) -> list[Account]:
        """Returns the accounts to load; asks Harvest. Raises as `choose_accounts`."""
        return choose_accounts(self.client, self.wanted)

    def reader(self, folder: Path | None = None, **listeners: Any) -> Reader:
        """Returns what reads the reports of one run.

        Args:
            folder: where answers outlive a run that is interrupted; `None` for a folder that goes with the reader.
            listeners: `on_planned` and `on_read` of `Reader`.
        """
        # whoever only looks at accounts reads no report, and Arrow takes its time to import
        from harvest_source.reading.reader import Choice, Reader  # noqa: PLC0415

        choice = self.choice or Choice()
        return Reader(self.client, self.settings, choice, folder, **listeners)


def connect(
    settings: HarvestSettings,
    account: object = None,
    choice: Choice | None = None,
    *,
    sign_in: str | None = None,
    clock: Clock | None = None,
    budgets: Budgets | None = None,
) -> Connection:
    """Returns the way to Harvest by checked settings.

    Args:
        settings: of the run.
        account: the accounts that are asked for, in any form of `account_id`, which counts where this is `None`; where neither
            says, the one chosen at sign-in, else the only one.
        choice: what of each report; default: what changed since the last run.
        sign_in: name of the stored one that counts before every other credential.
        clock: by which it waits, for a new token as for the limits.
        budgets: requests that may be sent in some time; default: Harvest's.

    Raises:
        SettingError: an account id is malformed, or as `build_auth`.
    """
    clock = clock or Clock()
    wanted = settings.accounts if account is None else parse_account_ids(account)
    auth, note = build_auth(settings, name=sign_in, accounts=wanted, clock=clock)
    chosen = chosen_account(auth) if wanted is None else None
    client = HarvestClient(settings, auth, clock, budgets)
    return Connection(settings, auth, client, wanted if chosen is None else (chosen,), choice, note)
