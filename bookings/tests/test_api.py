"""REST of service orders and services, in the contract's shape."""

from datetime import timedelta

import pytest

from accounts.tests.factories import ShopkeeperFactory
from bookings import services
from bookings.models import Booking, Service
from bookings.services import MAX_SERVICES, Order
from core.tests.rest import parameters, pointers, problem, utc
from customers.tests.factories import CustomerFactory

from .factories import (
    IN_STATUS,
    MONDAY,
    BookingFactory,
    ConfirmedBookingFactory,
    ResourceFactory,
    ServiceFactory,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
# As in contracts/bookings.md.
SAMPLE = [
    {"id": "223", "datetime": "2022-11-01T11:11:11.111Z", "totalfee": 100, "services": [{"id": "123"}]},
    {"id": "224", "datetime": "2022-11-01T11:11:11.111Z", "totalfee": 100, "services": [{"id": "789"}]},
    {"id": "225", "datetime": "2022-11-01T11:11:11.111Z", "totalfee": 100, "services": [{"id": "456"}]},
]  # fmt: skip


@pytest.fixture
def offered():
    for key, name in ((123, "Inspection"), (789, "Testing"), (456, "Analysis")):
        ServiceFactory.create(id=key, name=name, fee="40.50")


def ids(response):
    assert response.status_code == 200, response.content
    return [each["id"] for each in response.json()["results"]]


# The contract


def test_a_service_order_goes_in_and_comes_out_as_in_the_contract(api, offered, shopkeeper):
    response = api.post("/service-orders/", SAMPLE[0])

    assert response.status_code == 201
    assert response["Location"] == "http://testserver/api/v1/service-orders/223/"
    booking = Booking.objects.get()
    assert response.json() == {
        "id": "223",
        "datetime": "2022-11-01T11:11:11.111Z",
        "totalfee": 100,
        "services": [{"id": "123", "name": "Inspection", "fee": "40.50"}],
        "currency": "KES",
        "status": "pending",
        "customer": None,
        "customer_name": None,
        "resource": "default",
        "imported": False,
        "created_at": utc(booking.created_at),
        "updated_at": utc(booking.updated_at),
        "history": [
            {
                "verb": "booked",
                "from_status": "",
                "to_status": "pending",
                "changes": {},
                "reason": "",
                "by": shopkeeper.username,
                "at": utc(booking.history.get().at),
            }
        ],
    }
    got = api.get("/service-orders/223/")
    assert (got.json(), got["ETag"]) == (response.json(), response["ETag"])
    assert api.get("/service-orders/").json()["results"] == [response.json()]


@pytest.mark.parametrize("service", [{"id": "123"}, {"id": 123, "name": "Inspection"}, 1])
def test_a_million_services_are_refused_by_their_field(api, service):
    refused = api.post("/service-orders/", {"datetime": utc(MONDAY), "services": [service] * 10**6})

    assert (refused.status_code, pointers(refused)) == (400, [("/services", "max_length")])


@pytest.mark.parametrize("services", [[], [{"id": "9" * 300_000}], "x"])
def test_what_is_too_large_for_another_reason_is_told_so(api, services):
    body = {"services": services, "datetime": utc(MONDAY), "note": "x" * 3 * 2**20}

    assert api.post("/service-orders/", body).status_code == 413


def test_the_same_services_once_more_leave_the_total_as_it_was_agreed(api, offered):
    booking = BookingFactory.create(services=[123], total_fee=10)

    same = api.patch(f"/service-orders/{booking.pk}/", {"services": [{"id": "123"}]}).json()

    assert (same["totalfee"], len(same["history"])) == (10, 1)


def test_the_sample_clashes_in_the_api_and_loads_as_history(api, offered):
    assert [api.post("/service-orders/", order).status_code for order in SAMPLE] == [201, 409, 409]
    Booking.objects.all().delete()
    for order in SAMPLE:
        services.import_booking(
            order=Order(
                id=int(order["id"]),
                time=MONDAY.fromisoformat(order["datetime"]),
                services=[int(order["services"][0]["id"])],
                total_fee=order["totalfee"],
            )
        )

    results = api.get("/service-orders/?imported=true").json()["results"]
    assert sorted(
        ({name: row[name] for name in SAMPLE[0]} for row in results), key=lambda row: row["id"]
    ) == [
        order | {"services": [{"id": order["services"][0]["id"], "name": name, "fee": "40.50"}]}
        for order, name in zip(SAMPLE, ("Inspection", "Testing", "Analysis"), strict=True)
    ]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"id": 7}, {"id": "7"}),
        ({"id": "7"}, {"id": "7"}),
        ({"id": 9007199254740991}, {"id": "9007199254740991"}),
        ({"services": [{"id": 123}]}, {}),
        ({"services": [{"id": 123, "name": "Theirs"}], "colour": "red", "customerId": 5}, {}),
        ({"totalfee": "12.50"}, {"totalfee": 12.5}),
        ({"totalfee": 0}, {"totalfee": 0}),
        ({"totalfee": None}, {"totalfee": 40.5}),
        ({"totalfee": 9999999999.99}, {"totalfee": 9999999999.99}),
        ({"datetime": "2029-01-01T12:00:00+03:00"}, {"datetime": "2029-01-01T09:00:00.000Z"}),
        ({"datetime": "2029-01-01T09:00:00.123456Z"}, {"datetime": "2029-01-01T09:00:00.123456Z"}),
    ],
)
def test_ids_sums_and_times_are_taken_as_other_systems_write_them(api, offered, fields, shown):
    body = {"datetime": "2029-01-01T09:00:00Z", "services": [{"id": "123"}], **fields}

    response = api.post("/service-orders/", body)

    assert response.status_code == 201, response.json()
    answer = response.json()
    assert {name: answer[name] for name in shown} == shown
    assert answer["services"] == [{"id": "123", "name": "Inspection", "fee": "40.50"}]


