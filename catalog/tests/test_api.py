"""REST of the catalogue."""

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import Category, Product, Variant
from core.tests.rest import parameters, pointers, problem, utc

from .factories import CategoryFactory, ProductFactory, ProductImageFactory, VariantFactory

pytestmark = pytest.mark.django_db


def variant_body(variant):
    variant.refresh_from_db()
    return {
        "id": variant.pk,
        "sku": variant.sku,
        "name": variant.name or variant.product.name,
        "price": f"{variant.price:.2f}",
        "currency": "KES",
        "stock": variant.stock,
        "weight": variant.weight,
    }


def staff_body(variant):
    return variant_body(variant) | {
        "product": variant.product_id,
        "low_stock_threshold": variant.low_stock_threshold,
        "archived_at": variant.archived_at and utc(variant.archived_at),
    }


def product_body(product):
    product.refresh_from_db()
    return {
        "id": product.pk,
        "slug": product.slug,
        "name": product.name,
        "description": product.description,
        "category": product.category and product.category.slug,
        "is_published": product.is_published,
        "images": [
            {
                "id": image.pk,
                "url": f"http://testserver/media/{image.image}",
                "alt": image.alt,
                "position": image.position,
                "width": 500,
                "height": 400,
                "sizes": [
                    {
                        "width": 320,
                        "url": f"http://testserver/media/{image.image}".replace(
                            ".webp", "-320.webp"
                        ),
                    }
                ],
            }
            for image in product.images.all()
        ],
        "variants": [variant_body(variant) for variant in product.variants.all()],
        "created_at": utc(product.created_at),
        "updated_at": utc(product.updated_at),
        "archived_at": product.archived_at and utc(product.archived_at),
    }


def column(response, name):
    assert response.status_code == 200, response.content
    return [row[name] for row in response.json()["results"]]


# Products: creating


def test_create_a_simple_product_in_one_call(api):
    response = api.post(
        "/products/", {"name": "Chai", "sku": "TEA-1", "price": "12.50", "stock": 50}
    )

    assert response.status_code == 201
    product, variant = Product.objects.get(), Variant.objects.get()
    assert response.json() == {
        "id": product.pk,
        "slug": "chai",
        "name": "Chai",
        "description": "",
        "category": None,
        "is_published": True,
        "images": [],
        "variants": [
            {
                "id": variant.pk,
                "sku": "TEA-1",
                "name": "Chai",
                "price": "12.50",
                "currency": "KES",
                "stock": 50,
                "weight": 0,
            }
        ],
        "created_at": utc(product.created_at),
        "updated_at": utc(product.updated_at),
        "archived_at": None,
    }
    assert response["Location"] == f"http://testserver/api/v1/products/{product.pk}/"
    again = api.get(f"/products/{product.pk}/")
    assert (again.json(), again["ETag"]) == (response.json(), response["ETag"])


def test_create_a_product_with_variants_category_and_words(api):
    CategoryFactory.create(slug="clothes")

    response = api.post(
        "/products/",
        {
            "name": "T-shirt",
            "slug": "tee",
            "description": "Cotton.",
            "category": "clothes",
            "is_published": False,
            "variants": [
                {"sku": "T-M", "name": "T-shirt, M", "price": "900", "stock": 10, "weight": 150},
                {"sku": "T-L", "price": "0.00"},
            ],
        },
    )

    assert response.status_code == 201
    assert response.json() == product_body(Product.objects.get())
    shown = response.json()
    assert (shown["slug"], shown["description"], shown["category"], shown["is_published"]) == (
        "tee",
        "Cotton.",
        "clothes",
        False,
    )
    assert [
        (each["sku"], each["name"], each["price"], each["stock"], each["weight"])
        for each in shown["variants"]
    ] == [("T-M", "T-shirt, M", "900.00", 10, 150), ("T-L", "T-shirt", "0.00", 0, 0)]


