"""REST of uploads and exports."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.tests.factories import StaffFactory, browser_of
from core.tests.rest import pointers, problem_of, program_with
from customers.models import Customer
from uploads.models import Upload

from .factories import counts, csv_of, run_all, uploaded

pytestmark = pytest.mark.django_db

UPLOADS = "/api/v1/uploads/"
GOOD = {"code": "A", "name": "Amina", "phone": "0722 000 001"}
BAD = {"code": "B", "name": "Baraka", "phone": "12"}


@pytest.fixture
def browser(shopkeeper):
    return browser_of(shopkeeper, raise_request_exception=False)


def send(browser, content=None, *, name="customers.csv", headers=None, **fields):
    """Upload as a form does."""
    content = csv_of(GOOD, BAD) if content is None else content
    form = {"kind": "customers", "file": SimpleUploadedFile(name, content), **fields}
    return browser.post(UPLOADS, form, headers=headers)


def test_a_file_is_accepted_checked_and_applied(browser, shopkeeper, api):
    response = send(browser, mode="skip_bad_rows", dry_run="true")

    body = response.json()
    address = response["Location"].removeprefix("http://testserver/api/v1")
    assert response.status_code == 202
    assert address == f"/uploads/{body['id']}/"
    assert {name: body[name] for name in ("kind", "name", "format", "mode", "dry_run", "by")} == {
        "kind": "customers",
        "name": "customers.csv",
        "format": "csv",
        "mode": "skip_bad_rows",
        "dry_run": True,
        "by": str(shopkeeper),
    }
    assert (body["status"], body["phase"], body["rows_total"]) == ("queued", "reading", None)

    run_all()
    body = api.get(address).json()
    assert (body["status"], body["rows_done"], body["rows_total"]) == ("checked", 2, 2)
    rows = api.get(f"{address}rows/?ordering=number&page_size=1&count=true").json()
    assert (rows["count"], rows["results"][0]["outcome"]) == (2, "created")
    assert api.get(f"{address}rows/?outcome=failed").json()["results"] == [
        {
            "number": 3,
            "outcome": "failed",
            "subject": "",
            "data": BAD,
            "changes": {},
            "errors": [
                {
                    "field": "phone",
                    "code": "impossible_phone",
                    "detail": "This is not a phone number. Write it as 0722 000 000 or with its"
                    " country code, +254 722 000 000.",
                }
            ],
        }
    ]

    assert api.post(f"{address}apply/").status_code == 202
    run_all()
    body = api.get(address).json()
    assert [body[name] for name in ("status", "dry_run", "created", "failed")] == [
        "done",
        False,
        1,
        1,
    ]
    again = api.post(f"{address}apply/")
    assert (again.status_code, problem_of(again)["allowed"]) == (409, [])


def test_a_waiting_upload_is_cancelled_once(browser, api):
    address = f"/uploads/{send(browser).json()['id']}/cancel/"

    assert api.post(address).json()["status"] == "cancelled"
    assert problem_of(api.post(address))["code"] == "illegal_move"
    run_all()
    assert not Customer.objects.exists()


@pytest.mark.parametrize(
    ("content", "name", "fields", "said"),
    [
        (b"", "a.csv", {}, [("/file", "empty")]),
        (b"code,nmae\nA,B", "a.csv", {}, [("/file", "unknown_column"), ("/file", "missing_column")]),
        (b"name\nA", "a.xlsx", {}, [("/file", "wrong_format")]),
        (b"name\nA", "a.csv", {"kind": "staff"}, [("/kind", "invalid_choice")]),
        (b"name\nA", "a.csv", {"mode": "maybe", "dry": "1"}, [("/dry", "unknown_field"), ("/mode", "invalid_choice")]),
    ],
)  # fmt: skip
def test_a_wrong_form_is_refused_with_all_that_is_wrong(browser, content, name, fields, said):
    assert pointers(send(browser, content, name=name, **fields)) == said
    assert not Upload.objects.exists()


def test_what_is_no_form_is_refused(api, browser):
    assert api.post("/uploads/", {"kind": "customers"}).status_code == 415
    assert pointers(browser.post(UPLOADS, {"kind": "customers"})) == [("/file", "required")]


def test_too_large_a_file_is_refused(browser, settings):
    settings.UPLOAD_MAX_BYTES = 10
    assert problem_of(send(browser))["code"] == "too_large"

    # Before it is read at all.
    response = send(browser, b"a" * 100_000)
    assert problem_of(response)["code"] == "too_large"


def test_files_are_larger_than_other_bodies_may_be(browser):
    content = csv_of(*[GOOD | {"code": f"C{n}", "name": "a" * 190} for n in range(14_000)])
    assert len(content) > 2_900_000

    assert send(browser, content).status_code == 202


@pytest.mark.parametrize("signed_in_by", ["token", "session with CSRF"])
def test_an_idempotency_key_keeps_a_file_once_whatever_the_form_s_boundary(
    shopkeeper, signed_in_by
):
    headers = {"Idempotency-Key": "k-1"}
    if signed_in_by == "token":
        caller = Client()
        headers |= program_with("manage_customers").headers
    else:
        caller = browser_of(shopkeeper, enforce_csrf_checks=True)
        caller.cookies["csrftoken"] = "t" * 32
        headers |= {"X-CSRFToken": "t" * 32}

    first, second, other = (
        caller.generic(
            "POST",
            UPLOADS,
            b"".join(
                f'--{line}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode()
                + content
                + b"\r\n"
                for name, more, content in (
                    ("kind", "", b"customers"),
                    ("file", '; filename="a.csv"', file),
                )
            )
            + f"--{line}--\r\n".encode(),
            content_type=f"multipart/form-data; boundary={line}",
            headers=headers,
        )
        for line, file in (("one", csv_of(GOOD)), ("two", csv_of(GOOD)), ("one", csv_of(BAD)))
    )

    assert (first.status_code, second.status_code, other.status_code) == (202, 202, 422)
    assert second["Idempotent-Replayed"] == "true"
    assert first.json() == second.json()
    assert Upload.objects.count() == 1


@pytest.mark.parametrize("rows", [1, 3])
def test_lists_take_a_fixed_number_of_statements(api, django_assert_num_queries, rows, shopkeeper):
    for n in range(rows):
        upload = uploaded(
            csv_of(*[GOOD | {"code": f"{n}-{m}"} for m in range(rows)]), by=shopkeeper
        )
    api.get("/uploads/")

    with django_assert_num_queries(4):
        assert len(api.get("/uploads/?kind=customers").json()["results"]) == rows
    with django_assert_num_queries(5):
        assert len(api.get(f"/uploads/{upload.pk}/rows/").json()["results"]) == rows


def test_whoever_may_change_one_kind_sees_and_uploads_only_that(api_as):
    products = uploaded(csv_of({"sku": "A", "name": "A", "price": "1"}), "products")
    user = StaffFactory.create(permissions=["customers.manage_customers"])
    theirs = uploaded(csv_of(GOOD))

    assert [each["id"] for each in api_as(user).get("/uploads/").json()["results"]] == [theirs.pk]
    for address in ("", "rows/"):
        assert api_as(user).get(f"/uploads/{products.pk}/{address}").status_code == 404
    response = send(browser_of(user), b"sku\nA", kind="products")
    assert response.status_code == 403
    assert counts(products) == (1, 0, 0, 0)


def test_an_export_is_a_file_for_those_who_may_see_it(api, api_as):
    uploaded(csv_of(GOOD))
    seer = api_as(StaffFactory.create(permissions=["customers.view_customer"]))

    for caller in (api, seer):
        response = caller.get("/exports/customers.csv", accept="text/csv")
        assert response.status_code == 200
        assert response["Content-Disposition"] == 'attachment; filename="customers.csv"'
        assert b"".join(response.streaming_content).decode() == (
            "\ufeffcode,name,phone,email,language\r\nA,Amina,'+254722000001,,en\r\n"
        )
    assert seer.get("/exports/products.csv").status_code == 403
    assert seer.get("/exports/customers.pdf").status_code == 404
    assert api.get("/exports/staff.csv").status_code == 404


@pytest.mark.parametrize("kind", ["customers", "products", "orders"])
@pytest.mark.parametrize("format_", ["csv", "xlsx", "json"])
def test_templates_can_be_uploaded_as_they_are_but_for_what_they_name(api, kind, format_):
    response = api.get(f"/uploads/templates/{kind}.{format_}")

    upload = uploaded(b"".join(response.streaming_content), kind, dry_run=True)
    assert counts(upload) == ((0, 0, 0, 1) if kind == "orders" else (1, 0, 0, 0))
