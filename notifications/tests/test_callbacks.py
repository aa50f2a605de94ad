"""What gateways tell over HTTP, from the first byte to what becomes of messages and consents."""

import hashlib
import io
import json
import logging
import time
import uuid
from datetime import timedelta
from decimal import Decimal
from functools import partial
from threading import Event
from urllib.parse import urlencode

import jwt
import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django_tasks_db.models import DBTaskResult

from core.jobs import sync_periodic_jobs
from core.models import PeriodicJob
from core.tests.races import at_once
from core.wsgi import Request
from notifications import tasks
from notifications.models import Callback, Consent, InboundMessage, Message
from notifications.pages.views import MAX_CALLBACK, callback
from notifications.services import callbacks as callbacks_module
from notifications.services import (
    claim_messages,
    is_opted_out,
    look_at_callbacks,
    note_consent,
    retry_message,
    settle,
    settle_message,
)
from notifications.services.outbox import name_of_try
from notifications.states import ConsentSource, MessageStatus
from notifications.transports import Accepted, Unknown
from notifications.transports.vonage import FRESH
from tests.processes import spawn_manage, wait_until

from .factories import MessageFactory
from .gateway import API_KEY
from .outbox import backends_waiting_for_a_lock, begin, claim_one
from .vonage_gateway import API_KEY as VONAGE_KEY
from .vonage_gateway import APPLICATION, SIGNATURE_SECRET, rsa_keys

KEY = "an-unguessable-key-of-the-tests"
PHONE = "+254722000001"
OTHER = "+254722000002"
MINE = "ATXid_9"
UUID = "00000000-0000-4000-8000-000000000009"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
AT_SETTINGS = {"AFRICASTALKING_API_KEY": API_KEY, "AFRICASTALKING_CALLBACK_KEY": KEY}
both = pytest.mark.parametrize("name", ["africastalking", "vonage"])

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def gateways(settings):
    settings.SMS_GATEWAYS = {"africastalking", "vonage"}
    settings.AFRICASTALKING_API_KEY = API_KEY
    settings.AFRICASTALKING_CALLBACK_KEY = KEY
    settings.VONAGE_API_KEY, settings.VONAGE_API_SECRET = VONAGE_KEY, "secret"
    settings.VONAGE_APPLICATION_ID = settings.VONAGE_PRIVATE_KEY = ""
    settings.VONAGE_SENDER = "DUKA"
    settings.VONAGE_SIGNATURE_SECRET = SIGNATURE_SECRET


def post(path, body, content_type=FORM, **headers):
    client = Client(raise_request_exception=False)
    return client.generic("POST", f"/webhooks/sms/{path}", body, content_type, headers=headers)


def at(kind="report", key=KEY, **form):
    return post(f"africastalking/{kind}/{key}/", urlencode(form).encode())


def signed(body, *, secret=SIGNATURE_SECRET, algorithm="HS256", **claims):
    usual = {
        "iat": int(time.time()),
        "jti": uuid.uuid4().hex,
        "payload_hash": hashlib.sha256(body).hexdigest(),
        "api_key": VONAGE_KEY,
    }
    left = {name: value for name, value in (usual | claims).items() if value is not None}
    return f"Bearer {jwt.encode(left, secret, algorithm)}"


def vonage(kind="report", token=None, **data):
    body = json.dumps(data).encode()
    return post(f"vonage/{kind}/", body, "application/json", Authorization=token or signed(body))


def report(name, said, phone=PHONE, ident=None, **data):
    """A gateway's word of a message, in its own words."""
    if name == "vonage":
        said = {"sent": "submitted", "failed": "rejected"}.get(said, said)
        ident = ident or UUID
        return vonage(message_uuid=ident, status=said, to=phone.removeprefix("+"), **data)
    said = {"sent": "Sent", "delivered": "Success", "failed": "Failed"}.get(said, said)
    return at(id=ident or MINE, status=said, phoneNumber=phone, **data)


def message_of(name, status="sent", **fields):
    ident = {"africastalking": MINE, "vonage": UUID}[name]
    return MessageFactory.create(
        **{"status": status, "transport": name, "transport_id": ident, "to": PHONE} | fields
    )


def status():
    return Message.objects.get().status


def callbacks():
    return list(Callback.objects.order_by("pk").values_list("state", "detail"))


