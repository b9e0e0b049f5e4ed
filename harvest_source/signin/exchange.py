"""Asks Harvest for tokens once, in a process of its own, and puts the answer on disk before anything else happens.

A refresh token may work only once. Were the asking program killed between Harvest's answer and the moment it is stored,
both the old token and the new one would be lost, and with them the sign-in. So this file is started as a program that
outlives the one that started it: whoever needs the tokens next waits for its lock and finds its answer.

It is run by its path, since importing the package would load all of dlt; it knows nothing of the rest of it. The order
comes on standard input, for arguments can be read by every user of the machine; standard output never carries a token.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLateError
from pathlib import Path
from typing import Any

import requests
from filelock import FileLock

LOCK_SECONDS = 90.0  # longer than whoever holds the lock may take to ask and to store
LONGEST_BYTES = 65_536  # of an answer; tokens take less than one per cent of it
PRIVATE = 0o600
# What became of it; the words with a hyphen are ours alone, since none of an answer is let through with one.
OK = "ok"
REFUSED = "refused"
PASSING = "passing"
TOO_SLOW = "too-slow"
NO_ROOM = "no-room"
ODD_ANSWER = "odd-answer"
LONGEST_LIFETIME_SECONDS = 1e9  # 30 years
UNAUTHORIZED = 401
LASTING_FAULTS = {  # words of the libraries: what is said of them
    "CERTIFICATE_VERIFY_FAILED": "certificate-not-trusted",
    "Tunnel connection failed: 4": "proxy-refuses",
}


class _UnusableError(Exception):
    """An answer that brings no tokens."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class _OddTokenError(Exception):
    """An answer whose access token no request can carry."""


class _ToTheTokensAdapter(requests.adapters.HTTPAdapter):
    """Reads an answer no further than to the end of its tokens: they count, though the rest drips, or is cut off."""

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        """Sends a request; returns its answer, received."""
        with super().send(request, *args, **{**options, "stream": True}) as response:
            return _with_body(response, _read(response))


def _with_body(response: requests.Response, body: bytes) -> requests.Response:
    other = requests.Response()
    other.status_code, other.headers = response.status_code, response.headers
    other.request, other.url = response.request, response.url
    other.raw = io.BytesIO(body)
    return other


def _read(response: requests.Response) -> bytes:
    body = bytearray()
    for byte in response.iter_content(1):  # more at once would wait until so much is there
        body += byte
        if len(body) >= LONGEST_BYTES or (byte == b"}" and _holds_tokens(body)):
            break
    return bytes(body)


