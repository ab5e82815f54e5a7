"""Tells people: findings from the warehouse, one ledger of what was said, and the ways to say it."""