class TestTheKeyInTheAddress:
    @pytest.mark.parametrize("kind", ["report", "inbound", "opt-out"])
    @pytest.mark.parametrize("end", ["", "wrong/", f"{KEY}x/", f"{KEY[:-1]}/", "%C3%A9/"])
    def test_a_wrong_or_missing_one_is_refused_in_the_same_words(self, kind, end):
        refused = post(f"africastalking/{kind}/{end}", b"id=1&status=Success&phoneNumber=1")

        assert (refused.status_code, refused.content) == (403, b"Refused.")
        assert not Callback.objects.exists()

    def test_without_one_in_the_settings_nobody_has_it(self, settings):
        settings.AFRICASTALKING_CALLBACK_KEY = ""

        assert post("africastalking/report/", b"id=1").status_code == 403

    @pytest.mark.parametrize("end", ["/", ""])
    def test_with_it_the_body_is_stored_as_it_came(self, end):
        body = b"id=ATXid_9&status=Success&phoneNumber=%2B254722000001&networkCode=63902"

        assert post(f"africastalking/report/{KEY}{end}", body).status_code == 200

        stored = Callback.objects.get()
        assert (stored.transport, stored.kind, stored.gateway_id) == (
            "africastalking",
            "report",
            "ATXid_9",
        )
        assert (bytes(stored.body), stored.content_type) == (body, FORM)
        assert (stored.state, stored.detail, stored.nonce) == ("new", "", None)

    @pytest.mark.parametrize(
        "path",
        [
            f"africastalking/{KEY}/",
            f"africastalking/reports/{KEY}/",
            "vonage/opt-out/",
            "console/report/",
            "nobody/report/",
        ],
    )
    def test_what_is_no_callback_is_not_found(self, path):
        assert post(path, b"id=1").status_code == 404

    def test_a_gateway_that_the_shop_does_not_use_has_none(self, settings):
        settings.SMS_GATEWAYS = {"vonage"}

        assert report("africastalking", "delivered").status_code == 404

    def test_it_takes_no_get(self, client):
        assert client.get(f"/webhooks/sms/africastalking/report/{KEY}/").status_code == 405

    def test_no_log_and_no_answer_says_it(self, settings, caplog):
        caplog.set_level(logging.DEBUG)
        address = f"/webhooks/sms/africastalking/report/{KEY}"
        client = Client(raise_request_exception=False)
        answers = [
            report("africastalking", "delivered"),
            at(id="no status"),
            post(f"africastalking/reports/{KEY}/", b"id=1"),
            post(f"africastalking/report/{KEY}/", b"x" * (MAX_CALLBACK + 1)),
            client.get(f"{address}/"),
            client.post(address),
            client.post(f"/webhooks/sms/vonage/report/{KEY}/"),
        ]
        settings.SMS_GATEWAYS = {"console", "broken"}
        answers.append(client.post(f"/webhooks/sms/broken/report/{KEY}/"))

        assert [each.status_code for each in answers] == [200, 400, 404, 413, 405, 400, 500, 500]
        texts = [f"{each.content} {each.headers}" for each in answers]
        plain = logging.Formatter()
        for record in caplog.records:
            texts += [plain.format(record), json.dumps(vars(record), default=str)]
        said = "\n".join(texts)
        assert "POST /webhooks/sms/africastalking/report/…/ 200" in said
        assert "Internal Server Error: /webhooks/sms/broken/report/…/" in said
        assert KEY not in said


