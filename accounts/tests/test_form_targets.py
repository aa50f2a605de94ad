"""Whither the forms of the embedded provider's pages may lead."""

import pytest
from allauth.idp.oidc.models import Client as OAuthClient

pytestmark = pytest.mark.django_db


def form_action(response):
    (found,) = (
        each.split()[1:]
        for each in response["Content-Security-Policy"].split("; ")
        if each.startswith("form-action ")
    )
    return found


@pytest.fixture
def clients():
    """Applications that send people here to sign in, and one that only has an access."""
    OAuthClient.objects.create(
        id="app",
        redirect_uris="https://app.example/back\nhttps://app.example/other\ncom.example.app:/back",
    )
    OAuthClient.objects.create(id="tool", redirect_uris="http://127.0.0.1:7000/callback")
    OAuthClient.objects.create(id="odd", redirect_uris="https://x.example; script-src *")
    OAuthClient.objects.create(id="till", redirect_uris="")


def test_signing_in_may_end_at_the_client_that_began_it(client, clients):
    response = client.get("/accounts/login/")

    assert form_action(response) == [
        "'self'",
        "http://127.0.0.1:8000",
        "com.example.app:",
        "http://127.0.0.1:7000",
        "https://app.example",
    ]


def test_other_pages_lead_to_the_shop_alone(client, clients, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/")

    assert form_action(response) == ["'self'", "http://127.0.0.1:8000"]


def test_without_such_clients_the_pages_to_sign_in_do_so_too(client):
    assert form_action(client.get("/accounts/login/")) == ["'self'", "http://127.0.0.1:8000"]


def test_with_an_outside_provider_no_client_is_looked_for(client, clients, settings):
    settings.OIDC_EMBEDDED = False

    response = client.get("/accounts/login/")

    assert form_action(response) == ["'self'", "http://127.0.0.1:8000"]
