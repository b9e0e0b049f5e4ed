"""Pings of a dead man's switch as it receives them from the command line, and what becomes of a run whose pings fail."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from command_line import SCRIPT, Type, environment
from faults_support import tiny
from support import serving
from switch import PATH, SLOW_SECONDS, Switch

from harvest_sandbox import Fault
from harvest_source.commands import run as run_command
from harvest_source.commands import sending
from harvest_source.errors import CancelledError
from harvest_source.patience import Tries

REPORTS = ("--reports", "clients,roles")
COULD_NOT = "the heartbeat could not be sent: "


@pytest.fixture
def switch() -> Iterator[Switch]:
    """A switch that takes everything, until a test says otherwise."""
    with Switch() as server:
        yield server


@pytest.fixture(autouse=True)
def _failed_try_is_repeated_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the pauses between tries away."""
    monkeypatch.setattr(sending, "WAIT_SECONDS", 0.01)


@pytest.mark.parametrize("command", ["run", "verify"])
def test_complete_run_pings_start_and_success(
    switch: Switch, type_command: Type, command: str
) -> None:
    """By the setting as by the option, which counts first; `verify` proves and repairs the same tables."""
    with serving(tiny()) as sandbox, Switch() as other:
        assert type_command(command, *REPORTS, harvest=sandbox, HEARTBEAT_URL=switch.url).code == 0
        assert switch.kinds == ["/start", ""]
        typed = (command, *REPORTS, "--quiet", "--heartbeat", other.url)
        done = type_command(*typed, harvest=sandbox, HEARTBEAT_URL=switch.url)
    assert (done.code, done.err) == (0, "")
    assert (len(switch.kinds), other.kinds) == (2, ["/start", ""])


@pytest.mark.long
def test_start_is_pinged_while_harvest_is_still_asked(switch: Switch, type_command: Type) -> None:
    """Whoever does not hear the end knows that there was a run."""
    with serving(tiny()) as sandbox:
        seen: list[list[str]] = []
        sandbox.before_answer = lambda _request: seen.append(list(switch.kinds))
        assert type_command(*REPORTS, "--heartbeat", switch.url, harvest=sandbox).code == 0
    assert all("" not in kinds for kinds in seen)
    assert switch.asked[0].startswith(f"{PATH}/start?")


ENDS: dict[str, tuple[list[str], dict[str, str], int]] = {
    "a report failed": ([*REPORTS], {}, 1),
    "token refused": ([*REPORTS], {"ACCESS_TOKEN": "planted-token-8R3"}, 1),
    "no token": ([*REPORTS], {"ACCESS_TOKEN": ""}, 2),
    "account": (["--account", "999"], {}, 2),
    "report": (["--reports", "time_entrys"], {}, 2),
    "setting": ([*REPORTS], {"SWEEP_DAYS": "-1"}, 2),
    "metrics": ([*REPORTS, "--metrics", "gone/harvest.prom"], {}, 2),
}


@pytest.mark.parametrize(("arguments", "settings", "code"), ENDS.values(), ids=ENDS)
def test_any_other_end_is_a_failure(
    switch: Switch, type_command: Type, arguments: list[str], settings: dict[str, str], code: int
) -> None:
    """Not complete, or ended early, also where the very settings are wrong."""
    with serving(tiny()) as sandbox:
        sandbox.faults.append(Fault("/roles$", status=403, times=None))
        settings = {"HEARTBEAT_URL": switch.url, **settings}
        assert type_command(*arguments, harvest=sandbox, **settings).code == code
    assert switch.kinds == ["/start", "/fail"]


