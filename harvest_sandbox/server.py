"""The sandbox: accounts behind a real socket on the loopback interface."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Self

from harvest_sandbox.access import Access, Caller
from harvest_sandbox.account import Account
from harvest_sandbox.answers import (
    HTML,
    Answer,
    Refused,
    bad_token,
    no_route,
    no_user_agent,
    not_found,
    page,
    throttled,
)
from harvest_sandbox.calls import Call, IdCall
from harvest_sandbox.delay import Delay
from harvest_sandbox.faults import Faults
from harvest_sandbox.handler import Listener
from harvest_sandbox.limits import Limit
from harvest_sandbox.oauth import OAuth
from harvest_sandbox.requests import Request
from harvest_sandbox.routes import ID_ROUTES, find

API_PREFIX = "/v2/"


class Sandbox:
    """Serves accounts from a thread of its own; use it with `with`, or `start` and `stop`."""

    def __init__(
        self,
        accounts: Iterable[Account] | Account,
        *,
        token: str = "sandbox-token",  # noqa: S107 - of a stand-in
        limit: Limit | None = None,
        port: int = 0,
        clock: Callable[[], float] | None = None,
        delay: Delay | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Prepares a sandbox; nothing listens yet.

        Args:
            accounts: what it serves.
            token: an access token; its caller is an administrator of all accounts.
            limit: the budgets of requests; None for no limit.
            port: where to listen; 0 for a free port.
            clock: seconds for `Request.at` and the lifetime of tokens; else that of the limit, else a real one.
            delay: how long answers take; None for no longer than they must.
            wait: lets the seconds of a delay pass; else they really do, or the sandbox stops.
        """
        self.accounts = [accounts] if isinstance(accounts, Account) else list(accounts)
        self.limit = limit
        self.clock = clock or (limit.clock if limit else time.monotonic)
        self.callers: dict[str, Caller] = {token: Caller()}
        self.oauth = OAuth(self.callers, clock=self.clock)
        self.faults = Faults()
        self.requests: list[Request] = []
        self.errors: list[Exception] = []
        self.before_answer: Callable[[Request], None] | None = None
        self.forecast_id: int | None = 900_001
        self.closing = threading.Event()
        self.delay = delay or Delay()
        self._wait = wait or self.closing.wait
        self._port = port
        self._listener: Listener | None = None

    @property
    def id_url(self) -> str:
        """Returns the address of the identity host."""
        if self._listener is None:
            message = "the sandbox is not running"
            raise RuntimeError(message)
        return f"http://127.0.0.1:{self._listener.server_address[1]}/"

    @property
    def api_url(self) -> str:
        """Returns the address of the API."""
        return f"{self.id_url}{API_PREFIX[1:]}"

    def start(self) -> Self:
        """Listens."""
        self.closing.clear()
        self._listener = Listener(self, self._port)
        threading.Thread(
            target=self._listener.serve_forever, args=(0.02,), name="harvest-sandbox", daemon=True
        ).start()
        return self

    def stop(self) -> None:
        """Closes the port and every connection."""
        self.closing.set()
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.server_close()
            self._listener = None

    def __enter__(self) -> Self:
        """Listens."""
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        """Stops; an error of a hook or of the sandbox itself is raised here, unless another one is on its way."""
        self.stop()
        if self.errors and kind is None:
            raise self.errors[0]

    def clear(self) -> None:
        """Forgets the requests so far."""
        self.requests.clear()

    def answer(self, request: Request) -> Answer:
        """Answers a request, after the delay."""
        answer = self._judged(request)
        seconds = self.delay.seconds_for(answer.rows)
        if seconds:
            self._wait(seconds)
        return answer

    def _judged(self, request: Request) -> Answer:
        try:
            return self._route(request)
        except Refused as refused:
            return refused.answer
        except Exception as error:  # noqa: BLE001 - raised again where the sandbox ends
            self.errors.append(error)
            return Answer(500, page(f"Error in the sandbox: {error!r}"), HTML)

    def _route(self, request: Request) -> Answer:
        if not request.headers.get("user-agent"):
            raise no_user_agent()
        if request.path.startswith(API_PREFIX):
            return self._answer_api(request)
        view = ID_ROUTES.get((request.method, request.path))
        if view is None:
            raise no_route()
        return view(
            IdCall(
                self.accounts,
                self.oauth,
                self.forecast_id,
                request.query,
                request.headers,
                request.fields,
            )
        )

    def _answer_api(self, request: Request) -> Answer:
        token = request.headers.get("authorization", "").removeprefix(
            "Bearer "
        ) or request.query.get("access_token", "")
        caller = self.oauth.who(token)
        if caller is None:
            raise bad_token()
        path = request.path.removeprefix(API_PREFIX)
        if self.limit is not None:
            seconds = self.limit.take(
                "reports" if path.startswith("reports/") else "general", token
            )
            if seconds:
                raise throttled(seconds)
        account = self._account(request, caller)
        found = find(path)
        if found is None or request.method != "GET":
            raise no_route()
        if self.before_answer is not None:
            self.before_answer(request)
        view, numbers = found
        with account.lock:
            url = f"{self.id_url.rstrip('/')}{request.path}"
            return view(Call(account, Access(account, caller), url, request.query, numbers))

    def _account(self, request: Request, caller: Caller) -> Account:
        text = request.headers.get("harvest-account-id") or request.query.get("account_id")
        if not text:
            raise bad_token()
        for account in self.accounts:
            if str(account.id) == text and (
                caller.accounts is None or account.id in caller.accounts
            ):
                return account
        raise not_found()
