"""The command line: one module per command or two, and the only places that print."""
