"""Who may do what at each of the uploads' addresses."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.tests.factories import UserFactory, browser_of
from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route
from uploads.api.urls import urlpatterns
from uploads.models import Upload
from uploads.permissions import can_export, can_upload

from .factories import csv_of, upload_of, uploaded

MANAGE = {"customers.manage_customers"}
UPLOAD = MANAGE | {"catalog.manage_catalogue", "orders.handle_order"}
FILE = csv_of({"name": "Amina", "phone": "0722 000 001"})
# (method, address) → (body, answer to those who may, the rights of which one is needed)
ROUTES = {
    ("GET", "upload-list"): (None, 200, UPLOAD),
    ("POST", "upload-list"): (None, 202, MANAGE),
    ("GET", "upload-detail"): (None, 200, MANAGE),
    ("POST", "upload-apply"): (None, 202, MANAGE),
    ("POST", "upload-cancel"): (None, 200, MANAGE),
    ("GET", "upload-row-list"): (None, 200, MANAGE),
    ("GET", "upload-template"): (None, 200, UPLOAD),
    ("GET", "export"): (None, 200, {"customers.view_customer", *MANAGE}),
}


@pytest.fixture
def call(api_as):
    checked = uploaded(FILE, dry_run=True)
    waiting = upload_of(FILE)

    def call(user, route):
        method, name = route
        upload = waiting if name == "upload-cancel" else checked
        args = {
            "upload-list": [],
            "upload-template": ["customers", "csv"],
            "export": ["customers", "csv"],
        }.get(name, [upload.pk])
        path = reverse(name, args=args)
        before = list(Upload.objects.values())
        if route == ("POST", "upload-list"):
            form = {"kind": "customers", "file": SimpleUploadedFile("a.csv", FILE)}
            response = browser_of(user, raise_request_exception=False).post(path, form)
        else:
            response = api_as(user)._call(method, path.removeprefix("/api/v1"))
        if response.status_code in {401, 403, 404}:
            assert list(Upload.objects.values()) == before
        return response

    return call


class TestRights(Rights):
    ROUTES = ROUTES
    # Who may upload something else does not learn of it.
    OWN = {
        route: 404
        for route in ROUTES
        if route[1] in {"upload-detail", "upload-apply", "upload-cancel", "upload-row-list"}
    }
    URLS = urlpatterns
    PREDICATES = [can_upload, can_export]

    def test_a_shopper_may_only_what_everybody_may(self, call, route):
        assert call(UserFactory.create(), route).status_code == 403