def test_create_again_what_was_read_needs_only_another_slug_and_skus(api):
    CategoryFactory.create(slug="clothes")
    read = api.post(
        "/products/",
        {"name": "Tee", "category": "clothes", "sku": "T-M", "price": "9.00", "stock": 1},
    ).json()
    read["variants"][0]["sku"] = "T-L"

    response = api.post("/products/", read | {"slug": "tee-copy"})

    assert response.status_code == 201
    assert response.json()["variants"][0] | {"id": 0} == read["variants"][0] | {"id": 0}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/name", "required")]),
        ({"name": "Chai"}, [("/price", "required"), ("/sku", "required")]),
        ({"name": "Chai", "sku": "S"}, [("/price", "required")]),
        ({"name": "Chai", "price": "1"}, [("/sku", "required")]),
        ({"name": "Chai", "variants": []}, [("/variants", "empty")]),
        ({"name": "Chai", "variants": None}, [("/variants", "null")]),
        ({"name": "Chai", "variants": {}}, [("/variants", "not_a_list")]),
        ({"name": "Chai", "variants": ["S"]}, [("/variants/0", "invalid")]),
        ({"name": "Chai", "variants": [{}]}, [("/variants/0/price", "required"), ("/variants/0/sku", "required")]),
        ({"name": "Chai", "variants": [{"sku": f"S{n}", "price": "1"} for n in range(101)]}, [("/variants", "max_length")]),
        (
            {"name": "Chai", "sku": "S", "price": "1", "stock": 1, "weight": 1, "variants": [{"sku": "S", "price": "1"}]},
            [("/price", "invalid"), ("/sku", "invalid"), ("/stock", "invalid"), ("/weight", "invalid")],
        ),
        (
            {"name": "", "slug": "a b", "category": "nope", "is_published": "maybe", "colour": "red", "variants": [{"sku": "S", "price": "1"}, {"sku": "", "price": "x", "size": 1}]},
            [
                ("/category", "does_not_exist"),
                ("/colour", "unknown_field"),
                ("/is_published", "invalid"),
                ("/name", "blank"),
                ("/slug", "invalid"),
                ("/variants/1/price", "invalid"),
                ("/variants/1/size", "unknown_field"),
                ("/variants/1/sku", "blank"),
            ],
        ),
        ({"name": "n" * 201, "sku": "s" * 65, "price": "1"}, [("/name", "max_length"), ("/sku", "max_length")]),
        ({"name": "Chai", "description": "d" * 20_001, "slug": "s" * 221, "sku": "S", "price": "1"}, [("/description", "max_length"), ("/slug", "max_length")]),
    ],
)  # fmt: skip
def test_create_names_every_wrong_field_at_once(api, body, expected):
    assert sorted(pointers(api.post("/products/", body))) == expected
    assert not Product.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("price", "-0.01", "min_value"),
        ("price", "0.001", "max_decimal_places"),
        ("price", "10000000000.0", "max_whole_digits"),
        ("price", "NaN", "invalid"),
        ("price", "1e999", "max_digits"),
        ("price", "", "invalid"),
        ("price", None, "null"),
        ("price", True, "invalid"),
        ("stock", -1, "min_value"),
        ("stock", 2_147_483_648, "max_value"),
        ("stock", 1.5, "invalid"),
        ("stock", None, "null"),
        ("weight", -1, "min_value"),
        ("weight", 2_147_483_648, "max_value"),
        ("sku", " ", "blank"),
        ("sku", "\x00", "null_characters_not_allowed"),
    ],
)
def test_create_refuses_values_out_of_bounds(api, field, value, code):
    body = {"name": "Chai", "sku": "S", "price": "1", "stock": 1, "weight": 1, field: value}

    assert pointers(api.post("/products/", body)) == [(f"/{field}", code)]
    assert not Product.objects.exists()


def test_create_takes_the_largest_values(api):
    response = api.post(
        "/products/",
        {
            "name": "n" * 200,
            "sku": "s" * 64,
            "price": "9999999999.99",
            "stock": 2_147_483_647,
            "weight": 2_147_483_647,
        },
    )

    assert response.status_code == 201
    assert response.json() == product_body(Product.objects.get())


