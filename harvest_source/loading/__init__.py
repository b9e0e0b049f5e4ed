"""Keeps the tables of a destination equal to Harvest.

Offers `sync` in `syncing.py`, which does one run and returns its summary. May import reading, resources and destinations; it
prints nothing and knows no command.
"""
