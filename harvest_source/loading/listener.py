"""What a run tells while it works. The package itself prints nothing."""

from __future__ import annotations


class Listener:
    """Hears what happens; the base class ignores it all."""

    def note(self, message: str) -> None:
        """Hears something a person should read."""

    def reports(self, names: list[str]) -> None:
        """Hears which reports are about to be read."""

    def request(self, report: str) -> None:
        """Hears of each request as it is sent; called from any thread."""

    def waiting(self, seconds: float, why: str) -> None:
        """Hears of a wait for a limit; called from any thread."""

    def outage(self, what: str) -> None:
        """Hears what keeps Harvest's answers away, while the run goes on trying, and when they come again; from any thread."""

    def planned(self, requests: int, seconds: float) -> None:
        """Hears how many requests are still to come and about how long they take."""

    def read(self, report: str, rows: int, error: str | None) -> None:
        """Hears that a report is read completely, or why not; called from any thread."""

    def step(self, what: str) -> None:
        """Hears what the run does next."""
