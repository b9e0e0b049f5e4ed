"""The command `login`: the browser sign-in."""

from __future__ import annotations

import os
import select
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from harvest_source.about import COMMAND, EXAMPLE, page
from harvest_source.api.accounts import FEW_TRIES, reachable
from harvest_source.api.client import HarvestClient
from harvest_source.commands.beginning import settings_of_command
from harvest_source.commands.browser import has_browser
from harvest_source.commands.checking import check
from harvest_source.commands.output import message
from harvest_source.commands.workplace import Workplace
from harvest_source.errors import (
    AccountNotFoundError,
    CancelledError,
    HarvestError,
    SettingError,
    one_line,
)
from harvest_source.settings import (
    DEVELOPERS_URL,
    HarvestSettings,
    parse_account_ids,
)
from harvest_source.signin.auth import OAuthToken, build_auth, sign_in_with_code, stored_sign_in
from harvest_source.signin.pages import failed_page, signed_in_page
from harvest_source.signin.sign_in import TIMEOUT_SECONDS, ReadLine, SignIn, redirect_uri
from harvest_source.signin.tokens import (
    OAuthClient,
    TokenFile,
    folder,
    oauth_client,
    sign_in_file,
)


def login(place: Workplace, *, name: str, no_browser: bool) -> int:
    """Signs in with the browser, stores the tokens and the chosen account, and runs `check`.

    A sign-in of before stays until the new one is whole: its tokens tried, its account chosen.

    Returns:
        0: what `check` finds is told, but the sign-in itself worked.

    Raises:
        SettingError: a setting is missing, the port is taken, or an account is to be chosen and nobody can be asked.
        ApiError: nobody signed in, or Harvest refused.
    """
    if place.demo:
        raise SettingError(f"the demo needs no sign-in: {COMMAND} --demo")
    settings = settings_of_command()
    redirect = redirect_uri(settings.redirect_port)
    client = oauth_client(
        settings,
        f"create an OAuth2 application at {DEVELOPERS_URL} with the redirect URL {redirect}, "
        f"then set client_id and client_secret (see {page(EXAMPLE)})",
    )
    file = sign_in_file(client, name)
    listener = SignIn(settings.redirect_port, client.id_url, client.client_id)
    with _telling_what_stays(file), listener as sign_in:
        with file.anew(settings.redirect_port) as new:
            try:
                _sign_in(sign_in, client, new, no_browser=no_browser)
                user, reached = _try(place, settings, client, new)
                sign_in.check_browser()
            except Exception as error:
                sign_in.show(failed_page(one_line(error)))
                raise
            sign_in.show(
                signed_in_page(
                    user, list(reached.values()), choose=len(reached) > 1 and place.account is None
                )
            )
            known = {"user": user, "accounts": {str(key): text for key, text in reached.items()}}
            with _keeping_the_first(file, new, known):
                account_id = _choose_account(reached, place.account, settings.accounts)
            sign_in.check_browser()
            file.replace(new, **known, account_id=account_id)
        message(f"signed in{' as ' + user if user else ''}; the tokens are kept in {folder()}")
        _tell_what_counts_first(settings)
        _tell_what_runs_need(settings, name, account_id)
        # as a run without --account
        account = place.account if settings.account_id is None and account_id is None else None
        # the listener stays for a second tab meanwhile
        check(replace(place, account=account), name=name, as_json=False)
    return 0


@contextmanager
def _telling_what_stays(file: TokenFile) -> Iterator[None]:
    """Has Ctrl-C say whether somebody is signed in.

    Raises:
        CancelledError: in place of Ctrl-C.
    """
    before = file.read()
    try:
        yield
    except (KeyboardInterrupt, click.Abort) as error:
        stays = "the earlier sign-in stays" if before else "not signed in"
        raise CancelledError(stays if file.read() == before else "the sign-in is kept") from error


@contextmanager
def _keeping_the_first(file: TokenFile, new: TokenFile, known: dict[str, Any]) -> Iterator[None]:
    """Keeps a sign-in whose account is still to be chosen where there is no other one that it would take the place of."""
    try:
        yield
    except (HarvestError, KeyboardInterrupt, click.Abort) as error:
        kept = file.read() is None
        if kept:
            file.replace(new, **known)
        if isinstance(error, HarvestError):
            what_stays = "the sign-in is kept" if kept else "the earlier sign-in stays"
            raise SettingError(f"{what_stays}, {error.message}", quoted=error.quoted) from error
        raise


def _tell_what_counts_first(settings: HarvestSettings) -> None:
    for setting in ("access_token", "refresh_token"):
        if getattr(settings, setting):
            message(
                f"note: {setting} is set and takes precedence over this sign-in: remove it from the settings to use the sign-in"
            )


