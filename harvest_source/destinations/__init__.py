"""What differs from one destination to another.

Offers how a destination is opened, what it can do, what its failures mean, and the questions that a run asks of its tables.
May import the catalogue and what stands below it; knows nothing of how Harvest is asked.
"""
