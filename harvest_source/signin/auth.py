"""Signs requests: which token stands in the Authorization header.

A token belongs into these objects and nowhere else: they show no secret when printed.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_exponential

from harvest_source import network
from harvest_source.about import COMMAND, EXAMPLE, page
from harvest_source.clock import Clock
from harvest_source.errors import (
    ApiError,
    RefusedError,
    SettingError,
    TokenRejectedError,
    UnavailableError,
)
from harvest_source.patience import OF_TOKENS
from harvest_source.settings import DEVELOPERS_URL, SECTION, HarvestSettings
from harvest_source.signin import exchange
from harvest_source.signin.names import DEFAULT_NAME
from harvest_source.signin.tokens import (
    OAuthClient,
    TokenFile,
    Tokens,
    configured_file,
    oauth_client,
    sign_in_file,
    stored_sign_ins,
)
from harvest_source.unread import where_looked

LOGIN = f"{COMMAND} login"
# tokens are renewed when so much of their lifetime is left: two days of 14, and 0.2 s of 2
EARLY = 0.1
LONGEST_EARLY_SECONDS = 3600.0
WAIT_GROWS = 4  # 1 s after the first try, 4 s after the second
PATIENCE_SECONDS = 30.0  # after a renewal that failed while the old token still holds
# after one that failed with no token left: else each request of a run would wait for it anew
OUTAGE_SECONDS = 300.0
ON_THE_WAY = {
    "certificate-not-trusted": network.NOT_TRUSTED.format(why=""),
    exchange.ODD_ANSWER: "Harvest's answer holds no access token that a request can carry; nothing of it is stored",
    "proxy-refuses": network.PROXY_REFUSES.format(status="4xx"),
}


class Auth(Protocol):
    """Whatever can sign a request."""

    def token(self, clock: Clock | None = None) -> str:
        """Returns the access token that is valid now; a wait for it ends with the run of a clock."""

    def known_token(self) -> str | None:
        """Returns the access token that is at hand, valid or not, and asks nobody."""

    def renew(self, rejected: str, clock: Clock | None = None) -> bool:
        """Gets a new token after Harvest refused `rejected`; returns whether it is worth asking again."""


class PersonalToken:
    """A personal access token: it does not expire and cannot be renewed (Harvest API, personal access tokens)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __repr__(self) -> str:
        return "PersonalToken(…)"

    def token(self, clock: Clock | None = None) -> str:  # noqa: ARG002 - the protocol's argument; nobody waits
        """Returns the token."""
        return self._token

    def known_token(self) -> str | None:
        """Returns the token."""
        return self._token

    def renew(self, rejected: str, clock: Clock | None = None) -> bool:  # noqa: ARG002 - the protocol's arguments; nothing can be renewed
        """Returns False: a personal token that was refused stays refused."""
        return False


