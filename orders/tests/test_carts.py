"""REST of carts: whose they are, what they hold and show. Placing them: test_carts_placing.py."""

import hashlib
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts.services import people
from accounts.tests.factories import ShopkeeperFactory, StaffFactory, UserFactory
from catalog import services as catalogue
from catalog.models import Product, Variant
from catalog.tests.factories import ProductFactory, VariantFactory
from core.models import IdempotencyKey
from core.tests.rest import pointers, problem, program_with, utc
from orders import services
from orders.api.carts import NewCartThrottle
from orders.models import Cart, CartLine
from orders.tasks import remove_expired_carts
from orders.tests.factories import OrderFactory

pytestmark = pytest.mark.django_db

EMPTY = {
    "lines": [],
    "total": "0.00",
    "currency": "KES",
    "item_count": 0,
    "notices": [],
    "updated_at": None,
    "expires_at": None,
}


class Caller:
    """The cart's addresses as somebody, with a token where there is one."""

    def __init__(self, api, token=""):
        self.api, self.token = api, token

    def __call__(self, method, path="", data=None, **headers):
        if self.token:
            headers["x_cart_token"] = self.token
        return self.api._call(method, f"/cart/{path}", data, **headers)

    def add(self, sku, quantity=1, **headers):
        return self("POST", "lines/", {"sku": sku, "quantity": quantity}, **headers)

    def line(self, method, sku, data=None, **headers):
        return self(method, f"lines/{quote(sku, safe='')}/", data, **headers)

    def shown(self):
        response = self("GET")
        assert response.status_code == 200, response.content
        return response.json()

    def held(self):
        """Return (SKU, quantity, price seen) of each line."""
        return [
            (line["sku"], line["quantity"], line["seen_price"]) for line in self.shown()["lines"]
        ]


@pytest.fixture
def tea(db):
    return VariantFactory.create(
        sku="TEA", product__name="Chai", product__slug="chai", price="12.50", stock=10
    )


@pytest.fixture
def cup(db):
    return VariantFactory.create(sku="CUP", name="Cup, red", price="0.99", stock=3)


@pytest.fixture
def amina(db):
    return UserFactory.create(email="amina@example.com")


@pytest.fixture
def cart(api_as, amina):
    """The cart of Amina, who has signed in."""
    return Caller(api_as(amina))


@pytest.fixture
def begin(api_as):
    """`begin("TEA", 2)`: a stranger with a cart of their own."""

    def begin(sku, quantity=1):
        stranger = Caller(api_as(None))
        response = stranger.add(sku, quantity)
        assert response.status_code == 201, response.content
        return Caller(stranger.api, response.json()["token"])

    return begin


@pytest.fixture
def stranger(begin, tea):
    """A stranger with two teas."""
    return begin("TEA", 2)


both = pytest.mark.parametrize("whose", ["amina's", "stranger's"])


@pytest.fixture
def any_cart(whose, request):
    """A cart with two teas, whoever's it is."""
    if whose == "stranger's":
        return request.getfixturevalue("stranger")
    request.getfixturevalue("tea")
    cart = request.getfixturevalue("cart")
    cart.add("TEA", 2)
    return cart


# What it shows


@pytest.mark.parametrize("signed_in", [True, False])
def test_who_has_no_cart_is_shown_an_empty_one_that_is_not_kept(api_as, amina, signed_in):
    response = Caller(api_as(amina if signed_in else None))("GET")

    assert (response.status_code, response.json()) == (200, EMPTY)
    assert response["ETag"]
    assert not Cart.objects.exists()


def test_a_cart_shows_lines_amounts_and_times_as_the_server_has_them(cart, tea, cup):
    cart.add("TEA", 2)
    response = cart.add("cup", 3)

    kept = Cart.objects.get()
    assert response.status_code == 200
    assert response.json() == {
        "lines": [
            {
                "sku": "TEA",
                "name": "Chai",
                "product": {"id": tea.product_id, "slug": "chai"},
                "quantity": 2,
                "unit_price": "12.50",
                "seen_price": "12.50",
                "total": "25.00",
                "stock": 10,
                "notices": [],
            },
            {
                "sku": "CUP",
                "name": "Cup, red",
                "product": {"id": cup.product_id, "slug": cup.product.slug},
                "quantity": 3,
                "unit_price": "0.99",
                "seen_price": "0.99",
                "total": "2.97",
                "stock": 3,
                "notices": [],
            },
        ],
        "total": "27.97",
        "currency": "KES",
        "item_count": 5,
        "notices": [],
        "updated_at": utc(kept.updated_at),
        "expires_at": utc(kept.expires_at),
    }
    again = cart("GET")
    assert (again.json(), again["ETag"]) == (response.json(), response["ETag"])
    assert cart("GET", if_none_match=again["ETag"]).status_code == 304
    assert again["Cache-Control"] == "private"
    assert "X-Cart-Token" in again["Vary"]


