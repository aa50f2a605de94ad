"""Shipping in the admin: everything goes by the services."""

from dataclasses import replace
from datetime import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.factories import StaffFactory, browser_of
from catalog.tests.factories import VariantFactory
from customers.tests.factories import CustomerFactory
from orders.services import Wanted
from shipping.models import Carrier, News, Shipment, StandingOrder

from .faces import ADDRESS, NewsFactory, StandingOrderFactory
from .factories import (
    HOME,
    IN_STATUS,
    CarrierFactory,
    DeliveryOrderFactory,
    RefusedShipmentFactory,
    ShipmentFactory,
)

pytestmark = pytest.mark.django_db
TIMELINE = {"timeline-TOTAL_FORMS": "0", "timeline-INITIAL_FORMS": "0"}
INLINES = {
    f"{each}-{name}": "0"
    for each in ("occurrences", "history")
    for name in ("TOTAL_FORMS", "INITIAL_FORMS")
}


@pytest.fixture(autouse=True)
def december(simulated):
    """A month before the standing orders of these tests begin: what comes soon can be skipped."""
    simulated("2028-12-01 12:00")


def errors(response):
    return response.context["adminform"].form.errors


def said(response):
    return [str(each) for each in response.context["messages"]]


def listed(response):
    return list(response.context["cl"].result_list)


@pytest.fixture
def courier():
    return CarrierFactory.create()


def test_a_shipment_is_made_of_what_is_left_or_of_what_is_typed(admin, courier, shopkeeper):
    VariantFactory.create(sku="TEA")
    order = DeliveryOrderFactory.create(lines=[Wanted(sku="TEA", quantity=5)])
    form = {"order": order.pk, "carrier": courier.pk, "service": "express"}

    typed = admin.post("/admin/shipping/shipment/add/", form | {"contents": "tea 1\n\nTEA 2\n"})
    assert typed.status_code == 302, errors(typed)
    assert admin.post("/admin/shipping/shipment/add/", form).status_code == 302
    rest, first = Shipment.objects.all()

    assert [[item.quantity for item in each.items.all()] for each in first.parcels.all()] == [
        [1],
        [2],
    ]
    assert [item.quantity for item in rest.parcels.get().items.all()] == [2]
    assert (rest.service, rest.timeline.get().by) == ("express", shopkeeper)
    wrong = admin.post("/admin/shipping/shipment/add/", form | {"contents": "TEA"})
    assert errors(wrong) == {"contents": ["Write a SKU and a number of pieces: 'TEA'."]}
    over = admin.post("/admin/shipping/shipment/add/", form, follow=True)
    assert said(over) == [f"Nothing of order {order.number} is left to be shipped."]


def test_an_address_too_long_for_the_carrier_is_mended_where_the_shipment_is_made(admin, courier):
    order = DeliveryOrderFactory.create(delivery=replace(HOME, address_line_1="x" * 36))
    page = "/admin/shipping/shipment/add/"
    form = {"order": order.pk, "carrier": courier.pk, "service": "express", "contents": ""}

    refused = admin.post(page, form)
    shown = refused.context["adminform"].form
    by_link = admin.get(f"{page}?order={order.pk}").context["adminform"].form
    mended = admin.post(page, form | ADDRESS | {"line_1": "The battleship"})

    assert shown.errors == {"line_1": ["The courier takes at most 35 characters."]}
    for each in (shown, by_link):
        assert {name: each[name].value() for name in ADDRESS} == ADDRESS | {"line_1": "x" * 36}
    assert shown["service"].value() == "express"
    assert "delivery_address.line_1" in said(refused)[0]
    assert mended.status_code == 302, errors(mended)
    assert Shipment.objects.get().line_1 == "The battleship"


def test_what_a_service_refuses_stands_at_its_field_beside_what_was_typed(admin, courier):
    shipment = RefusedShipmentFactory.create()
    VariantFactory.create(sku="TEA")
    standing = StandingOrderFactory.create(items=[Wanted(sku="TEA", quantity=2)])
    long = {**ADDRESS, "city": "x" * 36, "carrier": courier.pk, "service": "express"}
    dates = {"interval": "week", "every": "1", "start": "2029-01-01"}

    edited = admin.post(f"/admin/shipping/shipment/{shipment.pk}/change/", long | TIMELINE)
    changed = admin.post(
        f"/admin/shipping/standingorder/{standing.pk}/change/",
        {**long, **INLINES, **dates, "contents": "JAM 1"},
    )
    made = admin.post(
        "/admin/shipping/standingorder/add/",
        {**long, **dates, "customer": standing.customer_id, "contents": "TEA 1"},
    )

    too_long = {"city": ["The courier takes at most 35 characters."]}
    assert (errors(edited), errors(made)) == (too_long, too_long)
    assert errors(changed) == {"contents": ["JAM is not for sale."]}
    assert changed.context["adminform"].form["contents"].value() == "JAM 1"
    shipment.refresh_from_db()
    assert (shipment.city, StandingOrder.objects.get().city) == ("London", "London")


