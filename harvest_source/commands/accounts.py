"""The command `accounts`: what the credentials reach."""

from __future__ import annotations

from typing import Any

from harvest_source.api.accounts import FEW_TRIES, reachable
from harvest_source.commands.access import open_settings
from harvest_source.commands.connecting import asking, connect_at
from harvest_source.commands.output import print_json, print_table
from harvest_source.commands.workplace import Workplace
from harvest_source.connection import Connection, connect
from harvest_source.errors import SettingError
from harvest_source.settings import HarvestSettings
from harvest_source.signin.auth import stored_sign_in
from harvest_source.signin.tokens import oauth_client, stored_sign_ins


def accounts(place: Workplace, *, name: str | None, as_json: bool) -> int:
    """Prints the accounts that the credentials reach: those of every sign-in, where no other credential counts.

    Raises:
        SettingError: there are no credentials.
        ApiError: the list cannot be read.
    """
    rows: list[list[Any]] = []
    with open_settings(place) as settings:
        of_runs = _credential_of_runs(place, settings)
        for label, connection in _connections(place, settings, name):
            with asking(connection.client) as client:
                user, reached = reachable(client, FEW_TRIES)
            wanted = connection.wanted
            defaults = (
                set(reached)
                if wanted == () or (wanted is None and len(reached) == 1)
                else set(wanted or ())
            )
            rows += [
                [key, text, user, label, label == of_runs and key in defaults]
                for key, text in sorted(reached.items())
            ]
    columns = ["account_id", "name", "user", "credential", "default"]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, [[*row[:-1], "yes" if row[-1] else ""] for row in rows])
    return 0


def _connections(
    place: Workplace, settings: HarvestSettings, name: str | None
) -> list[tuple[str, Connection]]:
    """Returns a way to Harvest for each credential, with its label."""
    configured = next(
        (setting for setting in ("access_token", "refresh_token") if getattr(settings, setting)),
        None,
    )
    names = [name] if name is not None else []
    if name is None and configured:
        return [(configured, connect_at(place, settings))]
    if name is None and settings.client_id and settings.client_secret:
        names = [each.name for each in stored_sign_ins(oauth_client(settings, ""))]
    found = [(f"login {each}", connect_at(place, settings, sign_in=each)) for each in names]
    return found or [("", connect_at(place, settings))]


def _credential_of_runs(place: Workplace, settings: HarvestSettings) -> str | None:
    """Returns the label of the credential that a run takes; `None` where it could not tell which sign-in is meant."""
    for setting in ("access_token", "refresh_token"):
        if getattr(settings, setting):
            return setting
    try:
        stored = stored_sign_in(connect(settings, place.account).auth)
    except SettingError:
        return None
    return None if stored is None else f"login {stored.name}"
