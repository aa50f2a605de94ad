"""What the verbs of bookings do, and refuse."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.tests.factories import UserFactory
from bookings import services
from bookings.exceptions import BookingConflict, BookingGone, IdTaken, MoveNotAllowed, ServiceInUse
from bookings.models import Booking, Service
from bookings.services import Order
from bookings.states import BookingStatus
from core.errors import InvalidInput
from customers.tests.factories import CustomerFactory
from notifications.models import Message

from .factories import (
    IN_STATUS,
    MONDAY,
    BookingFactory,
    CancelledBookingFactory,
    ResourceFactory,
    ServiceFactory,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
VERBS = {
    "confirmed": services.confirm_booking,
    "cancelled": services.cancel_booking,
    "done": services.finish_booking,
    "no_show": services.miss_booking,
}


def history(booking):
    return list(
        booking.history.values_list("verb", "from_status", "to_status", "changes", "reason")
    )


def told():
    return list(Message.objects.order_by("pk").values_list("event", "to", "body"))


def errors_of(caught):
    return [(each.path, each.code) for each in caught.value.errors]


# Booking


def test_a_booking_has_what_was_asked_for_and_what_it_costs():
    by, customer = UserFactory.create(), CustomerFactory.create()
    one, other = ServiceFactory.create(fee="12.50"), ServiceFactory.create(fee="7.25")

    booking = services.book(time=MONDAY, services=[other.pk, one.pk], customer=customer, by=by)

    booking = Booking.objects.get(pk=booking.pk)
    assert (booking.datetime, booking.status, booking.imported) == (MONDAY, "pending", False)
    assert (booking.total_fee, booking.currency) == (Decimal("19.75"), "KES")
    assert (booking.customer, booking.resource.code, booking.gap) == (customer, "default", 3 * HOUR)
    assert [(each.service, each.fee) for each in booking.booked.all()] == [
        (other, Decimal("7.25")),
        (one, Decimal("12.50")),
    ]
    assert history(booking) == [("booked", "", "pending", {}, "")]
    assert booking.history.get().by == by


def test_a_total_that_is_given_counts_whatever_the_services_cost():
    assert BookingFactory.create(total_fee=Decimal(0)).total_fee == 0


def test_ids_are_given_or_made_and_a_made_one_passes_over_those_that_were_given():
    made = ServiceFactory.create().pk
    assert ServiceFactory.create(id=made + 1).pk == made + 1
    assert ServiceFactory.create().pk == made + 2
    made = BookingFactory.create().pk
    assert BookingFactory.create(id=made + 1).pk == made + 1
    assert BookingFactory.create().pk == made + 2


def test_an_id_is_of_one_alone():
    booking = BookingFactory.create(id=223)
    ServiceFactory.create(id=123)

    # At the same time too: it is the id that is wrong.
    for time in (booking.datetime, MONDAY - timedelta(days=9)):
        with pytest.raises(IdTaken) as caught:
            BookingFactory.create(id=223, time=time)
        assert errors_of(caught) == [(("id",), "taken")]
    with pytest.raises(IdTaken):
        ServiceFactory.create(id=123)


@pytest.mark.parametrize(
    ("ids", "errors"),
    [
        ([], [(("services",), "empty")]),
        (list(range(1, 102)), [(("services",), "max_length")]),
        ([1, 9, 2, 8], [(("services", 1, "id"), "does_not_exist"), (("services", 3, "id"), "does_not_exist")]),
        ([1, 1], [(("services", 1, "id"), "duplicate")]),
        ([3], [(("services", 0, "id"), "does_not_exist")]),
    ],
)  # fmt: skip
def test_services_must_be_there_and_offered_each_once(ids, errors):
    for key, active in ((1, True), (2, True), (3, False)):
        ServiceFactory.create(id=key, active=active)

    with pytest.raises(InvalidInput) as caught:
        services.book(time=MONDAY, services=ids, by=None)

    assert errors_of(caught) == errors
    assert not Booking.objects.exists()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"time": datetime(1969, 12, 31, 23, 59, tzinfo=UTC)}, (("datetime",), "out_of_bounds")),
        ({"time": datetime(2200, 1, 1, tzinfo=UTC)}, (("datetime",), "out_of_bounds")),
        ({"total_fee": Decimal("-0.01")}, (("totalfee",), "out_of_bounds")),
        ({"total_fee": Decimal(10**10)}, (("totalfee",), "out_of_bounds")),
    ],
)
def test_times_and_totals_are_within_bounds(fields, error):
    with pytest.raises(InvalidInput) as caught:
        BookingFactory.create(**fields)

    assert errors_of(caught) == [error]


def test_what_is_not_booked_any_more_is_refused():
    with pytest.raises(InvalidInput) as caught:
        BookingFactory.create(resource=ResourceFactory.create(active=False))

    assert errors_of(caught) == [(("resource",), "does_not_exist")]


# The rule


@pytest.mark.parametrize("apart", [timedelta(0), 1.5 * HOUR, 3 * HOUR - timedelta(milliseconds=1)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_booking_that_is_too_near_is_refused_with_the_other_time_and_free_ones(apart, sign):
    BookingFactory.create(time=MONDAY, customer=CustomerFactory.create(name="Amina Hassan"))

    with pytest.raises(BookingConflict) as caught:
        BookingFactory.create(time=MONDAY + sign * apart)

    error = caught.value
    assert (error.code, error.clashes_with) == ("booking_conflict", MONDAY)
    assert error.detail.startswith(
        "There is a booking at 2029-01-01 12:00, which is too near. Keep 3 h between them. Free: "
    )
    assert "Amina" not in error.detail
    assert Booking.objects.count() == 1


def test_free_times_in_a_refusal_are_the_next_that_can_be_booked():
    # The shop is open from 5:00 to 15:00 UTC on Monday.
    BookingFactory.create(time=MONDAY)

    with pytest.raises(BookingConflict) as caught:
        BookingFactory.create(time=MONDAY + HOUR)

    assert caught.value.free == [MONDAY + hours * HOUR for hours in (3, 3.5, 4)]
    for time in caught.value.free[:1]:
        assert BookingFactory.create(time=time).datetime == time


def test_the_gap_is_each_resources_own():
    bay = ResourceFactory.create(gap=HOUR / 2)
    BookingFactory.create(time=MONDAY)

    assert BookingFactory.create(time=MONDAY, resource=bay).gap == HOUR / 2
    assert BookingFactory.create(time=MONDAY + HOUR / 2, resource=bay).resource == bay
    with pytest.raises(BookingConflict) as caught:
        BookingFactory.create(time=MONDAY + HOUR / 4, resource=bay)
    assert "Keep 30 min between them." in caught.value.detail


@pytest.mark.parametrize("status", IN_STATUS)
def test_all_count_but_the_cancelled(status):
    IN_STATUS[status].create(time=MONDAY)

    if status == "cancelled":
        assert BookingFactory.create(time=MONDAY).datetime == MONDAY
    else:
        with pytest.raises(BookingConflict):
            BookingFactory.create(time=MONDAY)


# Changes


def test_a_move_keeps_the_gap_from_all_but_itself():
    booking = BookingFactory.create(time=MONDAY)
    other = BookingFactory.create(time=MONDAY + 6 * HOUR)

    moved = services.change_booking(booking_id=booking.pk, time=MONDAY + HOUR, by=None)
    with pytest.raises(BookingConflict) as caught:
        services.change_booking(booking_id=booking.pk, time=MONDAY + 4 * HOUR, by=None)

    assert moved.datetime == Booking.objects.get(pk=booking.pk).datetime == MONDAY + HOUR
    assert caught.value.clashes_with == other.datetime
    assert history(booking)[1:] == [
        ("moved", "pending", "pending", {"datetime": ["2029-01-01T09:00:00Z", "2029-01-01T10:00:00Z"]}, "")
    ]  # fmt: skip


def test_a_move_takes_the_gap_that_the_resource_has_now_and_other_changes_do_not():
    resource = services.default_resource()
    booking = BookingFactory.create(time=MONDAY)
    resource.gap = HOUR
    resource.save()

    paid = services.change_booking(booking_id=booking.pk, total_fee=Decimal(5), by=None)
    assert (paid.gap, paid.total_fee) == (3 * HOUR, 5)
    moved = services.change_booking(booking_id=booking.pk, time=MONDAY + HOUR, by=None)
    assert moved.gap == HOUR


def test_a_booking_goes_to_another_resource_with_its_gap_where_there_is_room():
    bay = ResourceFactory.create(code="bay", gap=HOUR)
    BookingFactory.create(time=MONDAY, resource=bay)
    booking = BookingFactory.create(time=MONDAY)

    with pytest.raises(BookingConflict):
        services.change_booking(booking_id=booking.pk, resource=bay, by=None)
    there = services.change_booking(
        booking_id=booking.pk, resource=bay, time=MONDAY + HOUR, by=None
    )

    assert (there.resource, there.gap) == (bay, HOUR)
    assert history(booking)[1][3]["resource"] == ["default", "bay"]


def test_new_services_make_the_total_anew_and_those_that_stay_keep_their_fee():
    one, other = ServiceFactory.create(fee=10), ServiceFactory.create(fee=20)
    booking = BookingFactory.create(services=[one.pk])
    services.update_service(service_id=one.pk, fee=Decimal(99), active=False)

    changed = services.change_booking(booking_id=booking.pk, services=[one.pk, other.pk], by=None)

    assert changed.total_fee == 30
    assert history(booking)[1][3] == {
        "services": [[str(one.pk)], [str(one.pk), str(other.pk)]],
        "totalfee": ["10.00", "30.00"],
    }
    kept = services.change_booking(
        booking_id=booking.pk, services=[other.pk], total_fee=Decimal(1), by=None
    )
    assert (kept.total_fee, [each.fee for each in kept.booked.all()]) == (1, [20])


def test_a_change_to_what_it_is_already_changes_nothing():
    booking = BookingFactory.create()
    services.change_booking(
        booking_id=booking.pk,
        time=booking.datetime,
        services=[booking.booked.get().service_id],
        total_fee=booking.total_fee,
        customer=None,
        by=None,
    )

    assert Booking.objects.get(pk=booking.pk).updated_at == booking.updated_at
    assert len(history(booking)) == 1


@pytest.mark.parametrize("status", ["cancelled", "done", "no_show"])
def test_what_is_over_is_changed_no_more(status):
    booking = IN_STATUS[status].create()

    with pytest.raises(MoveNotAllowed) as caught:
        services.change_booking(booking_id=booking.pk, total_fee=Decimal(1), by=None)

    assert (caught.value.present, caught.value.allowed) == (status, [])
    assert Booking.objects.get(pk=booking.pk).total_fee == 100


# Its life


@pytest.mark.parametrize("status", IN_STATUS)
@pytest.mark.parametrize("to", VERBS)
def test_a_booking_moves_only_as_the_table_says(status, to):
    booking, by = IN_STATUS[status].create(), UserFactory.create()

    if BookingStatus(to) in BookingStatus(status).allowed:
        assert VERBS[to](booking_id=booking.pk, by=by).status == to
        assert history(booking)[-1] == (to, status, to, {}, "")
        assert booking.history.last().by == by
    else:
        with pytest.raises(MoveNotAllowed) as caught:
            VERBS[to](booking_id=booking.pk, by=by)
        assert caught.value.present == status
        assert caught.value.allowed == sorted(BookingStatus(status).allowed)
        assert Booking.objects.get(pk=booking.pk).status == status


def test_a_deleted_booking_frees_its_time_and_leaves_nothing():
    booking = BookingFactory.create(time=MONDAY)

    services.delete_booking(booking_id=booking.pk, by=None)

    assert not Booking.objects.exists()
    assert BookingFactory.create(time=MONDAY).datetime == MONDAY


# Services


def test_a_service_that_was_booked_is_not_deleted():
    used, unused = ServiceFactory.create(), ServiceFactory.create()
    CancelledBookingFactory.create(services=[used.pk])

    services.delete_service(service_id=unused.pk)
    with pytest.raises(ServiceInUse):
        services.delete_service(service_id=used.pk)

    assert list(Service.objects.all()) == [used]


def test_what_is_booked_keeps_its_fee_when_the_service_gets_dearer():
    service = ServiceFactory.create(fee=10)
    booking = BookingFactory.create(services=[service.pk])

    services.update_service(service_id=service.pk, fee=Decimal(20), name="Better")

    assert (booking.booked.get().fee, booking.booked.get().service.name) == (10, "Better")


# Import


def test_history_is_kept_though_it_clashes_and_takes_no_time():
    for key in (123, 789):
        ServiceFactory.create(id=key, fee=40)
    live = BookingFactory.create(id=1, time=MONDAY)

    first = services.import_booking(order=Order(id=223, time=MONDAY, services=[123], total_fee=100))
    second = services.import_booking(order=Order(id=224, time=MONDAY + HOUR, services=[123, 789]))

    assert (first.booking.pk, first.clashes_with) == (223, [1])
    assert (second.booking.pk, second.clashes_with) == (224, [1, 223])
    assert [
        (each.pk, each.status, each.imported, each.total_fee)
        for each in Booking.objects.filter(imported=True).order_by("pk")
    ] == [(223, "done", True, 100), (224, "done", True, 80)]
    assert history(first.booking) == [("imported", "", "done", {}, "")]
    services.delete_booking(booking_id=live.pk, by=None)
    assert BookingFactory.create(time=MONDAY).datetime == MONDAY


def test_what_was_imported_before_stays_as_it_is():
    ServiceFactory.create(id=123)
    order = Order(id=223, time=MONDAY, services=[123], total_fee=Decimal(100))
    services.import_booking(order=order)

    again = services.import_booking(order=order)

    assert again.booking is None
    # Of the same id but another one, it is said so.
    for other in (replace(order, time=MONDAY + HOUR), replace(order, total_fee=Decimal(1))):
        with pytest.raises(IdTaken):
            services.import_booking(order=other)
    assert (Booking.objects.get().datetime, Booking.objects.get().total_fee) == (MONDAY, 100)


def test_history_may_be_of_a_service_that_is_not_offered_any_more():
    ServiceFactory.create(id=123, active=False)

    done = services.import_booking(order=Order(id=223, time=MONDAY, services=[123]))

    assert done.booking is not None


def test_imported_history_is_moved_and_changed_no_more():
    ServiceFactory.create(id=123)
    booking = services.import_booking(order=Order(id=223, time=MONDAY, services=[123])).booking

    with pytest.raises(MoveNotAllowed) as caught:
        services.change_booking(booking_id=223, time=MONDAY + HOUR, by=None)

    assert caught.value.detail == "Booking 223 is imported history; it cannot be changed."
    assert caught.value.allowed == []
    assert Booking.objects.get() == booking


# What customers hear


def test_a_customer_hears_when_it_is_booked_moved_and_cancelled():
    customer = CustomerFactory.create(name="Wanjiru", phone="+254722000000")
    booking = BookingFactory.create(id=223, time=MONDAY, customer=customer)
    services.change_booking(booking_id=223, time=MONDAY + HOUR, by=None)
    services.change_booking(booking_id=223, total_fee=Decimal(1), by=None)
    services.confirm_booking(booking_id=223, by=None)
    services.cancel_booking(booking_id=booking.pk, by=None)

    assert [(event, to, body.split(" http")[0]) for event, to, body in told()] == [
        (
            "booking.booked",
            "+254722000000",
            "Duka: thank you, Wanjiru. Your time is 2029-01-01 12:00, booking 223.",
        ),
        (
            "booking.moved",
            "+254722000000",
            "Duka: Wanjiru, your booking 223 is moved. Your time is now 2029-01-01 13:00.",
        ),
        (
            "booking.cancelled",
            "+254722000000",
            "Duka: Wanjiru, your booking 223 at 2029-01-01 13:00 is cancelled.",
        ),
    ]


def test_nobody_hears_of_history_of_times_that_are_over_or_of_a_booking_that_is_nobodys():
    ServiceFactory.create(id=123)
    services.import_booking(order=Order(id=223, time=MONDAY, services=[123]))
    BookingFactory.create(customer=CustomerFactory.create(), quietly=True)
    past = BookingFactory.create(
        customer=CustomerFactory.create(), time=datetime(2022, 11, 1, tzinfo=UTC)
    )
    services.delete_booking(booking_id=past.pk, by=None)
    services.cancel_booking(booking_id=BookingFactory.create().pk, by=None)

    assert told() == []


def test_who_was_to_come_hears_that_their_booking_was_deleted():
    customer = CustomerFactory.create(language="sw", name="Wanjiru")
    booking = BookingFactory.create(id=223, time=MONDAY, customer=customer, quietly=True)

    services.delete_booking(booking_id=booking.pk, by=None)

    assert [(event, body) for event, _, body in told()] == [
        ("booking.cancelled", "Duka: Wanjiru, nafasi yako 223 ya 2029-01-01 12:00 imefutwa.")
    ]


def test_what_was_deleted_meanwhile_is_gone():
    booking = BookingFactory.create()
    services.delete_booking(booking_id=booking.pk, by=None)

    with pytest.raises(BookingGone) as caught:
        services.change_booking(booking_id=booking.pk, time=MONDAY, by=None)

    assert (caught.value.status, caught.value.code) == (404, "gone")
