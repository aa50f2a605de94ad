"""The gateway's stand-in, and the shop's settings that lead to it."""

import pytest

from notifications import transports

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
