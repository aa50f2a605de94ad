"""Verbs of conversations, the only writers of their tables."""
