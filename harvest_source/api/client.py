"""The one object that sends requests: headers, limits, retries, pages. It knows nothing of tables or dlt resources."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import requests
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter

from harvest_source import network
from harvest_source.addresses import Origin, origin, path_below
from harvest_source.api.answers import (
    Answer,
    Pack,
    PassingFault,
    check,
    next_link,
    rows_of,
    total_of,
)
from harvest_source.api.bodies import ACCEPTED, read_body
from harvest_source.api.connections import Connections, Session
from harvest_source.api.envelopes import Settle
from harvest_source.api.limits import GENERAL, Budget, Budgets, OnWait
from harvest_source.api.outages import Outages
from harvest_source.api.page_bounds import PageBound, held_together
from harvest_source.api.recent import RecentRequests
from harvest_source.clock import Clock
from harvest_source.errors import (
    ApiError,
    RefusedError,
    SettingError,
    TokenRejectedError,
    TooLargeError,
    TooSlowError,
    UnavailableError,
)
from harvest_source.patience import OF_HARVEST
from harvest_source.settings import PER_PAGE, SMALL_PAGE, HarvestSettings
from harvest_source.signin.auth import LOGIN, Auth
from harvest_source.signin.exchange import is_token

TRIES = OF_HARVEST.times
LONGEST_WAIT_SECONDS = 16.0
THREADS = 16  # enough to send the 100 free requests within a second or two of round trips

Params = dict[str, str]
Receive = Callable[[requests.Response, bytes], Answer | None]


@dataclass
class Traffic:
    """What went over the wire so far; safe to update from any thread."""

    # (account, report): requests
    by_label: Counter[tuple[int | None, str]] = field(default_factory=Counter)
    waits: int = 0  # pauses that a 429 asked for
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_request(self, account_id: int | None, label: str) -> None:
        """Counts one request, also one that fails."""
        with self._lock:
            self.by_label[account_id, label] += 1

    def add_wait(self) -> None:
        """Counts one pause."""
        with self._lock:
            self.waits += 1

    @property
    def requests(self) -> int:
        """All requests so far."""
        with self._lock:
            return sum(self.by_label.values())


class _Bearer(AuthBase):
    """Signs one request to Harvest; as an `auth` object it also keeps requests from taking credentials out of a .netrc file."""

    def __init__(self, token: str, homes: frozenset[Origin]) -> None:
        self._token = token
        self._homes = homes

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Signs a request that is ready to be sent.

        Raises:
            RefusedError: it leads to another host, whoever let its address pass.
            TokenRejectedError: no request can carry the token; what would be raised of it quotes it.
        """
        try:
            is_home = origin(str(request.url)) in self._homes
        except ValueError:
            is_home = False
        if not is_home:
            raise RefusedError(
                "a request leads to another host than the configured API address; it is not sent"
            )
        if not is_token(self._token):
            raise TokenRejectedError(
                f"the stored access token contains characters that no token has; sign in again: {LOGIN}"
            )
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _require_all(answer: Answer, rows_key: str) -> None:
    """Raises `RefusedError` where the only page of a list says that there are more rows, and not where."""
    rows, total = answer.count(rows_key), total_of(answer.data)
    if total is not None and total > rows:
        raise RefusedError(
            f"an answer has {rows:,} of {total:,} rows and does not say where the others are"
        )


def tells_nobody(*_: object) -> None:
    """Hears what nobody wants to know."""


