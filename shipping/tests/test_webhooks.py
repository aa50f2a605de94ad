"""What carriers tell over HTTP, from the first byte to where it is stored."""

import base64
import io
import json
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from standardwebhooks import Webhook

from core.tests.races import at_once
from core.wsgi import Request
from shipping import providers, services
from shipping.models import Carrier, News, Shipment
from shipping.pages.webhooks import MAX_WEBHOOK, webhook

from .factories import SentShipmentFactory
from .webhooks import JSON, KEY, OTHER_SECRET, SECRET, at, event, post, signed, tell

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
BODY = event("S1001")


def courier(body=BODY, headers=None, **how):
    return post("courier/", body, **(signed(body, **how) if headers is None else headers))


def parcelpost(body=None, key=KEY, **form):
    usual = {"reference": "S1001", "what": "ROLLING", "when": str(int(at(0).timestamp()))}
    return post(f"parcelpost/{key}/", body or urlencode(usual | form).encode(), FORM)


def kept():
    return list(News.objects.order_by("pk").values_list("state", "reference"))


class TestTheSignature:
    def test_what_is_signed_is_stored_as_it_came(self):
        assert courier(ident="msg_1").status_code == 200

        stored = News.objects.get()
        assert (stored.carrier.name, stored.source, stored.nonce) == ("courier", "webhook", "msg_1")
        assert (bytes(stored.body), stored.content_type) == (BODY, JSON)
        assert (stored.state, stored.detail, stored.reference) == ("new", "", "S1001")

    @pytest.mark.parametrize("ago", [-290, 0, 290])
    def test_a_clock_that_is_minutes_off_does_no_harm(self, ago):
        assert courier(ago=ago).status_code == 200

    @pytest.mark.parametrize("ago", [-320, 320, 10**6])
    def test_one_that_is_not_of_now_is_refused(self, ago):
        assert courier(ago=ago).status_code == 403
        assert not News.objects.exists()

    @pytest.mark.parametrize("used", [SECRET, OTHER_SECRET])
    def test_while_a_secret_is_changed_both_are_good(self, settings, used):
        settings.COURIER_WEBHOOK_SECRETS = [SECRET, OTHER_SECRET]

        assert courier(secret=used).status_code == 200

    def test_and_either_may_stand_among_several_signatures(self):
        first, second = signed(BODY, secret=OTHER_SECRET, ident="a"), signed(BODY, ident="a")
        both = f"v1a,AAAA {first['webhook-signature']} {second['webhook-signature']}"

        assert courier(headers=second | {"webhook-signature": both}).status_code == 200

    @pytest.mark.parametrize("secrets", [[], [OTHER_SECRET]])
    def test_another_secret_or_none_is_good_for_nothing(self, settings, secrets):
        settings.COURIER_WEBHOOK_SECRETS = secrets

        assert courier().status_code == 403

    @pytest.mark.parametrize(
        "wrong",
        [
            {"webhook-signature": ""},
            {"webhook-signature": "v1"},
            {"webhook-signature": "v1,"},
            {"webhook-signature": "v1,,"},
            {"webhook-signature": "v1,A"},
            {"webhook-signature": "v1,é"},
            {"webhook-signature": "v1,\xff\x00"},
            {"webhook-signature": "v1," + base64.b64encode(b"\0" * 32).decode()},
            {"webhook-signature": "v2,AAAA"},
            {"webhook-signature": "x" * 8000},
            {"webhook-id": ""},
            {"webhook-id": "another"},
            {"webhook-id": "é"},
            {"webhook-id": "x" * 8000},
            {"webhook-timestamp": ""},
            {"webhook-timestamp": "now"},
            {"webhook-timestamp": "nan"},
            {"webhook-timestamp": "-inf"},
            {"webhook-timestamp": "1e400"},
            {"webhook-timestamp": "9" * 400},
            {"webhook-timestamp": "-1"},
            {"webhook-timestamp": "２０２６"},
        ],
        ids=lambda wrong: repr(wrong)[:50],
    )
    def test_another_header_is_refused(self, wrong):
        refused = courier(headers=signed(BODY) | wrong)

        assert (refused.status_code, refused.content) == (403, b"Refused.")
        assert not News.objects.exists()

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_a_missing_header_is_refused(self, name):
        headers = {key: value for key, value in signed(BODY).items() if key != name}

        assert courier(headers=headers).status_code == 403

    @pytest.mark.parametrize("body", [b"", BODY + b" ", b"\xff\xfe", b"{"])
    def test_the_signature_of_another_body_is_refused(self, body):
        assert courier(body, headers=signed(BODY)).status_code == 403
        assert not News.objects.exists()

    def test_one_with_a_name_that_no_column_holds_is_refused(self):
        assert courier(ident="x" * 128).status_code == 200
        assert courier(ident="x" * 129).status_code == 403
        assert News.objects.count() == 1