class TestTheSignature:
    BODY = json.dumps({"message_uuid": UUID, "status": "delivered", "to": PHONE[1:]}).encode()

    def tell(self, token, body=BODY):
        return post("vonage/report/", body, "application/json", Authorization=token).status_code

    def test_a_good_one_is_stored_with_its_token_noted(self):
        assert self.tell(signed(self.BODY, jti="one")) == 200

        stored = Callback.objects.get()
        assert (bytes(stored.body), stored.nonce, stored.gateway_id) == (self.BODY, "one", UUID)

    def test_of_an_application_it_is_as_good(self, settings):
        settings.VONAGE_APPLICATION_ID = APPLICATION

        assert self.tell(signed(self.BODY, api_key=None, application_id=APPLICATION)) == 200

    @pytest.mark.parametrize("token", ["", "Basic YTpi", "Bearer ", "Bearer"])
    def test_unsigned_it_is_asked_for_again(self, token):
        assert self.tell(token) == 500
        assert not Callback.objects.exists()

    def test_without_a_secret_in_the_settings_none_is_good(self, settings):
        settings.VONAGE_SIGNATURE_SECRET = ""

        assert self.tell(signed(self.BODY)) == 500

    @pytest.mark.parametrize(
        "claims",
        [
            {"secret": "another-secret-that-is-long-enough-as-well"},
            {"algorithm": "none", "secret": None},
            {"algorithm": "HS512", "secret": SIGNATURE_SECRET * 2},
            {"payload_hash": hashlib.sha256(b"another body").hexdigest()},
            {"payload_hash": None},
            {"payload_hash": ""},
            {"iat": int(time.time()) - 3600},
            {"iat": int(time.time()) + 3600},
            {"iat": None},
            {"iat": "now"},
            {"iat": float("nan")},
            {"iat": 10**400},
            {"jti": None},
            {"jti": 7},
            {"exp": int(time.time()) - 60},
            {"api_key": "another"},
            {"api_key": None},
            {"api_key": ""},
            {"api_key": [VONAGE_KEY]},
            {"api_key": None, "application_id": APPLICATION},
        ],
    )
    def test_another_is_refused(self, claims):
        assert self.tell(signed(self.BODY, **claims)) == 403
        assert not Callback.objects.exists()

    def test_one_of_a_key_pair_is_refused(self):
        private, _ = rsa_keys()

        assert self.tell(signed(self.BODY, secret=private, algorithm="RS256")) == 403

    @pytest.mark.parametrize("token", ["Bearer x", "Bearer a.b.c", "Bearer é.é.é"])
    def test_what_is_no_token_is_refused(self, token):
        assert self.tell(token) == 403

    def test_a_token_of_another_body_is_refused(self):
        assert self.tell(signed(self.BODY), self.BODY + b" ") == 403

    @pytest.mark.parametrize("off", [-290, 290])
    def test_a_clock_that_is_minutes_off_does_no_harm(self, off):
        assert self.tell(signed(self.BODY, iat=int(time.time()) + off)) == 200

    @pytest.mark.parametrize("jti", ["one", "long" * 100])
    def test_a_token_counts_once(self, jti):
        token = signed(self.BODY, jti=jti)

        assert [self.tell(token), self.tell(token)] == [200, 403]
        assert Callback.objects.count() == 1

    def test_long_tokens_that_begin_alike_are_told_apart(self):
        other = self.BODY.replace(b"delivered", b"submitted")

        assert self.tell(signed(self.BODY, jti="x" * 128 + "1")) == 200
        assert self.tell(signed(other, jti="x" * 128 + "2"), other) == 200
        assert Callback.objects.count() == 2

    def test_the_same_report_under_a_new_token_is_taken_and_kept_once(self):
        assert [self.tell(signed(self.BODY)), self.tell(signed(self.BODY))] == [200, 200]
        assert Callback.objects.count() == 1


class TestSizes:
    def test_one_that_is_too_large_is_refused_and_not_kept(self):
        body = b"id=1&status=Success&phoneNumber=254722000001&x="

        full = body.ljust(MAX_CALLBACK, b"x")
        assert post(f"africastalking/report/{KEY}/", full).status_code == 200
        assert post(f"africastalking/report/{KEY}/", full + b"x").status_code == 413
        assert Callback.objects.count() == 1

    @pytest.mark.parametrize(
        ("size", "headers", "answer"),
        [
            (MAX_CALLBACK + 1, {"HTTP_TRANSFER_ENCODING": "chunked"}, 413),
            (10**7, {"HTTP_TRANSFER_ENCODING": "chunked"}, 413),
            (100, {"HTTP_TRANSFER_ENCODING": "chunked"}, 200),
            (100, {"CONTENT_LENGTH": "9999999"}, 200),
            (10**7, {"CONTENT_LENGTH": "9999999"}, 413),
            (100, {"CONTENT_LENGTH": "20"}, 400),
            (100, {"CONTENT_LENGTH": "many"}, 400),
            (100, {"CONTENT_LENGTH": "-5"}, 400),
        ],
    )
    def test_whatever_its_headers_say_of_it(self, size, headers, answer):
        body = b"id=1&status=Success&phoneNumber=254722000001&x=".ljust(size, b"x")
        made = RequestFactory().post("/x", content_type=FORM).environ
        made |= {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True} | headers

        told = callback(Request(made), name="africastalking", kind="report", token=KEY)

        assert told.status_code == answer


