"""Where a spreadsheet would begin a formula in a text."""

from __future__ import annotations

import pytest

from harvest_source.commands.spreadsheet import as_shown

CHANGED = {
    "=1+1": "'=1+1",
    "+49 30 123": "'+49 30 123",
    "-": "'-",
    "@home": "'@home",
    "\tx": "'\tx",
    "\rx": "'\rx",
    "\n=1": "'\n'=1",
    " =1": "' =1",
    "\u00a0\u200b\ufeff=1": "'\u00a0\u200b\ufeff=1",
    "\x00=1": "'\x00=1",
    "\uff1d1": "'\uff1d1",
    "\u22121": "'\u22121",
    '"=1': "'\"=1",
    # in a program that takes the semicolon for the comma, the rest is a cell, or a row, of its own
    "a;=1": "a;'=1",
    'a; "=1"': 'a;\' "=1"',
    "a\n=1": "a\n'=1",
    "a\r\n-b": "a\r\n'-b",
    "a\t@b": "a\t'@b",
}
KEPT = [
    "",
    "a",
    "a-b=c",
    "1+1",
    "'=1",
    "a, -b",
    "a\n\nb",
    "a;b",
    "2026-01-31",
    "Größe",
    "(hidden)",
    "a\t",
]


@pytest.mark.parametrize("text", CHANGED)
def test_text_that_begins_like_a_formula_stays_a_text(text: str) -> None:
    assert as_shown(text) == CHANGED[text]


@pytest.mark.parametrize("text", KEPT)
def test_other_text_is_left_alone(text: str) -> None:
    assert as_shown(text) == text
