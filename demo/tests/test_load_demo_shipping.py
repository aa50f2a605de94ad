"""What the demo shop ships, where `make run` plays carriers."""

import pytest
from django.core.management import call_command

from accounts.models import User
from shipping.tests.conftest import carriers  # noqa: F401  lets the shop work with them


@pytest.mark.django_db
def test_shipments_wait_and_something_comes_again(api_as):
    call_command("load_demo", verbosity=0)
    keeper, shopper = (
        api_as(User.objects.get(email=f"{name}@duka.example")) for name in ("shopkeeper", "shopper")
    )

    shipments = keeper.get("/shipments/?ordering=created_at").json()["results"]
    assert [(each["carrier"], each["service"], each["status"]) for each in shipments] == [
        ("courier", "express", "waiting"),
        ("parcelpost", "standard", "waiting"),
        ("parcelpost", "standard", "cancelled"),
    ]
    assert shopper.get("/shipments/?count=true").json()["count"] == 1
    [standing] = shopper.get("/standing-orders/").json()["results"]
    coming = shopper.get(f"/standing-orders/{standing['number']}/preview/").json()["results"]
    assert coming[0] == {"on": standing["start"], "total": "575.00", "notices": []}