class TestTheKeyInTheAddress:
    @pytest.mark.parametrize("end", ["", "wrong/", f"{KEY}x/", f"{KEY[:-1]}/", "%C3%A9/", "%00/"])
    def test_a_wrong_or_missing_one_is_refused_in_the_same_words(self, end):
        refused = post(f"parcelpost/{end}", b"reference=S1", FORM)

        assert (refused.status_code, refused.content) == (403, b"Refused.")
        assert not News.objects.exists()

    def test_without_one_in_the_settings_nobody_has_it(self, settings):
        settings.PARCELPOST_WEBHOOK_KEY = ""

        assert post("parcelpost/", b"reference=S1", FORM).status_code == 403

    @pytest.mark.parametrize("end", ["/", ""])
    def test_with_it_the_form_is_stored_as_it_came(self, end):
        body = b"reference=S1001&what=SIGNED&when=1772452800"

        assert post(f"parcelpost/{KEY}{end}", body, FORM).status_code == 200

        stored = News.objects.get()
        assert (stored.carrier.name, stored.state, stored.reference) == (
            "parcelpost",
            "new",
            "S1001",
        )
        assert (bytes(stored.body), stored.content_type) == (body, FORM)

    def test_no_log_and_no_answer_says_it(self, settings, caplog):
        caplog.set_level(logging.DEBUG)
        address = f"/webhooks/shipping/parcelpost/{KEY}"
        client = Client(raise_request_exception=False)
        answers = [
            parcelpost(),
            parcelpost(b"reference"),
            parcelpost(b"x" * (MAX_WEBHOOK + 1)),
            post(f"{KEY}/", b"x"),
            client.get(f"{address}/"),
            client.get(address),
            post(f"courier/{KEY}/", b"x"),
        ]
        settings.SHIPPING_PROVIDERS = ["broken"]
        answers.append(client.post(f"/webhooks/shipping/broken/{KEY}/"))

        assert [each.status_code for each in answers] == [200, 200, 413, 404, 405, 405, 403, 500]
        texts = [f"{each.content} {each.headers}" for each in answers]
        plain = logging.Formatter()
        for record in caplog.records:
            texts += [plain.format(record), json.dumps(vars(record), default=str)]
        said = "\n".join(texts)
        assert "POST /webhooks/shipping/parcelpost/…/ 200" in said
        assert KEY not in said


