"""Keeps dlt from sending usage figures to its makers.

dlt decides once in a process, when it first looks at any setting, and looks into the environment first.
"""

from __future__ import annotations

import os

from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.runtime import anon_tracker

from harvest_source.errors import SettingError
from harvest_source.settings_files import providers
from harvest_source.strangers import refuse_strangers

SECTION, NAME = "runtime", "dlthub_telemetry"
VARIABLE = f"{SECTION}__{NAME}".upper()


def switch_off() -> None:
    """Has nothing sent from this process, whatever is set; to be called before dlt looks at a setting.

    dlt makes up a number for the user all the same, and a folder for it (dlt 1.31): where there is no home that is one below the
    temporary folder, which the next user of the machine would then find in their way.
    """
    os.environ[VARIABLE] = "false"
    anon_tracker.get_anonymous_id = _nobody


def _nobody() -> str:
    return ""


def switch_off_unless_set() -> None:
    """Has nothing sent from this process unless the user has said whether to, in the environment or in a file."""
    if not _is_set():
        switch_off()


def _is_set() -> bool:
    """Returns whether dlt would find the setting; asked without dlt's own accessors, with which it would begin to send."""
    try:
        refuse_strangers()
        return any(
            provider.get_value(NAME, bool, "", SECTION)[0] is not None for provider in providers()
        )
    except (SettingError, ConfigurationException):  # whoever reads a setting is told
        return False
