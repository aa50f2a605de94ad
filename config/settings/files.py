"""Static files (served by whitenoise from here, never a CDN) and uploads."""

import mimetypes
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .env import BASE_DIR, VAR_DIR, checked, env

# Not every system's table knows it, and no browser shows a picture that is called a download.
mimetypes.add_type("image/webp", ".webp")

STATIC_URL = "static/"
STATIC_ROOT: str | None = env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
MEDIA_ROOT = env.str("MEDIA_ROOT", default=str(VAR_DIR / "media"))


def media_storage(
    place: str, *, url: str, endpoint: str, region: str, access: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the storage of pictures: the folder MEDIA_ROOT, or a bucket in `s3://bucket/prefix`.

    Args:
        url: where the world finds the bucket, such as a CDN; empty: at the endpoint itself.
        endpoint: of another than Amazon's, such as a MinIO server.
        access: options that prove who we are; without them boto3 looks where it usually does.
    """
    if not place:
        return {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    # Here, as it takes a while and few need it.
    from botocore.config import Config  # noqa: PLC0415  only where S3 is used

    bucket, _, prefix = place.removeprefix("s3://").strip("/").partition("/")
    base = urlsplit(url or f"{endpoint or f'https://s3.{region}.amazonaws.com'}/{bucket}")
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "location": prefix,
            "endpoint_url": endpoint or None,
            "region_name": region,
            "client_config": Config(
                s3={"addressing_style": "path" if endpoint else "auto"},
                # Others than Amazon's do not know its newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                # Somebody waits for the answer.
                connect_timeout=5,
                read_timeout=20,
                retries={"total_max_attempts": 3},
            ),
            # An address is put together, not signed: it would be another one each time.
            "querystring_auth": False,
            "url_protocol": f"{base.scheme}:",
            "custom_domain": f"{base.netloc}{base.path}".rstrip("/"),
            # A file never changes: another picture has another name.
            "object_parameters": {"CacheControl": "public, max-age=31536000, immutable"},
            **(access or {}),
        },
    }


def media_source(storage: Mapping[str, Any], url: str) -> str:
    """Return whence browsers fetch pictures, for a content security policy; empty: from us."""
    options = storage.get("OPTIONS", {})
    found = f"{options['url_protocol']}//{options['custom_domain']}" if options else url
    return f"{found}/" if found else ""


# boto3 would find them by itself, but not where they are in files (`…_FILE`).
_ACCESS = {
    "access_key": "AWS_ACCESS_KEY_ID",
    "secret_key": "AWS_SECRET_ACCESS_KEY",
    "security_token": "AWS_SESSION_TOKEN",
}


def _address(name: str) -> str:
    return str(
        checked(
            name,
            env.str(name, default="").strip().rstrip("/"),
            fits=lambda url: re.fullmatch(r"(https?://[^/?#\s]+[^?#\s]*)?", url) is not None,
            must="an address such as https://files.example",
        )
    )


_place = checked(
    "MEDIA_STORAGE",
    env.str("MEDIA_STORAGE", default="").strip(),
    fits=lambda place: re.fullmatch(r"(s3://[a-z0-9][a-z0-9.-]+(/[\w./-]*)?)?", place) is not None,
    must="empty, or a bucket such as s3://bucket/prefix",
)
_media_url = _address("MEDIA_URL")
MEDIA_URL = f"{_media_url}/" if _media_url else "media/"
STORAGES: dict[str, dict[str, Any]] = {
    "default": media_storage(
        _place,
        url=_media_url,
        endpoint=_address("S3_ENDPOINT_URL"),
        region=env.str("AWS_REGION", default="") or env.str("AWS_DEFAULT_REGION", "us-east-1"),
        access={
            option: value
            for option, name in _ACCESS.items()
            if (value := env.str(name, default=""))
        },
    ),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
MEDIA_SOURCE = media_source(STORAGES["default"], _media_url)
