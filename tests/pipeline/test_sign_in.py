"""The whole sign-in, by HTTP against the sandbox's identity pages: what a browser would do, without one."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from command_line import SCRIPT, Type, command
from loopback import free_port
from signing import Login, environment, identity, secrets_of, tiny

from harvest_sandbox import Caller, Fault, Sandbox
from harvest_sandbox.oauth import challenge_of
from harvest_source.errors import RefusedError, SettingError, UnavailableError
from harvest_source.signin.sign_in import SignIn, redirect_uri


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """One account."""
    with identity() as running:
        yield running


@pytest.fixture
def two_accounts() -> Iterator[Sandbox]:
    """Two accounts."""
    with identity(tiny(1), tiny(2)) as running:
        yield running


def consent(sandbox: Sandbox, address: str, **chosen: str) -> str:
    """Decides on the page that an address opens; returns where the browser is sent."""
    page = requests.get(address, timeout=10)
    assert page.status_code == 200, page.text
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    fields = {**asked, "decision": "allow", "account": "all", **chosen}
    answer = requests.post(
        sandbox.id_url + "oauth2/authorize", data=fields, timeout=10, allow_redirects=False
    )
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def a_sign_in() -> SignIn:
    """Returns a sign-in that waits for its answer."""
    return SignIn(free_port(), "https://id.example/", "client")


def visit(url: str) -> requests.Response:
    """Follows a redirect address to its last page."""
    return requests.get(url, timeout=30)


def test_whole_sign_in_then_every_command_works(sandbox: Sandbox, tmp_path: Path) -> None:
    """Sign in, list accounts, check, load, sign out; nothing secret shows anywhere."""
    sandbox.oauth.rotating = True
    with Login(tmp_path, sandbox) as login:
        sandbox.oauth.redirect_url = f"http://127.0.0.1:{login.port}/"
        address = login.address
        fields = parse_qs(urlsplit(address).query)
        assert fields["redirect_uri"] == [sandbox.oauth.redirect_url]
        assert (fields["response_type"], fields["client_id"]) == (
            ["code"],
            [sandbox.oauth.client_id],
        )
        # the sandbox then gives tokens for the right verifier only
        assert fields["code_challenge_method"] == ["S256"]
        page = visit(consent(sandbox, address))
        assert login.finish() == 0, login.output
    asked = next(request for request in sandbox.requests if request.fields.get("code"))
    assert challenge_of(asked.fields["code_verifier"]) == fields["code_challenge"][0]
    assert page.url.startswith(f"http://127.0.0.1:{login.port}/done?key=")
    assert [step.status_code for step in page.history] == [303]
    for answer in (page, *page.history):
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
    assert "You are signed in" in page.text
    assert escape(sandbox.accounts[0].name) in page.text
    assert "all is well" in login.output

    files = list((login.config / "harvest-pipeline").iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((login.config / "harvest-pipeline").stat().st_mode) == 0o700

    work = tmp_path / "work"
    listed = command(work, "accounts", "--json", env=login.env)
    assert [row["account_id"] for row in json.loads(listed.stdout)] == [sandbox.accounts[0].id]
    checked = command(work, "check", "--verbose", env=login.env)
    loaded = command(work, "run", "--reports", "clients,company", "--verbose", env=login.env)
    named = command(work, "reports", env=login.env)
    assert (listed.returncode, checked.returncode, loaded.returncode, named.returncode) == (
        0,
        0,
        0,
        0,
    ), loaded.stderr
    assert "may be read" in named.stdout
    assert len(sandbox.oauth.issued) == 1
    out = command(work, "logout", env=login.env)
    assert "https://id.getharvest.com/developers" in out.stderr
    again = command(work, "check", env=login.env)
    assert again.returncode == 2
    assert "python harvest_pipeline.py login" in again.stderr

    seen = (
        login.output
        + page.text
        + str(page.headers)
        + "".join(
            part
            for done in (listed, checked, loaded, named, out, again)
            for part in (done.stdout, done.stderr)
        )
    )
    left = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for secret in secrets_of(sandbox):
        assert secret not in seen
        assert not [content for content in left if secret.encode() in content]


def test_refusal_by_the_person(sandbox: Sandbox, tmp_path: Path) -> None:
    with Login(tmp_path, sandbox) as login:
        page = visit(consent(sandbox, login.address, decision="deny"))
        assert login.finish() == 1
    assert "You are not signed in" in page.text
    assert "the access was refused at Harvest" in login.output
    assert "Traceback" not in login.output
    assert not list(login.config.rglob("*.json"))


def test_answer_of_another_sign_in_is_ignored(sandbox: Sandbox, tmp_path: Path) -> None:
    """Wrong or missing state: a page says so, and the right answer still counts."""
    with Login(tmp_path, sandbox) as login:
        address = login.address
        good = consent(sandbox, address)
        for wrong in (
            {"code": "x", "state": "wrong"},
            {"code": "x"},
            {"error": "access_denied"},
            {"code": "x", "state": "ä"},
        ):
            page = visit(f"http://127.0.0.1:{login.port}/?{urlencode(wrong)}")
            assert (page.status_code, page.url) == (400, f"http://127.0.0.1:{login.port}/other")
            assert "belongs to another sign-in" in page.text
        twice = visit(f"{good}&state=second")
        assert twice.status_code == 400
        assert "You are signed in" in visit(good).text
        assert login.finish() == 0


def test_only_the_first_answer_counts(sandbox: Sandbox, tmp_path: Path) -> None:
    """A second tab, or the way back and forth, gets a page of its own and changes nothing."""
    # holds the end back until both have come
    sandbox.faults.append(Fault("/api/v2/accounts", kind="timeout"))
    with Login(tmp_path, sandbox) as login:
        address = login.address
        first, second = consent(sandbox, address), consent(sandbox, address)
        pages: list[requests.Response] = []
        tab = threading.Thread(target=lambda: pages.append(visit(first)))
        tab.start()
        while not sandbox.oauth.issued:
            time.sleep(0.02)
        page = visit(second)
        assert (page.status_code, page.url) == (200, f"http://127.0.0.1:{login.port}/already")
        assert "Already answered" in page.text
        sandbox.closing.set()  # ends the wait
        tab.join(60)
        assert login.finish() == 0, login.output
    assert "You are signed in" in pages[0].text
    assert len(sandbox.oauth.issued) == 1


def test_wrong_client_secret(sandbox: Sandbox, tmp_path: Path) -> None:
    with Login(tmp_path, sandbox, CLIENT_SECRET="wrong-secret") as login:
        page = visit(consent(sandbox, login.address))
        assert login.finish() == 1
    assert "compare client_id and client_secret" in page.text
    assert "compare client_id and client_secret" in login.output
    assert "wrong-secret" not in login.output + page.text


def test_outage_between_consent_and_tokens(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults.append(Fault("/oauth2/token", status=503))
    with Login(tmp_path, sandbox) as login:
        page = visit(consent(sandbox, login.address))
        assert login.finish() == 1
    assert "sign in again in a moment" in page.text
    assert "sign in again in a moment" in login.output


def test_missing_client_is_told_with_what_to_register(tmp_path: Path, sandbox: Sandbox) -> None:
    env = environment(sandbox, tmp_path / "config", 9999, CLIENT_ID="", CLIENT_SECRET="")
    done = command(tmp_path, "login", "--no-browser", env=env)
    assert done.returncode == 2
    assert "https://id.getharvest.com/developers" in done.stderr
    assert "http://127.0.0.1:9999/" in done.stderr
    assert "looked for SOURCES__HARVEST__CLIENT_ID in the environment (it is empty)" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_busy_port_is_told_with_what_to_set(tmp_path: Path, sandbox: Sandbox) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = command(
            tmp_path,
            "login",
            "--no-browser",
            env=environment(sandbox, tmp_path / "config", taken.getsockname()[1]),
        )
    assert done.returncode == 2
    assert "redirect_port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(SettingError, match="redirect_port"):
        redirect_uri(port)


def test_several_accounts_need_a_choice(two_accounts: Sandbox, tmp_path: Path) -> None:
    """Without a terminal and without a choice: exit 2 and the list; the sign-in itself is kept."""
    with Login(tmp_path, two_accounts) as login:
        page = visit(consent(two_accounts, login.address))
        assert login.finish() == 2
    assert "choose an account" in page.text
    for account in two_accounts.accounts:
        assert f"{account.id} {account.name}" in login.output
    assert "Forecast" not in login.output
    checked = command(
        tmp_path / "work",
        "check",
        "--account",
        str(two_accounts.accounts[1].id),
        "--json",
        env=login.env,
    )
    assert json.loads(checked.stdout)["exit_code"] == 0


@pytest.mark.long
@pytest.mark.parametrize("how", ["option", "setting"])
def test_chosen_account_is_the_default_of_later_runs(
    two_accounts: Sandbox, tmp_path: Path, how: str
) -> None:
    second = two_accounts.accounts[1].id
    options = ["--account", str(second)] if how == "option" else []
    with Login(
        tmp_path, two_accounts, *options, ACCOUNT_ID="" if how == "option" else str(second)
    ) as login:
        visit(consent(two_accounts, login.address))
        assert login.finish() == 0, login.output
    env = {name: value for name, value in login.env.items() if not name.endswith("ACCOUNT_ID")}
    listed = json.loads(command(tmp_path / "work", "accounts", "--json", env=env).stdout)
    assert {row["account_id"]: row["default"] for row in listed} == {
        account.id: account.id == second for account in two_accounts.accounts
    }
    loaded = command(tmp_path / "work", "--reports", "company", "--json", env=env)
    assert [each["account_id"] for each in json.loads(loaded.stdout)["reports"]] == [second]


@pytest.mark.long
def test_configured_account_counts_before_the_one_chosen_at_sign_in(
    two_accounts: Sandbox, tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Login, accounts, check and run say the same: which one counts and why; an option counts before both."""
    first, second = (account.id for account in two_accounts.accounts)
    said = f"account {first} counts, as account_id says; not {second} (the sign-in)"
    with Login(tmp_path, two_accounts, "--account", str(second), ACCOUNT_ID=str(first)) as login:
        visit(consent(two_accounts, login.address))
        assert login.finish() == 0, login.output
    assert said in login.output
    # what is checked is what a run loads
    assert f"{first} {two_accounts.accounts[0].name}" in login.output
    assert f"{second} {two_accounts.accounts[1].name}" not in login.output
    for name, value in login.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(login.config))

    def defaults(*options: str, **settings: str) -> list[int]:
        return [
            row["account_id"]
            for row in type_command("accounts", "--json", *options, **settings).json()
            if row["default"]
        ]

    assert (defaults(), defaults(ACCOUNT_ID="all"), defaults("--account", str(second))) == (
        [first],
        [first, second],
        [second],
    )
    assert said in type_command("check").err
    loaded = type_command("--reports", "company")
    assert said in loaded.err
    option = type_command("--reports", "company", "--json", "--account", str(second))
    assert f"account {second} counts, as --account says; not {first} (account_id)" in option.err
    assert [each["account_id"] for each in option.json()["reports"]] == [second]
    of_one = type_command("status", "--json", "--account", str(second)).json()
    assert (
        {row["account_id"] for row in of_one},
        len(type_command("status", "--json").json()),
    ) == ({second}, 2)
    assert type_command("status", "--account", "North").code == 2