class TestWhatCannotBeUnderstood:
    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            ("report", b""),
            ("report", b"id=1"),
            ("report", b"id=1&status=Success"),
            ("report", b"id=1&status=Success&phoneNumber=nobody"),
            ("report", b"\xff\xfe"),
            ("report", b"id=&status=Success&phoneNumber=%2B254722000001"),
            ("report", b"id=1&status=&phoneNumber=%2B254722000001"),
            ("report", b"id=1&id=2&status=Success&phoneNumber=%2B254722000001"),
            ("report", b'{"id": 1}'),
            ("inbound", b"id=1&text=STOP"),
            ("opt-out", b"senderId=DUKA"),
        ],
    )
    def test_of_a_form_it_is_answered_400_and_kept(self, kind, body):
        assert post(f"africastalking/{kind}/{KEY}/", body).status_code == 400
        assert post(f"africastalking/{kind}/{KEY}/", body).status_code == 400

        kept = Callback.objects.get()
        assert (bytes(kept.body), kept.state) == (body, "bad")
        assert kept.detail
        assert look_at_callbacks() == 0

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b"{",
            b"{}",
            b"\xff",
            b"[" * 60_000,
            b'{"message_uuid": "u", "status": "delivered"}',
            b'{"message_uuid": "u", "status": "delivered", "to": {}}',
            b'{"message_uuid": "", "status": "delivered", "to": "254722000001"}',
            b'{"message_uuid": null, "status": "delivered", "to": "254722000001"}',
            b'{"message_uuid": "u", "status": ["delivered"], "to": "254722000001"}',
            b'{"message_uuid": "u", "status": "", "to": "254722000001"}',
            b'{"message_uuid": "u", "status": "delivered", "to": "254722000001", "error": "x"}',
        ],
        ids=lambda body: body[:40],
    )
    def test_of_json_it_is_answered_400_and_kept(self, body):
        told = post("vonage/report/", body, "application/json", Authorization=signed(body))

        assert told.status_code == 400
        kept = Callback.objects.get()
        assert (bytes(kept.body), kept.state) == (body, "bad")

    @both
    def test_characters_that_no_column_holds_do_no_harm(self, name):
        message_of(name)

        if name == "vonage":
            wrong = {"title": "\ud800", "detail": "no\x00 way"}
            assert report(name, "failed", error=wrong).status_code == 200
        else:
            assert report(name, "failed", failureReason="no\x00 way").status_code == 200
        look_at_callbacks()

        assert (status(), Message.objects.get().error) == ("failed", "no way")

    @pytest.mark.parametrize(
        "price",
        ["1e400", "NaN", "Infinity", "999999999999", "99999999.9999999", "-5", "free", None, []],
    )
    def test_a_price_that_is_none_does_no_harm(self, price):
        message_of("vonage")

        report("vonage", "delivered", usage={"price": price, "currency": "EUR"})
        look_at_callbacks()

        assert (status(), Message.objects.get().cost_amount) == ("delivered", None)

    def test_of_a_price_the_column_has_six_places(self):
        message_of("vonage")

        report("vonage", "delivered", usage={"price": "0.03339999", "currency": "EUR"})
        look_at_callbacks()

        assert Message.objects.get().cost_amount == Decimal("0.033400")

    def test_one_that_failed_is_looked_at_again_when_it_is_told_again(self):
        message_of("vonage")
        report("vonage", "delivered")
        Callback.objects.update(state="bad", detail="DataError")

        assert report("vonage", "delivered").status_code == 200
        look_at_callbacks()

        assert (status(), callbacks()) == ("delivered", [("done", "")])

    def test_one_that_cannot_be_folded_in_does_not_stop_those_after_it(self):
        message_of("africastalking")
        # As of a version of Duka that understood it.
        Callback.objects.create(transport="africastalking", kind="report", key="?", body=b"?")
        report("africastalking", "delivered")

        assert look_at_callbacks() == 2

        assert status() == "delivered"
        assert callbacks() == [("bad", "Malformed"), ("done", "")]


