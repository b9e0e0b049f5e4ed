#!/usr/bin/env python3
"""Asks for known vulnerabilities of what the locks name: `python .ci/audit.py [PIP_AUDIT]`. Takes a minute at most.

Ends with 0 where none is known, 1 where some are, 2 where not every package could be asked for (of which pip-audit makes a 0).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE
from typing import Any

LOCKS = Path(__file__).parents[1] / "locks"
SECONDS = 55
NONE_KNOWN, SOME_KNOWN, NOT_ASKED = range(3)
Dependency = dict[str, Any]
"""One package of pip-audit's answer: `name`, and `version` and `vulns`, or `skip_reason`."""


def ask(
    program: str, locks: list[Path], seconds: float = SECONDS
) -> tuple[list[Dependency], list[str]]:
    """Returns what pip-audit says of the packages of all locks, and why it says nothing of some locks."""
    until = time.monotonic() + seconds
    options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
    running = [
        subprocess.Popen([program, *options, "-r", str(lock)], stdout=PIPE, stderr=PIPE, text=True)  # noqa: S603 - whoever runs it says which
        for lock in locks
    ]
    told, silent = list[Dependency](), list[str]()
    for lock, process in zip(locks, running, strict=True):
        try:
            out, err = process.communicate(timeout=max(until - time.monotonic(), 0))
            told += json.loads(out)["dependencies"]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            silent.append(f"{lock.name}: no answer in {seconds:.0f} s")
        except ValueError:
            silent.append(f"{lock.name}: {(err.strip().splitlines() or ['no answer'])[-1][:200]}")
    return told, silent


def report(told: list[Dependency], silent: list[str]) -> tuple[int, list[str]]:
    """Returns the exit code and what a person should read."""
    known = {
        f"{each['name']} {each['version']}: {found['id']} ({', '.join(found['fix_versions']) or 'no version'} has it mended)"
        for each in told
        for found in each.get("vulns", ())
    }
    skipped = {each["name"]: each["skip_reason"] for each in told if "skip_reason" in each}
    asked = {(each["name"], each["version"]) for each in told if "skip_reason" not in each}
    lines = [*sorted(known), *silent]
    if skipped:
        lines.append(
            f"no advisories could be had for {len(skipped)} packages, such as: {next(iter(skipped.values()))}"
        )
    lines.append(
        f"advisories were had for {len(asked)} packages: {len(known)} vulnerabilities known"
    )
    if known:
        return SOME_KNOWN, lines
    return (NONE_KNOWN if asked and not skipped and not silent else NOT_ASKED), lines


def main(program: str = "pip-audit") -> int:
    """Prints the report; returns the exit code."""
    try:
        code, lines = report(*ask(program, sorted(LOCKS.glob("*.txt"))))
    except OSError as error:
        code, lines = NOT_ASKED, [f"no advisories could be had: {error}"]
    sys.stdout.write("\n".join(lines) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
