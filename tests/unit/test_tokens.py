"""Where sign-ins are kept: for the owner only, and never lost, whoever is killed or comes at the same time."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from command_line import COVERAGE, SCRIPT
from signing import asked_here, environment, identity, oauth_settings, token_requests

from harvest_sandbox import Sandbox
from harvest_source.errors import RefusedError, SettingError, UnavailableError
from harvest_source.patience import OF_TOKENS, PASSING_STATUSES
from harvest_source.settings import HarvestSettings
from harvest_source.signin import exchange
from harvest_source.signin.auth import Auth, build_auth, sign_in_with_code
from harvest_source.signin.forgetting import forget, names_left
from harvest_source.signin.sign_in import code_challenge
from harvest_source.signin.tokens import (
    OAuthClient,
    TokenFile,
    Tokens,
    configured_file,
    folder,
    oauth_client,
    order_of,
    sign_in_file,
    stored_sign_ins,
)

RENEW = """
from harvest_source.signin.auth import build_auth
from harvest_source.settings import load_settings
auth, _ = build_auth(load_settings())
auth.renew(auth.token())
print(auth.token())
"""

FULL_DISK = """
import os, resource, sys
sys.dont_write_bytecode, os.environ["PYTHONDONTWRITEBYTECODE"] = True, "1"  # else Python leaves cut files of its own
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are asked for within this process, where a test is not about the process apart."""
    asked_here(monkeypatch)


def signed_in(sandbox: Sandbox, name: str = "default") -> TokenFile:
    """Returns the file of a sign-in that has just been made."""
    client = oauth_client(oauth_settings(sandbox), "")
    file = sign_in_file(client, name)
    sign_in_with_code(client, file, sandbox.oauth.issue_code(), "http://127.0.0.1:8484/")
    return file


def program(sandbox: Sandbox, config: Path, first: str = "") -> subprocess.Popen[str]:
    """Starts a program that renews the stored token once and prints it; `first` is run before that."""
    env = environment(sandbox, config)
    if first == FULL_DISK:
        env.pop(COVERAGE, None)  # what it would write is cut as well
    return subprocess.Popen(
        [sys.executable, "-c", first + RENEW],
        cwd=SCRIPT.parent,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_for_the_owner_only(config: Path) -> None:
    """A folder that was open to others is closed; the umask does not matter."""
    (config / "harvest-pipeline").mkdir(parents=True)
    (config / "harvest-pipeline").chmod(0o755)
    before = os.umask(0)
    try:
        with identity() as sandbox:
            file = signed_in(sandbox)
    finally:
        os.umask(before)
    assert file.path.parent == config / "harvest-pipeline" == folder()
    assert mode(folder()) == 0o700
    assert {path.name: oct(mode(path)) for path in folder().iterdir()} == dict.fromkeys(
        (path.name for path in folder().iterdir()), oct(0o600)
    )


def test_nothing_secret_shows_when_printed() -> None:
    tokens = Tokens(
        access_token="SECRET-1", refresh_token="SECRET-2", previous_refresh_token="SECRET-3"
    )
    client = OAuthClient("id", "SECRET-4", "https://id.example/", "agent")
    assert "SECRET" not in f"{tokens!r} {client!r} {sign_in_file(client, 'work')!r}"


def test_file_is_named_by_client_and_sign_in_and_hides_a_configured_token() -> None:
    client = OAuthClient("my client/1", "secret", "https://id.example/", "agent")
    assert sign_in_file(client, "work").path.name.startswith("sign-in-work-my_client_1-")
    assert sign_in_file(client, "work").path != sign_in_file(client, "home").path
    other = OAuthClient("my client/1", "secret", "https://other.example/", "agent")
    assert sign_in_file(client, "work").path != sign_in_file(other, "work").path
    assert "SECRET" not in configured_file(client, "SECRET-TOKEN").path.name


@pytest.mark.parametrize(
    "name", ["", "..", "a..b", "a/b", "a\\b", "-x", "ü", "x" * 61, "a b", "a\n", "a\x1b[2J"]
)
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match="--name"):
        sign_in_file(OAuthClient("id", "secret", "https://id.example/", "agent"), name)


def test_a_folder_that_cannot_be_written_is_said_in_one_line(config: Path) -> None:
    config.write_text("a file where the folder should be")
    with (
        identity() as sandbox,
        pytest.raises(SettingError, match=r"cannot keep tokens in .*XDG_CONFIG_HOME"),
    ):
        signed_in(sandbox)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"access_token": "x", "unknown": 1}'])
@pytest.mark.usefixtures("in_process")
def test_a_file_that_cannot_be_read_is_no_sign_in(content: bytes) -> None:
    with identity() as sandbox:
        file = signed_in(sandbox)
        file.path.write_bytes(content)
        assert file.read() is None
        assert stored_sign_ins(oauth_client(oauth_settings(sandbox), "")) == []


@pytest.mark.parametrize(
    ("verifier", "good"), [("the verifier", True), ("another one", False), ("", False)]
)
@pytest.mark.usefixtures("in_process")
def test_a_code_asked_for_with_a_challenge_wants_its_verifier(verifier: str, good: bool) -> None:  # noqa: FBT001 - a case's
    """Whoever else gets hold of the code has no use for it."""
    with identity() as sandbox:
        client = oauth_client(oauth_settings(sandbox), "")
        file = sign_in_file(client, "default")
        code = sandbox.oauth.issue_code(challenge=code_challenge("the verifier"))
        with nullcontext() if good else pytest.raises(RefusedError, match="invalid_grant"):
            sign_in_with_code(client, file, code, "http://127.0.0.1:8484/", verifier=verifier)
        assert (file.read() is not None) == good


def test_the_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    assert (
        code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


@pytest.mark.usefixtures("in_process")
def test_sign_ins_of_other_clients_and_hosts_do_not_count() -> None:
    with identity() as sandbox, identity() as other:
        signed_in(sandbox, "work")
        signed_in(other, "home")
        assert [
            each.name for each in stored_sign_ins(oauth_client(oauth_settings(sandbox), ""))
        ] == ["work"]


@pytest.mark.usefixtures("in_process")
def test_a_forgotten_sign_in_leaves_no_token_behind() -> None:
    with identity() as sandbox:
        signed_in(sandbox, "work")
        signed_in(sandbox, "home")
        assert not forget("work", "another client")
        assert forget("work", sandbox.oauth.client_id)
        assert not forget("work", None)
        gone = sandbox.oauth.issued[0]["refresh_token"]
        assert (
            [each.name for each in stored_sign_ins(oauth_client(oauth_settings(sandbox), ""))]
            == names_left(None)
            == ["home"]
        )
        assert not [path for path in folder().iterdir() if gone in path.read_text()]


def test_forgetting_leaves_no_token_of_any_file_of_the_client() -> None:
    """Of refresh tokens that were configured once, of a sign-in that a kill cut short, in whatever state it left the files."""
    client = OAuthClient("my client", "secret", "https://id.example/", "agent")
    other = OAuthClient("other", "secret", "https://id.example/", "agent")
    left = [
        sign_in_file(client, "work"),
        configured_file(other, "rt"),
        sign_in_file(other, "default"),
    ]
    gone = [
        configured_file(client, "rt-1"),
        configured_file(client, "rt-2"),
        sign_in_file(client, "default"),
    ]
    for file in (*left, *gone):
        with file.locked():
            file.write(replace(file.blank, access_token="SECRET"))
    stem = gone[2].path.stem
    killed = [
        f"new-8484-{stem}.answer",
        f"{stem}.json.part",
        f"{stem}.answer.part",
        f"new-8485-{stem}.json.part",
    ]
    killed.append(f"{configured_file(client, 'rt-3').path.stem}.answer")
    for name in killed:
        (folder() / name).write_text(
            json.dumps({"access_token": "SECRET", "used": None, "sent_at": 0.0})
        )
    assert forget("default", client.client_id)
    holding = {path for path in folder().iterdir() if "SECRET" in path.read_text()}
    assert holding == {file.path for file in left}


def test_forgetting_without_a_client_finds_the_answer_that_a_killed_login_left() -> None:
    """With client_id no longer in the settings; of another name's sign-in nothing goes."""
    client = OAuthClient("my-client", "secret", "https://id.example/", "agent")
    stems = [f"new-8484-{sign_in_file(client, name).path.stem}" for name in ("default", "work")]
    for stem in stems:
        (folder()).mkdir(parents=True, exist_ok=True)
        (folder() / f"{stem}.answer").write_text(
            json.dumps({"access_token": "SECRET", "used": None, "sent_at": 0.0})
        )
    assert forget("default", None)
    assert [path.name for path in folder().iterdir() if path.stat().st_size] == [
        f"{stems[1]}.answer"
    ]


