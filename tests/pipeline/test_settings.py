"""Settings as a user sets them, in the environment and in files, and what a command makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dlt
import pytest
from command_line import Type
from pipelines import forget_dlt
from second_harvest import HandMade, by_hand
from support import TOKEN

from harvest_source import harvest_source


@pytest.fixture
def harvest() -> Iterator[HandMade]:
    """Somebody's account."""
    with by_hand(users=3, invoices=1, entries=2) as running:
        yield running


@pytest.fixture
def stranger() -> Iterator[HandMade]:
    """Another program's server, which must not be asked."""
    with by_hand(users=3, invoices=1, entries=2) as running:
        yield running


def test_check_names_a_missing_contact(type_command: Type, harvest: HandMade) -> None:
    """Harvest asks for one; a run says nothing of it every day."""
    notes = [
        type_command("check", "--json", harvest=harvest, **given).json()["notes"]
        for given in ({}, {"CONTACT": "ops@example.com"})
    ]
    assert [sum("contact is not set" in note for note in each) for each in notes] == [1, 0]


def make_strangers_settings(monkeypatch: pytest.MonkeyPatch, stranger: HandMade) -> None:
    """Exports settings for another program, and writes them at the top of a toml file too."""
    named = {
        "API_URL": stranger.api_url,
        "ID_URL": stranger.id_url,
        "ACCOUNT_ID": "1",
        "DELETED_ROWS": "nonsense",
    }
    for name, value in {
        **named,
        "ACCESS_TOKEN": "strangers-token",
        "NOTIFY_URL": stranger.api_url,
    }.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(f"SOURCES__{name}", value)
    Path(".dlt").mkdir()
    Path(".dlt/config.toml").write_text(
        "\n".join(f'{name.lower()} = "{value}"' for name, value in named.items())
    )
    forget_dlt()


def test_settings_of_another_program_send_it_no_token(
    type_command: Type, monkeypatch: pytest.MonkeyPatch, harvest: HandMade, stranger: HandMade
) -> None:
    """The run asks the configured host, with the configured token, for the only account; the other host hears nothing."""
    make_strangers_settings(monkeypatch, stranger)
    done = type_command("--reports", "clients", "--json", harvest=harvest)
    assert (done.code, [each["account_id"] for each in done.json()["reports"]]) == (
        0,
        [harvest.id],
    ), done.err
    assert {asked.headers["authorization"] for asked in harvest.requests} == {f"Bearer {TOKEN}"}
    alone = type_command("--reports", "clients", ID_URL=harvest.id_url, API_URL=harvest.api_url)
    assert alone.code == 2
    assert "no access token is set" in alone.err
    assert stranger.requests == []


def test_settings_of_another_program_do_not_count_in_the_library(
    monkeypatch: pytest.MonkeyPatch, harvest: HandMade, stranger: HandMade
) -> None:
    """As on the command line, also within a pipeline, where dlt looks under the pipeline's name as well."""
    make_strangers_settings(monkeypatch, stranger)
    for name, value in {
        "API_URL": harvest.api_url,
        "ID_URL": harvest.id_url,
        "ACCESS_TOKEN": TOKEN,
    }.items():
        monkeypatch.setenv(f"MINE__SOURCES__HARVEST__{name}", value)
        monkeypatch.setenv(f"MINE__{name}", stranger.api_url)
    pipeline = dlt.pipeline(
        "mine",
        destination=dlt.destinations.duckdb("mine.duckdb"),
        dataset_name="harvest",
        pipelines_dir="state",
    )
    pipeline.run(harvest_source().with_resources("clients"))
    with pipeline.sql_client() as client:
        found = client.execute_sql("select distinct account_id from clients") or []
    assert [account_id for (account_id,) in found] == [harvest.id]
    assert {asked.headers["authorization"] for asked in harvest.requests} == {f"Bearer {TOKEN}"}
    assert stranger.requests == []


def test_settings_below_the_pipelines_name_count_on_the_command_line(
    type_command: Type, monkeypatch: pytest.MonkeyPatch, harvest: HandMade, stranger: HandMade
) -> None:
    """They count first, as dlt has it; those of the destination are dlt's own, there too."""
    for name, value in {"API_URL": harvest.api_url, "ID_URL": harvest.id_url}.items():
        monkeypatch.setenv(f"HARVEST_PIPELINE__SOURCES__HARVEST__{name}", value)
    monkeypatch.setenv("HARVEST_PIPELINE__DESTINATION__DUCKDB__CREDENTIALS", "elsewhere.duckdb")
    done = type_command("--reports", "clients", harvest=stranger)
    assert done.code == 0, done.err
    assert (stranger.requests, Path("elsewhere.duckdb").exists()) == ([], True)


def test_settings_that_stand_where_they_do_not_count_are_said(
    type_command: Type, harvest: HandMade
) -> None:
    """By `check` and by a run: `deleted_rows` above all sections would else be ignored without a word, and rows removed."""
    Path(".dlt").mkdir()
    Path(".dlt/config.toml").write_text('deleted_rows = "keep"\n[sources]\nsweep_days = 1\n')
    Path(".dlt").chmod(0o775)
    forget_dlt()
    harvest.now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # `check` compares clocks
    for arguments in (["--reports", "clients"], ["check"]):
        done = type_command(*arguments, harvest=harvest)
        assert done.code == 0, done.err
        assert (
            "deleted_rows stands outside of [sources.harvest] in .dlt/config.toml and does not count"
            in done.err
        )
        assert "sweep_days stands outside of [sources.harvest]" in done.err
        assert "the group may write .dlt: if that is not meant, chmod g-w .dlt" in done.err
    assert type_command("--reports", "clients", "--quiet", harvest=harvest).err == ""
