"""`manage.py load_demo`: a small shop to look at, put into an empty database."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services.memberships import employ
from accounts.services.people import create_local_person
from bookings.services import (
    Order,
    book,
    confirm_booking,
    create_service,
    default_resource,
    import_booking,
    next_free_times,
)
from catalog.models import Category
from catalog.services import NewVariant, create_category, create_product
from conversations import services as conversations
from conversations.documents import read_interaction
from conversations.states import Channel, Direction
from core import clock
from customers.models import Customer
from customers.services import create_customer, update_customer
from demo.accounts import DEMO_ACCOUNTS
from demo.client import SOURCE, played
from orders.services import (
    Delivery,
    Wanted,
    accept_order,
    fulfil_order,
    place_order,
    reject_order,
)
from orders.states import DeliveryMethod
from repairs import services as repairs
from repairs.clients import SourceFailed
from repairs.exceptions import SourceBusy
from repairs.models import Source
from shipping.providers import Address
from shipping.services import (
    active_carrier,
    cancel_shipment,
    create_standing_order,
    prepare_shipment,
    update_carrier,
)
from shipping.states import DeliveryService, Interval

_CATEGORIES = [("Groceries", None), ("Drinks", "Groceries"), ("Home", None), ("Clothes", None)]

# Each product: its name, its category, and of each variant SKU, name, price, stock and grams.
_PRODUCTS: list[tuple[str, str, list[tuple[str, str, str, int, int]]]] = [
    (
        "Chai",
        "Drinks",
        [
            ("CHAI-250", "Chai, 250 g", "180.00", 60, 250),
            ("CHAI-500", "Chai, 500 g", "340.00", 35, 500),
        ],
    ),
    ("Kahawa", "Drinks", [("KAHAWA-250", "", "650.00", 24, 250)]),
    ("Unga wa mahindi", "Groceries", [("UNGA-2", "", "210.00", 120, 2000)]),
    ("Sukari", "Groceries", [("SUKARI-1", "", "155.00", 80, 1000)]),
    ("Asali", "Groceries", [("ASALI-500", "", "720.00", 6, 500)]),
    ("Sabuni", "Home", [("SABUNI-1", "", "95.00", 200, 175)]),
    ("Taa ya jua", "Home", [("TAA-1", "", "2450.00", 3, 900)]),
    (
        "Kanga",
        "Clothes",
        [
            ("KANGA-R", "Kanga, red", "850.00", 14, 400),
            ("KANGA-B", "Kanga, blue", "850.00", 9, 400),
        ],
    ),
]

_DESCRIPTIONS = {
    "Chai": "Black tea from Kericho, for milk and ginger.",
    "Kahawa": "Ground coffee from Nyeri.",
    "Asali": "Honey from Kitui, in a jar.",
    "Taa ya jua": "A lamp that the sun charges.",
    "Kanga": "A cotton wrap with a saying on it.",
}

_SHOPPER_PHONE = "0722 000 000"
_CUSTOMERS = [
    ("Otieno Odhiambo", "0733 000 000", ""),
    ("John Smith", "+447770 123456", "john@example.com"),
    ("Amina Hassan", "", "amina@example.com"),
]


# Other systems know them by these ids.
_SERVICES = [
    (123, "Inspection", 30, "100.00"),
    (789, "Testing", 90, "250.00"),
    (456, "Analysis", 120, "400.00"),
]
# Three that were booked elsewhere for one moment: history, which may clash.
_HISTORY = [(223, 123), (224, 789), (225, 456)]
# As `mongoexport` writes them; the first interaction is the contract's sample.
_DOCUMENTS = Path(__file__).resolve().parents[2] / "conversations"
_THEN = datetime(2022, 11, 1, 11, 11, 11, 111000, tzinfo=UTC)


class Command(BaseCommand):
    help = "Load the demo shop and its accounts into an empty database; otherwise do nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.exists():
            return
        _load()
        _repairs()
        self.stdout.write("Loaded the demo shop.")


@transaction.atomic
def _load() -> None:
    users = _accounts()
    _goods()
    customers = _customers(users["shopper"])
    _orders(customers, by=users["shopkeeper"])
    _bookings(customers, by=users["shopkeeper"])
    _shipments(customers, by=users["shopkeeper"])
    _conversations(customers)


def _accounts() -> dict[str, User]:
    users = {}
    for account in DEMO_ACCOUNTS:
        user = create_local_person(
            name=account.name, email=account.email, password=account.password
        )
        if account.role:
            employ(user=user, role=account.role, rights=account.rights)
        users[account.email.partition("@")[0]] = user
    return users


def _goods() -> None:
    categories: dict[str | None, Category | None] = {None: None}
    for name, above in _CATEGORIES:
        categories[name] = create_category(name=name, parent=categories[above])
    for name, category, variants in _PRODUCTS:
        create_product(
            name=name,
            description=_DESCRIPTIONS.get(name, ""),
            category=categories[category],
            variants=[
                NewVariant(sku=sku, name=label, price=Decimal(price), stock=stock, weight=grams)
                for sku, label, price, stock, grams in variants
            ],
        )


def _customers(shopper: User) -> list[Customer]:
    # The first has an account, and so is a customer since she registered.
    wanjiru = update_customer(customer_id=shopper.customer.pk, phone=_SHOPPER_PHONE)
    others = [
        create_customer(name=name, phone=phone, email=email) for name, phone, email in _CUSTOMERS
    ]
    return [wanjiru, *others]


def _orders(customers: list[Customer], *, by: User) -> None:
    wanjiru, otieno, john, amina = customers
    done = place_order(
        customer=wanjiru,
        lines=[Wanted(sku="CHAI-250", quantity=2), Wanted(sku="SUKARI-1", quantity=1)],
        by=by,
    )
    accept_order(order_id=done.pk, by=by)
    fulfil_order(order_id=done.pk, by=by)
    accepted = place_order(customer=otieno, lines=[Wanted(sku="KANGA-R", quantity=1)], by=by)
    accept_order(order_id=accepted.pk, by=by)
    refused = place_order(customer=john, lines=[Wanted(sku="TAA-1", quantity=1)], by=by)
    reject_order(order_id=refused.pk, by=by, reason="We do not deliver to the United Kingdom yet.")
    place_order(customer=amina, lines=[Wanted(sku="ASALI-500", quantity=1)], by=None)
    place_order(
        customer=wanjiru, lines=[Wanted(sku="UNGA-2", quantity=3)], by=None, note="After 5, please."
    )


def _bookings(customers: list[Customer], *, by: User) -> None:
    for key, name, minutes, fee in _SERVICES:
        create_service(id=key, name=name, duration=minutes, fee=Decimal(fee))
    for key, service in _HISTORY:
        import_booking(order=Order(id=key, time=_THEN, services=[service], total_fee=Decimal(100)))
    wanjiru, otieno, *_ = customers
    for customer, services in ((wanjiru, [123]), (otieno, [789, 456])):
        tomorrow = timezone.now() + timedelta(days=1)
        [time] = next_free_times(resource=default_resource(), after=tomorrow, most=1)
        booking = book(time=time, services=services, customer=customer, by=by)
    confirm_booking(booking_id=booking.pk, by=by)


def _shipments(customers: list[Customer], *, by: User) -> None:
    """Ship where there are carriers: `make run` plays them, so that what goes at once arrives."""
    if not settings.SHIPPING_PROVIDERS:
        return
    wanjiru, otieno, *_ = customers
    atonce, batches = settings.SHIPPING_PROVIDERS[0], settings.SHIPPING_PROVIDERS[-1]
    if batches != atonce:
        workdays = [0, 1, 2, 3, 4]
        update_carrier(carrier_id=active_carrier(batches).pk, days=workdays)
    shipments = [
        prepare_shipment(
            order_id=_to_ship(customer, sku, by=by), carrier=carrier, service=service, by=by
        )
        for customer, sku, carrier, service in (
            (wanjiru, "KAHAWA-250", atonce, DeliveryService.EXPRESS),
            (otieno, "SABUNI-1", batches, DeliveryService.STANDARD),
            (otieno, "CHAI-500", batches, DeliveryService.STANDARD),
        )
    ]
    cancel_shipment(shipment_id=shipments[-1].pk, by=by, reason="He comes to fetch it.")
    create_standing_order(
        customer=wanjiru,
        items=[Wanted(sku="UNGA-2", quantity=2), Wanted(sku="SUKARI-1", quantity=1)],
        address=_address(wanjiru),
        interval=Interval.WEEK,
        every=2,
        start=clock.today() + timedelta(days=2),
        by=by,
    )


def _conversations(customers: list[Customer]) -> None:
    """Take in what two clients' agents wrote down, and what the shop itself heard and said."""
    for each in _lines("clients"):
        conversations.create_client(
            ident=each["_id"], name=each["name"], nick_name=each["nickName"]
        )
    for each in _lines("engagements"):
        conversations.create_engagement(
            ident=each["_id"], client_id=each["clientId"], name=each["name"]
        )
    documents = (_DOCUMENTS / "interactions.json").read_text().splitlines()
    conversations.create_interactions(documents=[read_interaction(each) for each in documents])
    wanjiru, otieno, *_ = customers
    now = timezone.now()
    for customer, channel, text, ago in (
        (wanjiru, Channel.PHONE, "Asks whether there is honey again. Call her when it comes.", 3),
        (otieno, Channel.VISIT, "Brought the kanga back: the wrong red.", 1),
    ):
        conversations.record_contact(
            customer=customer,
            channel=channel,
            direction=Direction.IN,
            text=text,
            at=now - timedelta(days=ago),
            agent_name="Baraka Mwangi",
        )