def test_the_total_is_worked_out_where_it_is_left_out(api, offered):
    body = {"datetime": "2029-01-01T09:00:00Z", "services": [{"id": 123}, {"id": "456"}]}

    assert api.post("/service-orders/", body).json()["totalfee"] == 81


ORDER = {"datetime": "2029-01-01T09:00:00Z", "services": [{"id": "123"}]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"services": None}, [("/services", "null")]),
        ({"services": []}, [("/services", "empty")]),
        ({"services": {"id": 123}}, [("/services", "not_a_list")]),
        ({"services": [123]}, [("/services/0", "invalid")]),
        ({"services": [{"id": 123}, {}]}, [("/services/1/id", "required")]),
        ({"services": [{"id": 999}]}, [("/services/0/id", "does_not_exist")]),
        ({"services": [{"id": 123}, {"id": "123"}]}, [("/services/1/id", "duplicate")]),
        ({"services": [{"id": 123}] * (MAX_SERVICES + 1)}, [("/services", "max_length")]),
        ({"services": [{"id": 123}] * 100_000}, [("/services", "max_length")]),
        *(
            ({"services": [{"id": bad}]}, [("/services/0/id", code)])
            for bad, code in [
                (0, "invalid"), (-1, "invalid"), (1.5, "invalid"), (True, "invalid"), ("", "invalid"),
                ("x", "invalid"), ("١", "invalid"), ("9" * 5000, "invalid"), (2**53, "invalid"),
                (None, "null"), ([], "invalid"), ("\0", "invalid"),
            ]
        ),
        ({"id": "A-1"}, [("/id", "invalid")]),
        ({"datetime": None}, [("/datetime", "null")]),
        ({"datetime": "2029-01-01T09:00:00"}, [("/datetime", "naive")]),
        ({"datetime": "2029-01-01"}, [("/datetime", "naive")]),
        *(
            ({"datetime": bad}, [("/datetime", "invalid")])
            for bad in (
                "", "soon", 5, {}, "2029-02-29T09:00:00Z", "2029-01-01T25:00:00Z",
                "2029-13-01T09:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00",
            )
        ),
        ({"datetime": "1969-12-31T23:59:59Z"}, [("/datetime", "out_of_bounds")]),
        ({"datetime": "2200-01-01T00:00:00Z"}, [("/datetime", "out_of_bounds")]),
        ({"totalfee": -0.01}, [("/totalfee", "min_value")]),
        ({"totalfee": "lots"}, [("/totalfee", "invalid")]),
        ({"totalfee": 0.001}, [("/totalfee", "max_decimal_places")]),
        ({"totalfee": 10**10}, [("/totalfee", "max_whole_digits")]),
        ({"totalfee": True}, [("/totalfee", "invalid")]),
        ({"customer": "NOBODY"}, [("/customer", "does_not_exist")]),
        ({"resource": "nothing"}, [("/resource", "does_not_exist")]),
        ({"resource": None}, [("/resource", "null")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["post", "patch"])
def test_what_cannot_be_is_a_400_that_names_the_field(api, offered, method, change, expected):
    booking = BookingFactory.create(id=7, services=[456])
    if method == "post":
        response = api.post("/service-orders/", ORDER | change)
    else:
        response = api.patch("/service-orders/7/", change)

    assert pointers(response) == expected
    assert Booking.objects.get().updated_at == booking.updated_at


def test_all_that_is_wrong_is_said_at_once(api):
    assert pointers(api.post("/service-orders/", {"totalfee": -1, "id": "x"})) == [
        ("/id", "invalid"),
        ("/datetime", "required"),
        ("/totalfee", "min_value"),
        ("/services", "required"),
    ]
    assert pointers(api.put(f"/service-orders/{BookingFactory.create().pk}/", {})) == [
        ("/datetime", "required"),
        ("/services", "required"),
    ]


def test_an_id_that_is_taken_is_a_400(api, offered):
    BookingFactory.create(id=223)

    assert pointers(api.post("/service-orders/", SAMPLE[0])) == [("/id", "taken")]
    assert pointers(api.post("/services/", {"id": "123", "name": "X"})) == [("/id", "taken")]


# The rule


def test_a_clash_names_the_time_and_free_ones_and_nothing_of_the_customer(api, offered):
    customer = CustomerFactory.create(name="Amina Hassan")
    BookingFactory.create(time=MONDAY, customer=customer)

    response = api.post("/service-orders/", ORDER | {"datetime": "2029-01-01T10:00:00Z"})

    detail = (
        "There is a booking at 2029-01-01 12:00, which is too near. Keep 3 h between them."
        " Free: 2029-01-01 15:00, 2029-01-01 15:30, 2029-01-01 16:00."
    )
    assert response.status_code == 409
    assert response.json() == problem(
        response,
        code="booking_conflict",
        detail=detail,
        errors=[("/datetime", "booking_conflict", detail)],
        clashes_with="2029-01-01T09:00:00Z",
        free=["2029-01-01T12:00:00Z", "2029-01-01T12:30:00Z", "2029-01-01T13:00:00Z"],
    )
    free = response.json()["free"][0]
    assert api.post("/service-orders/", ORDER | {"datetime": free}).status_code == 201


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_change_of_time_is_held_against_the_rule(api, offered, method):
    BookingFactory.create(time=MONDAY)
    booking = BookingFactory.create(time=MONDAY + 6 * HOUR, services=[123])
    change = getattr(api, method)

    def at(time):
        return change(f"/service-orders/{booking.pk}/", ORDER | {"datetime": time})

    assert at("2029-01-01T11:59:59.999Z").json()["code"] == "booking_conflict"
    assert Booking.objects.get(pk=booking.pk).datetime == MONDAY + 6 * HOUR
    moved = at("2029-01-01T12:00:00Z")
    assert (moved.status_code, moved.json()["datetime"]) == (200, "2029-01-01T12:00:00.000Z")


# Changes


def test_put_changes_all_and_works_the_total_out_anew(api, offered):
    customer, bay = CustomerFactory.create(code="C1"), ResourceFactory.create(code="bay")
    BookingFactory.create(id=7, services=[123], total_fee=5)

    response = api.put(
        "/service-orders/7/",
        ORDER | {"id": 7, "services": [{"id": 789}], "customer": "C1", "resource": "bay"},
    )

    assert response.status_code == 200
    booking = Booking.objects.get()
    assert (booking.datetime, booking.customer, booking.resource) == (MONDAY, customer, bay)
    assert response.json()["totalfee"] == 40.5
    assert response.json()["services"] == [{"id": "789", "name": "Testing", "fee": "40.50"}]
    # Sent back as it was read, with all that cannot be set, it changes nothing.
    assert api.put("/service-orders/7/", response.json()).json() == response.json()


def test_patch_leaves_what_is_not_sent_and_takes_away_the_customer_by_null(api, offered):
    booking = BookingFactory.create(id=7, services=[123], customer=CustomerFactory.create())

    changed = api.patch("/service-orders/7/", {"totalfee": 1}).json()
    assert (changed["totalfee"], changed["customer"]) == (1, booking.customer.code)
    assert changed["datetime"] == utc(booking.datetime).replace("Z", ".000Z")
    assert api.patch("/service-orders/7/", {"customer": None}).json()["customer"] is None
    assert pointers(api.patch("/service-orders/7/", {"id": "8"})) == [("/id", "differs")]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_if_match_loses_no_update(api, offered, method):
    BookingFactory.create(id=7, services=[123])
    seen = api.get("/service-orders/7/")["ETag"]
    api.patch("/service-orders/7/", {"totalfee": 1})
    arguments = [] if method == "delete" else [ORDER]

    late = getattr(api, method)("/service-orders/7/", *arguments, If_Match=seen)
    now = api.get("/service-orders/7/")["ETag"]

    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert getattr(api, method)("/service-orders/7/", *arguments, If_Match=now).status_code < 300


def test_a_post_sent_again_books_once(api, offered):
    first = api.post("/service-orders/", ORDER, Idempotency_Key="k")
    again = api.post("/service-orders/", ORDER, Idempotency_Key="k")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    assert Booking.objects.count() == 1
    other = api.post("/service-orders/", ORDER | {"totalfee": 1}, Idempotency_Key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_deleted_order_is_gone_and_its_time_free(api, offered):
    api.post("/service-orders/", SAMPLE[0])

    assert api.delete("/service-orders/223/").status_code == 204
    assert api.get("/service-orders/223/").status_code == 404
    assert api.post("/service-orders/", SAMPLE[1]).status_code == 201


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("confirm", "pending", "confirmed"),
        ("cancel", "confirmed", "cancelled"),
        ("done", "confirmed", "done"),
        ("no-show", "confirmed", "no_show"),
    ],
)
def test_verbs_move_the_status_and_say_what_may_follow_where_they_cannot(api, verb, before, after):
    path = f"/service-orders/{IN_STATUS[before].create(id=7).pk}/{verb}/"

    moved = api.post(path)
    again = api.post(path)

    assert (moved.status_code, moved.json()["status"]) == (200, after)
    assert moved.json()["history"][-1]["verb"] == after
    assert (again.status_code, again.json()["code"]) == (409, "illegal_move")
    assert again.json()["status_now"] == after
    assert again.json()["allowed"] == (
        ["cancelled", "done", "no_show"] if verb == "confirm" else []
    )