def test_a_refused_shipment_is_mended_on_its_page(admin):
    shipment = RefusedShipmentFactory.create()
    page = f"/admin/shipping/shipment/{shipment.pk}/change/"
    form = {**ADDRESS, "carrier": shipment.carrier_id, "service": "standard", **TIMELINE}

    response = admin.post(page, form | {"postcode": "W2 6NC"})

    assert response.status_code == 302, errors(response)
    shipment.refresh_from_db()
    assert (shipment.postcode, shipment.status) == ("W2 6NC", "waiting")


@pytest.mark.parametrize("status", IN_STATUS)
def test_every_page_opens_and_what_a_carrier_has_has_nothing_to_type_in(admin, status):
    shipment = IN_STATUS[status].create()

    page = admin.get(f"/admin/shipping/shipment/{shipment.pk}/change/")

    assert page.status_code == 200
    assert "1 × " in page.content.decode()
    typed = "carrier" in page.context["adminform"].form.fields
    assert typed == (status in {"waiting", "refused"})
    assert ('name="_save"' in page.content.decode()) == typed
    assert admin.post(f"/admin/shipping/shipment/{shipment.pk}/delete/").status_code == 403


def test_verbs_move_a_shipment_from_its_page_and_from_the_list(admin):
    first, second = ShipmentFactory.create(), ShipmentFactory.create()
    Shipment.objects.update(attention="Look.")

    for verb in ("settle", "send", "cancel"):
        admin.post(f"/admin/shipping/shipment/{first.pk}/{verb}/", {"reason": "Rain."})
        admin.post(
            "/admin/shipping/shipment/",
            {"action": verb, "_selected_action": [second.pk], "confirmed": "1", "reason": ""},
        )

    assert list(Shipment.objects.values_list("status", "attention")) == [("cancelled", "")] * 2


def test_what_needs_attention_comes_first(admin):
    old, new = ShipmentFactory.create(), ShipmentFactory.create()
    assert listed(admin.get("/admin/shipping/shipment/")) == [new, old]

    Shipment.objects.filter(pk=old.pk).update(attention="Look.")

    assert listed(admin.get("/admin/shipping/shipment/")) == [old, new]


def test_a_carriers_schedule_is_set_and_its_circuit_is_shown(admin, courier):
    shipment = ShipmentFactory.create()
    page = f"/admin/shipping/carrier/{courier.pk}/change/"

    response = admin.post(page, {"active": "on", "days": ["1", "4"], "cut_off": "15:30"})

    assert response.status_code == 302, errors(response)
    courier.refresh_from_db()
    assert (courier.days, courier.cut_off) == ([1, 4], time(15, 30))
    before, shipment = shipment.due_at, Shipment.objects.get()
    assert shipment.due_at > before
    Carrier.objects.update(failures=5, error="It timed out.")
    assert "It timed out." in admin.get("/admin/shipping/carrier/").content.decode()
    shown = admin.get(page).content.decode()
    assert ">Down<" in shown.replace("\n", "").replace(" ", "")
    assert "+00:00" not in shown
    assert admin.get("/admin/shipping/carrier/add/").status_code == 403


def test_news_for_a_person_come_first_and_are_looked_at_again(admin):
    unmatched, done = NewsFactory.create(), NewsFactory.create(state="done")
    assert listed(admin.get("/admin/shipping/news/")) == [unmatched, done]
    page = admin.get(f"/admin/shipping/news/{unmatched.pk}/change/").content.decode()
    assert "&quot;event_name&quot;: &quot;delivered&quot;" in page

    admin.post(f"/admin/shipping/news/{unmatched.pk}/replay/")
    admin.post("/admin/shipping/news/", {"action": "replay", "_selected_action": [done.pk]})

    assert set(News.objects.values_list("state", flat=True)) == {"new"}


