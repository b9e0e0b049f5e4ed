"""Talks to Harvest's API.

Offers one client that gets one object, one page or all pages of a list within Harvest's limits, the list of accounts, and
reading and judging of answers. Knows nothing of tables, reports' columns or dlt; may import the sign-in, which signs its
requests, the catalogue and the settings.
"""
