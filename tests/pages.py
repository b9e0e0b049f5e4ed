"""The pages of the documents, and what stands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
OF_DBT = ROOT / "dbt" / "README.md"
TYPED = re.compile(
    r"(?:(?:\bpython|\\python\.exe) harvest_pipeline\.py|`harvest-pipeline)\b([^`#|&>\n\[]*)"
)
SECONDS = re.compile(r"\s+\d+(?:\.\d)?(?=\s+(?:yes|read))|(?<=complete after)(?: \d+ (?:h|min|s))+")


def text_of(page: Path) -> str:
    """Returns what stands in a page."""
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """Returns the blocks of a language in a page, `""` for output."""
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text_of(page), re.MULTILINE | re.DOTALL)
    return [text for each, text in found if each == language]


def typed_commands(page: Path, names: list[str]) -> Iterator[list[str]]:
    """Yields the arguments of each command line that a page shows, written out or as `run --option`."""
    text = text_of(page)
    shown = [*TYPED.findall(text), *re.findall(rf"`((?:{'|'.join(names)})(?: [^`|]*)?)`", text)]
    for each in shown:
        yield shlex.split(each.removesuffix('"') if each.count('"') % 2 else each)


def as_shown(line: str) -> list[str]:
    """Returns the words of a line of output, but for the time that a report or a run took."""
    return SECONDS.sub("", line.rstrip()).split()
