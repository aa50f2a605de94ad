"""REST of the pictures of a product."""

from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.views.static import serve

from accounts.tests.factories import ShopkeeperFactory, browser_of
from conftest import Api
from core.tests.races import at_once
from core.tests.rest import pointers, problem_of, program_with
from orders.tests.factories import OrderFactory

from .factories import ProductFactory, ProductImageFactory, VariantFactory
from .pictures import opened, picture

pytestmark = pytest.mark.django_db

TEA = picture(700, 350, "JPEG")
FORM = MULTIPART_CONTENT


@pytest.fixture(autouse=True)
def _media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


def files(settings):
    return list(Path(settings.MEDIA_ROOT).rglob("*.*"))


def upload(api, product, content=TEA, *, name="tea.jpg", headers=None, **fields):
    """Send a form with a picture."""
    data = {name: str(value) for name, value in fields.items()}
    if content is not None:
        data["image"] = SimpleUploadedFile(name, content)
    return api.client.post(
        f"/api/v1/products/{product}/images/", data, format=None, headers=headers or {}
    )


@pytest.fixture
def product():
    return VariantFactory.create().product


def test_add_an_image(api, product, settings):
    response = upload(api, product.pk, alt="A cup of chai")

    assert response.status_code == 201
    image = product.images.get()
    base = f"http://testserver/media/{image.image}".removesuffix(".webp")
    assert response.json() == {
        "id": image.pk,
        "url": f"{base}.webp",
        "alt": "A cup of chai",
        "position": 0,
        "width": 700,
        "height": 350,
        "sizes": [
            {"width": 320, "url": f"{base}-320.webp"},
            {"width": 640, "url": f"{base}-640.webp"},
        ],
    }
    address = f"/products/{product.pk}/images/{image.pk}/"
    assert response["Location"] == f"http://testserver/api/v1{address}"
    assert (api.get(address).json(), api.get(address)["ETag"]) == (
        response.json(),
        response["ETag"],
    )
    assert api.get(f"/products/{product.pk}/").json()["images"] == [response.json()]
    assert api.get(f"/products/{product.pk}/images/").json()["results"] == [response.json()]


def test_an_image_is_served_as_the_picture_that_it_is(api, product, settings, rf):
    sent = upload(api, product.pk).json()

    for width, url in [
        (700, sent["url"]),
        *((each["width"], each["url"]) for each in sent["sizes"]),
    ]:
        path = url.removeprefix("http://testserver/media/")
        response = serve(rf.get(url), path, document_root=settings.MEDIA_ROOT)
        assert response["Content-Type"] == "image/webp"
        assert opened(b"".join(response)).width == width


def test_the_name_and_type_that_a_file_came_with_mean_nothing(api, product, settings):
    evil = SimpleUploadedFile("../../evil.html", picture(), content_type="text/html")

    response = api.client.post(f"/api/v1/products/{product.pk}/images/", {"image": evil})

    assert response.status_code == 201
    (path,) = files(settings)
    assert path.suffix == ".webp"
    assert path.is_relative_to(settings.MEDIA_ROOT / "products")


@pytest.mark.parametrize(
    ("content", "fields", "expected"),
    [
        (None, {}, [("/image", "required")]),
        (b"", {}, [("/image", "empty")]),
        (b"<svg/>", {}, [("/image", "invalid_image")]),
        (TEA[:500], {}, [("/image", "invalid_image")]),
        (
            b"tea",
            {"alt": "x" * 201, "position": -1, "colour": "red"},
            [
                ("/alt", "max_length"), ("/colour", "unknown_field"), ("/image", "invalid_image"),
                ("/position", "min_value"),
            ],
        ),
        (TEA, {"position": "first"}, [("/position", "invalid")]),
        (TEA, {"id": 1}, [("/id", "unknown_field")]),
    ],
)  # fmt: skip
def test_a_wrong_form_names_every_field_and_leaves_nothing(api, product, content, fields, expected):
    assert sorted(pointers(upload(api, product.pk, content, **fields))) == expected
    assert (product.images.count(), list(Path(default_storage.path("")).rglob("*.*"))) == (0, [])


