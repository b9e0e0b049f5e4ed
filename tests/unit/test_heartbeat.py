"""Which address is pinged, and what a run pings in which order."""

from __future__ import annotations

import pytest
from switch import PATH, QUERY, Switch

from harvest_source.addresses import origin
from harvest_source.commands.heartbeat import FAIL, START, SUCCESS, Heartbeat, ping_url
from harvest_source.errors import LoadFailedError
from harvest_source.loading.summary import ReportResult, Summary

COMPLETE = Summary([ReportResult("clients", 1001)])
INCOMPLETE = Summary([ReportResult("clients", 1001), ReportResult("roles", 1001, error="refused")])

ADDRESSES = {
    "https://hc-ping.com/uuid": ("https://hc-ping.com/uuid/start", "https://hc-ping.com/uuid/fail"),
    "https://hc-ping.com/uuid/": (
        "https://hc-ping.com/uuid/start",
        "https://hc-ping.com/uuid/fail",
    ),
    "https://hc-ping.com/key/slug?create=1&rid=a/b": (
        "https://hc-ping.com/key/slug/start?create=1&rid=a/b",
        "https://hc-ping.com/key/slug/fail?create=1&rid=a/b",
    ),
    "https://ping.example?key=%2F": (
        "https://ping.example/start?key=%2F",
        "https://ping.example/fail?key=%2F",
    ),
    "http://[::1]:8000/a%20b": ("http://[::1]:8000/a%20b/start", "http://[::1]:8000/a%20b/fail"),
}


@pytest.mark.parametrize("url", ADDRESSES)
def test_path_has_one_word_more_and_the_query_stays(url: str) -> None:
    """A success is pinged at the address as it was given; none leads to another host."""
    pinged = [ping_url(url, kind) for kind in (START, FAIL)]
    assert (*pinged, ping_url(url, SUCCESS)) == (*ADDRESSES[url], url)
    assert {origin(each) for each in pinged} == {origin(url)}


@pytest.mark.parametrize(("summary", "kind"), [(COMPLETE, ""), (INCOMPLETE, "/fail")])
def test_end_is_pinged_after_the_start(summary: Summary, kind: str) -> None:
    """However quick the run is: a start that comes last would seem to begin another one."""
    with Switch() as switch:
        Heartbeat(switch.url, quiet=False).done(summary)
    assert switch.asked == [f"{PATH}/start{QUERY}", f"{PATH}{kind}{QUERY}"]


@pytest.mark.parametrize("exit_code", [1, 2])
def test_early_end_is_a_failure(exit_code: int) -> None:
    with Switch() as switch:
        Heartbeat(switch.url, quiet=False).ended_early(LoadFailedError("gone"), exit_code)
    assert switch.kinds == ["/start", "/fail"]


@pytest.mark.parametrize("quiet", [True, False])
def test_service_that_knows_no_start_is_said_once_and_not_where_it_is_quiet(
    capfd: pytest.CaptureFixture[str], *, quiet: bool
) -> None:
    """The success counts; cron would mail the line every day."""
    with Switch(statuses={"/start": 404}) as switch:
        Heartbeat(switch.url, quiet=quiet).done(COMPLETE)
    said = "" if quiet else "the heartbeat of the start could not be sent: HTTP 404\n"
    assert (switch.kinds, capfd.readouterr().err) == ([""], said)