def test_a_standing_order_is_made_and_changed(admin, courier):
    VariantFactory.create(sku="TEA", price="12.50")
    VariantFactory.create(sku="POT", price="5.00")
    form = {
        **ADDRESS,
        "customer": CustomerFactory.create().pk,
        "contents": "TEA 2\nPOT 1",
        "interval": "week",
        "every": "2",
        "start": "2029-01-01",
        "end": "",
        "count": "",
        "carrier": courier.pk,
        "service": "standard",
    }

    response = admin.post("/admin/shipping/standingorder/add/", form)
    assert response.status_code == 302, errors(response)
    standing = StandingOrder.objects.get()
    page = f"/admin/shipping/standingorder/{standing.pk}/change/"
    shown = admin.get(page).content.decode()
    assert "KES 30.00" in shown
    assert "TEA 2\nPOT 1" in shown

    change = form | INLINES | {"contents": "TEA 3", "every": "1", "city": "Leeds"}
    response = admin.post(page, change)
    assert response.status_code == 302, errors(response)
    standing.refresh_from_db()
    assert (standing.every, standing.city) == (1, "Leeds")
    assert [(each.variant.sku, each.quantity) for each in standing.items.all()] == [("TEA", 3)]
    changes = standing.history.last().changes
    assert set(changes) == {"TEA quantity", "POT quantity", "every", "city"}


def test_of_goods_that_nobody_touched_a_service_is_told_nothing(admin):
    tea = VariantFactory.create(sku="TEA")
    standing = StandingOrderFactory.create(items=[Wanted(sku="TEA", quantity=2)])
    # No service would take it among new goods.
    tea.archived_at = timezone.now()
    tea.save()
    page = f"/admin/shipping/standingorder/{standing.pk}/change/"
    form = {**ADDRESS, **INLINES, "interval": "week", "every": "1", "start": "2029-01-01"}
    more = {"carrier": standing.carrier_id, "service": "standard", "contents": "TEA 2\r\n"}

    response = admin.post(page, form | more | {"city": "Leeds"})

    assert response.status_code == 302, errors(response)
    assert set(standing.history.last().changes) == {"city"}


def test_a_standing_order_is_moved_by_its_verbs(admin):
    standing = StandingOrderFactory.create()
    path = f"/admin/shipping/standingorder/{standing.pk}"

    def after(verb, **form):
        admin.post(f"{path}/{verb}/", form)
        standing.refresh_from_db()
        return standing.status, str(standing.next_on)

    assert 'value="2029-01-01"' in admin.get(f"{path}/skip/").content.decode()
    assert after("skip", on="2029-01-01", reason="Away.") == ("active", "2029-01-08")
    assert after("pause", reason="Away.") == ("paused", "2029-01-08")
    assert after("resume") == ("active", "2029-01-08")
    assert admin.get(f"{path}/change/").status_code == 200
    assert after("end") == ("ended", "None")
    page = admin.get(f"{path}/change/")
    assert "contents" not in page.context["adminform"].form.fields


@pytest.mark.parametrize(
    ("permission", "seen"),
    [
        ("shipping.view_shipment", [200, 200, 200, 200]),
        ("shipping.handle_standingorder", [403, 200, 403, 403]),
        ("shipping.manage_carriers", [403, 403, 200, 403]),
        ("orders.handle_order", [403, 403, 403, 403]),
    ],
)
def test_pages_ask_the_apps_predicates(permission, seen):
    browser = browser_of(StaffFactory.create(permissions=[permission]))
    pages = ("shipment", "standingorder", "carrier", "news")

    lists = [browser.get(f"/admin/shipping/{page}/").status_code for page in pages]
    adds = {
        page for page in pages if browser.get(f"/admin/shipping/{page}/add/").status_code == 200
    }

    assert lists == seen
    assert adds == ({"standingorder"} if permission.endswith("standingorder") else set())


@pytest.mark.parametrize("page", ["shipment", "standingorder", "carrier", "news"])
def test_lists_take_the_same_statements_for_1_and_3_rows(admin, page):
    taken = []
    for rows in (1, 2):
        for _ in range(rows):
            ShipmentFactory.create()
            StandingOrderFactory.create()
            NewsFactory.create(carrier__name=f"c{Carrier.objects.count()}")
        with CaptureQueriesContext(connection) as statements:
            assert admin.get(f"/admin/shipping/{page}/").status_code == 200
        taken.append(len(statements))

    assert taken[0] == taken[1]
