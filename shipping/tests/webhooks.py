"""What carriers tell, as they do: over HTTP, each proving itself in its own way."""

import json
import uuid
from datetime import UTC, datetime, timedelta

from django.test import Client
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
KEY = "an-unguessable-key-of-the-tests"
JSON = "application/json"
# Noon of the day from which tests count the carriers' times.
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def post(path, body, content_type=JSON, **headers):
    client = Client(raise_request_exception=False)
    return client.generic("POST", f"/webhooks/shipping/{path}", body, content_type, headers=headers)


def signed(body, *, secret=SECRET, ident=None, ago=0, when=None):
    """Return the headers of Standard Webhooks for a body that was sent so many seconds ago."""
    ident = ident or f"msg_{uuid.uuid4().hex}"
    sent = when or datetime.now(UTC) - timedelta(seconds=ago)
    return {
        "webhook-id": ident,
        "webhook-timestamp": str(int(sent.timestamp())),
        "webhook-signature": Webhook(secret).sign(ident, sent, body.decode()),
    }


def event(number, name="in-transit", time="2026-03-02 12:00:00", **more):
    said = {"order_id": number, "event_name": name, "event_time": time} | more
    return json.dumps(said).encode()


def tell(number, name="in-transit", minutes=0, **how):
    """Let the courier say that this happened so many minutes after noon."""
    body = event(number, name, f"{at(minutes):%Y-%m-%d %H:%M:%S}")
    return post("courier/", body, **signed(body, **how))
