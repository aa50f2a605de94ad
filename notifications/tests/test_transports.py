import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.core.exceptions import ImproperlyConfigured

from notifications.transports import Accepted, Refused, Unknown, africastalking, transport

from .gateway import API_KEY, REFUSED

NUMBER = "+254722000001"
UNREACHABLE = Refused(
    code="unreachable", reason="The gateway cannot be reached.", may_pass=True, whole=True
)
DEEP = "[" * 100_000
COST = Decimal("0.8")
NOT_FOUND = "nobody.invalid"  # RFC 2606: never a host's name


def send(to=NUMBER, body="Habari, Wanjiru & co. – 100 % asante"):
    return transport("africastalking").send(to=to, body=body, reference="7")


@pytest.fixture
def impatient(monkeypatch):
    """The client's patience, in tenths of seconds rather than in seconds."""
    monkeypatch.setattr(africastalking, "TIMEOUT", (0.3, 0.3))


def answer(**recipient):
    """A 200 of a gateway that took the message, about one recipient as given."""
    data = {"Message": "Sent to 1/1 Total Cost: KES 0.8000", "Recipients": [recipient]}
    return f"body:{json.dumps({'SMSMessageData': data})}"


class TestWhatArrives:
    def test_the_request_has_exactly_the_form_and_headers_of_the_contract(self, gateway):
        send()

        [entry] = gateway.book()
        assert (entry["method"], entry["path"]) == ("POST", "/version1/messaging")
        assert entry["form"] == {
            "username": "duka",
            "to": "+254722000001",
            "message": "Habari, Wanjiru & co. – 100 % asante",
            "bulkSMSMode": "1",
        }
        headers = entry["headers"]
        assert headers["apikey"] == API_KEY
        assert headers["accept"] == "application/json"
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        assert "authorization" not in headers

    def test_the_sender_id_goes_along_only_when_it_is_set(self, gateway, settings):
        settings.AFRICASTALKING_SENDER_ID = "DUKA"

        send()

        [entry] = gateway.book()
        assert entry["form"] == {
            "username": "duka",
            "to": "+254722000001",
            "from": "DUKA",
            "message": "Habari, Wanjiru & co. – 100 % asante",
            "bulkSMSMode": "1",
        }

    def test_a_slash_at_the_end_of_the_url_does_no_harm(self, gateway, settings):
        settings.AFRICASTALKING_URL = f"{gateway.url}/"

        assert send() == Accepted(id="ATXid_1", cost="KES 0.8000", amount=COST, currency="KES")
        assert [entry["path"] for entry in gateway.book()] == ["/version1/messaging"]

    @pytest.mark.parametrize(
        ("username", "base"),
        [
            ("sandbox", "https://api.sandbox.africastalking.com/version1"),
            ("duka", "https://api.africastalking.com/version1"),
        ],
    )
    def test_without_a_url_the_user_name_chooses_sandbox_or_production(
        self, settings, username, base
    ):
        settings.AFRICASTALKING_URL = ""

        assert africastalking._Gateway(username, API_KEY)._baseUrl == base

    def test_threads_do_not_mix_their_messages_up(self, gateway):
        numbers = [f"+2547220001{n:02d}" for n in range(20)]

        with ThreadPoolExecutor(10) as pool:
            outcomes = list(pool.map(lambda to: send(to=to, body=f"for {to}"), numbers))

        book = {entry["to"]: entry for entry in gateway.book()}
        assert len(book) == 20
        assert all(entry["message"] == f"for {to}" for to, entry in book.items())
        assert [outcome.id for outcome in outcomes] == [book[to]["id"] for to in numbers]


