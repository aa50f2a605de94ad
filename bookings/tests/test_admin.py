"""Bookings in the admin: everything goes by the services."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import StaffFactory, browser_of
from bookings import services
from bookings.models import Booking, ClosedDay, Resource, Service
from customers.tests.factories import CustomerFactory

from .factories import IN_STATUS, MONDAY, BookingFactory, ResourceFactory, ServiceFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
NO_ROWS = {
    f"{each}-{name}_FORMS": "0"
    for each in ("booked", "history", "opening_hours")
    for name in ("TOTAL", "INITIAL")
}
BAY = {"name": "Bay", "code": "bay", "gap": "120", "step": "30", "active": "on"}
HOURS = {
    "opening_hours-TOTAL_FORMS": "1",
    "opening_hours-INITIAL_FORMS": "0",
    "opening_hours-0-weekday": "2",
    "opening_hours-0-opens": "10:00",
    "opening_hours-0-closes": "12:00",
}


def said(response):
    return [str(each) for each in response.context["messages"]]


def errors(response):
    return response.context["adminform"].form.errors


def at(time):
    """Return the two parts of a time as the shop's clocks show it."""
    local = time + 3 * HOUR
    return {"datetime_0": f"{local:%Y-%m-%d}", "datetime_1": f"{local:%H:%M:%S}"}


def test_a_booking_is_made_changed_and_deleted(admin, shopkeeper):
    one, other = ServiceFactory.create(fee=10), ServiceFactory.create(fee=20)
    customer, resource = CustomerFactory.create(), services.default_resource()
    form = {**at(MONDAY), "resource": resource.pk, "customer": customer.pk, "wanted": [one.pk]}

    assert admin.post("/admin/bookings/booking/add/", form).status_code == 302
    booking = Booking.objects.get()
    assert (booking.datetime, booking.customer, booking.total_fee) == (MONDAY, customer, 10)
    assert booking.history.get().by == shopkeeper

    page = f"/admin/bookings/booking/{booking.pk}/change/"
    assert admin.get(page).status_code == 200
    change = form | at(MONDAY + HOUR) | {"wanted": [one.pk, other.pk], "total_fee": "25.00"}
    response = admin.post(page, change | {"customer": ""} | NO_ROWS)
    assert response.status_code == 302, errors(response)
    booking.refresh_from_db()
    assert (booking.datetime, booking.customer, booking.total_fee) == (MONDAY + HOUR, None, 25)
    assert set(booking.services.all()) == {one, other}

    admin.post(f"/admin/bookings/booking/{booking.pk}/delete/", {"post": "yes"})
    assert not Booking.objects.exists()


def edited(booking, **typed):
    return {
        **at(booking.datetime),
        "resource": booking.resource_id,
        "wanted": [each.service_id for each in booking.booked.all()],
        "total_fee": booking.total_fee,
        **typed,
        **NO_ROWS,
    }


def test_a_total_that_is_emptied_is_what_the_services_were_booked_for(admin):
    service, other = ServiceFactory.create(fee=10), ServiceFactory.create(fee=5)
    booking = BookingFactory.create(services=[service.pk], total_fee=8)
    services.update_service(service_id=service.pk, fee=20)
    page = f"/admin/bookings/booking/{booking.pk}/change/"
    assert f"{service} (10.00)" in admin.get(page).text

    assert admin.post(page, edited(booking, total_fee="")).status_code == 302
    booking.refresh_from_db()
    assert booking.total_fee == 10
    wanted = [service.pk, other.pk]
    assert admin.post(page, edited(booking, wanted=wanted, total_fee="")).status_code == 302
    booking.refresh_from_db()
    assert (booking.total_fee, booking.booked.count()) == (15, 2)


def test_the_default_resource_is_chosen_already(admin):
    page = admin.get("/admin/bookings/booking/add/")

    assert page.context["adminform"].form["resource"].value() == services.default_resource().pk


@pytest.mark.parametrize("key", ["\x00", "abc", "0"])
def test_a_customer_that_cannot_be_is_refused(admin, key):
    service = ServiceFactory.create()
    form = {
        **at(MONDAY),
        "resource": services.default_resource().pk,
        "wanted": [service.pk],
        "customer": key,
    }

    response = admin.post("/admin/bookings/booking/add/", form)

    assert list(errors(response)) == ["customer"]
    assert response.context["adminform"].form["wanted"].value() == [str(service.pk)]


