"""Who may do what at each of shipping's addresses."""

import pytest
from django.urls import reverse

from accounts.tests.factories import StaffFactory, UserFactory
from catalog.tests.factories import VariantFactory
from core.tests.graph import Graph
from core.tests.rest import program_with
from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route
from customers.tests.factories import CustomerFactory
from orders.services import Wanted
from shipping.api.urls import urlpatterns
from shipping.models import Carrier, News, Shipment, StandingOrder
from shipping.permissions import (
    can_handle_shipments,
    can_handle_standing_orders,
    can_manage_carriers,
    can_see_carriers,
    can_see_shipments,
    can_see_standing_orders,
)

from .faces import STANDING, NewsFactory, StandingOrderFactory
from .factories import (
    CarrierFactory,
    DeliveryOrderFactory,
    RefusedShipmentFactory,
    SentShipmentFactory,
    ShipmentFactory,
    fold,
)

VIEW, HANDLE = "shipping.view_shipment", "shipping.handle_shipment"
STAND, MANAGE = "shipping.handle_standingorder", "shipping.manage_carriers"
SEE, CARRIERS, STANDINGS = {VIEW, HANDLE}, {VIEW, HANDLE, MANAGE}, {VIEW, HANDLE, STAND}
OF_ORDER = {"order": "{order}"}
DATES = {name: STANDING[name] for name in ("items", "interval", "start")}
# (method, address) → (body, answer to those who may, the rights of which one is needed;
# None: everybody who has signed in)
ROUTES = {
    ("GET", "shipment-list"): (None, 200, SEE),
    ("POST", "shipment-list"): (OF_ORDER, 201, {HANDLE}),
    ("GET", "shipment-detail"): (None, 200, SEE),
    ("PATCH", "shipment-detail"): ({"service": "express"}, 200, {HANDLE}),
    # Nobody answers at the carriers' addresses.
    ("POST", "shipment-quote"): (OF_ORDER, 409, {HANDLE}),
    ("POST", "shipment-send"): (None, 200, {HANDLE}),
    ("POST", "shipment-settle"): (None, 200, {HANDLE}),
    ("POST", "shipment-cancel"): (None, 200, {HANDLE}),
    ("GET", "carrier-list"): (None, 200, CARRIERS),
    ("GET", "carrier-detail"): (None, 200, CARRIERS),
    ("PATCH", "carrier-detail"): ({"days": [1]}, 200, {MANAGE}),
    ("GET", "carrier-news-list"): (None, 200, SEE),
    ("GET", "carrier-news-detail"): (None, 200, SEE),
    ("POST", "carrier-news-replay"): (None, 200, {HANDLE}),
    ("POST", "carrier-news-replay-all"): (None, 200, {HANDLE}),
    ("GET", "standing-order-list"): (None, 200, STANDINGS),
    ("POST", "standing-order-list"): ({"customer": "C1", **STANDING}, 201, {STAND}),
    # Callers of this table have neither phone nor e-mail address.
    ("POST", "standing-order-own"): (STANDING, 409, None),
    ("POST", "standing-order-preview-new"): (DATES, 200, None),
    ("GET", "standing-order-detail"): (None, 200, STANDINGS),
    ("PATCH", "standing-order-detail"): ({"service": "express"}, 200, {STAND}),
    ("GET", "standing-order-preview"): (None, 200, STANDINGS),
    ("POST", "standing-order-pause"): (None, 200, {STAND}),
    ("POST", "standing-order-resume"): (None, 409, {STAND}),
    ("POST", "standing-order-skip"): ({"on": STANDING["start"]}, 200, {STAND}),
    ("POST", "standing-order-end"): (None, 200, {STAND}),
}
MAKES = {
    "shipment": lambda: ShipmentFactory.create().number,
    "carrier": lambda: CarrierFactory.create().name,
    "carrier-news": lambda: NewsFactory.create().pk,
    "standing-order": lambda: StandingOrderFactory.create().number,
}
OF_NONE = ("-list", "-quote", "-replay-all", "-own", "-preview-new")
ONE_STANDING = {
    route
    for route in ROUTES
    if route[1].startswith("standing-order") and not route[1].endswith(OF_NONE)
}


@pytest.fixture
def call(api_as, simulated):
    # Dates of the next two years can be skipped.
    simulated("2028-12-01 12:00")
    VariantFactory.create(sku="TEA")
    CustomerFactory.create(code="C1")

    def everything():
        return [list(model.objects.values()) for model in (Shipment, Carrier, News, StandingOrder)]

    def call(user, route):
        method, name = route
        body = ROUTES[route][0]
        if body is OF_ORDER:
            body = {"order": DeliveryOrderFactory.create().number}
        kind = next(each for each in sorted(MAKES, key=len)[::-1] if name.startswith(each))
        args = [] if name.endswith(OF_NONE) else [MAKES[kind]()]
        before = everything()
        response = api_as(user)._call(
            method, reverse(name, args=args).removeprefix("/api/v1"), body
        )
        if response.status_code in {401, 403}:
            assert everything() == before
        return response

    return call


class TestRights(Rights):
    ROUTES = ROUTES
    URLS = urlpatterns
    # A shopper sees their own, and cannot know of others.
    OWN = {
        ("GET", "shipment-list"): 200,
        ("GET", "shipment-detail"): 404,
        ("GET", "standing-order-list"): 200,
        **dict.fromkeys(ONE_STANDING, 404),
    }
    PREDICATES = [
        can_handle_shipments,
        can_handle_standing_orders,
        can_manage_carriers,
        can_see_carriers,
        can_see_shipments,
        can_see_standing_orders,
    ]

    def test_all_other_rights_and_being_staff_do_not_replace_the_one_that_is_needed(
        self, call, route
    ):
        if route in ONE_STANDING and ROUTES[route][2] == {STAND}:
            # Who sees all standing orders knows of this one, so it is no 404.
            assert call(StaffFactory.create(permissions=[VIEW]), route).status_code == 403
        else:
            super().test_all_other_rights_and_being_staff_do_not_replace_the_one_that_is_needed(
                call, route
            )