class TestCertainOutcomes:
    @pytest.mark.parametrize("behaviour", ["100", "101", "102", "charset:101", "slow:0.1"])
    def test_accepted(self, gateway, behaviour):
        gateway.behave(NUMBER, behaviour)

        assert send() == Accepted(id="ATXid_1", cost="KES 0.8000", amount=COST, currency="KES")

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("402", "invalid sender id"),
            ("403", "invalid phone number"),
            ("404", "unsupported number type"),
            ("406", "the number is on the gateway's blacklist"),
            ("409", "the number is on its operator's do-not-disturb list"),
        ],
    )
    @pytest.mark.parametrize("prefix", ["", "charset:"])
    def test_refused_for_good(self, gateway, prefix, code, reason):
        gateway.behave(NUMBER, prefix + code)

        assert send() == Refused(code=code, reason=reason, may_pass=False)

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("401", "held for risk by the gateway"),
            ("405", "insufficient balance"),
            ("407", "could not be routed"),
            ("500", "gateway error"),
            ("501", "gateway error"),
            ("502", "rejected by the gateway"),
        ],
    )
    def test_refused_for_now(self, gateway, code, reason):
        gateway.behave(NUMBER, code)

        whole = code in {"401", "405"}
        assert send() == Refused(code=code, reason=reason, may_pass=True, whole=whole)

    def test_every_refusal_of_the_contract_is_covered_above(self):
        assert {str(code) for code in africastalking._PERMANENT | africastalking._MAY_PASS} == set(
            REFUSED
        )

    def test_an_invalid_sender_is_refused_though_no_recipient_says_so(self, gateway):
        gateway.behave(NUMBER, "invalid_sender")

        assert send() == Refused(code="InvalidSenderId", reason="invalid sender id", may_pass=False)

    def test_do_not_disturb_is_understood_as_http_409_too(self, gateway):
        gateway.behave(NUMBER, "dnd_409")

        assert send() == Refused(
            code="409", reason="the number is on its operator's do-not-disturb list", may_pass=False
        )

    @pytest.mark.parametrize("status", [401, 403, 404, 405, 429, 503])
    def test_an_http_status_that_the_shopkeeper_or_time_can_mend_may_pass(self, gateway, status):
        gateway.behave(NUMBER, f"http:{status}")

        assert send() == Refused(
            code=f"http_{status}",
            reason=f"HTTP {status}: No, thank you.",
            may_pass=True,
            # A firewall may refuse the words of one message alone.
            whole=status != 403,
        )

    @pytest.mark.parametrize("status", [400, 409, 413, 422])
    def test_another_http_4xx_is_refused_for_good(self, gateway, status):
        gateway.behave(NUMBER, f"http:{status}")

        assert send() == Refused(
            code=f"http_{status}", reason=f"HTTP {status}: No, thank you.", may_pass=False
        )

    def test_a_wrong_key_may_pass_for_the_shopkeeper_can_mend_it(self, gateway, settings):
        settings.AFRICASTALKING_API_KEY = "another"

        assert send() == Refused(
            code="http_401", reason="HTTP 401: No, thank you.", may_pass=True, whole=True
        )

    def test_a_number_that_the_sdk_refuses_never_leaves_the_house(self, gateway):
        assert send(to="0722000001") == Refused(
            code="invalid_number", reason="Invalid number: 0722000001", may_pass=False
        )
        assert gateway.book() == []

    def test_connection_refused_may_pass(self, gateway, settings):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            settings.AFRICASTALKING_URL = f"http://127.0.0.1:{unused.getsockname()[1]}"

            assert send() == UNREACHABLE

    def test_a_host_without_an_address_may_pass(self, gateway, settings):
        settings.AFRICASTALKING_URL = f"http://{NOT_FOUND}"

        assert send() == UNREACHABLE

    def test_a_connection_that_does_not_come_about_in_time_may_pass(
        self, gateway, settings, impatient
    ):
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            settings.AFRICASTALKING_URL = f"http://127.0.0.1:{full.getsockname()[1]}"
            # Nobody accepts: the one place in its queue is taken, and the kernel ignores us.
            waiting = [socket.create_connection(full.getsockname(), timeout=1)]

            assert send() == UNREACHABLE

            for each in waiting:
                each.close()

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", f"http://{NOT_FOUND}:3128"])
    def test_a_proxy_that_cannot_be_reached_may_pass(
        self, gateway, settings, monkeypatch, scheme, proxy
    ):
        monkeypatch.setenv(f"{scheme}_proxy", proxy)
        settings.AFRICASTALKING_URL = f"{scheme}://gateway.example"

        assert send() == UNREACHABLE

    @pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
    def test_a_gateway_whose_certificate_is_not_trusted_may_pass(self, gateway, settings, tmp_path):
        with untrusted_server(tmp_path) as port:
            settings.AFRICASTALKING_URL = f"https://127.0.0.1:{port}"

            outcome = send()

        assert (outcome.code, outcome.may_pass, outcome.whole) == ("untrusted", True, True)
        assert "certificate verify failed" in outcome.reason


