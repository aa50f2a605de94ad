"""What shoppers and strangers see of the catalogue, and what only those who work here do."""

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.throttling import AnonRateThrottle

from accounts.tests.factories import StaffFactory, UserFactory
from core.tests.rest import parameters

from .factories import CategoryFactory, ProductFactory, VariantFactory

pytestmark = pytest.mark.django_db

ABSENT = {"products": "hidden archived", "variants": "HIDDEN GONE ARCHIVED"}


@pytest.fixture
def goods():
    """One product for sale, one hidden, one archived; of the first, one variant archived."""
    gone = timezone.now()
    drinks = CategoryFactory.create(slug="drinks")
    shown = ProductFactory.create(slug="shown", category=drinks)
    hidden = ProductFactory.create(slug="hidden", is_published=False)
    archived = ProductFactory.create(slug="archived", archived_at=gone)
    return {
        each.sku: each
        for each in (
            VariantFactory.create(sku="SHOWN", product=shown, low_stock_threshold=3, stock=2),
            VariantFactory.create(sku="GONE", product=shown, archived_at=gone),
            VariantFactory.create(sku="HIDDEN", product=hidden),
            VariantFactory.create(sku="ARCHIVED", product=archived, archived_at=gone),
        )
    }


@pytest.fixture(params=["stranger", "shopper", "employee without rights"])
def outsider(request, api_as):
    makes = {
        "stranger": lambda: None,
        "shopper": UserFactory.create,
        "employee without rights": lambda: StaffFactory.create(permissions=["orders.view_order"]),
    }
    return api_as(makes[request.param]())


@pytest.fixture
def employee(api_as):
    """May see the catalogue, and no more."""
    return api_as(StaffFactory.create(is_staff=False, permissions=["catalog.view_product"]))


def rows(response, name):
    assert response.status_code == 200, response.content
    return [row[name] for row in response.json()["results"]]


def test_outsiders_see_what_is_for_sale_and_how_many_are_left(outsider, goods):
    tea = goods["SHOWN"]
    variant = {"id": tea.pk, "sku": "SHOWN", "name": tea.product.name, "price": "10.00"}
    variant |= {"currency": "KES", "stock": 2, "weight": 0}

    [product] = outsider.get("/products/").json()["results"]
    [alone] = outsider.get("/variants/").json()["results"]

    assert (product["slug"], product["variants"], product["archived_at"]) == (
        "shown",
        [variant],
        None,
    )
    # When the shop buys more is its own business.
    assert alone == variant | {
        "product": tea.product_id,
        "low_stock_threshold": None,
        "archived_at": None,
    }
    assert outsider.get(f"/products/{tea.product_id}/").json() == product
    assert outsider.get(f"/variants/{tea.pk}/").json() == alone
    assert rows(outsider.get("/products/?slug=shown"), "slug") == ["shown"]
    assert rows(outsider.get("/categories/"), "slug") == ["drinks"]


@pytest.mark.parametrize("sku", ["HIDDEN", "ARCHIVED", "GONE"])
def test_outsiders_cannot_know_of_the_rest(outsider, goods, sku):
    variant = goods[sku]

    assert outsider.get(f"/variants/{variant.pk}/").status_code == 404
    assert rows(outsider.get(f"/variants/?sku={sku}"), "sku") == []
    if sku != "GONE":
        assert outsider.get(f"/products/{variant.product_id}/").status_code == 404
        assert rows(outsider.get(f"/products/?slug={variant.product.slug}"), "slug") == []
        assert rows(outsider.get(f"/products/?search={sku}"), "slug") == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/products/?archived=true", "archived"),
        ("/products/?archived=false", "archived"),
        ("/products/?is_published=false", "is_published"),
        ("/variants/?archived=true", "archived"),
        ("/variants/?low_stock=true", "low_stock"),
    ],
)
def test_to_outsiders_the_filters_of_staff_are_unknown(outsider, employee, goods, path, name):
    assert parameters(outsider.get(path)) == [(name, "invalid")]
    assert f" {name}" not in outsider.get(path).json()["errors"][0]["detail"]
    assert employee.get(path).status_code == 200


def test_employees_see_the_hidden_and_the_archived_where_they_ask_for_them(employee, goods):
    assert rows(employee.get("/products/"), "slug") == ["shown", "hidden"]
    assert rows(employee.get("/products/?is_published=false"), "slug") == ["hidden"]
    assert rows(employee.get("/products/?archived=false"), "slug") == ["shown", "hidden"]
    assert rows(employee.get("/products/?archived=true"), "slug") == ["archived"]
    assert rows(employee.get("/variants/"), "sku") == ["HIDDEN", "SHOWN"]
    assert rows(employee.get("/variants/?archived=true"), "sku") == ["ARCHIVED", "GONE"]
    assert rows(employee.get("/variants/?low_stock=true"), "sku") == ["SHOWN"]
    assert rows(employee.get("/variants/?low_stock=true"), "low_stock_threshold") == [3]