def test_a_new_sign_in_begins_with_nothing_that_a_killed_one_left_and_ends_with_nothing() -> None:
    """Its tokens take the place of the old ones at the end only; a logout meanwhile is said."""
    client = OAuthClient("my client", "secret", "https://id.example/", "agent")
    file = sign_in_file(client, "default")
    with file.locked():
        file.write(replace(file.blank, access_token="old"))
    left = folder() / f"new-8484-{file.path.stem}.answer"
    left.write_text(json.dumps({"access_token": "killed", "used": None, "sent_at": 0.0}))
    with file.anew(8484) as new:
        with pytest.raises(SettingError, match="start again"):
            file.replace(new)
        with new.locked():
            new.write(replace(new.blank, access_token="new"))
        assert [each.access_token for each in stored_sign_ins(client)] == ["old"]
        file.replace(new, account_id=7)
    stored = file.read()
    assert stored
    assert (stored.access_token, stored.name, stored.account_id) == ("new", "default", 7)
    assert [path.name for path in folder().iterdir() if path.stat().st_size] == [file.path.name]


def test_an_answer_left_by_a_killed_program_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The single-use refresh token is gone at Harvest; its successor lies on disk only as the answer."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    with identity() as sandbox:
        sandbox.oauth.rotating = True
        file = signed_in(sandbox)
        stored = file.read()
        assert stored
        client = oauth_client(oauth_settings(sandbox), "")
        order = order_of(client, time.time(), refresh_token=stored.refresh_token)
        result = exchange.exchange(order, file.path.with_suffix(".answer"))
        assert result == {"outcome": "ok", "status": 200, "error": None}
        auth, _ = build_auth(oauth_settings(sandbox))
        auth.renew(stored.access_token)
        assert auth.token() == sandbox.oauth.issued[-1]["access_token"]
        assert token_requests(sandbox) == 2
        assert not file.path.with_suffix(".answer").exists()


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_single_use_tokens_survive_twenty_runs_and_kills_at_the_worst_moment(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second run is killed after Harvest was asked and before its answer is sent: the old token is gone by then."""
    with identity() as sandbox:
        sandbox.oauth.rotating = True
        signed_in(sandbox)
        doomed: list[int] = []
        slow: list[bool] = []
        exchanged = sandbox.oauth.exchange

        def exchange_and_kill(fields: dict[str, str]) -> Any:
            for pid in doomed:
                os.kill(pid, signal.SIGKILL)
            answer = exchanged(fields)
            if doomed and not slow:
                slow.append(True)
                # the next run begins before this answer is there, and has to wait for it
                time.sleep(1.5)
            return answer

        monkeypatch.setattr(sandbox.oauth, "exchange", exchange_and_kill)
        for run in range(20):
            with program(sandbox, config) as process:
                doomed[:] = [process.pid] if run % 2 else []
                printed, said = process.communicate(timeout=60)
            assert process.returncode == (-signal.SIGKILL if run % 2 else 0), said
            if not run % 2:
                assert printed.strip() == sandbox.oauth.issued[-1]["access_token"]
        asked = [request.status for request in sandbox.requests if request.path.endswith("token")]
        # the sign-in, the first run, every killed one; the others found its answer
        assert asked == [200] * (1 + 1 + 10)


def test_programs_that_renew_at_once_do_not_lose_a_single_use_token(config: Path) -> None:
    """Six programs find the same token refused: one after the other asks, none with a token that was used before."""
    with identity() as sandbox:
        sandbox.oauth.rotating = True
        signed_in(sandbox)
        running = [program(sandbox, config) for _ in range(6)]
        said = [process.communicate(timeout=60) for process in running]
        assert [process.returncode for process in running] == [0] * 6, said
        assert {
            request.status for request in sandbox.requests if request.path.endswith("token")
        } == {200}
        known = {answer["access_token"] for answer in sandbox.oauth.issued}
        assert {printed.strip() for printed, _ in said} <= known


def test_objects_that_find_the_same_token_refused_ask_once() -> None:
    """As in two programs: who comes second finds the newer token under the lock."""
    with identity() as sandbox:
        sandbox.oauth.rotating = True
        signed_in(sandbox)
        auths = [build_auth(oauth_settings(sandbox))[0] for _ in range(5)]
        first = {auth.token() for auth in auths}.pop()
        with ThreadPoolExecutor(5) as pool:
            assert list(pool.map(lambda auth: auth.renew(first), auths)) == [True] * 5
        assert len({auth.token() for auth in auths}) == 1
        assert token_requests(sandbox) == 2


@pytest.mark.usefixtures("in_process")
def test_a_lock_that_is_never_released_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvest_source.signin.tokens.LOCK_SECONDS", 0.05)
    with identity() as sandbox:
        file = signed_in(sandbox)
        with (
            file.locked(),
            pytest.raises(UnavailableError, match="another run"),
            sign_in_file(oauth_client(oauth_settings(sandbox), ""), "default").locked(),
        ):
            pass


def test_a_program_that_cannot_be_started_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with identity() as sandbox, pytest.raises(RefusedError, match="does not start"):
        signed_in(sandbox)


@contextmanager
def odd_token_endpoint(
    *parts: bytes, then: Callable[[socket.socket, threading.Event], None]
) -> Iterator[int]:
    """Answers each request for tokens with these bytes, then does what it is told; yields the port."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        connection.recv(65536)
                        for part in parts:
                            connection.sendall(part)
                        then(connection, over)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)