class TestUncertainOutcomes:
    @pytest.mark.parametrize(
        ("behaviour", "reason"),
        [
            ("hang", "ReadTimeout: "),
            ("drop_after", "ConnectionError: ('Connection aborted.', "),
            ("drop_midway", "ChunkedEncodingError: ('Connection broken: IncompleteRead("),
            ("took_http:500 oh dear", "HTTP 500: oh dear"),
            ("took_http:502 oh dear", "HTTP 502: oh dear"),
            ("took_http:504 oh dear", "HTTP 504: oh dear"),
            ("took_http:408 oh dear", "HTTP 408: oh dear"),
            ("took_http:204", "The gateway's answer is not JSON: "),
            ("text:<h1>Hello</h1>", "The gateway's answer is not JSON: <h1>Hello</h1>"),
            ("body:Hello", "The gateway's answer is not JSON: Expecting value"),
            ('body:{"SMSMessageData": {"Mess', "The gateway's answer is not JSON: Unterminated"),
            pytest.param(f"body:{DEEP}", "The gateway's answer is not JSON: maximum", id="deep"),
            pytest.param(f"text:{DEEP}", "The gateway's answer is not JSON: [[[", id="deep text"),
            ('body:{"hello": 1}', """The gateway's answer is not understood: {"hello": 1}"""),
            ("body:[]", "The gateway's answer is not understood: []"),
            ("body:null", "The gateway's answer is not understood: null"),
            (answer(statusCode=999), "The gateway's answer is not understood: "),
            (answer(statusCode=None), "The gateway's answer is not understood: "),
            (answer(statusCode=float("inf")), "The gateway's answer is not understood: "),
            (answer(statusCode=101), "The gateway's answer is not understood: "),
            (
                'body:{"SMSMessageData": {"Message": "Sent to 1/1", "Recipients": []}}',
                "The gateway's answer is not understood: ",
            ),
            ('body:{"SMSMessageData": {"Message": "Sent to 1/1"}}', "The gateway's answer is not"),
        ],
    )
    def test_what_is_not_understood_is_unknown(self, gateway, impatient, behaviour, reason):
        gateway.behave(NUMBER, behaviour)

        outcome = send()

        assert isinstance(outcome, Unknown)
        assert outcome.reason.startswith(reason)
        assert len(outcome.reason) <= 300
        [entry] = gateway.book()
        assert entry["id"] == "ATXid_1"

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("url", ["", "http://127.0.0.1:1/closed", f"http://{NOT_FOUND}/"])
    def test_a_redirect_is_unknown_and_not_followed(self, gateway, status, url):
        # Followed, a gateway that took it would count as unreachable, and it would go out twice.
        gateway.behave(NUMBER, f"redirect:{status} {url}".strip())

        assert send() == Unknown(reason=f"HTTP {status}: ")
        assert [entry["path"] for entry in gateway.book()] == ["/version1/messaging"]

    def test_a_connection_dropped_before_the_request_was_read_is_unknown(self, gateway):
        gateway.behave("connection", "drop", "serve")

        outcome = send()

        assert isinstance(outcome, Unknown)
        assert outcome.reason.startswith("ConnectionError: ('Connection aborted.', ")
        assert [entry["behaviour"] for entry in gateway.book()] == ["drop"]

    def test_a_proxy_that_hangs_up_after_the_request_is_unknown(
        self, gateway, settings, monkeypatch
    ):
        monkeypatch.setenv("http_proxy", gateway.url)
        settings.AFRICASTALKING_URL = "http://gateway.example"
        gateway.behave("connection", "drop", "serve")

        assert isinstance(send(), Unknown)

    def test_an_answer_with_two_lengths_is_unknown(self, gateway, settings):
        with raw_server(
            b"HTTP/1.1 201 Created\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
        ) as port:
            settings.AFRICASTALKING_URL = f"http://127.0.0.1:{port}"

            assert isinstance(send(), Unknown)

    def test_an_answer_that_is_not_http_is_unknown(self, gateway, settings):
        with raw_server(b"220 smtp.example ESMTP\r\n") as port:
            settings.AFRICASTALKING_URL = f"http://127.0.0.1:{port}"

            assert isinstance(send(), Unknown)

    def test_nothing_asks_twice_by_itself(self, gateway, impatient):
        for behaviour in ["hang", "drop_after", "drop_midway", "http:503", "http:429", "500"]:
            gateway.behave(NUMBER, behaviour)
            before = len(gateway.book())
            send()
            assert len(gateway.book()) == before + 1, behaviour


