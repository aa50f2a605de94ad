"""Uploads in the admin."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.tests.factories import StaffFactory, browser_of
from customers.models import Customer
from uploads.models import Upload

from .factories import csv_of, run_all, uploaded

pytestmark = pytest.mark.django_db

LIST, ADD = (reverse(f"admin:uploads_upload_{page}") for page in ("changelist", "add"))
ROWS = reverse("admin:uploads_uploadrow_changelist")
FILE = csv_of(
    {"code": "A", "name": "Amina", "phone": "0722 000 001"},
    {"code": "B", "name": "Baraka", "phone": "12"},
)


def page_of(upload, verb=""):
    page = reverse("admin:uploads_upload_change", args=[upload.pk])
    return page.replace("change/", f"{verb}/") if verb else page


def test_a_file_is_uploaded_looked_at_and_applied(admin, shopkeeper):
    form = {"kind": "customers", "mode": "skip_bad_rows", "dry_run": "on"}
    response = admin.post(ADD, {**form, "file": SimpleUploadedFile("people.csv", FILE)})

    upload = Upload.objects.get()
    assert (upload.by, upload.name, upload.dry_run) == (shopkeeper, "people.csv", True)
    assert response["Location"] == page_of(upload)
    assert admin.get(page_of(upload))["Refresh"] == "2"
    # Who did it has no page that a shopkeeper may open.
    assert "accounts/user" not in admin.get(page_of(upload)).content.decode()

    run_all()
    page = admin.get(page_of(upload))
    assert "Refresh" not in page
    assert "nothing is written" in page.content.decode()
    rows = admin.get(ROWS, {"upload__id__exact": upload.pk, "outcome__exact": "failed"})
    assert [row.number for row in rows.context["cl"].result_list] == [3]
    assert "phone: This is not a phone number." in rows.content.decode()

    admin.post(page_of(upload, "apply"))
    run_all()
    upload.refresh_from_db()
    assert (upload.status, Customer.objects.get().code) == ("done", "A")


def test_a_file_that_cannot_be_read_is_told_on_the_page(admin):
    form = {"kind": "customers", "mode": "skip_bad_rows"}
    response = admin.post(
        ADD, {**form, "file": SimpleUploadedFile("a.csv", b"nmae\nA")}, follow=True
    )

    assert "There is no column nmae." in response.content.decode()
    assert not Upload.objects.exists()


def test_templates_and_exports_are_offered_to_those_who_may(admin):
    uploaded(FILE, mode="skip_bad_rows")
    handler = browser_of(StaffFactory.create(permissions=["orders.handle_order"]))
    for client, kinds in ((admin, ["customers", "products", "orders"]), (handler, ["orders"])):
        page = client.get(LIST).content.decode()
        for kind in ("customers", "products", "orders"):
            assert (f"upload/template/{kind}.xlsx" in page) == (kind in kinds)

    export = reverse("admin:uploads_upload_export", args=["customers", "csv"])
    assert b"Amina" in b"".join(admin.get(export).streaming_content)
    assert handler.get(export).status_code == 403
    assert admin.get(export.replace("csv", "pdf")).status_code == 404


def test_only_the_kinds_that_somebody_may_change_are_theirs(admin):
    upload = uploaded(FILE, dry_run=True)
    handler = browser_of(StaffFactory.create(permissions=["orders.handle_order"]))

    assert not handler.get(LIST).context["cl"].result_list
    assert not handler.get(ROWS).context["cl"].result_list
    handler.post(page_of(upload, "apply"))
    form = {"kind": "customers", "mode": "skip_bad_rows"}
    handler.post(ADD, {**form, "file": SimpleUploadedFile("a.csv", FILE)})
    assert Upload.objects.get().status == "checked"
    assert browser_of(StaffFactory.create()).get(LIST).status_code == 403
