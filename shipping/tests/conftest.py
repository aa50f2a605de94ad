"""The carriers that the shop works with in tests; nobody answers at their addresses."""

from datetime import datetime

import pytest

from core import clock
from demo.carrier import FakeCarrier, Keys
from shipping import providers

from .webhooks import KEY, SECRET


@pytest.fixture(autouse=True)
def carriers(settings):
    """Plug-ins are made once in a process; each test has them with its own settings."""
    settings.SHIPPING_PROVIDERS = ["courier", "parcelpost"]
    settings.COURIER_URL = settings.PARCELPOST_URL = "http://127.0.0.1:9"
    settings.COURIER_API_KEY = "api-key-of-the-tests"
    settings.COURIER_WEBHOOK_SECRETS = [SECRET]
    settings.PARCELPOST_USER, settings.PARCELPOST_PASSWORD = "duka", "password-of-the-tests"
    settings.PARCELPOST_WEBHOOK_KEY = KEY
    providers._load.cache_clear()
    yield
    providers._load.cache_clear()


@pytest.fixture
def fake(carriers, tmp_path, settings):
    """The carriers' stand-in, which the shop's settings lead to: `fake.behave("*", "hang")`."""
    keys = Keys(
        courier_api_key=settings.COURIER_API_KEY,
        courier_webhook_secret=SECRET,
        parcelpost_user=settings.PARCELPOST_USER,
        parcelpost_password=settings.PARCELPOST_PASSWORD,
        parcelpost_webhook_key=KEY,
    )
    with FakeCarrier(tmp_path / "carrier.jsonl", keys=keys) as fake:
        settings.COURIER_URL = f"{fake.url}/courier"
        settings.PARCELPOST_URL = f"{fake.url}/parcelpost"
        yield fake


@pytest.fixture
def simulated(monkeypatch):
    """`simulated("2026-11-30 06:00")`: what the shop's clocks show from now on."""

    def show(text):
        shown = datetime.fromisoformat(text)
        moment = clock.moment(shown.date(), shown.time())
        monkeypatch.setattr(clock, "now", lambda: moment)

    show("2026-11-30 12:00")
    return show
