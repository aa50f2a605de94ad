"""How many SMS a text takes."""

from dataclasses import dataclass

# GSM 03.38: the characters of seven bits, and those that take two of them.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")


@dataclass(frozen=True, kw_only=True)
class Size:
    """How a text goes out: `units` are septets of gsm-7, or 16-bit units of ucs-2."""

    encoding: str
    units: int
    segments: int


def size_of(text: str) -> Size:
    """Return what a text takes: 160 septets or 70 units alone, 153 or 67 in each of several.

    A character of two units is never cut in two, so that a segment may end one short.
    """
    if all(char in _BASIC or char in _EXTENDED for char in text):
        encoding, alone, each = "gsm-7", 160, 153
        widths = [2 if char in _EXTENDED else 1 for char in text]
    else:
        encoding, alone, each = "ucs-2", 70, 67
        widths = [2 if ord(char) > 0xFFFF else 1 for char in text]
    units = sum(widths)
    if units <= alone:
        return Size(encoding=encoding, units=units, segments=1 if text else 0)
    segments, left = 1, each
    for width in widths:
        if width > left:
            segments, left = segments + 1, each
        left -= width
    return Size(encoding=encoding, units=units, segments=segments)
