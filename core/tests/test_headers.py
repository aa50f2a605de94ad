"""What browsers are told of every answer."""

import pytest
from django.test import Client

from accounts.tests.factories import UserFactory, browser_of

pytestmark = pytest.mark.django_db

OF_DATA = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def policy_of(response):
    """Return the directives of a content security policy."""
    directives = (each.split() for each in response["Content-Security-Policy"].split("; "))
    return {name: set(sources) for name, *sources in directives}


OURS = {
    "default-src": {"'none'"},
    "script-src": {"'self'"},
    "style-src": {"'self'"},
    "img-src": {"'self'", "data:"},
    "font-src": {"'self'"},
    "connect-src": {"'self'"},
    "form-action": {"'self'", "http://127.0.0.1:8000"},
    "object-src": {"'none'"},
    "base-uri": {"'none'"},
    "frame-ancestors": {"'none'"},
}


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/accounts/signup/", "/nothing-here/"])
def test_our_own_pages_run_files_of_ours_and_nothing_else(client, path):
    response = client.get(path, headers={"Accept": "text/html"})

    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert policy_of(response) == OURS


def test_graphiql_is_such_a_page_with_fonts_in_its_style_sheet(client):
    response = client.get("/graphql/", headers={"Accept": "text/html"})

    assert policy_of(response) == OURS | {"font-src": {"'self'", "data:"}}


def test_the_admin_may_make_functions_and_write_styles_but_no_scripts_into_its_pages(admin_client):
    response = admin_client.get("/admin/")

    assert response.status_code == 200
    assert policy_of(response) == OURS | {
        "script-src": {"'self'", "'unsafe-eval'"},
        "style-src": {"'self'", "'unsafe-inline'"},
    }


def test_the_page_of_the_api_has_scripts_of_its_own_by_a_number_used_once(client):
    pages = [client.get("/api/docs/") for _ in range(2)]

    numbers = []
    for page in pages:
        said = policy_of(page)
        (number,) = said["script-src"] - {"'self'"}
        assert number.startswith("'nonce-")
        assert said == OURS | {"script-src": {"'self'", number}, "style-src": {"'self'", number}}
        body = page.content.decode()
        # The style and the script; no other is in the page.
        mark = f'nonce="{number[1:-1].removeprefix("nonce-")}"'
        assert body.count(mark) == 2
        assert body.count("<style") == 1
        assert body.count("<script") - body.count("<script src=") == 1
        numbers.append(number)
    assert numbers[0] != numbers[1]


@pytest.mark.parametrize(
    "path",
    ["/api/v1/shop/", "/api/v1/orders/", "/api/schema/", "/healthz", "/static/core/page.css"],
)
def test_what_is_no_page_runs_nothing_should_a_browser_take_it_for_one(client, path):
    response = client.get(path, headers={"Accept": "application/json"})

    assert response["Content-Security-Policy"] == OF_DATA
    assert "Permissions-Policy" not in response
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("host", ["testserver", "evil.example"])
def test_the_rest_of_the_headers(host):
    # A host that is not ours is refused before anything else is looked at.
    response = Client(headers={"Host": host}).get("/")

    expected = {
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "accelerometer=(), camera=(), display-capture=(), geolocation=(),"
        " gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    assert response.status_code == (200 if host == "testserver" else 400)
    assert {name: response[name] for name in expected} == expected
    assert policy_of(response) == OURS


def test_a_header_of_a_views_own_stays(client):
    response = client.get("/t/nothing")

    assert response["Referrer-Policy"] == "no-referrer"
    assert policy_of(response) == {
        "default-src": {"'none'"},
        "style-src": {"'self'"},
        "form-action": {"'self'"},
        "base-uri": {"'none'"},
        "frame-ancestors": {"'none'"},
    }


def test_pictures_of_goods_are_for_whoever_shows_them(client):
    response = client.get("/media/nothing.png")

    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_somebody_signed_in_has_the_same(client):
    response = browser_of(UserFactory.create()).get("/account/")

    assert response.status_code == 200
    assert policy_of(response) == OURS
