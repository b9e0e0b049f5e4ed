"""Columns that several figures share."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import ACCOUNT_ID, date, decimal, text, whole

CLIENT = (
    whole("client_id", "Id of the client; joins clients."),
    text("client_name", "Name of the client, as it is now."),
)
PROJECT = (
    whole("project_id", "Id of the project; joins projects."),
    text("project_name", "Name of the project, as it is now."),
)
USER = (
    whole("user_id", "Id of the user; joins users."),
    text("user_name", "First and last name of the user, as they are now."),
)
INVOICE = (
    whole("invoice_id", "Id of the invoice; joins invoices."),
    text("invoice_number", "Number printed on the invoice; a text."),
)
OF_PROJECT = (ACCOUNT_ID, *CLIENT, *PROJECT)
OF_USER = (ACCOUNT_ID, *USER)
OF_INVOICE = (ACCOUNT_ID, *CLIENT, *INVOICE)

MONTH = date("month", "First day of the month.")
CURRENCY = text("currency", "Currency of the client: the money of the row is in it.")
AS_OF = date("as_of", "Day of the account's data: ages and elapsed days count to it.")
WITHOUT_RATE = decimal(
    "hours_without_rate",
    "Billable hours, rounded, of entries without a rate: they count as hours, and as no money.",
)
WITHOUT_COST = decimal(
    "hours_without_cost",
    "Hours of entries without a cost rate: they count as hours, and as no cost.",
)
