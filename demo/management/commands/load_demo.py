"""`manage.py load_demo`: a small shop to look at, put into an empty database."""

from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.models import User
from accounts.services.memberships import employ
from accounts.services.people import create_local_person
from catalog.models import Category
from catalog.services import NewVariant, create_category, create_product
from customers.models import Customer
from customers.services import create_customer, update_customer
from demo.accounts import DEMO_ACCOUNTS
from orders.services import Wanted, accept_order, fulfil_order, place_order, reject_order

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


class Command(BaseCommand):
    help = "Load the demo shop and its accounts into an empty database; otherwise do nothing."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.exists():
            return
        users = _accounts()
        _goods()
        _orders(_customers(users["shopper"]), by=users["shopkeeper"])
        self.stdout.write("Loaded the demo shop.")


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
