"""Reads the body of an answer, and no more than a bound of it: what it unpacks to is counted while it is unpacked.

A length that the answer announces proves nothing: 600 kB of gzip may be 3 GB. Only the packings that `ACCEPTED` names are asked
for and taken, one at a time: others can grow a million times with every block that is unpacked.
"""

from __future__ import annotations

import requests

from harvest_source.api.answers import PassingFault
from harvest_source.api.errors import TooLargeError

ACCEPTED = "gzip, deflate"
LARGEST_MIB = 64  # a page of 2,000 rows with much text has some MiB
LARGEST_BYTES = LARGEST_MIB * 1024 * 1024
BLOCK_BYTES = 64 * 1024
_TAKEN = frozenset({"gzip", "x-gzip", "deflate"})
_NOT_TAKEN = frozenset({"br", "zstd", "compress", "x-compress"})


def read_body(response: requests.Response) -> bytes:
    """Returns the body of an answer whose headers were read, unpacked, and ends with it what is left of the answer.

    Raises:
        TooLargeError: it is larger than 64 MiB.
        PassingFault: it cannot be unpacked.
        requests.RequestException: the connection failed.
    """
    with response:
        if response.status_code < requests.codes.ok:  # a provisional answer has no body: what follows is not read as one
            response.raw.close()
            return b""
        _refuse_packing(response)
        body = bytearray()
        try:
            for block in response.iter_content(BLOCK_BYTES):
                body += block
                if len(body) > LARGEST_BYTES:
                    raise TooLargeError(f"an answer is larger than {LARGEST_MIB} MiB", response.status_code)
        except requests.exceptions.ContentDecodingError as error:
            raise PassingFault(
                "the answer cannot be unpacked (damaged, or not packed as it says)", response.status_code
            ) from error
        return bytes(body)


def _refuse_packing(response: requests.Response) -> None:
    named = [each.strip().lower() for each in response.headers.get("Content-Encoding", "").split(",")]
    if _NOT_TAKEN & set(named) or len([each for each in named if each in _TAKEN]) > 1:
        raise PassingFault("the answer is packed in a way that was not asked for", response.status_code)
