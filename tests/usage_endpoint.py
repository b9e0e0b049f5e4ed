"""A server in place of the one to which dlt sends usage figures."""

from __future__ import annotations

from dataclasses import dataclass

from loopback import Answering, Loopback


class _Answering(Answering):
    owner: UsageEndpoint

    def serve(self) -> None:
        self.owner.asked += 1
        self.answer(200)


@dataclass
class UsageEndpoint(Loopback):
    """Counts what comes to it, within a `with`."""

    answers = _Answering
    asked: int = 0

    @property
    def variables(self) -> dict[str, str]:
        """Returns the environment in which dlt would send the figures here."""
        return {"RUNTIME__DLTHUB_TELEMETRY_ENDPOINT": self.url}
