"""Verbs of accounts, the only writers of their tables."""
