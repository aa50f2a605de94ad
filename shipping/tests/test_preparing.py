"""What can be shipped of an order, in which parcels, and what is refused before it is made."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from catalog.models import Variant
from catalog.tests.factories import VariantFactory
from core.errors import InvalidInput
from core.tests.races import at_once
from customers.models import Customer
from orders.services import Delivery, Wanted, fulfil_order
from orders.states import DeliveryMethod
from orders.tests.factories import IN_STATUS as ORDER_IN
from orders.tests.factories import AcceptedOrderFactory
from shipping import providers
from shipping.checks import carriers_have_settings
from shipping.exceptions import CarrierUnknown, MoveNotAllowed, NoQuote, NotShippable
from shipping.models import Carrier, Shipment
from shipping.providers import Address
from shipping.services import (
    cancel_shipment,
    edit_shipment,
    prepare_shipment,
    quotes_for,
    shippable,
    update_carrier,
)
from shipping.states import OPEN, ShipmentStatus

from .factories import (
    HOME,
    IN_STATUS,
    DeliveryOrderFactory,
    HandedShipmentFactory,
    ShipmentFactory,
)

pytestmark = pytest.mark.django_db
ADDRESS = {
    "recipient": "John Doe",
    "line_1": "The battleship building",
    "line_2": "179 harrow road",
    "city": "London",
    "postcode": "W2 6NB",
    "country": "GB",
}


def order_of(**pieces):
    for sku in pieces:
        VariantFactory.create(sku=sku, weight=100)
    return DeliveryOrderFactory.create(lines=wanted(**pieces))


def wanted(**pieces):
    return [Wanted(sku=sku, quantity=quantity) for sku, quantity in pieces.items()]


def ship(order, *parcels, **more):
    return prepare_shipment(order_id=order.pk, by=None, parcels=parcels or None, **more)


def left(order):
    return {line.sku: shippable(order)[line.pk] for line in order.lines.all()}


def contents(shipment):
    return [
        [(item.line.sku, item.quantity, item.weight) for item in parcel.items.all()]
        for parcel in shipment.parcels.all()
    ]


def errors(refused):
    return {error.path: error.code for error in refused.value.errors}


class TestWhat:
    def test_all_that_is_left_in_one_parcel_by_the_first_carrier(self):
        order = order_of(TEA=2, CUP=1)

        shipment = ship(order)

        assert contents(shipment) == [[("TEA", 2, 100), ("CUP", 1, 100)]]
        assert (shipment.status, shipment.carrier.name, shipment.service) == (
            "waiting",
            "courier",
            "standard",
        )
        assert {name: getattr(shipment, name) for name in ADDRESS} == ADDRESS
        assert left(order) == {"TEA": 0, "CUP": 0}

    def test_in_parts_and_several_parcels_until_nothing_is_left(self):
        order = order_of(TEA=5, CUP=1)

        first = ship(order, wanted(TEA=2), wanted(TEA=1))
        assert contents(first) == [[("TEA", 2, 100)], [("TEA", 1, 100)]]
        assert left(order) == {"TEA": 2, "CUP": 1}
        second = ship(order)
        assert contents(second) == [[("TEA", 2, 100), ("CUP", 1, 100)]]
        with pytest.raises(NotShippable):
            ship(order)

    def test_a_sku_twice_in_a_parcel_is_one_line_of_it(self):
        order = order_of(TEA=5)

        assert contents(ship(order, wanted(TEA=2) + wanted(tea=1))) == [[("TEA", 3, 100)]]

    def test_what_the_customer_has_is_not_shipped(self):
        order = order_of(TEA=5)
        fulfil_order(order_id=order.pk, by=None, lines=wanted(TEA=3))

        assert contents(ship(order)) == [[("TEA", 2, 100)]]

    @pytest.mark.parametrize("status", ShipmentStatus)
    def test_pieces_are_free_again_once_nobody_brings_them(self, status):
        shipment = IN_STATUS[status].create()
        line = shipment.order.lines.get()

        held = status in OPEN or status == "delivered"
        assert shippable(shipment.order) == {line.pk: 0 if held else 1}

    @pytest.mark.parametrize(
        ("parcels", "expected"),
        [
            ([], {("parcels",): "out_of_bounds"}),
            ([[]] * 100, {("parcels",): "out_of_bounds"}),
            ([wanted(TEA=1), []], {("parcels", 1, "items"): "empty"}),
            ([wanted(POT=1)], {("parcels", 0, "items", 0, "sku"): "unknown_sku"}),
            ([wanted(TEA=6)], {("parcels", 0, "items", 0, "quantity"): "out_of_bounds"}),
            ([wanted(TEA=0)], {("parcels", 0, "items", 0, "quantity"): "out_of_bounds"}),
            ([wanted(TEA=-1)], {("parcels", 0, "items", 0, "quantity"): "out_of_bounds"}),
            (
                [wanted(TEA=3), wanted(CUP=1, TEA=3)],
                {
                    ("parcels", 1, "items", 0, "sku"): "unknown_sku",
                    ("parcels", 1, "items", 1, "quantity"): "out_of_bounds",
                },
            ),
        ],
    )
    def test_what_does_not_fit_the_order_is_named(self, parcels, expected):
        order = order_of(TEA=5)

        with pytest.raises(InvalidInput) as refused:
            prepare_shipment(order_id=order.pk, by=None, parcels=parcels)

        assert errors(refused) == expected
        assert not Shipment.objects.exists()

    @pytest.mark.parametrize("status", sorted(set(ORDER_IN) - {"accepted"}))
    def test_only_an_accepted_order_is_shipped(self, status):
        order = ORDER_IN[status].create(delivery=HOME)

        with pytest.raises(NotShippable):
            ship(order)

    def test_what_is_collected_is_not_shipped(self):
        with pytest.raises(NotShippable):
            ship(AcceptedOrderFactory.create())

    @pytest.mark.parametrize("name", ["nobody", "parcelpost"])
    def test_by_a_carrier_that_takes_nothing_nothing_goes(self, name):
        ship(order_of(TEA=1))
        update_carrier(carrier_id=Carrier.objects.get(name="parcelpost").pk, active=False)

        with pytest.raises(CarrierUnknown):
            ship(order_of(CUP=1), carrier=name)

    def test_by_a_carrier_without_its_settings_nothing_goes_and_a_check_names_them(self, settings):
        settings.PARCELPOST_USER = ""
        providers._load.cache_clear()
        order = order_of(TEA=1)
        for refuse in (partial(prepare_shipment, by=None), quotes_for):
            with pytest.raises(CarrierUnknown) as refused:
                refuse(order_id=order.pk, carrier="parcelpost")
            assert errors(refused) == {("carrier",): "does_not_exist"}

        [error] = carriers_have_settings(None)
        assert error.msg == (
            "SHIPPING_PROVIDERS: parcelpost needs PARCELPOST_URL, PARCELPOST_USER and"
            " PARCELPOST_PASSWORD."
        )

    def test_without_a_country_it_is_the_shop_s(self):
        delivery = Delivery(
            delivery_method=DeliveryMethod.DELIVERY,
            recipient="Wanjiru",
            address_line_1="Moi Avenue 12",
            city="Nairobi",
        )
        assert ship(DeliveryOrderFactory.create(delivery=delivery)).country == "KE"


class TestLimits:
    @pytest.mark.parametrize("name", ["recipient", "line_1", "line_2", "city"])
    def test_a_field_of_36_characters_is_refused_by_name_and_one_of_35_is_not(self, name):
        order = order_of(TEA=1)

        with pytest.raises(InvalidInput) as refused:
            ship(order, address=Address(**{**ADDRESS, name: "é" * 36}))

        assert errors(refused) == {("delivery_address", name): "max_length"}
        # Also for those who see one sentence alone.
        assert refused.value.detail == (
            f"delivery_address.{name}: The courier takes at most 35 characters."
        )
        assert not Shipment.objects.exists()
        kept = ship(order, address=Address(**{**ADDRESS, name: "é" * 35}))
        assert getattr(Shipment.objects.get(pk=kept.pk), name) == "é" * 35

    def test_all_that_is_too_long_is_named_at_once(self):
        order = order_of(**{"X" * 36: 1, "Y" * 35: 1})
        address = Address(**{**ADDRESS, "recipient": "R" * 36, "city": "C" * 36})

        with pytest.raises(InvalidInput) as refused:
            ship(order, wanted(**{"Y" * 35: 1}), wanted(**{"X" * 36: 1}), address=address)

        assert errors(refused) == {
            ("delivery_address", "recipient"): "max_length",
            ("delivery_address", "city"): "max_length",
            ("parcels", 1, "items", 0, "sku"): "max_length",
        }

    def test_an_order_whose_own_address_is_too_long_is_shipped_to_another(self):
        delivery = Delivery(
            **{**HOME.as_fields(), "recipient": "The one whose name is longer than 35 letters"}
        )
        order = DeliveryOrderFactory.create(delivery=delivery)
        with pytest.raises(InvalidInput) as refused:
            ship(order)
        assert errors(refused) == {("delivery_address", "recipient"): "max_length"}

        assert ship(order, address=Address(**ADDRESS)).recipient == "John Doe"

    def test_each_carrier_has_its_own_limits(self):
        order = order_of(TEA=1)
        address = Address(**{**ADDRESS, "recipient": "R" * 40, "postcode": "P" * 11})

        with pytest.raises(InvalidInput) as refused:
            ship(order, address=address, carrier="parcelpost")

        assert errors(refused) == {("delivery_address", "postcode"): "max_length"}

    def test_a_parcel_that_is_too_heavy_is_named(self):
        order = order_of(TEA=60)
        Variant.objects.update(weight=1000)

        with pytest.raises(InvalidInput) as refused:
            ship(order, wanted(TEA=29), wanted(TEA=31), carrier="parcelpost")

        assert errors(refused) == {("parcels", 1): "out_of_bounds"}
        assert (
            ship(order, wanted(TEA=30), wanted(TEA=30), carrier="parcelpost").parcels.count() == 2
        )

    @pytest.mark.parametrize("name", ["recipient", "line_1", "city"])
    def test_an_address_without_what_is_needed_is_refused(self, name):
        with pytest.raises(InvalidInput) as refused:
            ship(order_of(TEA=1), address=Address(**{**ADDRESS, name: "–"}))

        assert errors(refused) == {("delivery_address", name): "required"}

    @pytest.mark.parametrize("char", ["\n", "\u202e", "\x85"])
    def test_a_label_has_one_line_and_one_direction(self, char):
        with pytest.raises(InvalidInput) as refused:
            ship(order_of(TEA=1), address=Address(**{**ADDRESS, "line_2": f"By the{char}gate"}))

        assert errors(refused) == {("delivery_address", "line_2"): "invalid"}

    def test_where_a_forgotten_customer_lived_nothing_goes_but_to_an_address_that_is_given(self):
        order = order_of(TEA=1)
        Customer.objects.update(forgotten_at=timezone.now())

        with pytest.raises(NotShippable, match="deleted their account"):
            ship(order)
        with pytest.raises(NotShippable):
            quotes_for(
                order_id=order.pk, parcels=None, service="standard", address=None, carrier=""
            )

        assert ship(order, address=Address(**ADDRESS)).line_1 == ADDRESS["line_1"]


class TestEditing:
    def test_one_that_waits_goes_another_way(self):
        shipment = ShipmentFactory.create()
        address = Address(**{**ADDRESS, "city": "Nairobi", "country": "KE"})

        edited = edit_shipment(
            shipment_id=shipment.pk,
            by=None,
            carrier="parcelpost",
            service="express",
            address=address,
        )

        row = Shipment.objects.get(pk=shipment.pk)
        assert (row.carrier.name, row.service, row.city) == ("parcelpost", "express", "Nairobi")
        assert edited.timeline.last().changes == {
            "carrier": ["courier", "parcelpost"],
            "service": ["standard", "express"],
            "city": ["London", "Nairobi"],
            "country": ["GB", "KE"],
        }

    def test_nothing_changed_is_nothing_that_happened(self):
        shipment = ShipmentFactory.create()
        edit_shipment(shipment_id=shipment.pk, by=None, carrier="courier", service="standard")

        assert list(shipment.timeline.values_list("verb", flat=True)) == ["prepared"]

    def test_what_the_carrier_does_not_take_changes_nothing(self):
        shipment = ShipmentFactory.create()
        with pytest.raises(InvalidInput) as refused:
            edit_shipment(
                shipment_id=shipment.pk, by=None, address=Address(**{**ADDRESS, "city": "C" * 36})
            )

        assert errors(refused) == {("delivery_address", "city"): "max_length"}
        assert Shipment.objects.get(pk=shipment.pk).city == "London"

    @pytest.mark.parametrize("status", sorted(set(ShipmentStatus) - {"waiting", "refused"}))
    def test_what_a_carrier_has_is_not_changed(self, status):
        shipment = IN_STATUS[status].create()

        with pytest.raises(MoveNotAllowed):
            edit_shipment(shipment_id=shipment.pk, by=None, service="express")

    def test_what_a_carrier_may_have_is_neither_changed_nor_given_to_another(self):
        shipment = HandedShipmentFactory.create()

        with pytest.raises(MoveNotAllowed):
            edit_shipment(shipment_id=shipment.pk, by=None, carrier="parcelpost")

    @pytest.mark.parametrize(
        "status", ["sent", "in-transit", "delivered", "failed-to-deliver", "cancelled"]
    )
    def test_what_the_carrier_calls_not_off_or_is_over_is_not_cancelled(self, status):
        shipment = IN_STATUS[status].create()

        with pytest.raises(MoveNotAllowed):
            cancel_shipment(shipment_id=shipment.pk, by=None)


class TestQuotes:
    def test_parcelpost_says_what_it_takes(self, fake):
        order = order_of(TEA=30)

        [quote] = quotes_for(order_id=order.pk, carrier="parcelpost", service="express")

        assert (str(quote.amount), quote.currency, quote.service, quote.days) == (
            "360.00",
            "KES",
            "express",
            1,
        )
        assert not Shipment.objects.exists()

    def test_the_courier_says_none(self, fake):
        with pytest.raises(NoQuote):
            quotes_for(order_id=order_of(TEA=1).pk)

    @pytest.mark.parametrize("pieces", [{"TEA": 2}, {"POT": 1}])
    def test_what_could_not_be_shipped_has_no_price(self, fake, pieces):
        with pytest.raises(InvalidInput):
            quotes_for(
                order_id=order_of(TEA=1).pk, carrier="parcelpost", parcels=[wanted(**pieces)]
            )

    def test_a_carrier_that_is_down_is_not_asked(self, fake):
        order = order_of(TEA=1)
        Carrier.objects.create(
            name="parcelpost", failures=5, next_at=timezone.now() + timedelta(minutes=1)
        )
        with pytest.raises(NoQuote):
            quotes_for(order_id=order.pk, carrier="parcelpost")

        assert fake.book() == []


@pytest.mark.django_db(transaction=True)
def test_employees_at_once_never_ship_a_piece_twice():
    order = order_of(TEA=10)

    def three():
        return ship(order, wanted(TEA=3))

    outcomes = at_once([three] * 8)

    assert [isinstance(each, Shipment) for each in outcomes].count(True) == 3
    assert {type(each) for each in outcomes} == {Shipment, InvalidInput}
    assert left(order) == {"TEA": 1}
