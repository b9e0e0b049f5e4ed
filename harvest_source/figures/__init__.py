"""Answers in SQL: ten figures and two helpers over the loaded tables, the same text on every destination.

Each figure is a file of its name, and an entry of the catalogue in `figures.py`; `parts/` holds what several figures count in the
same way. Sends nothing and loads nothing: it imports the catalogue of reports, and no other room.
"""
