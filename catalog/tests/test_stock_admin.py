"""Stock and pictures in the admin."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.tests.factories import StaffFactory, browser_of
from catalog import services
from catalog.models import ProductImage, StockMovement, Variant

from .factories import ProductFactory, ProductImageFactory, VariantFactory, move_stock
from .pictures import picture

VARIANTS = reverse("admin:catalog_variant_changelist")
MOVEMENTS = reverse("admin:catalog_stockmovement_changelist")
NO_FORMS = {"movements-TOTAL_FORMS": 0, "movements-INITIAL_FORMS": 0}


@pytest.fixture(autouse=True)
def _media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


def page_of(variant):
    return reverse("admin:catalog_variant_change", args=[variant.pk])


def save(admin, variant, **typed):
    form = {"sku": variant.sku, "name": "", "price": "1", "weight": "0", "low_stock_threshold": ""}
    return admin.post(page_of(variant), {**form, **NO_FORMS, **typed})


def newest(variant):
    fields = ("kind", "quantity", "on_hand", "reason", "by")
    return variant.movements.values_list(*fields).first()


# Booking


@pytest.mark.parametrize(
    ("kind", "quantity", "movement"),
    [
        ("received", "4", ("received", 4, 9, "Why", None)),
        ("", "4", ("received", 4, 9, "Why", None)),
        ("adjusted", "-5", ("adjusted", -5, 0, "Why", None)),
        ("counted", "0", ("counted", -5, 0, "Why", None)),
        ("counted", "6", ("counted", 1, 6, "Why", None)),
    ],
)
def test_goods_are_booked_with_who_and_why(admin, shopkeeper, kind, quantity, movement):
    tea = VariantFactory.create(stock=5)

    response = save(admin, tea, kind=kind, quantity=quantity, reason="Why")

    assert response.status_code == 302
    assert newest(tea) == (*movement[:-1], shopkeeper.pk)


@pytest.mark.parametrize(
    ("kind", "quantity", "said"),
    [
        ("received", "0", "Receive at least one."),
        ("received", "-1", "Receive at least one."),
        ("adjusted", "-6", "Only 5 on hand."),
        ("counted", "-1", "There cannot be less than nothing."),
        ("sold", "1", "Select a valid choice. sold is not one of the available choices."),
        ("adjusted", "x", "Enter a whole number."),
    ],
)
def test_a_wrong_booking_is_told_at_its_field(admin, kind, quantity, said):
    tea = VariantFactory.create(stock=5)

    response = save(admin, tea, kind=kind, quantity=quantity)

    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert errors["kind" if kind == "sold" else "quantity"] == [said]
    assert tea.movements.count() == 1


def test_saving_without_pieces_books_nothing(admin):
    tea = VariantFactory.create(stock=5)

    save(admin, tea, kind="counted", reason="Why", low_stock_threshold="3", price="2.50")

    tea.refresh_from_db()
    assert (str(tea.price), tea.low_stock_threshold, tea.stock) == ("2.50", 3, 5)
    assert tea.movements.count() == 1


def test_what_is_sold_while_the_page_is_open_stays_sold(admin):
    tea = VariantFactory.create(stock=10)
    admin.get(page_of(tea))
    services.take_stock(quantities={tea.pk: 1}, order="1001")

    save(admin, tea, kind="received", quantity="5")

    tea.refresh_from_db()
    assert tea.stock == 14
    assert [each.sku for each in services.compare_stock()] == []


def test_what_only_the_service_sees_is_told_as_a_sentence(admin):
    tea = VariantFactory.create(stock=2**31 - 1)

    response = save(admin, tea, kind="received", quantity="1")

    assert response.status_code == 302
    told = admin.get(page_of(tea)).context["messages"]
    assert [str(each) for each in told] == ["Stock cannot exceed 2147483647."]


# Reading


def test_a_variant_s_page_has_its_newest_movements(admin):
    tea, cup = VariantFactory.create(stock=0), VariantFactory.create(stock=0)
    for n in range(1, 23):
        move_stock(tea, "received", n, reason=f"Delivery {n}.")
    move_stock(cup, "received", 99, reason="Delivery 99.")

    content = admin.get(page_of(tea)).content.decode()

    shown = [n for n in (*range(1, 23), 99) if f"Delivery {n}." in content]
    assert shown == list(range(3, 23))


def test_variants_that_are_low_are_listed(admin):
    for sku, stock, threshold in [("AA", 2, 2), ("BB", 3, 2), ("CC", 0, None)]:
        VariantFactory.create(sku=sku, stock=stock, low_stock_threshold=threshold)

    def listed(query):
        return [each.sku for each in admin.get(VARIANTS + query).context["cl"].queryset]

    assert listed("?low_stock=true") == ["AA"]
    assert listed("?low_stock=false") == ["BB", "CC"]
    assert listed("") == ["AA", "BB", "CC"]


def test_archived_variants_are_not_listed(admin):
    gone = VariantFactory.create(archived_at="2026-11-21T08:00Z")

    assert list(admin.get(VARIANTS).context["cl"].queryset) == []
    assert admin.get(page_of(gone)).status_code == 302


def test_the_ledger_is_read_and_not_written(admin, django_assert_max_num_queries):
    tea = VariantFactory.create(sku="TEA", stock=0)
    move_stock(tea, "received", 5, reason="Note 88")
    movement = move_stock(tea, "sold", -2, order="1001")
    VariantFactory.create(sku="CUP", stock=7)

    def listed(query):
        return [each.quantity for each in admin.get(MOVEMENTS + query).context["cl"].queryset]

    assert listed("") == [7, -2, 5]
    assert listed("?kind__exact=sold") == [-2]
    assert listed("?q=tea") == [-2, 5]
    assert listed("?q=1001") == [-2]
    with django_assert_max_num_queries(8):
        assert "+5" in admin.get(MOVEMENTS).content.decode()
    page = reverse("admin:catalog_stockmovement_change", args=[movement.pk])
    assert admin.get(page).status_code == 200
    assert admin.post(page, {"quantity": 1}).status_code == 403
    assert admin.get(reverse("admin:catalog_stockmovement_add")).status_code == 403
    assert admin.post(page.replace("change", "delete"), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("permissions", "status"),
    [([], 403), (["catalog.view_product"], 200), (["catalog.view_stockmovement"], 403)],
)
def test_who_sees_the_catalogue_sees_the_ledger(db, permissions, status):
    client = browser_of(StaffFactory.create(permissions=permissions))

    assert client.get(MOVEMENTS).status_code == status


def test_who_may_only_look_is_shown_no_fields_to_book(db):
    tea = VariantFactory.create(stock=5)
    client = browser_of(StaffFactory.create(permissions=["catalog.view_product"]))

    assert client.get(page_of(tea)).status_code == 200
    assert save(client, tea, kind="received", quantity="5").status_code == 403


# Pictures


def save_images(admin, product, *rows, initial):
    """Post the product's page with these images."""
    form = {
        "name": product.name,
        "slug": product.slug,
        "is_published": "on",
        "variants-TOTAL_FORMS": 0,
        "variants-INITIAL_FORMS": 0,
        "images-TOTAL_FORMS": len(rows),
        "images-INITIAL_FORMS": initial,
    }
    for index, row in enumerate(rows):
        form |= {f"images-{index}-{name}": value for name, value in row.items()}
    return admin.post(reverse("admin:catalog_product_change", args=[product.pk]), form)