class TestToldAgain:
    """As Standard Webhooks has it: the same id is the same webhook, sent again."""

    def test_it_counts_once_and_is_answered_as_well(self):
        shipment = SentShipmentFactory.create()
        body = event(shipment.number)
        first = signed(body, ident="msg_1", ago=60)

        assert courier(body, headers=first).status_code == 200
        services.look_at_news()
        before = Shipment.objects.values().get()
        # Word for word, as by who listened; and signed anew, as by the carrier.
        assert courier(body, headers=first).status_code == 200
        assert courier(body, ident="msg_1").status_code == 200

        assert services.look_at_news() == 0
        assert News.objects.count() == 1
        assert Shipment.objects.values().get() == before

    def test_of_one_id_the_first_counts(self):
        assert courier(ident="msg_1").status_code == 200
        assert courier(event("S1001", "delivered"), ident="msg_1").status_code == 200

        assert bytes(News.objects.get().body) == BODY

    def test_five_minutes_later_it_is_refused(self):
        assert courier(headers=signed(BODY, ident="msg_1", ago=299)).status_code == 200
        assert courier(headers=signed(BODY, ident="msg_1", ago=301)).status_code == 403

    def test_without_an_id_what_it_says_counts_once(self):
        assert [parcelpost().status_code for _ in range(3)] == [200] * 3
        assert parcelpost(what="SIGNED").status_code == 200

        assert kept() == [("new", "S1001")] * 2

    def test_two_carriers_may_use_the_same_id(self):
        courier(ident="msg_1")
        News.objects.update(carrier=Carrier.objects.create(name="other"))

        assert courier(ident="msg_1").status_code == 200
        assert News.objects.count() == 2

    @pytest.mark.django_db(transaction=True)
    def test_at_the_same_moment_it_is_stored_once(self):
        tell_it = partial(courier, headers=signed(BODY))

        assert [each.status_code for each in at_once([tell_it] * 8)] == [200] * 8
        assert News.objects.count() == 1


class TestSizes:
    def test_one_that_is_too_large_is_refused_and_not_kept(self):
        full = b"reference=S1&what=READY&when=1772452800&x=".ljust(MAX_WEBHOOK, b"x")

        assert parcelpost(full).status_code == 200
        assert parcelpost(full + b"x").status_code == 413
        assert News.objects.count() == 1

    @pytest.mark.parametrize(
        ("size", "headers", "answer"),
        [
            (MAX_WEBHOOK + 1, {"HTTP_TRANSFER_ENCODING": "chunked"}, 413),
            (10**7, {"HTTP_TRANSFER_ENCODING": "chunked"}, 413),
            (100, {"HTTP_TRANSFER_ENCODING": "chunked"}, 200),
            (100, {"CONTENT_LENGTH": "9999999"}, 200),
            (10**7, {"CONTENT_LENGTH": "9999999"}, 413),
            (100, {"CONTENT_LENGTH": "20"}, 200),
            (100, {"CONTENT_LENGTH": "many"}, 200),
            (100, {"CONTENT_LENGTH": "-5"}, 200),
        ],
    )
    def test_whatever_its_headers_say_of_it(self, size, headers, answer):
        body = b"reference=S1&what=READY&when=1772452800&x=".ljust(size, b"x")
        made = RequestFactory().post("/x", content_type=FORM).environ
        made |= {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True} | headers

        told = webhook(Request(made), name="parcelpost", token=KEY)

        assert told.status_code == answer


