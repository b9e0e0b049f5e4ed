"""What the pages say that a browser shows during the sign-in."""

from __future__ import annotations

from dataclasses import dataclass, field

from harvest_source import templates

BODY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

OK = "ok"
BAD = "bad"
CALM = "calm"


@dataclass(frozen=True)
class Page:
    """What a page says, in plain words."""

    mood: str  # OK, BAD or CALM
    title: str
    text: str
    facts: tuple[tuple[str, str], ...] = field(default=())  # what, and its value
    next_step: str = "You can close this tab."
    status: int = 200


WAITING = Page(
    CALM,
    "Waiting for Harvest",
    "This page shows how the sign-in ended, once Harvest has sent you back here.",
)
AGAIN = Page(
    CALM,
    "Already answered",
    "This sign-in was answered before, in this tab or another one. The first answer counts; this one changed nothing.",
    next_step="You can close this tab. To choose anew, start the sign-in again in the terminal.",
)
WRONG_STATE = Page(
    BAD,
    "Not from this sign-in",
    "This answer belongs to another sign-in, perhaps an earlier one. It was ignored, and nothing was stored.",
    next_step="Open the address that the terminal shows now.",
    status=400,
)
NO_COOKIE = Page(
    BAD,
    "Not from the browser that began",
    "This answer came without the cookie of the start page. It was ignored, and nothing was stored.",
    next_step=(
        "Open the address that the terminal shows in this browser, and allow it cookies for 127.0.0.1; "
        "or start again with login --no-browser."
    ),
    status=403,
)
OPENED_TWICE = Page(
    BAD,
    "Opened twice",
    "This start page was opened before, by another browser or program. From either of them the sign-in does not go on.",
    next_step="Open the address that the terminal shows, or start again with login --no-browser.",
    status=403,
)
NOTHING_HERE = Page(CALM, "Nothing here", "There is no page at this address.", status=404)
NOT_HERE = Page(CALM, "Nothing here", "This address leads to another place.", status=421)
NOT_FETCHED_AHEAD = Page(
    CALM,
    "Not fetched ahead",
    "This page is there once it is opened.",
    next_step="Open it.",
    status=503,
)


def signed_in_page(user: str, accounts: list[str], *, choose: bool) -> Page:
    """Returns the page for a sign-in that worked.

    Args:
        user: who signed in.
        accounts: the names of those that can be read now.
        choose: whether one of them is still to be chosen in the terminal.
    """
    facts = [("Signed in as", user)] if user else []
    facts.append(("Account" if len(accounts) == 1 else "Accounts", ", ".join(accounts) or "none"))
    step = (
        "Go back to the terminal and choose an account."
        if choose
        else "You can close this tab and go back to the terminal."
    )
    text = "The sign-in worked. The pipeline on this computer can read your Harvest data now. It changes nothing there."
    return Page(OK, "You are signed in", text, tuple(facts), step)


def failed_page(reason: str) -> Page:
    """Returns the page for a sign-in that did not work."""
    text = reason[:1].upper() + reason[1:] + ("" if reason.endswith(".") else ".")
    return Page(BAD, "You are not signed in", text, (), "Go back to the terminal to try again.")


def render(page: Page) -> str:
    """Returns a page as HTML."""
    return templates.render("sign_in.html", page=page)