def test_sign_in_says_what_a_run_must_be_given(two_accounts: Sandbox, tmp_path: Path) -> None:
    """Where a run without an option would take another sign-in, or would not know which account is meant."""
    second = str(two_accounts.accounts[1].id)
    with Login(tmp_path, two_accounts, "--account", "all") as login:
        visit(consent(two_accounts, login.address))
        assert login.finish() == 0, login.output
    assert (
        "a sign-in keeps one account: for several give --account to every run, or set account_id"
        in login.output
    )
    with Login(tmp_path, two_accounts, "--name", "work", "--account", second) as login:
        visit(consent(two_accounts, login.address))
        assert login.finish() == 0, login.output
    assert "without --account a run takes the sign-in default, and not work" in login.output


def test_an_account_that_is_not_reached(sandbox: Sandbox, tmp_path: Path) -> None:
    with Login(tmp_path, sandbox, "--account", "999") as login:
        visit(consent(sandbox, login.address))
        assert login.finish() == 2
    assert f"account 999 is not one of: {sandbox.accounts[0].id}" in login.output


@pytest.mark.long
def test_several_sign_ins_side_by_side(two_accounts: Sandbox, tmp_path: Path) -> None:
    """Each reaches its account; `run --account` finds the right one by itself."""
    first, second = (str(account.id) for account in two_accounts.accounts)
    for name, account_id in (("default", first), ("work", second)):
        with Login(tmp_path, two_accounts, "--name", name) as login:
            visit(consent(two_accounts, login.address, account=account_id))
            assert login.finish() == 0, login.output
    listed = json.loads(command(tmp_path / "work", "accounts", "--json", env=login.env).stdout)
    assert [(row["credential"], str(row["account_id"])) for row in listed] == [
        ("login default", first),
        ("login work", second),
    ]
    for options, account_id in (([], first), (["--account", second], second)):
        loaded = command(
            tmp_path / "work", "--reports", "company", "--json", *options, env=login.env
        )
        assert [str(each["account_id"]) for each in json.loads(loaded.stdout)["reports"]] == [
            account_id
        ], loaded.stderr


