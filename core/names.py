"""Names of people."""

from unicodedata import category

from .errors import InvalidInput

# Control characters, ends of lines, and what is not seen: the marks that turn text round, ….
_ODD = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
# Names in Persian and Sinhala, and emoji, are spelt with them.
_JOINERS = "\u200c\u200d"


def check_name(name: str) -> None:
    """Raises `InvalidInput` for control characters and the like, which no name has."""
    if any(category(each) in _ODD and each not in _JOINERS for each in name):
        raise InvalidInput.at("name", detail="A name has no control characters.")
