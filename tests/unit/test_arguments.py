"""Options may stand before the command or after it; without a command it is `run`."""

from __future__ import annotations

import re
from inspect import signature

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_source.about import VERSION
from harvest_source.commands.cli import cli, main
from harvest_source.commands.options import COMMON, Command, with_command_first

CASES: dict[str, tuple[list[str], list[str]]] = {
    "nothing": ([], ["run"]),
    "options only": (["--demo", "--quiet"], ["run", "--demo", "--quiet"]),
    "command first": (["show", "--demo", "select 1"], ["show", "--demo", "select 1"]),
    "options first": (
        ["--json", "show", "--demo", "select 1"],
        ["show", "--json", "--demo", "select 1"],
    ),
    "a value before the command": (["--dataset", "x", "status"], ["status", "--dataset", "x"]),
    "a value that is a command's name": (["--dataset", "status"], ["run", "--dataset", "status"]),
    "a value that is a command's name, then a command": (
        ["--dataset", "run", "status"],
        ["status", "--dataset", "run"],
    ),
    "a value with an equals sign": (["--dataset=run", "status"], ["status", "--dataset=run"]),
    "the command's name again": (["show", "show"], ["show", "show"]),
    "a flag before the command": (
        ["--full-refresh", "run", "--reports", "roles"],
        ["run", "--full-refresh", "--reports", "roles"],
    ),
    "help": (["--help"], ["--help"]),
    "help of a command": (["show", "--help"], ["show", "--help"]),
    "help before a command": (["--help", "show"], ["show", "--help"]),
    "a misspelt option and its value": (["--sice", "2025-01-01"], ["run", "--sice", "2025-01-01"]),
    "a misspelt option with an equals sign": (["--sice=2025-01-01"], ["run", "--sice=2025-01-01"]),
}


@pytest.mark.parametrize(("typed", "understood"), CASES.values(), ids=CASES)
def test_the_command_is_put_in_front(typed: list[str], understood: list[str]) -> None:
    """And nothing else changes its place."""
    assert with_command_first(cli, typed) == understood


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(["roles"], "commands are: run"), (["--quiet", "shwo", "x"], "did you mean show")],
)
def test_a_word_that_is_no_command_is_said(typed: list[str], meant: str) -> None:
    """With the command that is most like it, or all of them."""
    with pytest.raises(click.UsageError, match=meant):
        with_command_first(cli, typed)


def options(command: str) -> list[click.Option]:
    """Returns the options of a command."""
    return [param for param in cli.commands[command].params if isinstance(param, click.Option)]


@pytest.mark.parametrize("name", cli.commands)
def test_the_work_of_a_command_takes_what_is_typed(name: str) -> None:
    """It is named by a text, which no type checker sees."""
    command = cli.commands[name]
    assert isinstance(command, Command)
    typed = {param.name or "" for param in command.params}
    common = {option.name for option in COMMON}
    options = (typed - common) | ({"place"} if common <= typed else set())
    signature(command.import_work()).bind(**dict.fromkeys(options))
    assert typed & common in (common, set())


@given(data=st.data(), command=st.sampled_from(sorted(cli.commands)))
def test_options_mean_the_same_on_either_side(data: st.DataObject, command: str) -> None:
    """Any options of a command, wherever the command stands between them."""
    groups = []
    for option in data.draw(
        st.lists(
            st.sampled_from(options(command) or [click.Option(["--help"], is_flag=True)]),
            max_size=5,
        )
    ):
        value = data.draw(st.sampled_from(["1", "run", "show", "2025-01-31"]))
        groups.append([option.opts[0]] if option.is_flag else [option.opts[0], value])
    place = data.draw(st.integers(0, len(groups)))
    before = [word for group in groups[:place] for word in group]
    after = [word for group in groups[place:] for word in group]
    assert with_command_first(cli, [*before, command, *after]) == [command, *before, *after]


@pytest.mark.parametrize("command", ["login", "logout", "check", "accounts"])
@pytest.mark.parametrize("name", ["../x", "a..b", "a/b", "a\\b", "a\x1b[2J", ""])
def test_a_name_that_leads_elsewhere_is_refused(
    command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the command; the line that says so holds no control signs."""
    assert main([command, "--name", name]) == 2
    said = capsys.readouterr().err
    assert "--name" in said
    assert "\x1b" not in said.strip("\x1b[031m\n")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("typed", [["--version"], ["show", "--version"], ["--demo", "--version"]])
def test_version_is_told_wherever_it_is_asked_for(
    typed: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """In a clone as in the installed package, with the versions that a report of a fault needs."""
    assert main(typed) == 0
    assert re.fullmatch(
        rf"harvest-pipeline {re.escape(VERSION)} \(dlt 1\.[\w.]+, Python 3\.[\w.]+\)\n",
        capfd.readouterr().out,
    )


def test_usage_names_the_command_as_it_was_called(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--help"]) == 0
    assert capfd.readouterr().out.startswith("Usage: python harvest_pipeline.py show [OPTIONS]")
