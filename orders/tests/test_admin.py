"""Orders in the admin: placed by a form, moved by the verbs, never typed in."""

import pytest
from django.urls import reverse

from accounts.tests.factories import MembershipFactory, StaffFactory, browser_of
from catalog.models import Variant
from catalog.tests.factories import VariantFactory
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders import services
from orders.models import Order
from orders.services import Wanted
from orders.tests.factories import (
    AcceptedOrderFactory,
    CancelledOrderFactory,
    DraftOrderFactory,
    FulfilledOrderFactory,
    OrderFactory,
)
from orders.tests.shop import DELIVERY

LIST = reverse("admin:orders_order_changelist")
ADD = reverse("admin:orders_order_add")


def page_of(order):
    return reverse("admin:orders_order_change", args=[order.pk])


def button_of(order, verb):
    return reverse(f"admin:orders_order_{verb}_this", args=[order.pk])


def new_order(customer, *lines, note="", **more):
    form = {
        "customer": customer.pk,
        "note": note,
        "delivery_method": "collection",
        "lines-TOTAL_FORMS": len(lines),
        "lines-INITIAL_FORMS": 0,
        "lines-MIN_NUM_FORMS": 1,
        "lines-MAX_NUM_FORMS": 1000,
    }
    for index, (variant, quantity) in enumerate(lines):
        form |= {f"lines-{index}-variant": variant.pk, f"lines-{index}-quantity": quantity}
    return form | more


def edited(order, *new, note="", seen=None, **more):
    """Return what the page of an order sends: the lines as they are, and (variant, quantity)s."""
    lines = list(order.lines.all())
    form = {
        "note": note,
        "delivery_method": "collection",
        "seen": (seen or order.updated_at).isoformat(),
        "lines-TOTAL_FORMS": len(lines) + len(new),
        "lines-INITIAL_FORMS": len(lines),
        "lines-MIN_NUM_FORMS": 0,
        "lines-MAX_NUM_FORMS": 1000,
        "history-TOTAL_FORMS": 0,
        "history-INITIAL_FORMS": 0,
    }
    for index, line in enumerate(lines):
        form |= {f"lines-{index}-id": line.pk, f"lines-{index}-order": order.pk}
        form |= {f"lines-{index}-quantity": line.quantity}
    for index, (variant, quantity) in enumerate(new, start=len(lines)):
        form |= {f"lines-{index}-variant": variant.pk, f"lines-{index}-quantity": quantity}
    return form | more


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
    assert "An order needs at least one line." in response.content.decode()
    assert not Order.objects.exists()


def test_what_only_the_service_sees_is_told_as_a_sentence(admin):
    tea = VariantFactory.create(price="9999999999.00", stock=1000)

    response = admin.post(ADD, new_order(CustomerFactory.create(), (tea, 1000)), follow=True)

    assert messages_on(response) == ["An order cannot exceed 999999999999.99."]
    assert Variant.objects.get().stock == 1000


@pytest.mark.parametrize("factory", [AcceptedOrderFactory, FulfilledOrderFactory])
def test_page_of_what_is_decided_has_no_field_to_type_in(admin, factory):
    order = factory.create()

    response = admin.get(page_of(order))
    form = response.context["adminform"].form

    assert response.status_code == 200
    assert list(form.fields) == []
    assert 'name="_save"' not in response.content.decode()


def test_a_forged_post_changes_nothing(admin):
    order = AcceptedOrderFactory.create()

    admin.post(page_of(order), edited(order, status="fulfilled", total="0", note="forged"))

    order.refresh_from_db()
    assert (order.status, order.note) == ("accepted", "")


# Drafts, edits


def test_a_draft_is_kept_and_placed_later(admin):
    tea = VariantFactory.create(stock=1)

    admin.post(ADD, new_order(CustomerFactory.create(), (tea, 5), draft="on"))
    order = Order.objects.get()
    assert (order.status, order.lines.get().quantity) == ("draft", 5)
    assert not Message.objects.exists()

    short = admin.post(button_of(order, "place"), follow=True)
    assert "1 left, 5 asked for" in messages_on(short)[-1]
    admin.post(page_of(order), edited(order, **{"lines-0-quantity": 1}))
    placed = admin.post(button_of(order, "place"), follow=True)

    assert messages_on(placed)[-1] == f"Order {order.number}: now pending."
    assert Variant.objects.get().stock == 0


def test_a_delivery_is_ordered_and_edited(admin):
    tea = VariantFactory.create(stock=5)
    to = {"delivery_method": "delivery", "recipient": "Wanjiru", "address_line_1": "Moi Avenue 12"}

    missing = admin.post(ADD, new_order(CustomerFactory.create(), (tea, 1), **to, country="k"))
    assert missing.context["adminform"].form.errors == {
        "city": ["Needed for a delivery."],
        "country": ["Two capital letters, such as KE (ISO 3166-1)."],
    }
    to |= {"city": "Nairobi", "country": "ke"}
    admin.post(ADD, new_order(CustomerFactory.create(), (tea, 1), **to))
    order = Order.objects.get()
    assert (order.delivery_method, order.city, order.country) == ("delivery", "Nairobi", "KE")

    admin.post(page_of(order), edited(order, **(to | {"delivery_method": "collection"})))
    order.refresh_from_db()
    assert (order.delivery_method, order.city) == ("collection", "")


