"""Which path is answered by what. A new page of the identity host is a new line in `ID_ROUTES`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from harvest_sandbox import consent, views
from harvest_sandbox.answers import Answer
from harvest_sandbox.calls import Call, IdCall
from harvest_sandbox.lists import LISTS, MY_PROJECT_ASSIGNMENTS, PROJECT_ASSIGNMENTS

View = Callable[[Call], Answer]
IdView = Callable[[IdCall], Answer]


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
        ("pto/assignments", views.pto_assignments),
        ("pto/allocations", views.pto_allocations),
        ("pto/balances", views.pto_balances),
    ]
    for spec in LISTS:
        routes.append((spec.path, views.list_view(spec)))
        if spec.single:
            routes.append((spec.path + "/{id}", views.single_view(spec)))
    return [(_pattern(path), view) for path, view in routes]


API_ROUTES = _api_routes()


def find(path: str) -> tuple[View, dict[str, Any]] | None:
    """Returns what answers a path after /v2/, and the numbers in it."""
    for pattern, view in API_ROUTES:
        match = pattern.fullmatch(path)
        if match:
            return view, match.groupdict()
    return None


# (method, path) -> view. The pages where a person consents in the browser belong here as well.
ID_ROUTES: dict[tuple[str, str], IdView] = {
    ("GET", "/api/v2/accounts"): views.accounts,
    ("POST", "/api/v2/oauth2/token"): lambda call: call.oauth.exchange(call.fields),
    ("GET", "/oauth2/authorize"): consent.ask,
    ("POST", "/oauth2/authorize"): consent.decide,
}
