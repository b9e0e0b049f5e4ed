"""Writes answers as JSON: with orjson where it is installed, else with the standard library."""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ImportError:  # pragma: no cover - the runtime requirements bring orjson

    def encode(value: Any) -> bytes:
        """Returns a value as UTF-8 JSON."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

else:

    def encode(value: Any) -> bytes:
        """Returns a value as UTF-8 JSON."""
        return orjson.dumps(value)