class TestReports:
    @both
    @pytest.mark.parametrize(
        ("before", "said", "after"),
        [
            ("sent", "delivered", "delivered"),
            ("sent", "failed", "failed"),
            ("sent", "sent", "sent"),
            ("sent", "whatever", "sent"),
            ("unknown", "sent", "sent"),
            ("unknown", "delivered", "delivered"),
            ("unknown", "failed", "failed"),
            ("failed", "delivered", "delivered"),
            ("failed", "sent", "failed"),
            ("delivered", "sent", "delivered"),
            ("delivered", "failed", "delivered"),
        ],
    )
    def test_what_it_says_and_what_was_known_make_what_is(self, name, before, said, after):
        message_of(name, before)

        report(name, said)
        look_at_callbacks()

        assert status() == after

    @pytest.mark.parametrize(
        ("said", "after"),
        [
            ("Sent", "sent"),
            ("Submitted", "sent"),
            ("Buffered", "sent"),
            ("Success", "delivered"),
            ("Rejected", "failed"),
            ("Failed", "failed"),
            ("AbsentSubscriber", "unknown"),
            ("Expired", "unknown"),
        ],
    )
    def test_the_words_of_africastalking(self, said, after):
        message_of("africastalking", "unknown")

        report("africastalking", said)
        look_at_callbacks()

        assert status() == after

    @pytest.mark.parametrize(
        ("said", "after"),
        [
            ("submitted", "sent"),
            ("delivered", "delivered"),
            ("read", "delivered"),
            ("rejected", "failed"),
            ("undeliverable", "failed"),
        ],
    )
    def test_the_words_of_vonage(self, said, after):
        message_of("vonage", "unknown")

        report("vonage", said)
        look_at_callbacks()

        assert status() == after

    @both
    def test_out_of_order_the_better_known_stays(self, name):
        message_of(name)

        for said in ["delivered", "sent", "failed"]:
            report(name, said)
            look_at_callbacks()

        assert status() == "delivered"
        assert callbacks() == [
            ("done", ""),
            ("done", "It was delivered already."),
            ("done", "It was delivered already."),
        ]

    def test_delivered_says_when_and_takes_the_error_away(self):
        message_of("vonage")
        report("vonage", "failed", error={"title": "Absent", "detail": "Not reached."})
        look_at_callbacks()
        row = Message.objects.get()
        assert (row.error_code, row.error, row.delivered_at) == ("Absent", "Not reached.", None)

        report("vonage", "delivered")
        look_at_callbacks()

        row = Message.objects.get()
        assert (row.error_code, row.error) == ("", "")
        assert row.delivered_at == row.sent_at is not None

    def test_its_cost_is_folded_in_and_stays(self):
        message_of("vonage")

        report("vonage", "sent", usage={"price": "0.0333", "currency": "EUR"})
        report("vonage", "delivered")
        look_at_callbacks()

        row = Message.objects.get()
        assert (row.cost_amount, row.cost_currency) == (Decimal("0.0333"), "EUR")
        timeline = list(row.timeline.values_list("what", "detail", "cost_amount"))
        assert timeline == [
            ("receipt", "submitted", Decimal("0.0333")),
            ("receipt", "delivered", None),
        ]

    @both
    def test_sent_twice_it_counts_once(self, name):
        message_of(name)

        assert [report(name, "delivered").status_code for _ in range(3)] == [200] * 3
        look_at_callbacks()

        assert Message.objects.get().timeline.count() == 1

    @both
    def test_for_another_number_it_changes_nothing(self, name):
        message_of(name)

        report(name, "delivered", phone=OTHER)
        look_at_callbacks()
        look_at_callbacks()

        assert status() == "sent"
        assert callbacks() == [("done", "The message of this id went to another number.")]

    def test_an_id_of_another_gateway_is_not_known(self):
        message_of("vonage")

        report("africastalking", "delivered", ident=UUID)
        look_at_callbacks()

        assert status() == "sent"
        assert callbacks() == [("unmatched", "No message has this id.")]

    def test_the_words_of_a_secret_are_forgotten_with_it(self):
        message = message_of("vonage", "sending", transport_id="", secret=True)

        report("vonage", "delivered", client_ref=name_of_try(message))
        look_at_callbacks()

        assert (status(), Message.objects.get().body) == ("delivered", "")


def sending(name, settings):
    """A message that a worker has just handed to a gateway, whose answer is awaited."""
    settings.SMS_TRANSPORT = name
    MessageFactory.create(to=PHONE)
    message = claim_one()
    assert begin(message)
    return message


