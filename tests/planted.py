"""Planted values that tests search for: in an account, and in whatever a run leaves on disk."""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from contextlib import suppress
from pathlib import Path

from faults_support import tiny

from harvest_sandbox import Account

STATEMENT, CLIENT_KEY = "planted-statement-key-2U6", "planted-client-key-3V7"


def keyed() -> Account:
    """Returns an account whose public keys can be searched for."""
    account = tiny()
    account.update("clients", next(iter(account.rows["clients"])), statement_key=STATEMENT)
    for report in ("invoices", "estimates"):
        account.update(report, next(iter(account.rows[report])), client_key=CLIENT_KEY)
    return account


def contents(path: Path) -> bytes:
    """Returns what a file holds, unpacked where it is packed, and what it holds packed in base64."""
    found = path.read_bytes()
    if found[:2] == b"\x1f\x8b":
        found += gzip.decompress(found)
    return found + unpacked(found)


def unpacked(held: bytes) -> bytes:
    """Returns what stands packed in base64 in some text, as dlt writes its state."""
    found = b""
    for text in re.findall(rb"eJ[A-Za-z0-9+/]{40,}={0,2}", held):
        with suppress(ValueError, zlib.error):
            found += zlib.decompressobj().decompress(base64.b64decode(text[: len(text) // 4 * 4]))
    return found
