"""Columns of users and of what hangs on them: roles, rates and teammates."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import (
    ACCOUNT_ID,
    STAMPS,
    USER_ID,
    date,
    decimal,
    flag,
    identity,
    text,
    values,
    whole,
)
from harvest_source.catalogue.columns.types import Field

USERS: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("user"),
    text("first_name", "First name."),
    text("last_name", "Last name."),
    text("email", "E-mail address, the login."),
    text("telephone", "Telephone number; often empty."),
    text(
        "timezone",
        "Time zone in Harvest's own words, such as `Eastern Time (US & Canada)`; not an IANA name.",
    ),
    whole("weekly_capacity", "Capacity a week, in seconds (126000 = 35 hours)."),
    flag("has_access_to_all_future_projects", "True if the user is put on every new project."),
    flag("is_contractor", "True for a contractor."),
    flag("is_active", "False if the user is archived."),
    decimal(
        "default_hourly_rate",
        "Current billable rate per hour; null: none, or the caller may not see rates.",
    ),
    decimal(
        "cost_rate",
        "Current cost per hour; null: none, or the caller may not see costs. History: cost_rates.",
    ),
    text("avatar_url", "Address of the picture; changes without meaning."),
    flag(
        "calendar_integration_enabled",
        "True if a calendar is connected; sent by Harvest without being documented.",
    ),
    text(
        "calendar_integration_source",
        "Which calendar is connected; null: none. Not documented by Harvest.",
    ),
    flag(
        "can_create_projects",
        "True if the user may create projects; not documented by Harvest, see access_roles.",
    ),
    flag(
        "saml_exempt",
        "True if the user may sign in without single sign-on; not documented by Harvest.",
    ),
    text(
        "permissions_profile", "Name of the user's set of permissions; not documented by Harvest."
    ),
    *STAMPS,
    values(
        "roles",
        "Job titles of the user; unrelated to permissions.",
        text("value", "Name of the role, not its id."),
    ),
    values(
        "access_roles",
        "Permissions of the user in Harvest.",
        text(
            "value",
            "One of `administrator`, `manager` or `member`; managers may have further ones.",
        ),
    ),
    values(
        "permissions_claims",
        "Single permissions of the user; sent by Harvest without being documented.",
        text("value", "A permission such as `invoices:read:all`."),
    ),
)

ROLES: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("role"),
    text("name", "Job title; unrelated to permissions."),
    *STAMPS,
    values(
        "user_ids",
        "Users who have the role.",
        whole("value", "Id of a user; joins users.", "users"),
    ),
)

BILLABLE_RATES: tuple[Field, ...] = (
    ACCOUNT_ID,
    USER_ID,
    identity("billable rate"),
    decimal("amount", "Billable rate per hour, in the account's currency."),
    date("start_date", "First day the rate holds; null: since ever."),
    date("end_date", "Last day the rate holds, computed by Harvest; null: still in force."),
    *STAMPS,
)

COST_RATES: tuple[Field, ...] = (
    ACCOUNT_ID,
    USER_ID,
    identity("cost rate"),
    decimal("amount", "Cost per hour, in the account's currency."),
    date("start_date", "First day the rate holds; null: since ever."),
    date("end_date", "Last day the rate holds, computed by Harvest; null: still in force."),
    *STAMPS,
)

TEAMMATES: tuple[Field, ...] = (
    ACCOUNT_ID,
    whole(
        "user_id", "Id of the manager; not in Harvest's answer, taken from the request.", "users"
    ),
    whole(
        "id",
        "Id of the user assigned to the manager; the same user can stand under several managers.",
        "users",
    ),
    text("first_name", "First name of the teammate."),
    text("last_name", "Last name of the teammate."),
    text("email", "E-mail address of the teammate."),
)