def test_an_archived_product_reads_with_the_variants_that_went_with_it(employee, goods):
    archived = employee.get(f"/products/{goods['ARCHIVED'].product_id}/").json()
    shown = employee.get(f"/products/{goods['SHOWN'].product_id}/").json()

    assert [each["sku"] for each in archived["variants"]] == ["ARCHIVED"]
    assert archived["archived_at"] is not None
    assert [each["sku"] for each in shown["variants"]] == ["SHOWN"]


def test_strangers_have_the_limit_of_an_address(api_as, api, monkeypatch):
    monkeypatch.setattr(AnonRateThrottle, "rate", "2/hour", raising=False)
    cache.clear()

    statuses = [api_as(None).get(f"/{what}/").status_code for what in ("products", "variants") * 2]

    assert statuses == [200, 200, 429, 429]
    assert api.get("/products/").status_code == 200
    cache.clear()


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize(
    ("query", "statements"),
    [
        ("", 3),  # products with their categories, variants, images
        ("?category=drinks&price_min=1&price_max=99&in_stock=true&ordering=price", 3),
        ("?search=product", 4),  # whether anything is as it is written
        ("?search=prodcut", 4),
        ("?count=true", 4),
    ],
)
def test_a_stranger_s_page_takes_the_same_statements_for_one_row_and_three(
    api_as, number, query, statements, django_assert_num_queries
):
    drinks = CategoryFactory.create(slug="drinks")
    for _ in range(number):
        VariantFactory.create_batch(2, product=ProductFactory.create(category=drinks))

    with django_assert_num_queries(statements):
        response = api_as(None).get(f"/products/{query}")

    assert [len(each["variants"]) for each in response.json()["results"]] == [2] * number


@pytest.mark.parametrize("number", [1, 3])
def test_one_product_takes_the_same_statements_for_one_variant_and_three(
    api_as, number, django_assert_num_queries
):
    product = ProductFactory.create(category=CategoryFactory.create())
    VariantFactory.create_batch(number, product=product)

    with django_assert_num_queries(3):
        response = api_as(None).get(f"/products/{product.pk}/")

    assert len(response.json()["variants"]) == number


# Hiding and showing


def test_a_product_is_hidden_and_shown_again_and_twice_is_as_once(api, api_as, goods):
    product = goods["SHOWN"].product_id

    hidden = api.post(f"/products/{product}/hide/")
    assert (hidden.status_code, hidden.json()["is_published"]) == (200, False)
    again = api.post(f"/products/{product}/hide/", {})
    assert (again.json(), again["ETag"]) == (hidden.json(), hidden["ETag"])
    assert api_as(None).get(f"/products/{product}/").status_code == 404

    shown = api.post(f"/products/{product}/show/")
    assert (shown.status_code, shown.json()["is_published"]) == (200, True)
    assert api.post(f"/products/{product}/show/").json() == shown.json()
    assert api_as(None).get(f"/products/{product}/").status_code == 200


@pytest.mark.parametrize("verb", ["hide", "show", "restore"])
def test_the_verbs_mind_what_was_read_and_take_no_fields(api, goods, verb):
    path = f"/products/{goods['SHOWN'].product_id}/"
    read = api.get(path)
    changed = api.patch(path, {"description": "New."})

    assert api.post(f"{path}{verb}/", if_match=read["ETag"]).status_code == 412
    assert api.post(f"{path}{verb}/", {"why": "x"}).status_code == 400
    assert api.post(f"{path}{verb}/", if_match=changed["ETag"]).status_code == 200


# Categories


def test_a_category_is_asked_with_all_that_stands_below_it(api_as):
    top = CategoryFactory.create(slug="top")
    middle = CategoryFactory.create(slug="middle", parent=top)
    bottom = CategoryFactory.create(slug="bottom", parent=middle)
    beside = CategoryFactory.create(slug="beside", parent=top)
    for category in (top, middle, bottom, beside, None):
        ProductFactory.create(name=category.slug if category else "none", category=category)

    def found(slug):
        return rows(api_as(None).get(f"/products/?category={slug}"), "name")

    assert found("top") == ["beside", "bottom", "middle", "top"]
    assert found("middle") == ["bottom", "middle"]
    assert found("bottom") == ["bottom"]
    assert found("nope") == found("' OR 1=1 --") == []
