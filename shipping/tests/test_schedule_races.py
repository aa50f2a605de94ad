"""A schedule that is set in several ways at once, while what it is for is changed."""

from functools import partial
from threading import Thread

import pytest
from django.db import connection, transaction
from graphql_relay import to_global_id

from accounts.tests.factories import ShopkeeperFactory, browser_of
from conftest import Api
from core.tests.graph import Graph
from core.tests.races import at_once
from notifications.tests.outbox import backends_waiting_for_a_lock
from shipping.models import Carrier, Shipment
from shipping.services import edit_shipment, update_carrier
from tests.processes import wait_until

from .factories import RefusedShipmentFactory, ShipmentFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_admin_graphql_and_rest_set_a_schedule_at_once_and_nobody_waits_for_ever():
    shipments = [ShipmentFactory.create() for _ in range(6)]
    carrier, boss = Carrier.objects.get(name="courier"), ShopkeeperFactory.create()
    ident = to_global_id("Carrier", carrier.pk)

    def rest(api):
        return [api.patch("/carriers/courier/", {"days": [day]}).status_code for day in range(5)]

    def graphql(graph):
        return [
            graph.done(
                f'mutation {{ updateCarrier(id: "{ident}", input: {{days: [{day}]}}) {{'
                " carrier { days } errors { code } } }"
            )["carrier"]
            for day in range(5)
        ]

    def admin(browser):
        page = f"/admin/shipping/carrier/{carrier.pk}/change/"
        form = {"active": "on", "cut_off": "15:30"}
        return [browser.post(page, form | {"days": [day]}).status_code for day in range(5)]

    def edit(api):
        paths = [f"/shipments/{each.number}/" for each in shipments[::-1]]
        return [
            api.patch(path, {"carrier": name}).status_code
            for name in ("parcelpost", "courier")
            for path in paths
        ]

    calls = [(rest, Api), (graphql, Graph), (admin, browser_of), (edit, Api)]
    done = at_once([partial(call, who(boss)) for call, who in calls])

    assert done == [
        [200] * 5,
        [{"days": [day]} for day in range(5)],
        [302] * 5,
        [200] * 12,
    ]
    carrier.refresh_from_db()
    [due] = set(Shipment.objects.values_list("due_at", flat=True))
    assert [due.weekday()] == carrier.days


def test_a_refused_shipment_that_is_being_mended_follows_a_change_of_the_schedule():
    shipment = RefusedShipmentFactory.create()
    update_carrier(carrier_id=shipment.carrier_id, days=[6])

    def change():
        try:
            update_carrier(carrier_id=shipment.carrier_id, days=[2])
        finally:
            connection.close()

    with transaction.atomic():
        edit_shipment(shipment_id=shipment.pk, by=None)
        other = Thread(target=change)
        other.start()
        wait_until(lambda: backends_waiting_for_a_lock() or not other.is_alive())
    other.join()

    shipment.refresh_from_db()
    assert (shipment.status, shipment.due_at.weekday()) == ("waiting", 2)