def test_a_cancellation_keeps_its_reason_and_nothing_else_is_taken_with_a_verb(api):
    BookingFactory.create(id=7)

    assert pointers(api.post("/service-orders/7/cancel/", {"why": "x"})) == [
        ("/why", "unknown_field")
    ]
    told = api.post("/service-orders/7/cancel/", {"reason": "Rain."}).json()
    assert told["history"][-1]["reason"] == "Rain."


def test_what_is_over_is_changed_no_more(api):
    booking = IN_STATUS["done"].create(id=7)

    response = api.patch("/service-orders/7/", {"totalfee": 1})

    assert (response.status_code, response.json()["code"]) == (409, "illegal_move")
    assert response.json()["detail"] == "Booking 7 is done; it cannot be changed."
    assert Booking.objects.get().total_fee == booking.total_fee


@pytest.mark.parametrize("path", ["/service-orders/7/", "/services/7/"])
@pytest.mark.parametrize("key", ["7", "0", "x", "99999999999999999", "-1", "7.0"])
def test_what_is_not_there_is_a_404(api, path, key):
    path = path.replace("7", key)

    for response in (api.get(path), api.patch(path, {"name": "x"}), api.delete(path)):
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


# Lists


@pytest.mark.parametrize("rows", [1, 3])
def test_list_takes_the_same_statements_for_1_and_3_rows(api, rows, django_assert_num_queries):
    bosses = ShopkeeperFactory.create_batch(2)
    offered = [ServiceFactory.create().pk for _ in range(rows)]
    for _ in range(rows):
        booking = BookingFactory.create(services=offered, customer=CustomerFactory.create())
        for verb, by in zip(
            (services.confirm_booking, services.cancel_booking), bosses, strict=True
        ):
            verb(booking_id=booking.pk, by=by)

    # session, user, membership; bookings with customer and resource, what was booked with its
    # services, history, who made it
    with django_assert_num_queries(8):
        response = api.get("/service-orders/")

    assert [len(each["services"]) for each in response.json()["results"]] == [rows] * rows
    with django_assert_num_queries(4):  # session, user, membership, services
        assert len(api.get("/services/").json()["results"]) == rows


