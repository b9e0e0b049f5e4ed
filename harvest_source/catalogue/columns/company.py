"""Columns of the company and of its clients and contacts."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import (
    ACCOUNT_ID,
    CLIENT,
    STAMPS,
    flag,
    identity,
    secret,
    text,
    whole,
)
from harvest_source.catalogue.columns.types import Field

COMPANY: tuple[Field, ...] = (
    ACCOUNT_ID,
    text("name", "Name of the company."),
    text("base_uri", "Web address of the account."),
    text("full_domain", "Host name of the account."),
    flag("is_active", "False if the company is archived."),
    text("week_start_day", "First day of the week: `Saturday`, `Sunday` or `Monday`."),
    flag(
        "wants_timestamp_timers", "True: time is kept as start and end times; false: as durations."
    ),
    text("time_format", "How hours are shown, `decimal` or `hours_minutes`; display only."),
    text("date_format", "How dates are shown, a strftime pattern; display only."),
    text("plan_type", "Harvest plan, such as `trial`, `free` or `simple-v4`."),
    text(
        "clock",
        "`12h` or `24h`; decides how started_time and ended_time of time entries are written.",
    ),
    text(
        "currency",
        "Account currency, ISO 4217 code; user rates are in it. Sent by Harvest without being documented.",
    ),
    text("currency_code_display", "Where the currency code is shown; display only."),
    text("currency_symbol_display", "Where the currency symbol is shown; display only."),
    text("decimal_symbol", "Decimal symbol; display only."),
    text("thousands_separator", "Thousands separator; display only."),
    text("color_scheme", "Colours of the account; display only."),
    whole(
        "weekly_capacity", "Default capacity of a person a week, in seconds (126000 = 35 hours)."
    ),
    flag(
        "expense_feature", "True if expenses are switched on; else the expense tables stay empty."
    ),
    flag(
        "invoice_feature", "True if invoices are switched on; else the invoice tables stay empty."
    ),
    flag(
        "estimate_feature",
        "True if estimates are switched on; else the estimate tables stay empty.",
    ),
    flag("approval_feature", "True if approval of time and expenses is switched on."),
    flag("team_feature", "True if the team module is switched on."),
)

CLIENTS: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("client"),
    text("name", "Name of the client."),
    flag("is_active", "False if the client is archived."),
    text("address", "Postal address, may hold line breaks; may be null."),
    secret(
        "statement_key",
        "Part of the client's public statement address: opens it without login, treat as a secret.",
    ),
    text("currency", "Currency of the client's invoices, ISO 4217 code."),
    *STAMPS,
)

CONTACTS: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("contact"),
    *CLIENT,
    text("title", "Title of the contact; may be null."),
    text("first_name", "First name of the contact."),
    text("last_name", "Last name of the contact; may be null or empty."),
    text("email", "E-mail address of the contact; may be null or empty."),
    text("phone_office", "Office telephone; usually empty rather than null."),
    text("phone_mobile", "Mobile telephone; usually empty rather than null."),
    text("fax", "Fax number; usually empty rather than null."),
    *STAMPS,
)
