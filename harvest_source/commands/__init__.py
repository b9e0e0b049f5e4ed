"""The command line: one module per command or two, and the only places that print.

May import every other room; no other room imports it.
"""