def test_a_cart_takes_no_stock(cart, tea):
    cart.add("TEA", 10)

    tea.refresh_from_db()
    assert tea.stock == 10
    assert tea.movements.count() == 1


def test_several_are_added_at_once_and_to_what_is_there(cart, tea, cup):
    cart.add("tea", 1)

    response = cart(
        "POST",
        "lines/",
        {"lines": [{"sku": sku, "quantity": n} for sku, n in (("CUP", 1), ("TEA", 2), ("cup", 2))]},
    )

    assert response.status_code == 200
    assert cart.held() == [("TEA", 3, "12.50"), ("CUP", 3, "0.99")]


@both
def test_a_quantity_is_changed_and_a_line_removed(any_cart, cup):
    any_cart.add("CUP", 1)

    changed = any_cart.line("PATCH", "tea", {"quantity": 5})
    assert (changed.status_code, changed.json()["total"]) == (200, "63.49")
    removed = any_cart.line("DELETE", "Tea")

    assert removed.status_code == 200
    assert [line["sku"] for line in removed.json()["lines"]] == ["CUP"]
    assert removed.json() == any_cart.shown()


def test_a_line_that_was_read_can_be_sent_back(cart, tea):
    line = cart.add("TEA", 2).json()["lines"][0]

    assert cart.line("PATCH", "TEA", {**line, "quantity": 3}).status_code == 200
    assert cart.held() == [("TEA", 3, "12.50")]


@pytest.mark.parametrize(
    "sku", ["A/B", "A/", "//", "TEA 250 g", "ÇAY-ş", "50%", "a?b#c", "茶", "x" * 64, "+", "a\nb"]
)
def test_any_sku_has_an_address(cart, sku):
    VariantFactory.create(sku=sku)
    cart.add(sku, 1)

    assert cart.line("PATCH", sku, {"quantity": 2}).status_code == 200
    assert cart.held() == [(sku, 2, "10.00")]
    assert cart.line("DELETE", sku.lower()).json() == EMPTY


@both
@pytest.mark.parametrize("how", ["remove", "empty"])
def test_an_empty_cart_is_not_kept(any_cart, how, whose):
    response = any_cart.line("DELETE", "TEA") if how == "remove" else any_cart("DELETE")

    assert response.status_code == (200 if how == "remove" else 204)
    assert not Cart.objects.exists()
    assert any_cart("GET").status_code == (404 if whose == "stranger's" else 200)
    if how == "remove":
        assert response.json() == EMPTY


@pytest.mark.parametrize("signed_in", [True, False])
def test_without_a_cart_there_is_nothing_to_change(api_as, amina, tea, signed_in):
    cart = Caller(api_as(amina if signed_in else None))
    other = cart.line("PATCH", "TEA", {"quantity": 1})

    assert other.status_code == 404
    assert other.json() == problem(other, code="not_in_cart", detail="TEA is not in the cart.")
    assert cart.line("DELETE", "TEA").json()["code"] == "not_in_cart"
    assert cart("DELETE").status_code == 204
    assert cart("POST", "accept-changes/").json() == EMPTY
    assert not Cart.objects.exists()


def test_the_largest_amounts_are_shown_exactly(cart):
    for n in range(2):
        VariantFactory.create(sku=f"S{n}", price="9999999999.99", stock=2_000_000)
        cart.add(f"S{n}", 1_000_000)

    shown = cart.shown()

    assert shown["lines"][0]["total"] == "9999999999990000.00"
    assert (shown["total"], shown["item_count"]) == ("19999999999980000.00", 2_000_000)
    assert pointers(cart("POST", "place/", {})) == [("/lines", "invalid")]