class TestChoosingATransport:
    def test_the_console_takes_everything_and_says_it(self, caplog):
        caplog.set_level(logging.INFO, "duka.sms")

        sent = transport("console").send(to=NUMBER, body="Habari", reference="7")

        assert sent == Accepted(id="console-7")
        assert caplog.messages == ["SMS to +254722000001: Habari"]

    @pytest.mark.parametrize("name", ["pigeon", ""])
    def test_a_name_that_no_transport_has_is_refused_by_name(self, name):
        with pytest.raises(ImproperlyConfigured) as caught:
            transport(name)

        assert str(caught.value) == f"There is no transport {name!r}."

    def test_africastalking_is_refused_without_its_key(self, gateway, settings):
        settings.AFRICASTALKING_API_KEY = ""

        with pytest.raises(ImproperlyConfigured) as caught:
            transport("africastalking")

        assert str(caught.value) == "SMS_TRANSPORT=africastalking needs AFRICASTALKING_API_KEY."

    @pytest.mark.parametrize("key", ["key\n", " key", "ke y", "kéy", "k一y"])
    def test_a_key_that_cannot_be_a_header_is_refused_and_not_told(self, gateway, settings, key):
        settings.AFRICASTALKING_API_KEY = key

        with pytest.raises(ImproperlyConfigured) as caught:
            transport("africastalking")

        assert (
            str(caught.value) == "AFRICASTALKING_API_KEY has spaces or characters that no key has."
        )

    @pytest.mark.parametrize(
        "url", ["127.0.0.1:9000", "ftp://host", "http://", "http:///x", "http://a b", "http://é"]
    )
    def test_a_url_that_is_none_is_refused(self, gateway, settings, url):
        settings.AFRICASTALKING_URL = url

        with pytest.raises(ImproperlyConfigured) as caught:
            transport("africastalking")

        assert (
            str(caught.value)
            == "AFRICASTALKING_URL must be an address like https://sms.example.com."
        )

    @pytest.mark.parametrize(
        "url", ["", "http://10.0.0.1:9000", "https://sms.example.com/path/", "http://[::1]:80"]
    )
    def test_a_url_that_is_one_is_taken(self, gateway, settings, url):
        settings.AFRICASTALKING_URL = url

        assert transport("africastalking").name == "africastalking"


class raw_server:  # noqa: N801  reads as a verb in its `with`
    """Read one request and answer it with these bytes."""

    def __init__(self, answer):
        self.answer = answer

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()
        return self.socket.getsockname()[1]

    def serve(self):
        connection, _ = self.socket.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(self.answer)

    def __exit__(self, *_):
        self.socket.close()


class untrusted_server:  # noqa: N801
    """A TLS server with a certificate that nobody signed."""

    def __init__(self, folder):
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout {self.key} -out {self.certificate}"
        subprocess.run(command.split(), check=True, capture_output=True)

    def __enter__(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        self.server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        self.server.handle_error = lambda *_: None
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self.server.server_address[1]

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