def test_forecast_alone_is_no_account(sandbox: Sandbox, tmp_path: Path) -> None:
    with Login(tmp_path, sandbox) as login:
        location = consent(sandbox, login.address)
        sandbox.accounts.clear()
        assert "no Harvest account" in visit(location).text
        assert login.finish() == 2
    assert not list(login.config.rglob("*.json"))


def test_nobody_comes() -> None:
    with (
        a_sign_in() as sign_in,
        pytest.raises(UnavailableError, match="nobody signed in within 0 seconds"),
    ):
        sign_in.wait(lambda: None, lambda: None, 0.05)


def test_answer_is_taken_when_pasted_and_a_wrong_one_is_told() -> None:
    wrong: list[bool] = []
    with a_sign_in() as sign_in:
        pasted = iter(
            [
                "nonsense",
                "",
                f"{sign_in.redirect_uri}?code=c&state=other",
                f" {sign_in.redirect_uri}?code=c&state={sign_in.state}\n",
            ]
        )
        assert sign_in.wait(lambda: next(pasted, None), lambda: wrong.append(True), 10) == "c"
    assert wrong == [True, True]


@pytest.mark.parametrize("error", ["server_error", "<script>", "unauthorized_client", ""])
def test_other_answers_of_harvest_are_told(error: str) -> None:
    with a_sign_in() as sign_in:
        sign_in.take(urlencode({"error": error, "state": sign_in.state}))
        with pytest.raises(RefusedError, match="Harvest did not sign in") as caught:
            sign_in.wait(lambda: None, lambda: None, 1)
    assert "<" not in str(caught.value)


