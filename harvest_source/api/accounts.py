"""Which accounts the token reaches, who the caller is there, and which modules are switched on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harvest_source.api.client import TRIES, HarvestClient
from harvest_source.api.net import stays_with_report
from harvest_source.api.parsing import clean_text
from harvest_source.catalogue.lookup import by_name
from harvest_source.errors import (
    AccessLostError,
    AccountNotFoundError,
    ApiError,
    HarvestError,
    NotFoundError,
    RefusedError,
    SettingError,
    TokenRejectedError,
)

LIST_OF_ACCOUNTS = "Harvest's list of the token's accounts"
HIGHEST_ID = 2**63  # of a bigint
FEW_TRIES = 2  # for a look that somebody waits for


@dataclass
class Account:
    """One chosen account and the caller's standing in it."""

    id: int
    name: str = ""
    caller: dict[str, Any] = field(default_factory=dict)  # /users/me
    company: dict[str, Any] = field(default_factory=dict)  # /company
    error: HarvestError | None = None  # why nothing of it can be read, while other accounts can

    @property
    def access_roles(self) -> tuple[str, ...]:
        """Returns what the caller may do in the account; empty where Harvest does not say."""
        roles = self.caller.get("access_roles")
        return (
            tuple(sorted(role for role in roles if isinstance(role, str)))
            if isinstance(roles, list)
            else ()
        )

    @property
    def claims(self) -> tuple[str, ...]:
        """Returns what the caller may do, as answers say it that name no role."""
        claims = self.caller.get("permissions_claims")
        return (
            tuple(claim for claim in claims if isinstance(claim, str))
            if isinstance(claims, list)
            else ()
        )

    @property
    def caller_name(self) -> str:
        """Returns the name of the caller, as far as Harvest says it."""
        return _full_name(self.caller) or "the token's user"

    def switched_off(self, module: str | None) -> bool:
        """Returns whether a module of Harvest is known to be switched off in this account."""
        return module is not None and self.company.get(module) is False


def reachable(client: HarvestClient, tries: int = TRIES) -> tuple[str, dict[int, str]]:
    """Returns the name of the caller, and id and name of the Harvest accounts that the token reaches; Forecast's are left out.

    Raises:
        ApiError: the list cannot be read.
    """
    with stays_with_report():
        data = client.get_accounts(tries)
        accounts = data.get("accounts") or []
        if not isinstance(accounts, list) or not all(
            isinstance(account, dict) for account in accounts
        ):
            raise RefusedError(f"{LIST_OF_ACCOUNTS} is not of the documented shape")
        ours = [account for account in accounts if account.get("product") == "harvest"]
        if not all(_is_id(account.get("id")) for account in ours):
            raise RefusedError(f"{LIST_OF_ACCOUNTS} has an account without its number")
        return _full_name(data.get("user")), {
            account["id"]: _text(account.get("name")) for account in ours
        }


def _full_name(user: object) -> str:
    """Returns the name of a user, as far as Harvest says it."""
    names = (
        (_text(user.get("first_name")), _text(user.get("last_name")))
        if isinstance(user, dict)
        else ()
    )
    return " ".join(name for name in names if name)


def _text(value: object) -> str:
    return str(clean_text(value)) if isinstance(value, str) else ""


def _is_id(value: object) -> bool:
    return type(value) is int and 0 < value < HIGHEST_ID


def choose_accounts(client: HarvestClient, wanted: tuple[int, ...] | None) -> list[Account]:
    """Returns the accounts to load.

    Token and account are checked apart: the list of accounts needs no account id, and without the account header Harvest
    answers as if the token were wrong (Harvest API, gotchas).

    Args:
        client: of the token.
        wanted: account ids, an empty tuple for all that the token reaches, `None` for the only one.

    Raises:
        TokenRejectedError: the token is refused.
        AccountNotFoundError: the token does not reach a wanted account.
        SettingError: the token reaches several accounts, or none, and none was chosen.
    """
    try:
        _user, reached = reachable(client)
    except AccessLostError:
        raise
    except ApiError:
        if not wanted:
            raise
        return [Account(account_id) for account_id in wanted]
    return choose(reached, wanted)


def choose(reached: dict[int, str], wanted: tuple[int, ...] | None) -> list[Account]:
    """Returns the accounts to load of those that a token reaches.

    Args:
        reached: of `reachable`.
        wanted: as of `choose_accounts`.

    Raises:
        AccountNotFoundError, SettingError: as `choose_accounts`.
    """
    if not reached:
        raise SettingError(
            "the token reaches no Harvest account; sign in at Harvest with another user"
        )
    listed = ", ".join(
        f"{account_id} {name}".strip() for account_id, name in sorted(reached.items())
    )
    for account_id in wanted or ():
        if account_id not in reached:
            raise AccountNotFoundError(
                f"account {account_id} is not one of: {{}}", quoted=(listed,)
            )
    if wanted is None and len(reached) > 1:
        raise SettingError(
            "the token reaches several accounts, choose with --account or account_id (or all): {}",
            quoted=(listed,),
        )
    return [Account(account_id, reached[account_id]) for account_id in wanted or sorted(reached)]


def look_up(client: HarvestClient, account: Account) -> Account:
    """Fills in who the caller is in the account and which modules are on, as far as Harvest says.

    Raises:
        TokenRejectedError: the token is refused.
        AccountNotFoundError: Harvest does not know the account.
    """
    caller, company = (
        _look(client, account, "users/me", ("id",)),
        _look(client, account, "company", by_name("company").holds),
    )
    if caller is None and company is None:
        raise AccountNotFoundError(
            f"Harvest does not know account {account.id} for this token (404)"
        )
    account.caller, account.company = caller or {}, company or {}
    if not _is_id(account.caller.get("id")):
        account.caller.pop("id", None)
    return account


def look_up_all(client: HarvestClient, accounts: list[Account]) -> list[Account]:
    """Looks up each account. One that Harvest does not know, or that refuses the token, keeps that as its own error.

    Raises:
        TokenRejectedError: no account takes the token.
        AccountNotFoundError: Harvest knows none of the accounts.
    """
    errors: list[HarvestError] = []
    for account in accounts:
        try:
            look_up(client, account)
        except TokenRejectedError as error:
            account.error = RefusedError(
                f"account {account.id} refuses the token (401), which other accounts take: does its user still belong to it?",
                401,
            )
            errors.append(error)
        except AccountNotFoundError as error:
            account.error = error
            errors.append(error)
    if errors and len(errors) == len(accounts):
        raise errors[0]
    return accounts


def _look(
    client: HarvestClient, account: Account, path: str, holds: tuple[str, ...]
) -> dict[str, Any] | None:
    """Returns an answer, `None` where Harvest knows no such thing, nothing where it does not say."""
    try:
        with stays_with_report():
            found: dict[str, Any] = clean_text(client.get(account.id, path, holds).data)
            return found
    except AccessLostError:
        raise
    except NotFoundError:
        return None
    except ApiError:
        return {}  # what is not known here only leaves out a hint; the reports themselves will tell
