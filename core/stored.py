"""Words from outside, as the database can hold them."""


def storable(text: str, limit: int | None = None) -> str:
    """Return words from outside without what no column takes, or what they tell would be lost."""
    return text.replace("\x00", "").encode(errors="replace").decode()[:limit]
