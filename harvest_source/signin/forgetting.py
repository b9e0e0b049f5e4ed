"""What `logout` takes away: every file of an application that may hold tokens, also what a killed program left of one."""

from __future__ import annotations

import re

from harvest_source.signin.tokens import TokenFile, client_slug, folder

FILE = re.compile(
    r"(?P<stem>(?:(?:new-\d+-)?sign-in|configured)-.+-[0-9a-f]{16})\.(?:json|answer)(?:\.part)?"
)
CONFIGURED = "configured-"


def forget(name: str, client_id: str | None) -> bool:
    """Removes the sign-in of a name, and what became of configured refresh tokens; returns whether there was any of it.

    Args:
        name: of the sign-in.
        client_id: only that application's; None: any one's.

    Raises:
        SettingError: the folder cannot be written.
        UnavailableError: another process holds the lock too long.
    """
    removed = False
    for file in _files():
        if _is_meant(file, name, client_id):
            removed = file.forget() or removed
    return removed


def names_left(client_id: str | None) -> list[str]:
    """Returns the names of the sign-ins that are stored, of one application or of any."""
    stored = (file.read() for file in _files() if file.path.name.startswith("sign-in-"))
    return sorted({each.name for each in stored if each and client_id in {None, each.client_id}})


def _files() -> list[TokenFile]:
    stems = {found["stem"] for path in folder().glob("*") if (found := FILE.fullmatch(path.name))}
    return [TokenFile(stem) for stem in sorted(stems)]


def _is_meant(file: TokenFile, name: str, client_id: str | None) -> bool:
    stored = file.read()
    # an answer that nobody took over, or a file that cannot be read: its name says whose it is
    if stored is None:
        return _is_named(file, name, client_id)
    return client_id in {None, stored.client_id} and (_is_configured(file) or stored.name == name)


def _is_named(file: TokenFile, name: str, client_id: str | None) -> bool:
    kind = CONFIGURED if _is_configured(file) else rf"(?:new-\d+-)?sign-in-{re.escape(name)}-"
    slug = ".+" if client_id is None else re.escape(client_slug(client_id))
    return bool(re.fullmatch(rf"{kind}{slug}-[0-9a-f]{{16}}", file.path.stem))


def _is_configured(file: TokenFile) -> bool:
    return file.path.name.startswith(CONFIGURED)
