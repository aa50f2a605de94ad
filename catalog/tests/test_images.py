"""Pictures of products: what becomes of an upload, of its files and its place."""

import io
import random
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import transaction
from PIL import Image, ImageCms

from catalog import services
from catalog.models import Product, ProductImage
from catalog.services import images
from core.errors import InvalidInput
from core.tests.races import at_once

from .factories import ProductFactory, ProductImageFactory, VariantFactory
from .pictures import opened, picture, png_header, taken_by_a_phone


@pytest.fixture(autouse=True)
def _media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


def read(content):
    return services.read_picture(io.BytesIO(content))


def refusal(content):
    with pytest.raises(InvalidInput) as refused:
        read(content)
    (error,) = refused.value.errors
    assert error.path == ("image",)
    return error.code, error.detail


def files():
    """Names of all files in the storage."""
    root = default_storage.path("")
    return sorted(str(path.relative_to(root)) for path in Path(root).rglob("*.*"))


def places(product):
    return list(product.images.values_list("alt", "position"))


# What becomes of an upload


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize(
    ("width", "height", "kept", "scaled"),
    [
        (100, 50, (100, 50), {}),
        (320, 100, (320, 100), {}),
        (321, 100, (321, 100), {320: 100}),
        (2000, 1000, (2000, 1000), {320: 160, 640: 320, 1280: 640}),
        (4000, 1000, (2560, 640), {320: 80, 640: 160, 1280: 320}),
        (600, 5000, (307, 2560), {}),
        (3000, 1, (2560, 1), {320: 1, 640: 1, 1280: 1}),
    ],
)
def test_it_is_made_new_as_webp_and_never_wider(kind, width, height, kept, scaled):
    made = read(picture(width, height, kind))

    assert (made.width, made.height) == kept
    assert {each: opened(content).size for each, content in made.scaled.items()} == {
        each: (each, high) for each, high in scaled.items()
    }
    for content in (made.whole, *made.scaled.values()):
        assert opened(content).format == "WEBP"
    assert opened(made.whole).size == kept


@pytest.mark.parametrize(
    ("orientation", "size", "red"),
    [
        (1, (40, 20), (5, 10)),
        (2, (40, 20), (35, 10)),
        (3, (40, 20), (35, 10)),
        (4, (40, 20), (5, 10)),
        (5, (20, 40), (10, 5)),
        (6, (20, 40), (10, 5)),
        (7, (20, 40), (10, 35)),
        (8, (20, 40), (10, 35)),
        (9, (40, 20), (5, 10)),
    ],
)
def test_it_is_turned_upright_and_says_nothing_of_where_it_was_taken(orientation, size, red):
    made = read(taken_by_a_phone(orientation))

    image = opened(made.whole).convert("RGB")
    assert (made.width, made.height) == image.size == size
    assert image.getpixel(red)[0] > 200
    assert image.getpixel((size[0] - 1 - red[0], size[1] - 1 - red[1]))[2] > 200
    for word in (b"EXIF", b"XMP", b"Njeri", b"secret", b"GPS"):
        assert word not in made.whole


@pytest.mark.parametrize(
    ("content", "pixel"),
    [
        (picture(mode="L", colour=90), (90, 90, 90)),
        (picture(mode="1", colour=1), (255, 255, 255)),
        (picture(mode="I;16", colour=90 * 256), (90, 90, 90)),
        (picture(kind="JPEG", mode="CMYK", colour=(0, 0, 0, 255)), (0, 0, 0)),
        (picture(mode="LA", colour=(90, 255)), (90, 90, 90)),
        (picture(kind="GIF", mode="P", colour=0), (0, 0, 0)),
    ],
)
def test_a_picture_of_any_mode_keeps_its_colours(content, pixel):
    found = opened(read(content).whole).convert("RGB").getpixel((3, 3))

    assert all(abs(a - b) <= 3 for a, b in zip(found, pixel, strict=True)), found


def test_what_is_transparent_stays_so():
    clear = picture(mode="RGBA", colour=(255, 0, 0, 0))
    palette = picture(kind="GIF", mode="P", colour=3, transparency=3)

    for content in (clear, palette, picture(kind="WEBP", mode="RGBA", colour=(255, 0, 0, 0))):
        assert opened(read(content).whole).convert("RGBA").getpixel((3, 3))[3] == 0


