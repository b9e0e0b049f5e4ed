"""Reads what is configured from dlt's places, in dlt's order, under names with the whole section only.

dlt's own resolution shortens a name until it finds a value, down to a bare `API_URL`, which is often another program's: the
token would be sent to that program's host.
"""

from __future__ import annotations

from typing import Any, TypeVar

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.configuration.specs.base_configuration import extract_inner_hint, is_secret_hint
from dlt.common.configuration.utils import deserialize_value

from harvest_source.errors import SettingError, first_line
from harvest_source.settings_files import explained_files

SECRETS_FILE = ".dlt/secrets.toml"

Settings = TypeVar("Settings", bound=BaseConfiguration)


def fill(
    settings: Settings, source: str, pipeline_name: str | None, given: dict[str, Any] | None = None
) -> Settings:
    """Sets what is configured for a source, and has the settings check themselves; what is not configured keeps its default.

    Args:
        settings: takes the values.
        source: name of the source, whose section it is: `harvest` for `sources.harvest`.
        pipeline_name: also names with it in front count, and they count first; `None` where no pipeline is known yet.
        given: in code; counts before what is configured.

    Raises:
        SettingError: a value is wrong or has the wrong type, a secret stands where none belongs, or a `.dlt` file cannot be read.
    """
    sections = sections_of(source, pipeline_name)
    try:
        with explained_files():
            for name, hint in settings.get_resolvable_fields().items():
                value = _configured(
                    [f"{section}.{name}" for section in sections], is_secret=is_secret_hint(hint)
                )
                if value is not None:
                    setattr(
                        settings, name, deserialize_value(name, value, extract_inner_hint(hint))
                    )
    except ConfigurationException as error:
        raise SettingError(
            f"a setting of [{sections[-1]}] is wrong: {{}}", quoted=(first_line(error),)
        ) from error
    for name, value in (given or {}).items():
        setattr(settings, name, value)
    return settings.resolve()


def sections_of(source: str, pipeline_name: str | None) -> list[str]:
    """Returns the sections in which settings of a source stand, the first that counts in front."""
    section = f"sources.{source}"
    return [f"{pipeline_name}.{section}", section] if pipeline_name else [section]


def _configured(paths: list[str], *, is_secret: bool) -> Any:
    """Returns the first value that is configured, `None` where none is."""
    for path in paths:
        value: Any = (dlt.secrets if is_secret else dlt.config).get(path)
        if value is not None:
            return value
        if is_secret and dlt.config.get(path) is not None:
            raise SettingError(
                f"{path} is a secret: it belongs in {SECRETS_FILE} or the environment, not into config.toml"
            )
    return None
