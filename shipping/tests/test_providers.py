"""What each carrier is asked, and what each of its answers means."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar
from urllib.parse import urlencode

import pytest
import requests
from django.core.exceptions import ImproperlyConfigured

from core.network import never_went_out
from shipping import providers
from shipping.providers import (
    Accepted,
    Address,
    Consignment,
    Forged,
    Item,
    Malformed,
    News,
    NotThere,
    Parcel,
    Provider,
    Refused,
    Request,
    Unclear,
    network,
    provider,
)
from tests.ports import free_port

from .webhooks import KEY, OTHER_SECRET, SECRET, at, event, signed

BOTH = pytest.mark.parametrize("name", ["courier", "parcelpost"])
ADDRESS = Address(
    recipient="Jón Þór & Søn",
    line_1="Moi Avenue 12",
    line_2="",
    city="Nairobi",
    postcode="00100",
    country="KE",
)
CONSIGNMENT = Consignment(
    number="S1",
    service="standard",
    address=ADDRESS,
    parcels=[Parcel(items=[Item(sku="TEA", quantity=2, weight=250)])],
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(network, "TIMEOUT", (1, 0.2))
    monkeypatch.setattr(network, "LONGEST", 0.5)


class TestSending:
    @BOTH
    def test_words_arrive_as_they_are(self, fake, name):
        assert isinstance(provider(name).send(CONSIGNMENT), Accepted)

        said = fake.book()[0]["said"]
        recipient = said["delivery_address"]["recipient"] if name == "courier" else said["name"]
        assert recipient == "Jón Þór & Søn"

    def test_the_courier_answers_the_same_number_as_the_first_time(self, fake):
        first, second = (provider("courier").send(CONSIGNMENT) for _ in range(2))

        assert (first, first.id) == (second, "C000001")
        assert fake.shipped() == {"S1": 1}

    def test_parcelpost_ships_it_twice_which_is_why_it_is_asked_first(self, fake):
        for _ in range(2):
            provider("parcelpost").send(CONSIGNMENT)

        assert fake.shipped() == {"S1": 2}

    @BOTH
    @pytest.mark.parametrize(
        ("status", "may_pass", "whole"),
        [
            (400, False, False),
            (401, True, True),
            (402, True, True),
            (403, True, False),
            (404, True, True),
            (409, False, False),
            (422, False, False),
            (429, True, True),
        ],
    )
    def test_a_refusal_is_certain(self, fake, name, status, may_pass, whole):
        fake.behave("*", f"http:{status}")

        assert provider(name).send(CONSIGNMENT) == Refused(
            code=f"http_{status}",
            reason=f"HTTP {status}: No, thank you.",
            may_pass=may_pass,
            whole=whole,
        )

    @BOTH
    @pytest.mark.parametrize(
        "behaviour",
        [
            *(
                "http:408",
                "http:500",
                "http:502",
                "http:503",
                "http:504",
                "took_http:302",
                "redirect",
            ),
            *("nonsense", "hang", "hang_before", "drop_after", "drop_before", "drop_midway"),
            *("endless", "drip"),
        ],
    )
    def test_what_says_neither_yes_nor_no_is_unclear(self, fake, name, behaviour):
        fake.behave("*", behaviour)

        assert isinstance(provider(name).send(CONSIGNMENT), Unclear)
        # Asked once, not by the library again and again.
        assert len(fake.book()) == 1

    @BOTH
    def test_nobody_there_is_a_refusal_of_all(self, settings, name):
        url = f"http://127.0.0.1:{free_port()}"
        settings.COURIER_URL = settings.PARCELPOST_URL = url

        assert provider(name).send(CONSIGNMENT) == Refused(
            code="unreachable",
            reason="The carrier cannot be reached.",
            may_pass=True,
            whole=True,
        )

    def test_a_carrier_s_own_reason_is_told(self, fake):
        fake.behave("*", "refuse:bad_postcode")

        expected = Refused(code="bad_postcode", reason="It is not taken.", may_pass=False)
        assert provider("courier").send(CONSIGNMENT) == expected
        assert provider("parcelpost").send(CONSIGNMENT) == expected

    def test_an_answer_is_not_read_without_an_end(self, fake, monkeypatch):
        monkeypatch.setattr(network, "LONGEST", 60)
        fake.behave("*", "endless")

        assert provider("courier").send(CONSIGNMENT) == Unclear(
            reason="HTTP 200, and no end of it."
        )

    def test_a_password_of_the_machine_s_netrc_is_not_sent_in_the_key_s_place(
        self, fake, tmp_path, monkeypatch
    ):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password else\n")
        monkeypatch.setenv("NETRC", str(netrc))

        assert isinstance(provider("courier").send(CONSIGNMENT), Accepted)
        assert isinstance(provider("parcelpost").send(CONSIGNMENT), Accepted)


class TestLookingUp:
    @BOTH
    def test_all_that_happened_is_told(self, fake, name):
        provider(name).send(CONSIGNMENT)
        fake.happen(name, "S1", "waiting-for-collection", at(0).timestamp())
        fake.happen(name, "S1", "in-transit", at(5).timestamp())

        assert provider(name).look_up("S1") == [
            News(number="S1", status="waiting-for-collection", at=at(0)),
            News(number="S1", status="in-transit", at=at(5)),
        ]

    @BOTH
    def test_what_it_has_not_is_not_there_by_its_own_word_alone(self, fake, name):
        with pytest.raises(NotThere):
            provider(name).look_up("S9")
        fake.behave("look_up:*", "http:404")
        assert isinstance(provider(name).look_up("S9"), Refused)


class TestCancelling:
    def test_what_parcelpost_has_no_more_or_never_had_is_called_off(self, fake):
        parcelpost = provider("parcelpost")
        parcelpost.send(CONSIGNMENT)

        assert [parcelpost.cancel("S1"), parcelpost.cancel("S1"), parcelpost.cancel("S9")] == [
            Accepted()
        ] * 3
        with pytest.raises(NotThere):
            parcelpost.look_up("S1")

    def test_what_is_on_its_way_is_not(self, fake):
        parcelpost = provider("parcelpost")
        parcelpost.send(CONSIGNMENT)
        fake.happen("parcelpost", "S1", "in-transit")

        assert parcelpost.cancel("S1") == Refused(
            code="on_its_way", reason="It is on its way.", may_pass=False
        )


class TestReading:
    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ("2023-05-19 13:18:45", datetime(2023, 5, 19, 13, 18, 45, tzinfo=UTC)),
            ("2023-05-19T13:18:45Z", datetime(2023, 5, 19, 13, 18, 45, tzinfo=UTC)),
            ("2023-05-19T13:18:45+03:00", datetime(2023, 5, 19, 10, 18, 45, tzinfo=UTC)),
        ],
    )
    def test_the_contract_s_event(self, said, expected):
        body = event("co-1", time=said)

        assert provider("courier").read(body, "application/json") == [
            News(number="co-1", status="in-transit", at=expected)
        ]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\xff",
            b"null",
            b"[]",
            b'{"order_id": "co-1"}',
            event("co-1", name="lost"),
            event("co-1", name=["in-transit"]),
            event("co-1", time="yesterday"),
            event("co-1", time="2023-05-19"),
            event("co-1", time=1684502325),
            event("co-1", time="0001-01-01 00:00:00+14:00"),
            event(""),
            event(7),
            event("x" * 36),
            event("co\x00-1"),
            event("co\ud800-1"),
            b"[" * 100_000,
        ],
    )
    def test_what_is_none_is_malformed(self, body):
        with pytest.raises(Malformed):
            provider("courier").read(body, "application/json")

    @pytest.mark.parametrize(
        ("what", "status"),
        [
            ("READY", "waiting-for-collection"),
            ("ROLLING", "in-transit"),
            ("SIGNED", "delivered"),
            ("UNDELIVERED", "failed-to-deliver"),
        ],
    )
    def test_parcelpost_s_names(self, what, status):
        body = urlencode({"reference": "S1", "what": what, "when": int(at(0).timestamp())})

        assert provider("parcelpost").read(body.encode(), "") == [
            News(number="S1", status=status, at=at(0))
        ]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\xff",
            b"reference=S1&what=READY",
            b"reference=S1&what=LOST&when=1",
            b"reference=S1&what=READY&when=soon",
            b"reference=S1&what=READY&when=-1",
            b"reference=S1&what=READY&when=99999999999",
            b"reference=S1&reference=S2&what=READY&when=1",
            b"reference=%00&what=READY&when=1",
            b"&".join([b"a=1"] * 51),
        ],
    )
    def test_a_form_that_is_none_of_parcelpost_is_malformed(self, body):
        try:
            told = provider("parcelpost").read(body, "")
        except Malformed:
            return
        # Far ahead, though a time: whether it is one of a shipment is for `news` to say.
        assert told[0].at.year > 5000


class TestProof:
    BODY = event("co-1")

    def authenticate(self, headers, body=BODY, key="", name="courier"):
        request = Request(body=body, content_type="", headers=headers, key=key)
        return provider(name).authenticate(request)

    def test_a_signature_is_known_by_its_id(self):
        assert self.authenticate(signed(self.BODY, ident="msg_1")) == "msg_1"

    def test_while_a_secret_is_rotated_both_count(self, settings):
        settings.COURIER_WEBHOOK_SECRETS = [SECRET, OTHER_SECRET]
        providers._load.cache_clear()

        for secret in (SECRET, OTHER_SECRET):
            headers = signed(self.BODY, ident="msg_1", secret=secret)
            assert self.authenticate(headers) == "msg_1"

    @pytest.mark.parametrize(
        "change",
        [
            {"webhook-signature": "v1,"},
            {"webhook-signature": "v1,AAAA"},
            {"webhook-signature": "v1"},
            {"webhook-signature": "v1,ä"},
            {"webhook-signature": ""},
            {"webhook-timestamp": "nan"},
            {"webhook-timestamp": "soon"},
            {"webhook-timestamp": "1e400"},
            {"webhook-id": "msg_2"},
            {"webhook-id": ""},
        ],
    )
    def test_a_forged_or_malformed_one_is_refused(self, change):
        with pytest.raises(Forged):
            self.authenticate(signed(self.BODY, ident="msg_1") | change)

    @pytest.mark.parametrize("ago", [301, -301])
    def test_a_stale_one_is_refused(self, ago):
        with pytest.raises(Forged):
            self.authenticate(signed(self.BODY, ago=ago))

    def test_another_body_or_secret_is_refused(self):
        with pytest.raises(Forged):
            self.authenticate(signed(self.BODY), body=event("co-2"))
        with pytest.raises(Forged):
            self.authenticate(signed(self.BODY, secret=OTHER_SECRET))

    def test_without_a_secret_nothing_is_believed(self, settings):
        settings.COURIER_WEBHOOK_SECRETS = []
        providers._load.cache_clear()
        with pytest.raises(Forged):
            self.authenticate(signed(self.BODY))

    def test_a_body_that_is_no_text_is_refused(self):
        with pytest.raises(Forged):
            self.authenticate(signed(b"x"), body=b"\xff")

    def test_parcelpost_is_known_by_its_address(self):
        assert self.authenticate({}, key=KEY, name="parcelpost") == ""
        for key in ("", KEY[:-1], KEY + "x", "ä"):
            with pytest.raises(Forged):
                self.authenticate({}, key=key, name="parcelpost")

    def test_without_a_key_no_address_is_parcelpost_s(self, settings):
        settings.PARCELPOST_WEBHOOK_KEY = ""
        with pytest.raises(Forged):
            self.authenticate({}, key="", name="parcelpost")


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "setting"),
        [
            ("courier", {"COURIER_URL": ""}),
            ("courier", {"COURIER_API_KEY": ""}),
            ("courier", {"COURIER_API_KEY": "a key"}),
            ("courier", {"COURIER_WEBHOOK_SECRETS": ["whsec_"]}),
            ("courier", {"COURIER_WEBHOOK_SECRETS": ["ä"]}),
            ("parcelpost", {"PARCELPOST_URL": ""}),
            ("parcelpost", {"PARCELPOST_PASSWORD": ""}),
            ("pigeon", {}),
            ("network", {}),
        ],
    )
    def test_a_carrier_that_lacks_one_says_so(self, settings, name, setting):
        for each, value in setting.items():
            setattr(settings, each, value)
        providers._load.cache_clear()

        with pytest.raises(ImproperlyConfigured):
            provider(name)

    def test_a_carrier_that_lacks_a_library_says_which(self, tmp_path, monkeypatch):
        (tmp_path / "pigeon.py").write_text("import no_such_library")
        monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])

        with pytest.raises(ModuleNotFoundError, match="no_such_library"):
            provider("pigeon")

    @BOTH
    def test_every_carrier_repeats_safely_or_can_be_asked(self, name):
        assert provider(name).repeats_safely or provider(name).looks_up


def test_a_request_that_went_out_is_not_taken_for_one_that_did_not():
    assert never_went_out(requests.ReadTimeout("read timed out")) is None
    assert never_went_out(requests.ConnectionError()) is None


def test_the_sample_order_of_the_contract_is_what_is_sent(fake):
    sample = {
        "order_id": "co-1",
        "delivery_service": "standard",
        "items": [{"item_id": "it-1", "quantity": 2, "weight": 10}],
        "delivery_address": {
            "recipient": "John Doe",
            "line_1": "The battleship building",
            "line_2": "179 harrow road",
            "city": "London",
            "postcode": "W2 6NB",
            "country": "GB",
        },
    }
    item = Item(sku="it-1", quantity=2, weight=10)
    provider("courier").send(
        Consignment(
            number="co-1",
            service="standard",
            address=Address(**sample["delivery_address"]),
            parcels=[Parcel(items=[item])],
        )
    )

    assert fake.book()[0]["said"] == json.loads(json.dumps(sample))


class Rides(BaseHTTPRequestHandler):
    """What Boda of the docs would answer with."""

    said: ClassVar[list[tuple[str, str, dict[str, str]]]] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.said.append((self.path, self.headers["Authorization"], body))
        self.send_response(422 if body["to"].startswith("Nowhere") else 200)
        self.end_headers()
        self.wfile.write(b'{"ride": 7}')


@pytest.fixture
def rides():
    with HTTPServer(("127.0.0.1", 0), Rides) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_worked_example_of_the_docs_is_a_carrier(settings, rides):
    settings.BODA_URL, settings.BODA_KEY, settings.BODA_WEBHOOK_KEY = rides, "key", KEY
    docs = Path(settings.BASE_DIR) / "docs" / "carriers.md"
    code, _settings = re.findall(
        r"^```python\n(.*?)^```", docs.read_text(), re.DOTALL | re.MULTILINE
    )
    module = {"__name__": "shipping.providers.boda", "__package__": "shipping.providers"}
    exec(compile(code, "<boda>", "exec"), module)
    boda = module["Provider"]()

    assert all(hasattr(boda, each) for each in dir(Provider) if not each.startswith("_"))
    assert all(hasattr(boda, each) for each in Provider.__annotations__)
    assert boda.check(CONSIGNMENT) == []
    assert boda.send(CONSIGNMENT) == Accepted(id="7")
    said = {"ticket": "S1", "to": "Moi Avenue 12, Jón Þór & Søn"}
    assert Rides.said == [("/rides", "Bearer key", said)]
    nowhere = replace(CONSIGNMENT, address=replace(ADDRESS, line_1="Nowhere"))
    assert (boda.send(nowhere).code, boda.send(nowhere).may_pass) == ("http_422", False)
    told = json.dumps({"ticket": "S1", "what": "handed", "at": at(0).timestamp()}).encode()
    assert boda.read(told, "") == [News(number="S1", status="delivered", at=at(0))]
    with pytest.raises(Malformed):
        boda.read(b'{"ticket": "S1", "what": [], "at": "soon"}', "")
    assert boda.authenticate(Request(body=told, content_type="", headers={}, key=KEY)) == ""
    with pytest.raises(Forged):
        boda.authenticate(Request(body=told, content_type="", headers={}))