def test_a_pending_order_is_edited_and_its_stock_follows(admin, shopkeeper):
    _, _, pot = (VariantFactory.create(sku=sku, price="2.00", stock=5) for sku in "TCP")
    order = OrderFactory.create(lines=[Wanted(sku="T", quantity=2), Wanted(sku="C", quantity=1)])
    gone = {"lines-0-quantity": 4, "lines-1-DELETE": "on"}

    response = admin.post(page_of(order), edited(order, (pot, 3), note="Ring twice.", **gone))

    assert response.status_code == 302
    order.refresh_from_db()
    assert (order.note, str(order.total)) == ("Ring twice.", "14.00")
    assert list(order.lines.values_list("sku", "quantity")) == [("T", 4), ("P", 3)]
    assert dict(Variant.objects.values_list("sku", "stock")) == {"T": 1, "C": 5, "P": 2}
    last = order.history.last()
    assert (last.verb, last.by) == ("edited", shopkeeper)


def test_an_edit_names_what_is_short_at_its_line(admin):
    VariantFactory.create(sku="T", stock=5)
    order = OrderFactory.create(lines=[Wanted(sku="T", quantity=2)])

    response = admin.post(page_of(order), edited(order, **{"lines-0-quantity": 6}))

    assert response.status_code == 200
    assert "Only 3 more left." in response.content.decode()
    assert Variant.objects.get().stock == 3


def test_an_edit_of_what_changed_meanwhile_is_refused(admin):
    order = OrderFactory.create()
    form = edited(order, note="Late")
    services.edit_order(order_id=order.pk, by=None, note="First")

    response = admin.post(page_of(order), form, follow=True)

    assert messages_on(response) == [
        f"Order {order.number} has changed since you read it. Look again."
    ]
    order.refresh_from_db()
    assert order.note == "First"


def test_saving_what_was_not_changed_leaves_no_trace(admin):
    order = OrderFactory.create()

    admin.post(page_of(order), edited(order))

    assert order.history.count() == 1


# Handing over, coming back, assigning


def quantities(response):
    return {
        field.label: (field.initial, field.widget.attrs["max"])
        for name, field in response.context["form"].fields.items()
        if name.startswith("line_")
    }


def test_pieces_are_handed_over_and_come_back_by_a_form(admin):
    VariantFactory.create(sku="T", name="Tea", stock=5)
    VariantFactory.create(sku="C", name="Cup", stock=5)
    order = AcceptedOrderFactory.create(
        lines=[Wanted(sku="T", quantity=3), Wanted(sku="C", quantity=1)]
    )
    tea, cup = order.lines.all()

    asked = admin.get(button_of(order, "fulfil"))
    assert quantities(asked) == {"Tea (T)": (3, 3), "Cup (C)": (1, 1)}
    seen = asked.context["form"].fields["seen"].initial
    part = {f"line_{tea.pk}": 2, f"line_{cup.pk}": 1, "seen": seen}
    handed = admin.post(button_of(order, "fulfil"), part, follow=True)
    again = admin.post(button_of(order, "fulfil"), {**part, f"line_{tea.pk}": 1}, follow=True)
    assert messages_on(handed) == [f"Order {order.number}: fulfilled in part."]
    assert messages_on(again) == [
        f"Order {order.number} has changed since you read it. Look again."
    ]

    asked = admin.get(button_of(order, "return"))
    assert quantities(asked) == {"Tea (T)": (0, 2), "Cup (C)": (0, 1)}
    nothing = admin.post(button_of(order, "return"), {"seen": seen})
    assert "Say how many pieces of what." in nothing.content.decode()
    too_many = admin.post(button_of(order, "return"), {f"line_{tea.pk}": 3, "seen": seen})
    assert "less than or equal to 2" in too_many.content.decode()
    order.refresh_from_db()
    back = {f"line_{tea.pk}": 1, "seen": order.updated_at.isoformat(), "reason": "Torn."}
    admin.post(button_of(order, "return"), back)

    assert [(line.fulfilled, line.returned) for line in order.lines.all()] == [(2, 1), (1, 0)]
    # Not fit to be sold again.
    assert Variant.objects.get(sku="T").stock == 2
    rest = {f"line_{tea.pk}": 1, "seen": Order.objects.get().updated_at.isoformat()}
    done = admin.post(button_of(order, "fulfil"), rest, follow=True)
    assert messages_on(done)[-1] == f"Order {order.number}: now fulfilled."


