"""Whether a browser can be opened for the person who typed a command."""

from __future__ import annotations

import os
import sys


def has_browser() -> bool:
    """Returns whether a browser would open in a window of its own, and not in this terminal."""
    windows = os.name == "nt" or sys.platform == "darwin"
    return windows or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
