"""Orders in the admin: placed by a form, moved by the verbs, never typed in."""

import pytest
from django.urls import reverse

from accounts.tests.factories import StaffFactory, browser_of
from catalog.models import Variant
from catalog.tests.factories import VariantFactory
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders.models import Order
from orders.tests.factories import AcceptedOrderFactory, OrderFactory

LIST = reverse("admin:orders_order_changelist")
ADD = reverse("admin:orders_order_add")


def page_of(order):
    return reverse("admin:orders_order_change", args=[order.pk])


def button_of(order, verb):
    return reverse(f"admin:orders_order_{verb}_this", args=[order.pk])


def new_order(customer, *lines, note=""):
    form = {
        "customer": customer.pk,
        "note": note,
        "lines-TOTAL_FORMS": len(lines),
        "lines-INITIAL_FORMS": 0,
        "lines-MIN_NUM_FORMS": 1,
        "lines-MAX_NUM_FORMS": 1000,
    }
    for index, (variant, quantity) in enumerate(lines):
        form |= {f"lines-{index}-variant": variant.pk, f"lines-{index}-quantity": quantity}
    return form


def messages_on(response):
    return [str(message) for message in response.context["messages"]]


def test_list_shows_filters_and_searches(admin):
    pending = OrderFactory.create(customer=CustomerFactory.create(name="Wanjiru"))
    accepted = AcceptedOrderFactory.create()

    assert {row.pk for row in admin.get(LIST).context["cl"].result_list} == {
        pending.pk,
        accepted.pk,
    }
    filtered = admin.get(LIST, {"status__exact": "accepted"})
    assert [row.pk for row in filtered.context["cl"].result_list] == [accepted.pk]
    found = admin.get(LIST, {"q": "wanjiru"})
    assert [row.pk for row in found.context["cl"].result_list] == [pending.pk]


def test_placing_takes_stock_and_tells_the_customer(admin, shopkeeper):
    tea = VariantFactory.create(price="12.50", stock=5)
    customer = CustomerFactory.create()

    response = admin.post(ADD, new_order(customer, (tea, 2), note="After 5"))

    order = Order.objects.get()
    assert response.status_code == 302
    assert (order.status, str(order.total), order.note) == ("pending", "25.00", "After 5")
    assert order.customer == customer
    assert order.history.get().by == shopkeeper
    assert Variant.objects.get().stock == 3
    assert Message.objects.get().event == "order.placed"


@pytest.mark.parametrize(
    ("quantity", "published", "sentence"),
    [
        (6, True, "Only 5 left."),
        (1, False, "It is hidden, so it is not for sale."),
        (0, True, "Order at least one."),
    ],
)
def test_placing_names_the_field_and_keeps_what_was_typed(admin, quantity, published, sentence):
    tea = VariantFactory.create(stock=5, product__is_published=published)

    form = new_order(CustomerFactory.create(), (tea, quantity), note="Kept")
    response = admin.post(ADD, form)

    page = response.content.decode()
    assert response.status_code == 200
    assert sentence in page
    assert "Kept" in page
    assert not Order.objects.exists()


def test_placing_needs_a_line(admin):
    response = admin.post(ADD, new_order(CustomerFactory.create()))

    assert response.status_code == 200
    assert not Order.objects.exists()


def test_what_only_the_service_sees_is_told_as_a_sentence(admin):
    tea = VariantFactory.create(price="9999999999.00", stock=1000)

    response = admin.post(ADD, new_order(CustomerFactory.create(), (tea, 1000)), follow=True)

    assert messages_on(response) == ["An order cannot exceed 999999999999.99."]
    assert Variant.objects.get().stock == 1000


def test_page_of_an_order_has_no_field_to_type_in(admin):
    order = OrderFactory.create()

    response = admin.get(page_of(order))
    form = response.context["adminform"].form

    assert response.status_code == 200
    assert list(form.fields) == []


def test_a_forged_post_changes_nothing(admin):
    order = OrderFactory.create()

    admin.post(page_of(order), {"status": "fulfilled", "total": "0", "note": "forged"})

    order.refresh_from_db()
    assert (order.status, order.note) == ("pending", "")


@pytest.mark.parametrize(
    ("factory", "offered"),
    [
        (OrderFactory, ["accept", "reject", "cancel"]),
        (AcceptedOrderFactory, ["fulfil", "cancel"]),
    ],
)
def test_page_offers_only_what_the_status_allows(admin, factory, offered):
    order = factory.create()

    page = admin.get(page_of(order)).content.decode()

    shown = [
        verb for verb in ("accept", "reject", "fulfil", "cancel") if button_of(order, verb) in page
    ]
    assert shown == offered