def test_an_order_is_assigned_and_found_by_who_sees_to_it(admin, shopkeeper):
    baraka = MembershipFactory.create(user__first_name="Baraka", rights=["handle_orders"]).user
    MembershipFactory.create(user__first_name="Clerk", rights=["see_orders"])
    order, other = OrderFactory.create_batch(2)

    asked = admin.get(button_of(order, "assign"))
    people = set(asked.context["form"].fields["to"].queryset)
    assert people == {baraka, shopkeeper}
    admin.post(button_of(order, "assign"), {"to": baraka.pk})
    admin.post(
        LIST,
        {"action": "assign", "_selected_action": [other.pk], "confirmed": 1, "to": shopkeeper.pk},
    )

    order.refresh_from_db()
    assert order.assigned_to == baraka
    mine = admin.get(LIST, {"assigned": "me"}).context["cl"].result_list
    assert [row.pk for row in mine] == [other.pk]
    page = admin.get(page_of(order)).content.decode()
    assert "nobody → Baraka" in page


# What a shopkeeper reads


def test_the_list_and_the_start_page_say_how_many_wait(admin):
    OrderFactory.create_batch(2)
    AcceptedOrderFactory.create()

    for address in (LIST, reverse("admin:index")):
        page = admin.get(address).content.decode()
        assert f'href="{LIST}?status__exact=pending"' in page
        assert "2 waiting for you" in page
        assert "1 accepted" in page
    Order.objects.update(status="cancelled")
    assert "Nothing waits for you" in admin.get(LIST).content.decode()


def test_the_start_page_tells_nothing_of_orders_to_who_may_not_see_them(db):
    OrderFactory.create()
    client = browser_of(StaffFactory.create(permissions=["catalog.view_product"]))

    assert "waiting for you" not in client.get(reverse("admin:index")).content.decode()


def test_the_timeline_says_what_was_and_what_became(admin, shopkeeper):
    VariantFactory.create(sku="T", price="2.00")
    order = OrderFactory.create(lines=[Wanted(sku="T", quantity=2)])
    act = {"order_id": order.pk, "by": shopkeeper}
    services.edit_order(**act, lines=[Wanted(sku="T", quantity=3)], note="<b>Ring</b>")
    services.edit_order(**act, delivery=DELIVERY)
    services.assign_order(**act, to=shopkeeper)

    page = admin.get(page_of(order)).content.decode()

    for said in (
        "T:</span> 2 → 3",
        "Total:</span> 4.00 → 6.00",
        "Note:</span> (empty) → &lt;b&gt;Ring&lt;/b&gt;",
        "Delivery method:</span> collection → delivery",
        "City:</span> (empty) → Nairobi",
        f"Assigned to:</span> nobody → {shopkeeper}",
    ):
        assert said in page


@pytest.mark.parametrize("rows", [1, 3])
def test_page_of_an_order_takes_the_same_statements(
    admin, shopkeeper, rows, django_assert_num_queries
):
    variants = VariantFactory.create_batch(rows)
    order = OrderFactory.create(lines=[Wanted(sku=each.sku, quantity=1) for each in variants])
    for n in range(rows):
        services.edit_order(order_id=order.pk, by=shopkeeper, note=str(n))
    admin.get(page_of(order))

    with django_assert_num_queries(13):
        assert admin.get(page_of(order)).status_code == 200


# Verbs


@pytest.mark.parametrize(
    ("factory", "offered"),
    [
        (DraftOrderFactory, ["place", "cancel", "assign"]),
        (OrderFactory, ["accept", "reject", "cancel", "assign"]),
        (AcceptedOrderFactory, ["fulfil", "cancel", "assign"]),
        (FulfilledOrderFactory, ["return"]),
        (CancelledOrderFactory, []),
    ],
)
def test_page_offers_only_what_the_status_allows(admin, factory, offered):
    order = factory.create()

    page = admin.get(page_of(order)).content.decode()

    verbs = ("place", "accept", "reject", "fulfil", "return", "cancel", "assign")
    shown = [verb for verb in verbs if button_of(order, verb) in page]
    assert shown == offered


@pytest.mark.parametrize(
    ("verb", "factory", "status"),
    [
        ("accept", OrderFactory, "accepted"),
        ("place", DraftOrderFactory, "pending"),
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

    admin.post(LIST, {"action": verb, "_selected_action": [order.pk], "confirmed": 1})

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
    with django_assert_num_queries(11):
        admin.get(LIST)
    OrderFactory.create_batch(2)
    with django_assert_num_queries(11):
        admin.get(LIST)


def test_who_only_sees_orders_has_nothing_to_type_in_or_to_press(db):
    client = browser_of(StaffFactory.create(permissions=["orders.view_order"]))
    order = OrderFactory.create()

    page = client.get(page_of(order)).content.decode()

    assert "Pending" in page
    assert "(&#x27;pending&#x27;" not in page
    assert 'name="_save"' not in page
    assert 'name="note"' not in page
    assert button_of(order, "accept") not in page
    assert client.post(page_of(order), edited(order, note="x")).status_code == 403


@pytest.mark.parametrize("address", ["change", "accept", "reject"])
def test_an_order_that_cannot_be_is_not_found(admin, address):
    response = admin.get(f"{LIST}abc/{address}/")

    assert response.status_code in {302, 404}


@pytest.mark.parametrize("query", ["q=%00", "status__exact=%00"])
def test_null_characters_in_an_address_are_refused(admin, query):
    assert admin.get(f"{LIST}?{query}").status_code == 400