# What is refused


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/sku", "required"), ("/quantity", "required")]),
        ({"sku": "TEA"}, [("/quantity", "required")]),
        ({"sku": "TEA", "quantity": 0}, [("/quantity", "min_value")]),
        ({"sku": "TEA", "quantity": 1_000_001}, [("/quantity", "max_value")]),
        ({"sku": "T\0", "quantity": "x"}, [("/sku", "null_characters_not_allowed"), ("/quantity", "invalid")]),
        ({"sku": "TEA", "quantity": 1, "price": "1"}, [("/price", "unknown_field")]),
        ({"lines": []}, [("/lines", "empty")]),
        ({"lines": [{"sku": "TEA"}]}, [("/lines/0/quantity", "required")]),
        ({"lines": [{"sku": "TEA", "quantity": 1}] * 201}, [("/lines", "max_length")]),
        ({"sku": "TEA", "lines": [{"sku": "TEA", "quantity": 1}]}, [("/sku", "not_allowed")]),
        ({"sku": "GONE", "quantity": 1}, [("/sku", "unknown_sku")]),
        ({"lines": [{"sku": sku, "quantity": 1} for sku in ("TEA", "GONE", "OLD", "HID")]}, [(f"/lines/{n}/sku", "unknown_sku") for n in (1, 2, 3)]),
    ],
)  # fmt: skip
def test_what_cannot_be_added_is_named(cart, tea, body, expected):
    VariantFactory.create(sku="HID", product__is_published=False)
    VariantFactory.create(sku="OLD", archived_at=timezone.now())

    assert pointers(cart("POST", "lines/", body)) == expected
    assert not Cart.objects.exists()


def test_more_than_there_is_cannot_be_added_and_nothing_is_then(cart, tea, cup):
    cart.add("CUP", 2)

    one = cart.add("CUP", 2)
    body = {"lines": [{"sku": "TEA", "quantity": 1}, {"sku": "CUP", "quantity": 2}]}
    several = cart("POST", "lines/", body)
    changed = cart.line("PATCH", "CUP", {"quantity": 4})

    for response, pointer in ((one, "/"), (several, "/lines/1/"), (changed, "/")):
        detail = "Cup, red (CUP): 3 left, 4 asked for."
        assert response.status_code == 409
        assert response.json() == problem(
            response,
            code="out_of_stock",
            detail="There is not enough in stock.",
            errors=[(f"{pointer}quantity", "out_of_stock", detail)],
        )
    assert cart.held() == [("CUP", 2, "0.99")]


def test_a_cart_has_at_most_200_lines_and_a_million_of_each(cart, begin):
    product = ProductFactory.create()
    for n in range(202):
        VariantFactory.create(sku=f"S{n}", product=product, stock=2_000_000)
    lines = [{"sku": f"S{n}", "quantity": 1} for n in range(200)]
    assert cart("POST", "lines/", {"lines": lines}).status_code == 200

    assert pointers(cart.add("S200")) == [("/sku", "max_length")]
    assert pointers(cart("POST", "lines/", {"lines": [{"sku": "S200", "quantity": 1}]})) == [
        ("/lines", "max_length")
    ]
    assert pointers(cart.add("S0", 1_000_000)) == [("/quantity", "out_of_bounds")]
    assert cart.add("S0", 999_999).status_code == 200
    # Neither by way of a stranger's cart: what it knows adds up, what is beyond is left out.
    other = begin("S0", 5)
    other.add("S201", 1)
    cart("GET", x_cart_token=other.token)
    shown = cart.shown()
    assert (len(shown["lines"]), shown["lines"][0]["quantity"]) == (200, 1_000_000)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/quantity", "required")]),
        ({"quantity": 0}, [("/quantity", "min_value")]),
        ({"quantity": 1, "price": "1"}, [("/price", "unknown_field")]),
    ],
)
def test_a_wrong_quantity_is_named(cart, tea, body, expected):
    cart.add("TEA")

    assert pointers(cart.line("PATCH", "TEA", body)) == expected


# What has changed since


def test_a_price_that_changed_is_told_and_stays_what_was_seen_until_it_is_accepted(cart, tea):
    cart.add("TEA", 2)
    catalogue.update_variant(variant_id=tea.pk, price="13.00")
    notice = {
        "sku": "TEA",
        "code": "price_changed",
        "detail": "Chai (TEA) costs 13.00 now; it was 12.50.",
        "was": "12.50",
        "now": "13.00",
    }

    cart.add("TEA", 1)
    shown = cart.line("PATCH", "TEA", {"quantity": 4}).json()

    line = shown["lines"][0]
    assert (line["unit_price"], line["seen_price"], line["total"]) == ("13.00", "12.50", "52.00")
    assert (line["notices"], shown["notices"], shown["total"]) == ([notice], [notice], "52.00")
    accepted = cart("POST", "accept-changes/")
    assert accepted.status_code == 200
    assert (cart.held(), accepted.json()["notices"]) == ([("TEA", 4, "13.00")], [])


