"""Cuts configured secrets out of what others say: drivers repeat addresses and passwords in their errors."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    from dlt.common.configuration.specs import BaseConfiguration

HIDDEN = "***"
# characters: a secret as short as that is cut out as a whole word only, or half of the text would go
SHORT = 6
DLT_LOGGER = "dlt"
_kept: set[str] = set()


def keep_secret(config: BaseConfiguration) -> None:
    """Has `without_secrets` know the secrets of a configuration, those of its parts too."""
    # whoever has a configuration of dlt's has imported dlt; errors, which need this file too, come without it
    from dlt.common.configuration.specs import BaseConfiguration  # noqa: PLC0415
    from dlt.common.configuration.specs.base_configuration import is_secret_hint  # noqa: PLC0415

    for name, hint in config.get_resolvable_fields().items():
        value = getattr(config, name, None)
        if isinstance(value, BaseConfiguration):
            keep_secret(value)
        elif isinstance(value, str) and is_secret_hint(hint):
            _kept.update(
                spelling
                for line in (value, *value.splitlines())
                for spelling in _spellings(line.strip())
                if spelling
            )
    logger = logging.getLogger(DLT_LOGGER)
    if _hide_in_log not in logger.filters:
        logger.addFilter(_hide_in_log)


def _spellings(secret: str) -> set[str]:
    """Returns how a secret may be written: as it is, in an address, in quotes."""
    plain = {secret, unquote(secret)}
    in_addresses = {
        write(each)
        for each in plain
        for write in (lambda text: quote(text, safe=""), quote, quote_plus)
    }
    partly = {quote(each, safe=" +") for each in plain}
    quoted = {
        written[1:-1]
        for each in plain
        for written in (json.dumps(each), json.dumps(each, ensure_ascii=False), repr(each))
    }
    doubled = {each.replace(sign, sign * 2) for each in plain for sign in "'\"\\"}
    return plain | in_addresses | partly | quoted | doubled


def without_secrets(text: str) -> str:
    """Returns a text in which stars stand for every secret that was kept, the longest first."""
    for secret in sorted(_kept, key=len, reverse=True):
        if len(secret) >= SHORT:
            text = text.replace(secret, HIDDEN)
        elif secret in text:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    return text


def _hide_in_log(record: logging.LogRecord) -> bool:
    """Cuts secrets out of a line of dlt's log, which shows whole errors with `--verbose`."""
    record.msg, record.args = without_secrets(record.getMessage()), ()
    if record.exc_info:
        record.exc_text = without_secrets(logging.Formatter().formatException(record.exc_info))
    return True
