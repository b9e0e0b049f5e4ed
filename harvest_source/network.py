"""What lies between this machine and Harvest: proxies and certificates, and what their faults mean to a person."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NameResolutionError, ReadTimeoutError

from harvest_source.settings import LOOPBACK_HOSTS

FAULTS = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
NOT_TRUSTED = (
    "Harvest's certificate is not trusted here{why}: where a proxy or a virus scanner looks into connections, set "
    "REQUESTS_CA_BUNDLE to the file with its certificate, and look at this machine's clock"
)
NO_CERTIFICATES = "the file that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names holds no certificates, or cannot be read"
NO_BUNDLE = "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that is not there: set it to the file with your certificates"
PROXY_WANTS_PASSWORD = "the proxy refuses the way to Harvest (407): it wants a user name and a password, as in HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT"  # noqa: S105 - the form, not a password
PROXY_REFUSES = "the proxy of HTTPS_PROXY refuses the way to Harvest ({status}): ask who runs it, or go past it with NO_PROXY"
PROXY_REFUSAL = re.compile(r"Tunnel connection failed: (4\d\d)")


def past_proxies(url: str) -> dict[str, str] | None:
    """Returns what has `requests` reach this machine itself without the environment's proxy; `None` for other hosts."""
    host = urlsplit(url).hostname or ""
    return {"no_proxy": host} if host in LOOPBACK_HOSTS else None


def explain(error: requests.RequestException) -> tuple[str, bool]:
    """Says what went wrong on the way, without the address, which may hold what is not for logs.

    Args:
        error: one of `FAULTS`.

    Returns:
        what a person reads, and whether asking again may help.
    """
    layers = list(_layers(error))
    for layer in layers:
        if isinstance(layer, ssl.SSLCertVerificationError):
            return NOT_TRUSTED.format(why=f" ({layer.verify_message})"), False
        if isinstance(layer, ssl.SSLError) and layer.library in {"X509", "PEM"}:
            return NO_CERTIFICATES, False
    if isinstance(error, requests.exceptions.ProxyError):
        return _explain_proxy(layers)
    if any(isinstance(layer, NameResolutionError) for layer in layers):
        return "Harvest's host name is not found (no network?)", True
    if is_too_slow(error):
        return "Harvest did not answer in time", True
    passing = {
        requests.ConnectTimeout: "Harvest cannot be reached (time-out)",
        requests.exceptions.SSLError: "the secure connection to Harvest failed",
        requests.exceptions.ChunkedEncodingError: "the answer was cut off",
    }
    return next(
        (text for kind, text in passing.items() if isinstance(error, kind)),
        "the connection to Harvest failed",
    ), True


def _explain_proxy(layers: list[BaseException]) -> tuple[str, bool]:
    found = next((found for layer in layers if (found := PROXY_REFUSAL.search(str(layer)))), None)
    if found is None:
        return "the proxy of HTTPS_PROXY cannot be reached, or finds no way to Harvest", True
    status = int(found[1])
    wants_password = status == requests.codes.proxy_authentication
    return PROXY_WANTS_PASSWORD if wants_password else PROXY_REFUSES.format(status=status), False


def is_too_slow(error: requests.RequestException) -> bool:
    """Returns whether an answer did not come in time, or not its end, though Harvest was reached."""
    return isinstance(error, requests.ReadTimeout) or any(
        isinstance(layer, ReadTimeoutError) for layer in _layers(error)
    )


def _layers(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and those it holds: libraries hand on one another's as arguments."""
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _layers(inner)