def test_create_makes_slugs_of_their_own(api):
    slugs = [
        api.post("/products/", {"name": name, "sku": f"S{n}", "price": "1"}).json()["slug"]
        for n, name in enumerate(["Café Chai", "Café Chai", "чай", "茶", "Product"])
    ]

    assert slugs == ["cafe-chai", "cafe-chai-2", "product", "product-2", "product-3"]


def test_create_names_a_taken_slug(api):
    ProductFactory.create(slug="chai")

    response = api.post("/products/", {"name": "Chai", "slug": "chai", "sku": "S", "price": "1"})

    detail = "Something else has this slug."
    assert response.status_code == 400
    assert response.json() == problem(
        response, code="taken", detail=detail, errors=[("/slug", "taken", detail)]
    )
    assert Product.objects.count() == 1


def test_create_names_every_sku_that_is_taken_in_any_case(api):
    VariantFactory.create(sku="Tea-1")
    detail = "Another variant has this SKU."

    simple = api.post("/products/", {"name": "Chai", "sku": "TEA-1", "price": "1"})
    several = api.post(
        "/products/",
        {
            "name": "Chai",
            "variants": [{"sku": sku, "price": "1"} for sku in ("new", "tea-1", "NEW")],
        },
    )

    assert simple.status_code == several.status_code == 400
    assert simple.json() == problem(
        simple, code="taken", detail="A SKU is taken.", errors=[("/sku", "taken", detail)]
    )
    assert several.json() == problem(
        several,
        code="taken",
        detail="A SKU is taken.",
        errors=[
            ("/variants/1/sku", "taken", detail),
            ("/variants/2/sku", "taken", "This SKU stands twice."),
        ],
    )
    assert Product.objects.count() == 1


# Products: reading


def test_get_a_product_with_its_images_in_their_order(api):
    product = VariantFactory.create().product
    ProductImageFactory.create(product=product, position=2)
    ProductImageFactory.create(product=product, position=1, alt="A cup")
    ProductImageFactory.create(position=0)

    response = api.get(f"/products/{product.pk}/")

    assert response.status_code == 200
    assert response.json() == product_body(product)
    assert [image["alt"] for image in response.json()["images"]] == ["A cup", ""]


@pytest.mark.parametrize("rows", [1, 3])
def test_list_of_products_takes_the_same_statements_for_one_row_and_three(
    api, rows, django_assert_num_queries
):
    for _ in range(rows):
        product = ProductFactory.create(category=CategoryFactory.create())
        VariantFactory.create_batch(rows, product=product)
        ProductImageFactory.create_batch(rows, product=product)

    # session, user, membership; products with their categories, variants, images
    with django_assert_num_queries(6):
        response = api.get("/products/")

    assert [(len(row["variants"]), len(row["images"])) for row in response.json()["results"]] == [
        (rows, rows)
    ] * rows


