"""Every fact of a report: its endpoint, its columns, and what dlt is told of them."""