def _lines(collection: str) -> list[dict[str, str]]:
    """Return the rows of a `mongoexport` file of clients or engagements, ids as hex digits."""
    rows = map(json.loads, (_DOCUMENTS / f"{collection}.json").read_text().splitlines())
    return [
        {name: value["$oid"] if isinstance(value, dict) else value for name, value in row.items()}
        for row in rows
    ]


def _repairs() -> None:
    """Follow the workshop that `make run` plays: what was there before, then what is brought.

    No transaction of ours is open meanwhile. What is left undone, a worker does later.
    """
    client = played()
    if client is None:
        return
    client.prepare()
    repairs.sync_sources()
    source = Source.objects.get(name=SOURCE)
    # A shop opens though its client's database is not as it should be; the source says why.
    with suppress(SourceFailed, SourceBusy):
        repairs.collect(source_id=source.pk)
        client.bring()
        client.bring()
        repairs.collect(source_id=source.pk)


def _to_ship(customer: Customer, sku: str, *, by: User) -> int:
    address = _address(customer)
    order = place_order(
        customer=customer,
        lines=[Wanted(sku=sku, quantity=2)],
        delivery=Delivery(
            delivery_method=DeliveryMethod.DELIVERY,
            recipient=address.recipient,
            address_line_1=address.line_1,
            city=address.city,
            postcode=address.postcode,
            country=address.country,
        ),
        by=by,
    )
    return accept_order(order_id=order.pk, by=by).pk


def _address(customer: Customer) -> Address:
    return Address(
        recipient=customer.name,
        line_1="Moi Avenue 12",
        line_2="",
        city="Nairobi",
        postcode="00100",
        country="KE",
    )
