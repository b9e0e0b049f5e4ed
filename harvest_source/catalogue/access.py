"""Who may read what of a report (Harvest API, permissions): one rule, from which its sentence is made as well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Extent(StrEnum):
    """How much of a report somebody may read."""

    ALL = "full"
    OWN = "own rows only"  # of a manager: those of teammates and managed projects too
    NOTHING = "not allowed"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Access:
    """What managers and members may read of a report; an administrator may read all of every one."""

    manager: Extent = Extent.NOTHING
    member: Extent = Extent.NOTHING
    needs: frozenset[str] = frozenset()  # one of these roles a manager must have as well
    allows: str = ""  # what such a role allows, in words
    manager_sees: str = ""  # in words, where it is not all
    member_sees: str = ""
    # of whom Harvest says nothing, so that what stands here is taken to be so
    not_said_of: str = ""
    # what claims call it: answers without a role were seen to have claims such as `timers:read:own`
    claim: str = ""

    def __str__(self) -> str:
        """Returns who may read all of it, and what others see."""
        if self.needs:
            return f"an administrator, or a manager who may {self.allows}"
        sees = [f"a manager sees {self.manager_sees}"] if self.manager_sees else []
        sees += [f"a member only {self.member_sees}"] if self.member_sees else []
        all_of_it = f"an administrator{' or a manager' if self.member is Extent.ALL else ''}"
        told = ", ".join(sees) or (
            f"for {self.not_said_of} Harvest does not say" if self.not_said_of else ""
        )
        return f"{all_of_it}; {told}" if told else all_of_it

    def of(self, roles: Iterable[str], claims: Iterable[str]) -> Extent:
        """Returns what somebody may read, told from the roles, and from the claims where there is no role."""
        roles = tuple(roles)
        return self.by_role(roles) if roles else self.by_claims(claims)

    def by_role(self, roles: Iterable[str]) -> Extent:
        """Returns what somebody with these roles may read."""
        roles = set(roles)
        if "administrator" in roles:
            return Extent.ALL
        if "manager" not in roles:
            return self.member
        return self.manager if not self.needs or self.needs & roles else Extent.NOTHING

    def by_claims(self, claims: Iterable[str]) -> Extent:
        """Returns what claims such as `timers:read:own` say of it."""
        if self.member is Extent.ALL:
            return Extent.ALL
        scopes = {
            claim.rpartition(":")[2]
            for claim in claims
            if self.claim and claim.startswith(f"{self.claim}:read:")
        }
        return Extent.UNKNOWN if not scopes else Extent.ALL if "all" in scopes else Extent.OWN


ADMINISTRATORS = Access()
MANAGERS_OF_CLIENTS = Access(
    Extent.ALL,
    needs=frozenset({"client_and_task_manager"}),
    allows="manage clients and tasks (client_and_task_manager)",
)
OWN_PROJECTS = Access(Extent.OWN, manager_sees="the projects they manage")
OWN_TEAM = Access(Extent.OWN, manager_sees="their teammates and projects")
TEAMMATES = Access(Extent.OWN, manager_sees="their teammates")
OWN_TIME = Access(
    Extent.OWN, Extent.OWN, manager_sees="their teammates and projects", member_sees="their own"
)
ONESELF = Access(
    Extent.OWN, Extent.OWN, manager_sees="their teammates and themselves", member_sees="themselves"
)
EVERYBODY = Access(Extent.ALL, Extent.ALL, not_said_of="a member")
NOT_SAID = Access(Extent.ALL, not_said_of="others")
INVOICING = Access(
    Extent.ALL,
    needs=frozenset({"managed_projects_invoice_drafter", "managed_projects_invoice_manager"}),
    allows="create and edit invoices",
    claim="invoices",
)
ESTIMATING = Access(
    Extent.ALL, needs=frozenset({"estimates_manager"}), allows="create and edit estimates"
)
# what others than administrators see is not known: it is taken to be their own rows, and those of teammates
NOT_VERIFIED = Access(
    Extent.OWN,
    Extent.OWN,
    manager_sees="what Harvest shows them",
    member_sees="what it shows them",
)
RATES = Access(
    Extent.OWN, needs=frozenset({"billable_rates_manager"}), allows="edit billable rates"
)
