"""What drivers and servers say, by which failures are told apart: most have no code for it. In lower case."""

from __future__ import annotations

# names of classes: PEP 249 has every driver define the first two; Google's client has its own
DRIVER_ERRORS = frozenset(
    {"DatabaseError", "InterfaceError", "GoogleAPICallError", "GoogleAuthError"}
)

# a server without TLS, of which libpq was told to require it
NO_TLS = "does not support ssl"

# a RuntimeError without a cause, as it is written (seen with DuckDB 2.0.1)
DUCKDB_INTERRUPTED = "Query interrupted"

# wrong credentials, or a name or an option in them that does not exist
CREDENTIALS_REFUSED = (
    # Postgres, its server and libpq
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    'fatal:  role "',
    'fatal:  database "',
    "permission denied for database",
    NO_TLS,
    "certificate file",
    "private key file",
    "certificate verify failed",
    "does not match host name",
    "alert certificate required",
    "alert unknown ca",
    "valid client certificate",
    "invalid sslmode value",
    "weak sslmode",
    "invalid uri query parameter",
    "invalid connection option",
    # MariaDB and MySQL, SQL Server, Snowflake
    "access denied for user",
    "ssl is required but the server",
    "unknown database",
    "login failed",
    "incorrect username or password",
    # Google
    "access denied: ",
    "invalid_grant",
    "default credentials were not found",
    "could not deserialize key data",
    # S3 and what speaks like it
    "invalidaccesskeyid",
    "signaturedoesnotmatch",
)

# a server that gives no further connection
NO_CONNECTION = (
    "too many connections",
    "too many clients",
    "remaining connection slots are reserved",
)

# a destination that was there and is gone, or is not reached now
GONE = (
    "server closed the connection",
    "connection refused",
    "terminating connection",
    "connection already closed",
    "connection is closed",
    "could not connect",
    "could not receive data",
    "could not send data",
    "lost connection",
    "gone away",
    "reset by peer",
    "broken pipe",
    "timed out",
    "timeout expired",
    "the database system is",  # starting up, shutting down, in recovery
    "no route to host",
    "network is unreachable",
    "ssl syscall error",
)
