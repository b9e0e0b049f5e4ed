"""Talks to Harvest's API: requests, limits, retries, accounts; knows nothing of tables."""
