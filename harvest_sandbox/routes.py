"""Which path is answered by what. A new page of the identity host is a new line in `ID_ROUTES`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harvest_sandbox import consent, views
from harvest_sandbox.lists import LISTS, MY_PROJECT_ASSIGNMENTS, PROJECT_ASSIGNMENTS

if TYPE_CHECKING:
    from harvest_sandbox.answers import Answer
    from harvest_sandbox.server import Sandbox

View = Callable[["views.Call"], "Answer"]
IdView = Callable[["IdCall"], "Answer"]


@dataclass
class IdCall:
    """A request to the identity host."""

    sandbox: Sandbox
    query: Mapping[str, str]
    headers: Mapping[str, str]
    fields: dict[str, str] = field(default_factory=dict)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(path.replace("{parent}", r"(?P<parent>\d+)").replace("{id}", r"(?P<id>\d+)"))


def _api_routes() -> list[tuple[re.Pattern[str], View]]:
    routes: list[tuple[str, View]] = [
        ("company", views.company),
        ("users/me", views.me),
        (MY_PROJECT_ASSIGNMENTS.path, views.my_project_assignments),
        (PROJECT_ASSIGNMENTS.path, views.project_assignments),
        ("invoices/{parent}/messages/new", views.message_template),
        ("reports/time/(?P<subject>clients|projects|tasks|team)", views.time_report),
        ("reports/expenses/(?P<subject>clients|projects|categories|team)", views.expense_report),
        ("reports/uninvoiced", views.uninvoiced_report),
        ("reports/project_budget", views.budget_report),
    ]
    for spec in LISTS:
        routes.append((spec.path, views.list_view(spec)))
        if spec.single:
            routes.append((spec.path + "/{id}", views.single_view(spec)))
    return [(_pattern(path), view) for path, view in routes]


API_ROUTES = _api_routes()


def find(path: str) -> tuple[View, dict[str, Any]] | None:
    """Return what answers a path after /v2/, and the numbers in it."""
    for pattern, view in API_ROUTES:
        match = pattern.fullmatch(path)
        if match:
            return view, match.groupdict()
    return None


def _accounts(call: IdCall) -> Answer:
    return views.accounts(call.sandbox, call.headers)


def _token(call: IdCall) -> Answer:
    return call.sandbox.oauth.exchange(call.fields)


def _consent_page(call: IdCall) -> Answer:
    return consent.ask(call.sandbox, call.query)


def _consent_decided(call: IdCall) -> Answer:
    return consent.decide(call.sandbox, call.fields)


# (method, path) -> view. The pages where a person consents in the browser belong here as well.
ID_ROUTES: dict[tuple[str, str], IdView] = {
    ("GET", "/api/v2/accounts"): _accounts,
    ("POST", "/api/v2/oauth2/token"): _token,
    ("GET", "/oauth2/authorize"): _consent_page,
    ("POST", "/oauth2/authorize"): _consent_decided,
}