class TestEarlyReports:
    @both
    def test_one_of_an_unknown_id_waits_until_a_message_has_it(self, name, settings):
        message = sending(name, settings)
        ident = {"africastalking": MINE, "vonage": UUID}[name]
        report(name, "delivered")
        look_at_callbacks()
        assert (status(), callbacks()) == ("sending", [("unmatched", "No message has this id.")])

        settle(message=message, outcome=Accepted(id=ident))

        assert (status(), callbacks()) == ("delivered", [("done", "")])
        assert Callback.objects.get().message == message

    def test_one_that_nobody_looked_at_yet_waits_too(self, settings):
        message = sending("africastalking", settings)
        report("africastalking", "delivered")

        settle(message=message, outcome=Accepted(id=MINE))
        assert status() == "sent"

        look_at_callbacks()
        assert status() == "delivered"

    @pytest.mark.parametrize("outcome", [Unknown(reason="ReadTimeout"), Accepted(id=UUID)])
    def test_by_our_own_name_for_it_vonage_settles_one_before_its_answer(self, settings, outcome):
        message = sending("vonage", settings)
        report("vonage", "delivered", client_ref=name_of_try(message))
        look_at_callbacks()
        assert status() == "delivered"

        # What the worker learns after that takes nothing back.
        settle(message=message, outcome=outcome)

        assert (status(), Message.objects.get().transport_id) == ("delivered", UUID)

    def test_by_our_own_name_for_it_vonage_settles_an_unknown_one(self, settings):
        message = sending("vonage", settings)
        settle(message=message, outcome=Unknown(reason="ReadTimeout"))
        assert status() == "unknown"

        report("vonage", "sent", client_ref=name_of_try(message))
        report("vonage", "delivered", client_ref=name_of_try(message))
        look_at_callbacks()

        row = Message.objects.get()
        assert (row.status, row.transport_id, row.error) == ("delivered", UUID, "")
        assert row.sent_at is not None

    @pytest.mark.parametrize("said", ["delivered", "submitted"])
    def test_one_that_was_put_back_meanwhile_does_not_go_out_once_more(self, settings, said):
        message = sending("vonage", settings)
        settle(message=message, outcome=Unknown(reason="ReadTimeout"))
        settle_message(message_id=message.pk, outcome=MessageStatus.FAILED, by=None)
        retry_message(message_id=message.pk, by=None)

        report("vonage", said, client_ref=name_of_try(message))
        look_at_callbacks()

        assert status() == {"delivered": "delivered", "submitted": "sent"}[said]
        assert claim_messages(limit=1) == []

    def test_a_report_of_an_earlier_try_says_nothing_of_the_next(self, settings):
        message = sending("vonage", settings)
        settle(message=message, outcome=Unknown(reason="ReadTimeout"))
        settle_message(message_id=message.pk, outcome=MessageStatus.FAILED, by=None)
        retry_message(message_id=message.pk, by=None)
        report("vonage", "rejected", ident="u1", client_ref=name_of_try(message))
        look_at_callbacks()
        again = claim_one()
        assert begin(again)
        settle(message=again, outcome=Unknown(reason="ReadTimeout"))

        report("vonage", "undeliverable", ident="u1", client_ref=name_of_try(message))
        look_at_callbacks()
        assert status() == "unknown"

        report("vonage", "delivered", ident="u2", client_ref=name_of_try(again))
        look_at_callbacks()
        assert (status(), Message.objects.get().transport_id) == ("delivered", "u2")

    @pytest.mark.parametrize(
        "ours",
        ["", "{pk}", "{pk}-0", "{pk}-2", "{pk}-1.0", "²-1", "nobody", "9" * 18 + "-1", "9" * 50],
    )
    def test_a_name_that_is_not_ours_or_of_an_earlier_try_settles_nothing(self, ours):
        message = message_of("vonage", "unknown", transport_id="", attempts=1)

        report("vonage", "delivered", client_ref=ours.format(pk=message.pk))
        look_at_callbacks()

        assert (status(), callbacks()) == ("unknown", [("unmatched", "No message has this id.")])

    def test_by_our_name_but_another_number_or_another_id_it_changes_nothing(self):
        lost = message_of("vonage", "unknown", transport_id="")
        known = message_of("vonage", "sent", transport_id="another")

        report("vonage", "delivered", phone=OTHER, ident="u1", client_ref=name_of_try(lost))
        report("vonage", "delivered", ident="u2", client_ref=name_of_try(known))
        look_at_callbacks()

        assert list(Message.objects.order_by("pk").values_list("status", flat=True)) == [
            "unknown",
            "sent",
        ]

    @pytest.mark.django_db(transaction=True)
    @both
    def test_at_the_same_moment_as_the_answer_it_is_not_lost(self, name, settings):
        settings.SMS_TRANSPORT = name
        for n in range(20):
            MessageFactory.create(to=f"+2547220001{n:02d}")
        calls = []
        for n in range(20):
            message = claim_one()
            assert begin(message)
            report(name, "delivered", phone=message.to, ident=f"id-{n}")
            calls += [
                partial(settle, message=message, outcome=Accepted(id=f"id-{n}")),
                look_at_callbacks,
            ]

        assert [each for each in at_once(calls, threads=8) if isinstance(each, Exception)] == []

        look_at_callbacks()
        assert set(Message.objects.values_list("status", flat=True)) == {"delivered"}
        assert set(callbacks()) == {("done", "")}

    @pytest.mark.django_db(transaction=True)
    def test_of_two_words_the_last_counts_however_many_look(self, monkeypatch):
        at("inbound", id="w1", **{"from": PHONE, "to": "22", "text": "START"})
        at("inbound", id="w2", **{"from": PHONE, "to": "22", "text": "STOP"})
        take_in, first_is_at_it = callbacks_module._take_in, Event()

        def slow(name, ident, inbound):
            if ident == "w1":
                first_is_at_it.set()
                wait_until(backends_waiting_for_a_lock)
            return take_in(name, ident, inbound)

        monkeypatch.setattr(callbacks_module, "_take_in", slow)
        at_once([look_at_callbacks, lambda: first_is_at_it.wait(30) and look_at_callbacks()])

        assert is_opted_out(phone=PHONE)

    @pytest.mark.django_db(transaction=True)
    def test_many_who_look_at_once_fold_each_in_once(self):
        for n in range(10):
            message_of("africastalking", to=f"+2547220001{n:02d}", transport_id=f"id-{n}")
        # Of the same messages in opposite orders: nobody waits for another for ever.
        for said, order in [("Sent", range(10)), ("Success", reversed(range(10)))]:
            for n in order:
                report("africastalking", said, phone=f"+2547220001{n:02d}", ident=f"id-{n}")

        looked_at = at_once([look_at_callbacks] * 6)

        assert sum(looked_at) == 20
        assert set(Message.objects.values_list("status", flat=True)) == {"delivered"}
        assert [row.timeline.count() for row in Message.objects.all()] == [2] * 10


