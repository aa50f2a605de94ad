"""The records: made, changed, held."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from core.constraints import constraints_as
from core.errors import FieldError, InvalidInput
from core.phones import ImpossiblePhone, parse_phone
from core.sequences import next_value
from customers.exceptions import CodeTaken, Forgotten
from customers.models import Customer
from customers.signals import recoded

_REFUSED = {
    "customers_customer_code_key": CodeTaken.at("code", detail="Another customer has this code."),
    # A few short service numbers are valid to their network, but no customer's.
    "customer_phone_is_e164": ImpossiblePhone.at("phone", detail="This is not a phone number."),
}


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


def create_customers(*, wanted: Sequence[Mapping[str, Any]]) -> list[Customer]:
    """Make many customers in one statement, all or none; each as `create_customer` takes them.

    Raises as that does, for the first that is refused, without saying which.
    """
    customers = [
        Customer(**{**fields, "code": fields.get("code") or _free_code()}) for fields in wanted
    ]
    for customer in customers:
        check_customer(customer)
    with constraints_as(_REFUSED):
        return Customer.objects.bulk_create(customers)


@transaction.atomic
def update_customer(*, customer_id: int, **changes: Any) -> Customer:
    """Change a customer's `name`, `code`, `phone`, `email`, `language` or `user`.

    Raises:
        InvalidInput: neither phone nor e-mail would be left, or an impossible phone number.
        CodeTaken: another customer has the code.
        Forgotten: they deleted their account.
    """
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer_id)
    if customer.forgotten_at:
        raise Forgotten("They asked to be forgotten. Make a new customer instead.")
    code = customer.code
    for name, value in changes.items():
        setattr(customer, name, value)
    _save(customer)
    if customer.code != code:
        recoded.send(sender=Customer, customer=customer, code=code)
    return customer


def hold_customer(*, customer_id: int) -> Customer:
    """Return a customer as they are now, not to be deleted before this transaction ends.

    Raises:
        Customer.DoesNotExist: they are deleted already, or were forgotten.
    """
    # Locked as a foreign key locks, so that their orders do not wait for one another.
    statement = (
        "SELECT * FROM customers_customer WHERE id = %s AND forgotten_at IS NULL FOR KEY SHARE"
    )
    for customer in Customer.objects.raw(statement, [customer_id]):
        return customer
    raise Customer.DoesNotExist


def check_customer(customer: Customer) -> None:
    """Bring a customer's phone and e-mail into their form, without saving.

    Raises `InvalidInput` as `create_customer` does, but for what only the database sees.
    """
    customer.phone = parse_phone(customer.phone) if customer.phone else ""
    customer.email = customer.email.strip().lower()
    if not customer.phone and not customer.email and not customer.forgotten_at:
        detail = "Give a phone number or an e-mail address."
        raise InvalidInput(
            detail,
            errors=[
                FieldError(path=(field,), code="required", detail=detail)
                for field in ("phone", "email")
            ],
        )


def _save(customer: Customer) -> None:
    check_customer(customer)
    with constraints_as(_REFUSED):
        customer.save()


def _free_code() -> str:
    """Return C1001, C1002, …, without those that somebody gave by hand."""
    while True:
        code = f"C{next_value('customer_code')}"
        if not Customer.objects.filter(code=code).exists():
            return code