def test_lists_have_filters_by_all_that_a_shop_looks_for(api):
    service, customer = ServiceFactory.create(), CustomerFactory.create(code="C1", name="Amina")
    bay = ResourceFactory.create(code="bay")
    first = BookingFactory.create(time=MONDAY, services=[service.pk])
    second = ConfirmedBookingFactory.create(time=MONDAY + 3 * HOUR, customer=customer)
    third = BookingFactory.create(time=MONDAY, resource=bay)
    services.import_booking(order=Order(id=5, time=MONDAY - HOUR, services=[service.pk]))

    def found(query):
        return ids(api.get(f"/service-orders/?{query}"))

    one, two, three = (str(each.pk) for each in (first, second, third))
    assert found("") == [two, three, one, "5"]
    assert found("ordering=datetime") == ["5", one, three, two]
    assert found("status=confirmed") == [two]
    assert found("customer=C1") == found("search=amina") == [two]
    assert found("resource=bay") == [three]
    assert found(f"service={service.pk}") == [one, "5"]
    assert found("imported=true") == ["5"]
    assert found("datetime_after=2029-01-01T09:00:00Z&datetime_before=2029-01-01T12:00:00Z") == [
        three,
        one,
    ]


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/service-orders/?state=done", "state"),
        ("/service-orders/?status=lost", "status"),
        ("/service-orders/?service=x", "service"),
        ("/service-orders/?service=99999999999999999999", "service"),
        ("/service-orders/?imported=maybe", "imported"),
        ("/service-orders/?datetime_after=soon", "datetime_after"),
        ("/service-orders/?ordering=totalfee", "ordering"),
        ("/services/?active=perhaps", "active"),
    ],
)
def test_a_filter_that_is_unknown_or_wrong_is_a_400(api, path, parameter):
    assert [name for name, _ in parameters(api.get(path))] == [parameter]


