"""The page of the library works as it is shown: its blocks of Python are carried out, one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from pages import ROOT, blocks
from pipelines import forget_dlt
from second_harvest import by_hand
from support import TOKEN

ACCOUNT = 77  # of the server made by hand


@pytest.mark.long
def test_library_works_as_its_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The block that looks at the source sends no request, all others do."""
    known: dict[str, Any] = {"token": TOKEN}
    with by_hand(users=3, invoices=4, entries=12) as harvest:
        for name, value in {
            "API_URL": harvest.api_url,
            "ID_URL": harvest.id_url,
            "ACCESS_TOKEN": TOKEN,
        }.items():
            monkeypatch.setenv(f"SOURCES__HARVEST__{name}", value)
        monkeypatch.setenv("DLT_DATA_DIR", str(Path.cwd() / "dlt"))  # else the machine's own
        forget_dlt()
        for block in blocks(ROOT / "docs" / "library.md", "python"):
            harvest.requests.clear()
            exec(block.replace("1001", str(ACCOUNT)), known)  # noqa: S102 - of this repository's own page
            assert bool(harvest.requests) == ("print(source)" not in block)
        assert known["summary"].exit_code == 0
        assert len(known["clients"]) == len(harvest.tables["clients"])
        assert float(known["hours"]) == pytest.approx(
            sum(row["hours"] for row in harvest.tables["time_entries"])
        )
        fed = [row["id"] for row in known["invoices"][:2]]
        wanted = [row["id"] for each in fed for row in harvest.tables[f"invoices/{each}/payments"]]
        assert sorted(row["id"] for row in known["payments"]) == sorted(wanted)
    with duckdb.connect("active_clients.duckdb", read_only=True) as database:
        assert database.execute(
            "select bool_and(is_active) from harvest.active_clients"
        ).fetchone() == (True,)
