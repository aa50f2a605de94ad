"""Vonage by its real SDK, against a stand-in that plays it over HTTPS."""

import base64
import json
import logging
import socket
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
import requests
from django.core.exceptions import ImproperlyConfigured
from vonage_http_client.auth import Auth
from vonage_http_client.http_client import HttpClient, HttpClientOptions
from vonage_messages import Messages, Sms

from notifications.transports import Accepted, Refused, Unknown, transport, vonage

from .vonage_gateway import API_KEY, API_SECRET, APPLICATION, rsa_keys, write_certificate

NUMBER = "+254722000001"
FIRST = "00000000-0000-4000-8000-000000000001"
NO = '{"type": "https://developer.example/errors", "title": "No", "detail": "No, thanks"}'
UNREACHABLE = Refused(
    code="unreachable", reason="The gateway cannot be reached.", may_pass=True, whole=True
)
DEEP = "[" * 100_000


def send(to=NUMBER, body="Habari, Wanjiru & co. – 100 % asante"):
    return transport("vonage").send(to=to, body=body, reference="7")


@pytest.fixture
def gateway(vonage):
    return vonage


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(vonage, "TIMEOUT", 1)


@pytest.fixture(scope="module")
def keys():
    return rsa_keys()


class TestWhatArrives:
    def test_the_request_has_exactly_the_body_of_the_contract(self, gateway):
        send()

        [entry] = gateway.book()
        assert (entry["method"], entry["path"]) == ("POST", "/v1/messages")
        assert entry["form"] == {
            "to": "254722000001",
            "from": "DUKA",
            "text": "Habari, Wanjiru & co. – 100 % asante",
            "channel": "sms",
            "message_type": "text",
            "client_ref": "7",
        }
        assert entry["headers"]["content-type"] == "application/json"

    def test_with_key_and_secret_it_proves_itself_by_basic(self, gateway):
        send()

        [entry] = gateway.book()
        scheme, _, proof = entry["headers"]["authorization"].partition(" ")
        assert scheme == "Basic"
        assert base64.b64decode(proof).decode() == f"{API_KEY}:{API_SECRET}"

    @pytest.mark.parametrize("as_file", [False, True])
    def test_with_an_application_it_proves_itself_by_a_token(
        self, gateway, settings, keys, tmp_path, as_file
    ):
        private, gateway.public_key = keys
        (tmp_path / "key.pem").write_text(private)
        settings.VONAGE_APPLICATION_ID = APPLICATION
        settings.VONAGE_PRIVATE_KEY = str(tmp_path / "key.pem") if as_file else private

        assert send() == Accepted(id=FIRST)

        [entry] = gateway.book()
        scheme, _, token = entry["headers"]["authorization"].partition(" ")
        assert scheme == "Bearer"
        assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT"}
        claims = jwt.decode(token, gateway.public_key, algorithms=["RS256"])
        assert claims["application_id"] == APPLICATION
        assert claims["exp"] - claims["iat"] == 900

    def test_an_application_without_its_key_proves_itself_by_key_and_secret(
        self, gateway, settings
    ):
        settings.VONAGE_APPLICATION_ID = APPLICATION

        assert send() == Accepted(id=FIRST)

    def test_threads_do_not_mix_their_messages_up(self, gateway):
        numbers = [f"+2547220001{n:02d}" for n in range(20)]

        with ThreadPoolExecutor(10) as pool:
            outcomes = list(pool.map(lambda to: send(to=to, body=f"for {to}"), numbers))

        book = {entry["to"]: entry for entry in gateway.book()}
        assert len(book) == 20
        assert all(entry["message"] == f"for {to}" for to, entry in book.items())
        assert [outcome.id for outcome in outcomes] == [book[to]["id"] for to in numbers]