def drip(byte: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Returns what sends a byte again and again."""

    def dripping(connection: socket.socket, over: threading.Event) -> None:
        while not over.wait(0.05):
            connection.sendall(byte)

    return dripping


def hang_up(_connection: socket.socket, _over: threading.Event) -> None:
    """Says no more."""


WHOLE = json.dumps(
    {
        "access_token": "at-new",
        "refresh_token": "rt-{new",
        "token_type": "bearer",
        "expires_in": 1209600,
    }
).encode()
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n"
ENDLESS = {
    "body": ((LENGTH, b'{"access_token": "at-new", "x": "'), b"x"),
    "headers": ((b"HTTP/1.1 200 OK\r\nX-Slow: ",), b"x"),
    "100 Continue": ((), b"HTTP/1.1 100 Continue\r\n\r\n"),
}
RECEIVED = {
    "then drips on": ((LENGTH, WHOLE), drip(b" ")),
    "then is cut off": ((LENGTH, WHOLE), hang_up),
    "without its last chunk": ((CHUNKED % (len(WHOLE), WHOLE),), drip(b"")),
    "in two parts": ((LENGTH, WHOLE[:-1], WHOLE[-1:]), drip(b"")),
}


def renewal_at(
    port: int, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> tuple[TokenFile, Auth]:
    """Returns a sign-in whose token endpoint is at that port, and what renews it."""
    monkeypatch.setattr(
        "harvest_source.signin.tokens.OF_TOKENS", replace(OF_TOKENS, whole_seconds=seconds)
    )
    settings = HarvestSettings(
        client_id="id", client_secret="secret", id_url=f"http://127.0.0.1:{port}/"
    )
    file = sign_in_file(oauth_client(settings, ""), "default")
    with file.locked():
        file.write(replace(file.blank, access_token="at-old", refresh_token="rt-old"))
    return file, build_auth(settings)[0]


@pytest.mark.parametrize(("parts", "byte"), ENDLESS.values(), ids=ENDLESS)
def test_a_token_endpoint_that_drips_frees_the_lock_in_time(
    monkeypatch: pytest.MonkeyPatch, parts: tuple[bytes, ...], byte: bytes
) -> None:
    """The process that asks ends by itself, and the sign-in is not lost."""
    with odd_token_endpoint(*parts, then=drip(byte)) as port:
        file, auth = renewal_at(port, monkeypatch, 1.0)
        with pytest.raises(UnavailableError, match="did not answer the request for tokens in time"):
            auth.renew("at-old")
        with exchange.sending_lock(file.path.with_suffix(".answer")).acquire(timeout=0):
            stored = file.read()
    assert stored
    assert stored.refresh_tokens == ["rt-old"]


@pytest.mark.parametrize(("parts", "then"), RECEIVED.values(), ids=RECEIVED)
def test_tokens_that_have_come_are_kept_however_their_answer_ends(
    monkeypatch: pytest.MonkeyPatch,
    parts: tuple[bytes, ...],
    then: Callable[[socket.socket, threading.Event], None],
) -> None:
    """The old refresh token is gone at Harvest by then."""
    with odd_token_endpoint(*parts, then=then) as port:
        file, auth = renewal_at(port, monkeypatch, 20.0)
        auth.renew("at-old")
    stored = file.read()
    assert stored
    assert (stored.access_token, stored.refresh_token, stored.lifetime_seconds) == (
        "at-new",
        "rt-{new",
        1209600.0,
    )


def answered(**fields: object) -> tuple[bytes, bytes]:
    """Returns an answer of a token endpoint with these fields changed."""
    return LENGTH, json.dumps({**json.loads(WHOLE), **fields}).encode()


@pytest.mark.parametrize(
    "token", ["REAL-ROTATED-TOKEN\n", "A\u20ac", "A\ud800", "a b", ["x"], {"a": 1}, 7]
)
@pytest.mark.usefixtures("in_process")
def test_a_token_that_no_request_can_carry_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, token: object
) -> None:
    """Nothing of it is stored, and it is not asked for again."""
    with odd_token_endpoint(*answered(access_token=token), then=hang_up) as port:
        file, auth = renewal_at(port, monkeypatch, 20.0)
        with pytest.raises(
            RefusedError, match=r"^Harvest's answer holds no access token that a request can carry"
        ):
            auth.renew("at-old")
    stored = file.read()
    assert stored
    assert stored.refresh_tokens == ["rt-old"]
    assert not file.path.with_suffix(".answer").exists()


ODD_FIELDS: dict[str, tuple[dict[str, object], list[str], float | None]] = {
    "a lifetime beyond all numbers": ({"expires_in": 10**309}, ["rt-{new", "rt-old"], None),
    "a lifetime without a bound": ({"expires_in": float("inf")}, ["rt-{new", "rt-old"], None),
    "a lifetime below nothing": ({"expires_in": -1}, ["rt-{new", "rt-old"], None),
    "a lifetime that is a list": ({"expires_in": ["x"]}, ["rt-{new", "rt-old"], None),
    "a refresh token that is an object": ({"refresh_token": {"a": 1}}, ["rt-old"], 1209600.0),
    "a refresh token that is a list": ({"refresh_token": ["x"]}, ["rt-old"], 1209600.0),
    "a refresh token that cannot be sent": ({"refresh_token": "A\ud800"}, ["rt-old"], 1209600.0),
    "a scope that is an object": ({"scope": {"a": 1}}, ["rt-{new", "rt-old"], 1209600.0),
}


@pytest.mark.parametrize(
    ("fields", "refresh_tokens", "lifetime"), ODD_FIELDS.values(), ids=ODD_FIELDS
)
@pytest.mark.usefixtures("in_process")
def test_what_is_odd_beside_a_good_token_counts_as_not_said(
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, object],
    refresh_tokens: list[str],
    lifetime: float | None,
) -> None:
    with odd_token_endpoint(*answered(**fields), then=hang_up) as port:
        file, auth = renewal_at(port, monkeypatch, 20.0)
        assert auth.renew("at-old")
        assert auth.token() == "at-new"
    stored = file.read()
    assert stored
    assert (stored.refresh_tokens, stored.lifetime_seconds) == (refresh_tokens, lifetime)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"access_token": "SECRET\\n", "used": "x", "sent_at": 0}',
        b'{"access_token": "x", "sent_at": {}}',
    ],
)
def test_an_answer_that_cannot_be_taken_over_stops_one_run_only(content: bytes) -> None:
    file = sign_in_file(OAuthClient("id", "secret", "https://id.example/", "agent"), "default")
    with file.locked():
        file.write(replace(file.blank, access_token="at-old", refresh_token="rt-old"))
    file.path.with_suffix(".answer").write_bytes(content)
    with pytest.raises(UnavailableError, match="cannot be read") as caught, file.locked():
        pass
    assert "SECRET" not in str(caught.value)
    with file.locked():
        stored = file.read()
    assert stored
    assert stored.refresh_tokens == ["rt-old"]


def test_an_odd_answer_of_an_older_version_is_taken_over() -> None:
    file = sign_in_file(OAuthClient("id", "secret", "https://id.example/", "agent"), "default")
    with file.locked():
        file.write(replace(file.blank, access_token="at-old", refresh_token="rt-old"))
    odd = {
        "access_token": "at-new",
        "refresh_token": ["x"],
        "expires_in": 10**309,
        "used": "rt-old",
        "sent_at": 0.0,
    }
    file.path.with_suffix(".answer").write_text(json.dumps(odd))
    with file.locked():
        stored = file.read()
    assert stored
    assert (stored.access_token, stored.refresh_tokens, stored.expires_at) == (
        "at-new",
        ["rt-old"],
        None,
    )


@pytest.mark.usefixtures("in_process")
def test_an_endless_answer_without_tokens_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with odd_token_endpoint(
        LENGTH.replace(b"100000", b"100000000"), b"{" * 200_000, then=drip(b" ")
    ) as port:
        _, auth = renewal_at(port, monkeypatch, 20.0)
        monkeypatch.setattr("harvest_source.signin.auth.OF_TOKENS", replace(OF_TOKENS, times=1))
        with pytest.raises(UnavailableError, match="answered 200"):
            auth.renew("at-old")


@pytest.mark.skipif(os.name != "posix", reason="a limit on files")
def test_on_a_full_disk_no_refresh_token_is_spent(config: Path) -> None:
    """No file may hold more than 1000 bytes: Harvest is not asked, and the next run with room renews."""
    with identity() as sandbox:
        sandbox.oauth.rotating = True
        signed_in(sandbox)
        with program(sandbox, config, FULL_DISK) as process:
            _, said = process.communicate(timeout=60)
        assert "cannot keep tokens in" in said
        assert token_requests(sandbox) == 1
        with program(sandbox, config) as process:
            printed, said = process.communicate(timeout=60)
        assert printed.strip() == sandbox.oauth.issued[-1]["access_token"], said


def test_an_order_cut_short_is_never_sent(tmp_path: Path) -> None:
    """The asking program died while it wrote the order."""
    done = subprocess.run(
        [sys.executable, "-P", exchange.__file__, str(tmp_path / "answer")],
        input='{"token_url": "http://127.0.0.1:9/", "refre',
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("ready\n", "")
    assert not (tmp_path / "answer").exists()


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        *((status, b"", exchange.PASSING) for status in sorted(PASSING_STATUSES)),
        *((status, b"", exchange.REFUSED) for status in (400, 401, 404, 422, 501, 505, 511)),
        (503, b'{"error": "down"}', exchange.PASSING),
        (200, b"a web page", exchange.PASSING),  # of somebody on the way
        (200, b'{"error": "invalid_grant"}', exchange.REFUSED),
        (400, b'{"error": "invalid_grant"}', exchange.REFUSED),
    ],
)
def test_what_passes_at_the_token_endpoint_is_what_passes_at_the_api(
    status: int, body: bytes, outcome: str
) -> None:
    response = requests.Response()
    response.status_code, response.raw = status, io.BytesIO(body)
    described = exchange.describe(
        response, order_of(OAuthClient("i", "s", "https://id.example/", "a"), 0.0)["passing"]
    )
    assert described["outcome"] == outcome