def test_list_of_products_has_whole_ones_by_name(api):
    second = VariantFactory.create(product__name="Tea").product
    first = ProductFactory.create(name="Cup", category=CategoryFactory.create())

    assert api.get("/products/?count=true").json() == {
        "next": None,
        "previous": None,
        "count": 2,
        "results": [product_body(first), product_body(second)],
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Cup", "Green tea", "Tea"]),
        ("category=drinks", ["Green tea", "Tea"]),
        ("category=shelf", ["Green tea", "Tea"]),
        ("category=Drinks", []),
        ("category=nope", []),
        ("is_published=true", ["Cup", "Tea"]),
        ("is_published=false", ["Green tea"]),
        ("is_published=False", ["Green tea"]),
        ("is_published=", ["Cup", "Green tea", "Tea"]),
        ("slug=tea", ["Tea"]),
        ("slug=te", []),
        ("search=TEA", ["Tea", "Green tea"]),
        ("search=TEA&ordering=name", ["Green tea", "Tea"]),
        ("search=tea green", ["Green tea"]),
        ("search=porcelain", ["Cup"]),
        ("search=100%25", ["Cup"]),
        ("search=_", []),
        ("ordering=-name", ["Tea", "Green tea", "Cup"]),
        ("ordering=created_at", ["Tea", "Cup", "Green tea"]),
        ("ordering=-created_at", ["Green tea", "Cup", "Tea"]),
        ("ordering=price", ["Cup", "Green tea", "Tea"]),
        ("ordering=-price", ["Tea", "Green tea", "Cup"]),
        ("price_min=5", ["Green tea", "Tea"]),
        ("price_min=5.01", ["Tea"]),
        ("price_max=5", ["Cup", "Green tea"]),
        ("price_max=0", ["Cup"]),
        ("price_min=6&price_max=9", []),
        ("price_min=5&price_max=9", ["Green tea"]),
        ("price_min=10&price_max=1", []),
        ("price_min=9999999999.99", []),
        ("in_stock=true", ["Green tea", "Tea"]),
        ("in_stock=false", ["Cup"]),
        ("in_stock=", ["Cup", "Green tea", "Tea"]),
        ("category=drinks&is_published=true&search=te&in_stock=true&price_min=1", ["Tea"]),
    ],
)
def test_list_of_products_filters_searches_and_orders(api, query, found):
    shelf, now = CategoryFactory.create(slug="shelf"), timezone.now()
    drinks = CategoryFactory.create(slug="drinks", parent=shelf)
    for days, (prices, stock, fields) in enumerate(
        [
            ([5], 1, {"name": "Green tea", "category": drinks, "is_published": False}),
            ([0], 0, {"name": "Cup", "description": "100% porcelain"}),
            # Dear and cheap, with nothing between.
            ([20, 9.5], 2, {"name": "Tea", "slug": "tea", "category": drinks}),
        ]
    ):
        product = ProductFactory.create(**fields, created_at=now - timedelta(days=days))
        for price in prices:
            VariantFactory.create(product=product, price=price, stock=stock)

    assert column(api.get(f"/products/?{query}"), "name") == found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/products/?name=Tea", [("name", "invalid")]),
        ("/products/?is_published=banana", [("is_published", "invalid")]),
        ("/products/?is_published=2", [("is_published", "invalid")]),
        ("/products/?ordering=updated_at", [("ordering", "invalid")]),
        ("/products/?ordering=relevance", [("ordering", "invalid")]),
        ("/products/?ordering=-relevance&search=", [("ordering", "invalid")]),
        ("/products/?in_stock=1", [("in_stock", "invalid")]),
        ("/products/?archived=yes", [("archived", "invalid")]),
        ("/products/?price=1", [("price", "invalid")]),
        (
            "/products/?price_min=x&price_max=-1",
            [("price_min", "invalid"), ("price_max", "invalid")],
        ),
        (
            "/products/?price_min=NaN&price_max=Infinity",
            [("price_min", "invalid"), ("price_max", "invalid")],
        ),
        (
            "/products/?price_min=1e9999999&price_max=x1",
            [("price_min", "invalid"), ("price_max", "invalid")],
        ),
        (
            "/products/?price_min=0.001&price_max=10000000000",
            [("price_min", "invalid"), ("price_max", "invalid")],
        ),
        (f"/products/?search={'x' * 201}", [("search", "invalid")]),
        ("/products/?search=%00", [("search", "invalid")]),
        ("/categories/?name=x", [("name", "invalid")]),
        ("/categories/?ordering=parent", [("ordering", "invalid")]),
        ("/variants/?price=1", [("price", "invalid")]),
        ("/variants/?product=tea", [("product", "invalid")]),
        ("/variants/?product=1.5", [("product", "invalid")]),
        ("/variants/?product=-1e9999999", [("product", "invalid")]),
        ("/variants/?stock_below=1.5", [("stock_below", "invalid")]),
        ("/variants/?stock_below=NaN", [("stock_below", "invalid")]),
        ("/variants/?stock_below=-1e9999999", [("stock_below", "invalid")]),
        ("/variants/?ordering=weight", [("ordering", "invalid")]),
    ],
)
def test_lists_refuse_wrong_and_unknown_parameters(api, path, expected):
    assert parameters(api.get(path)) == expected


