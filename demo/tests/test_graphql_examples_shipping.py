"""The example documents of shipping, asked of the demo shop as `make run` has it, with carriers."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.management import call_command

from core import clock
from shipping.tests.conftest import carriers  # noqa: F401  lets the shop work with them

from .test_graphql_examples import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def wanjiru(db, carriers):  # noqa: F811  the fixture itself
    cache.clear()
    call_command("load_demo", verbosity=0)
    return signed_in("shopper")


def test_a_shopper_sees_where_their_goods_are(wanjiru):
    mine = wanjiru.example("my-shipments")

    assert mine["totalCount"] == 1
    [shipment] = mine["nodes"]
    assert (shipment["status"], shipment["carrier"]) == ("WAITING", "courier")
    assert shipment["parcels"] == [
        {"items": [{"sku": "KAHAWA-250", "name": "Kahawa", "quantity": 2}]}
    ]
    assert [each["verb"] for each in shipment["timeline"]] == ["PREPARED"]


def test_a_shopper_previews_makes_skips_pauses_resumes_and_ends(wanjiru):
    start = clock.today() + timedelta(days=3)
    wanted = {
        "items": [{"sku": "CHAI-250", "quantity": 2}],
        "interval": "WEEK",
        "start": str(start),
        "count": 2,
    }
    dates = [str(start), str(start + timedelta(weeks=1))]
    coming = {
        "currency": "KES",
        "results": [{"on": day, "total": "360.00", "notices": []} for day in dates],
    }
    address = {"recipient": "Wanjiru Kamau", "line1": "Moi Avenue 12", "city": "Nairobi"}

    assert wanjiru.example("preview-standing-order", input=wanted) == coming
    made = wanjiru.done("make-standing-order", input=wanted | {"deliveryAddress": address})
    number, key = made["standingOrder"]["number"], made["standingOrder"]["id"]
    assert wanjiru.example("coming", number=number) == coming
    mine = wanjiru.example("my-standing-orders")
    assert (mine["totalCount"], mine["nodes"][0]["number"]) == (2, number)

    steps = [
        wanjiru.done("skip-standing-order", id=key, input={"on": dates[0]}),
        wanjiru.done("pause-standing-order", id=key),
        wanjiru.done("resume-standing-order", id=key),
        wanjiru.done("end-standing-order", id=key),
    ]
    assert [
        (each["standingOrder"]["status"], each["standingOrder"]["nextOn"]) for each in steps
    ] == [
        ("ACTIVE", dates[1]),
        ("PAUSED", dates[1]),
        ("ACTIVE", dates[1]),
        ("ENDED", None),
    ]