class OAuthToken:
    """An access token of a sign-in, or of a configured refresh token: renewed by one thread and one process for all."""

    def __init__(
        self,
        client: OAuthClient,
        file: TokenFile,
        *,
        configured: str | None = None,
        sign_in_again: str = LOGIN,
        clock: Clock | None = None,
    ) -> None:
        """Reads nothing and asks nothing yet.

        Args:
            client: the application that the tokens were made for.
            file: where they are kept.
            configured: the refresh token of the settings, tried after those in the file.
            sign_in_again: what to do once no refresh token works any more.
            clock: the passing of time.
        """
        self._client = client
        self._file = file
        self._configured = configured
        self._sign_in_again = sign_in_again
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._tokens: Tokens | None = None
        self._dead: ApiError | None = None
        self._try_again_at = 0.0
        self._outage: UnavailableError | None = None

    def __repr__(self) -> str:
        return "OAuthToken(…)"

    @property
    def stored(self) -> Tokens | None:
        """Returns what is stored of the sign-in."""
        return self._file.read()

    def token(self, clock: Clock | None = None) -> str:
        """Returns the access token that is valid now; renews it where it ends soon.

        Args:
            clock: of the run that wants it, with which a wait ends; default: the one that this was made with.

        Raises:
            TokenRejectedError: no refresh token works any more.
            UnavailableError: Harvest cannot be asked, and there is no token that still holds.
            CancelledError: the run is being interrupted.
        """
        with self._lock:
            self._tokens = self._tokens or self._file.read()
            tokens = self._tokens
            if tokens is None or self._ends_in(tokens) <= _early_seconds(tokens):
                tokens = self._renew_in_time(tokens, clock or self._clock)
            return tokens.access_token

    def known_token(self) -> str | None:
        """Returns the access token that is at hand, valid or not, and asks nobody; `None` where there is none."""
        with self._lock:
            self._tokens = self._tokens or self._file.read()
            return self._tokens.access_token if self._tokens else None

    def renew(self, rejected: str, clock: Clock | None = None) -> bool:
        """Gets a new token after Harvest refused `rejected`; returns True, since it is worth asking again.

        Args:
            rejected: the token.
            clock: as of `token`.

        Raises:
            TokenRejectedError, UnavailableError, CancelledError: as `token`.
        """
        with self._lock:
            # else another thread was first
            if self._tokens is None or self._tokens.access_token == rejected:
                self._tokens = self._renewed_without_one(rejected, clock or self._clock)
            return True

    def _ends_in(self, tokens: Tokens) -> float:
        return float("inf") if tokens.expires_at is None else tokens.expires_at - self._clock.wall()

    def _renew_in_time(self, tokens: Tokens | None, clock: Clock) -> Tokens:
        """Renews a token that ends soon; one that still holds serves on where that fails."""
        holds = tokens is not None and self._ends_in(tokens) > 0
        if tokens is None or not holds:
            self._tokens = self._renewed_without_one(None, clock)
            return self._tokens
        if self._clock.wall() < self._try_again_at:
            return tokens
        try:
            self._tokens = self._renewed(None, clock)
        except ApiError:
            self._try_again_at = self._clock.wall() + PATIENCE_SECONDS
            return tokens
        return self._tokens

    def _renewed_without_one(self, rejected: str | None, clock: Clock) -> Tokens:
        """Renews where no token holds: for some minutes after an outage every request fails by it at once."""
        if self._outage is not None and self._clock.wall() < self._try_again_at:
            raise self._outage
        self._outage = None
        try:
            return self._renewed(rejected, clock)
        except UnavailableError as error:
            self._outage, self._try_again_at = error, self._clock.wall() + OUTAGE_SECONDS
            raise

    def _renewed(self, rejected: str | None, clock: Clock) -> Tokens:
        """Returns new tokens: those that another process has stored meanwhile, else Harvest's answer."""
        if self._dead is not None:
            raise self._dead
        with self._file.locked():
            stored = self._file.read()
            if (
                stored is not None
                and stored.access_token != rejected
                and self._ends_in(stored) > _early_seconds(stored)
            ):
                return stored
            known = stored.refresh_tokens if stored is not None else []
            for refresh_token in dict.fromkeys(
                [*known, *([self._configured] if self._configured else [])]
            ):
                result = self._ask(refresh_token, clock)
                renewed = self._file.read()
                if result["outcome"] == exchange.OK and renewed is not None:
                    return renewed
                if result["error"] != "invalid_grant":
                    break
            else:
                self._dead = TokenRejectedError(
                    f"Harvest refuses the refresh token; sign in again: {self._sign_in_again}"
                )
                raise self._dead
        self._dead = refusal(result)
        raise self._dead

    def _ask(self, refresh_token: str, clock: Clock) -> dict[str, Any]:
        def attempt() -> dict[str, Any]:
            clock.check()
            return self._file.exchange(
                self._client, self._clock.wall(), refresh_token=refresh_token
            )

        retrying = Retrying(
            retry=retry_if_result(lambda result: result["outcome"] == exchange.PASSING),
            wait=wait_exponential(exp_base=WAIT_GROWS),
            stop=stop_after_attempt(OF_TOKENS.times),
            sleep=clock.sleep,
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        result: dict[str, Any] = retrying(attempt)
        if result["outcome"] == exchange.PASSING:
            said = f"answered {result['status']}" if result["status"] else "cannot be reached"
            raise UnavailableError(
                f"Harvest {said} when asked for a new token, {OF_TOKENS.times} times in a row; try again later"
            )
        return result


def _early_seconds(tokens: Tokens) -> float:
    return min((tokens.lifetime_seconds or 0.0) * EARLY, LONGEST_EARLY_SECONDS)


def sign_in_with_code(
    client: OAuthClient,
    file: TokenFile,
    code: str,
    redirect: str,
    *,
    verifier: str = "",
    clock: Clock | None = None,
) -> None:
    """Exchanges the code that a person brought back from Harvest for tokens, and stores them.

    Args:
        client: the application.
        file: where the tokens are kept.
        code: from Harvest.
        redirect: the address that Harvest sent the browser back to.
        verifier: answers the code challenge (PKCE) that the code was asked for with; empty: without one.
        clock: the passing of time.

    Raises:
        ApiError: Harvest gives none.
        SettingError: they cannot be stored.
    """
    with file.locked():
        result = file.exchange(
            client,
            (clock or Clock()).wall(),
            code=code,
            redirect_uri=redirect,
            code_verifier=verifier,
        )
    if result["outcome"] == exchange.PASSING:
        raise UnavailableError("Harvest could not be asked for tokens; sign in again in a moment")
    if result["outcome"] != exchange.OK:
        raise refusal(result)


def refusal(result: dict[str, Any]) -> ApiError:
    """Returns the error for an answer of the token endpoint, or a fault on the way to it, that no new try will change."""
    if result["error"] in ON_THE_WAY:
        return RefusedError(ON_THE_WAY[result["error"]])
    if (
        result["error"] in {"invalid_client", "unauthorized_client"}
        or result["status"] == exchange.UNAUTHORIZED
    ):
        return TokenRejectedError(
            f"Harvest does not know this client: compare client_id and client_secret with the application at {DEVELOPERS_URL}"
        )
    said = " ".join(str(part) for part in (result["status"], result["error"]) if part)
    return RefusedError(
        f"Harvest refused to give a token ({said}); check the application at {DEVELOPERS_URL}"
    )


def clean_token(pasted: str, name: str = "access_token") -> tuple[str, bool]:
    """Trims what gets pasted along with a token: spaces, quotes, line ends, the word `Bearer`.

    Args:
        pasted: the setting.
        name: of the setting.

    Returns:
        the token, and whether anything had to be trimmed.

    Raises:
        SettingError: what is left is no token.
    """
    token = pasted.strip().strip("\"'").strip()
    if token.lower().split(" ")[0] == "bearer":
        token = token[len("bearer") :].strip().strip("\"'").strip()
    if not exchange.is_token(token):
        raise SettingError(
            f"{name} is empty or contains characters that no token has: copy it again from {DEVELOPERS_URL}"
        )
    return token, token != pasted


def build_auth(
    settings: HarvestSettings,
    *,
    name: str | None = None,
    accounts: tuple[int, ...] | None = None,
    clock: Clock | None = None,
) -> tuple[Auth, str | None]:
    """Returns what signs the requests of these settings, and a note for the person where a token was trimmed.

    Which credential counts: `access_token`; else the token stored for this client and the configured `refresh_token`;
    else that refresh token itself; else the stored sign-in.

    Args:
        settings: the credentials.
        name: of a stored sign-in, which then counts before everything else.
        accounts: the wanted account ids: of several sign-ins, the one that reaches them.
        clock: the passing of time.

    Raises:
        SettingError: no credentials are set, a part of them is missing, or nobody has signed in.
    """
    if name is None and settings.access_token:
        token, trimmed = clean_token(settings.access_token)
        return PersonalToken(token), _trimmed_note("access_token") if trimmed else None
    if name is None and settings.refresh_token:
        client = oauth_client(
            settings, "a refresh_token works only with the application it was made for"
        )
        token, trimmed = clean_token(settings.refresh_token, "refresh_token")
        again = f"{LOGIN}, and take refresh_token out of the settings"
        auth = OAuthToken(
            client,
            configured_file(client, token),
            configured=token,
            sign_in_again=again,
            clock=clock,
        )
        return auth, _trimmed_note("refresh_token") if trimmed else None
    if name is None and not settings.client_id and not settings.client_secret:
        raise SettingError(
            f"no access token is set: make one at {DEVELOPERS_URL} and set SOURCES__HARVEST__ACCESS_TOKEN, "
            f"or write it into .dlt/secrets.toml (see {{}}); or sign in with the browser: {LOGIN}\n{{}}",
            quoted=(page(EXAMPLE), where_looked("access_token", SECTION)),
        )
    client = oauth_client(settings, f"both stand with your application at {DEVELOPERS_URL}")
    chosen = _choose_sign_in(stored_sign_ins(client), name, accounts)
    again = LOGIN if chosen == DEFAULT_NAME else f"{LOGIN} --name {chosen}"
    return OAuthToken(client, sign_in_file(client, chosen), sign_in_again=again, clock=clock), None


def chosen_account(auth: Auth) -> int | None:
    """Returns the account that was chosen at sign-in: the default where no other one is configured."""
    stored = stored_sign_in(auth)
    return stored.account_id if stored is not None else None


def stored_sign_in(auth: Auth) -> Tokens | None:
    """Returns what is stored of the sign-in that signs requests, `None` where another credential does."""
    return auth.stored if isinstance(auth, OAuthToken) else None


def _trimmed_note(name: str) -> str:
    return f"{name} was trimmed: keep it without quotes or spaces"


def _choose_sign_in(
    stored: list[Tokens], name: str | None, accounts: tuple[int, ...] | None
) -> str:
    names = [each.name for each in stored]
    if name is not None:
        if name not in names:
            others = f"; there are: {', '.join(names)}" if names else ""
            raise SettingError(
                f"there is no sign-in named {{}}: {LOGIN} --name {{}}{{}}",
                quoted=(name, name, others),
            )
        return name
    if not names:
        raise SettingError(f"nobody has signed in yet: {LOGIN} (or set access_token)")
    reaching = [
        each.name
        for each in stored
        if accounts and {str(account) for account in accounts} <= set(each.accounts)
    ]
    candidates = reaching or names
    if DEFAULT_NAME in candidates or len(candidates) == 1:
        return DEFAULT_NAME if DEFAULT_NAME in candidates else candidates[0]
    if reaching:
        return reaching[0]
    raise SettingError(
        "there are several sign-ins ({}): choose the one you mean by an account, with --account",
        quoted=(", ".join(names),),
    )
