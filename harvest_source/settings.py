"""The settings of section `sources.harvest`, read and checked; and what several rooms know of Harvest.

They are read from dlt's places in dlt's own order (environment, `.dlt/secrets.toml`, `.dlt/config.toml`). Constants that one
file needs stand in that file; those of requests, in `patience.py`. Constants that stem from the Harvest API name its page.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from dlt.common.configuration import configspec
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.configuration.specs.base_configuration import extract_inner_hint
from dlt.common.typing import TSecretStrValue

from harvest_source.about import USER_AGENT
from harvest_source.addresses import as_sent, origin
from harvest_source.configuration import fill
from harvest_source.errors import SettingError
from harvest_source.instants import parse_instant
from harvest_source.unread import refuse_unread, strays

SECTION = "harvest"
PIPELINE_NAME = "harvest_pipeline"

API_URL = "https://api.harvestapp.com/v2/"
ID_URL = "https://id.getharvest.com/"
DEVELOPERS_URL = "https://id.getharvest.com/developers"
HARVEST_HOSTS = frozenset({origin(API_URL)[1], origin(ID_URL)[1]})
CONTACT = "https://harvest-pipeline.example"

PER_PAGE = 2000  # the most a page may hold (API, pagination); more answers 422
SMALL_PAGE = PER_PAGE // 4  # of a list that is not answered in time, or whose pages are too large
# timestamps have whole seconds and ties: a run asks again from a little before the bookmark
OVERLAP_SECONDS = 300
SWEEP_DAYS = 7  # within so many days the children of parents that changed lately are read again
# so many requests a run may send without ever waiting for the limit (API, rate limits)
FREE_REQUESTS = 100

TYPES: Mapping[Any, tuple[type, str]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    bool: (bool, "True or False"),
}
LARGEST = 10**9  # of a setting that is a number; as seconds, thirty years: a date stays a date
LONGEST_SHOWN = 15  # characters of a wrong value that are shown
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


if TYPE_CHECKING:
    Raw = object  # nobody takes for its meaning what stands there in one of several forms
else:
    Raw = Any


@configspec
class NotifySettings(BaseConfiguration):
    """Where alerts are posted; read apart as well, since they are posted also where another setting is wrong."""

    notify_url: TSecretStrValue | None = None

    def on_resolved(self) -> None:
        """Checks the address; dlt calls this on every settings class once its values are there.

        Raises:
            SettingError: it is none of a webhook.
        """
        _require_types(self)
        if self.notify_url:
            parse_webhook_url("notify_url", self.notify_url)


@configspec
class HeartbeatSettings(BaseConfiguration):
    """What is pinged at the start and the end of a run; read apart as well, as alerts are."""

    heartbeat_url: TSecretStrValue | None = None

    def on_resolved(self) -> None:
        """Checks the address, as that of alerts.

        Raises:
            SettingError: it is none that can be pinged.
        """
        _require_types(self)
        if self.heartbeat_url:
            parse_webhook_url("heartbeat_url", self.heartbeat_url)


@configspec
class FileSettings(BaseConfiguration):
    """Who may read what a run leaves on this machine; read apart as well, by commands that ask Harvest for nothing."""

    share_with_group: bool = False


@configspec
class HarvestSettings(NotifySettings, HeartbeatSettings, FileSettings):
    """The settings of section `sources.harvest`; docs describe each for a user. There are none that are not checked."""

    access_token: TSecretStrValue | None = None
    client_id: str | None = None
    client_secret: TSecretStrValue | None = None
    refresh_token: TSecretStrValue | None = None
    account_id: Raw = None  # see `accounts`
    api_url: str = API_URL
    id_url: str = ID_URL
    contact: str = CONTACT
    start_date: Raw = None  # see `begins_at`
    overlap_seconds: int = OVERLAP_SECONDS
    assignments: str = "account"
    deleted_rows: str = "remove"
    sweep_days: int = SWEEP_DAYS
    report_period: str = "month"
    redirect_port: int = 8484

    def __post_init__(self) -> None:
        """Checks what is given in code."""
        self.resolve()

    def on_resolved(self) -> None:
        """Checks the settings, and gives addresses the form in which they are sent.

        Raises:
            SettingError: one is wrong.
        """
        _require_types(self)
        self.api_url = parse_url("api_url", self.api_url)
        self.id_url = parse_url("id_url", self.id_url)
        _choice("assignments", self.assignments, ("account", "project"))
        _choice("deleted_rows", self.deleted_rows, ("remove", "keep", "ignore"))
        _choice("report_period", self.report_period, ("month", "week", "year"))
        for name in ("overlap_seconds", "sweep_days"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} is {getattr(self, name)}; it must be 0 or more")
            if getattr(self, name) > LARGEST:
                raise SettingError(f"{name} must be at most {LARGEST}")
        if not (self.contact.isprintable() and _is_latin(self.contact)):
            raise SettingError("contact must be a link or an e-mail address, on one line")
        self.begins_at = (
            None if self.start_date is None else parse_since("start_date", self.start_date)
        )

    @property
    def accounts(self) -> tuple[int, ...] | None:
        """Returns the ids of `account_id`, an empty tuple for all, `None` where it is not set.

        Raises:
            SettingError: a part of it is no id.
        """
        return parse_account_ids(self.account_id)

    @property
    def keeps_deleted(self) -> bool:
        """Returns whether rows gone at Harvest stay and are marked, instead of being removed."""
        return bool(self.deleted_rows == "keep")

    @property
    def user_agent(self) -> str:
        """Returns how a request to Harvest names its sender."""
        return f"{USER_AGENT} ({self.contact})"


def load_settings(pipeline_name: str | None = PIPELINE_NAME, **overrides: Any) -> HarvestSettings:
    """Reads and checks the settings.

    Args:
        pipeline_name: whose own settings count first; `None` where none is known.
        overrides: settings given by the caller; those that are `None` do not count.

    Raises:
        SettingError: a setting has the wrong type or form or is not known, or a `.dlt` file cannot be read.
    """
    settings = HarvestSettings()
    refuse_unread(settings.get_resolvable_fields(), SECTION, pipeline_name)
    given = {name: value for name, value in overrides.items() if value is not None}
    return fill(settings, SECTION, pipeline_name, given)


def other_hosts(settings: HarvestSettings) -> list[str]:
    """Returns the hosts that are asked and sent the token in place of Harvest's, each with the settings that name it."""
    named: dict[str, list[str]] = {}
    for name in ("api_url", "id_url"):
        _scheme, host, _port = origin(getattr(settings, name))
        if host not in HARVEST_HOSTS:
            named.setdefault(host, []).append(name)
    return [f"{host} ({', '.join(names)})" for host, names in named.items()]


