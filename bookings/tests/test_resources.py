"""REST of who or what is booked, its opening hours, and closed days."""

from datetime import date, timedelta

import pytest

from accounts.tests.factories import ShopkeeperFactory
from bookings import services
from bookings.models import ClosedDay, OpeningHours, Resource
from core.tests.races import at_once
from core.tests.rest import parameters, pointers, problem
from customers.exceptions import HasOrders
from customers.services import delete_customer
from customers.tests.factories import CustomerFactory
from orders.tests.factories import OrderFactory

from .factories import MONDAY, BookingFactory, ClosedDayFactory, ResourceFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
HOURS = [
    {"weekday": 0, "opens": "08:00", "closes": "12:00"},
    {"weekday": 0, "opens": "13:00", "closes": "18:00"},
    {"weekday": 6, "opens": "22:00", "closes": "00:00"},
]
BAY = {"code": "bay", "name": "Bay", "gap": 60, "step": 15, "active": True, "opening_hours": HOURS}


def hours_of(code):
    return [str(each) for each in OpeningHours.objects.filter(resource__code=code)]


# Resources


def test_a_resource_goes_in_and_comes_out_with_its_opening_hours(api):
    response = api.post("/resources/", BAY | {"opening_hours": HOURS[::-1]})

    assert response.status_code == 201
    assert response["Location"] == "http://testserver/api/v1/resources/bay/"
    assert response.json() == BAY | {"is_default": False}
    got = api.get("/resources/bay/")
    assert (got.json(), got["ETag"]) == (response.json(), response["ETag"])
    assert api.get("/resources/bay/", If_None_Match=got["ETag"]).status_code == 304
    assert Resource.objects.get(code="bay").gap == HOUR
    # Sent back as it was read, it changes nothing.
    assert api.put("/resources/bay/", got.json()).json() == got.json()


def test_what_is_left_out_is_as_usual_and_no_time_is_offered(api):
    assert api.post("/resources/", {"code": "bay", "name": "Bay"}).json() == {
        "code": "bay",
        "name": "Bay",
        "gap": 180,
        "step": 30,
        "is_default": False,
        "active": True,
        "opening_hours": [],
    }
    week = api.get("/availability/?resource=bay").json()["results"]
    assert [each["times"] for each in week] == [[]] * 7


def test_the_opening_hours_that_are_sent_are_the_only_ones_then_and_else_they_stay(api):
    api.post("/resources/", BAY)

    api.patch("/resources/bay/", {"step": 30})
    api.put("/resources/bay/", {"code": "bay", "name": "Bay"})
    assert hours_of("bay") == [
        "Monday 08:00 to 12:00", "Monday 13:00 to 18:00", "Sunday 22:00 to 00:00",
    ]  # fmt: skip
    # What overlaps counts once, as in the admin.
    twice = [HOURS[0], HOURS[0], HOURS[0] | {"closes": "09:00"}]
    changed = api.patch("/resources/bay/", {"opening_hours": twice}).json()
    assert sorted(each["closes"] for each in changed["opening_hours"]) == [
        "09:00",
        "12:00",
        "12:00",
    ]
    day = api.get("/availability/?resource=bay&from=2029-01-01&to=2029-01-01").json()["results"][0]
    assert len(day["times"]) == 8
    assert api.patch("/resources/bay/", {"opening_hours": []}).json()["opening_hours"] == []
    assert (changed["step"], hours_of("default") != []) == (30, True)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"code": ""}, [("/code", "blank")]),
        ({"code": "a b"}, [("/code", "invalid")]),
        ({"code": "x" * 33}, [("/code", "invalid")]),
        ({"code": "default"}, [("/code", "taken")]),
        ({"name": None}, [("/name", "null")]),
        ({"name": "x" * 201}, [("/name", "max_length")]),
        ({"gap": 0}, [("/gap", "min_value")]),
        ({"gap": 10081}, [("/gap", "max_value")]),
        ({"gap": 1.5}, [("/gap", "invalid")]),
        ({"gap": "03:00:00"}, [("/gap", "invalid")]),
        ({"gap": None}, [("/gap", "null")]),
        ({"step": 4}, [("/step", "min_value")]),
        ({"step": 1441}, [("/step", "max_value")]),
        ({"active": "perhaps"}, [("/active", "invalid")]),
        ({"colour": "red"}, [("/colour", "unknown_field")]),
        ({"opening_hours": None}, [("/opening_hours", "null")]),
        ({"opening_hours": {}}, [("/opening_hours", "not_a_list")]),
        ({"opening_hours": [5]}, [("/opening_hours/0", "invalid")]),
        ({"opening_hours": [HOURS[0]] * 101}, [("/opening_hours", "max_length")]),
        (
            {"opening_hours": [HOURS[0], {}]},
            [(f"/opening_hours/1/{name}", "required") for name in ("weekday", "opens", "closes")],
        ),
        *(
            ({"opening_hours": [HOURS[0] | bad]}, [(f"/opening_hours/0/{name}", code)])
            for bad, name, code in [
                ({"weekday": 9}, "weekday", "max_value"),
                ({"weekday": -1}, "weekday", "min_value"),
                ({"weekday": "Monday"}, "weekday", "invalid"),
                ({"closes": "08:00"}, "closes", "invalid"),
                ({"closes": "07:59"}, "closes", "invalid"),
                ({"closes": "24:00"}, "closes", "invalid"),
                ({"opens": "8 o'clock"}, "opens", "invalid"),
                ({"opens": 8}, "opens", "invalid"),
                ({"opens": "08:00:30"}, "opens", "invalid"),
                ({"opens": None}, "opens", "null"),
                ({"until": "18:00"}, "until", "unknown_field"),
            ]
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["post", "patch"])
def test_what_cannot_be_is_a_400_that_names_the_field(api, method, change, expected):
    if method == "post":
        response = api.post("/resources/", BAY | change)
    else:
        api.post("/resources/", BAY)
        response = api.patch("/resources/bay/", {"gap": 90, "opening_hours": []} | change)

    assert pointers(response) == expected
    left = [(each.code, each.gap / HOUR) for each in Resource.objects.exclude(is_default=True)]
    assert left == ([("bay", 1)] if method == "patch" else [])
    assert len(hours_of("bay")) == 3 * len(left)


