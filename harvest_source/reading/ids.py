"""Keys of many rows that are told apart by their id alone, in eight bytes each."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from harvest_source.catalogue.report import Key


class IdKeys(AbstractSet[Key]):
    """A set of keys `(id,)`, of which there may be a million; what is made of it by `-` or `|` is a plain set."""

    def __init__(self, ids: Iterable[int]) -> None:
        """Takes ids, each of which comes once."""
        self._ids = array("q", sorted(ids))

    def __contains__(self, key: object) -> bool:
        if not (isinstance(key, tuple) and len(key) == 1 and isinstance(key[0], int)):
            return False
        place = bisect_left(self._ids, key[0])
        return place < len(self._ids) and self._ids[place] == key[0]

    def __iter__(self) -> Iterator[Key]:
        return ((each,) for each in self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    @classmethod
    def _from_iterable(cls, it: Iterable[Key]) -> AbstractSet[Key]:  # type: ignore[override]
        return frozenset(it)