class TestWhatCannotBeUnderstood:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b"7",
            b'"x"',
            b"{",
            b"{}",
            b"NaN",
            b"[" * 60_000,
            b'{"a":' * 10_000,
            b"1" * 60_000,
            b'{"order_id": "S1"}',
            b'{"order_id": "S1", "event_name": "in-transit"}',
            event(None),
            event(7),
            event(["S1"]),
            event({"S": 1}),
            event(""),
            event(" "),
            event("S" * 36),
            event("S\x00"),
            event("S\ud800"),
            event("S1", None),
            event("S1", ["in-transit"]),
            event("S1", {}),
            event("S1", ""),
            event("S1", "lost"),
            event("S1", "waiting"),
            event("S1", "cancelled"),
            event("S1", time=None),
            event("S1", time=1772452800),
            event("S1", time=[]),
            event("S1", time=""),
            event("S1", time="yesterday"),
            event("S1", time="2026-03-02"),
            event("S1", time="2026-02-30 12:00:00"),
            event("S1", time="2026-03-02 25:00:00"),
            event("S1", time="0000-01-01 00:00:00"),
            event("S1", time="0001-01-01 00:00:00"),
            event("S1", time="0001-01-01T00:00:00+14:00"),
            event("S1", time="1999-12-31 23:59:59"),
            event("S1", time="9999-12-31T23:59:59-14:00"),
            event("S1", time="9999-12-31 23:59:59"),
            event("S1", time="99999-01-01 00:00:00"),
            event("S1", time="2026-03-02 12:00:00+99:00"),
            event("S1", time="2026-03-02 12:00:00\x00"),
        ],
        ids=lambda body: repr(body)[:60],
    )
    def test_it_is_kept_once_for_a_person_and_answered_so_that_it_is_not_said_for_ever(self, body):
        assert [courier(body, ident="msg_1").status_code for _ in range(2)] == [200, 200]

        stored = News.objects.get()
        assert (bytes(stored.body), stored.state) == (body, "bad")
        assert stored.detail
        assert services.look_at_news() == 0

    @pytest.mark.parametrize(
        "body",
        [
            b"x",
            b"\xff\xfe",
            b"reference=%FF%FE&what=READY&when=1772452800",
            b"reference=S1&what=READY",
            b"reference=S1&reference=S2&what=READY&when=1772452800",
            b"reference=S%00&what=READY&when=1772452800",
            b"reference=S1&what=LOST&when=1772452800",
            b"reference=S1&what=READY&when=now",
            b"reference=S1&what=READY&when=99999999999",
            b"reference=S1&what=READY&when=0",
            b"reference=S1&what=READY&when=-1",
            b"&".join(b"x=1" for _ in range(5000)),
            BODY,
        ],
        ids=lambda body: repr(body)[:60],
    )
    def test_of_a_form_too(self, body):
        assert parcelpost(body).status_code == 200

        stored = News.objects.get()
        assert (bytes(stored.body), stored.state) == (body, "bad")

    def test_what_a_plug_in_did_not_foresee_is_kept_as_well(self, monkeypatch):
        def read(self, body, content_type):
            raise ZeroDivisionError

        monkeypatch.setattr(providers.courier.Provider, "read", read)

        assert courier().status_code == 200
        assert News.objects.get().detail == "It cannot be read: ZeroDivisionError."

    def test_a_content_type_that_no_column_holds_does_no_harm(self):
        told = post("courier/", BODY, "x/y\x00; " + "z" * 300, **signed(BODY))

        assert told.status_code == 200


class TestTimes:
    @pytest.mark.parametrize(
        ("said", "meant"),
        [
            ("2023-05-19 13:18:45", datetime(2023, 5, 19, 13, 18, 45, tzinfo=UTC)),
            ("2023-05-19T13:18:45", datetime(2023, 5, 19, 13, 18, 45, tzinfo=UTC)),
            ("2023-05-19T13:18:45Z", datetime(2023, 5, 19, 13, 18, 45, tzinfo=UTC)),
            ("2023-05-19 13:18:45+03:00", datetime(2023, 5, 19, 10, 18, 45, tzinfo=UTC)),
            ("2023-05-19T23:18:45.5-05:30", datetime(2023, 5, 20, 4, 48, 45, 500000, tzinfo=UTC)),
            ("2000-01-01 00:00:00", datetime(2000, 1, 1, tzinfo=UTC)),
        ],
    )
    def test_without_a_zone_it_is_utc(self, said, meant):
        shipment = SentShipmentFactory.create()

        assert courier(event(shipment.number, time=said)).status_code == 200
        services.look_at_news()

        assert Shipment.objects.get().last_event_at == meant

    def test_one_from_the_future_does_not_keep_all_after_it_from_counting(self):
        for ahead in (23, 25):
            time = (timezone.now() + timedelta(hours=ahead)).isoformat()
            assert courier(event("S1001", time=time)).status_code == 200

        assert kept() == [("new", "S1001"), ("bad", "")]


