"""Verbs of the customer records; the only writer of their table."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError, Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import User
from core.constraints import constraints_as
from core.errors import FieldError, InvalidInput
from core.events import Notice, Recipient
from core.phones import ImpossiblePhone, parse_phone
from core.sequences import next_value

from .exceptions import (
    CodeTaken,
    Forgotten,
    HasOrders,
    NotForMachines,
    PhoneTaken,
    TooManyCodes,
    WrongCode,
)
from .models import Customer, PhoneCode
from .permissions import can_manage_customers
from .signals import data_asked_for, forgotten, merged, phone_code_sent, recoded

# How many codes go to one phone, or by one account, within how long.
CODES_AT_MOST = 5
CODES_WITHIN = timedelta(hours=1)
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


def delete_customer(*, customer_id: int) -> None:
    """Raises `HasOrders` where they have ordered or booked: the books need to know to whom."""
    try:
        with transaction.atomic():
            customer = Customer.objects.select_for_update().filter(pk=customer_id).first()
            if customer is None:
                return
            forgotten.send(sender=Customer, customer=customer)
            customer.delete()
            # Foreign keys are held at the commit, but an order that came in is to be told here.
            connection.check_constraints()
    except ProtectedError as error:
        kinds = {str(each._meta.verbose_name_plural) for each in error.protected_objects}
        found = " and ".join(sorted(kinds))
        raise HasOrders(f"They have {found}, so they cannot be deleted.") from None
    except IntegrityError:
        raise HasOrders(
            "Something of theirs came in meanwhile, so they cannot be deleted."
        ) from None


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


@transaction.atomic
def send_phone_code(*, user: User, phone: str) -> PhoneCode:
    """Send a code by SMS to a phone that somebody says is theirs.

    Raises:
        ImpossiblePhone: it is no phone number, or one that takes no SMS or costs extra.
        NotForMachines: it is a program that asks.
        TooManyCodes: too many were sent to it, or asked for by them, of late.
    """
    if hasattr(user, "machine"):
        raise NotForMachines("Only people can prove a phone number.")
    phone = parse_phone(phone, only_mobile=True)
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    with connection.cursor() as cursor:
        # Of a phone too, or accounts that ask at once would be counted past one another.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [phone])
    of_late = PhoneCode.objects.filter(created_at__gt=timezone.now() - CODES_WITHIN)
    if of_late.filter(Q(user=user) | Q(phone_digest=_phone_digest(phone))).count() >= CODES_AT_MOST:
        raise TooManyCodes("Too many codes were sent. Try again in an hour.")
    code = f"{secrets.randbelow(10**6):06}"
    sent = PhoneCode.objects.create(
        user=user,
        phone=phone,
        phone_digest=_phone_digest(phone),
        digest=_code_digest(phone, code),
        tries_left=settings.PHONE_CODE_TRIES,
        expires_at=timezone.now() + timedelta(minutes=settings.PHONE_CODE_MINUTES),
    )
    phone_code_sent.announce(
        notice=Notice(
            occurrence=str(sent.pk),
            subject="phone_code",
            reference=str(sent.pk),
            recipient=Recipient(reference=f"user-{user.pk}", phone=phone),
            data={"shop": settings.SHOP_NAME, "code": code},
        )
    )
    return sent


def claim_phone(*, user: User, code: str) -> Customer:
    """Take a phone number that a code has proved, and the customer record that has it.

    A record without an account becomes theirs, with its orders; what they had
    before is merged into it.

    Raises:
        WrongCode: it is not the last one that was sent, or its time or tries are over.
        PhoneTaken: another account has the number, or they could have written it into somebody
            else's record themselves.
    """
    phone = _prove(user=user, code=code)
    if phone is None:
        # Raised out here: the try that was used up must stay so.
        raise WrongCode.at("code", detail="This code is not valid. Check it, or ask for another.")
    return _take_phone(user=user, phone=phone)


@transaction.atomic
def _prove(*, user: User, code: str) -> str | None:
    # The last alone: with each one sent before it there would be as many tries more.
    last = PhoneCode.objects.select_for_update().filter(user=user).order_by("-pk").first()
    if last is None or not last.tries_left or last.expires_at <= timezone.now():
        return None
    last.tries_left -= 1
    right = constant_time_compare(last.digest, _code_digest(last.phone, code.strip()))
    if right:
        # Used up, with those sent before it.
        PhoneCode.objects.filter(user=user).update(tries_left=0)
        return last.phone
    last.save(update_fields=["tries_left"])
    return None


@transaction.atomic
def _take_phone(*, user: User, phone: str) -> Customer:
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    # In the order of their keys, as everywhere.
    with_phone = list(Customer.objects.select_for_update().filter(phone=phone).order_by("pk"))
    own = Customer.objects.select_for_update().filter(user=user).first()
    if any(each.user_id not in (None, user.pk) for each in with_phone):
        raise PhoneTaken("Another account has this number. Please ask the shop to help.")
    found = next((each for each in with_phone if each.user_id is None), None)
    if found is not None and can_manage_customers(user):
        raise PhoneTaken(
            "A customer record has this number, and you may change customers' numbers. Take it out"
            " of that record first; its orders stay there."
        )
    if own is None and found is None:
        return create_customer(name=user.get_full_name() or phone, phone=phone, user=user)
    if found is None:
        return update_customer(customer_id=own.pk, phone=phone)  # type: ignore[union-attr]  # above
    if own is not None:
        merged.send(sender=Customer, source=own, target=found)
        own.delete()
    return update_customer(
        customer_id=found.pk,
        user=user,
        name=user.get_full_name() or found.name,
        email=user.email or found.email,
    )


def personal_data(*, user: User) -> dict[str, Any]:
    """Return what is kept of the customer that somebody is, by section."""
    customer = Customer.objects.filter(user=user).first()
    if customer is None:
        return {}
    data: dict[str, Any] = {
        "customer": {
            "code": customer.code,
            "name": customer.name,
            "phone": customer.phone,
            "email": customer.email,
            "language": customer.language,
            "created_at": customer.created_at,
        }
    }
    for _, sections in data_asked_for.send(sender=Customer, customer=customer):
        data |= cast("dict[str, Any]", sections)
    return data


@transaction.atomic
def forget_customer_of(*, user: User) -> None:
    """Keep of the customer that somebody was only what the books need."""
    PhoneCode.objects.filter(user=user).update(user=None, phone="", digest="", tries_left=0)
    customer = Customer.objects.select_for_update().filter(user=user).first()
    if customer is None:
        return
    forgotten.send(sender=Customer, customer=customer)
    customer.name = "Former customer"
    customer.phone = customer.email = ""
    customer.user = None
    customer.forgotten_at = timezone.now()
    customer.save()


def remove_old_codes() -> None:
    """Delete codes that count for no limit any more."""
    PhoneCode.objects.filter(created_at__lt=timezone.now() - CODES_WITHIN).delete()


def _phone_digest(phone: str) -> str:
    return salted_hmac("duka.phone", phone, algorithm="sha256").hexdigest()


def _code_digest(phone: str, code: str) -> str:
    return salted_hmac("duka.phone-code", f"{phone}:{code}", algorithm="sha256").hexdigest()
