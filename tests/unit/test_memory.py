"""A run that is a program of its own gives memory back; a program of others keeps its settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TELLS = "import pyarrow as pa; print(pa.default_memory_pool().backend_name == pa.system_memory_pool().backend_name)"


@pytest.mark.parametrize(
    ("before", "is_small"),
    [
        ("from harvest_source.commands.memory import keep_small; keep_small()", True),
        (
            "import harvest_source, harvest_source.commands.run, harvest_source.loading.syncing",
            False,
        ),
    ],
)
def test_only_the_command_changes_how_a_program_keeps_memory(
    before: str, *, is_small: bool
) -> None:
    """In processes of their own, since there is no way back."""
    said = subprocess.run(
        [sys.executable, "-c", f"{before}\n{TELLS}"],
        cwd=ROOT, env={}, capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert said.strip() == str(is_small)
