"""Standing orders: setting them up, changing, pausing, skipping, ending, and what would come."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from accounts.tests.factories import StaffFactory, UserFactory
from catalog.models import Variant
from catalog.tests.factories import VariantFactory
from core.errors import InvalidInput
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from orders.exceptions import ContactNeeded, UnknownGoods
from orders.services import Wanted
from shipping import services
from shipping.exceptions import (
    CarrierUnknown,
    MoveNotAllowed,
    NoSuchDate,
    TooManyStandingOrders,
)
from shipping.models import StandingOrder
from shipping.providers import Address
from shipping.states import STANDING_ORDER_MOVES, StandingOrderStatus

from .factories import CarrierFactory, StandingOrderFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulated")]
TODAY = date(2026, 11, 30)
HOME = StandingOrderFactory.address


def paths(error):
    return [(each.path, each.code) for each in error.value.errors]


def dates(standing, most=6):
    return [f"{on:%m-%d}" for on, _, _ in services.preview(standing, most=most)]


def occurrences(standing):
    return {f"{each.on:%m-%d}": each.status for each in standing.occurrences.all()}


def again(standing):
    return StandingOrder.objects.get(pk=standing.pk)


def history(standing):
    return [(each.verb, each.reason, each.changes) for each in standing.history.all()]


# Setting up


def test_it_is_what_was_asked_for_and_comes_first_on_its_start():
    tea = VariantFactory.create(sku="TEA")
    customer = CustomerFactory.create()

    standing = services.create_standing_order(
        customer=customer,
        items=[Wanted(sku="tea", quantity=2), Wanted(sku="TEA", quantity=1)],
        address=HOME,
        interval="month",
        start=date(2026, 12, 31),
        count=3,
        carrier="parcelpost",
        service="express",
        by=None,
    )

    standing = again(standing)
    assert standing.number.startswith("R")
    assert (standing.customer, standing.status) == (customer, "active")
    assert [(item.variant, item.quantity) for item in standing.items.all()] == [(tea, 3)]
    assert services.address_of(standing) == HOME
    assert (standing.carrier.name, standing.service) == ("parcelpost", "express")
    assert (standing.next_on, standing.position) == (date(2026, 12, 31), 0)
    assert history(standing) == [("created", "", {})]
    assert dates(standing) == ["12-31", "01-31", "02-28"]


def test_without_a_carrier_it_goes_by_the_first_and_without_a_country_in_the_shops():
    address = Address(**{**vars(HOME), "country": ""})

    standing = StandingOrderFactory.create(address=address)

    assert (standing.carrier.name, standing.country) == ("courier", "KE")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"items": []}, [(("items",), "empty")]),
        ({"items": [Wanted(sku="TEA", quantity=0)]}, [(("items", 0, "quantity"), "out_of_bounds")]),
        (
            {"items": [Wanted(sku="TEA", quantity=1_000_000), Wanted(sku="TEA", quantity=1)]},
            [(("items", 1, "quantity"), "out_of_bounds")],
        ),
        ({"every": 0}, [(("every",), "out_of_bounds")]),
        ({"every": 53}, [(("every",), "out_of_bounds")]),
        ({"start": date(2026, 11, 29)}, [(("start",), "out_of_bounds")]),
        ({"start": date(2200, 1, 1)}, [(("start",), "out_of_bounds")]),
        ({"end": date(2026, 11, 29)}, [(("end",), "out_of_bounds")]),
        ({"count": 0}, [(("count",), "out_of_bounds")]),
        ({"count": 2, "end": date(2026, 12, 31)}, [(("count",), "not_allowed")]),
        (
            {"address": Address(**{**vars(HOME), "line_1": "x" * 36})},
            [(("delivery_address", "line_1"), "max_length")],
        ),
        (
            {"address": Address(**{**vars(HOME), "recipient": " ", "country": "gb"})},
            [
                (("delivery_address", "recipient"), "required"),
                (("delivery_address", "country"), "invalid"),
            ],
        ),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(wanted, expected):
    VariantFactory.create(sku="TEA")

    with pytest.raises(InvalidInput) as error:
        StandingOrderFactory.create(
            **{"items": [Wanted(sku="TEA", quantity=1)], "start": TODAY, **wanted}
        )

    assert paths(error) == expected
    assert not StandingOrder.objects.exists()


def test_a_sku_that_its_carrier_cannot_take_is_refused_where_the_caller_named_it():
    long = VariantFactory.create(sku="X" * 36).sku
    items = [Wanted(sku=VariantFactory.create().sku, quantity=1), Wanted(sku=long, quantity=1)]

    with pytest.raises(InvalidInput) as error:
        StandingOrderFactory.create(items=items)

    assert paths(error) == [(("items", 1, "sku"), "max_length")]


def test_unknown_goods_and_carriers_and_a_customer_who_left_are_refused():
    with pytest.raises(UnknownGoods) as error:
        StandingOrderFactory.create(items=[Wanted(sku="NO", quantity=1)])
    assert paths(error) == [(("items", 0, "sku"), "unknown_sku")]
    with pytest.raises(CarrierUnknown):
        StandingOrderFactory.create(carrier="pigeon")
    customer = CustomerFactory.create()
    type(customer).objects.filter(pk=customer.pk).delete()
    with pytest.raises(InvalidInput) as error:
        StandingOrderFactory.create(customer=customer)
    assert paths(error) == [(("customer",), "does_not_exist")]


# Changing


def test_items_and_address_are_others_from_the_next_date_on():
    tea, milk = VariantFactory.create(sku="TEA"), VariantFactory.create(sku="MILK")
    standing = StandingOrderFactory.create(items=[Wanted(sku="TEA", quantity=2)])
    address = Address(**{**vars(HOME), "line_2": "", "city": "Leeds"})

    services.change_standing_order(
        standing_order_id=standing.pk,
        by=None,
        items=[Wanted(sku="MILK", quantity=1), Wanted(sku="TEA", quantity=1)],
        address=address,
        service="express",
    )

    standing = again(standing)
    assert [(item.variant, item.quantity) for item in standing.items.all()] == [(milk, 1), (tea, 1)]
    assert services.address_of(standing) == address
    assert history(standing)[1] == (
        "changed",
        "",
        {
            "TEA quantity": [2, 1],
            "MILK quantity": [0, 1],
            "line_2": ["179 harrow road", ""],
            "city": ["London", "Leeds"],
            "service": ["standard", "express"],
        },
    )
    assert standing.next_on == TODAY


def test_what_changes_nothing_is_not_noted():
    standing = StandingOrderFactory.create()

    services.change_standing_order(standing_order_id=standing.pk, by=None, every=1, address=HOME)

    assert history(standing) == [("created", "", {})]


def test_another_interval_counts_from_the_next_date_with_what_is_left_of_its_count(simulated):
    standing = StandingOrderFactory.create(count=5)
    services.run_standing_orders()
    assert dates(again(standing)) == ["12-07", "12-14", "12-21", "12-28"]

    standing = services.change_standing_order(
        standing_order_id=standing.pk, by=None, interval="month"
    )

    assert (standing.start, standing.count) == (date(2026, 12, 7), 4)
    assert dates(standing) == ["12-07", "01-07", "02-07", "03-07"]


def test_a_new_start_leaves_out_what_was_ordered_already():
    standing = StandingOrderFactory.create()
    services.run_standing_orders()

    standing = services.change_standing_order(
        standing_order_id=standing.pk, by=None, every=2, start=TODAY
    )

    assert dates(standing, 2) == ["12-14", "12-28"]
    with pytest.raises(InvalidInput):
        services.change_standing_order(
            standing_order_id=standing.pk, by=None, start=date(2026, 11, 29)
        )


def test_an_end_takes_the_place_of_a_count_and_a_past_one_ends_it():
    standing = StandingOrderFactory.create(count=9)
    change = {"standing_order_id": standing.pk, "by": None}

    assert dates(services.change_standing_order(**change, end=date(2026, 12, 8))) == [
        "11-30",
        "12-07",
    ]
    assert len(dates(services.change_standing_order(**change, count=3))) == 3
    assert again(standing).end is None
    assert len(dates(services.change_standing_order(**change, count=None), 20)) == 20
    services.run_standing_orders()
    standing = services.change_standing_order(**change, count=1)
    assert (standing.status, standing.next_on, dates(standing)) == ("ended", None, [])
    with pytest.raises(MoveNotAllowed):
        services.change_standing_order(**change, every=2)


def test_what_its_carrier_cannot_take_changes_nothing():
    standing = StandingOrderFactory.create()

    with pytest.raises(InvalidInput) as error:
        services.change_standing_order(
            standing_order_id=standing.pk,
            by=None,
            every=3,
            address=Address(**{**vars(HOME), "city": "x" * 36}),
        )

    assert paths(error) == [(("delivery_address", "city"), "max_length")]
    assert again(standing).every == 1


def test_of_one_whose_carrier_is_gone_the_first_other_must_take_what_is_changed(settings):
    settings.SHIPPING_PROVIDERS = ["parcelpost"]
    standing = StandingOrderFactory.create()
    StandingOrder.objects.update(carrier=CarrierFactory.create(name="courier"))
    change = {"standing_order_id": standing.pk, "by": None}

    # By that it goes until its own takes shipments again.
    changed = services.change_standing_order(**change, service="express", every=2)
    assert (changed.carrier.name, changed.service, changed.every) == ("courier", "express", 2)
    assert services.change_standing_order(**change, carrier="parcelpost").carrier.name == (
        "parcelpost"
    )
    settings.SHIPPING_PROVIDERS = []
    with pytest.raises(CarrierUnknown):
        services.change_standing_order(**change, service="standard")
    assert services.change_standing_order(**change, every=3).every == 3


# Pausing, ending

VERBS = {
    StandingOrderStatus.PAUSED: services.pause_standing_order,
    StandingOrderStatus.ACTIVE: services.resume_standing_order,
    StandingOrderStatus.ENDED: services.end_standing_order,
}


@pytest.mark.parametrize("to", VERBS)
@pytest.mark.parametrize("before", STANDING_ORDER_MOVES)
def test_it_moves_only_as_the_table_says(before, to):
    standing = StandingOrderFactory.create()
    if before != "active":
        VERBS[before](standing_order_id=standing.pk, by=None)

    if to in STANDING_ORDER_MOVES[before]:
        VERBS[to](standing_order_id=standing.pk, by=None, reason="So.")
        assert again(standing).status == to
        assert history(standing)[-1][1] == "So."
    else:
        with pytest.raises(MoveNotAllowed) as error:
            VERBS[to](standing_order_id=standing.pk, by=None)
        assert error.value.allowed == sorted(STANDING_ORDER_MOVES[before])
        assert again(standing).status == before


@pytest.mark.parametrize(("how", "late"), [("catch_up", []), ("skip", ["missed"])])
def test_what_passes_in_a_pause_is_skipped_and_what_was_due_before_comes_late_or_never(
    how, late, simulated, settings
):
    settings.STANDING_ORDERS_MISSED = how
    standing = StandingOrderFactory.create()
    # On the 7th somebody pauses it before its time, and no worker has run on the 30th.
    simulated("2026-12-07 05:59")
    services.pause_standing_order(standing_order_id=standing.pk, by=None)
    simulated("2026-12-14 06:00")
    assert services.run_standing_orders() == 0

    standing = services.resume_standing_order(standing_order_id=standing.pk, by=None)

    assert list(standing.occurrences.values_list("on", "status", "reason")) == [
        (date(2026, 12, 14), "skipped", "It was paused."),
        (date(2026, 12, 7), "skipped", "It was paused."),
        *((date(2026, 11, 30), status, "It was due while nothing ran.") for status in late),
    ]
    assert services.run_standing_orders() == 1 - len(late)
    assert dates(again(standing), 2) == ["12-21", "12-28"]


def test_paused_and_resumed_before_anything_ran_loses_no_date(simulated):
    standing = StandingOrderFactory.create()
    simulated("2026-11-30 06:00")

    services.pause_standing_order(standing_order_id=standing.pk, by=None)
    services.resume_standing_order(standing_order_id=standing.pk, by=None)

    assert dates(again(standing), 2) == ["11-30", "12-07"]


def test_nobody_sets_one_up_for_who_is_forgotten():
    standing = StandingOrderFactory.create()
    Customer.objects.update(forgotten_at=timezone.now())

    with pytest.raises(InvalidInput) as refused:
        StandingOrderFactory.create(customer=standing.customer)

    assert [error.path for error in refused.value.errors] == [("customer",)]


def test_a_pause_beyond_its_last_date_ends_it(simulated):
    simulated("2026-11-30 05:59")
    standing = StandingOrderFactory.create(count=2)
    services.pause_standing_order(standing_order_id=standing.pk, by=None)
    simulated("2027-01-14 06:00")

    services.resume_standing_order(standing_order_id=standing.pk, by=None)

    assert again(standing).status == "ended"
    assert [verb for verb, _, _ in history(standing)] == ["created", "paused", "resumed", "ended"]


# Skipping


def skip(standing, on, **more):
    return services.skip_date(standing_order_id=standing.pk, on=on, by=None, **more)


def test_one_date_is_left_out_and_the_others_come(simulated):
    standing = StandingOrderFactory.create()

    skip(standing, date(2026, 12, 7), reason="Away.")
    skip(standing, date(2026, 12, 7))

    assert dates(again(standing), 3) == ["11-30", "12-14", "12-21"]
    [occurrence] = standing.occurrences.all()
    assert (occurrence.status, occurrence.reason) == ("skipped", "Away.")
    assert history(standing)[1:] == [("skipped", "Away.", {"on": [None, "2026-12-07"]})]
    simulated("2026-12-14 12:00")
    assert services.run_standing_orders() == 2
    assert occurrences(standing) == {"12-14": "ordered", "12-07": "skipped", "11-30": "ordered"}


def test_the_next_date_skipped_the_one_after_is_next_and_after_the_last_it_is_ended():
    standing = StandingOrderFactory.create(count=3)

    skip(standing, date(2026, 12, 7))
    skip(standing, TODAY)
    assert again(standing).next_on == date(2026, 12, 14)
    skip(standing, date(2026, 12, 14))

    assert (again(standing).status, again(standing).next_on) == ("ended", None)


@pytest.mark.parametrize(
    "on", [date(2026, 11, 23), date(2026, 12, 1), date(2026, 12, 28), TODAY, date.min, date.max]
)
def test_what_is_no_date_to_come_cannot_be_skipped(on):
    standing = StandingOrderFactory.create(count=4)
    services.run_standing_orders()

    with pytest.raises(NoSuchDate):
        skip(standing, on)

    assert occurrences(standing) == {"11-30": "ordered"}


def test_so_many_dates_to_come_are_skipped_and_no_more(simulated):
    standing = StandingOrderFactory.create()
    for week in range(1, 61):
        skip(standing, TODAY + timedelta(weeks=week))

    # Neither the next one nor one far ahead; what is skipped stays so.
    for on in (TODAY + timedelta(weeks=61), date(9999, 12, 27)):
        with pytest.raises(NoSuchDate) as error:
            skip(standing, on)
    assert error.value.errors[0].detail == (
        "60 dates to come are skipped already. Pause or end it."
    )
    assert skip(standing, date(2026, 12, 7)).status == "skipped"
    assert [str(on) for on, _, _ in services.preview(standing, most=2)] == [
        "2026-11-30",
        "2028-01-31",
    ]
    # One that has passed makes room.
    simulated("2026-12-07 06:00")
    services.run_standing_orders()
    assert skip(standing, TODAY + timedelta(weeks=61)).status == "skipped"


def test_of_an_ended_one_nothing_can_be_skipped():
    standing = StandingOrderFactory.create()
    services.end_standing_order(standing_order_id=standing.pk, by=None)

    with pytest.raises(NoSuchDate):
        skip(standing, TODAY)


# What would come


def test_the_preview_costs_what_it_costs_now_and_says_what_cannot_be_had():
    for sku, price, stock in (("A", 3, 9), ("B", 5, 1), ("C", 7, 0), ("D", 11, 9)):
        VariantFactory.create(sku=sku, product__name=sku, price=price, stock=stock)
    items = [Wanted(sku=sku, quantity=2) for sku in "ABCD"]
    standing = StandingOrderFactory.create(items=items, count=2)
    gone = Variant.objects.get(sku="D").product
    gone.is_published = False
    gone.save()

    notices = ["Only 1 of B (B) left.", "C (C) is sold out.", "D (D) is not for sale any more."]
    assert services.preview(standing) == [
        (TODAY, Decimal(52), notices),
        (date(2026, 12, 7), Decimal(52), notices),
    ]


def test_the_preview_of_one_that_is_not_there_is_what_it_would_be():
    tea = VariantFactory.create(price="2.50")
    items = [Wanted(sku=tea.sku, quantity=2)]
    wanted = {"items": items, "interval": "month", "every": 2, "start": date(2026, 12, 31)}

    assert services.preview_new(**wanted, end=date(2027, 4, 30)) == [
        (date(2026, 12, 31), Decimal(5), []),
        (date(2027, 2, 28), Decimal(5), []),
        (date(2027, 4, 30), Decimal(5), []),
    ]
    assert len(services.preview_new(**wanted)) == 6
    with pytest.raises(InvalidInput):
        services.preview_new(**{**wanted, "start": date(2026, 11, 1)})
    assert not StandingOrder.objects.exists()


# Shoppers


def test_a_shopper_does_with_their_own_what_the_shop_does_with_all():
    shopper = UserFactory.create(email="wanjiru@example.com")
    wanted = {
        "items": [Wanted(sku=VariantFactory.create().sku, quantity=1)],
        "address": HOME,
        "interval": "week",
        "start": TODAY,
    }
    standing = services.create_own(by=shopper, **wanted)
    assert standing.customer.user == shopper
    other = StandingOrderFactory.create()
    keeper = StaffFactory.create(permissions=["shipping.handle_standingorder"])

    verbs = [
        (services.change_as_allowed, {"every": 2}),
        (services.skip_as_allowed, {"on": date(2026, 12, 14)}),
        (services.pause_as_allowed, {}),
        (services.resume_as_allowed, {}),
        (services.end_as_allowed, {}),
    ]
    for verb, more in verbs:
        assert verb(standing_order_id=standing.pk, by=shopper, **more).pk == standing.pk
        for stranger in (shopper, StaffFactory.create(permissions=["shipping.view_shipment"])):
            with pytest.raises(PermissionDenied):
                verb(standing_order_id=other.pk, by=stranger, **more)
        assert verb(standing_order_id=other.pk, by=keeper, **more).pk == other.pk
    assert {each.by for each in standing.history.all()} == {shopper}


def test_a_shopper_chooses_no_carrier_for_their_own():
    shopper = UserFactory.create()
    standing = StandingOrderFactory.create(customer=CustomerFactory.create(user=shopper))
    change = {"standing_order_id": standing.pk, "by": shopper}

    with pytest.raises(InvalidInput) as error:
        services.change_as_allowed(**change, carrier="parcelpost")
    assert paths(error) == [(("carrier",), "not_allowed")]
    # As it was sent to them.
    assert services.change_as_allowed(**change, carrier="courier", every=2).every == 2

    keeper = StaffFactory.create(permissions=["shipping.handle_standingorder"])
    changed = services.change_as_allowed(**{**change, "by": keeper}, carrier="parcelpost")
    assert changed.carrier.name == "parcelpost"


def test_a_shopper_has_so_many_standing_orders_and_no_more(settings):
    settings.STANDING_ORDERS_OPEN_LIMIT = 2
    shopper = UserFactory.create(email="wanjiru@example.com")
    customer = CustomerFactory.create(user=shopper)
    # One that is ended and one of another's count for nothing, what the shop made does.
    services.end_standing_order(
        standing_order_id=StandingOrderFactory.create(customer=customer).pk, by=None
    )
    StandingOrderFactory.create()
    StandingOrderFactory.create(customer=customer)
    wanted = {
        "items": [Wanted(sku=VariantFactory.create().sku, quantity=1)],
        "address": HOME,
        "interval": "week",
        "start": TODAY,
    }
    last = services.create_own(by=shopper, **wanted)

    for verb in (None, services.pause_as_allowed, services.resume_as_allowed):
        if verb:
            verb(standing_order_id=last.pk, by=shopper)
        with pytest.raises(TooManyStandingOrders) as error:
            services.create_own(by=shopper, **wanted)
    assert error.value.detail == (
        "You have as many standing orders as you can have: 2. End one that you do not need, or ask"
        " the shop."
    )
    StandingOrderFactory.create(customer=customer)
    # One less, and the shop's beyond the limit, one more is still too many; two less, it is not.
    for over in (True, False):
        open_one = customer.standing_orders.exclude(status="ended").first()
        services.end_as_allowed(standing_order_id=open_one.pk, by=shopper)
        if over:
            with pytest.raises(TooManyStandingOrders):
                services.create_own(by=shopper, **wanted)
    assert services.create_own(by=shopper, **wanted).customer == customer


def test_its_customer_is_told_what_they_wrote_and_not_what_the_shop_did(simulated):
    shopper, keeper = UserFactory.create(), StaffFactory.create()
    standing = StandingOrderFactory.create(customer=CustomerFactory.create(user=shopper))
    key = {"standing_order_id": standing.pk}
    services.skip_date(**key, on=date(2026, 12, 7), by=shopper, reason="Away.")
    services.skip_date(**key, on=date(2026, 12, 14), by=keeper, reason="They never pay.")
    simulated("2026-11-30 05:59")
    services.pause_standing_order(**key, by=keeper, reason="They owe us.")
    simulated("2026-12-01 06:00")
    services.resume_standing_order(**key, by=shopper, reason="Paid.")

    told = [each.customers_reason for each in standing.history.all()]
    dates_told = {f"{each.on:%m-%d}": each.customers_reason for each in standing.occurrences.all()}

    assert told == ["", "Away.", "", "", "Paid."]
    assert dates_told == {"12-14": "", "12-07": "Away.", "11-30": ""}


def test_who_cannot_be_reached_has_no_standing_order():
    nobody = UserFactory.create(email="")

    with pytest.raises(ContactNeeded):
        services.create_own(by=nobody, items=[], address=HOME, interval="week", start=TODAY)