class TestCertainOutcomes:
    @pytest.mark.parametrize("behaviour", ["slow:0", "slow:0.1"])
    def test_accepted(self, gateway, behaviour):
        gateway.behave(NUMBER, behaviour)

        assert send() == Accepted(id=FIRST)

    @pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 429, 503])
    def test_a_status_that_the_shopkeeper_or_time_can_mend_may_pass(self, gateway, status):
        gateway.behave(NUMBER, f"http:{status}")

        assert send() == Refused(
            code=f"http_{status}",
            reason=f"HTTP {status}: {NO}",
            may_pass=True,
            # A firewall may refuse the words of one message alone.
            whole=status != 403,
        )

    @pytest.mark.parametrize("status", [400, 409, 413, 422])
    def test_another_4xx_is_refused_for_good(self, gateway, status):
        gateway.behave(NUMBER, f"http:{status}")

        assert send() == Refused(
            code=f"http_{status}", reason=f"HTTP {status}: {NO}", may_pass=False
        )

    def test_a_wrong_secret_may_pass_for_the_shopkeeper_can_mend_it(self, gateway, settings):
        settings.VONAGE_API_SECRET = "another"

        assert send() == Refused(
            code="http_401", reason=f"HTTP 401: {NO}", may_pass=True, whole=True
        )

    def test_a_number_that_the_sdk_refuses_never_leaves_the_house(self, gateway):
        outcome = send(to="0722000001")

        assert (outcome.code, outcome.may_pass) == ("invalid", False)
        assert outcome.reason.startswith("to: String should match pattern")
        assert gateway.book() == []

    def test_a_text_that_is_too_long_never_leaves_the_house_nor_stands_in_the_reason(self, gateway):
        outcome = send(body="0173" * 1000)

        assert outcome == Refused(
            code="invalid",
            reason="text: String should have at most 3200 characters",
            may_pass=False,
        )
        assert gateway.book() == []

    def test_connection_refused_may_pass(self, gateway, settings):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            settings.VONAGE_API_HOST = f"127.0.0.1:{unused.getsockname()[1]}"

            assert send() == UNREACHABLE

    def test_a_host_without_an_address_may_pass(self, gateway, settings):
        settings.VONAGE_API_HOST = "nobody.invalid"

        assert send() == UNREACHABLE

    def test_a_gateway_whose_certificate_is_not_trusted_may_pass(
        self, gateway, monkeypatch, tmp_path
    ):
        write_certificate(tmp_path / "another.pem")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "another.pem"))

        outcome = send()

        assert (outcome.code, outcome.may_pass, outcome.whole) == ("untrusted", True, True)
        assert gateway.book() == []


class TestUncertainOutcomes:
    @pytest.mark.parametrize(
        ("behaviour", "reason"),
        [
            ("hang", "ReadTimeout: "),
            # Whichever notices it first, TLS or TCP.
            ("drop_after", ""),
            ("close_after", "ConnectionError: ('Connection aborted.', RemoteDisconnected("),
            ("drop_midway", "ChunkedEncodingError: ('Connection broken: IncompleteRead("),
            ("took_http:500 oh dear", "HTTP 500: oh dear"),
            ("took_http:502 oh dear", "HTTP 502: oh dear"),
            ("took_http:504 oh dear", "HTTP 504: oh dear"),
            ("took_http:408 oh dear", "HTTP 408: oh dear"),
            ("took_http:204", "The gateway's answer is not understood: "),
            ("text:<h1>Hello</h1>", "The gateway's answer is not understood: "),
            ("body:", "The gateway's answer is not understood: "),
            ("body:Hello", "The gateway's answer is not understood: "),
            ('body:{"message_uu', "The gateway's answer is not understood: "),
            ('body:{"hello": 1}', "The gateway's answer is not understood: "),
            ('body:{"message_uuid": null}', "The gateway's answer is not understood: "),
            ('body:{"message_uuid": 7}', "The gateway's answer is not understood: "),
            ("body:[]", "The gateway's answer is not understood: "),
            ("body:null", "The gateway's answer is not understood: "),
            pytest.param(f"body:{DEEP}", "The gateway's answer is not understood: ", id="deep"),
            pytest.param(
                f"took_http:500 {DEEP}", "The gateway's answer is not understood: ", id="deep 500"
            ),
        ],
    )
    def test_what_is_not_understood_is_unknown(self, gateway, impatient, behaviour, reason):
        gateway.behave(NUMBER, behaviour)

        outcome = send()

        assert isinstance(outcome, Unknown)
        assert outcome.reason.startswith(reason)
        assert len(outcome.reason) <= 300
        [entry] = gateway.book()
        assert entry["id"] == FIRST

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("url", ["", "https://127.0.0.1:1/closed", "https://nobody.invalid/"])
    def test_a_redirect_is_unknown_and_not_followed(self, gateway, status, url):
        gateway.behave(NUMBER, f"redirect:{status} {url}".strip())

        assert send() == Unknown(reason="TooManyRedirects: Exceeded 0 redirects.")
        assert [entry["path"] for entry in gateway.book()] == ["/v1/messages"]

    def test_a_connection_dropped_before_the_request_was_read_is_unknown(self, gateway):
        gateway.behave("connection", "drop", "serve")

        assert isinstance(send(), Unknown)
        assert [entry["behaviour"] for entry in gateway.book()] == ["drop"]

    def test_nothing_asks_twice_by_itself(self, gateway, impatient):
        for behaviour in ["hang", "drop_after", "close_after", "drop_midway", "http:503"]:
            gateway.behave(NUMBER, behaviour)
            before = len(gateway.book())
            send()
            assert len(gateway.book()) == before + 1, behaviour

    def test_by_itself_the_sdk_would_ask_ten_times(self, gateway):
        gateway.behave(NUMBER, "close_after")
        options = HttpClientOptions(api_host=gateway.host)
        sdk = Messages(HttpClient(Auth(api_key=API_KEY, api_secret=API_SECRET), options))

        with pytest.raises(requests.ConnectionError):
            sdk.send(Sms(to=NUMBER[1:], from_="DUKA", text="Habari"))

        assert len(gateway.book()) == 10

    def test_its_patience_is_nine_seconds(self, gateway):
        client = transport("vonage")._messages().http_client

        assert client.http_client_options.timeout == 9