def test_what_ran_low_or_out_or_is_sold_no_longer_is_told_and_goes_when_it_is_accepted(cart):
    names = ("LOW", "OUT", "HIDDEN", "REMOVED", "ARCHIVED", "FINE")
    goods = {sku: VariantFactory.create(sku=sku, name=sku.title(), stock=9) for sku in names}
    lines = [{"sku": sku, "quantity": 5} for sku in goods]
    cart("POST", "lines/", {"lines": lines})
    for sku in ("REMOVED", "ARCHIVED"):
        OrderFactory.create(lines=[services.Wanted(sku=sku, quantity=1)])
    catalogue.count_stock(variant_id=goods["LOW"].pk, counted=3)
    catalogue.update_variant(variant_id=goods["LOW"].pk, price="11.00")
    catalogue.count_stock(variant_id=goods["OUT"].pk, counted=0)
    catalogue.update_product(product_id=goods["HIDDEN"].product_id, is_published=False)
    catalogue.update_variant(variant_id=goods["HIDDEN"].pk, price="99.00")
    catalogue.remove_variant(variant_id=goods["REMOVED"].pk)
    catalogue.remove_product(product_id=goods["ARCHIVED"].product_id)

    shown = cart.shown()

    def gone(sku):
        detail = f"{sku.title()} ({sku}) is not for sale any more."
        return {"sku": sku, "code": "not_for_sale", "detail": detail}

    assert [line["notices"] for line in shown["lines"]] == [
        [
            {
                "sku": "LOW",
                "code": "price_changed",
                "detail": "Low (LOW) costs 11.00 now; it was 10.00.",
                "was": "10.00",
                "now": "11.00",
            },
            {"sku": "LOW", "code": "less_left", "detail": "Only 3 of Low (LOW) left.", "left": 3},
        ],
        [{"sku": "OUT", "code": "out_of_stock", "detail": "Out (OUT) is sold out."}],
        [gone("HIDDEN")],
        [gone("REMOVED")],
        [gone("ARCHIVED")],
        [],
    ]
    # What a hidden product costs now, and how many there are, is not told.
    hidden = shown["lines"][2]
    assert (hidden["unit_price"], hidden["stock"], hidden["total"]) == ("10.00", 0, "0.00")
    assert shown["total"] == "155.00"  # 5 × 11.00, 5 × 10.00, and what is fine
    refused = cart.line("PATCH", "HIDDEN", {"quantity": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_for_sale")

    accepted = cart("POST", "accept-changes/").json()

    assert cart.held() == [("LOW", 3, "11.00"), ("FINE", 5, "10.00")]
    assert (accepted["notices"], accepted["total"]) == ([], "83.00")


def test_accepting_that_all_is_gone_leaves_no_cart(stranger, tea):
    Product.objects.update(is_published=False)

    assert stranger("POST", "accept-changes/").json() == EMPTY
    assert not Cart.objects.exists()


def test_accepting_without_any_change_changes_nothing(cart, tea):
    before = cart.add("TEA").json()

    assert cart("POST", "accept-changes/").json() == before


def test_no_more_is_accepted_than_was_seen(cart, tea):
    etag = cart.add("TEA", 2)["ETag"]
    Variant.objects.update(price="13.00")
    seen = cart("GET")["ETag"]
    Variant.objects.update(price="99.00")

    for old in (etag, seen):
        refused = cart("POST", "accept-changes/", if_match=old)
        assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert cart.held() == [("TEA", 2, "12.50")]
    assert cart("POST", "accept-changes/", if_match=cart("GET")["ETag"]).status_code == 200
    assert cart.held() == [("TEA", 2, "99.00")]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "", None),
        ("POST", "lines/", {"sku": "TEA", "quantity": 1}),
        ("PATCH", "lines/TEA/", {"quantity": 3}),
        ("DELETE", "lines/TEA/", None),
        ("POST", "place/", {}),
    ],
)
def test_nothing_is_changed_that_is_not_what_was_seen(cart, tea, method, path, body):
    nothing = cart("GET")["ETag"]
    now = cart.add("TEA", 2)["ETag"]

    assert cart(method, path, body, if_match=nothing).status_code == 412
    assert cart.held() == [("TEA", 2, "12.50")]
    assert cart(method, path, body, if_match=now).status_code in {200, 201, 204}


