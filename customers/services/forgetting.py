"""What is kept of a customer: handed out, and forgotten in all apps at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, ProtectedError, Q
from django.utils import timezone

from accounts.models import User
from accounts.services.people import delete_account, forget_address
from core.forgetting import Erasure, Mention, collected, forget_traces, summed
from customers.exceptions import AccountChanged, HasOrders
from customers.models import Customer, PhoneCode
from customers.signals import (
    about_to_forget,
    data_asked_for,
    forgotten,
    mentions_asked_for,
    stranger_forgotten,
)

_CODE = "Its code, which orders and bookings name."
# What no app can reach, whoever asks.
BEYOND = (
    "Backups: what is in them goes when they are thrown away. Restored, run this again.",
    "Documents and notes that say only their name: nobody can tell whose name it is.",
    "Sessions: without its account a session opens nothing; it goes when it runs out.",
)
_LOGS = "Logs: they hold addresses of requests and codes of customers, and no more of anybody."
_LOGS_WITH_MESSAGES = (
    "Logs: the transport `console` of SMS writes whole messages into them, with their numbers;"
    " delete those logs."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody to be forgotten: a customer, an account, or both."""

    customer_id: int | None = None
    user_id: int | None = None
    code: str = ""
    name: str = ""
    phone: str = ""
    email: str = ""
    forgotten_at: datetime | None = None

    def __str__(self) -> str:
        what = [self.code or "no customer", self.name]
        if self.user_id:
            what.append("with an account")
        return ", ".join(filter(None, what))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of all that was kept of somebody, and what this could not reach."""

    people: tuple[Person, ...]
    erasures: tuple[Erasure, ...]
    mentions: tuple[Mention, ...]
    # Numbers and addresses that somebody else has as well.
    shared: tuple[str, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was left to forget."""
        return all(each.is_nothing for each in self.erasures) and not any(
            each.deleted for each in self.mentions
        )

    @property
    def beyond(self) -> list[str]:
        by_apps = dict.fromkeys(each.beyond for each in self.erasures if each.beyond)
        return [*by_apps, *BEYOND, _LOGS_WITH_MESSAGES if _prints_messages() else _LOGS]


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


def delete_customer(*, customer_id: int) -> None:
    """Raises `HasOrders` where they have ordered or booked: the books need to know to whom."""
    try:
        with transaction.atomic():
            customer = Customer.objects.select_for_update().filter(pk=customer_id).first()
            if customer is None:
                return
            _forget_what_hangs_on(customer)
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


def forget_customer(*, customer_id: int) -> list[Erasure]:
    """Keep of a customer only what the books need; where they have an account, that goes too.

    Returns what was done, by app. Done again it comes to nothing.

    Raises:
        LastShopkeeper: it is the account of the only one who may do everything.
        AccountChanged: they took an account meanwhile.
    """
    owner = User.objects.filter(customer=customer_id).first()
    if owner is not None:
        # By way of the account: that locks its own rows first, as everywhere.
        return delete_account(user=owner)
    with transaction.atomic():
        # Locked first, and read as it is then.
        customer = Customer.objects.select_for_update().get(pk=customer_id)
        if customer.user_id is not None:
            raise AccountChanged("They have an account since a moment ago. Try again.")
        return _forget(customer)


@transaction.atomic
def forget_customer_of(*, user: User) -> list[Erasure]:
    """Keep of the customer that somebody was only what the books need."""
    codes = PhoneCode.objects.filter(user=user).update(user=None, phone="", digest="", tries_left=0)
    customer = Customer.objects.select_for_update().filter(user=user).first()
    return [
        Erasure(app="customers", what="codes sent to their phone", blanked=codes),
        *(_forget(customer) if customer is not None else ()),
    ]


def find_people(
    *, codes: Iterable[str] = (), phone: str = "", email: str = ""
) -> tuple[list[Person], list[str]]:
    """Return whom these mean, and the codes that nobody has.

    Args:
        phone: E.164.
        email: of a customer or of an account.
    """
    wanted = list(codes)
    named = Q(code__in=wanted)
    if phone:
        named |= Q(phone=phone)
    if email:
        named |= Q(email__iexact=email)
    people = [
        Person(
            customer_id=each.pk,
            user_id=each.user_id,
            code=each.code,
            name=each.name,
            phone=each.phone,
            email=each.email,
            forgotten_at=each.forgotten_at,
        )
        for each in Customer.objects.filter(named).order_by("code")
    ]
    accounts = User.objects.filter(email__iexact=email, machine=None) if email else ()
    theirs = {each.user_id for each in people}
    for user in accounts:
        if user.pk not in theirs:
            customer = Customer.objects.filter(user=user).first()
            people.append(
                Person(
                    customer_id=customer.pk if customer else None,
                    user_id=user.pk,
                    code=customer.code if customer else "",
                    name=user.get_full_name(),
                    phone=customer.phone if customer else "",
                    email=user.email,
                )
            )
    known = {each.code for each in people}
    return people, [code for code in wanted if code not in known]


