import pytest
from django.apps import apps
from django.conf import settings

pytestmark = pytest.mark.django_db


def test_the_api_answers_in_utc_whatever_the_zone_of_the_shop(api, settings):
    settings.SHOP_TIME_ZONE = "Pacific/Auckland"

    created = api.post("/customers/", {"name": "A", "phone": "0722000000", "code": "C1"}).json()
    apps.get_model("customers.Customer").objects.update(created_at="2026-01-31T23:30:00+00:00")

    assert created["created_at"].endswith("Z")
    assert api.get("/customers/C1/").json()["created_at"] == "2026-01-31T23:30:00Z"


def test_the_admin_shows_the_time_of_the_shop(api, settings):
    apps.get_model("core.Worker").objects.create(id="w1", seen_at="2026-01-31T23:30:00+00:00")

    settings.SHOP_TIME_ZONE = "Africa/Nairobi"
    nairobi = api.client.get("/admin/core/worker/").content.decode()
    settings.SHOP_TIME_ZONE = "Pacific/Auckland"
    auckland = api.client.get("/admin/core/worker/").content.decode()

    assert "Feb. 1, 2026, 2:30 a.m." in nairobi
    assert "Feb. 1, 2026, 12:30 p.m." in auckland


def test_django_itself_is_in_utc():
    assert (settings.TIME_ZONE, settings.USE_TZ) == ("UTC", True)