def test_a_removed_sku_that_was_given_anew_is_another_line(cart, tea):
    cart.add("TEA", 2)
    OrderFactory.create(lines=[services.Wanted(sku="TEA", quantity=1)])
    catalogue.remove_variant(variant_id=tea.pk)
    VariantFactory.create(sku="tea", price="20.00")

    cart.add("TEA", 1)
    assert cart.held() == [("TEA", 2, "12.50"), ("tea", 1, "20.00")]
    cart.line("PATCH", "TEA", {"quantity": 3})
    assert cart.held() == [("TEA", 2, "12.50"), ("tea", 3, "20.00")]
    assert cart.line("DELETE", "TEA").json() == EMPTY


def test_what_is_deleted_leaves_carts_by_itself(cart, tea, cup):
    cart.add("TEA")
    cart.add("CUP")

    catalogue.remove_product(product_id=tea.product_id)

    assert not Variant.objects.filter(sku="TEA").exists()
    assert cart.held() == [("CUP", 1, "0.99")]


# Whose it is


def test_a_stranger_gets_a_token_once_and_what_is_kept_of_it_opens_nothing(api_as, tea):
    stranger = Caller(api_as(None))

    response = stranger.add("TEA", 2)

    token = response.json()["token"]
    kept = Cart.objects.get()
    assert response.status_code == 201
    assert response["Location"] == "http://testserver/api/v1/cart/"
    assert len(token) == 43
    assert kept.token_digest == hashlib.sha256(token.encode()).hexdigest()
    assert kept.user is None
    mine = Caller(stranger.api, token)
    assert mine.shown() == {k: v for k, v in response.json().items() if k != "token"}
    assert "token" not in mine.add("TEA", 1).json()
    assert mine.held() == [("TEA", 3, "12.50")]
    # Without the token it is nobody's, and another one is begun.
    assert stranger.shown() == EMPTY
    assert stranger.add("TEA").json()["token"] != token
    assert Cart.objects.count() == 2


@pytest.mark.parametrize("wrong", ["digest", "other", "long", "odd", "expired", "merged"])
@pytest.mark.parametrize(
    "asked",
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "lines/", {"sku": "TEA", "quantity": 1}),
        ("PATCH", "lines/TEA/", {"quantity": 3}),
        ("DELETE", "lines/TEA/"),
        ("POST", "accept-changes/"),
    ],
    ids=str,
)
def test_a_token_that_opens_nothing_gets_the_same_answer_whatever_it_is(
    api_as, stranger, amina, wrong, asked
):
    kept = Cart.objects.get().token_digest
    wrongs = {"digest": kept, "other": "a" * 43, "long": "a" * 5000, "odd": "é 'x"}
    if wrong == "expired":
        Cart.objects.update(expires_at=Now())
    if wrong == "merged":
        api_as(amina).get("/cart/", x_cart_token=stranger.token)
    before = list(CartLine.objects.values())

    response = Caller(api_as(None), wrongs.get(wrong, stranger.token))(*asked)

    assert response.status_code == 404
    assert response.json() == problem(
        response,
        code="cart_not_found",
        detail="There is no such cart any more. Begin another, without `X-Cart-Token`.",
    )
    assert list(CartLine.objects.values()) == before


def test_each_has_their_own_cart_staff_and_programs_too(api_as, cart, tea):
    cart.add("TEA", 2)
    program = program_with("handle_orders")
    others = [
        Caller(api_as(UserFactory.create())),
        Caller(api_as(StaffFactory.create(permissions=["orders.handle_order"]))),
        Caller(api_as(ShopkeeperFactory.create())),
    ]

    for other in others:
        assert other.shown() == EMPTY
        assert other.line("PATCH", "TEA", {"quantity": 1}).status_code == 404
        assert other("DELETE").status_code == 204
        other.add("TEA", 1)
    added = api_as(None).post("/cart/lines/", {"sku": "TEA", "quantity": 3}, **program.headers)
    assert (added.status_code, added.json()["item_count"]) == (200, 3)
    assert cart.held() == [("TEA", 2, "12.50")]
    assert Cart.objects.filter(token_digest=None).count() == 5


