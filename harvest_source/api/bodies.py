"""Reads the body of an answer, and no more than a bound of it: what it unpacks to is counted while it is unpacked.

A length that the answer announces proves nothing: 600 kB of gzip may be 3 GB. Only the packings that `ACCEPTED` names are asked
for and taken, one at a time: others can grow a million times with every block that is unpacked.
"""

from __future__ import annotations

import requests

from harvest_source.api.answers import PassingFault
from harvest_source.errors import TooLargeError

ACCEPTED = "gzip, deflate"
LARGEST_MIB = 64  # a page of 2,000 rows with much text has some MiB
MIB = 1024 * 1024
LARGEST_BYTES = LARGEST_MIB * MIB
BLOCK_BYTES = 64 * 1024
_HEADER = "Content-Encoding"
_TAKEN = frozenset({"gzip", "x-gzip", "deflate"})
_NOT_PACKED = frozenset({"", "identity"})


def read_body(response: requests.Response) -> bytes:
    """Returns the body of an answer whose headers were read, unpacked, and ends with it what is left of the answer.

    Raises:
        TooLargeError: it is larger than 64 MiB.
        PassingFault: it cannot be unpacked.
        requests.RequestException: the connection failed.
    """
    with response:
        # a provisional answer has no body: what follows is not read as one
        if response.status_code < requests.codes.ok:
            response.raw.close()
            return b""
        _settle_packing(response)
        body = bytearray()
        try:
            for block in response.iter_content(BLOCK_BYTES):
                body += block
                if len(body) > LARGEST_BYTES:
                    raise TooLargeError(
                        f"an answer is larger than {LARGEST_MIB} MiB", response.status_code
                    )
        except requests.exceptions.ContentDecodingError as error:
            raise PassingFault(
                "the answer cannot be unpacked (damaged, or not packed as it says)",
                response.status_code,
            ) from error
        return bytes(body)


def _settle_packing(response: requests.Response) -> None:
    """Refuses packings that were not asked for, and leaves urllib3 the one name that counts: it takes empty ones for some."""
    named = [each.strip().lower() for each in response.headers.get(_HEADER, "").split(",")]
    packings = [each for each in named if each not in _NOT_PACKED]
    if len(packings) > 1 or not _TAKEN.issuperset(packings):
        raise PassingFault(
            "the answer is packed in a way that was not asked for", response.status_code
        )
    response.raw.headers[_HEADER] = packings[0] if packings else "identity"