def test_words_in_place_of_a_file_name_the_field(api, product):
    response = api.client.post(f"/api/v1/products/{product.pk}/images/", {"image": "tea.jpg"})

    assert pointers(response) == [("/image", "invalid")]


@pytest.mark.parametrize(
    ("size", "status", "expected"),
    [
        (10 * 1024**2 + 1, 400, [("/image", "too_large")]),
        (10 * 1024**2 + 70_000, 413, None),
    ],
)
def test_a_file_that_is_too_large_is_refused(api, product, size, status, expected):
    response = upload(api, product.pk, TEA + b"\0" * (size - len(TEA)))

    assert response.status_code == status
    if expected:
        assert pointers(response) == expected
    else:
        assert problem_of(response)["code"] == "too_large"


def test_a_large_file_that_fits_is_taken(api, product):
    assert upload(api, product.pk, TEA + b"\0" * 9_000_000).status_code == 201


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"image": "x"}', "application/json", 415),
        (b"image=x", "application/x-www-form-urlencoded", 415),
        (b"", FORM, 400),
        (b"--nonsense", "multipart/form-data", 400),
        (b"--nonsense", "multipart/form-data; boundary=", 400),
        (b"\xff" * 100, "multipart/form-data; boundary=\xff", 400),
        (encode_multipart(BOUNDARY, {f"f{n}": "x" for n in range(1001)}), FORM, 400),
        (encode_multipart(BOUNDARY, {"image": "x" * 3_000_000}), FORM, 413),
    ],
)
def test_a_body_that_is_no_form_is_a_problem(api, product, body, content_type, status):
    response = api.client.generic(
        "POST", f"/api/v1/products/{product.pk}/images/", body, content_type=content_type
    )

    assert response.status_code == status
    problem_of(response)


def test_a_program_may_upload_with_its_token_and_a_browser_needs_csrf(db, product):
    path = f"/api/v1/products/{product.pk}/images/"
    program = program_with("manage_catalogue")
    browser = browser_of(ShopkeeperFactory.create(), enforce_csrf_checks=True)

    def form():
        return {"image": SimpleUploadedFile("t.jpg", TEA)}

    assert browser.post(path, form()).status_code == 403
    browser.logout()
    assert browser.post(path, form(), headers=program.headers).status_code == 201


def test_an_upload_sent_again_makes_one_image_whatever_the_boundary(api, product, settings):
    def send(boundary, content=TEA):
        data = {"image": SimpleUploadedFile("tea.jpg", content), "alt": "Tea"}
        return api.client.generic(
            "POST",
            f"/api/v1/products/{product.pk}/images/",
            encode_multipart(boundary, data),
            content_type=f"multipart/form-data; boundary={boundary}",
            headers={"Idempotency-Key": "k"},
        )

    first, again, other = send("aaa"), send("bbbbb"), send("aaa", picture(20, 20))

    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert (product.images.count(), len(files(settings))) == (1, 3)


def test_change_the_words_and_the_place_of_an_image(api, product):
    a, b, c = (ProductImageFactory.create(product=product, alt=x, position=n) for n, x in enumerate("abc"))  # fmt: skip
    path = f"/products/{product.pk}/images/{c.pk}/"

    response = api.patch(path, {"alt": "Cup", "position": 0})

    assert response.status_code == 200
    assert response.json() == api.get(path).json()
    assert (response.json()["alt"], response.json()["position"]) == ("Cup", 0)
    assert list(product.images.all()) == [c, a, b]
    assert api.patch(path, response.json()).json() == response.json()
    assert api.patch(path, {}).json() == response.json()
    assert pointers(api.patch(path, {"alt": None, "image": "x", "position": -1})) == [
        ("/image", "unknown_field"),
        ("/alt", "null"),
        ("/position", "min_value"),
    ]
    assert api.put(path, {}).status_code == 405