@pytest.mark.parametrize("hour", [0, 1])
def test_a_booking_in_an_hour_that_the_clocks_repeat_is_edited(admin, settings, hour):
    settings.SHOP_TIME_ZONE = "Europe/Berlin"
    # Both are 02:30 there.
    time = datetime(2029, 10, 28, hour, 30, tzinfo=UTC)
    booking = BookingFactory.create(time=time)
    page = f"/admin/bookings/booking/{booking.pk}/change/"
    shown = {"datetime_0": "2029-10-28", "datetime_1": "02:30:00"}

    assert admin.post(page, edited(booking, total_fee=7, **shown)).status_code == 302
    booking.refresh_from_db()
    assert (booking.datetime, booking.total_fee) == (time, 7)
    refused = admin.post(page, edited(booking, **shown | {"datetime_1": "02:45:00"}))
    assert list(errors(refused)) == ["datetime"]


def test_a_clash_is_said_in_its_sentence(admin):
    BookingFactory.create(time=MONDAY)
    form = {
        **at(MONDAY + HOUR),
        "resource": services.default_resource().pk,
        "wanted": [ServiceFactory.create().pk],
    }

    response = admin.post("/admin/bookings/booking/add/", form, follow=True)

    [sentence] = said(response)
    assert sentence == (
        "There is a booking at 2029-01-01 12:00, which is too near. Keep 3 h between them."
        " Free: 2029-01-01 15:00, 2029-01-01 15:30, 2029-01-01 16:00."
    )
    assert Booking.objects.count() == 1


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("confirm", "pending", "confirmed"),
        ("done", "confirmed", "done"),
        ("no_show", "confirmed", "no_show"),
        ("cancel", "pending", "cancelled"),
    ],
)
def test_verbs_move_a_booking_from_its_page_and_from_the_list(admin, verb, before, after):
    first, second = IN_STATUS[before].create(), IN_STATUS[before].create()

    admin.post(f"/admin/bookings/booking/{first.pk}/{verb}/", {"reason": "Rain."})
    admin.post(
        "/admin/bookings/booking/",
        {"action": verb, "_selected_action": [second.pk], "confirmed": "1", "reason": ""},
    )

    assert list(Booking.objects.values_list("status", flat=True)) == [after, after]


@pytest.mark.parametrize("status", IN_STATUS)
def test_every_page_opens_in_every_status_and_what_is_over_has_nothing_to_type_in(admin, status):
    booking = IN_STATUS[status].create()

    page = admin.get(f"/admin/bookings/booking/{booking.pk}/change/")

    assert page.status_code == 200
    typed = "datetime" in page.context["adminform"].form.fields
    assert typed == (status in {"pending", "confirmed"})


def test_services_are_made_with_an_id_or_without_and_deleted_unless_booked(admin):
    new = {"name": "Inspection", "duration": "60", "fee": "5.00", "active": "on"}

    admin.post("/admin/bookings/service/add/", new | {"id": "123"})
    admin.post("/admin/bookings/service/add/", new)
    assert Service.objects.count() == 2
    admin.post("/admin/bookings/service/123/change/", new | {"fee": "6.00"})
    assert Service.objects.get(pk=123).fee == 6

    BookingFactory.create(services=[123])
    response = admin.post("/admin/bookings/service/123/delete/", {"post": "yes"}, follow=True)
    assert Service.objects.filter(pk=123).exists()
    assert response.status_code == 200


def test_a_resource_has_its_hours_and_its_gap_is_held_against_what_is_booked(admin):
    response = admin.post("/admin/bookings/resource/add/", BAY | HOURS)
    assert response.status_code == 302, errors(response)
    bay = Resource.objects.get(code="bay")
    assert (bay.gap, [str(each) for each in bay.opening_hours.all()]) == (
        2 * HOUR,
        ["Wednesday 10:00 to 12:00"],
    )
    BookingFactory.create(id=1, time=MONDAY, resource=bay)
    BookingFactory.create(id=2, time=MONDAY + 2 * HOUR, resource=bay)
    hours = bay.opening_hours.get()
    kept = HOURS | {
        "opening_hours-INITIAL_FORMS": "1",
        "opening_hours-0-id": hours.pk,
        "opening_hours-0-resource": bay.pk,
        "opening_hours-0-closes": "13:00",
    }

    page = f"/admin/bookings/resource/{bay.pk}/change/"
    refused = admin.post(page, BAY | kept | {"gap": "180"}, follow=True)
    assert said(refused)[-1:] == [
        "Bookings would clash: 1 at 2029-01-01 12:00 and 2 at 2029-01-01 14:00."
    ]
    assert admin.post(page, BAY | kept | {"gap": "60"}).status_code == 302
    bay.refresh_from_db()
    assert (bay.gap, [str(each) for each in bay.opening_hours.all()]) == (
        HOUR,
        ["Wednesday 10:00 to 13:00"],
    )


