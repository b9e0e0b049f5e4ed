"""The page that the command `report` writes: which numbers stand on it, in which order, and what is said beside them.

It takes rows of figures and lines of `load_report`, and asks nobody. Beside its text each number has its exact value there, and
of which rows and column of which figure it is made.
"""
