"""Verbs of the customer records; the only writer of their table."""

from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from core.constraints import constraints_as
from core.errors import FieldError, InvalidInput
from core.phones import ImpossiblePhone, parse_phone
from core.sequences import next_value

from .exceptions import CodeTaken, HasOrders
from .models import Customer

_CODE_TAKEN = "Another customer has this code."


def create_customer(*, name: str, code: str = "", **fields: Any) -> Customer:
    """Make a customer; without a code they get one.

    Args:
        fields: `phone` as people write it, `email`, `language`, `user`.

    Raises:
        InvalidInput: neither phone nor e-mail, or an impossible phone number.
        CodeTaken: another customer has the code.
    """
    customer = Customer(name=name, code=code or _free_code(), **fields)
    _save(customer)
    return customer


@transaction.atomic
def update_customer(*, customer_id: int, **changes: Any) -> Customer:
    """Change a customer's `name`, `code`, `phone`, `email`, `language` or `user`.

    Raises:
        InvalidInput: neither phone nor e-mail would be left, or an impossible phone number.
        CodeTaken: another customer has the code.
    """
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer_id)
    for name, value in changes.items():
        setattr(customer, name, value)
    _save(customer)
    return customer


def delete_customer(*, customer_id: int) -> None:
    """Raises `HasOrders` where they have ordered: the books need to know to whom."""
    try:
        Customer.objects.filter(pk=customer_id).delete()
    except ProtectedError:
        raise HasOrders("They have orders, so they cannot be deleted.") from None


def _save(customer: Customer) -> None:
    try:
        customer.phone = parse_phone(customer.phone) if customer.phone else ""
    except ImpossiblePhone as error:
        errors = [FieldError(path=("phone",), code=error.code, detail=error.detail)]
        raise ImpossiblePhone(error.detail, errors=errors) from None
    customer.email = customer.email.strip().lower()
    if not customer.phone and not customer.email:
        detail = "Give a phone number or an e-mail address."
        raise InvalidInput(
            detail,
            errors=[
                FieldError(path=(field,), code="required", detail=detail)
                for field in ("phone", "email")
            ],
        )
    taken = CodeTaken(
        _CODE_TAKEN, errors=[FieldError(path=("code",), code="taken", detail=_CODE_TAKEN)]
    )
    with constraints_as({"customers_customer_code_key": taken}):
        customer.save()


def _free_code() -> str:
    """Return C1001, C1002, …, without those that somebody gave by hand."""
    while True:
        code = f"C{next_value('customer_code')}"
        if not Customer.objects.filter(code=code).exists():
            return code
