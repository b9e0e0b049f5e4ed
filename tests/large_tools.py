"""Tools that the project's own environment does not hold: a test that lacks one is skipped, and fails where `CI` is set."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest


def need(tool: str | None, how_to_get_it: str) -> Path:
    """Returns where a program is; where it is not, skips the test, or fails it if `CI` is set.

    Args:
        tool: a path, or a name to look up beside this Python and in PATH; `None` where nobody said.
        how_to_get_it: what a person does about its absence.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = shutil.which(tool, path=places) if tool else None
    if found is None:
        do_without(f"{tool or 'a program'} is not here: {how_to_get_it}")
    return Path(found)


def do_without(why: str) -> NoReturn:
    """Skips the test, or fails it if `CI` is set."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
