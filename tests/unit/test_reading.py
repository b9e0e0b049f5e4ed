"""What is learned of records while they are read."""

from __future__ import annotations

from typing import Any

import pytest

from harvest_source.catalogue.reports import by_name
from harvest_source.errors import RefusedError
from harvest_source.reading.reading import record_key


@pytest.mark.parametrize("value", [None, "abc", "", 1.5, float("nan"), float("inf"), 2**63, -(2**70), True, [], {"id": 1}])
def test_what_is_no_id_is_no_key(value: Any) -> None:
    with pytest.raises(RefusedError, match=r"clients without its key \(id\)"):
        record_key(by_name("clients"), {"id": value}, None)


@pytest.mark.parametrize("value", [7, "7", 7.0])
def test_key_is_a_whole_number_however_it_is_written(value: Any) -> None:
    assert record_key(by_name("teammates"), {"id": value}, 3) == (3, 7)
