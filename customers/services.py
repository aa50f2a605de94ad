"""Verbs of the customer records; the only writer of their table."""

from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from core.constraints import constraints_as
from core.errors import FieldError, InvalidInput
from core.phones import ImpossiblePhone, parse_phone
from core.sequences import next_value

from .exceptions import CodeTaken, HasOrders
from .models import Customer


def create_customer(*, name: str, code: str = "", **fields: Any) -> Customer:
    """Make a customer; without a code they get one.

    Args:
        fields: `phone` as people write it, `email`, `language`, `user`.

    Raises:
        InvalidInput: neither phone nor e-mail, or an impossible phone number.
        CodeTaken: another customer has the code.
    """
    while True:
        customer = Customer(name=name, code=code or _free_code(), **fields)
        try:
            _save(customer)
        except CodeTaken:
            # A made code may have been given by hand since it was found free: make the next.
            if code:
                raise
        else:
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


def hold_customer(*, customer_id: int) -> Customer:
    """Return a customer as they are now, not to be deleted before this transaction ends.

    Raises:
        Customer.DoesNotExist: they are deleted already.
    """
    # Locked as a foreign key locks, so that their orders do not wait for one another.
    statement = "SELECT * FROM customers_customer WHERE id = %s FOR KEY SHARE"
    for customer in Customer.objects.raw(statement, [customer_id]):
        return customer
    raise Customer.DoesNotExist


def delete_customer(*, customer_id: int) -> None:
    """Raises `HasOrders` where they have ordered: the books need to know to whom."""
    try:
        with transaction.atomic():
            Customer.objects.filter(pk=customer_id).delete()
            # Foreign keys are held at the commit, but an order that came in is to be told here.
            connection.check_constraints()
    except (ProtectedError, IntegrityError):
        raise HasOrders("They have orders, so they cannot be deleted.") from None


def _save(customer: Customer) -> None:
    customer.phone = parse_phone(customer.phone) if customer.phone else ""
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
    refused = {
        "customers_customer_code_key": CodeTaken.at(
            "code", detail="Another customer has this code."
        ),
        # A few short service numbers are valid to their network, but no customer's.
        "customer_phone_is_e164": ImpossiblePhone.at("phone", detail="This is not a phone number."),
    }
    with constraints_as(refused):
        customer.save()


def _free_code() -> str:
    """Return C1001, C1002, …, without those that somebody gave by hand."""
    while True:
        code = f"C{next_value('customer_code')}"
        if not Customer.objects.filter(code=code).exists():
            return code
