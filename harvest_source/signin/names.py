"""The names under which several sign-ins are kept apart."""

from __future__ import annotations

import re

from harvest_source.errors import SettingError

DEFAULT_NAME = "default"


def checked_name(name: str) -> str:
    """Returns the name of a sign-in.

    Raises:
        SettingError: it is none that a file can have.
    """
    if not re.fullmatch(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,59}", name):
        raise SettingError(
            "--name {}: use up to 60 letters, digits, single dots, hyphens and underscores",
            quoted=(repr(name),),
        )
    return name
