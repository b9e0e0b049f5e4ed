"""The command `logout`: the stored tokens are forgotten."""

from __future__ import annotations

from harvest_source.commands.beginning import settings_of_command
from harvest_source.commands.output import message
from harvest_source.settings import DEVELOPERS_URL
from harvest_source.signin.forgetting import forget, names_left
from harvest_source.signin.tokens import trimmed


def logout(*, name: str) -> int:
    """Forgets the stored tokens, and says where the access is revoked.

    Raises:
        SettingError: a setting is malformed, or the folder cannot be written.
    """
    settings = settings_of_command()
    client_id = trimmed(settings.client_id) or None
    removed = forget(name, client_id)
    message(
        f"the tokens of sign-in {name} are removed from this computer"
        if removed
        else f"no sign-in {name} is stored here"
    )
    left = names_left(client_id)
    if left:
        message(f"note: other sign-ins stay: {', '.join(left)} (logout --name {left[0]})")
    message(f"Harvest still allows the access until you revoke it there: {DEVELOPERS_URL}")
    for setting in ("access_token", "refresh_token"):
        if getattr(settings, setting):
            message(f"note: {setting} is set in your settings: remove it there")
    return 0
