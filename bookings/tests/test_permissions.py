"""Who may do what at each of the bookings' addresses."""

import pytest
from django.urls import reverse

from accounts.tests.factories import StaffFactory, UserFactory
from bookings.api.urls import urlpatterns
from bookings.models import Booking, ClosedDay, OpeningHours, Resource, Service
from bookings.permissions import (
    can_handle_bookings,
    can_manage_services,
    can_see_bookings,
    can_see_services,
)
from core.tests.rest import program_with
from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route
from customers.tests.factories import CustomerFactory

from .factories import (
    BookingFactory,
    ClosedDayFactory,
    ConfirmedBookingFactory,
    ResourceFactory,
    ServiceFactory,
)

VIEW, HANDLE = "bookings.view_booking", "bookings.handle_booking"
MANAGE = "bookings.manage_services"
ORDER = {"datetime": "2029-01-01T09:00:00Z", "services": [{"id": 123}]}
SERVICE = {"name": "Inspection"}
RESOURCE = {"code": "bay", "name": "Bay"}
# (method, address) → (body, answer to those who may, the rights of which one is needed;
# None: everybody who has signed in)
ROUTES = {
    ("GET", "service-order-list"): (None, 200, {VIEW, HANDLE}),
    ("POST", "service-order-list"): (ORDER, 201, {HANDLE}),
    ("GET", "service-order-detail"): (None, 200, {VIEW, HANDLE}),
    ("PUT", "service-order-detail"): (ORDER, 200, {HANDLE}),
    ("PATCH", "service-order-detail"): ({"totalfee": 5}, 200, {HANDLE}),
    ("DELETE", "service-order-detail"): (None, 204, {HANDLE}),
    ("POST", "service-order-confirm"): (None, 200, {HANDLE}),
    ("POST", "service-order-book"): (ORDER, 409, None),
    ("POST", "service-order-move"): ({"datetime": ORDER["datetime"]}, 200, {HANDLE}),
    ("POST", "service-order-cancel"): (None, 200, {HANDLE}),
    ("POST", "service-order-done"): (None, 200, {HANDLE}),
    ("POST", "service-order-no-show"): (None, 200, {HANDLE}),
    ("GET", "service-list"): (None, 200, None),
    ("POST", "service-list"): (SERVICE, 201, {MANAGE}),
    ("GET", "service-detail"): (None, 200, None),
    ("PUT", "service-detail"): (SERVICE, 200, {MANAGE}),
    ("PATCH", "service-detail"): (SERVICE, 200, {MANAGE}),
    ("DELETE", "service-detail"): (None, 204, {MANAGE}),
    ("GET", "resource-list"): (None, 200, None),
    ("POST", "resource-list"): (RESOURCE, 201, {MANAGE}),
    ("GET", "resource-detail"): (None, 200, None),
    ("PUT", "resource-detail"): (RESOURCE, 200, {MANAGE}),
    ("PATCH", "resource-detail"): ({"gap": 60}, 200, {MANAGE}),
    ("GET", "closed-day-list"): (None, 200, {VIEW, HANDLE, MANAGE}),
    ("POST", "closed-day-list"): ({"date": "2029-12-25"}, 201, {MANAGE}),
    ("GET", "closed-day-detail"): (None, 200, {VIEW, HANDLE, MANAGE}),
    ("DELETE", "closed-day-detail"): (None, 204, {MANAGE}),
    ("GET", "availability"): (None, 200, None),
}
# What makes the one that is asked for, and how it is addressed.
ONES = {
    "service-order": lambda: BookingFactory.create().pk,
    "service-order-done": lambda: ConfirmedBookingFactory.create().pk,
    "service-order-no-show": lambda: ConfirmedBookingFactory.create().pk,
    "service": lambda: ServiceFactory.create().pk,
    "resource": lambda: ResourceFactory.create().code,
    "closed-day": lambda: ClosedDayFactory.create().pk,
}


