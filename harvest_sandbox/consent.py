"""The pages of the identity host where a person signs in, chooses accounts and consents."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from harvest_sandbox.access import Access, Caller
from harvest_sandbox.answers import HTML, Answer
from harvest_sandbox.calls import IdCall
from harvest_sandbox.oauth import OAuth

ALL = "all"


def ask(call: IdCall) -> Answer:
    """Answers with the page that asks for consent."""
    wrong = _wrong(call.oauth, call.query)
    if wrong:
        return _page(400, wrong)
    kept = "".join(
        f'<input type="hidden" name="{name}" value="{escape(call.query.get(name, ""))}">'
        for name in (
            "client_id",
            "redirect_uri",
            "state",
            "response_type",
            "code_challenge",
            "code_challenge_method",
        )
    )
    choices = [(str(account.id), account.name) for account in call.accounts]
    if len(choices) > 1:
        choices.append((ALL, "All accounts"))
    radios = "".join(
        f'<label><input type="radio" name="account" value="{value}"{" checked" if place == 0 else ""}> {escape(name)}</label>'
        for place, (value, name) in enumerate(choices)
    )
    user = next((Access(account, Caller()).user for account in call.accounts), None) or {}
    who = escape(f"{user.get('first_name', '')} {user.get('last_name', '')}".strip())
    return _page(
        200,
        "Allow access to your Harvest data?",
        f"<p>You are signed in as <b>{who}</b>. An application asks to see your data.</p>"
        f'<form method="post" action="/oauth2/authorize">{kept}<fieldset>{radios}</fieldset>'
        '<button name="decision" value="allow" id="allow">Authorize</button> '
        '<button name="decision" value="deny" id="deny" class="quiet">Deny</button></form>',
    )


def decide(call: IdCall) -> Answer:
    """Answers a decision: sends the browser back to the application, with a code or a refusal."""
    fields = call.fields
    wrong = _wrong(call.oauth, fields)
    if wrong:
        return _page(400, wrong)
    back = {"state": fields["state"]} if fields.get("state") else {}
    if fields.get("decision") != "allow":
        return _redirect(
            fields,
            {"error": "access_denied", "error_description": "The user denied the request.", **back},
        )
    chosen = fields.get("account", ALL)
    ids = [account.id for account in call.accounts]
    reached = (
        ids if chosen == ALL else [account_id for account_id in ids if str(account_id) == chosen]
    )
    if not reached:
        return _page(400, "There is no such account")
    code = call.oauth.issue_code(
        Caller(accounts=None if chosen == ALL else reached), fields.get("code_challenge", "")
    )
    return _redirect(
        fields,
        {"code": code, "scope": "harvest:all" if chosen == ALL else f"harvest:{chosen}", **back},
    )


def _wrong(oauth: OAuth, fields: Mapping[str, str]) -> str:
    """Returns what is wrong with a request for consent; such a one never leads back to its redirect address."""
    if fields.get("client_id") != oauth.client_id:
        return "Unknown application"
    redirect = fields.get("redirect_uri", "")
    if not redirect.startswith(("http://", "https://")) or not redirect.startswith(
        oauth.redirect_url
    ):
        return "The redirect address is not the registered one"
    if fields.get("code_challenge") and fields.get("code_challenge_method") != "S256":
        return "The code challenge method is not supported"
    return "" if fields.get("response_type") == "code" else "The response type is not supported"


def _redirect(fields: Mapping[str, str], values: Mapping[str, str]) -> Answer:
    return Answer(302, b"", HTML, {"Location": f"{fields['redirect_uri']}?{urlencode(values)}"})


def _page(status: int, title: str, body: str = "") -> Answer:
    text = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><link rel="icon" href="data:,"><style>
body {{ font: 17px/1.5 sans-serif; max-width: 32rem; margin: 4rem auto; padding: 0 1rem; color: #222; }}
label {{ display: block; padding: .3rem 0; }} fieldset {{ border: 1px solid #ccc; border-radius: 8px; margin: 1rem 0; }}
button {{ font: inherit; padding: .5rem 1.2rem; border: 1px solid #a34b00; border-radius: 8px; }}
button {{ background: #a34b00; color: #fff; }}
.quiet {{ background: #fff; color: #a34b00; }}
</style></head><body><h1>{escape(title)}</h1>{body}</body></html>
"""
    return Answer(status, text.encode(), HTML)
