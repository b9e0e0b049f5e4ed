"""Alerts as a webhook receives them from the command line, and what becomes of a run whose webhook fails."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
from command_line import Type
from loopback import Answering, Loopback
from support import TOKEN, serving, stop_timers

from harvest_sandbox import Account, Fault, Size, build_account
from harvest_source.catalogue.lookup import by_name
from harvest_source.commands import run as run_command
from harvest_source.commands import sending
from harvest_source.errors import CancelledError
from harvest_source.patience import Tries

PATH = "/services/T0/B0/planted-webhook-path-7Q2"
SIZE = Size(projects=2, users=2, invoices=1, estimates=1, time_entries=20, expenses=2, clients=3)
REPORTS = ("--reports", "clients,roles")
SLOW_SECONDS = 20.0
COULD_NOT = "the notification could not be sent: "


class _Answering(Answering):
    owner: Webhook

    def serve(self) -> None:
        webhook = self.owner
        webhook.asked.append(self.path)
        body = json.loads(self.sent())
        assert list(body) == ["text"]
        assert self.headers["Content-Type"] == "application/json"
        if webhook.slow:
            webhook.ended.wait(SLOW_SECONDS)
        statuses = webhook.statuses
        status = statuses.pop(0) if len(statuses) > 1 else (statuses or [200])[0]
        if status == 200:
            webhook.texts.append(body["text"])
        self.answer(
            status,
            headers={"Location": f"http://127.0.0.1:{webhook.port}/elsewhere"}
            if status == 302
            else {},
        )


@dataclass
class Webhook(Loopback):
    """A webhook on this machine; keeps the texts that it took."""

    answers = _Answering
    # of the next answers, the last one for ever; else 200
    statuses: list[int] = field(default_factory=list)
    slow: bool = False  # answers when the test ends
    texts: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # paths of all requests
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return super().url + PATH.lstrip("/")

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        super().__exit__()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook that takes everything, until a test says otherwise."""
    with Webhook() as server:
        yield server


@pytest.fixture(autouse=True)
def _failed_try_is_repeated_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the pauses between tries away."""
    monkeypatch.setattr(sending, "WAIT_SECONDS", 0.01)


def small() -> Account:
    """Returns an account whose timers are stopped: their hours would grow meanwhile."""
    account = build_account(SIZE, seed=5)
    stop_timers(account)
    return account


@contextmanager
def database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens the folder's database, as somebody else would."""
    with duckdb.connect(str(folder / "harvest_pipeline.duckdb")) as opened:
        yield opened


def test_complete_quiet_runs_post_nothing(webhook: Webhook, type_command: Type) -> None:
    """The first load and one in which nothing happened; a row that is gone at Harvest is a repair of the table, and is posted."""
    account = small()
    with serving(account) as sandbox:
        for _ in range(2):
            assert type_command(*REPORTS, "--notify", webhook.url, harvest=sandbox).code == 0
        assert webhook.asked == []
        account.delete("roles", next(iter(account.rows["roles"])))
        done = type_command(*REPORTS, "--notify", webhook.url, "--json", harvest=sandbox)
    assert [each["deleted"] for each in json.loads(done.out)["reports"]] == [0, 1]
    (text,) = webhook.texts
    assert (
        f"• roles (account {account.id}): rows repaired: 1, 1 of them gone at Harvest"
        in text.splitlines()
    )


def test_report_that_failed_is_posted(webhook: Webhook, type_command: Type) -> None:
    """Which one, why and what to do, in the product's own words; standard output stays one JSON object."""
    account = small()
    with serving(account) as sandbox:
        sandbox.faults.append(
            Fault("/roles$", status=403, body='{"message": "no, Ann Example"}', times=None)
        )
        done = type_command(*REPORTS, "--notify", webhook.url, "--json", "--quiet", harvest=sandbox)
    assert (done.code, json.loads(done.out)["exit_code"]) == (1, 1)
    assert len(done.err.splitlines()) == 1
    (text,) = webhook.texts
    assert text.splitlines()[:2] == [
        "Harvest run: not complete: 1 of 2 reports (exit code 1)",
        "pipeline harvest_pipeline, destination duckdb, dataset harvest",
    ]
    permission = by_name("roles").access
    assert (
        f"• roles (account {account.id}): Harvest does not allow it (403); to read roles one must be {permission}"
        in text
    )
    assert "Ann" in done.err
    assert "Ann" not in text