class TestWhatChangesNothing:
    """Of all that can be wrong, not a row is written but for what is kept for a person."""

    def everything(self):
        # That somebody was refused is noted elsewhere: an audit of the shop.
        of = ["shipping", "orders", "notifications", "catalog", "customers"]
        models = [model for app in of for model in apps.get_app_config(app).get_models()]
        return [
            list(model.objects.order_by("pk").values()) for model in models if model is not News
        ]

    def test_what_is_forged_stale_replayed_too_large_or_malformed(self):
        shipment = SentShipmentFactory.create()
        said = event(shipment.number)
        first = signed(said, ident="msg_1")
        assert courier(said, headers=first).status_code == 200
        services.look_at_news()
        delivered = event(shipment.number, "delivered")
        form = {"reference": shipment.number, "what": "SIGNED"}
        before, news = self.everything(), list(News.objects.values())

        refused = [
            courier(delivered, secret=OTHER_SECRET),
            courier(delivered, headers=first),
            courier(delivered, headers={}),
            courier(delivered, ago=320),
            courier(delivered, ago=-320),
            parcelpost(key="wrong", **form),
            post("parcelpost/", b"x", FORM),
        ]
        assert [each.status_code for each in refused] == [403] * 7
        assert courier(delivered.ljust(MAX_WEBHOOK + 1)).status_code == 413
        assert [courier(said, headers=first).status_code for _ in range(3)] == [200] * 3
        services.look_at_news()
        assert (self.everything(), list(News.objects.values())) == (before, news)

        # Proved to be the carrier's: one row of each is kept, and that is all.
        malformed = [
            delivered[:-1],
            event(shipment.number, "lost"),
            event(shipment.number, time=""),
        ]
        assert [courier(each).status_code for each in malformed * 2] == [200] * 6
        assert parcelpost(b"reference").status_code == 200
        services.look_at_news()
        assert list(News.objects.exclude(state="bad").values()) == news
        assert News.objects.filter(state="bad").count() == 7
        assert self.everything() == before


class TestWhoIsAsked:
    @pytest.mark.parametrize("path", ["nobody/", "base/", "network/", "../sms/x/", "courier/a/b/"])
    def test_what_is_no_carrier_is_not_found(self, path):
        assert post(path, BODY).status_code == 404

    def test_one_that_the_shop_does_not_use_has_no_address(self, settings):
        settings.SHIPPING_PROVIDERS = ["parcelpost"]

        assert courier().status_code == 404

    def test_it_takes_no_get(self, client):
        assert client.get("/webhooks/shipping/courier/").status_code == 405

    def test_one_that_takes_nothing_new_is_heard_all_the_same(self):
        shipment = SentShipmentFactory.create()
        Carrier.objects.update(active=False)

        assert tell(shipment.number).status_code == 200
        services.look_at_news()

        assert Shipment.objects.get().status == "in-transit"

    def test_the_second_one_tells_in_its_own_words(self):
        shipment = SentShipmentFactory.create(carrier="parcelpost")
        said = []

        for minutes, what in enumerate(["READY", "ROLLING", "UNDELIVERED", "SIGNED"]):
            when = str(int(at(minutes).timestamp()))
            assert parcelpost(reference=shipment.number, what=what, when=when).status_code == 200
            services.look_at_news()
            said.append(Shipment.objects.get().status)

        assert said == ["waiting-for-collection", "in-transit", "failed-to-deliver", "delivered"]


@pytest.mark.django_db(transaction=True)
def test_it_is_answered_with_one_row_stored_and_no_shipment_touched():
    shipment = SentShipmentFactory.create()
    DBTaskResult.objects.all().delete()

    with CaptureQueriesContext(connection) as statements:
        assert tell(shipment.number, "delivered").status_code == 200

    said = [each["sql"] for each in statements]
    assert [sql.split()[0] for sql in said] == ["SELECT", "BEGIN", "INSERT", "COMMIT", "INSERT"]
    assert "shipping_carrier" in said[0]
    assert "shipping_news" in said[2]
    assert Shipment.objects.get().status == "sent"
    assert [run.task_path for run in DBTaskResult.objects.all()] == ["shipping.tasks.look_at_news"]


def test_a_signature_is_what_the_specification_says():
    # Its own example.
    secret, sent = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", datetime.fromtimestamp(1614265330, UTC)
    signature = Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", sent, '{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
