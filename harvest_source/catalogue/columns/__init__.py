"""The declared columns of every report, by topic; no HTTP and no loading in here."""