class TestWhatPeopleWrite:
    def test_it_is_kept_once(self):
        for _ in range(2):
            told = {"id": "in-1", "from": PHONE, "to": "20880", "text": "Habari?", "linkId": "L"}
            assert at("inbound", **told).status_code == 200
        look_at_callbacks()

        [row] = InboundMessage.objects.values("transport", "gateway_id", "phone", "to", "text")
        assert row == {
            "transport": "africastalking",
            "gateway_id": "in-1",
            "phone": PHONE,
            "to": "20880",
            "text": "Habari?",
        }

    def test_by_vonage_too(self):
        told = {"message_uuid": UUID, "from": PHONE[1:], "to": "DUKA", "text": "Stop"}
        assert vonage("inbound", **told).status_code == 200
        look_at_callbacks()

        assert InboundMessage.objects.get().phone == PHONE
        assert is_opted_out(phone=PHONE)

    def test_an_opt_out_counts_each_time(self):
        assert at("opt-out", senderId="DUKA", phoneNumber=PHONE).status_code == 200
        look_at_callbacks()
        assert is_opted_out(phone=PHONE)
        note_consent(phone=PHONE, opted_out=False, source=ConsentSource.MESSAGE)

        at("opt-out", senderId="DUKA", phoneNumber=PHONE)
        look_at_callbacks()

        assert is_opted_out(phone=PHONE)
        assert list(Consent.objects.get().changes.values_list("opted_out", "source")) == [
            (True, "gateway"),
            (False, "message"),
            (True, "gateway"),
        ]


def let_pass(**time):
    """Let all callbacks be older by so much."""
    Callback.objects.update(received_at=F("received_at") - timedelta(**time))