@pytest.mark.parametrize("what", ["products", "variants", "categories"])
@pytest.mark.parametrize("key", ["0", "99999999999999999999999", "abc", "1.5", "-1", "%00"])
def test_what_is_not_there_is_404(api, what, key):
    for method, body in [("GET", None), ("PATCH", {}), ("DELETE", None)]:
        response = api._call(method, f"/{what}/{key}/", body)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


# Products: changing


def test_put_back_what_was_read_changes_nothing(api):
    product = VariantFactory.create(product__category=CategoryFactory.create()).product
    for path in (f"/products/{product.pk}/", f"/categories/{product.category_id}/"):
        read = api.get(path).json()

        response = api.put(path, read)

        assert response.status_code == 200
        same = {name: response.json()[name] for name in {"updated_at"} & set(read)}
        assert response.json() == read | same


def test_put_back_a_variant_and_it_still_follows_its_product_s_name(api):
    tea = VariantFactory.create(product__name="Tea", weight=250)
    read = api.get(f"/variants/{tea.pk}/").json()

    response = api.put(f"/variants/{tea.pk}/", read)

    assert (response.status_code, response.json()) == (200, read)
    api.patch(f"/products/{tea.product_id}/", {"name": "Green tea"})
    assert api.get(f"/variants/{tea.pk}/").json() == read | {"name": "Green tea"}


def test_hide_a_product(api):
    product = VariantFactory.create().product
    before = product_body(product)

    response = api.patch(f"/products/{product.pk}/", {"is_published": False})

    assert response.status_code == 200
    assert response.json() == product_body(product)
    assert response.json() == before | {
        "is_published": False,
        "updated_at": response.json()["updated_at"],
    }


def test_patch_changes_what_it_names_and_takes_out_of_a_category(api):
    product = ProductFactory.create(category=CategoryFactory.create(), description="Old.")

    response = api.patch(
        f"/products/{product.pk}/", {"category": None, "slug": "new-slug", "description": ""}
    )

    assert response.status_code == 200
    assert response.json() == product_body(product)
    assert (product.category, product.slug, product.description) == (None, "new-slug", "")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"slug": "taken"}, [("/slug", "taken")]),
        ({"slug": ""}, [("/slug", "blank")]),
        ({"name": None}, [("/name", "null")]),
        ({"category": "nope"}, [("/category", "does_not_exist")]),
        ({"is_published": None}, [("/is_published", "null")]),
        ({"sku": "S", "price": "1"}, [("/price", "unknown_field"), ("/sku", "unknown_field")]),
    ],
)
def test_patch_of_a_product_that_is_wrong_changes_nothing(api, change, expected):
    ProductFactory.create(slug="taken")
    product = ProductFactory.create()
    before = product_body(product)

    response = api.patch(f"/products/{product.pk}/", {"description": "New.", **change})

    assert sorted(pointers(response)) == expected
    assert product_body(product) == before


def test_put_needs_the_name(api):
    product = ProductFactory.create()

    assert pointers(api.put(f"/products/{product.pk}/", {})) == [("/name", "required")]


@pytest.mark.parametrize("what", ["products", "variants", "categories"])
def test_change_and_delete_of_what_changed_since_it_was_read_is_412(api, what):
    tea = VariantFactory.create(product__category=CategoryFactory.create())
    path, change = {
        "products": (f"/products/{tea.product_id}/", {"name": "New"}),
        "variants": (f"/variants/{tea.pk}/", {"name": "New"}),
        "categories": (f"/categories/{tea.product.category_id}/", {"name": "New"}),
    }[what]
    read = api.get(path)
    assert api.get(path, if_none_match=read["ETag"]).status_code == 304
    changed = api.patch(path, change, if_match=read["ETag"])
    assert (changed.status_code, changed["ETag"]) == (200, api.get(path)["ETag"])

    for response in (
        api.patch(path, {"name": "Lost"}, if_match=read["ETag"]),
        api.put(path, read.json(), if_match=read["ETag"]),
        api.delete(path, if_match=read["ETag"]),
    ):
        assert (response.status_code, response.json()["code"]) == (412, "precondition_failed")
    assert api.get(path).json() == changed.json()


