"""What Harvest answered stays nowhere but in the tables once a run is complete; before, what the next run continues from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import Type
from planted import CLIENT_KEY, STATEMENT, contents, keyed
from support import serving

from harvest_sandbox import Account, Fault

MESSAGE = "planted-subject-4W8"
PLANTED = (STATEMENT, CLIENT_KEY, MESSAGE)
REPORTS = ("--quiet", "--reports", "clients,invoices,estimates,invoice_messages,estimate_messages")
STATE = Path(".dlt") / "state"


def long(*options: str) -> Any:
    """Returns options of a case that is left to the long tests."""
    return pytest.param(options, marks=pytest.mark.long)


def planted() -> Account:
    """Returns an account with rows of lists and of children that can be searched for."""
    account = keyed()
    account.rows["invoice_messages"][next(iter(account.rows["invoice_messages"]))]["subject"] = (
        MESSAGE
    )
    return account


def kept() -> set[str]:
    """Returns what of the planted rows stands in the working state."""
    held = b"".join(contents(path) for path in STATE.rglob("*") if path.is_file())
    assert b"invoice_messages" in held, "the state of the pipeline is there"
    return {text for text in PLANTED if text.encode() in held}


@pytest.mark.parametrize(
    "options", [(), long("--full-refresh"), long("--since", "2020-01-01")], ids=" ".join
)
def test_nothing_stays_of_a_complete_run(type_command: Type, options: tuple[str, ...]) -> None:
    with serving(planted()) as sandbox:
        assert type_command(*REPORTS, *options, harvest=sandbox).code == 0
    assert kept() == set()


def test_answers_stay_until_the_run_is_complete(type_command: Type) -> None:
    """Lists are read anew and go at once; the children that were read wait, and the run that loads them leaves nothing."""
    with serving(planted()) as sandbox:
        sandbox.faults.append(Fault(path="/estimates/.*/messages$", status=400, times=None))
        sandbox.faults.append(Fault(path="/invoices/.*/messages$", status=400, times=None, after=1))
        assert type_command(*REPORTS, harvest=sandbox).code == 1
        assert kept() <= {MESSAGE}
        assert list(STATE.rglob("answers.db"))
        sandbox.faults.clear()
        assert type_command(*REPORTS, harvest=sandbox).code == 0
    assert kept() == set()
    assert not list(STATE.rglob("answers.db*"))


@pytest.mark.long
def test_nothing_stays_of_a_comparison_that_loads_nothing(type_command: Type) -> None:
    """`verify --no-repair` reads every child, finds a difference, and loads none of it."""
    account = planted()
    with serving(account) as sandbox:
        assert type_command(*REPORTS, harvest=sandbox).code == 0
        account.rows["invoice_messages"][next(iter(account.rows["invoice_messages"]))]["body"] = (
            f"{MESSAGE} once more"
        )
        done = type_command("verify", "--no-repair", *REPORTS, harvest=sandbox)
        assert done.code == 1
        assert "1 rows differ" in done.err
    assert kept() == set()