def test_the_colours_of_a_camera_keep_their_profile():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    made = read(picture(400, 300, "JPEG", icc_profile=profile))

    assert opened(made.whole).info["icc_profile"] == profile
    assert opened(made.scaled[320]).info["icc_profile"] == profile
    assert "icc_profile" not in opened(read(picture(kind="JPEG", mode="CMYK", icc_profile=profile)).whole).info  # fmt: skip


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_a_picture_that_moves_the_first_frame_is_kept(kind):
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue", "lime")]
    content = io.BytesIO()
    frames[0].save(content, kind, save_all=True, append_images=frames[1:], duration=100)

    made = opened(read(content.getvalue()).whole)

    assert getattr(made, "n_frames", 1) == 1
    assert made.convert("RGB").getpixel((4, 4))[0] > 240


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"tea",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a/*<script>alert(1)</script>*/",
        b"%PDF-1.4",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        picture(kind="TIFF"),
        picture(kind="BMP"),
        picture(kind="ICO"),
        picture(kind="PDF"),
        picture(kind="PPM"),
        picture(90, 90, "PNG")[:70],
        picture(90, 90, "JPEG")[:300],
        picture(90, 90, "JPEG", quality=90)[:-9],
        picture(90, 90, "WEBP")[:-9],
        png_header(10, 10),
        picture(90, 90)[:40] + b"\0" * 40 + picture(90, 90)[80:],
    ],
)
def test_what_is_no_picture_or_broken_is_refused(content):
    assert refusal(content) == (
        "invalid_image",
        "Upload a JPEG, PNG, WebP or GIF picture; this is none, or it is broken.",
    )


def test_noise_of_all_kinds_is_refused_or_made_new_and_nothing_else():
    chance = random.Random(1)
    for _ in range(300):
        content = bytearray(picture(60, 40, chance.choice(["PNG", "JPEG", "GIF", "WEBP"])))
        for _ in range(chance.randrange(1, 30)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            made = read(bytes(content))
        except InvalidInput:
            continue
        assert opened(made.whole).format == "WEBP"


@pytest.mark.parametrize(
    ("width", "height"), [(50_001, 1000), (100_000, 900), (65_535, 65_535), (2**31 - 1, 1)]
)
def test_a_bomb_is_refused_before_it_is_decoded(width, height):
    assert refusal(png_header(width, height)) == ("too_large", "At most 50 million pixels.")


def test_as_many_pixels_as_allowed_are_made_new():
    made = read(picture(50_000, 1000, mode="L"))

    assert (made.width, made.height) == (2560, 51)


def test_a_file_over_10_mb_is_refused_unread():
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size=-1):
            assert 0 < size <= 10 * 1024**2 + 1
            self.taken += size
            return b"x" * size

    endless = Endless()
    with pytest.raises(InvalidInput) as refused:
        services.read_picture(endless)
    assert (refused.value.errors[0].code, refused.value.detail) == ("too_large", "At most 10 MB.")
    assert endless.taken == 10 * 1024**2 + 1


# Its files


@pytest.mark.django_db(transaction=True)
def test_an_image_has_files_of_names_that_nobody_can_guess():
    product = ProductFactory.create()
    content = picture(700, 350)

    first, second = (
        services.add_image(product_id=product.pk, picture=read(content), alt=alt) for alt in "ab"
    )

    names = [str(image.image).removesuffix(".webp") for image in (first, second)]
    assert files() == sorted(f"{name}{end}.webp" for name in names for end in ("", "-320", "-640"))
    assert len(set(names)) == 2
    assert all(len(name.rpartition("/")[2]) == 32 for name in names)
    first.refresh_from_db()
    assert (first.width, first.height, first.widths) == (700, 350, [320, 640])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("gone", ["image", "product"])
def test_files_go_with_the_commit_and_not_before(gone):
    product, other = ProductFactory.create(), ProductFactory.create()
    image = services.add_image(product_id=product.pk, picture=read(picture(400, 300)))
    kept = services.add_image(product_id=other.pk, picture=read(picture()))
    before = files()

    def remove():
        if gone == "image":
            services.remove_image(image_id=image.pk)
        else:
            services.remove_product(product_id=product.pk)

    with transaction.atomic():
        remove()
        transaction.set_rollback(True)
    assert files() == before
    assert ProductImage.objects.count() == 2

    with transaction.atomic():
        remove()
        assert files() == before
    assert files() == [str(kept.image)]
    assert list(ProductImage.objects.all()) == [kept]


@pytest.mark.django_db(transaction=True)
def test_an_archived_product_keeps_its_images():
    from orders.tests.factories import OrderFactory  # noqa: PLC0415  above this app

    product = OrderFactory.create().lines.get().variant.product
    services.add_image(product_id=product.pk, picture=read(picture()))

    services.remove_product(product_id=product.pk)

    assert Product.objects.get(pk=product.pk).archived_at
    assert len(files()) == product.images.count() == 1


class Failing(FileSystemStorage):
    """Fails at the second file, like a disk that is full."""

    saved = 0

    def _save(self, name, content):
        type(self).saved += 1
        if self.saved == 2:
            raise OSError(28, "No space left on device")
        return super()._save(name, content)


@pytest.mark.django_db(transaction=True)
def test_where_a_file_cannot_be_written_there_is_no_image_and_no_file_left(monkeypatch):
    product = ProductFactory.create()
    monkeypatch.setattr(images, "default_storage", Failing())

    with pytest.raises(OSError, match="No space left"):
        services.add_image(product_id=product.pk, picture=read(picture(700, 350)))

    assert (product.images.count(), files()) == (0, [])