def _tell_what_runs_need(settings: HarvestSettings, name: str, account_id: int | None) -> None:
    """Says what must be given to a run so that it takes this sign-in and its accounts."""
    configured = settings.accounts
    if configured is None and account_id is None:
        message(
            "note: a sign-in keeps one account: for several give --account to every run, or set account_id"
        )
    if settings.access_token or settings.refresh_token:
        return
    try:
        used = stored_sign_in(build_auth(settings, accounts=configured)[0])
    except SettingError as error:
        message(f"note: {error}")
        return
    if used is not None and used.name != name:
        message(f"note: without --account a run takes the sign-in {used.name}, and not {name}")


def _sign_in(sign_in: SignIn, client: OAuthClient, new: TokenFile, *, no_browser: bool) -> None:
    """Leads through the sign-in, and exchanges what it brings for tokens."""
    message(
        f"Your application at {DEVELOPERS_URL} must have this redirect URL: {sign_in.redirect_uri}"
    )
    opens = not no_browser and has_browser()
    if opens:
        message(
            "Your browser opens Harvest. If it does not, open this address in a browser on this computer;"
        )
        message(
            "for a browser on another computer end this with Ctrl-C and use login --no-browser."
        )
    else:
        message("Open this address in a browser:")
    click.echo(sign_in.start_url() if opens else sign_in.authorize_url, err=True)
    pasted = not opens and _can_paste()
    if pasted:
        message(
            "If the browser runs on another computer, its last page does not load: paste that page's address here."
        )
    message(f"waiting for the sign-in, up to {TIMEOUT_SECONDS / 60:.0f} minutes (Ctrl-C ends it)")
    if opens:  # in a thread, since some browsers return only when they are closed
        threading.Thread(target=webbrowser.open, args=(sign_in.start_url(),), daemon=True).start()
    code = sign_in.wait(
        _pasted_lines() if pasted else lambda: None,
        lambda: message("that is no answer to this sign-in"),
    )
    sign_in_with_code(client, new, code, sign_in.redirect_uri, verifier=sign_in.verifier)


def _try(
    place: Workplace, settings: HarvestSettings, client: OAuthClient, new: TokenFile
) -> tuple[str, dict[int, str]]:
    """Asks Harvest with the new tokens; returns who signed in, and the accounts that are reached.

    Raises:
        SettingError: there is none.
        AccountNotFoundError: the one asked for is not among them.
        ApiError: Harvest does not say.
    """
    harvest = HarvestClient(settings, OAuthToken(client, new))
    harvest.keep_requests(place.states_folder)
    with harvest:
        user, reached = reachable(harvest, FEW_TRIES)
    if not reached:
        raise SettingError(
            "this user has no Harvest account (Forecast alone does not count); sign in with another one"
        )
    for account_id in parse_account_ids(place.account) or ():
        if account_id not in reached:
            raise AccountNotFoundError(
                f"account {account_id} is not one of: {{}}", quoted=(_listed(reached),)
            )
    return user, reached


def _listed(names: dict[int, str]) -> str:
    return ", ".join(f"{account_id} {name}" for account_id, name in sorted(names.items()))


def _choose_account(
    names: dict[int, str], asked: str | None, configured: tuple[int, ...] | None
) -> int | None:
    """Returns the account that later runs take; None where the person asked for several or all.

    Raises:
        SettingError: an account is to be chosen, and there is no terminal to ask at.
    """
    wanted = parse_account_ids(asked)
    if wanted is not None:
        return wanted[0] if len(wanted) == 1 else None
    if len(names) == 1:
        return next(iter(names))
    if configured is not None and set(configured) <= set(names):
        return configured[0] if len(configured) == 1 else None
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        raise SettingError(
            "no account is chosen: it reaches several, choose an account with --account or account_id: {}",
            quoted=(_listed(names),),
        )
    return _ask_for_account(names)


def _ask_for_account(names: dict[int, str]) -> int:
    message("Which account?")
    for account_id, name in sorted(names.items()):
        message(f"  {account_id}  {name}")
    choice: str = click.prompt(
        "Account", type=click.Choice([str(account_id) for account_id in sorted(names)]), err=True
    )
    return int(choice)


def _can_paste() -> bool:
    """Returns whether a person sits at a terminal that can be looked at without waiting."""
    return os.name == "posix" and sys.stdin is not None and sys.stdin.isatty()


def _pasted_lines() -> ReadLine:
    """Returns what gives the next line of the terminal, and never waits for it."""
    ended = False

    def read_line() -> str | None:
        nonlocal ended
        if ended or not select.select([sys.stdin], [], [], 0)[0]:
            return None
        line = sys.stdin.readline()
        ended = not line
        return line or None

    return read_line
