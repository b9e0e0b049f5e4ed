"""Tables on a terminal: what is broken where one is too wide."""

from __future__ import annotations

import io

import pytest

from harvest_source.commands import output
from harvest_source.loading.summary import ReportResult, Summary

NAMES = ("clients", "estimate_item_categories", "time_entries")


def printed(
    monkeypatch: pytest.MonkeyPatch, width: int, *, verified: str = "read 0 days ago"
) -> list[str]:
    """Returns the lines of a summary on a terminal of some width."""
    console = output.PatientConsole(file=io.StringIO(), width=width)
    monkeypatch.setattr(output, "stdout_console", lambda: console)
    results = [
        ReportResult(name, 1001, new=1200, total=1200, requests=8, verified=verified)
        for name in NAMES
    ]
    output.print_summary(Summary(results))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 90, 200])
def test_names_of_reports_are_whole_on_a_usual_terminal(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """At 80 signs `read 0 days ago` takes two lines instead."""
    lines = printed(monkeypatch, width)
    assert [line.split()[0] for line in lines[1:] if not line.startswith(" ")] == list(NAMES)
    assert max(map(len, lines)) <= width
    assert len(lines) == (7 if width == 80 else 4)


def test_very_narrow_terminal_loses_no_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and numbers are folded there."""
    narrow, wide = (printed(monkeypatch, width) for width in (50, 200))
    assert max(map(len, narrow)) <= 50
    assert sorted("".join(narrow).replace(" ", "")) == sorted("".join(wide).replace(" ", ""))