@pytest.mark.django_db
def test_a_shopper_sees_their_own_shipments_and_nothing_between_shop_and_carrier(
    api_as, shopkeeper
):
    shopper = UserFactory.create()
    customer = CustomerFactory.create(user=shopper)
    own = SentShipmentFactory.create(order=DeliveryOrderFactory.create(customer=customer))
    ShipmentFactory.create()
    fold(own, "in-transit", detail="At the depot.")
    Shipment.objects.filter(pk=own.pk).update(
        attention="Look.", error="Wrong.", error_code="wrong", cost=5, cost_currency="KES"
    )

    [seen] = api_as(shopper).get("/shipments/").json()["results"]
    whole = api_as(shopkeeper).get(f"/shipments/{own.number}/").json()

    hidden = {name for name in whole if whole[name] != seen[name]}
    assert hidden == {
        *("attempts", "cost", "cost_currency", "heard_at"),
        *("error", "error_code", "attention", "timeline"),
    }
    assert [(each["verb"], each["status"], each["detail"]) for each in seen["timeline"]] == [
        ("event", "in-transit", "At the depot."),
        ("prepared", "waiting", ""),
        ("accepted", "sent", ""),
    ]
    assert len(whole["timeline"]) == 4
    assert api_as(shopper).get("/shipments/?attention=true").json()["results"] == []


@pytest.mark.django_db
def test_what_the_carrier_refused_waits_as_far_as_shoppers_know(api_as, shopkeeper):
    shopper = UserFactory.create()
    mine = DeliveryOrderFactory.create(customer=CustomerFactory.create(user=shopper))
    number = RefusedShipmentFactory.create(order=mine).number

    def seen(user, query):
        results = api_as(user).get(f"/shipments/{query}").json()["results"]
        graph = Graph(user)(f'{{ shipment(number: "{number}") {{ status }} }}')["status"]
        return [each["status"] for each in results], graph

    assert seen(shopper, "") == seen(shopper, "?status=waiting") == (["waiting"], "WAITING")
    assert seen(shopper, "?status=refused") == ([], "WAITING")
    assert seen(shopkeeper, "?status=refused") == (["refused"], "REFUSED")
    assert seen(shopkeeper, "?status=waiting") == ([], "REFUSED")


@pytest.mark.django_db
def test_shoppers_read_the_reasons_that_they_gave_and_not_the_shops(api_as, shopkeeper, simulated):
    simulated("2028-12-01 12:00")
    shopper = UserFactory.create()
    own = StandingOrderFactory.create(customer=CustomerFactory.create(user=shopper))
    path = f"/standing-orders/{own.number}/"
    for user, day, reason in (
        (shopkeeper, "2029-01-01", "They owe us."),
        (shopper, "2029-01-08", "Away."),
    ):
        api_as(user).post(f"{path}skip/", {"on": day, "reason": reason})
    query = f"""{{ standingOrder(number: "{own.number}") {{
      occurrences {{ reason }} history {{ reason }} }} }}"""

    def reasons(user):
        rest, graph = api_as(user).get(path).json(), Graph(user)(query)
        for name in ("occurrences", "history"):
            yield [each["reason"] for each in rest[name]]
            yield [each["reason"] for each in graph[name]]

    assert list(reasons(shopkeeper)) == [
        *[["Away.", "They owe us."]] * 2,
        *[["Away.", "They owe us.", ""]] * 2,
    ]
    assert list(reasons(shopper)) == [*[["Away.", ""]] * 2, *[["Away.", "", ""]] * 2]


@pytest.mark.django_db
def test_a_shopper_sees_their_own_standing_orders_and_not_who_works_there(api_as, shopkeeper):
    shopper = UserFactory.create()
    own = StandingOrderFactory.create(customer=CustomerFactory.create(user=shopper))
    StandingOrderFactory.create()
    api_as(shopkeeper).post(f"/standing-orders/{own.number}/pause/")

    results = api_as(shopper).get("/standing-orders/").json()["results"]

    assert [each["number"] for each in results] == [own.number]
    assert [(each["verb"], each["by"]) for each in results[0]["history"]] == [
        ("paused", None),
        ("created", None),
    ]


@pytest.mark.django_db
def test_programs_ship_by_the_right_that_the_shopkeeper_gave_them(client):
    CarrierFactory.create()
    VariantFactory.create(sku="POT", stock=9)
    answers = {}
    for right in ("see_orders", "handle_orders", "manage_carriers", "handle_bookings"):
        headers = program_with(right).headers
        order = DeliveryOrderFactory.create(lines=[Wanted(sku="POT", quantity=1)])
        post = client.post(
            "/api/v1/shipments/",
            {"order": order.number},
            content_type="application/json",
            headers=headers,
        )
        patch = client.patch(
            "/api/v1/carriers/courier/",
            {"days": []},
            content_type="application/json",
            headers=headers,
        )
        seen = client.get("/api/v1/shipments/?count=true", headers=headers).json()["count"]
        answers[right] = [post.status_code, patch.status_code, seen]

    assert answers == {
        "see_orders": [403, 403, 0],
        "handle_orders": [201, 403, 1],
        "manage_carriers": [403, 200, 1],
        "handle_bookings": [403, 403, 0],
    }
