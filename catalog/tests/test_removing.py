"""What becomes of goods that the shop removes, and of the orders that name them."""

import pytest
from django.urls import reverse

from catalog import services
from catalog.exceptions import TakenMeanwhile
from catalog.models import Product, SearchEntry, Variant
from core.errors import InvalidInput
from core.tests.races import at_once
from core.tests.rest import problem
from customers.tests.factories import CustomerFactory
from orders.models import Order
from orders.services import Wanted, place_order
from orders.tests.factories import OrderFactory

from .factories import ProductFactory, VariantFactory

pytestmark = pytest.mark.django_db

PRODUCTS = reverse("admin:catalog_product_changelist")


@pytest.fixture
def tea():
    """A variant of a product "Tea", which has been ordered once for 10.00."""
    tea = VariantFactory.create(sku="TEA", product__name="Tea", product__slug="tea", stock=5)
    OrderFactory.create(lines=[Wanted(sku="TEA", quantity=1)])
    return tea


def order_body(api):
    return api.get(f"/orders/{Order.objects.get().number}/").json()


@pytest.mark.parametrize("what", ["products", "variants"])
def test_what_was_never_ordered_is_deleted_and_what_was_is_archived(api, tea, what):
    fresh = VariantFactory.create()
    before = order_body(api)
    for variant in (tea, fresh):
        key = variant.pk if what == "variants" else variant.product_id
        path = f"/{what}/{key}/"

        response = api.delete(path)

        assert (response.status_code, response.content) == (204, b"")
        # Staff may still read what is archived; nobody changes it.
        assert api.get(path).status_code == (200 if variant is tea else 404)
        for method in ("PATCH", "DELETE"):
            assert api._call(method, path, {}).status_code == 404

    assert list(Variant.objects.all()) == [tea]
    assert order_body(api) == before
    assert before["lines"][0]["unit_price"] == "10.00"


def test_archived_goods_are_not_for_sale_and_give_their_slug_and_skus_free(api, tea):
    services.remove_product(product_id=tea.product_id)
    order = {"customer": CustomerFactory.create().code, "lines": [{"sku": "TEA", "quantity": 1}]}
    assert api.post("/orders/", order).status_code == 400

    made = api.post("/products/", {"name": "Tea", "sku": "tea", "price": "2.00", "stock": 1})

    assert (made.status_code, made.json()["slug"]) == (201, "tea")
    assert api.post("/orders/", order).status_code == 201
    assert [each["slug"] for each in api.get("/products/?slug=tea").json()["results"]] == ["tea"]
    assert order_body_prices() == ["10.00", "2.00"]


def order_body_prices():
    orders = Order.objects.order_by("pk")
    return [f"{order.lines.get().unit_price:.2f}" for order in orders]


def test_a_changed_price_and_name_do_not_touch_past_orders(api, tea):
    before = order_body(api)

    api.patch(f"/variants/{tea.pk}/", {"price": "99.00", "name": "New", "sku": "NEW"})
    api.patch(f"/products/{tea.product_id}/", {"name": "Newer"})

    assert order_body(api) == before
    line = before["lines"][0]
    assert (line["sku"], line["name"], line["unit_price"], before["total"]) == (
        "TEA",
        "Tea",
        "10.00",
        "10.00",
    )


def test_a_product_may_be_left_without_variants_and_keeps_its_place_by_price(api, api_as):
    tea = VariantFactory.create(price=7)
    VariantFactory.create(price=5, product__name="Cheaper")
    VariantFactory.create(price=9, product__name="Dearer")
    name = tea.product.name

    assert api.delete(f"/variants/{tea.pk}/").status_code == 204

    assert api_as(None).get(f"/products/{tea.product_id}/").json()["variants"] == []
    listed = api_as(None).get("/products/?ordering=price").json()["results"]
    assert [each["name"] for each in listed] == ["Cheaper", name, "Dearer"]
    assert api_as(None).get("/products/?in_stock=false").json()["results"][0]["name"] == name


def test_a_variant_is_not_added_to_what_was_removed(api, tea):
    services.remove_product(product_id=tea.product_id)

    response = api.post("/variants/", {"product": tea.product_id, "sku": "NEW", "price": "1"})
    with pytest.raises(InvalidInput) as refused:
        services.add_variant(
            product_id=tea.product_id, variant=services.NewVariant(sku="NEW", price=1)
        )

    assert response.json()["errors"][0]["pointer"] == "/product"
    assert refused.value.errors[0].path == ("product",)
    assert Variant.objects.count() == 1


