"""Verbs of the pictures of what is sold; the only writer of them and of their files.

Files are written before the row that names them and deleted after the commit that drops it, so
that a crash leaves a file too many and never a row without its file.
"""

import io
import logging
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from PIL import ExifTags, Image

from catalog.models import Product, ProductImage, scaled_name
from core.errors import FieldError, InvalidInput

logger = logging.getLogger("duka.images")

MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_IMAGES = 50
# The longer side of what is kept: nothing in a shop's page is larger.
MAX_SIDE = 2560
WIDTHS = (320, 640, 1280)
# Never others: of the dozens that Pillow knows, these are the ones that everybody looks after.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_MODES = {"RGB", "RGBA"}
# What a camera was held like, and how its picture is turned.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An uploaded picture made new as WebP: upright, still, nothing in it but what is seen.

    `scaled` are narrower ones by their widths.
    """

    width: int
    height: int
    whole: bytes
    scaled: dict[int, bytes]


def read_picture(file: IO[bytes]) -> Picture:
    """Make a picture of an upload, whatever it is called.

    Of one that moves, the first frame is kept.

    Raises:
        InvalidInput: it is too large, none of JPEG, PNG, WebP or GIF, or broken.
    """
    content = file.read(MAX_IMAGE_BYTES + 1)
    if len(content) > MAX_IMAGE_BYTES:
        raise _refused(f"At most {MAX_IMAGE_BYTES // 1024**2} MB.", "too_large")
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            # Read from the header: nothing is decoded yet.
            if image.width * image.height <= MAX_PIXELS:
                return _made_new(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        pass
    except Exception as error:  # noqa: BLE001  on hostile bytes Pillow raises errors of all kinds
        logger.info("an image was refused: %r", error)
        raise _refused(
            "Upload a JPEG, PNG, WebP or GIF picture; this is none, or it is broken.",
            "invalid_image",
        ) from None
    raise _refused(f"At most {MAX_PIXELS // 10**6} million pixels.", "too_large")


def _refused(detail: str, code: str) -> InvalidInput:
    return InvalidInput.at("image", detail=detail, code=code)


def _made_new(image: Image.Image) -> Picture:
    turn = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    # Colours of a phone's camera are wider than sRGB, and wrong without their profile.
    profile = image.info.get("icc_profile") if image.mode in _MODES else None
    # A JPEG can be decoded smaller at once; of others this does nothing.
    image.draft(None, (MAX_SIDE, MAX_SIDE))
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256).convert("L")
    if image.mode not in _MODES:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    if turn is not None:
        image = image.transpose(turn)
    return Picture(
        width=image.width,
        height=image.height,
        whole=_webp(image, profile),
        scaled={
            width: _webp(
                image.resize(
                    (width, max(1, round(image.height * width / image.width))),
                    Image.Resampling.LANCZOS,
                ),
                profile,
            )
            for width in WIDTHS
            if width < image.width
        },
    )


def _webp(image: Image.Image, profile: bytes | None) -> bytes:
    content = io.BytesIO()
    # What is left out here Pillow would take over from the upload: where it was taken, by whom.
    image.save(content, "WEBP", quality=82, method=2, icc_profile=profile or b"", exif=b"", xmp=b"")
    return content.getvalue()


def add_image(
    *, product_id: int, picture: Picture, alt: str = "", position: int | None = None
) -> ProductImage:
    """Show a picture of a product, at this position among its others or as the last.

    Raises:
        InvalidInput: the product has as many as it may.
    """
    name = _store(picture)
    image = ProductImage(
        image=name,
        alt=alt,
        width=picture.width,
        height=picture.height,
        widths=sorted(picture.scaled),
    )
    try:
        with transaction.atomic():
            _insert(image, product_id, position)
    except BaseException:
        _delete_files(image.files)
        raise
    return image


def _insert(image: ProductImage, product_id: int, position: int | None) -> None:
    image.product, images = _locked(pk=product_id)
    if len(images) >= MAX_IMAGES:
        raise _refused(f"A product has at most {MAX_IMAGES} images.", "too_many")
    image.position = len(images)
    image.save()
    _arrange(_with(image, images, position))


@transaction.atomic
def update_image(
    *, image_id: int, alt: str | None = None, position: int | None = None
) -> ProductImage:
    """Change a picture's words or move it among the others; what is None stays.

    Beyond the last position it becomes the last.
    """
    _, images = _locked(images=image_id)
    image = _pick(images, image_id)
    if alt is not None:
        image.alt = alt
        image.save(update_fields=["alt"])
    if position is not None:
        images.remove(image)
        _arrange(_with(image, images, position))
    return image


@transaction.atomic
def order_images(*, product_id: int, images: Sequence[int]) -> None:
    """Show a product's pictures in this order.

    Raises:
        InvalidInput: not each of the product's images stands there once.
    """
    _, present = _locked(pk=product_id)
    by_key = {image.pk: image for image in present}
    errors = [
        FieldError(
            path=("images", index),
            code="does_not_exist" if key not in by_key else "duplicate",
            detail=f"The product has no image {key}." if key not in by_key else "It stands twice.",
        )
        for index, key in enumerate(images)
        if key not in by_key or key in images[:index]
    ]
    if missing := [str(key) for key in by_key if key not in images]:
        detail = f"Name all of its images; missing: {', '.join(missing)}."
        errors.append(FieldError(path=("images",), code="required", detail=detail))
    if errors:
        raise InvalidInput("Name each of the product's images once.", errors=errors)
    _arrange([by_key[key] for key in images])


@transaction.atomic
def remove_image(*, image_id: int) -> None:
    """Show a picture no longer; its files go with the commit."""
    _, images = _locked(images=image_id)
    image = _pick(images, image_id)
    images.remove(image)
    forget_files([image])
    image.delete()
    _arrange(images)


def forget_files(images: Iterable[ProductImage]) -> None:
    """Delete the files of images that this transaction deletes, once it is committed."""
    files = [name for image in images for name in image.files]
    transaction.on_commit(partial(_delete_files, files), robust=True)


def _locked(**which: int) -> tuple[Product, list[ProductImage]]:
    """Lock the product, so that nobody else adds or moves images of it, and return them."""
    product = Product.objects.select_for_update(of=("self",), no_key=True).get(**which)
    return product, list(product.images.all())


def _pick(images: Iterable[ProductImage], key: int) -> ProductImage:
    for image in images:
        if image.pk == key:
            return image
    raise ProductImage.DoesNotExist


def _with(
    image: ProductImage, others: list[ProductImage], position: int | None
) -> list[ProductImage]:
    at = len(others) if position is None else position
    return [*others[:at], image, *others[at:]]


def _arrange(images: Sequence[ProductImage]) -> None:
    """Number the images from 0 in this order."""
    moved = []
    for position, image in enumerate(images):
        if image.position != position:
            image.position = position
            moved.append(image)
    ProductImage.objects.bulk_update(moved, ["position"])


def _store(picture: Picture) -> str:
    """Write a picture's files under a name that nobody can guess, and return it."""
    field = ProductImage._meta.get_field("image")
    name = field.generate_filename(ProductImage(), f"{secrets.token_hex(16)}.webp")
    written: list[str] = []
    try:
        for file, content in [
            (name, picture.whole),
            *((scaled_name(name, width), each) for width, each in picture.scaled.items()),
        ]:
            written.append(file)
            default_storage.save(file, ContentFile(content))
    except BaseException:
        _delete_files(written)
        raise
    return name


def _delete_files(names: Iterable[str]) -> None:
    for name in names:
        try:
            default_storage.delete(name)
        except Exception:
            logger.exception("the file %s is left over", name)
