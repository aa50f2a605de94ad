"""Customers in the admin."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import StaffFactory, UserFactory, browser_of
from conversations.tests.factories import make_interaction
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from notifications.tests.factories import MessageFactory
from orders.tests.factories import OrderFactory
from repairs.tests.factories import JobFactory

LIST = reverse("admin:customers_customer_changelist")
ADD = reverse("admin:customers_customer_add")


def form(**fields):
    return {"name": "Wanjiru", "phone": "", "email": "", "language": "en", "code": "", **fields}


def test_adding_understands_a_phone_as_people_write_it(admin):
    admin.post(ADD, form(phone="0722 000 000", email="W@Example.com"))

    customer = Customer.objects.get()
    assert (customer.phone, customer.email) == ("+254722000000", "w@example.com")
    assert customer.code.startswith("C")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"phone": "123"}, "This is not a phone number."),
        ({}, "Give a phone number or an e-mail address."),
        ({"email": "w@example.com", "code": "not good"}, "Only letters, digits"),
    ],
)
def test_adding_names_what_is_wrong(admin, fields, sentence):
    response = admin.post(ADD, form(**fields))

    assert sentence in response.content.decode()
    assert not Customer.objects.exists()


def test_changing_and_deleting(admin):
    customer = CustomerFactory.create()
    page = reverse("admin:customers_customer_change", args=[customer.pk])

    admin.post(page, form(code=customer.code, phone=customer.phone, language="sw"))
    customer.refresh_from_db()
    assert (customer.name, customer.language) == ("Wanjiru", "sw")

    admin.post(reverse("admin:customers_customer_delete", args=[customer.pk]), {"post": "yes"})
    assert not Customer.objects.exists()


def test_whose_a_record_is_cannot_be_typed_in(admin, shopkeeper):
    other = UserFactory.create()
    customer = CustomerFactory.create(user=other)
    page = reverse("admin:customers_customer_change", args=[customer.pk])

    admin.post(page, form(code=customer.code, phone=customer.phone, user=shopkeeper.pk))
    admin.post(ADD, form(phone="0733 000 000", code="NEW", user=shopkeeper.pk))

    customer.refresh_from_db()
    assert (customer.name, customer.user) == ("Wanjiru", other)
    assert Customer.objects.get(code="NEW").user is None


def test_a_forgotten_one_stays_as_it_is_and_the_page_says_why(admin):
    customer = CustomerFactory.create(name="Former customer", forgotten_at=timezone.now())
    page = reverse("admin:customers_customer_change", args=[customer.pk])

    response = admin.post(page, form(code=customer.code, phone="0722000000"), follow=True)

    said = [str(each) for each in response.context["messages"]]
    assert said == ["They asked to be forgotten. Make a new customer instead."]
    customer.refresh_from_db()
    assert customer.name == "Former customer"


def test_a_customer_with_orders_stays(admin):
    customer = OrderFactory.create().customer

    admin.post(reverse("admin:customers_customer_delete", args=[customer.pk]), {"post": "yes"})

    assert Customer.objects.get() == customer


@pytest.mark.parametrize(
    ("permissions", "see", "change"),
    [
        ([], 403, 403),
        (["customers.view_customer"], 200, 403),
        (["customers.manage_customers"], 200, 200),
    ],
)
def test_pages_ask_the_same_predicates_as_the_api(db, permissions, see, change):
    client = browser_of(StaffFactory.create(permissions=permissions))

    assert client.get(LIST).status_code == see
    assert client.get(ADD).status_code == change


# The timeline


def timeline_of(customer, query=""):
    return f"{reverse('admin:customers_customer_change', args=[customer.pk])[:-7]}timeline/{query}"


def shown(response):
    """Return (title, kind, status, whether it leads to a page) of each entry."""
    return [
        (entry.title, kind, status, bool(link))
        for entry, kind, status, link in response.context["entries"]
    ]


def test_a_customers_page_leads_to_their_timeline(admin):
    customer = CustomerFactory.create()
    page = reverse("admin:customers_customer_change", args=[customer.pk])

    response = admin.get(page)

    assert f'href="{timeline_of(customer)}"' in response.content.decode()
    timeline = admin.get(timeline_of(customer))
    assert timeline.context["title"] == f"Timeline of {customer}"
    assert f'href="{page}"' in timeline.content.decode()


def test_a_timeline_has_all_kinds_each_with_its_page(admin):
    customer = CustomerFactory.create(phone="+447770123456")
    order = OrderFactory.create(customer=customer, note="Ring <b>twice</b>.")
    Message.objects.all().delete()
    JobFactory.create(key=123, statuses=("NEW", "OPENED", "JOB COMPLETED"))
    MessageFactory.create(recipient=customer.code, status="sent")

    response = admin.get(timeline_of(customer))

    assert shown(response) == [
        ("SMS about order 1001", "Message", "Sent", True),
        ("Repair 00123: spider catcher", "Repair", "Job completed", True),
        (
            f"Order {order.number}, 1 line, {order.currency} {order.total:,.2f}",
            "Order",
            "Pending",
            True,
        ),
    ]
    body = response.content.decode()
    assert "Ring &lt;b&gt;twice&lt;/b&gt;." in body
    for *_, link in response.context["entries"]:
        assert admin.get(link).status_code == 200
        assert f'href="{link}"' in body


def test_a_timeline_is_filtered_by_kind(admin):
    customer = CustomerFactory.create()
    OrderFactory.create(customer=customer)
    make_interaction(customer=customer, custom={"text": "Hello."})

    response = admin.get(timeline_of(customer, "?kind=contact"))

    assert [each[1] for each in shown(response)] == ["Contact"]
    kinds = {label: (link, chosen) for label, link, chosen in response.context["kinds"]}
    assert kinds["All"] == (timeline_of(customer), False)
    assert kinds["Contacts"] == (timeline_of(customer, "?kind=contact"), True)
    assert kinds["Bookings"] == (timeline_of(customer, "?kind=booking"), False)
    assert "Nothing is known of this kind." in admin.get(kinds["Bookings"][0]).content.decode()


def test_a_timeline_has_fifty_on_a_page_and_keeps_the_kind(admin):
    customer = CustomerFactory.create()
    OrderFactory.create(customer=customer)
    Message.objects.all().delete()
    MessageFactory.create_batch(60, recipient=customer.code)

    first = admin.get(timeline_of(customer, "?kind=message"))
    second = admin.get(timeline_of(customer, first.context["older"]))
    again = admin.get(timeline_of(customer, second.context["newer"]))

    assert [len(each.context["entries"]) for each in (first, second, again)] == [50, 10, 50]
    assert {each[1] for each in shown(second)} == {"Message"}
    assert shown(again) == shown(first)
    assert (first.context["newer"], second.context["older"]) == ("", "")


def test_what_somebody_wrote_into_the_address_is_refused(admin):
    customer = CustomerFactory.create()

    response = admin.get(timeline_of(customer, "?cursor=x"), follow=True)

    assert response.redirect_chain == [(timeline_of(customer), 302)]
    said = [str(each) for each in response.context["messages"]]
    assert said == ["The list cannot be shown so."]
    assert shown(admin.get(timeline_of(customer, "?kind=nothing"))) == []
    customer.pk += 1
    assert admin.get(timeline_of(customer)).status_code == 404


def test_a_viewer_sees_of_a_timeline_what_they_may(db):
    customer = CustomerFactory.create()
    OrderFactory.create(customer=customer)
    make_interaction(customer=customer)
    rights = ["customers.view_customer", "orders.view_order"]
    browser = browser_of(StaffFactory.create(permissions=rights))

    response = browser.get(timeline_of(customer))

    assert [each[1:] for each in shown(response)] == [("Order", "Pending", True)]
    assert [label for label, *_ in response.context["kinds"]] == ["All", "Orders"]
    nobody = browser_of(StaffFactory.create(permissions=["orders.view_order"]))
    assert nobody.get(timeline_of(customer)).status_code == 403
