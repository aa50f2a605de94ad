"""What customers hear and see of their shipments, and what becomes of it when they leave."""

import re
from datetime import date

import pytest

from accounts.services.people import delete_account
from accounts.tests.factories import UserFactory
from catalog.tests.factories import VariantFactory
from core import clock
from core.sms import Size, size_of
from core.status_pages import page_of
from customers import services as customers
from customers.models import Customer
from customers.signals import merged
from customers.tests.factories import CustomerFactory
from notifications.models import Message, StatusLink
from notifications.services.links import example_link, make_link
from orders.services import Wanted
from shipping import services, signals
from shipping.models import Carrier, News, Shipment, StandingOrder
from shipping.providers import Address
from shipping.services.preparing import edit_shipment
from shipping.states import Interval

from .factories import IN_STATUS, DeliveryOrderFactory, SentShipmentFactory, ShipmentFactory, fold
from .webhooks import at, tell

pytestmark = pytest.mark.django_db
HOME = Address(
    recipient="Wanjiru Kamau",
    line_1="Moi Avenue 7",
    line_2="2nd floor",
    city="Nairobi",
    postcode="00100",
    country="KE",
)


def shipment_of(customer, factory=SentShipmentFactory, **fields):
    return factory.create(order=DeliveryOrderFactory.create(customer=customer), **fields)


def events():
    found = Message.objects.filter(subject="shipment").order_by("pk")
    return list(found.values_list("event", flat=True))


# Words


def test_each_status_that_matters_is_told_once_as_it_is_entered():
    shipment = SentShipmentFactory.create()
    assert events() == ["shipment.sent"]

    for minutes, status in enumerate(
        [
            "waiting-for-collection",
            "in-transit",
            # Another station on its way.
            "in-transit",
            "failed-to-deliver",
            "in-transit",
            "delivered",
        ]
    ):
        fold(shipment, status, minutes)
        fold(shipment, status, minutes)

    assert events() == [
        "shipment.sent",
        "shipment.in_transit",
        "shipment.failed",
        "shipment.in_transit",
        "shipment.delivered",
    ]


def test_old_news_are_told_nobody():
    shipment = SentShipmentFactory.create()
    fold(shipment, "delivered", 9)
    fold(shipment, "in-transit", 1)
    fold(shipment, "failed-to-deliver", 9)

    assert events() == ["shipment.sent", "shipment.delivered"]


def test_it_is_told_to_the_customer_in_their_language_and_with_a_link():
    customer = CustomerFactory.create(name="Wanjiru", language="sw")
    shipment = shipment_of(customer)
    fold(shipment, "in-transit")

    message = Message.objects.get(event="shipment.in_transit")

    link = StatusLink.objects.filter(reference=shipment.number).latest("pk")
    assert (link.subject, link.language) == ("shipment", "sw")
    assert (message.to, message.reference) == (customer.phone, shipment.number)
    assert message.body.startswith(
        f"Duka: Wanjiru, bidhaa za oda yako {shipment.order.number} ziko njiani. http"
    )


# The longest of a shop that has had a hundred thousand customers.
LONGEST = {
    "customer": "Wanjiru Kamau",
    "shop": "Mama Mboga",
    "order": "100123",
    "carrier": "Parcelpost",
    "date": "2026-11-30",
    "total": "KES 12,500.00",
    "reason": "1 of TEA-250 is left.",
}
SHOP = "https://www.mama-mboga.co.ke"


@pytest.mark.parametrize(
    ("event", "english", "swahili"),
    [
        (signals.shipment_sent, 140, 143),
        (signals.shipment_in_transit, 132, 126),
        (signals.shipment_delivered, 79, 74),
        (signals.shipment_failed, 159, 158),
        (signals.standing_order_coming, 158, 157),
        (signals.standing_order_waiting, 116, 119),
        (signals.standing_order_short, 95, 97),
    ],
    ids=lambda each: getattr(each, "code", None),
)
def test_the_words_are_one_sms_with_a_long_link_and_total(event, english, swahili, settings):
    settings.SHOP_URL = SHOP
    # A status link of the hundred thousandth, and the same of a date to skip.
    number, link = "S100123", f"{example_link()}0"
    if event in signals.STANDING_ORDER_EVENTS:
        number = "R100123"
        link = services.skip_link(StandingOrder(number=number), date(2026, 11, 30))
    filling = {name: LONGEST[name] for name in event.variables if name in LONGEST}

    texts = [event.texts[each].format(**filling, number=number, link=link) for each in ("en", "sw")]

    assert [size_of(text) for text in texts] == [
        Size(encoding="gsm-7", units=units, segments=1) for units in (english, swahili)
    ]