class HarvestClient:
    """Sends GET requests to Harvest for one token, from any number of threads."""

    def __init__(
        self,
        settings: HarvestSettings,
        auth: Auth,
        clock: Clock | None = None,
        budgets: Budgets | None = None,
        connections: Connections | None = None,
    ) -> None:
        self._settings = settings
        self.api_url = settings.api_url
        self.id_url = settings.id_url
        self.clock = clock or Clock()
        self.budgets = budgets or Budgets(self.clock)
        self.outages = Outages(self.clock)
        self.traffic = Traffic()
        self.on_request: Callable[[int | None, str], None] = tells_nobody
        self.on_slow: Callable[[str], None] = tells_nobody
        self._before_waiting: Callable[[], None] = tells_nobody
        self.slow_lists: set[tuple[int, str]] = set()  # account and report
        self._preferred: list[Collection[str]] = []
        self._auth = auth
        self._homes = frozenset(origin(url) for url in (settings.api_url, settings.id_url))
        # as many as can be on their way at once: none is thrown away and opened again
        self._connections = connections or Connections(kept_open=GENERAL.requests)
        self._headers = {"Accept": "application/json", "Accept-Encoding": ACCEPTED}
        self._headers["User-Agent"] = settings.user_agent
        self._of_thread = threading.local()
        # one thread parses: what is parsed takes ten times the memory of the answer, as long side by side, and a thread keeps
        # for good what it once needed
        self._parser = ThreadPoolExecutor(1, thread_name_prefix="harvest-answers")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the connections; a request that is sent afterwards opens a new one."""
        self._connections.close()

    def for_run(self) -> HarvestClient:
        """Returns a client for one run: credentials, limits and connections are shared with this one.

        What a run counts, finds slow, tells and cancels is its own: threads that it leaves behind, whose requests are still
        on their way, end soon, and cannot end another run.
        """
        clock = self.clock.for_run()
        budgets = self.budgets.for_run(clock)
        return HarvestClient(self._settings, self._auth, clock, budgets, self._connections)

    @contextmanager
    def told_to(
        self,
        on_request: Callable[[int | None, str], None],
        on_slow: Callable[[str], None],
        on_wait: OnWait,
        on_outage: Callable[[str], None],
    ) -> Iterator[None]:
        """Has what happens on the way to Harvest told, for the length of a `with`.

        Args:
            on_request: told account and label of each request.
            on_slow: told once of each list that is asked for in smaller parts.
            on_wait: told of each wait for a limit.
            on_outage: told what keeps Harvest's answers away, and when they come again.
        """
        self.on_request, self.on_slow = on_request, on_slow
        with self.budgets.told_to(on_wait), self.outages.told_to(on_outage):
            try:
                yield
            finally:
                self.on_request, self.on_slow = tells_nobody, tells_nobody

    def keep_requests(self, folder: Path) -> None:
        """Has requests count for later runs of the token, and those of earlier runs for this one; asked twice, the first counts.

        Args:
            folder: where they are noted, in one file for all runs.
        """
        shares = self._settings.share_with_group
        self.budgets.keep(RecentRequests(folder, self.api_url, share_with_group=shares))

    @contextmanager
    def waited_for_without(self, let_go: Callable[[], None]) -> Iterator[None]:
        """Has something let go whenever Harvest is waited for, by whichever thread, for the length of a `with`."""
        self._before_waiting = let_go
        try:
            yield
        finally:
            self._before_waiting = tells_nobody

    @contextmanager
    def preferring(self, labels: Collection[str]) -> Iterator[None]:
        """Has requests for other reports leave some permits to these, for the length of a `with`; also from several threads."""
        self._preferred.append(labels)
        try:
            yield
        finally:
            self._preferred.remove(labels)

    def _gives_way(self, label: str) -> bool:
        preferred = self._preferred.copy()  # another thread may end
        return bool(preferred) and not any(label in each for each in preferred)

    @property
    def _session(self) -> Session:
        """Returns the session of this thread, since requests promises none for several; they share the connections."""
        session: Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = Session(self._connections, self.clock.check)
            session.headers.update(self._headers)
        return session

    def get_accounts(self, tries: int = TRIES) -> dict[str, Any]:
        """Returns who the token is and which accounts it reaches; needs no account id (Harvest API, OAuth2)."""
        return self._get(
            self.id_url + "api/v2/accounts", {}, None, "accounts", tries, holds=("accounts",)
        ).data

    def get(
        self,
        account_id: int,
        path: str,
        holds: tuple[str, ...],
        params: Params | None = None,
        label: str | None = None,
        tries: int = TRIES,
        settle: Settle | None = None,
    ) -> Answer:
        """Gets one answer of an account.

        Args:
            account_id: whose data.
            path: below the API address.
            holds: fields of which a good answer has at least one.
            params: of the query.
            label: the report that the request counts for; default the path.
            tries: how often to ask before giving up on what may pass.
            settle: brings an answer into the documented shape.

        Raises:
            ApiError: see `harvest_source.errors`.
            CancelledError: the run is being interrupted.
        """
        return self._get(
            self.api_url + path,
            params or {},
            account_id,
            label or path,
            tries,
            holds=holds,
            settle=settle,
        )

    def iter_pages(
        self,
        account_id: int,
        path: str,
        rows_key: str,
        params: Params,
        label: str,
        *,
        per_page: int | None = None,
        slow_tries: int = TRIES,
        pack: Pack | None = None,
        settle: Settle | None = None,
    ) -> Iterator[Answer]:
        """Yields all pages of a list, by `links.next` (Harvest API, pagination).

        Where the first is larger than what is read of an answer, pages of a quarter of the size are asked for.

        Args:
            account_id: whose list.
            path: below the API address.
            rows_key: under which a page holds its rows.
            params: of the query.
            label: the report that the requests count for.
            per_page: rows of a page; default 2,000, the most.
            slow_tries: how often to ask before giving up on what is not answered in time.
            pack: reads a page of a flat list.
            settle: brings a page into the documented shape.

        Raises:
            TooLargeError: a page is too large; `by_smaller` tells whether the list may be asked for by smaller pages.
            ApiError: as `get`; also where the pages lead round in a circle, or do not end.
        """
        url: str | None = self.api_url + path
        rows = per_page or PER_PAGE
        query: Params = {**params, "per_page": str(rows)}
        bound = PageBound(rows)
        seen: set[str] = set()
        while url:
            try:
                answer = self._get(
                    url,
                    query,
                    account_id,
                    label,
                    TRIES,
                    rows_key,
                    slow_tries=slow_tries,
                    pack=pack,
                    settle=settle,
                )
            except TooLargeError as error:
                error.by_smaller = rows > SMALL_PAGE
                if bound.pages or not error.by_smaller:
                    raise
                rows, query = SMALL_PAGE, {**query, "per_page": str(SMALL_PAGE)}
                bound = PageBound(rows)
                continue
            bound.count(answer.data, answer.count(rows_key))
            yield answer
            url, query = next_link(answer.data, self.api_url), {}
            if settle and not url and bound.pages == 1:
                _require_all(answer, rows_key)
            if url in seen:
                raise RefusedError("the pages of a list lead round in a circle")
            seen.add(url or "")

    def get_pages(
        self,
        account_id: int,
        path: str,
        rows_key: str,
        params: Params,
        label: str,
        settle: Settle | None = None,
    ) -> list[Answer]:
        """Returns all pages of a list, read anew by pages of a quarter of the size where one is too large; see `iter_pages`.

        Raises:
            RefusedError: they are too large to be held together.
            ApiError: as `iter_pages`.
        """
        pages = partial(self.iter_pages, account_id, path, rows_key, params, label, settle=settle)
        try:
            return held_together(pages())
        except TooLargeError as error:
            if not error.by_smaller:
                raise
            return held_together(pages(per_page=SMALL_PAGE))

    def _get(
        self,
        url: str,
        params: Params,
        account_id: int | None,
        label: str,
        tries: int,
        rows_key: str | None = None,
        holds: tuple[str, ...] = (),
        slow_tries: int = TRIES,
        pack: Pack | None = None,
        settle: Settle | None = None,
    ) -> Answer:
        budget = self.budgets.of(path_below(url, self.api_url))
        self._before_waiting()

        def receive(response: requests.Response, body: bytes) -> Answer | None:
            """Parses and checks an answer; `None` where the token is refused."""
            if response.status_code == requests.codes.unauthorized:
                return None
            if settle and response.ok:
                body = settle(body, response.url)
            answer = check(response, body, budget.limit.seconds, pack)
            if account_id is not None:
                next_link(answer.data, self.api_url)
            if rows_key is not None and answer.packed is None:
                rows_of(answer.data, rows_key)
            if holds and not any(name in answer.data for name in holds):
                raise PassingFault("the answer is JSON of another shape than expected")
            return answer

        def attempt() -> Answer:
            with self._noticing_faults(budget):
                return self._send(url, params, account_id, label, budget, receive)

        def is_last(state: RetryCallState) -> bool:
            fault = state.outcome.exception() if state.outcome else None
            slow = isinstance(fault, PassingFault) and fault.too_slow
            return state.attempt_number >= (min(tries, slow_tries) if slow else tries)

        retrying = Retrying(
            retry=retry_if_exception_type(PassingFault),
            wait=self._wait_seconds,
            stop=is_last,
            sleep=self.clock.sleep,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except PassingFault as fault:
            times = retrying.statistics["attempt_number"]
            kind = TooSlowError if fault.too_slow else UnavailableError
            raise kind(f"{fault}, {times} times in a row; try again later", fault.status) from fault

    @contextmanager
    def _noticing_faults(self, budget: Budget) -> Iterator[None]:
        """Tells whether Harvest is there, and has all requests wait where it asks one to: also the last that is tried.

        A refusal is an answer, too, and so is the demand to wait.
        """
        try:
            yield
        except PassingFault as fault:
            if fault.pause_seconds is None:
                self.outages.failed(str(fault))
            else:
                self.outages.answered()
                budget.pause(fault.pause_seconds)
                self.traffic.add_wait()
            raise
        except ApiError as error:
            if error.status is not None:
                self.outages.answered()
            raise
        self.outages.answered()

    def _wait_seconds(self, state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, PassingFault) and fault.pause_seconds:
            # the common pause of the budget holds it back, and every other request with it
            return 0.0
        return float(wait_exponential_jitter(initial=1, max=LONGEST_WAIT_SECONDS, jitter=1)(state))

    def _send(
        self,
        url: str,
        params: Params,
        account_id: int | None,
        label: str,
        budget: Budget,
        receive: Receive,
    ) -> Answer:
        """Sends once, and once more with a renewed token where Harvest refused the first."""
        answer, token = self._send_once(url, params, account_id, label, budget, receive)
        if answer is None and self._auth.renew(token, self.clock):
            answer, _token = self._send_once(url, params, account_id, label, budget, receive)
        if answer is None:
            raise TokenRejectedError(
                "Harvest refuses the token (401): it is wrong, expired or revoked; set a new one",
                401,
            )
        return answer

    def _send_once(
        self,
        url: str,
        params: Params,
        account_id: int | None,
        label: str,
        budget: Budget,
        receive: Receive,
    ) -> tuple[Answer | None, str]:
        headers = {} if account_id is None else {"Harvest-Account-Id": str(account_id)}
        # one that is renewed first was never sent before
        budget.recall(self._auth.known_token())
        with budget.permit(partial(self._gives_way, label)) as permit, self.outages.sending():
            token = self._auth.token(self.clock)  # not before: the wait for a permit may outlast it
            permit.note_sent(token)
            self.traffic.add_request(account_id, label)
            self.on_request(account_id, label)
            try:
                response = self._session.get(
                    url,
                    params=params,
                    headers=headers,
                    auth=_Bearer(token, self._homes),
                    timeout=OF_HARVEST.timeout,
                    proxies=network.past_proxies(url),
                    stream=True,
                )
                # in the thread that asked: one that hangs holds up no other
                body = read_body(response)
            except network.FAULTS as error:
                what, may_pass = network.explain(error)
                slow = network.is_too_slow(error)
                raise (
                    PassingFault(what, too_slow=slow) if may_pass else RefusedError(what)
                ) from error
            except requests.RequestException as error:
                raise RefusedError(f"the request cannot be sent: {type(error).__name__}") from error
            except OSError as error:  # of requests itself, before it sends: the bundle of certificates is not there
                raise SettingError(network.NO_BUNDLE) from error
        return self._parser.submit(receive, response, body).result(), token