def test_a_resource_is_saved_whatever_is_typed_of_its_hours(admin):
    assert admin.post("/admin/bookings/resource/add/", BAY | NO_ROWS).status_code == 302
    bay = Resource.objects.get(code="bay")
    assert not bay.opening_hours.exists()
    hours = bay.opening_hours.create(weekday=2, opens="10:00", closes="12:00")
    page = f"/admin/bookings/resource/{bay.pk}/change/"
    same = HOURS | {
        "opening_hours-INITIAL_FORMS": "1",
        "opening_hours-0-id": hours.pk,
        "opening_hours-0-resource": bay.pk,
    }

    assert admin.post(page, BAY | same | {"name": "Room"}).status_code == 302
    bay.refresh_from_db()
    assert (bay.name, bay.opening_hours.get()) == ("Room", hours)
    gone = same | {"opening_hours-0-DELETE": "on"}
    assert admin.post(page, BAY | gone).status_code == 302
    assert not bay.opening_hours.exists()


@pytest.mark.parametrize("gap", ["0", "10081", "1.5", "03:00:00", ""])
def test_a_gap_is_of_whole_minutes_up_to_seven_days(admin, gap):
    response = admin.post("/admin/bookings/resource/add/", BAY | NO_ROWS | {"gap": gap})

    assert list(errors(response)) == ["gap"]


def test_a_gap_is_shown_in_minutes(admin):
    page = f"/admin/bookings/resource/{services.default_resource().pk}/change/"
    reader = browser_of(StaffFactory.create(permissions=["bookings.view_booking"]))

    for shown in ("/admin/bookings/resource/add/", page):
        assert admin.get(shown).context["adminform"].form["gap"].value() == 180
    assert "180 min" in reader.get("/admin/bookings/resource/").text
    assert "180 min" in reader.get(page).text


def test_only_what_is_out_of_the_ordinary_is_marked_in_the_lists(admin):
    ResourceFactory.create()
    BookingFactory.create()
    BookingFactory.create()
    Booking.objects.filter(pk=BookingFactory.create().pk).update(imported=True)

    bookings, resources = (
        admin.get(f"/admin/bookings/{each}/").text for each in ("booking", "resource")
    )

    assert bookings.count(">history<") == 1
    assert resources.count('data-label="default">default<') == 1
    assert "False" not in bookings + resources


def test_opening_hours_have_no_seconds(admin):
    page = "/admin/bookings/resource/add/"
    response = admin.post(page, BAY | HOURS | {"opening_hours-0-opens": "10:00:30"})
    [hours] = response.context["inline_admin_formsets"]
    assert hours.formset.errors == [{"opens": ["Hours and minutes alone: 08:30."]}]

    # What the page's own clock types in.
    clock = {"opening_hours-0-opens": "10:00:00"}
    assert admin.post(page, BAY | HOURS | clock).status_code == 302


def test_days_are_closed_and_opened_again(admin):
    admin.post("/admin/bookings/closedday/add/", {"date": "2029-12-25", "reason": "Christmas"})
    day = ClosedDay.objects.get()
    assert (day.date, day.resource, day.reason) == (date(2029, 12, 25), None, "Christmas")

    admin.post(f"/admin/bookings/closedday/{day.pk}/delete/", {"post": "yes"})
    assert not ClosedDay.objects.exists()


@pytest.mark.parametrize(
    ("permission", "seen"),
    [
        ("bookings.view_booking", {"booking": 200, "service": 200, "resource": 200, "closedday": 200}),
        ("bookings.manage_services", {"booking": 403, "service": 200, "resource": 200, "closedday": 200}),
        ("orders.handle_order", dict.fromkeys(("booking", "service", "resource", "closedday"), 403)),
    ],
)  # fmt: skip
def test_pages_ask_the_apps_predicates(permission, seen):
    browser = browser_of(StaffFactory.create(permissions=[permission]))

    lists = {name: browser.get(f"/admin/bookings/{name}/").status_code for name in seen}
    adds = {name: browser.get(f"/admin/bookings/{name}/add/").status_code for name in seen}

    assert lists == seen
    manages = permission == "bookings.manage_services"
    assert adds == {name: 200 if manages and name != "booking" else 403 for name in seen}


@pytest.mark.parametrize("page", ["booking", "resource", "service"])
def test_lists_take_the_same_statements_for_1_and_3_rows(admin, page):
    taken = []
    for rows in (1, 2):
        for _ in range(rows):
            customer, resource = CustomerFactory.create(), ResourceFactory.create()
            BookingFactory.create(customer=customer, resource=resource)
        with CaptureQueriesContext(connection) as statements:
            assert admin.get(f"/admin/bookings/{page}/").status_code == 200
        taken.append(len(statements))

    assert taken[0] == taken[1]
