"""Columns of estimates, their messages and the categories of their lines."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import (
    ACCOUNT_ID,
    CLIENT,
    CREATOR,
    DOCUMENT_AMOUNTS,
    DOCUMENT_TEXTS,
    ESTIMATE_ID,
    LINE_ITEM,
    MESSAGE,
    RECIPIENTS,
    STAMPS,
    date,
    identity,
    instant,
    secret,
    text,
)
from harvest_source.catalogue.columns.types import Field, NestedList

ESTIMATES: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("estimate"),
    *CLIENT,
    secret(
        "client_key",
        "Part of the estimate's public address: opens it without login, treat as a secret.",
    ),
    *DOCUMENT_TEXTS,
    text("state", "`draft`, `sent`, `accepted` or `declined`."),
    *DOCUMENT_AMOUNTS,
    date("issue_date", "Day of the estimate; can be changed later, null on drafts."),
    instant("sent_at", "When it was sent, UTC; null: not sent."),
    instant("accepted_at", "When it was accepted, UTC; null: not accepted."),
    instant("declined_at", "When it was declined, UTC; null: not declined."),
    *CREATOR,
    *STAMPS,
    NestedList(
        "line_items",
        LINE_ITEM,
        "Lines of the estimate, the full current list; unlike invoice lines without a project.",
    ),
)

ESTIMATE_MESSAGES: tuple[Field, ...] = (
    ACCOUNT_ID,
    ESTIMATE_ID,
    identity("estimate message"),
    text(
        "event_type",
        "`send`, `accept`, `decline`, `re-open`, `view` or `invoice`; null: an e-mail was sent.",
    ),
    *MESSAGE,
    *STAMPS,
    RECIPIENTS,
)

ESTIMATE_ITEM_CATEGORIES: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("estimate item category"),
    text("name", "Name of the category; stands as kind on the lines."),
    *STAMPS,
)
