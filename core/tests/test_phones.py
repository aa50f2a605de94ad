import pytest

from core.phones import ImpossiblePhone, parse_phone


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0722 000 000", "+254722000000"),
        ("0722000000", "+254722000000"),
        ("722000000", "+254722000000"),
        ("+254 722 000 000", "+254722000000"),
        ("254722000000", "+254722000000"),
        ("000 254 722 000 000", "+254722000000"),
        ("  (0722) 000-000\t", "+254722000000"),
        ("0110 000 000", "+254110000000"),
        ("020 2222222", "+254202222222"),
        ("+447770 123456", "+447770123456"),
        ("+1 (202) 555-0143", "+12025550143"),
        ("+256 772 000000", "+256772000000"),
        ("０７２２００００００", "+254722000000"),
        ("+254722000000", "+254722000000"),
    ],
)
def test_a_number_as_people_write_it_becomes_e164(text, number):
    assert parse_phone(text) == number
    assert parse_phone(number) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "0722",
        "0722 000 00",
        "0722 000 0000",
        "+999 722 000 000",
        "+1 555 555",
        "0",
        "112",
        "+",
        "+254",
        "0722000000; DROP TABLE",
        "1" * 300,
        "\x00",
        "\ud800",
        "0000000000",
    ],
)
def test_what_cannot_be_a_phone_is_refused_in_a_sentence(text):
    with pytest.raises(ImpossiblePhone) as error:
        parse_phone(text)

    assert error.value.code == "impossible_phone"
    assert error.value.status == 400
    assert error.value.detail == (
        "This is not a phone number. Write it as 0722 000 000 or with its country code,"
        " +254 722 000 000."
    )


def test_a_number_without_a_country_code_is_of_the_shops_region(settings):
    settings.SHOP_REGION = "UG"

    assert parse_phone("0772 000000") == "+256772000000"


@pytest.mark.parametrize("text", ["0722 ABC DEF", "+254 722 000 000 ext. 5", "0722000000#5"])
def test_letters_and_extensions_are_refused_rather_than_guessed_at_or_dropped(text):
    with pytest.raises(ImpossiblePhone):
        parse_phone(text)