def stray_settings() -> list[str]:
    """Returns a line for each setting that stands in a `.dlt` file outside of its section, and so does not count."""
    return strays(HarvestSettings().get_resolvable_fields(), SECTION)


def load_notify_url(option: str | None) -> str | None:
    """Returns where alerts are posted: the option, else the setting, else `None`.

    Raises:
        SettingError: it is no https address, or a `.dlt` file cannot be read.
    """
    if option is not None:
        return parse_webhook_url("--notify", option)
    configured = fill(NotifySettings(), SECTION, PIPELINE_NAME).notify_url
    return configured.strip() if configured else None


def load_heartbeat_url(option: str | None) -> str | None:
    """Returns what is pinged after a complete run: the option, else the setting, else `None`. Raises as `load_notify_url`."""
    if option is not None:
        return parse_webhook_url("--heartbeat", option)
    configured = fill(HeartbeatSettings(), SECTION, PIPELINE_NAME).heartbeat_url
    return configured.strip() if configured else None


def load_share_with_group() -> bool:
    """Returns whether the group may read database file and working state.

    Raises:
        SettingError: it is neither true nor false, or a `.dlt` file cannot be read.
    """
    return fill(FileSettings(), SECTION, PIPELINE_NAME).share_with_group


def _require_types(settings: BaseConfiguration) -> None:
    """Raises where a value given in code has another type than its setting; it is not repeated, since it may be a secret."""
    for name, hint in settings.get_resolvable_fields().items():
        wanted = TYPES.get(extract_inner_hint(hint))
        value = getattr(settings, name)
        if wanted is None or value is None:
            continue
        kind, words = wanted
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise SettingError(f"{name} must be {words}; {type(value).__name__} is given")


