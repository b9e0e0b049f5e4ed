"""What a source knows before it asks anything: settings, credentials, the wanted accounts, and what of each report is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harvest_source.api.accounts import Account, choose_accounts
from harvest_source.api.client import HarvestClient
from harvest_source.reading.reader import Choice, Reader
from harvest_source.settings import HarvestSettings
from harvest_source.signin.auth import Auth, chosen_account


@dataclass(frozen=True)
class Connection:
    """The way to Harvest; making one sends no request."""

    settings: HarvestSettings
    client: HarvestClient
    wanted: tuple[int, ...] | None = None  # account ids, an empty tuple for all; None: the only one
    choice: Choice = field(default_factory=Choice)

    def accounts(self) -> list[Account]:
        """Returns the accounts to load; asks Harvest. Raises as `choose_accounts`."""
        return choose_accounts(self.client, self.wanted)

    def reader(self, folder: Path | None = None) -> Reader:
        """Returns what reads the reports of one run.

        Args:
            folder: where answers outlive a run that is interrupted; `None` for a folder that goes with the reader.
        """
        return Reader(self.client, self.settings, self.choice, folder=folder)


def connect(
    settings: HarvestSettings, auth: Auth, wanted: tuple[int, ...] | None = None, choice: Choice | None = None
) -> Connection:
    """Returns the way to Harvest by checked settings.

    Args:
        settings: of the run.
        auth: signs the requests.
        wanted: account ids, an empty tuple for all; `None`: the one chosen at sign-in, else the only one.
        choice: what of each report; default: what changed since the last run.
    """
    chosen = chosen_account(auth) if wanted is None else None
    return Connection(settings, HarvestClient(settings, auth), wanted if chosen is None else (chosen,), choice or Choice())
