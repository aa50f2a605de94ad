"""Placing a cart: what is ordered is what the shopper saw, or they are asked first."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import ShopkeeperFactory, UserFactory
from catalog import services as catalogue
from catalog.tests.factories import VariantFactory
from core.tests.rest import pointers, problem, program_with
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders import services
from orders.exceptions import CartEmpty
from orders.models import Cart, CartLine, Order

pytestmark = pytest.mark.django_db

CHANGED = (
    "Something has changed since you saw the cart. Read it again, accept its changes"
    " (accept-changes), and place it then."
)


@pytest.fixture
def tea(db):
    return VariantFactory.create(sku="TEA", product__name="Chai", price="12.50", stock=10)


@pytest.fixture
def cup(db):
    return VariantFactory.create(sku="CUP", name="Cup, red", price="0.99", stock=3)


@pytest.fixture
def amina(db):
    return UserFactory.create(first_name="Amina", email="amina@example.com")


@pytest.fixture
def shop(api_as, amina):
    """The API as Amina."""
    return api_as(amina)


@pytest.fixture
def filled(shop, tea, cup):
    """Amina's cart: two teas and a cup."""
    lines = [{"sku": "TEA", "quantity": 2}, {"sku": "CUP", "quantity": 1}]
    assert shop.post("/cart/lines/", {"lines": lines}).status_code == 200
    return Cart.objects.get()


def held():
    return [
        (line.variant.sku, line.quantity, str(line.seen_price))
        for line in CartLine.objects.select_related("variant").order_by("pk")
    ]


def test_a_cart_becomes_the_order_of_who_they_are(shop, amina, filled, tea):
    response = shop.post("/cart/place/", {"note": "At noon."})

    order = Order.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"http://testserver/api/v1/orders/{order.number}/"
    read = shop.get(f"/orders/{order.number}/")
    assert (response.json(), response["ETag"]) == (read.json(), read["ETag"])
    body = response.json()
    assert (body["status"], body["total"], body["note"]) == ("pending", "25.99", "At noon.")
    assert (body["delivery_method"], body["delivery_address"]) == ("collection", None)
    assert [(each["sku"], each["quantity"], each["unit_price"]) for each in body["lines"]] == [
        ("TEA", 2, "12.50"),
        ("CUP", 1, "0.99"),
    ]
    assert order.customer == Customer.objects.get(user=amina)
    assert order.customer.name == "Amina"
    tea.refresh_from_db()
    movement = tea.movements.first()
    assert (tea.stock, movement.quantity, movement.order, movement.by) == (
        8,
        -2,
        order.number,
        amina,
    )
    assert not Cart.objects.exists()
    assert shop.get("/cart/").json()["lines"] == []