@pytest.mark.parametrize("event", signals.SHIPMENT_EVENTS, ids=lambda event: event.code)
def test_the_words_can_be_tried_on_a_real_one(event):
    shipment = shipment_of(CustomerFactory.create(name="W"))

    data = event.data_of(shipment.number)

    assert data == {
        "customer": "W",
        "number": shipment.number,
        "order": shipment.order.number,
        "carrier": "Courier",
        "shop": "Duka",
    }
    assert event.variables.keys() - data.keys() == {"link"}


def test_a_carrier_that_the_shop_works_with_no_more_still_has_a_name():
    shipment = SentShipmentFactory.create()
    Carrier.objects.filter(pk=shipment.carrier_id).update(name="swallow")

    assert services.data_of_number(shipment.number)["carrier"] == "Swallow"


@pytest.mark.parametrize("number", ["S999", "x", "", "9" * 300])
def test_of_what_is_not_there_nothing_is_said(number):
    assert services.data_of_number(number) is None
    assert page_of("shipment", number, "en") is None


# The page of a status link


@pytest.mark.parametrize(
    ("status", "state", "steps"),
    [
        ("waiting", "Being prepared", ["Being prepared"]),
        ("refused", "Being prepared", ["Being prepared"]),
        ("sent", "Handed to the carrier", ["Being prepared", "Handed to the carrier"]),
        ("in-transit", "On its way", ["On its way", "Being prepared", "Handed to the carrier"]),
        ("delivered", "Delivered", ["Delivered", "Being prepared", "Handed to the carrier"]),
        ("cancelled", "Cancelled", ["Being prepared", "Cancelled"]),
    ],
)
def test_the_page_shows_where_it_stands_and_how_it_came_there(status, state, steps):
    shipment = IN_STATUS[status].create()

    page = page_of("shipment", shipment.number, "en")

    assert page.title == f"Delivery {shipment.number} of order {shipment.order.number}"
    # By the carrier's clock, which in tests is long ago.
    assert (page.state, [step.label for step in page.steps]) == (state, steps)


@pytest.mark.parametrize("language", ["sw", "en", "fr"])
def test_the_page_has_words_for_every_status(language):
    for status in IN_STATUS:
        shipment = IN_STATUS[status].create()
        page = page_of("shipment", shipment.number, language)
        assert ("Usafirishaji" in page.title) is (language == "sw")
        assert page.state


def test_the_link_of_a_message_opens_the_page_and_shows_nothing_personal(client):
    customer = CustomerFactory.create(name="Wanjiru")
    shipment = shipment_of(customer)
    fold(shipment, "in-transit", detail="Left with neighbour Otieno.")
    link = Message.objects.get(event="shipment.in_transit").body.split()[-1]

    page = client.get(link.removeprefix("http://127.0.0.1:8000"))

    shown = page.content.decode()
    assert page.status_code == 200
    assert ("On its way" in shown, shipment.number in shown) == (True, True)
    for personal in ["Wanjiru", "Otieno", "John Doe", "harrow", "London", "SKU"]:
        assert personal not in shown


