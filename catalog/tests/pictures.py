"""Pictures as people upload them."""

import io
import struct
import zlib

from PIL import Image


def picture(width=8, height=6, kind="PNG", mode="RGB", colour=None, **options):
    """Return a file's content."""
    content = io.BytesIO()
    image = Image.new(mode, (width, height), colour if colour is not None else 0)
    image.save(content, kind, **options)
    return content.getvalue()


def png_header(width, height):
    """A PNG that says it is so large, and holds nothing."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def taken_by_a_phone(orientation):
    """A red and a blue half as a camera held like this stores them, with where it was taken."""
    image = Image.new("RGB", (40, 20), "blue")
    image.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "Mama Njeri's kitchen"
    exif.get_ifd(0x8825)[2] = (1.0, 17.0, 31.0)
    content = io.BytesIO()
    image.save(content, "JPEG", exif=exif, comment=b"secret", xmp=b"<x:secret/>", quality=95)
    return content.getvalue()


def opened(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image