ToldAfter = Callable[..., tuple[int, str]]


@pytest.fixture
def told_after(tmp_path: Path, webhook: Webhook, type_command: Type) -> ToldAfter:
    """Has somebody else change the tables after a first run; tells the account and what the command that mends them posts."""

    def tell(sql: str, *arguments: str) -> tuple[int, str]:
        account = small()
        with serving(account) as sandbox:
            assert type_command(*REPORTS, harvest=sandbox).code == 0
            with database(tmp_path) as opened:
                opened.execute(sql)
            assert type_command(*arguments, "--notify", webhook.url, harvest=sandbox).code == 0
        (text,) = webhook.texts
        return account.id, text

    return tell


def test_row_lost_here_is_posted_when_it_comes_back(told_after: ToldAfter) -> None:
    """The tables are right again, but somebody took a row out, and may do so again."""
    oldest = "select id from harvest.clients order by updated_at limit 1"
    account_id, text = told_after(f"delete from harvest.clients where id = ({oldest})", *REPORTS)
    assert text.startswith("Harvest run: complete, with something to know (exit code 0)\n")
    assert f"• clients (account {account_id}): rows repaired: 1" in text.splitlines()


@pytest.mark.long
def test_verify_posts_what_it_repaired(told_after: ToldAfter) -> None:
    """Values that were changed here, which a run does not look for."""
    account_id, text = told_after("update harvest.clients set name = 'spoiled'", "verify")
    assert text.startswith("Harvest verify: complete, with something to know (exit code 0)\n")
    assert f"• clients (account {account_id}): rows repaired: 3" in text.splitlines()


def test_new_field_is_posted(webhook: Webhook, type_command: Type) -> None:
    """Its name, not its values."""
    account = small()
    first = next(iter(account.rows["clients"]))
    with serving(account) as sandbox:
        type_command(*REPORTS, harvest=sandbox)
        changes: dict[str, Any] = {"vip_level": "planted-value"}
        account.update("clients", first, **changes)
        assert type_command(*REPORTS, "--notify", webhook.url, harvest=sandbox).code == 0
    (text,) = webhook.texts
    assert "new fields at Harvest, now columns here: clients.vip_level" in text
    assert "planted-value" not in text


ENDS: dict[str, tuple[list[str], dict[str, str], str]] = {
    "token refused": ([], {"ACCESS_TOKEN": "planted-token-8R3"}, "ended early (exit code 1)"),
    "no token": ([], {"ACCESS_TOKEN": ""}, "nothing was loaded (exit code 2)"),
    "account": (["--account", "999"], {}, "nothing was loaded (exit code 2)"),
    "date": (["--since", "yesterday"], {}, "nothing was loaded (exit code 2)"),
    "report": (["--reports", "time_entrys"], {}, "nothing was loaded (exit code 2)"),
    "setting": ([], {"SWEEP_DAYS": "-1"}, "nothing was loaded (exit code 2)"),
    "setting of another kind": ([], {"SWEEP_DAYS": "many"}, "nothing was loaded (exit code 2)"),
    "destination": (["--destination", "dukdb"], {}, "nothing was loaded (exit code 2)"),
}


@pytest.mark.parametrize(("arguments", "settings", "said"), ENDS.values(), ids=ENDS)
def test_early_end_is_posted(
    webhook: Webhook, type_command: Type, arguments: list[str], settings: dict[str, str], said: str
) -> None:
    """Also where the very settings are wrong, with the address among them."""
    account = small()
    with serving(account) as sandbox:
        done = type_command(
            *arguments, "--quiet", harvest=sandbox, NOTIFY_URL=webhook.url, **settings
        )
    assert f"(exit code {done.code})" in said
    (text,) = webhook.texts
    assert text.startswith(f"Harvest run: {said}\n")
    assert len(done.err.splitlines()) in {
        1,
        2,
    }  # a missing token says in a second line where it was looked for
    assert account.name not in text
    assert "planted" not in text + done.err


