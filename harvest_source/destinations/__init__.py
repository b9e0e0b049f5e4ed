"""What differs from one destination to another: how it is opened, what it can do, and how its tables are read."""