@pytest.mark.django_db(transaction=True)
def test_where_the_row_cannot_be_written_no_file_is_left():
    with pytest.raises(Product.DoesNotExist):
        services.add_image(product_id=0, picture=read(picture(400, 300)))

    assert files() == []


@pytest.mark.django_db(transaction=True)
def test_a_file_that_cannot_be_deleted_is_told_and_does_not_bring_the_image_back(
    monkeypatch, caplog
):
    product = ProductFactory.create()
    image = services.add_image(product_id=product.pk, picture=read(picture(400, 300)))

    class Away(FileSystemStorage):
        def delete(self, name):
            if not name.endswith("-320.webp"):
                raise OSError("away")
            super().delete(name)

    monkeypatch.setattr(images, "default_storage", Away())
    services.remove_image(image_id=image.pk)

    assert (product.images.count(), files()) == (0, [str(image.image)])
    assert f"the file {image.image} is left over" in caplog.text


# Its place


@pytest.fixture
def four(db):
    """A product with the images a, b, c, d."""
    product = ProductFactory.create()
    for position, alt in enumerate("abcd"):
        ProductImageFactory.create(product=product, alt=alt, position=position)
    return product


def by_alt(product):
    return {image.alt: image.pk for image in product.images.all()}


@pytest.mark.parametrize(
    ("position", "order"),
    [(None, "abcdn"), (0, "nabcd"), (2, "abncd"), (4, "abcdn"), (50, "abcdn")],
)
def test_a_new_image_takes_its_place_among_the_others(four, position, order):
    services.add_image(product_id=four.pk, picture=read(picture()), alt="n", position=position)

    assert places(four) == [(alt, n) for n, alt in enumerate(order)]


@pytest.mark.parametrize(
    ("moved", "position", "order"),
    [("a", 2, "bcad"), ("d", 0, "dabc"), ("b", 1, "abcd"), ("b", 50, "acdb"), ("c", None, "abcd")],
)
def test_a_moved_image_moves_the_others(four, moved, position, order):
    services.update_image(image_id=by_alt(four)[moved], position=position)

    assert places(four) == [(alt, n) for n, alt in enumerate(order)]


def test_a_removed_image_leaves_no_gap(four):
    services.remove_image(image_id=by_alt(four)["b"])

    assert places(four) == [("a", 0), ("c", 1), ("d", 2)]


def test_images_are_put_in_order(four, django_assert_num_queries):
    keys = by_alt(four)

    with django_assert_num_queries(5):  # savepoint, product, images, one update, release
        services.order_images(product_id=four.pk, images=[keys[alt] for alt in "dcab"])

    assert places(four) == [("d", 0), ("c", 1), ("a", 2), ("b", 3)]


def test_an_order_names_each_image_once(four):
    keys = by_alt(four)
    other = ProductImageFactory.create().pk

    with pytest.raises(InvalidInput) as refused:
        services.order_images(product_id=four.pk, images=[keys["a"], other, keys["a"], keys["b"]])

    assert [(error.path, error.code, error.detail) for error in refused.value.errors] == [
        (("images", 1), "does_not_exist", f"The product has no image {other}."),
        (("images", 2), "duplicate", "It stands twice."),
        (("images",), "required", f"Name all of its images; missing: {keys['c']}, {keys['d']}."),
    ]
    assert places(four) == [("a", 0), ("b", 1), ("c", 2), ("d", 3)]


def test_a_product_has_at_most_so_many_images(db):
    product = ProductFactory.create()
    for position in range(50):
        ProductImageFactory.create(product=product, position=position)

    with pytest.raises(InvalidInput) as refused:
        services.add_image(product_id=product.pk, picture=read(picture()))

    assert [(error.path, error.code) for error in refused.value.errors] == [
        (("image",), "too_many")
    ]
    assert files() == []


def test_of_what_was_uploaded_before_sizes_were_kept_there_is_one_file():
    old = ProductImage(image="products/2026/01/tea.png")

    assert (old.files, old.sizes) == (["products/2026/01/tea.png"], [])


@pytest.mark.django_db(transaction=True)
def test_images_added_moved_and_removed_at_once_keep_their_places_apart():
    product = VariantFactory.create().product
    made = [services.add_image(product_id=product.pk, picture=read(picture())) for _ in range(8)]
    calls = [
        *[
            lambda: services.add_image(product_id=product.pk, picture=read(picture()), position=0)
        ] * 8,
        *(lambda key=each.pk: services.update_image(image_id=key, position=3) for each in made[:4]),
        *(lambda key=each.pk: services.remove_image(image_id=key) for each in made[4:]),
        *(lambda key=each.pk: services.remove_image(image_id=key) for each in made[4:]),
    ]  # fmt: skip

    outcomes = at_once(calls, threads=8)

    # Each was removed once; the second time it was not there any more.
    failures = [type(each) for each in outcomes if isinstance(each, Exception)]
    assert len(failures) == 4
    assert set(failures) <= {ProductImage.DoesNotExist, Product.DoesNotExist}
    assert list(product.images.values_list("position", flat=True)) == list(range(12))
    assert files() == sorted(str(image.image) for image in product.images.all())