def test_etag_of_a_product_changes_with_its_stock(api):
    tea = VariantFactory.create(stock=5)
    etag = api.get(f"/products/{tea.product_id}/")["ETag"]

    api.post(f"/variants/{tea.pk}/adjust-stock/", {"quantity": 1})

    assert api.get(f"/products/{tea.product_id}/")["ETag"] != etag


# Deleting


def test_delete_a_product_with_its_variants(api):
    product = VariantFactory.create().product

    response = api.delete(f"/products/{product.pk}/")

    assert (response.status_code, response.content) == (204, b"")
    assert (Product.objects.count(), Variant.objects.count()) == (0, 0)


def test_delete_of_a_category_in_use_is_409(api):
    parent = CategoryFactory.create()
    child = CategoryFactory.create(parent=parent)
    product = ProductFactory.create(category=child)

    for category in (parent, child):
        response = api.delete(f"/categories/{category.pk}/")
        assert response.status_code == 409
        assert response.json() == problem(
            response,
            code="in_use",
            detail="It cannot be deleted. Move its products and categories elsewhere first.",
        )
    assert Category.objects.count() == 2

    product.delete()
    assert [api.delete(f"/categories/{each.pk}/").status_code for each in (child, parent)] == [
        204,
        204,
    ]


# Categories


def test_create_and_get_a_category(api):
    parent = CategoryFactory.create(slug="drinks")

    response = api.post("/categories/", {"name": "Green tea", "parent": "drinks"})

    category = Category.objects.exclude(pk=parent.pk).get()
    assert response.status_code == 201
    assert response.json() == {
        "id": category.pk,
        "slug": "green-tea",
        "name": "Green tea",
        "parent": "drinks",
    }
    assert response["Location"] == f"http://testserver/api/v1/categories/{category.pk}/"
    assert api.get(f"/categories/{category.pk}/").json() == response.json()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/name", "required")]),
        (
            {"name": "", "slug": "é", "parent": "nope", "x": 1},
            [
                ("/name", "blank"),
                ("/parent", "does_not_exist"),
                ("/slug", "invalid"),
                ("/x", "unknown_field"),
            ],
        ),
        ({"name": "n" * 121, "slug": "s" * 141}, [("/name", "max_length"), ("/slug", "max_length")]),
        ({"name": "Drinks", "slug": "taken"}, [("/slug", "taken")]),
    ],
)  # fmt: skip
def test_create_a_category_names_every_wrong_field_at_once(api, body, expected):
    CategoryFactory.create(slug="taken")

    assert sorted(pointers(api.post("/categories/", body))) == expected
    assert Category.objects.count() == 1


def test_a_category_moved_below_itself_is_refused(api):
    top = CategoryFactory.create(slug="top")
    below = CategoryFactory.create(slug="below", parent=top)

    detail = "A category cannot stand below itself."
    for parent in ("below", "top"):
        response = api.patch(f"/categories/{top.pk}/", {"name": "New", "parent": parent})
        assert response.status_code == 400
        assert response.json() == problem(
            response, code="invalid", detail=detail, errors=[("/parent", "circular", detail)]
        )
    assert api.patch(f"/categories/{below.pk}/", {"parent": None}).json()["parent"] is None
    assert api.patch(f"/categories/{top.pk}/", {"parent": "below"}).json()["parent"] == "below"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a", "b", "c"]),
        ("parent=a", ["b"]),
        ("parent=nope", []),
        ("search=SHELF B", ["b"]),
        ("search=c", ["c"]),
        ("ordering=-name", ["c", "b", "a"]),
        ("ordering=slug", ["a", "b", "c"]),
        ("ordering=-slug", ["c", "b", "a"]),
    ],
)
def test_list_of_categories_filters_searches_and_orders(api, query, found):
    CategoryFactory.create(slug="c", name="Shelf X")
    top = CategoryFactory.create(slug="a", name="Shelf A")
    CategoryFactory.create(slug="b", name="Shelf B", parent=top)

    assert column(api.get(f"/categories/?{query}"), "slug") == found


