"""Pictures in a bucket, at a real S3 server (moto's) on loopback, by the settings of a shop."""

import io
from urllib.request import urlopen

import boto3
import pytest
from django.core.files.storage import default_storage
from moto.server import ThreadedMotoServer

from catalog import services
from catalog.models import ProductImage
from config.settings.files import media_storage

from .factories import ProductFactory
from .pictures import opened, picture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests-only")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests-only")
    made = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1").Bucket("pictures")
    made.create(ACL="public-read")
    yield made
    made.objects.delete()
    made.delete()


def use(settings, place, **where):
    where = {"url": "", "endpoint": "", "region": "us-east-1"} | where
    settings.STORAGES = settings.STORAGES | {"default": media_storage(place, **where)}


def add():
    made = services.read_picture(io.BytesIO(picture(700, 350)))
    return services.add_image(product_id=ProductFactory.create().pk, picture=made)


def test_an_image_is_kept_in_the_bucket_and_found_by_its_address(settings, endpoint, bucket, api):
    use(settings, "s3://pictures/shop/one", endpoint=endpoint)

    image = add()

    assert sorted(each.key for each in bucket.objects.all()) == sorted(
        f"shop/one/{name}" for name in image.files
    )
    shown = api.get(f"/products/{image.product_id}/").json()["images"][0]
    for width, url in [
        (700, shown["url"]),
        *((each["width"], each["url"]) for each in shown["sizes"]),
    ]:
        assert url.startswith(f"{endpoint}/pictures/shop/one/products/")
        assert "?" not in url
        with urlopen(url) as response:
            assert response.headers["Content-Type"] == "image/webp"
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert opened(response.read()).width == width

    services.remove_image(image_id=image.pk)

    assert list(bucket.objects.all()) == []


def test_a_bucket_that_is_away_leaves_no_image(settings, endpoint, bucket):
    use(settings, "s3://another", endpoint=endpoint)

    with pytest.raises(Exception, match="NoSuchBucket"):
        add()

    assert ProductImage.objects.count() == 0


@pytest.mark.parametrize(
    ("place", "where", "url"),
    [
        ("s3://b", {}, "https://s3.us-east-1.amazonaws.com/b/tea.webp"),
        ("s3://b/a/c/", {"region": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/b/a/c/tea.webp"),
        ("s3://b/a", {"endpoint": "http://minio:9000"}, "http://minio:9000/b/a/tea.webp"),
        ("s3://b/a", {"url": "https://cdn.example"}, "https://cdn.example/a/tea.webp"),
        ("s3://b", {"url": "https://cdn.example/x", "endpoint": "http://minio:9000"}, "https://cdn.example/x/tea.webp"),
    ],
)  # fmt: skip
def test_an_address_is_put_together_without_asking_anybody(settings, place, where, url):
    use(settings, place, **where)

    assert default_storage.url("tea.webp") == url
    assert not hasattr(default_storage._connections, "connection")
