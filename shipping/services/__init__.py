"""Verbs of shipments and standing orders, the only writers of their tables."""