def test_listener_says_nothing_to_other_requests() -> None:
    with a_sign_in() as sign_in:
        assert requests.get(sign_in.redirect_uri + "favicon.ico", timeout=5).status_code == 404
        waiting = requests.get(sign_in.redirect_uri, timeout=5)
        assert (waiting.status_code, "Waiting for Harvest" in waiting.text) == (200, True)
        assert requests.post(sign_in.redirect_uri, timeout=5).status_code == 501
        assert sign_in.state not in waiting.text + str(waiting.headers)
        assert "Python" not in str(waiting.headers)


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal")
def test_on_a_terminal_the_address_is_pasted_and_the_account_asked_for(
    two_accounts: Sandbox, tmp_path: Path
) -> None:
    """As on a server without a browser; the address to open is one line, however wide the terminal."""
    import pty  # noqa: PLC0415 - not there on Windows

    env = {
        **environment(two_accounts, tmp_path / "config", free_port()),
        "COLUMNS": "60",
        "TERM": "dumb",
    }
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "login", "--no-browser"],
        cwd=tmp_path,
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = ""

    def until(text: str) -> None:
        nonlocal seen
        while text not in seen:
            seen += os.read(ours, 65536).decode(errors="replace")

    try:
        until("waiting for the sign-in")
        address = next(line.strip() for line in seen.splitlines() if line.startswith("http"))
        os.write(ours, consent(two_accounts, address).encode() + b"\n")
        until("Account (")
        os.write(ours, f"{two_accounts.accounts[1].id}\n".encode())
        until("all is well")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    stored = json.loads(next((tmp_path / "config").rglob("sign-in-*.json")).read_bytes())
    assert stored["account_id"] == two_accounts.accounts[1].id