def opened(client, subject, reference, language="en"):
    """Return what a status link shows: the words, and the whole page."""
    link = make_link(subject=subject, reference=reference, language=language)
    page = client.get(link.removeprefix("http://127.0.0.1:8000")).content.decode()
    return re.findall(r"<li>(.*)</li>", page), page


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "Follow it"), ("sw", "Fuatilia"), ("fr", "Follow it")],
)
def test_the_page_leads_to_where_the_carrier_shows_it(client, language, words):
    shipment = SentShipmentFactory.create()
    Shipment.objects.update(tracking_url="https://carrier.example/t?a=1&b=%22")

    [first, *_], _ = opened(client, "shipment", shipment.number, language)

    assert first == (
        '<span>Courier</span> <span><a href="https://carrier.example/t?a=1&amp;b=%22"'
        f' rel="noopener noreferrer">{words}</a></span>'
    )


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//carrier.example", "/shop", " https://a.b"]
)
@pytest.mark.parametrize("subject", ["shipment", "order"])
def test_what_is_no_address_of_the_web_is_no_link(client, subject, url):
    shipment = SentShipmentFactory.create()
    Shipment.objects.update(tracking_url=url)
    reference = {"shipment": shipment.number, "order": shipment.order.number}[subject]

    [first, *_], page = opened(client, subject, reference)

    assert "Courier" in first
    assert ("<a" in page, url in page) == (False, False)


def test_the_page_of_an_order_shows_where_each_of_its_shipments_is(client):
    tea = VariantFactory.create()
    order = DeliveryOrderFactory.create(lines=[Wanted(sku=tea.sku, quantity=5)])
    one = [[Wanted(sku=tea.sku, quantity=1)]]
    other = SentShipmentFactory.create()
    numbers = [
        IN_STATUS[status].create(order=order, parcels=one, carrier=carrier).number
        for status, carrier in [
            ("delivered", "courier"),
            ("cancelled", "courier"),
            ("failed-to-deliver", "parcelpost"),
            ("refused", "courier"),
            ("in-transit", "parcelpost"),
        ]
    ]
    Shipment.objects.filter(number=numbers[4]).update(tracking_url="http://post.example/7")

    shown, page = opened(client, "order", order.number)
    [first, *_], _ = opened(client, "order", order.number, "sw")

    way = '<a href="http://post.example/7" rel="noopener noreferrer">On its way</a>'
    assert shown[:4] == [
        f"<span>Delivery {numbers[0]}: Courier</span> <span>Delivered</span>",
        f"<span>Delivery {numbers[2]}: Parcelpost</span> <span>Could not be delivered</span>",
        f"<span>Delivery {numbers[3]}: Courier</span> <span>Being prepared</span>",
        f"<span>Delivery {numbers[4]}: Parcelpost</span> <span>{way}</span>",
    ]
    assert first == f"<span>Usafirishaji {numbers[0]}: Courier</span> <span>Imefikishwa</span>"
    for hidden in (numbers[1], other.number, "John Doe", "harrow", tea.sku):
        assert hidden not in page
    assert page_of("order", other.order.number, "en").parts[0].text == "Handed to the carrier"
    assert page_of("order", "9" * 9, "en") is None


# The customer


def standing_order_of(customer, by=None):
    return services.create_standing_order(
        customer=customer,
        items=[Wanted(sku=VariantFactory.create().sku, quantity=1)],
        address=HOME,
        interval=Interval.WEEK,
        start=clock.today(),
        by=by,
    )


def test_standing_orders_and_shipments_go_along_where_two_records_are_one_person():
    source, target = CustomerFactory.create_batch(2)
    standing, shipment = standing_order_of(source), shipment_of(source)

    merged.send(sender=Customer, source=source, target=target)

    assert StandingOrder.objects.get(pk=standing.pk).customer == target
    assert Shipment.objects.get(pk=shipment.pk).order.customer == target


