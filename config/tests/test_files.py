"""Where uploaded pictures are kept and found."""

import pytest

from config.tests.conftest import PRODUCTION

DEVELOPMENT = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
S3 = {
    "MEDIA_STORAGE": "s3://pictures/shop/",
    "S3_ENDPOINT_URL": "http://minio.example:9000/",
    "AWS_REGION": "af-south-1",
}
both = pytest.mark.parametrize(
    "chosen", [DEVELOPMENT, PRODUCTION], ids=["development", "production"]
)


@both
def test_pictures_are_in_a_folder_unless_a_bucket_is_named(settings_of, chosen):
    read = settings_of("STORAGES", "MEDIA_URL", **chosen)

    assert read["STORAGES"]["default"] == {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    assert read["MEDIA_URL"] == "/media/"


@both
def test_pictures_are_in_the_bucket_that_is_named(settings_of, chosen):
    storage = settings_of("STORAGES", **chosen, **S3)["STORAGES"]["default"]

    assert storage["BACKEND"] == "storages.backends.s3.S3Storage"
    assert storage["OPTIONS"] | {"client_config": None} == {
        "bucket_name": "pictures",
        "location": "shop",
        "endpoint_url": "http://minio.example:9000",
        "region_name": "af-south-1",
        "client_config": None,
        "querystring_auth": False,
        "url_protocol": "http:",
        "custom_domain": "minio.example:9000/pictures",
        "object_parameters": {"CacheControl": "public, max-age=31536000, immutable"},
    }


def test_pictures_may_be_found_elsewhere_than_they_are_kept(settings_of):
    cdn = {"MEDIA_URL": "https://cdn.example/pictures/"}

    assert (
        settings_of("MEDIA_URL", **DEVELOPMENT, **cdn)["MEDIA_URL"]
        == "https://cdn.example/pictures/"
    )
    storage = settings_of("STORAGES", **DEVELOPMENT, **S3, **cdn)["STORAGES"]["default"]
    assert storage["OPTIONS"]["url_protocol"] == "https:"
    assert storage["OPTIONS"]["custom_domain"] == "cdn.example/pictures"
