"""Gives commands their settings: the user's, or those of the built-in sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from harvest_source.commands.beginning import settings_of_command
from harvest_source.commands.exposure import notes_on_secrets
from harvest_source.commands.workplace import Workplace
from harvest_source.connection import Connection
from harvest_source.settings import (
    HarvestSettings,
    parse_account_ids,
    stray_settings,
)
from harvest_source.signin.auth import chosen_account
from harvest_source.strangers import notes_on_groups

DEMO_TODAY = date(2026, 11, 20)  # the demo's data ends here, so that it is the same every day
DEMO_TOKEN = "demo-token"  # noqa: S105 - of the built-in sandbox, worth nothing elsewhere


def account_that_counts(place: Workplace, connection: Connection) -> str | None:
    """Returns which account a run loads and why, where option, setting and sign-in name different ones; else `None`.

    Raises:
        SettingError: an account id is malformed.
    """
    chosen = chosen_account(connection.auth)
    named = {
        "--account": parse_account_ids(place.account),
        "account_id": connection.settings.accounts,
        "the sign-in": None if chosen is None else (chosen,),
    }
    given = [(where, ids) for where, ids in named.items() if ids is not None]
    others = [f"{_listed(ids)} ({where})" for where, ids in given[1:] if ids != given[0][1]]
    return (
        f"account {_listed(given[0][1])} counts, as {given[0][0]} says; not {', '.join(others)}"
        if others
        else None
    )


def _listed(ids: tuple[int, ...]) -> str:
    return ",".join(map(str, ids)) or "all"


def notes_on_settings(place: Workplace) -> list[str]:
    """Returns what a person should know of options and settings.

    That is a dataset of another name, keys where they do not count, and files that others can read or may write.
    """
    stored = place.stored_dataset
    renamed = [] if stored == place.dataset else [f"dataset {place.dataset} is stored as {stored}"]
    return renamed + (
        [] if place.demo else [*stray_settings(), *notes_on_secrets(), *notes_on_groups()]
    )


@contextmanager
def open_settings(place: Workplace) -> Iterator[HarvestSettings]:
    """Gives the settings: the user's, or those of the built-in sandbox, which serves as long as the `with` lasts.

    Raises:
        SettingError: a setting is malformed.
    """
    if not place.demo:
        yield settings_of_command()
        return
    from harvest_sandbox import SIZES, Sandbox, build_account  # noqa: PLC0415 - only the demo needs the sandbox

    account = build_account(SIZES["demo"], seed=1, today=DEMO_TODAY)
    with Sandbox(account, token=DEMO_TOKEN) as sandbox:
        yield HarvestSettings(
            access_token=DEMO_TOKEN, api_url=sandbox.api_url, id_url=sandbox.id_url
        )