# Restoring


def test_restore_brings_a_product_back_with_the_variants_that_went_with_it(api, api_as, tea):
    product = tea.product_id
    old = VariantFactory.create(sku="OLD", product=tea.product)
    OrderFactory.create(lines=[Wanted(sku="OLD", quantity=1)])
    services.remove_variant(variant_id=old.pk)
    before = api.get(f"/products/{product}/").json()
    api.delete(f"/products/{product}/")

    response = api.post(f"/products/{product}/restore/")

    assert response.status_code == 200
    assert response.json() == before | {"updated_at": response.json()["updated_at"]}
    assert [each["sku"] for each in response.json()["variants"]] == ["TEA"]
    assert api.post(f"/products/{product}/restore/").json() == response.json()
    assert api_as(None).get("/products/?search=TEA").json()["results"][0]["id"] == product
    old.refresh_from_db()
    assert old.archived_at is not None


def test_restore_names_the_slug_and_each_sku_that_something_else_has_now(api, tea):
    VariantFactory.create(sku="CUP", product=tea.product)
    services.remove_product(product_id=tea.product_id)
    other = VariantFactory.create(sku="tea", product__slug="tea")

    response = api.post(f"/products/{tea.product_id}/restore/")

    sku, slug = "Another variant has this SKU.", "Something else has this slug."
    assert response.status_code == 409
    assert response.json() == problem(
        response,
        code="taken",
        detail="Something else has its slug or a SKU now.",
        errors=[("/variants/0/sku", "taken", sku), ("/slug", "taken", slug)],
    )
    assert Product.objects.get(pk=tea.product_id).archived_at is not None

    services.update_variant(variant_id=other.pk, sku="TEA-2")
    services.update_product(product_id=other.product_id, slug="tea-2")
    restored = api.post(f"/products/{tea.product_id}/restore/")
    assert (restored.status_code, restored.json()["slug"]) == (200, "tea")
    assert [each["sku"] for each in restored.json()["variants"]] == ["TEA", "CUP"]


def test_what_nobody_removed_and_what_is_gone_are_not_restored(api, tea):
    fresh = VariantFactory.create().product_id
    api.delete(f"/products/{fresh}/")

    assert api.post(f"/products/{tea.product_id}/restore/").status_code == 200
    assert api.post(f"/products/{fresh}/restore/").status_code == 404


# At once


@pytest.mark.django_db(transaction=True)
def test_of_two_archived_products_with_one_sku_restored_at_once_one_comes_back():
    products = []
    for _ in range(2):
        variant = VariantFactory.create(sku="TEA", product__slug="tea")
        OrderFactory.create(lines=[Wanted(sku="TEA", quantity=1)])
        services.remove_product(product_id=variant.product_id)
        products.append(variant.product_id)

    outcomes = at_once([lambda k=key: services.restore_product(product_id=k) for key in products])

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Product", "TakenMeanwhile"]
    assert Product.objects.kept().count() == Variant.objects.kept().count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_product_removed_while_it_is_ordered_is_archived_and_the_order_reads_right():
    customer = CustomerFactory.create()
    for n in range(8):
        variant = VariantFactory.create(sku=f"TEA-{n}", stock=4)

        def order(sku=variant.sku):
            return place_order(customer=customer, lines=[Wanted(sku=sku, quantity=1)], by=None)

        def remove(key=variant.product_id):
            return services.remove_product(product_id=key)

        *orders, removed = at_once([order, order, remove])

        placed = [each for each in orders if isinstance(each, Order)]
        assert not isinstance(removed, Exception), removed
        assert (
            bool(placed)
            == (removed is not None)
            == Product.objects.filter(pk=variant.product_id).exists()
        )
        for each in placed:
            assert each.lines.get().variant == variant


