"""What `make coverage` leaves out says why."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEFT_OUT = re.compile(r"pragma:?\s*no\s*(cover|branch)", re.IGNORECASE)


@pytest.mark.parametrize(
    ("line", "counts"),
    [("x = 1  # pragma: no cover - only on Windows", True), ("x = 1  # pragma: no cover", False)],
)
def test_line_is_left_out_only_with_a_reason(line: str, counts: bool) -> None:  # noqa: FBT001 - a column of the table
    report = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "coverage"
    ]["report"]
    for setting in (
        "exclude_lines",
        "partial_branches",
    ):  # which take the place of what coverage leaves out by itself
        (pattern,) = report[setting]
        assert bool(re.search(pattern, line)) == counts


def test_every_line_that_is_marked_has_a_reason() -> None:
    marked = [
        line.strip()
        for path in sorted((ROOT / "harvest_source").rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if LEFT_OUT.search(line)
    ]
    assert [line for line in marked if not re.search(r"# pragma: no cover - \w", line)] == []
