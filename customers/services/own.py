"""The record of somebody who signs in."""

from django.db import transaction

from accounts.models import User
from customers.models import Customer

from .records import create_customer, update_customer


@transaction.atomic
def ensure_customer_of(*, user: User) -> Customer | None:
    """Return the customer that somebody who signs in is; made now if there is none.

    None where neither phone nor verified e-mail address is known yet.
    """
    # Locked first: two requests of a new shopper must not make two.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    customer = Customer.objects.filter(user=user).first()
    if customer is None and user.email and not hasattr(user, "machine"):
        name = user.get_full_name() or user.email.partition("@")[0]
        customer = create_customer(name=name, email=user.email, user=user)
    return customer


@transaction.atomic
def follow_account(*, user: User) -> None:
    """Let the customer's name and e-mail address be those of their account."""
    customer = ensure_customer_of(user=user)
    if customer is not None:
        update_customer(
            customer_id=customer.pk,
            name=user.get_full_name() or customer.name,
            email=user.email or customer.email,
        )