def test_put_images_in_order(api, product):
    a, b, c = (ProductImageFactory.create(product=product, position=n) for n in range(3))
    path = f"/products/{product.pk}/images/order/"

    response = api.put(path, {"images": [c.pk, a.pk, b.pk]})

    assert response.status_code == 200
    assert response.json() == {"images": api.get(f"/products/{product.pk}/").json()["images"]}
    assert [image["id"] for image in response.json()["images"]] == [c.pk, a.pk, b.pk]
    assert sorted(pointers(api.put(path, {"images": [a.pk, a.pk, 0]}))) == [
        ("/images/2", "min_value")
    ]
    assert sorted(pointers(api.put(path, {"images": [a.pk, a.pk, c.pk]}))) == [
        ("/images", "required"),
        ("/images/1", "duplicate"),
    ]
    assert pointers(api.put(path, {})) == [("/images", "required")]


@pytest.mark.django_db(transaction=True)
def test_delete_an_image_and_its_files(api, product, settings):
    image = upload(api, product.pk).json()["id"]
    path = f"/products/{product.pk}/images/{image}/"
    old = api.get(path)["ETag"]
    api.patch(path, {"alt": "New"})

    assert api.delete(path, if_match=old).status_code == 412
    assert len(files(settings)) == 3
    assert api.delete(path).status_code == 204
    assert (product.images.count(), files(settings)) == (0, [])
    assert api.delete(path).status_code == 404


def test_an_image_of_another_product_or_of_an_archived_one_is_not_found(api, product):
    other = ProductImageFactory.create(product=ProductFactory.create())
    removed = OrderFactory.create().lines.get().variant.product
    hidden = ProductImageFactory.create(product=removed)
    api.delete(f"/products/{removed.pk}/")

    for owner, image in [(product, other), (removed, hidden)]:
        path = f"/products/{owner.pk}/images/{image.pk}/"
        assert api.get(path).status_code == 404
        assert api.patch(path, {"alt": "x"}).status_code == 404
        assert api.delete(path).status_code == 404
    for owner in (removed.pk, 0, 10**17):
        assert upload(api, owner).status_code == 404
        assert api.put(f"/products/{owner}/images/order/", {"images": []}).status_code == 404
        assert api.get(f"/products/{owner}/images/").status_code == 404


@pytest.mark.parametrize("rows", [1, 3])
def test_images_take_the_same_statements_for_one_row_and_three(
    api, product, django_assert_num_queries, rows
):
    ProductImageFactory.create_batch(rows, product=product)

    # session, user, membership; the product, its images
    with django_assert_num_queries(5):
        found = api.get(f"/products/{product.pk}/images/").json()["results"]
    assert len(found) == rows


@pytest.mark.parametrize("path", ["/products/", "/products/{}/", "/products/{}/images/"])
def test_reading_images_asks_nothing_of_the_storage(api, product, settings, path):
    ProductImageFactory.create_batch(3, product=product)
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "catalog.tests.test_images_api.Untouchable"}
    }

    assert api.get(path.format(product.pk)).status_code == 200


class Untouchable:
    """A storage that knows where a file would be, and fails on all else."""

    def url(self, name):
        return f"/media/{name}"


@pytest.mark.django_db(transaction=True)
def test_changes_of_images_at_once_wait_for_each_other(api, product, shopkeeper):
    made = [ProductImageFactory.create(product=product, position=n) for n in range(4)]
    keys = [image.pk for image in made]
    base = f"/products/{product.pk}/images/"
    calls = [
        *[lambda: Api(shopkeeper).put(f"{base}order/", {"images": keys[::-1]})] * 5,
        *(
            lambda key=key: Api(shopkeeper).patch(f"{base}{key}/", {"position": 2})
            for key in keys * 2
        ),
        lambda: upload(Api(shopkeeper), product.pk),
    ]

    outcomes = at_once(calls, threads=7)

    # An order that does not name the new one yet is refused.
    assert {response.status_code for response in outcomes[5:]} <= {200, 201}
    assert {response.status_code for response in outcomes} <= {200, 201, 400}
    assert list(product.images.values_list("position", flat=True)) == [0, 1, 2, 3, 4]
