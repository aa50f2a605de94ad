"""A shopkeeper's stock and pictures in the admin, in a real Chromium."""

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from catalog import services
from catalog.tests.factories import ProductFactory, VariantFactory

from .chromium import PHONE, open_shop, picture, sign_in, visitor
from .test_pages_in_chromium import PASSWORD, shopkeeper  # noqa: F401  a fixture

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def photo(colour):
    content = io.BytesIO()
    Image.new("RGB", (900, 600), colour).save(content, "JPEG")
    return content.getvalue()


def test_a_shopkeeper_books_goods_and_shows_pictures(chromium, shopkeeper, tmp_path):  # noqa: F811
    product = ProductFactory.create(name="Chai", slug="chai")
    tea = VariantFactory.create(
        product=product, sku="TEA-1", stock=12, low_stock_threshold=15, price="12.50"
    )
    VariantFactory.create(product=product, sku="TEA-2", name="Chai, big", stock=40, price="20")
    VariantFactory.create(product=product, sku="TEA-3", name="Chai, huge", stock=0, price="50")
    services.take_stock(quantities={tea.pk: 2}, order="1001")
    with open_shop(tmp_path) as shop:
        page = visitor(chromium)
        page.set_default_timeout(60_000)
        page.goto(f"{shop.url}/admin/catalog/variant/{tea.pk}/change/")
        sign_in(page, "mama@example.com", PASSWORD)
        expect(page.get_by_label("Pieces")).to_be_visible()
        picture(page, "variant")
        page.locator("#id_kind").select_option("adjusted")
        page.get_by_label("Pieces").fill("-99")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Only 10 on hand.")).to_be_visible()
        picture(page, "variant-refused")
        page.get_by_label("Pieces").fill("-1")
        page.locator("#id_reason").fill("Broken on the way")
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.get_by_text("Broken on the way")).to_be_visible()
        picture(page, "variant-booked")

        page.goto(f"{shop.url}/admin/catalog/variant/")
        picture(page, "variants")
        page.goto(f"{shop.url}/admin/catalog/variant/?low_stock=true")
        expect(page.get_by_role("link", name="TEA-1")).to_be_visible()
        expect(page.get_by_role("link", name="TEA-2")).to_have_count(0)
        page.goto(f"{shop.url}/admin/catalog/stockmovement/")
        expect(page.get_by_text("Broken on the way")).to_be_visible()
        picture(page, "movements")

        page.goto(f"{shop.url}/admin/catalog/product/{product.pk}/change/")
        picture(page, "product")
        for n, colour in enumerate(("red", "blue")):
            page.get_by_role("link", name="Add another Product image").click()
            page.locator(f"#id_images-{n}-upload").set_input_files(
                {"name": f"{colour}.jpg", "mimeType": "image/jpeg", "buffer": photo(colour)}
            )
            page.locator(f"#id_images-{n}-alt").fill(colour)
        page.locator("#id_variants-0-quantity").fill("5")
        picture(page, "product-filled")
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.locator("#images-group img")).to_have_count(2)
        picture(page, "product-with-images")
        assert list(product.images.values_list("alt", "position")) == [("red", 0), ("blue", 1)]
        tea.refresh_from_db()
        assert tea.stock == 14
        phone = visitor(chromium, PHONE)
        phone.context.add_cookies(page.context.cookies())
        phone.goto(f"{shop.url}/admin/catalog/variant/{tea.pk}/change/")
        picture(phone, "variant-phone")
        phone.goto(f"{shop.url}/admin/catalog/product/{product.pk}/change/")
        picture(phone, "product-phone")
        assert page.errors == []