def _holds_tokens(body: bytes | bytearray) -> bool:
    try:
        return bool(_fields(body)["access_token"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _fields(body: bytes | bytearray) -> Any:
    return json.loads(body, parse_int=float)  # Python reads no whole number of some thousand digits


def _judge(response: requests.Response) -> requests.Response:
    """Lets only good answers through to the library, which would look at no status, and of them what is of its kind."""
    if response.status_code != requests.codes.ok or not _holds_tokens(response.content):
        raise _UnusableError(response)
    fields = _fields(response.content)
    if not is_token(fields["access_token"]):
        raise _OddTokenError
    return _with_body(
        response,
        json.dumps({"access_token": fields["access_token"], **known_fields(fields)}).encode(),
    )


def is_token(value: Any) -> bool:
    """Returns whether the header of a request can carry a token: text of printable ASCII without blanks."""
    return is_refresh_token(value) and " " not in value


def is_refresh_token(value: Any) -> bool:
    """Returns whether a form can carry a refresh token: text of printable ASCII (RFC 6749, appendix A)."""
    return isinstance(value, str) and bool(value) and value.isascii() and value.isprintable()


def known_fields(answer: dict[str, Any]) -> dict[str, Any]:
    """Returns what an answer says beside the access token; what is of another kind counts as not said."""
    refresh_token, seconds = answer.get("refresh_token"), answer.get("expires_in")
    is_lifetime = (
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and 0 < seconds <= LONGEST_LIFETIME_SECONDS
    )
    return {
        **({"refresh_token": refresh_token} if is_refresh_token(refresh_token) else {}),
        **({"expires_in": seconds} if is_lifetime else {}),
    }


def ask(order: dict[str, Any]) -> dict[str, Any]:
    """Sends one request to the token endpoint; returns the library's tokens.

    Args:
        order: `token_url`, `client_id`, `client_secret`, `user_agent`, and either `refresh_token`, or `code` with its
            `redirect_uri` and `code_verifier`; `sent_at`, from which the lifetime of the tokens counts; `timeout`, how long
            to wait for a connection and for a byte; `seconds`, how long all of it may take; `passing`, the statuses after
            which asking again may help.
    """
    from requests_oauthlib import OAuth2Session  # noqa: PLC0415 - whoever starts this file needs only its words

    for name in (
        "requests_oauthlib",
        "oauthlib",
    ):  # at DEBUG both write secrets and tokens to the log
        logging.getLogger(name).setLevel(logging.INFO)
    headers = {"Accept": "application/json", "User-Agent": order["user_agent"]}
    common: dict[str, Any] = {
        "headers": headers,
        "timeout": tuple(order["timeout"]),
        "client_secret": order["client_secret"],
    }
    # it reads no .netrc
    with OAuth2Session(order["client_id"], redirect_uri=order.get("redirect_uri")) as session:
        session.max_redirects = 0  # the secret goes to the configured address only
        for scheme in ("https://", "http://"):
            session.mount(scheme, _ToTheTokensAdapter())
        for kind in ("access_token_response", "refresh_token_response"):
            session.register_compliance_hook(kind, _judge)
        if "code" in order:
            given = {"code": order["code"], "code_verifier": order["code_verifier"]}
            return dict(
                session.fetch_token(order["token_url"], include_client_id=True, **given, **common)
            )
        return dict(
            session.refresh_token(
                order["token_url"],
                refresh_token=order["refresh_token"],
                client_id=order["client_id"],
                **common,
            )
        )


def ask_in_time(order: dict[str, Any]) -> dict[str, Any]:
    """Does as `ask`, and gives up after the order's `seconds`, whatever is still dripping in.

    Raises:
        TooLateError: the tokens have not come by then.
    """
    tokens: Future[dict[str, Any]] = Future()

    def work() -> None:
        try:
            tokens.set_result(ask(order))
        except BaseException as error:  # noqa: BLE001 - raised where the tokens are waited for
            tokens.set_exception(error)

    threading.Thread(target=work, daemon=True).start()  # ends with the program, wherever it hangs
    return tokens.result(order["seconds"])


def exchange(order: dict[str, Any], answer_path: Path) -> dict[str, Any]:
    """Asks for tokens, stores them, and returns what became of it: `outcome`, `status`, `error`; never a token."""
    room = answer_path.with_name(answer_path.name + ".room")
    try:
        # on a full disk nothing is asked: the answer could not be kept
        write_private(room, bytes(LONGEST_BYTES))
        return _exchange(order, answer_path, room)
    except OSError:
        return {"outcome": REFUSED, "status": None, "error": NO_ROOM}
    finally:
        room.unlink(missing_ok=True)


def _exchange(order: dict[str, Any], answer_path: Path, room: Path) -> dict[str, Any]:
    try:
        tokens = ask_in_time(order)
    except _UnusableError as unusable:
        return describe(unusable.response, order["passing"])
    except _OddTokenError:
        return {"outcome": REFUSED, "status": None, "error": ODD_ANSWER}
    except TooLateError:
        return {"outcome": PASSING, "status": None, "error": TOO_SLOW}
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        lasting = next(
            (said for words, said in LASTING_FAULTS.items() if words in str(error)), None
        )
        return {
            "outcome": REFUSED if lasting else PASSING,
            "status": None,
            "error": lasting or type(error).__name__,
        }
    except Exception as error:  # noqa: BLE001 - the one who asked hears its kind; its text may hold what is secret
        return {"outcome": REFUSED, "status": None, "error": type(error).__name__}
    answer = {
        "access_token": tokens["access_token"],
        "refresh_token": tokens.get("refresh_token"),
        "expires_in": tokens.get("expires_in"),
        "used": order.get("refresh_token"),
        "sent_at": order["sent_at"],
    }
    room.unlink()
    write_private(answer_path, json.dumps(answer).encode())
    return {"outcome": OK, "status": requests.codes.ok, "error": None}


def describe(response: requests.Response, passing: list[int]) -> dict[str, Any]:
    """Returns what an answer without tokens means.

    Args:
        response: the answer.
        passing: statuses after which asking again may help; a web page in place of an answer may pass, too.
    """
    status = response.status_code
    try:
        error = str(json.loads(response.content)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        error = ""
    error = error if error.isascii() and error.replace("_", "").isalnum() else ""
    lasting = status not in passing and (bool(error) or status >= requests.codes.bad_request)
    return {"outcome": REFUSED if lasting else PASSING, "status": status, "error": error}


def part_of(path: Path) -> Path:
    """Returns the file in which the new content of another one is made."""
    return path.with_name(path.name + ".part")


def write_private(path: Path, content: bytes) -> None:
    """Replaces a file in one step, readable for its owner only; after it returns, the content survives a power cut."""
    beside = part_of(path)
    beside.unlink(missing_ok=True)  # left by a killed program; made anew, so that its mode is ours
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sending_lock(answer_path: Path) -> FileLock:
    """Returns the lock that is held while a request is on its way."""
    return FileLock(f"{answer_path}.lock", timeout=LOCK_SECONDS, mode=PRIVATE, thread_local=False)


def main() -> None:
    """Takes the lock, says so, reads the order, and works it off; an order cut short is none."""
    answer_path = Path(sys.argv[1])
    with sending_lock(answer_path):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        try:
            order = json.loads(sys.stdin.read())
        except ValueError:
            return
        if order["token_url"].startswith("http://"):  # the settings let through only this machine
            os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
            # this machine is reached without a proxy; requests looks at the small letters first
            os.environ["no_proxy"] = "*"
        # the person chooses the scope at Harvest, not we
        os.environ.setdefault("OAUTHLIB_RELAX_TOKEN_SCOPE", "1")
        result = exchange(order, answer_path)
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