@pytest.mark.parametrize(
    ("verb", "factory", "status"),
    [
        ("accept", OrderFactory, "accepted"),
        ("fulfil", AcceptedOrderFactory, "fulfilled"),
        ("cancel", AcceptedOrderFactory, "cancelled"),
    ],
)
def test_button_asks_first_and_moves_on_post(admin, shopkeeper, verb, factory, status):
    order = factory.create()
    before = order.status

    asked = admin.get(button_of(order, verb))
    order.refresh_from_db()
    assert (asked.status_code, order.status) == (200, before)

    moved = admin.post(button_of(order, verb), follow=True)
    order.refresh_from_db()
    assert order.status == status
    assert order.history.last().by == shopkeeper
    assert messages_on(moved) == [f"Order {order.number}: now {status}."]


def test_reject_button_needs_a_reason(admin):
    order = OrderFactory.create()

    without = admin.post(button_of(order, "reject"), {"reason": " "})
    order.refresh_from_db()
    assert "This field is required." in without.content.decode()
    assert order.status == "pending"

    admin.post(button_of(order, "reject"), {"reason": "Sold out"})
    order.refresh_from_db()
    assert (order.status, order.history.last().reason) == ("rejected", "Sold out")


def test_action_moves_what_it_can_and_names_the_rest(admin):
    pending, accepted = OrderFactory.create(), AcceptedOrderFactory.create()

    response = admin.post(
        LIST, {"action": "accept", "_selected_action": [pending.pk, accepted.pk]}, follow=True
    )

    pending.refresh_from_db()
    assert pending.status == "accepted"
    assert messages_on(response) == [
        f"Order {accepted.number} is accepted; it cannot become accepted.",
        f"Order {pending.number}: now accepted.",
    ]


@pytest.mark.parametrize(("verb", "status"), [("fulfil", "fulfilled"), ("cancel", "cancelled")])
def test_actions_move_accepted_orders(admin, verb, status):
    order = AcceptedOrderFactory.create()

    admin.post(LIST, {"action": verb, "_selected_action": [order.pk]})

    order.refresh_from_db()
    assert order.status == status


def test_reject_action_asks_for_the_reason_of_all(admin):
    orders = OrderFactory.create_batch(2)
    chosen = {"action": "reject", "_selected_action": [order.pk for order in orders]}

    asked = admin.post(LIST, chosen)
    assert asked.status_code == 200
    assert all(order.number in asked.content.decode() for order in orders)

    admin.post(LIST, chosen | {"confirmed": "1", "reason": "Closed"})
    assert set(Order.objects.values_list("status", flat=True)) == {"rejected"}


def test_orders_cannot_be_deleted(admin):
    order = OrderFactory.create()

    response = admin.post(reverse("admin:orders_order_delete", args=[order.pk]), {"post": "yes"})

    assert response.status_code == 403


@pytest.mark.parametrize(
    ("permissions", "see", "move"),
    [([], 403, 403), (["orders.view_order"], 200, 403), (["orders.handle_order"], 200, 200)],
)
def test_pages_ask_the_same_predicates_as_the_api(db, permissions, see, move):
    client = browser_of(StaffFactory.create(permissions=permissions))
    order = OrderFactory.create()

    assert client.get(LIST).status_code == see
    assert client.get(page_of(order)).status_code == see
    assert client.get(button_of(order, "accept")).status_code == move
    assert client.get(ADD).status_code == move


def test_list_takes_the_same_statements_for_one_row_and_for_three(admin, django_assert_num_queries):
    OrderFactory.create()
    admin.get(LIST)
    # Three of them ask what the shopkeeper may: the menu names things that are not theirs.
    with django_assert_num_queries(10):
        admin.get(LIST)
    OrderFactory.create_batch(2)
    with django_assert_num_queries(10):
        admin.get(LIST)


def test_page_of_an_order_names_its_status_and_offers_nothing_to_save(admin):
    page = admin.get(page_of(OrderFactory.create())).content.decode()

    assert "Pending" in page
    assert "(&#x27;pending&#x27;" not in page
    assert 'name="_save"' not in page


@pytest.mark.parametrize("address", ["change", "accept", "reject"])
def test_an_order_that_cannot_be_is_not_found(admin, address):
    response = admin.get(f"{LIST}abc/{address}/")

    assert response.status_code in {302, 404}


@pytest.mark.parametrize("query", ["q=%00", "status__exact=%00"])
def test_null_characters_in_an_address_are_refused(admin, query):
    assert admin.get(f"{LIST}?{query}").status_code == 400