def test_destination_that_refuses_is_posted_without_its_words(
    tmp_path: Path, webhook: Webhook, type_command: Type
) -> None:
    """A database quotes the value that it could not store."""
    account = small()
    names = [row["name"] for row in account.rows["clients"].values()]
    with serving(account) as sandbox:
        type_command(*REPORTS, harvest=sandbox)
        with database(tmp_path) as opened:
            opened.execute("alter table harvest.clients drop column name")
            opened.execute("alter table harvest.clients add column name integer")
        done = type_command(*REPORTS, "--full-refresh", "--notify", webhook.url, harvest=sandbox)
    assert done.code == 1
    assert any(name in done.err for name in names)
    (text,) = webhook.texts
    assert (
        f"• clients (account {account.id}): its rows could not be loaded (load)"
        in text.splitlines()
    )
    assert not any(name in text for name in names)


def test_error_that_nobody_foresaw_is_posted_by_its_kind(
    webhook: Webhook, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text may hold anything."""

    def fail(*_: object, **__: object) -> None:
        raise KeyError("planted-value")

    monkeypatch.setattr(run_command, "sync", fail)
    assert type_command("--demo", "--notify", webhook.url).code == 1
    (text,) = webhook.texts
    assert "unexpected KeyError" in text
    assert "planted" not in text


@pytest.mark.parametrize("kind", [KeyboardInterrupt, CancelledError])
def test_interrupted_run_posts_nothing(
    webhook: Webhook, type_command: Type, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """Who presses Ctrl-C knows."""

    def interrupt(*_: object, **__: object) -> None:
        raise kind("interrupted")

    monkeypatch.setattr(run_command, "sync", interrupt)
    assert type_command("--demo", "--notify", webhook.url).code == 130
    assert webhook.asked == []


def test_demo_posts_as_well(webhook: Webhook, type_command: Type) -> None:
    """An account that it does not have: a way to try a webhook."""
    assert type_command("--demo", "--account", "1", "--notify", webhook.url).code == 2
    (text,) = webhook.texts
    assert "pipeline harvest_demo, destination duckdb, dataset harvest" in text


def test_part_of_the_demo_is_complete_and_quiet(webhook: Webhook, type_command: Type) -> None:
    """The answers at the demo's end need every table: without them there are none, and nothing is wrong."""
    done = type_command("--demo", "--reports", "roles", "--quiet", "--notify", webhook.url)
    assert (done.code, done.err, webhook.asked) == (0, "", [])
    assert "Which clients" not in done.out


def test_option_counts_before_the_setting(webhook: Webhook, type_command: Type) -> None:
    """One message, to the option's address."""
    with Webhook() as other, serving(small()) as sandbox:
        type_command(
            "--account", "999", "--notify", webhook.url, harvest=sandbox, NOTIFY_URL=other.url
        )
        assert (len(webhook.texts), other.asked) == (1, [])
        type_command("--account", "999", harvest=sandbox, NOTIFY_URL=other.url)
        assert (len(webhook.texts), len(other.texts)) == (1, 1)


@pytest.mark.parametrize(
    "url", ["", "hooks.example.com/planted", "http://hooks.example.com/planted", "https://[planted"]
)
def test_malformed_option_ends_the_run_before_harvest_is_asked(
    tmp_path: Path, type_command: Type, url: str
) -> None:
    """Exit 2 and one line that does not repeat it: it is a secret. An empty one is most likely a variable that is not set."""
    with serving(small()) as sandbox:
        done = type_command(*REPORTS, "--notify", url, harvest=sandbox)
        assert sandbox.requests == []
    assert (done.code, done.out) == (2, "")
    assert (
        done.err
        == "error: --notify must be the https address of a webhook, as it was given (http only for this machine itself)\n"
    )
    assert not (tmp_path / "harvest_pipeline.duckdb").exists()


@pytest.mark.parametrize("command", ["run", "verify", "check"])
def test_malformed_setting_ends_a_command_before_harvest_is_asked(
    type_command: Type, command: str
) -> None:
    """As the option; `check` finds it too."""
    with serving(small()) as sandbox:
        done = type_command(command, harvest=sandbox, NOTIFY_URL="http://hooks.example.com/planted")
        assert sandbox.requests == []
    assert done.code == 2
    assert "notify_url must be the https address of a webhook" in done.err
    assert "planted" not in done.err


def test_empty_setting_is_none(type_command: Type) -> None:
    """As a container passes a variable that is not set."""
    with serving(small()) as sandbox:
        done = type_command("--account", "999", "--quiet", harvest=sandbox, NOTIFY_URL="")
    assert done.code == 2
    assert len(done.err.splitlines()) == 1


FAILURES: dict[str, tuple[list[int], int, str]] = {
    "500": ([500], 3, "HTTP 500"),
    "busy": ([429], 3, "HTTP 429"),
    "unknown": ([404], 1, "HTTP 404"),
    "redirect": ([302], 1, "HTTP 302"),
    "500 that passes": ([500, 200], 2, ""),
}


@pytest.mark.parametrize(("statuses", "tries", "said"), FAILURES.values(), ids=FAILURES)
def test_webhook_that_fails_changes_nothing_but_one_line(
    webhook: Webhook, type_command: Type, statuses: list[int], tries: int, said: str
) -> None:
    """The exit code and standard output are those of the run; the address is not shown, and nobody else is asked."""
    webhook.statuses = statuses
    with serving(small()) as sandbox:
        done = type_command(
            "--account", "999", "--quiet", "--json", "--notify", webhook.url, harvest=sandbox
        )
    assert (done.code, json.loads(done.out)["exit_code"]) == (2, 2)
    assert done.err.splitlines()[:-1] == ([COULD_NOT + said] if said else [])
    assert webhook.asked == [PATH] * tries
    assert PATH not in done.out + done.err


def test_webhook_that_is_down_is_said(type_command: Type) -> None:
    """Nobody listens there."""
    with Webhook() as gone:
        url = gone.url
    done = type_command("--demo", "--account", "1", "--verbose", "--notify", url)
    assert done.code == 2
    assert COULD_NOT + "the address cannot be reached" in done.err.splitlines()
    assert PATH not in done.err


@pytest.mark.parametrize("limit", ["read_seconds", "whole_seconds"])
def test_webhook_that_does_not_answer_is_not_waited_for(
    webhook: Webhook, type_command: Type, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Neither an answer nor all of it may take long; what may have arrived is not sent again."""
    webhook.slow = True
    seconds = {"read_seconds": 30.0, "whole_seconds": 30.0, limit: 0.2}
    monkeypatch.setattr(sending, "OF_WEBHOOK", Tries(3, 3.0, **seconds))
    started = time.monotonic()
    done = type_command("--demo", "--account", "1", "--notify", webhook.url)
    assert time.monotonic() - started < SLOW_SECONDS / 2
    assert done.code == 2
    assert COULD_NOT + "no answer in time" in done.err.splitlines()
    assert len(webhook.asked) <= 1


def test_webhook_address_and_token_are_kept_nowhere(
    tmp_path: Path, webhook: Webhook, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in output, with a traceback too, in no logger's records at any level, in no file, state or table."""
    webhook.statuses = [500]
    records: list[str] = []

    def keep(_logger: logging.Logger, record: logging.LogRecord) -> None:
        records.append(f"{record.name} {record.getMessage()}")

    with serving(small()) as sandbox, monkeypatch.context() as patch:
        patch.setattr(logging.Logger, "isEnabledFor", lambda _logger, _level: True)
        patch.setattr(logging.Logger, "callHandlers", keep)
        sandbox.faults.append(Fault("/roles$", status=403, times=None))
        done = type_command(*REPORTS, "--verbose", harvest=sandbox, NOTIFY_URL=webhook.url)
    assert done.code == 1
    assert webhook.asked
    log = "\n".join(records)
    assert "urllib3.connectionpool" in log  # the requests to Harvest: the log is not empty
    secrets = (PATH.rpartition("/")[2], TOKEN)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    with database(tmp_path) as opened:
        told = repr(opened.execute("select * from harvest.load_report").fetchall())
    for secret in secrets:
        assert secret not in done.out + done.err + log + told
        assert secret.encode() not in kept