def _is_latin(text: str) -> bool:
    """Returns whether a text can stand in a header of a request."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise _wrong(name, value, f"is not one of its values; they are: {', '.join(choices)}")


def _wrong(name: str, value: str, why: str) -> SettingError:
    """Returns the error of an option or a setting, with its value; a longer one may be a token in the place of a setting."""
    is_shown = name.startswith("--") or len(value) <= LONGEST_SHOWN
    return (
        SettingError(f"{name} {{}} {why}", quoted=(repr(value),))
        if is_shown
        else SettingError(f"{name} {why}")
    )


def parse_url(name: str, value: str) -> str:
    """Returns an address as it is sent, with one trailing slash.

    Raises:
        SettingError: it is no https address (plain http is accepted for the loopback interface only), or one of more than host,
            port and path; the message does not repeat it, since a password may stand in it.
    """
    url = value.strip()
    if not _is_safe_url(url) or "?" in url or "#" in url:
        raise SettingError(
            f"{name} must be an https address such as {API_URL}, of host and path alone (http only for this machine itself)"
        )
    return as_sent(url).rstrip("/") + "/"


def parse_webhook_url(name: str, value: str) -> str:
    """Returns the address of a webhook as it was given.

    Raises:
        SettingError: it is no https address, or holds a user name, which would not be sent; the message does not repeat it,
            since it is a secret.
    """
    url = value.strip()
    if not _is_safe_url(url):
        raise SettingError(
            f"{name} must be the https address of a webhook, as it was given (http only for this machine itself)"
        )
    return url


def _is_safe_url(url: str) -> bool:
    """Returns whether an address is plain, and what is sent to it cannot be read on its way."""
    try:
        scheme, host, _port = origin(url)
    except ValueError:
        return False
    return scheme == "https" or host in LOOPBACK_HOSTS


def parse_since(name: str, value: object) -> datetime:
    """Reads a date or an instant in ISO 8601; UTC where no zone is given.

    Args:
        name: the option or setting, for the message.
        value: text such as `2025-01-31` or `2025-01-31T08:00:00+02:00`, or a date from a toml file.

    Raises:
        SettingError: it is not ISO 8601.
    """
    if isinstance(value, datetime):
        instant = value
    elif isinstance(value, date):
        instant = datetime(value.year, value.month, value.day, tzinfo=UTC)
    else:
        instant = _read_instant(name, str(value).strip())
    whole = instant.replace(microsecond=0)  # as the API writes and takes instants
    return whole.replace(tzinfo=UTC) if whole.tzinfo is None else whole.astimezone(UTC)


def _read_instant(name: str, text: str) -> datetime:
    try:
        # a date without its signs may be a bare number, which nobody means
        if len(text) >= len("2025-01-31"):
            return parse_instant(text)
    except ValueError:
        pass
    raise _wrong(name, text, "is not a date: write 2025-01-31 or 2025-01-31T08:00:00+02:00")


def parse_account_ids(value: object) -> tuple[int, ...] | None:
    """Reads account ids from a number, a list, or text such as `1001,1002`.

    Returns:
        the ids in their order, `None` where nothing is set, an empty tuple for `all`.

    Raises:
        SettingError: a part is not a positive whole number.
    """
    if value is None or value == "":
        return None
    parts = (
        list(value)
        if isinstance(value, (list, tuple))
        else str(value).strip().strip("[]").split(",")
    )
    texts = [str(part).strip().strip("\"'") for part in parts]
    if texts == ["all"] or value == ():
        return ()
    if not texts:  # a list that somebody's program made
        raise _wrong("account_id", str(value), "names no account: write all for all of them")
    for text in texts:
        if not (text.isascii() and text.isdigit()) or int(text) == 0:
            raise _wrong(
                "account_id",
                text,
                f"is not a number: it is the number in the list at {DEVELOPERS_URL}",
            )
    return tuple(dict.fromkeys(int(text) for text in texts))
