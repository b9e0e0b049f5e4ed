r"""Reads addresses in the form in which they are sent, so that the host that is checked is the host that is asked.

Libraries read odd addresses in different ways: the standard library takes `http://evil\@harvest/` for one of Harvest's, while
requests sends it to `evil`. So an address is first made into what is sent, and only one that all of them read alike is taken.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import requests
from urllib3.util import Url, parse_url

PORTS = {"https": 443, "http": 80}


class Origin(NamedTuple):
    """Where a request goes."""

    scheme: str
    host: str
    port: int


def as_sent(url: str) -> str:
    """Returns an address in the form in which it is sent.

    Raises:
        ValueError: it is no http or https address, or holds what none needs and what is read in several ways: a backslash, a
            user name, white space, control signs.
    """
    if "\\" in url or " " in url or not url.isprintable():
        raise ValueError("an address with signs that none needs")
    parts = urlsplit(url)
    if parts.scheme not in PORTS or "@" in parts.netloc or "%" in parts.netloc:
        raise ValueError("no http address, or one with a user name")
    request = requests.PreparedRequest()
    request.prepare_url(url, None)
    return str(request.url)


# a page's links are judged twice, and the API's own address with each of them
@lru_cache(maxsize=256)
def origin(url: str) -> Origin:
    """Returns where a request to an address goes.

    Raises:
        ValueError: as `as_sent`; or it has no host, or no port that there is, or the libraries do not agree.
    """
    sent = as_sent(url)
    found = {_read(urlsplit(sent)), _read(parse_url(sent))}
    if len(found) != 1:
        raise ValueError("an address that is read in two ways")
    return found.pop()


def path_below(url: str, base: str) -> str:
    """Returns the path of an address below that of another, in the form in which it is sent: however it is written.

    It is empty where nothing can be sent to the address.
    """
    try:
        return urlsplit(as_sent(url)).path.removeprefix(urlsplit(as_sent(base)).path)
    except ValueError:
        return ""


def _read(parts: SplitResult | Url) -> Origin:
    """Returns what one of the libraries reads."""
    scheme, host = parts.scheme or "", (parts.hostname or "").strip("[]")
    if scheme not in PORTS or not host:
        raise ValueError("an address without a host")
    return Origin(scheme, host, parts.port or PORTS[scheme])
