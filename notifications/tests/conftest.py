"""The gateway's stand-in, and the shop's settings that lead to it."""

import pytest

from notifications import transports

from . import vonage_gateway
from .gateway import API_KEY, Gateway


@pytest.fixture(autouse=True)
def fresh_transports():
    """Transports are made once in a process; each test chooses its own."""
    transports._load.cache_clear()
    yield
    transports._load.cache_clear()


@pytest.fixture
def gateway(tmp_path, settings):
    with Gateway(tmp_path / "book.jsonl") as gateway:
        settings.SMS_TRANSPORT = "africastalking"
        settings.AFRICASTALKING_URL = gateway.url
        settings.AFRICASTALKING_USERNAME = "duka"
        settings.AFRICASTALKING_API_KEY = API_KEY
        settings.AFRICASTALKING_SENDER_ID = ""
        yield gateway


@pytest.fixture
def vonage(tmp_path, settings, monkeypatch):
    with vonage_gateway.VonageGateway(tmp_path / "vonage.jsonl") as gateway:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(gateway.ca))
        settings.SMS_TRANSPORT = "vonage"
        settings.SMS_GATEWAYS = {"vonage"}
        settings.VONAGE_API_HOST = gateway.host
        settings.VONAGE_API_KEY = vonage_gateway.API_KEY
        settings.VONAGE_API_SECRET = vonage_gateway.API_SECRET
        settings.VONAGE_APPLICATION_ID = settings.VONAGE_PRIVATE_KEY = ""
        settings.VONAGE_SENDER = "DUKA"
        settings.VONAGE_SIGNATURE_SECRET = vonage_gateway.SIGNATURE_SECRET
        yield gateway