@pytest.fixture
def call(api_as):
    ServiceFactory.create(id=123)

    def everything():
        models = (Booking, Service, Resource, OpeningHours, ClosedDay)
        return [list(model.objects.values()) for model in models]

    def call(user, route):
        method, name = route
        kind, _, what = name.rpartition("-")
        one = ONES.get(name) or ONES.get(kind) or ONES["service-order"]
        args = [] if what in {"list", "book", "availability"} else [one()]
        before = everything()
        response = api_as(user)._call(
            method, reverse(name, args=args).removeprefix("/api/v1"), ROUTES[route][0]
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
        ("GET", "service-order-list"): 200,
        ("GET", "service-order-detail"): 404,
        ("POST", "service-order-move"): 404,
        ("POST", "service-order-cancel"): 404,
    }
    PREDICATES = [can_handle_bookings, can_see_bookings, can_manage_services, can_see_services]

    def test_all_other_rights_and_being_staff_do_not_replace_the_one_that_is_needed(
        self, call, route
    ):
        if route[1] in {"service-order-move", "service-order-cancel"}:
            # Who sees all bookings knows of this one, so it is no 404.
            assert call(StaffFactory.create(permissions=[VIEW]), route).status_code == 403
        else:
            super().test_all_other_rights_and_being_staff_do_not_replace_the_one_that_is_needed(
                call, route
            )


@pytest.mark.django_db
def test_a_shopper_sees_their_own_bookings_and_nothing_of_who_works_there(api_as, shopkeeper):
    shopper = UserFactory.create()
    own = BookingFactory.create(customer=CustomerFactory.create(user=shopper))
    BookingFactory.create(customer=CustomerFactory.create())
    BookingFactory.create()
    api_as(shopkeeper).post(f"/service-orders/{own.pk}/confirm/")

    results = api_as(shopper).get("/service-orders/").json()["results"]

    assert [each["id"] for each in results] == [str(own.pk)]
    assert [each["by"] for each in results[0]["history"]] == [None, None]
    assert api_as(shopper).get(f"/service-orders/{own.pk}/").status_code == 200


@pytest.mark.django_db
def test_a_service_that_is_not_offered_is_seen_by_those_who_work_with_it_alone(api, api_as):
    service = ServiceFactory.create(active=False)

    for path, hidden in (("/services/", 200), (f"/services/{service.pk}/", 404)):
        response = api_as(UserFactory.create()).get(path)
        assert response.status_code == hidden
        assert response.json().get("results", []) == []
        assert api.get(path).status_code == 200
    assert [each["id"] for each in api.get("/services/").json()["results"]] == [service.pk]


@pytest.mark.django_db
def test_what_cannot_be_booked_is_seen_by_those_who_work_with_it_alone(api_as):
    ResourceFactory.create(code="bay", active=False)

    for rights, codes, status in (
        ([], ["default"], 404),
        ([VIEW], ["bay", "default"], 200),
        ([MANAGE], ["bay", "default"], 200),
    ):
        caller = api_as(StaffFactory.create(permissions=rights))
        assert [each["code"] for each in caller.get("/resources/").json()["results"]] == codes
        assert caller.get("/resources/bay/").status_code == status


@pytest.mark.django_db
def test_programs_book_by_the_right_that_the_shopkeeper_gave_them(client):
    ServiceFactory.create(id=123)
    answers = {}
    for right in ("see_bookings", "handle_bookings", "manage_catalogue"):
        headers = program_with(right).headers
        answers[right] = [
            client.post(path, body, content_type="application/json", headers=headers).status_code
            for path, body in (("/api/v1/service-orders/", ORDER), ("/api/v1/services/", SERVICE))
        ] + [client.get("/api/v1/service-orders/?count=true", headers=headers).json()["count"]]

    assert answers == {
        "see_bookings": [403, 403, 0],
        "handle_bookings": [201, 403, 1],
        "manage_catalogue": [403, 201, 0],
    }