def test_a_gap_that_bookings_to_come_have_no_room_for_changes_nothing(api):
    bay = ResourceFactory.create(code="bay", gap=2 * HOUR)
    for number in range(2):
        BookingFactory.create(id=number + 1, time=MONDAY + number * 2 * HOUR, resource=bay)

    refused = api.patch("/resources/bay/", {"gap": 180, "name": "New", "opening_hours": HOURS})

    assert refused.status_code == 409
    assert refused.json() == problem(
        refused,
        code="gap_clash",
        detail="Bookings would clash: 1 at 2029-01-01 12:00 and 2 at 2029-01-01 14:00.",
    )
    bay.refresh_from_db()
    assert (bay.gap, bay.name != "New", hours_of("bay")) == (2 * HOUR, True, [])
    assert api.patch("/resources/bay/", {"gap": 60}).json()["gap"] == 60
    assert set(bay.bookings.values_list("gap", flat=True)) == {HOUR}


def test_a_resource_is_made_inactive_and_never_deleted_and_the_default_one_neither(api):
    api.post("/resources/", BAY)

    assert api.patch("/resources/bay/", {"active": False}).json()["active"] is False
    assert parameters(api.get("/availability/?resource=bay")) == [("resource", "does_not_exist")]
    refused = api.patch("/resources/default/", {"active": False})
    assert pointers(refused) == [("/active", "not_allowed")]
    for path in ("/resources/bay/", "/resources/default/"):
        response = api.delete(path)
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert api.get("/resources/nothing/").status_code == 404


def test_another_code_is_another_address(api):
    api.post("/resources/", BAY)

    assert api.patch("/resources/bay/", {"code": "Bay.2"}).json()["code"] == "Bay.2"
    assert api.get("/resources/bay/").status_code == 404
    assert api.get("/resources/Bay.2/").json()["opening_hours"] == HOURS


@pytest.mark.parametrize("method", ["put", "patch"])
def test_if_match_loses_no_update_of_the_opening_hours_either(api, method):
    seen = api.post("/resources/", BAY)["ETag"]
    api.patch("/resources/bay/", {"opening_hours": HOURS[:1]})

    late = getattr(api, method)("/resources/bay/", BAY, If_Match=seen)
    now = api.get("/resources/bay/")["ETag"]

    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert hours_of("bay") == ["Monday 08:00 to 12:00"]
    assert getattr(api, method)("/resources/bay/", BAY, If_Match=now).status_code == 200


@pytest.mark.parametrize("rows", [1, 3])
def test_lists_take_the_same_statements_for_1_and_3_rows(api, rows, django_assert_num_queries):
    Resource.objects.all().delete()
    for number in range(rows):
        bay = ResourceFactory.create()
        for weekday in range(rows):
            bay.opening_hours.create(weekday=weekday, opens="08:00", closes="18:00")
        ClosedDayFactory.create(date=date(2029, 12, number + 1), resource=bay)

    with django_assert_num_queries(5):  # session, user, membership, resources, opening hours
        found = api.get("/resources/").json()["results"]
    assert [len(each["opening_hours"]) for each in found] == [rows] * rows
    with django_assert_num_queries(4):  # session, user, membership, closed days with resource
        assert len(api.get("/closed-days/").json()["results"]) == rows