def row_of(image, **typed):
    return {"id": image.pk, "product": image.product_id, "alt": image.alt, **typed}


def upload(content=None, **typed):
    file = SimpleUploadedFile("tea.jpg", content or picture(700, 350, "JPEG"))
    return {"upload": file, "alt": "", "position": "", **typed}


def test_a_picture_is_added_as_the_last_or_where_they_say(admin):
    product = ProductFactory.create()
    old = ProductImageFactory.create(product=product, alt="old")

    response = save_images(
        admin,
        product,
        row_of(old, position=0),
        upload(alt="last"),
        upload(alt="first", position=0),
        initial=1,
    )

    assert response.status_code == 302
    assert list(product.images.values_list("alt", "position", "widths")) == [
        ("first", 0, [320, 640]),
        ("old", 1, [320]),
        ("last", 2, [320, 640]),
    ]


@pytest.mark.parametrize("content", [b"<svg/>", b"%PDF-1.4", picture(kind="TIFF"), b"tea"])
def test_what_is_no_picture_is_told_at_its_field(admin, content):
    product = ProductFactory.create()

    response = save_images(admin, product, upload(content), initial=0)

    assert response.status_code == 200
    (errors,) = (
        formset.formset.errors
        for formset in response.context["inline_admin_formsets"]
        if formset.formset.model is ProductImage
    )
    assert errors == [
        {"upload": ["Upload a JPEG, PNG, WebP or GIF picture; this is none, or it is broken."]}
    ]


def test_pictures_are_moved_renamed_and_removed(admin, django_capture_on_commit_callbacks):
    product = ProductFactory.create()
    a, b, c, d = (ProductImageFactory.create(product=product, alt=x, position=n) for n, x in enumerate("abcd"))  # fmt: skip

    response = save_images(
        admin,
        product,
        row_of(a, position=2),
        row_of(b, position=0, alt="bee"),
        row_of(c, position=1),
        row_of(d, position=3, DELETE="on"),
        initial=4,
    )

    assert response.status_code == 302
    assert list(product.images.values_list("alt", "position")) == [("bee", 0), ("c", 1), ("a", 2)]


def test_a_picture_that_is_there_is_shown_small(admin):
    image = ProductImageFactory.create()

    content = admin.get(reverse("admin:catalog_product_change", args=[image.product_id])).content

    assert f'<img src="{image.sizes[0][1]}"' in content.decode()


def test_the_movements_of_what_a_new_product_starts_with_say_who(admin, shopkeeper):
    admin.post(
        reverse("admin:catalog_product_add"),
        {
            "name": "Tea",
            "slug": "",
            "is_published": "on",
            "images-TOTAL_FORMS": 0,
            "images-INITIAL_FORMS": 0,
            "variants-TOTAL_FORMS": 1,
            "variants-INITIAL_FORMS": 0,
            "variants-0-sku": "TEA",
            "variants-0-price": "1",
            "variants-0-weight": "0",
            "variants-0-low_stock_threshold": "4",
            "variants-0-kind": "received",
            "variants-0-quantity": "7",
        },
    )

    assert Variant.objects.get().low_stock_threshold == 4
    assert list(StockMovement.objects.values_list("quantity", "reason", "by")) == [
        (7, "Opening stock", shopkeeper.pk)
    ]
