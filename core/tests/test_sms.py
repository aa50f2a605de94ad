"""How many SMS a text takes, at the edges where one more character costs one more."""

import pytest

from core.sms import Size, size_of

EMOJI = "🛒"  # Two units of ucs-2.


def gsm(units, segments):
    return Size(encoding="gsm-7", units=units, segments=segments)


def ucs(units, segments):
    return Size(encoding="ucs-2", units=units, segments=segments)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", gsm(0, 0)),
        ("a", gsm(1, 1)),
        ("a" * 160, gsm(160, 1)),
        ("a" * 161, gsm(161, 2)),
        ("a" * 306, gsm(306, 2)),
        ("a" * 307, gsm(307, 3)),
        ("a" * 459, gsm(459, 3)),
        ("a" * 460, gsm(460, 4)),
        # Two septets each, escape and character.
        ("€", gsm(2, 1)),
        ("€" * 80, gsm(160, 1)),
        ("€" * 80 + "a", gsm(161, 2)),
        ("a" * 158 + "€", gsm(160, 1)),
        ("a" * 159 + "€", gsm(161, 2)),
        # The pair would be cut after 152, so that it goes over whole and the first ends one short.
        ("a" * 152 + "€" + "a" * 151, gsm(305, 2)),
        ("a" * 152 + "€" + "a" * 152, gsm(306, 3)),
        # Right at the cut it fits.
        ("a" * 151 + "€" + "a" * 153, gsm(306, 2)),
        # 76 pairs and a septet that stays empty in each.
        ("€" * 152, gsm(304, 2)),
        ("€" * 153, gsm(306, 3)),
    ],
)
def test_gsm_7_takes_160_septets_alone_and_153_in_each_of_several(text, size):
    assert size_of(text) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("ĩ", ucs(1, 1)),
        ("ĩ" * 70, ucs(70, 1)),
        ("ĩ" * 71, ucs(71, 2)),
        ("ĩ" * 134, ucs(134, 2)),
        ("ĩ" * 135, ucs(135, 3)),
        # One such character makes it of all.
        ("a" * 69 + "ĩ", ucs(70, 1)),
        ("a" * 70 + "ĩ", ucs(71, 2)),
        (EMOJI, ucs(2, 1)),
        (EMOJI * 35, ucs(70, 1)),
        (EMOJI * 35 + "a", ucs(71, 2)),
        # Never cut in two: after 66 it goes over whole.
        ("a" * 66 + EMOJI + "a" * 65, ucs(133, 2)),
        ("a" * 66 + EMOJI + "a" * 66, ucs(134, 3)),
        ("a" * 65 + EMOJI + "a" * 67, ucs(134, 2)),
        (EMOJI * 66, ucs(132, 2)),
        (EMOJI * 67, ucs(134, 3)),
    ],
)
def test_ucs_2_takes_70_units_alone_and_67_in_each_of_several(text, size):
    assert size_of(text) == size


# GSM 03.38, row by row, as the standard prints its table.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
EXTENDED = "\f^{}\\[~]|€"


def test_the_alphabet_is_the_standard_s():
    # 128 places, one of them the escape.
    assert len(set(BASIC)) == 127
    for char in BASIC:
        assert size_of(char) == gsm(1, 1), char
    for char in EXTENDED:
        assert size_of(char) == gsm(2, 1), char
    gsm_7 = {chr(code) for code in range(0x3000) if size_of(chr(code)).encoding == "gsm-7"}
    assert gsm_7 == {*BASIC, *EXTENDED}


@pytest.mark.parametrize("char", ["ç", "`", "ũ", "’", "–", "“", "\t", "\u00a0"])
def test_what_word_processors_put_in_makes_it_ucs_2(char):
    assert size_of(f"a{char}") == ucs(2, 1)
