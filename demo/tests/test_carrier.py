"""`manage.py fake_carrier`: takes shipments, tells the shop, and remembers when it starts anew."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from demo.carrier import FakeCarrier, Keys
from tests.processes import spawn_manage, wait_until

ORDER = {
    "order_id": "S1",
    "delivery_service": "standard",
    "items": [{"item_id": "TEA", "quantity": 1, "weight": 1}],
    "delivery_address": {
        "recipient": "John Doe",
        "line_1": "12 Nowhere Street",
        "line_2": "",
        "city": "London",
        "postcode": "",
        "country": "GB",
    },
}


class Shop(ThreadingHTTPServer):
    """Hears what it is told: (path, body)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Ear)
        self.heard = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Ear(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def shop():
    with Shop() as shop:
        threading.Thread(target=shop.serve_forever, args=(0.02,), daemon=True).start()
        yield shop
        shop.shutdown()


def post_order(url, keys):
    headers = {"Authorization": f"Bearer {keys.courier_api_key}"}
    return requests.post(f"{url}/courier/orders", json=ORDER, headers=headers, timeout=30)


def test_what_it_takes_goes_its_way_and_the_shop_is_told(shop, tmp_path):
    keys = Keys.new()
    with FakeCarrier(tmp_path / "book", keys=keys, shop=shop.url, pace=0.01) as carrier:
        assert post_order(carrier.url, keys).status_code == 200
        wait_until(lambda: len(shop.heard) == 3)

    assert {path for path, _ in shop.heard} == {"/webhooks/shipping/courier/"}
    names = [json.loads(body)["event_name"] for _, body in shop.heard]
    # To such a street nothing can be delivered.
    assert names == ["waiting-for-collection", "in-transit", "failed-to-deliver"]


def test_started_anew_it_knows_what_it_took_and_goes_on_with_it(shop, tmp_path):
    keys, book = Keys.new(), tmp_path / "book"
    with FakeCarrier(book, keys=keys) as carrier:
        first = post_order(carrier.url, keys).json()
        carrier.happen("courier", "S1", "waiting-for-collection")
    with FakeCarrier(book, keys=keys, shop=shop.url, pace=0.01) as carrier:
        again = post_order(carrier.url, keys).json()
        carrier.go_on()
        wait_until(lambda: len(shop.heard) == 2)
        assert carrier.shipped() == {"S1": 1}

    assert first["id"] == again["id"]
    names = [json.loads(body)["event_name"] for _, body in shop.heard]
    assert names == ["in-transit", "failed-to-deliver"]


def test_customers_follow_a_shipment_without_a_key(tmp_path):
    keys = Keys.new()
    with FakeCarrier(tmp_path / "book", keys=keys) as carrier:
        link = post_order(carrier.url, keys).json()["tracking_url"]
        carrier.happen("courier", "S1", "in-transit", 1_800_000_000)

        shown = requests.get(link, timeout=30)
        unknown = requests.get(f"{link}0", timeout=30)

    assert (shown.status_code, shown.text.splitlines()) == (
        200,
        ["courier C000001 (S1)", "taken", "2027-01-15 08:00:00 UTC in-transit"],
    )
    assert unknown.status_code == 404


def test_without_the_shop_s_key_it_takes_nothing(tmp_path):
    with FakeCarrier(tmp_path / "book", keys=Keys.new()) as carrier:
        assert post_order(carrier.url, Keys.new()).status_code == 401
        assert carrier.book() == []


@pytest.mark.django_db
def test_as_a_program_it_prints_the_settings_that_lead_to_it(tmp_path):
    with spawn_manage("fake_carrier", "--book", str(tmp_path / "book")) as program:
        wait_until(lambda: "PARCELPOST_WEBHOOK_KEY=" in program.log())
        said = dict(line.split("=", 1) for line in program.log().splitlines()[1:])
        headers = {"Authorization": f"Bearer {said['COURIER_API_KEY']}"}
        answer = requests.post(
            f"{said['COURIER_URL']}/orders", json=ORDER, headers=headers, timeout=5
        )
        assert program.stop() == 0

    assert answer.json()["order_id"] == "S1"
    assert said["SHIPPING_PROVIDERS"] == "courier,parcelpost"