def test_resources_are_found_by_name_code_and_whether_they_can_be_booked(api):
    ResourceFactory.create(code="a", name="Ramp")
    ResourceFactory.create(code="z", name="Bay", active=False)

    def found(query):
        return [each["code"] for each in api.get(f"/resources/?{query}").json()["results"]]

    assert found("") == ["a", "default", "z"]
    assert found("ordering=-code") == ["z", "default", "a"]
    assert found("active=false") == found("search=bay") == ["z"]
    assert parameters(api.get("/resources/?gap=5")) == [("gap", "invalid")]


@pytest.mark.django_db(transaction=True)
def test_opening_hours_that_are_set_at_once_are_never_mixed(api_as):
    keeper = ShopkeeperFactory.create()
    api_as(keeper).post("/resources/", BAY)
    weeks = [
        [{"weekday": day, "opens": f"0{number}:00", "closes": "12:00"} for day in range(7)]
        for number in range(8)
    ]

    def put(week):
        body = BAY | {"opening_hours": week}
        return lambda: api_as(keeper).put("/resources/bay/", body).status_code

    assert at_once([put(week) for week in weeks]) == [200] * 8
    assert api_as(keeper).get("/resources/bay/").json()["opening_hours"] in weeks


# Closed days


def test_a_day_is_closed_for_a_resource_or_all_and_opened_again(api):
    ResourceFactory.create(code="bay")

    for_all = api.post("/closed-days/", {"date": "2029-12-25", "reason": "Christmas"})
    for_one = api.post("/closed-days/", {"resource": "bay", "date": "2029-12-25"})

    assert (for_all.status_code, for_one.status_code) == (201, 201)
    key = ClosedDay.objects.get(resource=None).pk
    assert for_all["Location"] == f"http://testserver/api/v1/closed-days/{key}/"
    assert for_all.json() == {
        "id": key,
        "resource": None,
        "date": "2029-12-25",
        "reason": "Christmas",
    }
    assert (for_one.json()["resource"], for_one.json()["reason"]) == ("bay", "")
    path = "/availability/?from=2029-12-25&to=2029-12-25"
    assert api.get(path).json()["results"][0]["times"] == []
    assert api.delete(f"/closed-days/{key}/", If_Match='"other"').status_code == 412
    assert api.delete(f"/closed-days/{key}/", If_Match=for_all["ETag"]).status_code == 204
    assert len(api.get(path).json()["results"][0]["times"]) == 20
    for response in (api.get(f"/closed-days/{key}/"), api.delete(f"/closed-days/{key}/")):
        assert response.status_code == 404
    # It is opened again instead.
    assert api.patch(f"/closed-days/{for_one.json()['id']}/", {}).status_code == 405


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/date", "required")]),
        ({"date": "2029-02-29"}, [("/date", "invalid")]),
        ({"date": "25/12/2029"}, [("/date", "invalid")]),
        ({"date": "2029-12-24"}, [("/date", "exists")]),
        ({"date": "2029-12-25", "resource": "nothing"}, [("/resource", "does_not_exist")]),
        ({"date": "2029-12-25", "resource": "\0"}, [("/resource", "invalid")]),
        ({"date": "2029-12-25", "reason": "x" * 201}, [("/reason", "max_length")]),
        ({"date": "2029-12-25", "id": 5}, [("/id", "unknown_field")]),
    ],
)
def test_a_day_that_cannot_be_closed_is_a_400_that_names_the_field(api, body, expected):
    ClosedDayFactory.create(date=date(2029, 12, 24))

    assert pointers(api.post("/closed-days/", body)) == expected
    assert ClosedDay.objects.count() == 1


def test_closed_days_are_found_by_resource_and_date(api):
    bay = ResourceFactory.create(code="bay")
    for day, resource in ((26, None), (24, bay), (25, None)):
        services.close_day(date=date(2029, 12, day), resource=resource)

    def found(query):
        return [each["date"][-2:] for each in api.get(f"/closed-days/?{query}").json()["results"]]

    assert found("") == ["24", "25", "26"]
    assert found("ordering=-date") == ["26", "25", "24"]
    assert found("resource=bay") == ["24"]
    assert found("date_after=2029-12-25") == ["25", "26"]
    assert found("date_after=2029-12-25&date_before=2029-12-26") == ["25"]
    assert found("page_size=1&date_before=2029-12-26") == ["24"]
    for wrong in ("date_after=12/25/2029", "date_before=soon"):
        name = wrong.partition("=")[0]
        assert parameters(api.get(f"/closed-days/?{wrong}")) == [(name, "invalid")]


# Customers


def test_a_customer_with_bookings_is_not_deleted_and_it_is_said_what_they_have(api):
    customer = CustomerFactory.create(code="C1")
    BookingFactory.create(customer=customer)

    response = api.delete("/customers/C1/")

    detail = "They have bookings, so they cannot be deleted."
    assert response.json() == problem(response, code="in_use", detail=detail)
    OrderFactory.create(customer=customer)
    with pytest.raises(HasOrders, match=r"^They have bookings and orders, so"):
        delete_customer(customer_id=customer.pk)