def test_pages_of_one_moment_lose_nothing(api, offered):
    for order in range(5):
        services.import_booking(order=Order(id=order + 1, time=MONDAY, services=[123]))

    seen, path = [], "/service-orders/?page_size=2&count=true"
    while path:
        page = api.get(path.removeprefix("http://testserver/api/v1")).json()
        assert page["count"] == 5
        seen += [row["id"] for row in page["results"]]
        path = page["next"]

    assert seen == ["5", "4", "3", "2", "1"]


# Services


def test_a_service_is_offered_with_the_id_that_it_has_elsewhere_or_a_made_one(api):
    response = api.post("/services/", {"id": "123", "name": "Inspection", "theirs": 1})

    service = Service.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": 123,
        "name": "Inspection",
        "duration": 60,
        "fee": "0.00",
        "currency": "KES",
        "active": True,
        "created_at": utc(service.created_at),
        "updated_at": utc(service.updated_at),
    }
    assert response["Location"] == "http://testserver/api/v1/services/123/"
    made = api.post("/services/", {"name": "Testing", "fee": "12.50", "duration": 90}).json()
    assert (made["fee"], made["duration"]) == ("12.50", 90)
    assert made["id"] not in (None, 123)


def test_services_are_changed_and_deleted_unless_they_were_booked(api):
    used, unused = ServiceFactory.create(), ServiceFactory.create()
    BookingFactory.create(services=[used.pk])

    changed = api.put(f"/services/{used.pk}/", {"name": "Better", "active": False}).json()
    assert (changed["name"], changed["active"], changed["fee"]) == ("Better", False, "100.00")
    assert ids(api.get("/services/?active=true")) == [unused.pk]
    refused = api.delete(f"/services/{used.pk}/")
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    assert api.delete(f"/services/{unused.pk}/").status_code == 204
    assert ids(api.get("/services/")) == [used.pk]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": ""}, [("/name", "blank")]),
        ({"fee": "-1"}, [("/fee", "min_value")]),
        ({"duration": 0}, [("/duration", "min_value")]),
        ({"duration": 1441}, [("/duration", "max_value")]),
        ({"active": "perhaps"}, [("/active", "invalid")]),
    ],
)
def test_a_service_that_cannot_be_is_a_400_that_names_the_field(api, change, expected):
    service = ServiceFactory.create()

    assert pointers(api.post("/services/", {"name": "X"} | change)) == expected
    assert pointers(api.patch(f"/services/{service.pk}/", change)) == expected
    assert Service.objects.get() == service
