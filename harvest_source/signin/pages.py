"""The pages that a browser shows during the sign-in: whole in themselves, they load nothing and run nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

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
    facts = "".join(
        f"<dt>{escape(what)}</dt><dd>{escape(value)}</dd>" for what, value in page.facts
    )
    return TEMPLATE.format(
        mood=page.mood,
        title=escape(page.title),
        text=escape(page.text),
        facts=f"<dl>{facts}</dl>" if facts else "",
        next_step=escape(page.next_step),
        sign=SIGNS[page.mood],
        style=STYLE,
    )


SIGNS = {
    OK: '<path d="M15 25.5l6.5 6.5L34 18.5"/>',
    BAD: '<path d="M17.5 17.5l13 13M30.5 17.5l-13 13"/>',
    CALM: '<path d="M24 15v11M24 32.5v.5"/>',
}

TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title} · Harvest pipeline</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main class="{mood}">
<p class="brand">Harvest pipeline</p>
<svg viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="23"/>{sign}</svg>
<h1>{title}</h1>
<p>{text}</p>
{facts}
<p class="next">{next_step}</p>
</main>
</body>
</html>
"""

STYLE = """
:root { color-scheme: light dark; --ground: #f4f1ec; --card: #fff; --ink: #24211d; --soft: #6b645b; --line: #e6e0d7;
  --ok: #1f7a4d; --bad: #b3372b; --calm: #9a6a12; }
@media (prefers-color-scheme: dark) { :root { --ground: #1b1916; --card: #262320; --ink: #f1ece4; --soft: #a89f93;
  --line: #3a3530; --ok: #5cc191; --bad: #f08a7e; --calm: #e0b35c; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--ground);
  color: var(--ink); font: 17px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { width: 100%; max-width: 30rem; padding: 40px 40px 28px; background: var(--card); border: 1px solid var(--line);
  border-radius: 14px; box-shadow: 0 12px 40px rgb(0 0 0 / .08); position: relative; overflow: hidden; }
main::before { content: ""; position: absolute; inset: 0 0 auto; height: 5px; background: var(--tone); }
.ok { --tone: var(--ok); } .bad { --tone: var(--bad); } .calm { --tone: var(--calm); }
.brand { margin: 0 0 28px; color: var(--soft); font-size: 14px; letter-spacing: .04em; }
svg { width: 60px; height: 60px; fill: none; stroke: var(--tone); stroke-width: 2; stroke-linecap: round;
  stroke-linejoin: round; }
svg path { stroke-width: 3.5; }
h1 { margin: 14px 0 8px; font-size: 27px; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
p { margin: 0 0 16px; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 18px; margin: 22px 0; padding: 16px 0;
  border: solid var(--line); border-width: 1px 0; }
dt { color: var(--soft); } dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.next { margin: 22px 0 0; color: var(--soft); font-size: 15px; }
"""
