"""The pages that the product makes, in one style: those of the sign-in, and the report. Each is a template of Jinja2.

A page is whole in itself: it loads nothing and runs nothing. What is put into one is text, whatever it holds.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # pragma: no cover - most commands make no page
    from jinja2 import Environment

FOLDER = Path(__file__).parent
ENDS_OF_PLANES = "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)
NOT_IN_HTML = re.compile(
    f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{ENDS_OF_PLANES}]"
)
"""The signs that no page of HTML may hold, however they are written."""


def render(name: str, **values: Any) -> str:
    """Returns a page.

    Args:
        name: of the template, a file of this folder.
        values: what the template asks for.
    """
    return _environment().get_template(name).render(values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - most commands make no page

    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_as_html_can_hold,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _as_html_can_hold(value: Any) -> Any:
    """Returns a value with a sign of its own in place of those that no page may hold; what is HTML already stays."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return NOT_IN_HTML.sub("\N{REPLACEMENT CHARACTER}", value) if is_text else value
