"""Numbers of messages, and what `manage.py doctor` finds of them."""

import socket
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from core.tests.measured import found, samples_of
from notifications import services, transports
from notifications.models import Callback, Message, Pace

from .factories import MessageFactory

pytestmark = pytest.mark.django_db


def numbers():
    return samples_of(services.measure())


def test_messages_are_counted_by_what_they_wait_for(django_assert_num_queries):
    hours = timedelta(hours=1)
    MessageFactory.create(created_at=Now() - 3 * hours, due_at=Now() + hours)
    MessageFactory.create(status="sending", due_at=Now() - timedelta(minutes=10))
    MessageFactory.create_batch(2, status="parked", created_at=Now() - 5 * hours)
    MessageFactory.create(status="failed")
    MessageFactory.create(status="delivered")
    MessageFactory.create(status="delivered", created_at=Now() - 2 * hours)
    Callback.objects.create(transport="x", kind="report", key="1", body=b"")
    Pace.objects.create(transport="vonage", failures=3)
    Pace.objects.create(transport="africastalking", failures=2)

    with django_assert_num_queries(5):
        told = numbers()

    assert 10_800 <= told.pop(("messages_oldest_seconds",)) < 10_900
    assert 600 <= told.pop(("messages_overdue_seconds",)) < 700
    assert told == {
        ("messages", "queued"): 1,
        ("messages", "sending"): 1,
        ("messages", "failed"): 1,
        ("messages", "parked"): 2,
        ("messages", "unknown"): 0,
        ("messages_last_hour", "queued"): 0,
        ("messages_last_hour", "sending"): 1,
        ("messages_last_hour", "sent"): 0,
        ("messages_last_hour", "delivered"): 1,
        ("messages_last_hour", "failed"): 1,
        ("messages_last_hour", "parked"): 0,
        ("messages_last_hour", "unknown"): 0,
        ("messages_last_hour", "suppressed"): 0,
        ("gateway_down", "africastalking"): 0,
        ("gateway_down", "vonage"): 1,
        ("callbacks_waiting",): 1,
    }


def test_where_nothing_waits_nothing_is_late():
    told = numbers()

    assert told[("messages_oldest_seconds",)] == told[("messages_overdue_seconds",)] == 0


@pytest.fixture
def gateways(settings):
    """Both gateways, without what they need."""
    settings.SMS_GATEWAYS = {"africastalking", "vonage"}
    settings.AFRICASTALKING_API_KEY = settings.VONAGE_SENDER = settings.VONAGE_API_KEY = ""
    transports._load.cache_clear()
    yield
    transports._load.cache_clear()


def test_gateways_that_lack_a_setting_or_are_none(gateways, settings):
    assert [level for level, _ in found(services.examine_gateways)] == ["problem", "problem"]
    settings.AFRICASTALKING_API_KEY = "atsk-tests-only"
    assert found(services.examine_gateways)[0] == (
        "ok",
        "africastalking is set up; `manage.py send_test_sms` tries it.",
    )
    settings.SMS_GATEWAYS = {"console"}
    assert found(services.examine_gateways) == [
        ("warning", "Messages are printed, not sent: SMS_TRANSPORT is console.")
    ]


def test_gateways_that_can_be_reached_or_not(gateways, settings):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings.AFRICASTALKING_URL = f"http://127.0.0.1:{port}"
        settings.VONAGE_API_HOST = "127.0.0.1:1"

        reached, not_reached = services.reach_gateways()

    assert reached.said == f"africastalking can be reached at 127.0.0.1:{port}."
    assert not_reached.said.startswith("vonage cannot be reached at 127.0.0.1:1: ")
    settings.SMS_GATEWAYS = {"console"}
    assert found(services.reach_gateways) == []


def test_messages_that_do_not_go_out(settings):
    assert found(services.examine_messages) == [("ok", "None is late.")]
    settings.SMS_GATEWAYS = {"vonage"}
    Pace.objects.create(transport="vonage", failures=4, error="No balance.")
    Pace.objects.create(transport="not used any more", failures=4)
    MessageFactory.create(due_at=Now() - timedelta(minutes=20))
    MessageFactory.create(status="unknown")

    assert found(services.examine_messages) == [
        ("problem", "vonage has failed 4 times in a row: No balance."),
        ("problem", "A message has been due for 20 min."),
        ("warning", "1 wait for a person: parked, or nobody knows whether they went out."),
    ]
    assert Message.objects.count() == 2
