"""A token that goes elsewhere than to Harvest is said, by every command."""

from __future__ import annotations

from typing import Any

import pytest
from command_line import Type
from faults_support import tiny
from support import TOKEN, serving

from harvest_source.commands.cli import cli
from harvest_source.settings import API_URL, ID_URL
from harvest_source.unread import refuse_unread

SHORT = {"run": ["--reports", "none"], "verify": ["--reports", "none"], "show": ["select 1"]}
BEGINNING = "note: instead of Harvest, requests go to "


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_says_once_that_another_host_is_asked_and_the_demo_does_not(
    name: str, type_command: Type
) -> None:
    """Also one that ends at once, for want of a setting or for a wrong one."""
    quiet = ["--quiet"] if any(param.name == "quiet" for param in cli.commands[name].params) else []
    with serving(tiny()) as sandbox:
        done = type_command(name, *SHORT.get(name, []), *quiet, harvest=sandbox)
        assert (done.announced, BEGINNING in done.err) == (True, False)
        if quiet:
            shown = type_command(name, *SHORT.get(name, []), "--demo", harvest=sandbox)
            assert (shown.announced, BEGINNING in shown.err) == (False, False)


def test_settings_are_read_once_by_a_command(
    type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What says where requests go, and what sends them, go by the same."""
    reads = []

    def counted(*given: Any) -> None:
        reads.append(given)
        refuse_unread(*given)

    monkeypatch.setattr("harvest_source.settings.refuse_unread", counted)
    with serving(tiny()) as sandbox:
        assert type_command("accounts", harvest=sandbox).code == 0
    assert len(reads) == 1


@pytest.mark.parametrize(
    ("api_url", "id_url", "said"),
    [
        (API_URL, ID_URL, ""),
        ("https://API.harvestapp.com/v2", ID_URL, ""),
        ("https://api.harvestapp.com.example/v2/", ID_URL, "api.harvestapp.com.example (api_url)"),
        (API_URL, "https://id.example/", "id.example (id_url)"),
        ("https://one.example/v2/", "https://one.example:8443/", "one.example (api_url, id_url)"),
        (
            "https://one.example/v2/",
            "https://two.example/",
            "one.example (api_url), two.example (id_url)",
        ),
    ],
)
def test_hosts_are_named_with_their_settings(
    api_url: str, id_url: str, said: str, type_command: Type
) -> None:
    done = type_command(
        "status", "--quiet", "--json", API_URL=api_url, ID_URL=id_url, ACCESS_TOKEN=TOKEN
    )
    assert (done.code, done.out, done.err) == (0, "[]\n", f"{BEGINNING}{said}\n" if said else "")
