"""REST of standing orders."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import UserFactory
from catalog.tests.factories import VariantFactory
from core.tests.graph import Graph
from core.tests.rest import parameters, pointers, utc
from customers.tests.factories import CustomerFactory
from orders.services import Wanted
from shipping import services
from shipping.models import Occurrence, StandingOrder, StandingOrderChange
from shipping.querysets import SHOWN

from .faces import ADDRESS, STANDING, StandingOrderFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def december(simulated):
    """A month before the standing orders of these tests begin: what comes soon can be skipped."""
    simulated("2028-12-01 12:00")


@pytest.fixture
def tea():
    return VariantFactory.create(sku="TEA", product__name="Chai", price="12.50", stock=10)


@pytest.fixture
def customer():
    return CustomerFactory.create(code="C1", name="Wanjiru", user=UserFactory.create())


@pytest.fixture
def mine(api_as, customer):
    """The REST API as the customer."""
    return api_as(customer.user)


def test_a_standing_order_comes_out_whole(api, tea, customer, shopkeeper):
    response = api.post("/standing-orders/", {"customer": "C1", "every": 2, **STANDING})

    assert response.status_code == 201, response.json()
    standing = StandingOrder.objects.get()
    assert response["Location"].endswith(f"/api/v1/standing-orders/{standing.number}/")
    assert response.json() == {
        "number": standing.number,
        "status": "active",
        "customer": "C1",
        "customer_name": "Wanjiru",
        "items": [{"sku": "TEA", "name": "Chai", "quantity": 2}],
        "delivery_address": ADDRESS,
        "carrier": "courier",
        "service": "standard",
        "interval": "week",
        "every": 2,
        "start": "2029-01-01",
        "end": None,
        "count": None,
        "next_on": "2029-01-01",
        "occurrences": [],
        "created_at": utc(standing.created_at),
        "updated_at": utc(standing.updated_at),
        "history": [
            {
                "verb": "created",
                "changes": {},
                "reason": "",
                "by": shopkeeper.username,
                "at": utc(standing.history.get().at),
            }
        ],
    }
    got = api.get(f"/standing-orders/{standing.number}/")
    assert (got.json(), got["ETag"]) == (response.json(), response["ETag"])
    assert api.get("/standing-orders/").json()["results"] == [response.json()]


def test_a_shopper_makes_changes_pauses_resumes_skips_and_ends_their_own(mine, tea, customer):
    made = mine.post("/standing-orders/own/", STANDING)
    assert made.status_code == 201, made.json()
    path = f"/standing-orders/{made.json()['number']}/"
    assert (made.json()["customer"], made.json()["history"][0]["by"]) == ("C1", None)

    changed = mine.patch(path, {"items": [{"sku": "tea", "quantity": 3}]}).json()
    assert changed["items"] == [{"sku": "TEA", "name": "Chai", "quantity": 3}]
    assert changed["history"][0]["changes"] == {"TEA quantity": [2, 3]}
    for _ in range(2):
        skipped = mine.post(f"{path}skip/", {"on": "2029-01-01", "reason": "Away."}).json()
        assert skipped["next_on"] == "2029-01-08"
        assert skipped["occurrences"] == [
            {
                "on": "2029-01-01",
                "status": "skipped",
                "order": None,
                "shipment": None,
                "reason": "Away.",
            }
        ]
    assert mine.post(f"{path}pause/", {"reason": "Away."}).json()["status"] == "paused"
    again = mine.post(f"{path}pause/")
    assert (again.status_code, again.json()["allowed"]) == (409, ["active", "ended"])
    assert mine.post(f"{path}resume/").json()["status"] == "active"
    ended = mine.post(f"{path}end/", {"reason": "Moved."}).json()
    assert (ended["status"], ended["next_on"]) == ("ended", None)
    assert [each["verb"] for each in ended["history"]] == [
        *("ended", "resumed", "paused", "skipped", "changed", "created")
    ]
    assert mine.patch(path, {"service": "express"}).status_code == 409


def test_other_dates_are_counted_anew(api, tea):
    standing = StandingOrderFactory.create()
    path = f"/standing-orders/{standing.number}/"

    monthly = api.patch(path, {"interval": "month", "start": "2029-01-31", "count": 3}).json()
    dates = [each["on"] for each in api.get(f"{path}preview/").json()["results"]]
    until = api.patch(path, {"count": None, "end": "2029-02-28"}).json()
    both = api.patch(path, {"count": 2, "end": "2029-02-28"})

    assert (monthly["next_on"], monthly["count"]) == ("2029-01-31", 3)
    assert dates == ["2029-01-31", "2029-02-28", "2029-03-31"]
    assert (until["count"], until["end"]) == (None, "2029-02-28")
    assert pointers(both) == [("/count", "not_allowed")]


def test_what_comes_and_what_it_costs_is_shown_before_it_is_made_and_after(mine, tea):
    wanted = {name: STANDING[name] for name in ("items", "interval", "start")}
    coming = [{"on": "2029-01-01", "total": "25.00", "notices": []},
              {"on": "2029-01-08", "total": "25.00", "notices": []}]  # fmt: skip

    before = mine.post("/standing-orders/preview/", wanted | {"count": 2})
    assert not StandingOrder.objects.exists()
    number = mine.post("/standing-orders/own/", STANDING | {"count": 2}).json()["number"]
    after = mine.get(f"/standing-orders/{number}/preview/")
    assert before.json() == after.json() == {"currency": "KES", "results": coming}

    tea.stock = 1
    tea.save()
    short = mine.get(f"/standing-orders/{number}/preview/").json()["results"]
    assert [each["notices"] for each in short] == [["Only 1 of Chai (TEA) left."]] * 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"items": []}, [("/items", "empty")]),
        ({"items": [{"sku": "JAM", "quantity": 1}]}, [("/items/0/sku", "unknown_sku")]),
        ({"items": [{"sku": "TEA"}]}, [("/items/0/quantity", "required")]),
        ({"interval": "day"}, [("/interval", "invalid_choice")]),
        ({"every": 0}, [("/every", "min_value")]),
        ({"every": 53}, [("/every", "max_value")]),
        ({"start": "2020-01-01"}, [("/start", "out_of_bounds")]),
        ({"start": "2029-02-29"}, [("/start", "invalid")]),
        ({"end": "2028-12-31"}, [("/end", "out_of_bounds")]),
        ({"count": 0}, [("/count", "min_value")]),
        ({"count": 1, "end": "2029-12-31"}, [("/count", "not_allowed")]),
        ({"service": "slow"}, [("/service", "invalid_choice")]),
        (
            {"delivery_address": ADDRESS | {"city": "x" * 36}},
            [("/delivery_address/city", "max_length")],
        ),
        ({"delivery_address": {"city": "London"}}, [
            ("/delivery_address/line_1", "required"), ("/delivery_address/recipient", "required"),
        ]),
        ({"customer": "NOBODY"}, [("/customer", "does_not_exist")]),
        ({"carrier": "nobody"}, [("/carrier", "does_not_exist")]),
        ({"price": 5}, [("/price", "unknown_field")]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_400_that_names_the_field(api, tea, customer, change, expected):
    response = api.post("/standing-orders/", {"customer": "C1", **STANDING} | change)

    assert sorted(pointers(response)) == expected
    assert not StandingOrder.objects.exists()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/on", "required")]),
        ({"on": "2029-01-02"}, [("/on", "no_such_date")]),
        ({"on": "2028-12-25"}, [("/on", "no_such_date")]),
        ({"on": "soon"}, [("/on", "invalid")]),
    ],
)
def test_only_a_date_of_its_own_is_skipped(api, body, expected):
    standing = StandingOrderFactory.create()

    assert pointers(api.post(f"/standing-orders/{standing.number}/skip/", body)) == expected


def test_what_was_read_can_be_sent_back_and_a_stale_change_is_refused(api):
    path = f"/standing-orders/{StandingOrderFactory.create().number}/"
    seen = api.get(path)

    same = api.patch(path, seen.json(), if_match=seen["ETag"])
    assert (same.status_code, same.json()) == (200, seen.json())
    assert api.post(f"{path}pause/", {}, if_match=seen["ETag"]).status_code == 200
    assert api.post(f"{path}end/", {}, if_match=seen["ETag"]).status_code == 412


def test_who_cannot_be_reached_is_asked_for_a_contact(api_as, tea):
    answer = api_as(UserFactory.create(email="")).post("/standing-orders/own/", STANDING)

    assert (answer.status_code, answer.json()["code"]) == (409, "contact_needed")


def test_they_are_found_by_status_customer_and_search(api, customer):
    ours = StandingOrderFactory.create(customer=customer)
    paused = StandingOrderFactory.create()
    services.pause_standing_order(standing_order_id=paused.pk, by=None)

    def numbers(query):
        results = api.get(f"/standing-orders/?{query}").json()["results"]
        return [each["number"] for each in results]

    assert numbers("status=paused") == [paused.number]
    assert numbers("customer=C1") == numbers("search=wanjiru") == [ours.number]
    assert numbers("ordering=created_at") == [ours.number, paused.number]
    assert parameters(api.get("/standing-orders/?status=lost")) == [("status", "invalid")]


def test_a_page_takes_the_same_statements_for_1_and_3_rows(api, shopkeeper):
    taken = []
    for rows in (1, 2):
        for _ in range(rows):
            items = [Wanted(sku=VariantFactory.create().sku, quantity=1) for _ in range(rows)]
            standing = StandingOrderFactory.create(items=items)
            for day in (1, 8):
                services.skip_date(
                    standing_order_id=standing.pk, on=date(2029, 1, day), by=shopkeeper
                )
        with CaptureQueriesContext(connection) as statements:
            assert api.get("/standing-orders/").status_code == 200
        taken.append(len(statements))

    assert taken[0] == taken[1]


def test_the_last_of_many_dates_and_changes_are_shown(api, shopkeeper, admin):
    standing = StandingOrderFactory.create()
    days = [date(2029, 1, 1) + timedelta(weeks=week) for week in range(SHOWN + 1)]
    Occurrence.objects.bulk_create(
        Occurrence(standing_order=standing, on=day, status="skipped") for day in days
    )
    StandingOrderChange.objects.bulk_create(
        StandingOrderChange(standing_order=standing, verb="announced") for _ in days
    )
    query = f"""{{ standingOrder(number: "{standing.number}") {{
      occurrences {{ on }} history {{ verb }} }} }}"""

    rest = api.get(f"/standing-orders/{standing.number}/").json()
    page = admin.get(f"/admin/shipping/standingorder/{standing.pk}/change/")

    for answer in (rest, Graph(shopkeeper)(query)):
        assert [each["on"] for each in answer["occurrences"]] == [str(day) for day in days[:0:-1]]
        assert [each["verb"].lower() for each in answer["history"]] == ["announced"] * SHOWN
    inlines = [each.formset.queryset for each in page.context["inline_admin_formsets"]]
    assert [len(each) for each in inlines] == [SHOWN] * 2
    assert inlines[0][0].on == days[-1]


@pytest.mark.parametrize("rows", [1, 3])
def test_a_shoppers_page_takes_the_same_statements_for_1_and_3_rows(
    mine, customer, rows, django_assert_num_queries
):
    for _ in range(rows):
        standing = StandingOrderFactory.create(customer=customer)
        for day in range(rows):
            services.skip_date(
                standing_order_id=standing.pk, on=date(2029, 1, 1 + 7 * day), by=customer.user
            )

    # session, user, what they may (4); standing orders with customer and carrier, items, variants,
    # products, dates with order and shipment, history with who did it
    with django_assert_num_queries(12):
        results = mine.get("/standing-orders/").json()["results"]

    assert [len(each["occurrences"]) for each in results] == [rows] * rows
