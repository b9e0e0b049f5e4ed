"""Signs in to Harvest and signs requests: tokens, where they are kept, and how they are renewed."""
