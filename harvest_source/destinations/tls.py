"""TLS on the way to Postgres: asked for wherever the server may be another machine, and told of a connection that is open."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from itertools import zip_longest
from typing import Any

from harvest_source.errors import SettingError

# libpq's own default, `prefer`, sends the password in clear to a server that says no to TLS
REQUIRED = {"sslmode": "require"}
CHECKED = {
    "verify-full": "the server's certificate and name are checked",
    "verify-ca": "the server's certificate is checked, its name is not",
}
NOT_CHECKED = "that it is the right server is not checked, which sslmode=verify-full does"


def with_sslmode(
    host: str, query: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Returns the query of an address so that the password goes to no other machine in clear, unless somebody said so.

    Args:
        host: of the address, or several with commas between them; those of the query count before it, as for libpq.
        query: of the address.
        environment: in which libpq looks up what the address does not say.

    Raises:
        SettingError: a service file might say a mode, and no mode is said where it counts before the file.
    """
    has_mode = "sslmode" in query or "ssl" in query or bool(environment.get("PGSSLMODE"))
    # then libpq takes verify-full only
    checks_all = (query.get("sslrootcert") or environment.get("PGSSLROOTCERT")) == "system"
    if has_mode or checks_all:
        return dict(query)
    if query.get("service") or environment.get("PGSERVICE"):
        raise SettingError(
            "the credentials name a service of libpq, whose file is not read here: set sslmode beside it, in query or PGSSLMODE"
        )
    hosts = str(query.get("host") or host).split(",")
    addresses = str(query.get("hostaddr") or environment.get("PGHOSTADDR") or "").split(",")
    reached = [address or name for name, address in zip_longest(hosts, addresses, fillvalue="")]
    return dict(query) if all(map(is_this_machine, reached)) else {**query, **REQUIRED}


def is_this_machine(host: str) -> bool:
    """Returns whether a host is the loopback interface, or the folder of a socket, where nobody listens on the way."""
    if host.startswith("/") or host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def tls_of(connection: Any) -> str:
    """Returns in words which TLS a connection of psycopg2 has."""
    info = connection.info
    mode = info.dsn_parameters.get("sslmode")
    if not info.ssl_in_use:
        return f"without TLS (sslmode={mode})"
    return f"{info.ssl_attribute('protocol')} (sslmode={mode}: {CHECKED.get(mode, NOT_CHECKED)})"