@pytest.mark.parametrize("rows", [1, 3])
def test_list_of_categories_takes_the_same_statements_for_one_row_and_three(
    api, rows, django_assert_num_queries
):
    for _ in range(rows):
        CategoryFactory.create(parent=CategoryFactory.create())

    with django_assert_num_queries(3):  # session, user; categories with their parents
        response = api.get("/categories/")

    assert len(response.json()["results"]) == 2 * rows


# Variants


def test_add_a_variant_and_get_it(api):
    product = ProductFactory.create(name="Tea")

    response = api.post(
        "/variants/",
        {"product": product.pk, "sku": "TEA-2", "price": "9.90", "stock": 3, "weight": 250},
    )

    variant = Variant.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": variant.pk,
        "sku": "TEA-2",
        "name": "Tea",
        "price": "9.90",
        "currency": "KES",
        "stock": 3,
        "weight": 250,
        "product": product.pk,
        "low_stock_threshold": None,
        "archived_at": None,
    }
    assert response["Location"] == f"http://testserver/api/v1/variants/{variant.pk}/"
    assert api.get(f"/variants/{variant.pk}/").json() == response.json()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", [("/price", "required"), ("/product", "required"), ("/sku", "required")]),
        (b'{"product": 0, "sku": "S", "price": "1"}', [("/product", "does_not_exist")]),
        (b'{"product": 1.5, "sku": "S", "price": "1"}', [("/product", "invalid")]),
        (b'{"product": "tea", "sku": "S", "price": "1"}', [("/product", "invalid")]),
        (b'{"product": true, "sku": "S", "price": "1"}', [("/product", "invalid")]),
        (b'{"product": null, "sku": "S", "price": "1"}', [("/product", "null")]),
        (b'{"product": 99999999999999999999, "sku": "S", "price": "1"}', [("/product", "does_not_exist")]),
    ],
)  # fmt: skip
def test_add_a_variant_names_every_wrong_field(api, body, expected):
    ProductFactory.create()

    assert sorted(pointers(api.post("/variants/", body))) == expected
    assert not Variant.objects.exists()


def test_add_and_change_name_a_sku_taken_in_any_case(api):
    tea, cup = VariantFactory.create(sku="TEA-1"), VariantFactory.create(sku="CUP")

    detail = "Another variant has this SKU."
    for response in (
        api.post("/variants/", {"product": tea.product_id, "sku": "tea-1", "price": "1"}),
        api.patch(f"/variants/{cup.pk}/", {"sku": "Tea-1"}),
        api.put(f"/variants/{cup.pk}/", {"sku": " TEA-1 ", "price": "1"}),
    ):
        assert response.status_code == 400
        assert response.json() == problem(
            response, code="taken", detail=detail, errors=[("/sku", "taken", detail)]
        )
    assert api.patch(f"/variants/{tea.pk}/", {"sku": "tea-1"}).status_code == 200


def test_patch_of_a_variant_changes_what_it_names(api):
    tea = VariantFactory.create(name="Tea", stock=5, weight=250)
    product = tea.product_id

    response = api.patch(f"/variants/{tea.pk}/", {"price": "3.50", "stock": 7, "product": 0})

    assert response.status_code == 200
    assert response.json() == staff_body(tea) | {"product": product}
    assert (str(tea.price), tea.stock, tea.name, tea.weight) == ("3.50", 7, "Tea", 250)
    assert api.patch(f"/variants/{tea.pk}/", {}).json() == response.json()


@pytest.mark.parametrize(
    ("stock", "quantity", "left"), [(5, 3, 8), (5, -5, 0), (5, 0, 5), (0, 2_147_483_647, 2**31 - 1)]
)
def test_adjust_stock_answers_the_variant_with_what_is_left(api, stock, quantity, left):
    tea = VariantFactory.create(stock=stock)

    response = api.post(f"/variants/{tea.pk}/adjust-stock/", {"quantity": quantity})

    assert response.status_code == 200
    assert response.json() == staff_body(tea)
    assert response.json()["stock"] == left


