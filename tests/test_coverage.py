"""`make coverage` shows both of its reports, and what it leaves out says why."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from large_tools import need

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


@pytest.mark.parametrize(
    ("tests", "whole", "rooms"), [(0, 0, 0), (1, 0, 0), (0, 2, 0), (0, 0, 2), (1, 2, 2)]
)
def test_both_reports_are_shown_and_a_failure_of_any_counts(
    tests: int, whole: int, rooms: int, tmp_path: Path
) -> None:
    """The tools are scripts that tell how they were called; the numbers are their exit codes."""
    make = need(shutil.which("make"), "install Debian's package make")
    scripts = {
        "pytest": f'echo "pytest $*"; exit {tests}',
        "coverage": f'echo "coverage $*"; case "$*" in *loading*) exit {rooms};; esac; exit {whole}',
    }
    for name, script in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".ready").touch()  # nothing is to be installed
    done = subprocess.run(
        [make, "-s", "coverage", f"BIN={tmp_path}"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    called = done.stdout.splitlines()
    assert [line.split()[:2] for line in called] == [
        ["pytest", "-n"], ["coverage", "report"], ["coverage", "report"],
    ]  # fmt: skip
    assert "--fail-under" not in called[1]  # that of pyproject.toml
    assert "--fail-under=100" in called[2]
    assert (done.returncode == 0) == (tests == whole == rooms == 0)