@pytest.mark.long
@pytest.mark.parametrize("kind", [KeyboardInterrupt, CancelledError])
def test_interrupted_run_pings_no_end(
    switch: Switch, type_command: Type, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """Who presses Ctrl-C knows; no success is pinged, so that whoever else should know does."""

    def interrupt(*_: object, **__: object) -> None:
        raise kind("interrupted")

    monkeypatch.setattr(run_command, "sync", interrupt)
    assert type_command("--demo", "--heartbeat", switch.url).code == 130
    assert set(switch.kinds) <= {"/start"}
    assert switch.alarms


@pytest.mark.long
def test_summary_that_cannot_be_written_is_no_success(tmp_path: Path, switch: Switch) -> None:
    """A full disk under `> file`: the exit code is 1, though all is loaded."""
    program = (sys.executable, str(SCRIPT), *REPORTS, "--heartbeat", switch.url)
    with serving(tiny()) as sandbox:
        done = subprocess.run(
            ["/bin/sh", "-c", '"$@" >/dev/full', "sh", *program],
            cwd=tmp_path, env=environment(sandbox), stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    assert (done.returncode, switch.kinds) == (1, ["/start", "/fail"])


@pytest.mark.long
def test_demo_pings_by_its_option_only(switch: Switch, type_command: Type) -> None:
    """Its success says nothing of the user's own tables."""
    demo = ("--demo", "--reports", "roles")
    assert type_command(*demo, HEARTBEAT_URL=switch.url).code == 0
    assert switch.asked == []
    assert type_command(*demo, "--heartbeat", switch.url).code == 0
    assert switch.kinds == ["/start", ""]


@pytest.mark.parametrize("url", ["", "ping.example.com/planted", "http://ping.example.com/planted"])
def test_malformed_address_ends_the_run_before_harvest_is_asked(
    type_command: Type, url: str
) -> None:
    """Exit 2 and one line that does not repeat it: it is a secret."""
    with serving(tiny()) as sandbox:
        done = type_command(*REPORTS, "--heartbeat", url, harvest=sandbox)
        assert sandbox.requests == []
    assert (done.code, done.out) == (2, "")
    assert (
        done.err
        == "error: --heartbeat must be the https address of a webhook, as it was given (http only for this machine itself)\n"
    )


FAILURES: dict[str, tuple[int, str]] = {
    "unknown": (404, "HTTP 404"),
    "busy": (429, "HTTP 429"),
    "broken": (500, "HTTP 500"),
    "redirect": (302, "HTTP 302"),
}


@pytest.mark.parametrize(("status", "said"), FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("code", [pytest.param(0, marks=pytest.mark.long), 2])
def test_service_that_refuses_changes_nothing_but_one_line(
    switch: Switch, type_command: Type, status: int, said: str, code: int
) -> None:
    """Of a complete run as of another; the address is not shown."""
    switch.statuses = dict.fromkeys(["", "/start", "/fail"], status)
    with serving(tiny()) as sandbox:
        account = () if code == 0 else ("--account", "999")
        done = type_command(
            *REPORTS, *account, "--quiet", "--heartbeat", switch.url, harvest=sandbox
        )
    lines = done.err.splitlines()
    assert (done.code, lines[0], len(lines)) == (code, COULD_NOT + said, 1 if code == 0 else 2)
    assert PATH not in done.out + done.err


def test_address_that_is_down_is_said_in_one_line(type_command: Type) -> None:
    """Nobody listens there; the run is complete."""
    with Switch() as gone:
        url = gone.url
    with serving(tiny()) as sandbox:
        done = type_command(*REPORTS, "--quiet", "--heartbeat", url, harvest=sandbox)
    assert (done.code, done.err) == (0, f"{COULD_NOT}the address cannot be reached\n")


@pytest.mark.long
@pytest.mark.parametrize("limit", ["read_seconds", "whole_seconds"])
def test_service_that_does_not_answer_delays_no_load_and_is_waited_for_briefly(
    switch: Switch, type_command: Type, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """All is loaded while the ping of the start still waits; what may have arrived is not sent again."""
    switch.is_slow = True
    seconds = {"read_seconds": 30.0, "whole_seconds": 30.0, limit: 0.2}
    monkeypatch.setattr(sending, "OF_WEBHOOK", Tries(3, 3.0, **seconds))
    started = time.monotonic()
    with serving(tiny()) as sandbox:
        done = type_command(*REPORTS, "--quiet", "--heartbeat", switch.url, harvest=sandbox)
    assert time.monotonic() - started < SLOW_SECONDS / 2
    assert (done.code, done.err) == (0, f"{COULD_NOT}no answer in time\n")
    assert len(switch.asked) == 2


@pytest.mark.long
def test_address_is_kept_nowhere(
    tmp_path: Path, switch: Switch, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in output, with a traceback too, in no logger's records at any level, in no file, state or table."""
    switch.statuses = {"/fail": 500}
    records: list[str] = []

    def keep(_logger: logging.Logger, record: logging.LogRecord) -> None:
        records.append(f"{record.name} {record.getMessage()}")

    with serving(tiny()) as sandbox, monkeypatch.context() as patch:
        patch.setattr(logging.Logger, "isEnabledFor", lambda _logger, _level: True)
        patch.setattr(logging.Logger, "callHandlers", keep)
        sandbox.faults.append(Fault("/roles$", status=403, times=None))
        asked = (*REPORTS, "--verbose", "--metrics", "harvest.prom")
        done = type_command(*asked, harvest=sandbox, HEARTBEAT_URL=switch.url)
    assert done.code == 1
    assert COULD_NOT + "HTTP 500" in done.err.splitlines()
    log = "\n".join(records)
    assert "urllib3.connectionpool" in log  # the requests to Harvest: the log is not empty
    secret = PATH.rpartition("/")[2]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    with duckdb.connect(str(tmp_path / "harvest_pipeline.duckdb")) as database:
        told = repr(database.execute("select * from harvest.load_report").fetchall())
    assert secret not in done.out + done.err + log + told
    assert secret.encode() not in kept