def test_adjust_stock_below_nothing_is_409(api):
    tea = VariantFactory.create(sku="TEA", stock=5)

    response = api.post(f"/variants/{tea.pk}/adjust-stock/", {"quantity": -6})

    detail = "Only 5 of TEA on hand."
    assert response.status_code == 409
    assert response.json() == problem(
        response,
        code="out_of_stock",
        detail=detail,
        errors=[("/quantity", "out_of_stock", detail)],
    )
    tea.refresh_from_db()
    assert tea.stock == 5


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        (None, "required"),
        ({"quantity": None}, "null"),
        ({"quantity": "x"}, "invalid"),
        ({"quantity": 0.5}, "invalid"),
        ({"quantity": 2_147_483_648}, "max_value"),
        ({"quantity": -2_147_483_648}, "min_value"),
        ({"quantity": 2_147_483_647}, "invalid"),  # on top of the five
    ],
)
def test_adjust_stock_names_a_wrong_quantity(api, body, code):
    tea = VariantFactory.create(stock=5)

    assert pointers(api.post(f"/variants/{tea.pk}/adjust-stock/", body)) == [("/quantity", code)]
    tea.refresh_from_db()
    assert tea.stock == 5


def test_adjust_stock_again_with_the_same_key_books_once(api):
    tea = VariantFactory.create(stock=5)

    answers = [
        api.post(f"/variants/{tea.pk}/adjust-stock/", {"quantity": 3}, idempotency_key="k").json()
        for _ in range(2)
    ]

    assert [answer["stock"] for answer in answers] == [8, 8]
    tea.refresh_from_db()
    assert tea.stock == 8


def test_list_of_variants_has_whole_ones_by_sku(api):
    second, first = VariantFactory.create(sku="B"), VariantFactory.create(sku="A", name="First")

    assert api.get("/variants/?count=true").json() == {
        "next": None,
        "previous": None,
        "count": 2,
        "results": [staff_body(each) for each in (first, second)],
    }


@pytest.mark.parametrize("rows", [1, 3])
def test_list_of_variants_takes_the_same_statements_for_one_row_and_three(
    api, rows, django_assert_num_queries
):
    VariantFactory.create_batch(rows)

    with django_assert_num_queries(4):  # session, user, membership; variants with their products
        response = api.get("/variants/")

    assert len(response.json()["results"]) == rows


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["A", "B", "C"]),
        ("sku=A", ["A"]),
        ("sku=a", []),
        ("stock_below=2", ["B", "C"]),
        ("stock_below=1", ["C"]),
        ("stock_below=99999999999999999999", ["A", "B", "C"]),
        ("stock_below=-99999999999999999999", []),
        ("product=99999999999999999999", []),
        ("search=chai", ["A", "B"]),
        ("search=big", ["B"]),
        ("search=c", ["A", "B", "C"]),
        ("ordering=price", ["B", "A", "C"]),
        ("ordering=-price", ["C", "A", "B"]),
        ("ordering=stock", ["C", "B", "A"]),
        ("ordering=-sku", ["C", "B", "A"]),
    ],
)
def test_list_of_variants_filters_searches_and_orders(api, query, found):
    chai = ProductFactory.create(name="Chai")
    VariantFactory.create(sku="A", product=chai, price="10", stock=2)
    VariantFactory.create(sku="B", product=chai, price="9", stock=1, name="Big")
    VariantFactory.create(sku="C", product__name="Kahawa", price="100", stock=0)

    assert column(api.get(f"/variants/?{query}"), "sku") == found


def test_list_of_variants_of_one_product(api):
    tea, _ = VariantFactory.create(), VariantFactory.create()

    assert column(api.get(f"/variants/?product={tea.product_id}"), "id") == [tea.pk]


def test_delete_a_variant(api):
    tea = VariantFactory.create()

    assert api.delete(f"/variants/{tea.pk}/").status_code == 204
    assert (Variant.objects.count(), Product.objects.count()) == (0, 1)