def test_what_is_kept_is_handed_out():
    shopper = UserFactory.create()
    customer = CustomerFactory.create(user=shopper)
    standing = standing_order_of(customer, by=shopper)
    shipment = shipment_of(customer, address=HOME)
    fold(shipment, "in-transit", detail="Left Nairobi.")

    kept = customers.personal_data(user=shopper)

    [row] = kept["shipments"]
    line = shipment.order.lines.get()
    assert (row["number"], row["order"]) == (shipment.number, shipment.order.number)
    assert (row["carrier"], row["status"]) == ("courier", "in-transit")
    assert row["delivery_address"] == vars(HOME)
    assert row["parcels"] == [[{"sku": line.sku, "quantity": 1}]]
    assert row["timeline"][0] == {
        "what": "event",
        "status": "in-transit",
        "at": at(0),
        "detail": "Left Nairobi.",
    }
    assert [each["what"] for each in row["timeline"][1:]] == ["prepared", "accepted"]
    [row] = kept["standing_orders"]
    assert (row["number"], row["status"]) == (standing.number, "active")
    assert row["delivery_address"] == vars(HOME)
    assert [each["what"] for each in row["history"]] == ["created"]


def test_who_leaves_is_forgotten_but_for_the_books():
    shopper = UserFactory.create()
    customer = CustomerFactory.create(user=shopper)
    standing = standing_order_of(customer, by=shopper)
    delivered = shipment_of(customer, address=HOME)
    tell(delivered.number, "in-transit")
    services.look_at_news()
    fold(delivered, "delivered", 1, detail="Signed by Otieno.")
    Shipment.objects.update(tracking_url="https://carrier.example/x", error="Moi Avenue 7?")
    waiting = shipment_of(customer, ShipmentFactory)
    edit_shipment(shipment_id=waiting.pk, by=None, address=HOME)

    delete_account(user=shopper)

    delivered.refresh_from_db()
    waiting.refresh_from_db()
    standing.refresh_from_db()
    assert (delivered.status, waiting.status, standing.status) == (
        "delivered",
        "cancelled",
        "ended",
    )
    for row in (delivered, waiting, standing):
        kept = [row.recipient, row.line_1, row.line_2, row.city, row.postcode]
        assert kept == ["–", "–", "", "–", ""]
    assert (delivered.country, waiting.country) == ("KE", "KE")
    assert (delivered.tracking_url, delivered.error, delivered.carrier_reference) == ("", "", "C-1")
    assert [entry.detail for entry in delivered.timeline.all()] == [""] * 5
    assert [(entry.verb, entry.changes) for entry in waiting.timeline.all()] == [
        ("prepared", {}),
        ("edited", {"country": ["GB", "KE"]}),
        ("cancelled", {}),
    ]
    assert {(bytes(each.body), each.state) for each in News.objects.all()} == {(b"", "done")}
    # It is known as that when it is told once more.
    assert page_of("shipment", delivered.number, "en").state == "Delivered"


def test_what_a_carrier_tells_later_of_who_left_is_kept_without_its_words():
    customer = CustomerFactory.create(user=UserFactory.create())
    sent = shipment_of(customer)
    other = SentShipmentFactory.create()
    tell(sent.number, "in-transit")

    delete_account(user=customer.user)
    [waiting] = News.objects.all()
    assert (waiting.state, bytes(waiting.body) != b"") == ("new", True)
    tell(other.number, "in-transit")
    services.look_at_news()
    fold(sent, "delivered", 1, detail="Signed by Otieno.")
    fold(other, "delivered", 1, detail="Signed by Halima.")

    assert [(each.status, each.detail) for each in sent.timeline.filter(verb="event")] == [
        ("in-transit", ""),
        ("delivered", ""),
    ]
    assert other.timeline.get(status="delivered").detail == "Signed by Halima."
    assert b"Otieno" not in b"".join(bytes(each.body) for each in News.objects.all())
    assert [bytes(each.body) for each in News.objects.filter(pk=waiting.pk)] == [b""]
    assert News.objects.filter(shipment=other).exclude(body=b"").count() == 2


def test_nothing_is_sent_to_who_left_though_its_carrier_may_have_it():
    customer = CustomerFactory.create(user=UserFactory.create())
    shipment = shipment_of(customer)
    Shipment.objects.update(status="waiting")

    delete_account(user=customer.user)

    row = Shipment.objects.get(pk=shipment.pk)
    assert (row.status, row.cancel_asked_at is not None, row.line_1) == ("waiting", True, "–")
    assert not Shipment.objects.to_send(clock.now()).exists()
