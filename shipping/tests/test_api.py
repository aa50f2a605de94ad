"""REST of shipments, carriers and what carriers told."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.tests.factories import VariantFactory
from core.tests.rest import parameters, pointers, problem, utc
from customers.tests.factories import CustomerFactory
from orders.services import Wanted
from orders.tests.factories import AcceptedOrderFactory, OrderFactory
from shipping import providers, services
from shipping.models import Carrier, News, Shipment

from .faces import ADDRESS, STANDING, NewsFactory
from .factories import (
    IN_STATUS,
    CarrierFactory,
    DeliveryOrderFactory,
    RefusedShipmentFactory,
    SentShipmentFactory,
    ShipmentFactory,
    fold,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    """Two teas and a pot, accepted, to be delivered."""
    VariantFactory.create(sku="TEA", product__name="Chai", weight=250)
    VariantFactory.create(sku="POT", product__name="Pot", weight=900)
    return DeliveryOrderFactory.create(
        lines=[Wanted(sku="TEA", quantity=2), Wanted(sku="POT", quantity=1)],
        customer=CustomerFactory.create(code="C1", name="Wanjiru"),
    )


def numbers(response):
    assert response.status_code == 200, response.content
    return [each["number"] for each in response.json()["results"]]


# Shipments


def test_a_shipment_of_all_that_is_left_comes_out_whole(api, order, shopkeeper):
    response = api.post("/shipments/", {"order": order.number})

    assert response.status_code == 201, response.json()
    shipment = Shipment.objects.get()
    assert response["Location"] == f"http://testserver/api/v1/shipments/{shipment.number}/"
    assert response.json() == {
        "number": shipment.number,
        "order": order.number,
        "customer": "C1",
        "customer_name": "Wanjiru",
        "carrier": "courier",
        "service": "standard",
        "status": "waiting",
        "delivery_address": ADDRESS,
        "parcels": [
            {
                "weight": 1400,
                "items": [
                    {"sku": "TEA", "name": "Chai", "quantity": 2, "weight": 250},
                    {"sku": "POT", "name": "Pot", "quantity": 1, "weight": 900},
                ],
            }
        ],
        "due_at": utc(shipment.due_at),
        "sent_at": None,
        "attempts": 0,
        "carrier_reference": "",
        "tracking_url": "",
        "cost": None,
        "cost_currency": "",
        "cancel_asked_at": None,
        "last_event_at": None,
        "heard_at": None,
        "error_code": "",
        "error": "",
        "attention": "",
        "created_at": utc(shipment.created_at),
        "updated_at": utc(shipment.updated_at),
        "timeline": [
            {
                "verb": "prepared",
                "status": "waiting",
                "at": utc(shipment.timeline.get().at),
                "noted_at": utc(shipment.timeline.get().noted_at),
                "detail": "",
                "changes": {},
                "by": shopkeeper.username,
            }
        ],
    }
    got = api.get(f"/shipments/{shipment.number}/")
    assert (got.json(), got["ETag"]) == (response.json(), response["ETag"])
    assert api.get("/shipments/").json()["results"] == [response.json()]


def test_an_order_goes_in_parcels_of_several_shipments_and_never_twice(api, order):
    part = {
        "order": order.number,
        "carrier": "parcelpost",
        "service": "express",
        "parcels": [
            {"items": [{"sku": "tea", "quantity": 1}]},
            {"items": [{"sku": "TEA", "quantity": 1}]},
        ],
    }

    made = api.post("/shipments/", part).json()
    again = api.post("/shipments/", part)
    rest = api.post("/shipments/", {"order": order.number}).json()
    over = api.post("/shipments/", {"order": order.number})

    assert (made["carrier"], made["service"]) == ("parcelpost", "express")
    assert [each["weight"] for each in made["parcels"]] == [250, 250]
    assert pointers(again) == [
        ("/parcels/0/items/0/quantity", "out_of_bounds"),
        ("/parcels/1/items/0/quantity", "out_of_bounds"),
    ]
    assert [each["sku"] for each in rest["parcels"][0]["items"]] == ["POT"]
    assert over.status_code == 409
    assert over.json() == problem(
        over,
        code="not_shippable",
        detail=f"Nothing of order {order.number} is left to be shipped.",
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"order": "9"}, [("/order", "does_not_exist")]),
        ({"order": None}, [("/order", "null")]),
        ({"carrier": "nobody"}, [("/carrier", "does_not_exist")]),
        ({"carrier": ""}, [("/carrier", "blank")]),
        ({"service": "slow"}, [("/service", "invalid_choice")]),
        ({"parcels": []}, [("/parcels", "empty")]),
        ({"parcels": [{"items": []}]}, [("/parcels/0/items", "empty")]),
        ({"parcels": [{}]}, [("/parcels/0/items", "required")]),
        (
            {"parcels": [{"items": [{"sku": "JAM", "quantity": 1}]}]},
            [("/parcels/0/items/0/sku", "unknown_sku")],
        ),
        (
            {"parcels": [{"items": [{"sku": "TEA", "quantity": 0}]}]},
            [("/parcels/0/items/0/quantity", "min_value")],
        ),
        ({"delivery_address": {}}, [
            (f"/delivery_address/{name}", "required") for name in ("city", "line_1", "recipient")
        ]),
        (
            {"delivery_address": ADDRESS | {"line_1": "x" * 36}},
            [("/delivery_address/line_1", "max_length")],
        ),
        ({"delivery_address": ADDRESS | {"country": "gb"}}, [("/delivery_address/country", "invalid")]),
        ({"colour": "red"}, [("/colour", "unknown_field")]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_400_that_names_the_field(api, order, change, expected):
    response = api.post("/shipments/", {"order": order.number} | change)

    assert sorted(pointers(response)) == expected
    assert not Shipment.objects.exists()


@pytest.mark.parametrize("factory", [OrderFactory, AcceptedOrderFactory])
def test_what_is_not_accepted_or_is_collected_is_not_shipped(api, factory):
    response = api.post("/shipments/", {"order": factory.create().number})

    assert (response.status_code, response.json()["code"]) == (409, "not_shippable")


def test_the_same_request_sent_again_with_its_key_makes_one_shipment(api, order):
    part = {
        "order": order.number,
        "parcels": [{"items": [{"sku": "TEA", "quantity": 1}]}],
    }
    answers = [api.post("/shipments/", part, idempotency_key="k-1") for _ in range(2)]

    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Shipment.objects.count() == 1


def test_a_refused_shipment_is_mended_and_waits_again(api):
    shipment = RefusedShipmentFactory.create()
    seen = api.get(f"/shipments/{shipment.number}/")
    assert seen.json()["error"] == "There is no such postcode."
    assert seen.json()["due_at"] is None
    mended = ADDRESS | {"postcode": "W2 6NC"}

    # What was read can be sent back.
    answer = api.patch(
        f"/shipments/{shipment.number}/",
        seen.json() | {"delivery_address": mended},
        if_match=seen["ETag"],
    )

    assert answer.status_code == 200, answer.json()
    assert (answer.json()["status"], answer.json()["delivery_address"]) == ("waiting", mended)
    assert answer.json()["error"] == ""
    assert answer.json()["timeline"][-1]["changes"] == {"postcode": ["W2 6NB", "W2 6NC"]}
    stale = api.patch(f"/shipments/{shipment.number}/", {}, if_match=seen["ETag"])
    assert stale.status_code == 412


def test_an_address_is_whole_in_a_change_too(api):
    shipment = ShipmentFactory.create()

    answer = api.patch(f"/shipments/{shipment.number}/", {"delivery_address": {"city": "Leeds"}})

    assert sorted(pointers(answer)) == [
        ("/delivery_address/line_1", "required"),
        ("/delivery_address/recipient", "required"),
    ]


def test_a_waiting_shipment_is_sent_before_its_cut_off(api):
    services.sync_carriers()
    every_day = {"days": list(range(7)), "cut_off": "23:59"}
    assert api.patch("/carriers/courier/", every_day).status_code == 200
    shipment = ShipmentFactory.create()
    batch = shipment.due_at

    answer = api.post(f"/shipments/{shipment.number}/send/")

    shipment.refresh_from_db()
    assert answer.json()["due_at"] == utc(shipment.due_at)
    assert shipment.due_at < batch


@pytest.mark.parametrize("status", sorted({*IN_STATUS} - {"waiting"}))
def test_only_what_waits_is_sent(api, status):
    shipment = IN_STATUS[status].create()

    answer = api.post(f"/shipments/{shipment.number}/send/")

    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")
    assert answer.json()["status_now"] == status


def test_a_carrier_without_its_settings_is_named(api, order, settings):
    waiting = ShipmentFactory.create()
    settings.PARCELPOST_PASSWORD = ""
    providers._load.cache_clear()
    wanted = {"order": order.number, "carrier": "parcelpost"}
    standing = {"customer": "C1", **STANDING, "carrier": "parcelpost"}

    for answer in (
        api.post("/shipments/", wanted),
        api.post("/shipments/quote/", wanted),
        api.patch(f"/shipments/{waiting.number}/", {"carrier": "parcelpost"}),
        api.post("/standing-orders/", standing),
    ):
        assert pointers(answer) == [("/carrier", "does_not_exist")]
        assert "PARCELPOST_PASSWORD" in answer.json()["errors"][0]["detail"]
    for path in ("/carriers/", f"/shipments/{waiting.number}/", "/carrier-news/"):
        assert api.get(path).status_code == 200


def test_a_shipment_is_cancelled_or_its_carrier_is_asked_to(api):
    waiting = ShipmentFactory.create()
    sent = SentShipmentFactory.create(carrier="parcelpost")

    first = api.post(f"/shipments/{waiting.number}/cancel/", {"reason": "Sold."}).json()
    second = api.post(f"/shipments/{sent.number}/cancel/").json()
    third = api.post(f"/shipments/{waiting.number}/cancel/")

    assert (first["status"], first["timeline"][-1]["detail"]) == ("cancelled", "Sold.")
    assert (second["status"], second["cancel_asked_at"] is None) == ("sent", False)
    assert (third.status_code, third.json()["code"]) == (409, "illegal_move")


def test_what_needs_attention_is_listed_and_settled(api, shopkeeper):
    shipment, _ = ShipmentFactory.create(), ShipmentFactory.create()
    Shipment.objects.filter(pk=shipment.pk).update(attention="Look at this.")
    assert numbers(api.get("/shipments/?attention=true")) == [shipment.number]

    answer = api.post(f"/shipments/{shipment.number}/settle/", {"reason": "Rang them."})

    assert answer.json()["attention"] == ""
    last = answer.json()["timeline"][-1]
    assert (last["detail"], last["changes"], last["by"]) == (
        "Rang them.",
        {"attention": ["Look at this.", ""]},
        shopkeeper.username,
    )
    entries = shipment.timeline.count()
    api.post(f"/shipments/{shipment.number}/settle/")
    assert shipment.timeline.count() == entries


def test_shipments_are_found_by_filter_and_search(api, order):
    made = {status: factory.create() for status, factory in IN_STATUS.items()}
    ours = ShipmentFactory.create(order=order, carrier="parcelpost", service="express")

    for status, shipment in made.items():
        found = numbers(api.get(f"/shipments/?status={status}"))
        assert found == [ours.number, shipment.number][status != "waiting" :]
    for query in (
        f"order={order.number}", "customer=C1", "carrier=parcelpost", "service=express",
        "search=Wanjiru", f"search={ours.number}",
    ):  # fmt: skip
        assert numbers(api.get(f"/shipments/?{query}")) == [ours.number], query
    oldest = numbers(api.get("/shipments/?ordering=created_at"))
    assert oldest == [*(each.number for each in made.values()), ours.number]
    wrong = api.get("/shipments/?status=lost&colour=red&attention=perhaps")
    assert parameters(wrong) == [
        ("colour", "invalid"),
        ("status", "invalid"),
        ("attention", "invalid"),
    ]


def test_a_carrier_says_what_it_would_take(api, order, fake):
    wanted = {"order": order.number, "carrier": "parcelpost", "service": "express"}

    answer = api.post("/shipments/quote/", wanted)

    assert answer.status_code == 200, answer.json()
    [quote] = answer.json()["results"]
    assert set(quote) == {"service", "amount", "currency", "days"}
    assert quote["service"] == "express"
    assert not Shipment.objects.exists()


def test_a_price_is_asked_anew_though_its_key_is_known(api, order, fake):
    # As with a key the answer is stored in a transaction, which must not wait for a carrier.
    wanted = {"order": order.number, "carrier": "parcelpost"}

    for _ in range(2):
        answer = api.post("/shipments/quote/", wanted, idempotency_key="k-1")
        assert (answer.status_code, answer.has_header("Idempotent-Replayed")) == (200, False)


def test_no_price_is_a_409(api, order):
    for carrier in ("courier", "parcelpost"):
        answer = api.post("/shipments/quote/", {"order": order.number, "carrier": carrier})

        assert (answer.status_code, answer.json()["code"]) == (409, "no_quote")


@pytest.mark.parametrize("rows", [1, 3])
def test_a_page_of_shipments_takes_the_same_statements_for_1_and_3_rows(
    api, shopkeeper, rows, django_assert_num_queries
):
    for _ in range(rows):
        skus = [VariantFactory.create().sku for _ in range(rows)]
        order = DeliveryOrderFactory.create(lines=[Wanted(sku=sku, quantity=1) for sku in skus])
        shipment = services.prepare_shipment(
            order_id=order.pk,
            by=shopkeeper,
            parcels=[[Wanted(sku=sku, quantity=1)] for sku in skus],
        )
        for minutes in range(rows):
            fold(shipment, "in-transit", minutes)

    # session, user, membership; shipments with order, customer and carrier, parcels, their items
    # with lines, timeline with who did it
    with django_assert_num_queries(9):
        results = api.get("/shipments/").json()["results"]

    assert [len(each["parcels"]) for each in results] == [rows] * rows


# Carriers


def test_a_carrier_shows_its_schedule_and_what_it_can(api):
    services.sync_carriers()

    results = api.get("/carriers/").json()["results"]

    at = [each.pop("next_batch_at") for each in results]
    assert len(at) == 2
    courier = results[0]
    assert (courier["name"], courier["active"], courier["days"], courier["cut_off"]) == (
        *("courier", True, []),
        "16:00",
    )
    assert courier["circuit"] == {
        "state": "up",
        "failures": 0,
        "failing_since": None,
        "next_at": None,
        "error": "",
    }
    assert [each["name"] for each in results] == ["courier", "parcelpost"]
    assert {type(each[name]) for each in results for name in ("cancels", "quotes", "looks_up")} == {
        bool
    }


def test_a_carrier_that_is_down_says_when_it_is_asked_again(api):
    carrier = CarrierFactory.create(failures=5, error="It timed out.")
    failing = CarrierFactory.create(name="parcelpost", failures=4)

    circuits = {each["name"]: each["circuit"] for each in api.get("/carriers/").json()["results"]}

    assert circuits["courier"]["state"] == "down"
    assert circuits["courier"]["next_at"] == utc(Carrier.objects.get(pk=carrier.pk).next_at)
    assert circuits["courier"]["error"] == "It timed out."
    assert (circuits[failing.name]["state"], circuits[failing.name]["next_at"]) == ("failing", None)


def test_a_new_schedule_moves_what_waits(api):
    shipment = ShipmentFactory.create()

    answer = api.patch("/carriers/courier/", {"days": [4, 1, 4], "cut_off": "15:30"})

    assert answer.status_code == 200, answer.json()
    assert (answer.json()["days"], answer.json()["cut_off"]) == ([1, 4], "15:30")
    shipment.refresh_from_db()
    assert utc(shipment.due_at) == answer.json()["next_batch_at"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"days": [7]}, [("/days/0", "max_value")]),
        ({"days": [-1]}, [("/days/0", "min_value")]),
        ({"days": "Monday"}, [("/days", "not_a_list")]),
        ({"cut_off": "25:00"}, [("/cut_off", "invalid")]),
        ({"active": "perhaps"}, [("/active", "invalid")]),
        ({"password": "x"}, [("/password", "unknown_field")]),
    ],
)
def test_a_schedule_that_cannot_be_is_a_400(api, change, expected):
    CarrierFactory.create()

    assert pointers(api.patch("/carriers/courier/", change)) == expected


def test_nothing_new_goes_by_a_carrier_that_is_not_active(api, order):
    services.sync_carriers()
    api.patch("/carriers/courier/", {"active": False})

    assert api.post("/shipments/", {"order": order.number}).json()["carrier"] == "parcelpost"
    assert pointers(api.post("/shipments/", {"order": order.number, "carrier": "courier"})) == [
        ("/carrier", "does_not_exist")
    ]
    assert [each["name"] for each in api.get("/carriers/?active=true").json()["results"]] == [
        "parcelpost"
    ]


def test_a_carrier_that_the_shop_is_not_set_up_for_any_more_is_still_shown(api):
    CarrierFactory.create(name="bygone")

    [carrier] = api.get("/carriers/").json()["results"]

    assert (carrier["label"], carrier["cancels"], carrier["quotes"], carrier["looks_up"]) == (
        *("Bygone", False),
        *(False, False),
    )


# News


def test_news_are_shown_as_they_came(api):
    news = NewsFactory.create()

    assert api.get("/carrier-news/").json()["results"] == [
        {
            "id": news.pk,
            "carrier": "courier",
            "source": "webhook",
            "state": "unmatched",
            "detail": "No shipment of this number was handed to this carrier.",
            "reference": "S9999",
            "shipment": None,
            "content_type": "application/json",
            "body": '{"order_id": "S9999", "event_name": "delivered"}',
            "received_at": utc(News.objects.get().received_at),
        }
    ]


def test_news_are_found_by_their_state(api):
    made = {
        state: NewsFactory.create(state=state).pk for state in ("new", "done", "unmatched", "bad")
    }

    for state, key in made.items():
        results = api.get(f"/carrier-news/?state={state}").json()["results"]
        assert [each["id"] for each in results] == [key]


def test_news_are_looked_at_again_one_or_all_that_are_for_a_person(api):
    done, bad, _ = (NewsFactory.create(state=state) for state in ("done", "bad", "unmatched"))

    assert api.post(f"/carrier-news/{done.pk}/replay/").json()["state"] == "new"
    assert api.post("/carrier-news/replay/").json() == {"replayed": 2}
    assert set(News.objects.values_list("state", flat=True)) == {"new"}
    assert api.get(f"/carrier-news/{bad.pk}/").json()["id"] == bad.pk


@pytest.mark.parametrize("path", ["carriers", "carrier-news"])
def test_their_lists_take_the_same_statements_for_1_and_3_rows(api, path):
    taken = []
    for rows in (1, 2):
        for _ in range(rows):
            carrier = CarrierFactory.create(name=f"c{Carrier.objects.count()}")
            NewsFactory.create(carrier=carrier, shipment=ShipmentFactory.create())
        with CaptureQueriesContext(connection) as statements:
            assert api.get(f"/{path}/").status_code == 200
        taken.append(len(statements))

    assert taken[0] == taken[1]