@pytest.mark.django_db(transaction=True)
def test_a_product_removed_while_its_variants_change_stands_in_nobody_s_way():
    for _ in range(6):
        product = ProductFactory.create()
        keys = [each.pk for each in VariantFactory.create_batch(3, product=product)]

        outcomes = at_once(
            [
                lambda key=key: services.update_variant(variant_id=key, price=3, name="New")
                for key in keys
            ]
            + [lambda p=product: services.remove_product(product_id=p.pk)]
        )

        # Changed before it went, or gone already; never a deadlock.
        assert {type(each) for each in outcomes} <= {Variant, Variant.DoesNotExist, type(None)}
        assert not Product.objects.exists()
        assert not SearchEntry.objects.exists()


# In the admin


def messages_on(response):
    return [str(message) for message in response.context["messages"]]


def test_the_admin_says_before_and_after_whether_it_deletes_or_archives(admin, tea):
    fresh = VariantFactory.create(product__name="Cup")
    for variant, outcome in (
        (tea, "is archived, as it has been ordered"),
        (fresh, "is deleted"),
    ):
        page = reverse("admin:catalog_product_delete", args=[variant.product_id])
        asked = admin.get(page)
        assert ("archived, as it has been ordered" in asked.content.decode()) == (variant is tea)

        done = admin.post(page, {"post": "yes"}, follow=True)

        assert messages_on(done) == [f"{variant.product.name}: {outcome}."]
    assert list(Product.objects.values_list("name", flat=True)) == ["Tea"]


def test_the_admin_removes_several_and_says_what_became_of_each(admin, tea):
    fresh = VariantFactory.create(product__name="Cup")
    form = {
        "action": "delete_selected",
        "_selected_action": [tea.product_id, fresh.product_id],
    }

    asked = admin.post(PRODUCTS, form).content.decode()
    done = admin.post(PRODUCTS, form | {"post": "yes"}, follow=True)

    assert "Tea: is archived, as it has been ordered" in asked
    assert "Cup" in asked
    assert messages_on(done) == ["Cup: is deleted.", "Tea: is archived, as it has been ordered."]


def test_the_admin_archives_an_ordered_variant(admin, tea):
    page = reverse("admin:catalog_variant_delete", args=[tea.pk])

    done = admin.post(page, {"post": "yes"}, follow=True)

    assert messages_on(done) == ["Tea (TEA): is archived, as it has been ordered."]
    tea.refresh_from_db()
    assert tea.archived_at is not None


def test_the_admin_lists_the_archived_apart_shows_them_and_restores_them(admin, tea):
    ProductFactory.create(name="Cup")
    services.remove_product(product_id=tea.product_id)

    def listed(query):
        return [row.name for row in admin.get(PRODUCTS + query).context["cl"].result_list]

    assert (listed(""), listed("?archived=true")) == (["Cup"], ["Tea"])
    page = reverse("admin:catalog_product_change", args=[tea.product_id])
    assert admin.get(page).status_code == 200
    assert admin.post(page, {"name": "X"}).status_code == 403

    form = {"action": "restore", "_selected_action": [tea.product_id]}
    other = VariantFactory.create(sku="TEA")
    refused = admin.post(f"{PRODUCTS}?archived=true", form, follow=True)
    assert messages_on(refused) == [
        "Something else has its slug or a SKU now. Another variant has this SKU."
    ]
    services.remove_variant(variant_id=other.pk)
    done = admin.post(f"{PRODUCTS}?archived=true", form, follow=True)
    assert messages_on(done) == ["Tea: is back."]
    assert Product.objects.get(pk=tea.product_id).archived_at is None


def test_the_admin_tells_a_taken_slug_at_its_field_unless_what_has_it_was_removed(admin, tea):
    form = {"name": "Chai", "slug": "tea", "description": "", "category": "", "is_published": "on"}
    for inline in ("variants", "images"):
        form |= {f"{inline}-TOTAL_FORMS": 0, f"{inline}-INITIAL_FORMS": 0}
    page = reverse("admin:catalog_product_add")

    assert "Something else has this slug." in admin.post(page, form).content.decode()
    services.remove_product(product_id=tea.product_id)
    assert admin.post(page, form).status_code == 302


def test_restore_says_to_try_again_where_somebody_was_faster(tea, monkeypatch):
    """What `_sku_errors` cannot see yet, the database does."""
    services.remove_product(product_id=tea.product_id)
    VariantFactory.create(sku="TEA")
    monkeypatch.setattr(services.products, "_sku_errors", lambda wanted: [])

    with pytest.raises(TakenMeanwhile, match="just now"):
        services.restore_product(product_id=tea.product_id)
