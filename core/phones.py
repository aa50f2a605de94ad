"""Phone numbers, in E.164 (`+254722000000`) wherever they are stored or sent."""

from contextlib import suppress

import phonenumbers
from django.conf import settings

from .errors import InvalidInput

_MOBILE = {
    phonenumbers.PhoneNumberType.MOBILE,
    # In North America nobody can tell them apart.
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
}


class ImpossiblePhone(InvalidInput):
    """This cannot be the number of a phone."""

    code = "impossible_phone"


def parse_phone(text: str, *, field: str = "phone", only_mobile: bool = False) -> str:
    """Return the number in E.164; one without a country code is of the shop's region.

    Spaces, dashes and brackets are as people write them: `0722 000 000`, `+447770 123456`.

    Args:
        only_mobile: refuse what is no ordinary person's mobile: satellites, premium rates, ….

    Raises:
        ImpossiblePhone: no network gives out such a number.
    """
    number = None
    # Letters would be read as a keypad's, and an extension be dropped in silence.
    if not any(char.isalpha() for char in text):
        with suppress(phonenumbers.NumberParseException):
            number = phonenumbers.parse(text, settings.SHOP_REGION)
    if number is None or number.extension or not phonenumbers.is_valid_number(number):
        raise ImpossiblePhone.at(
            field,
            detail="This is not a phone number. Write it as 0722 000 000 or with its country code,"
            " +254 722 000 000.",
        )
    if only_mobile and phonenumbers.number_type(number) not in _MOBILE:
        raise ImpossiblePhone.at(field, detail="This is not the number of a mobile phone.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