def test_a_cart_is_delivered_where_it_is_told(shop, filled):
    address = {
        "recipient": "Amina",
        "line_1": "Moi Avenue 12",
        "line_2": "",
        "city": "Nairobi",
        "postcode": "00100",
        "country": "KE",
    }

    wrong = shop.post("/cart/place/", {"delivery_method": "delivery"})
    placed = shop.post("/cart/place/", {"delivery_method": "delivery", "delivery_address": address})

    assert pointers(wrong) == [
        ("/delivery_address/recipient", "required"),
        ("/delivery_address/line_1", "required"),
        ("/delivery_address/city", "required"),
    ]
    assert placed.status_code == 201
    assert placed.json()["delivery_address"] == address


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"customer": "C1"}, [("/customer", "unknown_field")]),
        ({"lines": []}, [("/lines", "unknown_field")]),
        ({"delivery_method": "drone"}, [("/delivery_method", "invalid_choice")]),
        ({"delivery_address": {"recipient": "A"}}, [("/delivery_address/line_1", "required"), ("/delivery_address/city", "required")]),
        ({"note": "x" * 2001}, [("/note", "max_length")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_the_cart_stays(shop, filled, body, expected):
    assert pointers(shop.post("/cart/place/", body)) == expected
    assert held() == [("TEA", 2, "12.50"), ("CUP", 1, "0.99")]
    assert not Order.objects.exists()


def test_a_stranger_signs_in_first_and_the_cart_comes_along(api_as, amina, tea):
    stranger = api_as(None)
    token = stranger.post("/cart/lines/", {"sku": "TEA", "quantity": 2}).json()["token"]

    refused = stranger.post("/cart/place/", {}, x_cart_token=token)
    placed = api_as(amina).post("/cart/place/", {}, x_cart_token=token)

    assert refused.status_code == 401
    assert refused["WWW-Authenticate"] == 'Bearer realm="api"'
    assert refused.json() == problem(
        refused, code="not_authenticated", detail="Sign in first; the cart comes along."
    )
    assert (placed.status_code, placed.json()["total"]) == (201, "25.00")
    assert not Cart.objects.exists()


def test_there_must_be_something_in_it(shop, tea):
    response = shop.post("/cart/place/", {})

    assert response.status_code == 409
    assert response.json() == problem(
        response, code="cart_empty", detail="There is nothing in the cart."
    )
    shop.post("/cart/lines/", {"sku": "TEA", "quantity": 1})
    catalogue.remove_product(product_id=tea.product_id)
    assert shop.post("/cart/place/", {}).json()["code"] == "cart_empty"
    assert not Customer.objects.exists()


def test_the_shop_must_know_how_to_reach_them(api_as, tea):
    program = program_with()
    callers = [(api_as(UserFactory.create()), {}), (api_as(None), program.headers)]
    for caller, headers in callers:
        caller.post("/cart/lines/", {"sku": "TEA", "quantity": 1}, **headers)

        response = caller.post("/cart/place/", {}, **headers)

        assert response.status_code == 409
        assert response.json() == problem(
            response,
            code="contact_needed",
            detail="The shop needs a phone number or an e-mail address to reach you. Add one to"
            " your account, then place the cart.",
        )
    assert Cart.objects.count() == 2


def test_a_phone_number_alone_will_do(api_as, tea):
    user = UserFactory.create()
    customer = CustomerFactory.create(user=user, phone="+254722000001")
    shop = api_as(user)
    shop.post("/cart/lines/", {"sku": "TEA", "quantity": 1})

    assert shop.post("/cart/place/", {}).json()["customer"] == customer.code
    assert Message.objects.get(event="order.placed").recipient == customer.code


def test_the_shop_s_own_people_place_for_themselves_alone(api_as, tea, filled):
    boss = ShopkeeperFactory.create(email="njeri@example.com")
    shop = api_as(boss)
    shop.post("/cart/lines/", {"sku": "TEA", "quantity": 1})

    refused = shop.post("/cart/place/", {"customer": CustomerFactory.create().code})
    placed = shop.post("/cart/place/", {})

    assert pointers(refused) == [("/customer", "unknown_field")]
    assert Order.objects.get(number=placed.json()["number"]).customer.user == boss
    assert held() == [("TEA", 2, "12.50"), ("CUP", 1, "0.99")]


def test_what_changed_is_told_line_by_line_and_nothing_is_ordered(shop, filled, tea, cup):
    catalogue.update_variant(variant_id=tea.pk, price="13.00")
    catalogue.count_stock(variant_id=tea.pk, counted=1)
    catalogue.update_product(product_id=cup.product_id, is_published=False)

    response = shop.post("/cart/place/", {})

    assert response.status_code == 409
    assert response.json() == problem(
        response,
        code="cart_changed",
        detail=CHANGED,
        errors=[
            ("/lines/0", "price_changed", "Chai (TEA) costs 13.00 now; it was 12.50."),
            ("/lines/0", "less_left", "Only 1 of Chai (TEA) left."),
            ("/lines/1", "not_for_sale", "Cup, red (CUP) is not for sale any more."),
        ],
    )
    assert held() == [("TEA", 2, "12.50"), ("CUP", 1, "0.99")]
    assert not Order.objects.exists()
    shop.post("/cart/accept-changes/")
    placed = shop.post("/cart/place/", {})
    assert (placed.status_code, placed.json()["total"]) == (201, "13.00")


def test_the_same_request_again_gets_the_same_order(shop, filled):
    first = shop.post("/cart/place/", {}, idempotency_key="k")
    shop.post("/cart/lines/", {"sku": "TEA", "quantity": 1})
    again = shop.post("/cart/place/", {}, idempotency_key="k")

    assert first.status_code == 201
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    assert (Order.objects.count(), held()) == (1, [("TEA", 1, "12.50")])


def test_who_left_meanwhile_has_no_cart(amina, filled):
    gone = type(amina)(pk=amina.pk + 1000)

    with pytest.raises(CartEmpty):
        services.place_cart(user=gone)


def test_placing_takes_as_many_statements_for_many_lines_as_for_few(api_as):
    taken = []
    for lines in (1, 3):
        user = UserFactory.create(email=f"a{lines}@example.com")
        CustomerFactory.create(user=user)
        skus = [VariantFactory.create().sku for _ in range(lines)]
        shop = api_as(user)
        shop.post("/cart/lines/", {"lines": [{"sku": sku, "quantity": 1} for sku in skus]})
        with CaptureQueriesContext(connection) as queries:
            assert shop.post("/cart/place/", {}).status_code == 201
        taken.append(len(queries))
    # Three of them are the message's: its words, its link, and whether they want to hear of it.
    assert taken == [40, 40]
