"""Deliberately wrong versions of the figures: the cases worked by hand notice each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from figures_cases import differences, figures_on, fill, rows_by_table
from figures_tables import Execute, figure_rows

from harvest_source.figures.sql import TEXTS

LEAST = 50
# below the name of a text: what stands there once, and what stands there instead
HERE = Path(__file__).with_name("wrong_versions.txt")


class Wrong(NamedTuple):
    """A text with a mistake."""

    name: str
    mistake: str
    text: str


# everywhere: pattern, replacement
EVERYWHERE = {
    "without the account": (r"\b\w\.account_id = \w\.account_id and ", ""),
    "with deleted rows": (r" and \w\.deleted_at is null", ""),
    "with deleted rows, first of several": (r"\b\w\.deleted_at is null and ", ""),
    "with deleted rows, the only condition": (r"where \w\.deleted_at is null\n", "\n"),
    "< for <=": (r"<= ", "< "),
    "> for >=": (r">= ", "> "),
    "dropped where the other table has no row": (r"left join", "join"),
}


def wrong_versions() -> Iterator[Wrong]:
    """Yields all of them."""
    for mistake, (pattern, instead) in EVERYWHERE.items():
        for name, text in TEXTS.items():
            for n, found in enumerate(re.finditer(pattern, text), 1):
                start, end = found.span()
                yield Wrong(name, f"{mistake} ({n})", text[:start] + instead + text[end:])
    name = ""
    for line in HERE.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            name = line.removeprefix("# ")
        elif line:
            before, _, after = (part.strip() for part in line.partition("-->"))
            assert TEXTS[name].count(before) == 1, line
            yield Wrong(name, line, TEXTS[name].replace(before, after))


WRONG = list(wrong_versions())


@pytest.fixture(scope="module")
def execute() -> Iterator[Execute]:
    with closing(duckdb.connect()) as connection:
        fill(connection.execute, rows_by_table())
        yield connection.execute


def test_they_are_many_and_no_two_are_the_same() -> None:
    assert len({(wrong.name, wrong.text) for wrong in WRONG}) == len(WRONG) > LEAST


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.name}: {wrong.mistake}")
def test_a_wrong_version_is_noticed(wrong: Wrong, execute: Execute) -> None:
    """It runs, and gives another value somewhere in the figures that it is part of."""
    assert wrong.text != TEXTS[wrong.name]
    texts = {**TEXTS, wrong.name: wrong.text}
    assert any(
        differences(figure_rows(execute, figure, "duckdb", texts), figure)
        for figure in figures_on(wrong.name)
    )