class TestSettings:
    @pytest.mark.parametrize("name", ["VONAGE_API_KEY", "VONAGE_API_SECRET"])
    def test_without_key_or_secret_it_says_what_it_needs(self, gateway, settings, name):
        setattr(settings, name, "")

        with pytest.raises(ImproperlyConfigured) as refused:
            transport("vonage")

        assert str(refused.value) == (
            "vonage needs VONAGE_API_KEY and VONAGE_API_SECRET, or VONAGE_APPLICATION_ID and"
            " VONAGE_PRIVATE_KEY."
        )

    def test_without_a_sender_it_says_so(self, gateway, settings):
        settings.VONAGE_SENDER = ""

        with pytest.raises(ImproperlyConfigured) as refused:
            transport("vonage")

        assert str(refused.value) == "vonage needs VONAGE_SENDER, a number or a name."

    @pytest.mark.parametrize("host", ["https://api.nexmo.com", "api.nexmo.com/v1", "api nexmo", ""])
    def test_a_host_that_is_none_is_named(self, gateway, settings, host):
        settings.VONAGE_API_HOST = host

        with pytest.raises(ImproperlyConfigured) as refused:
            transport("vonage")

        assert str(refused.value) == "VONAGE_API_HOST must be a host like api.nexmo.com."

    @pytest.mark.parametrize(
        "key",
        [
            "hush-hush",
            "/nowhere/key.pem",
            "-----BEGIN PRIVATE KEY-----\nhush-hush\n-----END PRIVATE KEY-----\n",
        ],
    )
    def test_a_private_key_that_is_none_is_found_before_any_message(self, gateway, settings, key):
        settings.VONAGE_APPLICATION_ID, settings.VONAGE_PRIVATE_KEY = APPLICATION, key

        with pytest.raises(ImproperlyConfigured) as refused:
            transport("vonage")

        assert str(refused.value) == (
            "VONAGE_PRIVATE_KEY must be an RSA key as PEM (BEGIN PRIVATE KEY), or the path of a"
            " file that holds one, with a name that ends like .pem."
        )


@pytest.mark.parametrize("by", ["key", "application"])
def test_no_log_says_a_key_a_secret_a_token_or_a_text(gateway, settings, keys, caplog, by):
    private, gateway.public_key = keys
    if by == "application":
        settings.VONAGE_APPLICATION_ID, settings.VONAGE_PRIVATE_KEY = APPLICATION, private
    caplog.set_level(logging.DEBUG)
    for behaviour in ["slow:0", "http:401", "took_http:500 oh dear", "close_after"]:
        gateway.behave(NUMBER, behaviour)
        send(body="Your code is 01-7-3")

    said = "\n".join(json.dumps(vars(record), default=str) for record in caplog.records)
    # Others did speak.
    assert "urllib3.connectionpool" in said
    proofs = {entry["headers"]["authorization"].split()[1] for entry in gateway.book()}
    for each in {API_SECRET, "Your code", "01-7-3", private[60:120], *proofs}:
        assert each not in said