def test_a_wrong_bearer_is_no_stranger(api_as, tea):
    response = api_as(None).get("/cart/", authorization="Bearer x")

    assert response.status_code == 401


def test_the_deactivated_are_strangers(api_as, amina, tea):
    browser = Caller(api_as(amina))
    browser.add("TEA")
    amina.is_active = False
    amina.save()

    assert browser.shown() == EMPTY
    assert browser("POST", "place/").status_code == 401


# Signing in with a cart


def test_a_stranger_s_cart_comes_along_once(cart, begin, tea, cup):
    cart.add("TEA", 2)
    other = begin("TEA", 9)
    other.add("CUP", 1)

    merged = cart("GET", x_cart_token=other.token)

    assert merged.status_code == 200
    # More than there is by now: said, not lost.
    line = merged.json()["lines"][0]
    assert (line["quantity"], [each["code"] for each in line["notices"]]) == (11, ["less_left"])
    assert cart.held() == [("TEA", 11, "12.50"), ("CUP", 1, "0.99")]
    assert cart("GET", x_cart_token=other.token).json() == merged.json()
    assert other("GET").status_code == 404
    assert Cart.objects.count() == 1


def test_it_becomes_the_cart_of_who_had_none(cart, stranger, amina):
    before = stranger.shown()

    after = cart.add("TEA", 1, x_cart_token=stranger.token).json()

    assert after["lines"] == [{**before["lines"][0], "quantity": 3, "total": "37.50"}]
    kept = Cart.objects.get()
    assert (kept.user, kept.token_digest) == (amina, None)


@pytest.mark.parametrize("token", ["a" * 43, "é", "x" * 5000])
def test_an_old_token_does_no_harm_to_who_has_signed_in(cart, tea, token):
    cart.add("TEA")

    assert cart("GET", x_cart_token=token).status_code == 200
    assert cart.held() == [("TEA", 1, "12.50")]


@pytest.mark.parametrize(("own", "theirs"), [("12.50", "9.00"), ("9.00", "12.50")])
def test_where_two_prices_were_seen_the_lower_counts(cart, begin, tea, own, theirs):
    Variant.objects.update(price=own)
    cart.add("TEA")
    Variant.objects.update(price=theirs)
    other = begin("TEA")

    cart("GET", x_cart_token=other.token)

    assert cart.held() == [("TEA", 2, "9.00")]


def test_a_refused_request_has_brought_the_cart_along_all_the_same(cart, stranger):
    refused = cart.add("TEA", 10, x_cart_token=stranger.token)

    assert refused.status_code == 409
    assert cart.held() == [("TEA", 2, "12.50")]


def test_without_csrf_token_nobody_s_cart_is_changed_by_a_session(amina, tea):
    client = Client(enforce_csrf_checks=True)
    client.force_login(amina, backend="accounts.backends.OpenIDBackend")

    response = client.post(
        "/api/v1/cart/lines/", {"sku": "TEA", "quantity": 1}, content_type="application/json"
    )

    assert response.status_code == 403
    assert not Cart.objects.exists()


# How long it is kept


@both
def test_a_cart_is_kept_for_so_long_after_its_last_change(any_cart, whose, settings):
    settings.CART_DAYS, settings.STRANGER_CART_DAYS = 3, 2
    Cart.objects.update(expires_at=Now() + timedelta(minutes=1), updated_at=Now() - timedelta(1))

    any_cart("GET")
    seen = Cart.objects.get()
    assert seen.expires_at - timezone.now() < timedelta(minutes=1)
    any_cart.add("TEA")

    kept = Cart.objects.get()
    days = 3 if whose == "amina's" else 2
    assert abs(kept.expires_at - kept.updated_at - timedelta(days)) < timedelta(seconds=1)
    assert timezone.now() - kept.updated_at < timedelta(minutes=1)


def test_who_comes_back_too_late_begins_anew(cart, tea, cup):
    cart.add("TEA", 2)
    Cart.objects.update(expires_at=Now())

    assert cart.shown() == EMPTY
    assert cart("POST", "place/").json()["code"] == "cart_empty"
    assert cart.line("PATCH", "TEA", {"quantity": 1}).status_code == 404
    cart.add("CUP", 1)
    assert cart.held() == [("CUP", 1, "0.99")]


