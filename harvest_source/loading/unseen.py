"""Rows that Harvest has and does not show to the caller: a list without them is no proof that they are gone."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, Key
from harvest_source.errors import NotAllowedError, NotFoundError
from harvest_source.reading.reader import Reader

# rows of a report that are asked for one by one; where one of them is hidden, those beyond are taken for hidden
ASKED = 20


def unseen_among(
    reader: Reader,
    pair: AccountReport,
    refused: AbstractSet[int],
    missing: AbstractSet[Key],
    *,
    sees_all: bool,
) -> set[Key]:
    """Returns which rows, of those that a list no longer has, are not proved to be gone.

    Args:
        reader: sends the requests.
        pair: account and report of the list.
        refused: ids of rows that were refused when they were asked for alone.
        missing: keys in the table that the list lacks.
        sees_all: whether the caller is an administrator, from whom Harvest hides nothing; for others each row is asked for.

    Raises:
        ApiError: Harvest could not be asked.
    """
    unseen = {key for key in missing if key and key[0] in refused}
    if sees_all or not by_name(pair.report).by_id:
        return unseen
    waiting = sorted(missing - unseen)
    found = {key for key in waiting[:ASKED] if _is_hidden(reader, pair, key[0])}
    return unseen | found | (set(waiting[ASKED:]) if found else set())


def _is_hidden(reader: Reader, pair: AccountReport, row_id: int) -> bool:
    try:
        reader.client.get(
            pair.account_id, f"{by_name(pair.report).path}/{row_id}", ("id",), label=pair.report
        )
    except NotAllowedError:
        return True
    except NotFoundError:
        return False
    return True  # it came back since the list was read


def not_seen(name: str, rows: int) -> tuple[str, ...]:
    """Returns what `verified` says of rows of a report that are hidden; nothing where there are none."""
    words = name.replace("_", " ")
    one = f"{words[:-3]}y" if words.endswith("ies") else words.removesuffix("s")
    return (f"{rows} {one if rows == 1 else words} not seen",) if rows else ()
