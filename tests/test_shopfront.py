"""A shop-front of npm's parts at a running server: see `shopfront/trip.ts`.

Its documents are the examples of `docs/graphql/`, its types come from `schema.graphql`, and tsc
holds what it does with the answers against them.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import requests
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.cache import cache
from django.core.management import call_command

from accounts.models import User
from accounts.tests.browser import VERIFIER, App, Browser
from demo.accounts import DEMO_ACCOUNTS
from orders.models import Cart, Order

from .outside import installed
from .ports import free_port
from .processes import PROJECT
from .servers import spawn_web

SHOPFRONT = Path(__file__).with_name("shopfront")
WANJIRU = next(each for each in DEMO_ACCOUNTS if each.email.startswith("shopper@"))
_MADE = shutil.ignore_patterns("node_modules", "generated", "built")
pytestmark = pytest.mark.slow


def build(folder: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    """Generate the shop-front's code in a folder of its own, and check its types."""
    there = folder / "tests" / "shopfront"
    shutil.copytree(SHOPFRONT, there, ignore=_MADE)
    (there / "node_modules").symlink_to(installed(SHOPFRONT) / "node_modules")
    shutil.copytree(PROJECT / "docs" / "graphql", folder / "docs" / "graphql")
    schema = (PROJECT / "schema.graphql").read_text()
    for before, after in changed.items():
        assert before in schema
        schema = schema.replace(before, after)
    (folder / "schema.graphql").write_text(schema)
    return run(there, "npm", "run", "--silent", "build")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def demo_shop(transactional_db):
    """The demo shop, whose shopper signs in at a server without the tests' quick hasher."""
    cache.clear()
    call_command("load_demo", verbosity=0)
    hashed = PBKDF2PasswordHasher().encode(WANJIRU.password, "salt" * 6)
    User.objects.filter(email=WANJIRU.email).update(password=hashed)
    yield
    cache.clear()


def token_of_wanjiru(shop: str) -> str:
    """Return the token that an app gets when she signs in there and lets it."""
    app, browser = App("shopfront"), Browser(http=shop)
    browser.sign_in(WANJIRU.email, WANJIRU.password)
    form = {
        "grant_type": "authorization_code",
        "code": app.code(browser, resource=f"{shop}/api"),
        "redirect_uri": app.redirect_uri,
        "code_verifier": VERIFIER,
        "client_id": app.id,
        "client_secret": app.secret,
    }
    answer = requests.post(f"{shop}/identity/o/api/token", form, timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def test_a_shopper_fills_a_cart_as_a_stranger_signs_in_and_orders(demo_shop, tmp_path):
    built = build(tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    port = free_port()
    # One process, which knows what it was asked before.
    with spawn_web({"WEB_CONCURRENCY": "1"}, port=port) as (_, shop):
        folder = tmp_path / "tests" / "shopfront"
        trip = run(folder, "node", "built/trip.js", shop, token_of_wanjiru(shop))
    assert trip.returncode == 0, trip.stderr
    seen = json.loads(trip.stdout)
    sent = [tuple(each) for each in seen.pop("sent")]

    hers = Order.objects.filter(customer__user__email=WANJIRU.email).order_by("-pk")
    order = hers[0]
    assert (order.status, order.note) == ("cancelled", "After 5, please.")
    assert seen == {
        "browsed": ["asali", "chai", "kahawa", "sukari", "unga-wa-mahindi"],
        "sku": "CHAI-250",
        "cart": {"total": "360.00", "lines": [["CHAI-250", 2]]},
        "tooMany": [["quantity", "OUT_OF_STOCK"]],
        "stranger": {"codes": ["not_authenticated"], "status": 401},
        "placed": {"status": "PENDING", "total": "360.00"},
        "again": [[None, "CART_EMPTY"]],
        "orders": [each.number for each in hers],
        "number": order.number,
        "cancelled": "CANCELLED",
        "history": ["PLACED", "CANCELLED"],
    }
    assert not Cart.objects.exists()
    # Of what nobody has asked yet the hash alone is not enough; from then on it is.
    assert sent == [
        *first("GET"),  # Browse
        ("GET", "hash", 200),  # … on
        *first("GET"),  # Product
        *first("POST"),  # AddToCart
        *first("POST"),  # SetCartQuantity
        *first("GET"),  # Cart
        *first("GET", status=401),  # MyOrders, of a stranger
        *first("POST"),  # PlaceCart
        ("POST", "hash", 200),  # … again
        ("GET", "hash", 200),  # MyOrders
        *first("POST"),  # CancelOrder
        *first("GET"),  # Order
    ]


def first(method: str, status: int = 200) -> list[tuple[str, str, int]]:
    return [(method, "hash", 200), (method, "hash and text", status)]


def test_a_schema_that_breaks_the_shopfront_stops_its_build(tmp_path):
    gone = build(tmp_path / "gone", itemCount="pieces")
    other = build(tmp_path / "other", **{"\n  number: String!": "\n  number: Int!"})

    assert (gone.returncode, other.returncode) == (1, 1)
    assert 'Cannot query field "itemCount" on type "Cart"' in gone.stdout + gone.stderr
    assert "trip.ts" in other.stdout
    assert "Type 'number' is not assignable to type" in other.stdout