def member(sandbox: Sandbox, *roles: str) -> dict[str, Any]:
    """Makes the sandbox's token that of somebody with these roles."""
    user = next(
        row
        for row in sandbox.accounts[0].rows["users"].values()
        if "administrator" not in row["access_roles"]
    )
    sandbox.callers["sandbox-token"] = Caller(user_id=user["id"], access_roles=roles)
    user["access_roles"] = list(roles)
    return dict(user)


def check(tmp_path: Path, sandbox: Sandbox, *options: str) -> tuple[int, dict[str, Any]]:
    env = environment(sandbox, tmp_path / "config", ACCESS_TOKEN="sandbox-token")
    done = command(tmp_path, "check", "--json", *options, env=env)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_check_tells_a_members_permissions(sandbox: Sandbox, tmp_path: Path) -> None:
    member(sandbox, "member")
    code, found = check(tmp_path, sandbox)
    reports = found["accounts"][0]["reports"]
    assert code == found["exit_code"] == 1
    assert (reports["time_entries"], reports["company"], reports["clients"]) == (
        "own rows only",
        "full",
        "not allowed",
    )
    assert reports["invoice_payments"] == reports["billable_rates"] == "not allowed"
    assert found["problems"][0].startswith("permission: ")


def test_check_tells_modules_that_are_off(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.accounts[0].company["invoice_feature"] = False
    code, found = check(tmp_path, sandbox)
    assert code == 0
    assert [request.path for request in sandbox.requests].count("/api/v2/accounts") == 1
    assert found["accounts"][0]["modules"]["invoice"] is False
    assert {found["accounts"][0]["reports"][name] for name in ("invoices", "invoice_payments")} == {
        "module off"
    }


TROUBLE = {
    "token": ({"ACCESS_TOKEN": "wrong"}, [], 1, "token: "),
    "account": ({}, ["--account", "999"], 2, "account: account 999 is not one of"),
    "network": ({"ID_URL": "http://127.0.0.1:9/"}, [], 1, "network: "),
    "destination": ({}, ["--destination", "nonsense"], 2, "destination: "),
    "database": ({}, ["--destination", "postgres"], 2, "destination: "),
}


@pytest.mark.long
@pytest.mark.parametrize(("settings", "options", "code", "said"), TROUBLE.values(), ids=TROUBLE)
def test_check_tells_troubles_apart(
    sandbox: Sandbox,
    tmp_path: Path,
    settings: dict[str, str],
    options: list[str],
    code: int,
    said: str,
) -> None:
    env = environment(sandbox, tmp_path / "config", ACCESS_TOKEN="sandbox-token")
    env.update({f"SOURCES__HARVEST__{name}": value for name, value in settings.items()})
    done = command(tmp_path, "check", "--json", *options, env=env)
    found = json.loads(done.stdout)
    assert (done.returncode, [problem[: len(said)] for problem in found["problems"]]) == (
        code,
        [said],
    )
    assert len(found["problems"][0].splitlines()) == 1


@pytest.mark.long
def test_check_leaves_nothing_in_the_database(sandbox: Sandbox, tmp_path: Path) -> None:
    env = environment(sandbox, tmp_path / "config", ACCESS_TOKEN="sandbox-token")
    assert check(tmp_path, sandbox)[0] == 0
    assert not (tmp_path / "harvest_pipeline.duckdb").exists()
    assert command(tmp_path, "--reports", "company", env=env).returncode == 0
    code, found = check(tmp_path, sandbox)
    assert (code, found["destination"]) == (0, "duckdb: reached and writable, dataset harvest")
    assert check(tmp_path, sandbox, "--dataset", "another")[0] == 0
    tables = command(
        tmp_path, "show", "select schema_name from information_schema.schemata", "--csv", env=env
    ).stdout
    assert "another" not in tables
    left = command(
        tmp_path, "show", "select table_name from information_schema.tables", "--csv", env=env
    ).stdout
    assert "harvest_check" not in left


def test_reports_says_why_it_marks_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    done = command(
        tmp_path, "reports", env=environment(sandbox, tmp_path / "config", ACCESS_TOKEN="wrong")
    )
    assert done.returncode == 0
    assert "may be read" not in done.stdout
    assert "401" in done.stderr