@transaction.atomic
def forget_people(
    *,
    people: Sequence[Person],
    phone: str = "",
    email: str = "",
    delete_mentions: bool = False,
    dry_run: bool = False,
) -> Report:
    """Forget them in all apps, in one transaction, and report what was done.

    Args:
        phone: a number by which more is known than customers, as is what strangers wrote.
        email: an address likewise.
        delete_mentions: delete what others said of their number and address as well.
        dry_run: do it all, and undo it.

    Raises:
        LastShopkeeper: one of them is the only one who may do everything.
        AccountChanged: one of them took an account meanwhile.
    """
    phones = dict.fromkeys(filter(None, [*(each.phone for each in people), phone]))
    emails = dict.fromkeys(filter(None, [*(each.email.lower() for each in people), email]))
    erasures: list[Erasure] = []
    for person in people:
        if person.customer_id is not None:
            erasures += forget_customer(customer_id=person.customer_id)
        elif person.user_id is not None:
            erasures += delete_account(user=User.objects.get(pk=person.user_id))
    shared = [
        *(each for each in phones if Customer.objects.filter(phone=each).exists()),
        *(each for each in emails if _is_somebodys(each)),
    ]
    mentions: list[Mention] = []
    for one, other in [(each, "") for each in phones] + [("", each) for each in emails]:
        if (one or other) in shared:
            # Not theirs alone: who else has it is not to be forgotten.
            continue
        erasures += forget_stranger(phone=one, email=other)
        answers = mentions_asked_for.send(
            sender=Customer, phone=one, email=other, delete=delete_mentions
        )
        for _, found in answers:
            known = cast("list[Mention]", found)
            mentions += [replace(each, of=one or other) for each in known]
    if dry_run:
        transaction.set_rollback(True)
    return Report(
        people=tuple(people),
        erasures=tuple(summed(erasures)),
        mentions=tuple(mentions),
        shared=tuple(shared),
    )


@transaction.atomic
def forget_stranger(*, phone: str = "", email: str = "") -> list[Erasure]:
    """Forget whoever is known by a number or an address alone, and is no customer (any more)."""
    about_to_forget.send(sender=Customer, phone=phone)
    return [
        *collected(stranger_forgotten.send(sender=Customer, phone=phone, email=email)),
        *forget_address(phone=phone, email=email),
        Erasure(
            app="customers",
            what="codes sent to their phone",
            blanked=_forget_codes_sent_to(phone),
        ),
        *forget_traces(phone=phone, email=email),
    ]


def _forget(customer: Customer) -> list[Erasure]:
    """Forget a customer who is locked; what they were is overwritten last, as all ask for it."""
    erasures = _forget_what_hangs_on(customer)
    blanked = 0
    if customer.forgotten_at is None:
        customer.name = "Former customer"
        customer.phone = customer.email = ""
        customer.user = None
        customer.forgotten_at = timezone.now()
        customer.save()
        blanked = 1
    return [
        Erasure(app="customers", what="customer", blanked=blanked, kept=1, reason=_CODE),
        *erasures,
    ]


def _forget_what_hangs_on(customer: Customer) -> list[Erasure]:
    about_to_forget.send(sender=Customer, phone=customer.phone)
    others = Customer.objects.exclude(pk=customer.pk)
    phone, email = customer.phone, customer.email
    # What is known by a number or an address that somebody else has too is not theirs alone.
    if phone and others.filter(phone=phone).exists():
        phone = ""
    if email and others.filter(email=email).exists():
        email = ""
    return [
        *collected(forgotten.send(sender=Customer, customer=customer)),
        *forget_traces(phone=phone, email=email, code=customer.code, rows=[customer]),
    ]


def _prints_messages() -> bool:
    names = {settings.SMS_TRANSPORT, *(name for _, names in settings.SMS_ROUTES for name in names)}
    return "console" in names


def _is_somebodys(email: str) -> bool:
    theirs = {"email__iexact": email}
    return Customer.objects.filter(**theirs).exists() or User.objects.filter(**theirs).exists()


def _forget_codes_sent_to(phone: str) -> int:
    sent = PhoneCode.objects.filter(phone=phone).exclude(phone="")
    return sent.update(phone="", digest="", tries_left=0, expires_at=F("created_at"))
