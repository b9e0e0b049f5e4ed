"""What every command does before its own work: it refuses settings of strangers, and says where the token goes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import click

from harvest_source.commands.options import COMMON
from harvest_source.commands.output import message, show_log
from harvest_source.errors import SettingError
from harvest_source.settings import HarvestSettings, load_settings, other_hosts
from harvest_source.settings_files import pass_over_marks
from harvest_source.strangers import refuse_strangers
from harvest_source.usage_figures import switch_off

SETTINGS = "harvest_source.settings"  # under which click keeps them while a command is carried out


def begin(options: Mapping[str, Any]) -> dict[str, Any]:
    """Makes ready for a command's work; before, no setting is read.

    Args:
        options: what was typed, by the names of the options.

    Returns:
        the same, those that many commands have in common as one `place`.

    Raises:
        SettingError: somebody else may have written the settings.
    """
    show_log(shown=bool(options.get("verbose")))
    switch_off()
    pass_over_marks()
    refuse_strangers()
    if not options.get("demo"):
        tell_other_hosts()
    common = {name: options[name] for option in COMMON if (name := option.name) in options}
    own = {name: value for name, value in options.items() if name not in common}
    if not common:
        return own
    from harvest_source.commands.workplace import Workplace  # noqa: PLC0415 - brings destinations

    return {"place": Workplace(**common), **own}


def settings_of_command() -> HarvestSettings:
    """Returns the settings of the command that is carried out; they are read the first time. Raises as `load_settings`."""
    kept = click.get_current_context().meta
    if SETTINGS not in kept:
        kept[SETTINGS] = load_settings()
    settings: HarvestSettings = kept[SETTINGS]
    return settings


def tell_other_hosts() -> None:
    """Says in one line who is asked, and sent the token, where settings name another host than Harvest's."""
    # a command that reads the settings says so itself; others ask nobody
    with suppress(SettingError):
        hosts = other_hosts(settings_of_command())
        if hosts:
            message(f"note: instead of Harvest, requests go to {', '.join(hosts)}")