class TestOldOnes:
    @pytest.mark.parametrize(("days", "left"), [(89, 3), (91, 0)])
    def test_those_that_are_done_bad_or_unmatched_are_deleted_and_their_effect_stays(
        self, days, left
    ):
        message_of("africastalking")
        report("africastalking", "delivered")
        report("africastalking", "delivered", ident="?")
        at(id="no status")
        look_at_callbacks()
        assert [state for state, _ in callbacks()] == ["done", "unmatched", "bad"]
        let_pass(days=days)

        assert tasks.remove_old_callbacks.call() == 3 - left

        assert (len(callbacks()), status()) == (left, "delivered")
        assert Message.objects.get().timeline.count() == 1

    def test_those_that_nobody_looked_at_yet_are_kept(self):
        message_of("africastalking")
        report("africastalking", "delivered")
        let_pass(days=900)

        assert tasks.remove_old_callbacks.call() == 0

        assert look_at_callbacks() == 1
        assert status() == "delivered"

    def test_a_token_is_remembered_for_longer_than_it_is_taken(self, settings):
        settings.SMS_CALLBACK_DAYS = 1  # the least that may be set
        body = TestTheSignature.BODY
        # Of a clock that is ahead, so that it is taken for as long as one can be.
        token = signed(body, iat=int(time.time()) + FRESH - 10)
        assert post("vonage/report/", body, JSON, Authorization=token).status_code == 200
        look_at_callbacks()
        let_pass(seconds=2 * FRESH)

        assert tasks.remove_old_callbacks.call() == 0

        assert post("vonage/report/", body, JSON, Authorization=token).status_code == 403

    @pytest.mark.parametrize(
        "said",
        [
            ["Sent"],
            ["Success"],
            ["Failed"],
            ["Sent", "Success"],
            ["Sent", "Failed"],
            ["Failed", "Success"],
            ["Sent", "Failed", "Success"],
        ],
        ids=" ".join,
    )
    def test_what_is_told_once_more_after_that_moves_nothing(self, said):
        message_of("africastalking", "unknown", cost_amount=1)
        for each in said:
            report("africastalking", each)
            look_at_callbacks()
        [before] = Message.objects.values()

        for each in [*said, *reversed(said)]:
            let_pass(days=91)
            tasks.remove_old_callbacks.call()
            report("africastalking", each)
            assert look_at_callbacks() == 1

            assert Message.objects.values().get() == before

    def test_nor_does_it_move_a_message_that_was_sent_again_since(self):
        message = message_of("africastalking")
        report("africastalking", "failed")
        look_at_callbacks()
        retry_message(message_id=message.pk, by=None)
        [before] = Message.objects.values()
        let_pass(days=91)
        tasks.remove_old_callbacks.call()

        report("africastalking", "failed")
        look_at_callbacks()

        assert Message.objects.values().get() == before
        assert callbacks() == [("unmatched", "No message has this id.")]

    @both
    def test_nor_is_a_word_obeyed_or_answered_again(self, name):
        def stop():
            if name == "vonage":
                return vonage(
                    "inbound", message_uuid=UUID, to="DUKA", text="STOP", **{"from": PHONE[1:]}
                )
            return at("inbound", id="in-1", to="22", text="STOP", **{"from": PHONE})

        assert stop().status_code == 200
        look_at_callbacks()
        note_consent(phone=PHONE, opted_out=False, source=ConsentSource.CUSTOMER)
        let_pass(days=91)
        assert tasks.remove_old_callbacks.call() == 1

        assert stop().status_code == 200
        look_at_callbacks()

        assert not is_opted_out(phone=PHONE)
        assert callbacks() == [("done", "Known already.")]
        assert (Message.objects.count(), InboundMessage.objects.count()) == (1, 1)

    def test_they_are_looked_for_once_a_day(self):
        sync_periodic_jobs()

        job = PeriodicJob.objects.get(name="notifications.tasks.remove_old_callbacks")
        assert job.every == timedelta(days=1)


@pytest.mark.django_db(transaction=True)
@both
def test_it_is_answered_with_one_row_stored_and_no_message_touched(name):
    message_of(name)

    with CaptureQueriesContext(connection) as statements:
        assert report(name, "delivered").status_code == 200

    said = [each["sql"] for each in statements]
    assert [sql.split()[0] for sql in said] == ["BEGIN", "INSERT", "COMMIT", "INSERT"]
    assert "notifications_callback" in said[1]
    assert "notifications_message" not in " ".join(said)
    assert status() == "sent"
    assert [run.task_path for run in DBTaskResult.objects.all()] == [
        "notifications.tasks.look_at_callbacks"
    ]


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_in_the_midst_of_one_loses_nothing():
    message = message_of("africastalking")
    report("africastalking", "delivered")

    settings = {"SMS_TRANSPORT": "africastalking"} | AT_SETTINGS
    with spawn_manage("worker", env=settings) as worker, transaction.atomic():
        # It stands before the message, the callback in its hands, and there it dies.
        Message.objects.select_for_update().get(pk=message.pk)
        wait_until(waiting_for_a_lock)
        worker.kill()
        with connection.cursor() as cursor:
            # A backend that waits for a lock does not notice its client's death.
            for pid in waiting_for_a_lock():
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: not waiting_for_a_lock())
    assert (status(), callbacks()) == ("sent", [("new", "")])

    assert look_at_callbacks() == 1
    assert (status(), callbacks()) == ("delivered", [("done", "")])


def waiting_for_a_lock():
    with connection.cursor() as cursor:
        # In a transaction the first look at it would be the last.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return [pid for (pid,) in cursor.fetchall()]