def test_expired_carts_are_removed_in_batches_and_no_others(cart, tea, begin):
    cart.add("TEA")
    for _ in range(5):
        begin("TEA")
    Cart.objects.exclude(user=None).update(expires_at=Now() + timedelta(seconds=30))
    Cart.objects.filter(user=None).update(expires_at=Now() - timedelta(seconds=1))

    assert services.remove_expired_carts(batch=2) == 5
    assert remove_expired_carts.call() == 0
    assert cart.held() == [("TEA", 1, "12.50")]
    assert (Cart.objects.count(), CartLine.objects.count()) == (1, 1)


@pytest.fixture
def no_throttle_history():
    cache.clear()
    yield
    cache.clear()


def test_so_many_carts_are_begun_from_one_address(
    api_as, amina, tea, monkeypatch, no_throttle_history
):
    monkeypatch.setattr(NewCartThrottle, "rate", "2/hour", raising=False)
    api = api_as(None)

    def begin(address):
        return api.client.post(
            "/api/v1/cart/lines/",
            {"sku": "TEA", "quantity": 1},
            content_type="application/json",
            REMOTE_ADDR=address,
        )

    tokens = [begin("192.0.2.1").json()["token"] for _ in range(2)]
    refused = begin("192.0.2.1")

    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 3500
    assert begin("192.0.2.2").status_code == 201
    # Of IPv6, a network counts as one.
    assert [begin(f"2001:db8::{n}").status_code for n in range(1, 4)] == [201, 201, 429]
    assert begin("2001:db8:0:1::1").status_code == 201
    # Who has a cart goes on filling it, and who signs in has their own.
    client = api.client
    for headers in ({"X-Cart-Token": tokens[0]}, {"X-Cart-Token": tokens[1]}):
        assert client.get("/api/v1/cart/", headers=headers).status_code == 200
        added = client.post(
            "/api/v1/cart/lines/",
            {"sku": "TEA", "quantity": 1},
            content_type="application/json",
            REMOTE_ADDR="192.0.2.1",
            headers=headers,
        )
        assert added.status_code == 200
    assert Caller(api_as(amina)).add("TEA").status_code == 200


# Repeats


def test_a_stranger_s_keys_are_those_of_their_cart(stranger, begin):
    other = begin("TEA", 1)

    first = stranger.add("TEA", 1, idempotency_key="k")
    again = stranger.add("TEA", 1, idempotency_key="k")
    others = other.add("TEA", 1, idempotency_key="k")

    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    assert "Idempotent-Replayed" not in others
    assert stranger.held() == [("TEA", 3, "12.50")]
    assert other.held() == [("TEA", 2, "12.50")]


def test_no_stranger_without_a_cart_has_keys_or_fills_the_table_of_answers(api_as, tea):
    nobody, wrong = Caller(api_as(None)), Caller(api_as(None), "a" * 43)

    begun = [nobody.add("TEA", 1, idempotency_key="k") for _ in range(2)]
    refused = wrong.add("TEA", 1, idempotency_key="k")

    assert [each.status_code for each in begun] == [201, 201]
    assert len({each.json()["token"] for each in begun}) == 2
    assert refused.status_code == 404
    assert not IdempotencyKey.objects.exists()


def test_the_same_request_of_who_signed_in_adds_once(cart, tea):
    first = cart.add("TEA", 1, idempotency_key="k")
    again = cart.add("TEA", 1, idempotency_key="k")

    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    assert cart.held() == [("TEA", 1, "12.50")]


# What is kept of somebody


def test_the_download_of_personal_data_has_the_cart(cart, amina, tea):
    assert "cart" not in people.personal_data(user=amina)
    cart.add("TEA", 2)

    assert people.personal_data(user=amina)["cart"] == {
        "updated_at": Cart.objects.get().updated_at,
        "lines": [{"sku": "TEA", "name": "Chai", "quantity": 2, "seen_price": "12.50"}],
    }


def test_an_account_takes_its_cart_with_it(cart, amina, tea):
    cart.add("TEA")

    people.delete_account(user=amina)

    assert not Cart.objects.exists()
    assert not CartLine.objects.exists()


# Cost


@both
def test_a_cart_takes_the_same_statements_whatever_it_holds(
    any_cart, whose, django_assert_num_queries
):
    # The session and its user; the cart, its lines, their variants and products.
    expected = 4 if whose == "stranger's" else 6
    for n in (1, 3):
        while len(any_cart.shown()["lines"]) < n:
            any_cart.add(VariantFactory.create().sku)
        with django_assert_num_queries(expected):
            any_cart("GET")
