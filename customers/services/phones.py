"""Phone numbers that people prove by a code, and the records that have them."""

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import User
from core.events import Notice, Recipient
from core.forgetting import forget_traces
from core.phones import parse_phone
from customers.exceptions import NotForMachines, PhoneTaken, TooManyCodes, WrongCode
from customers.models import Customer, PhoneCode
from customers.permissions import can_manage_customers
from customers.signals import merged, phone_code_sent

from .records import create_customer, update_customer

# How many codes go to one phone, or by one account, within how long.
CODES_AT_MOST = 5
CODES_WITHIN = timedelta(hours=1)


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
        # The log of the admin would name them for ever: by the record that is left it is not found.
        forget_traces(rows=[own])
        own.delete()
    return update_customer(
        customer_id=found.pk,
        user=user,
        name=user.get_full_name() or found.name,
        email=user.email or found.email,
    )


def remove_old_codes() -> None:
    """Delete codes that count for no limit any more."""
    PhoneCode.objects.filter(created_at__lt=timezone.now() - CODES_WITHIN).delete()


def _phone_digest(phone: str) -> str:
    return salted_hmac("duka.phone", phone, algorithm="sha256").hexdigest()


def _code_digest(phone: str, code: str) -> str:
    return salted_hmac("duka.phone-code", f"{phone}:{code}", algorithm="sha256").hexdigest()
