"""Who says who somebody is, as the environment has it: identity, cache, mail, GraphQL."""

import socket
from functools import partial

import pytest

NAMES = (
    "SHOP_URL", "OIDC_ISSUER", "OIDC_EMBEDDED", "OIDC_AUDIENCE", "OIDC_RP_CLIENT_ID", "LOGIN_URL",
    "AUTHENTICATION_BACKENDS",
)  # fmt: skip
OUTSIDE = {
    "SHOP_URL": "https://shop.example",
    "OIDC_ISSUER": "https://id.example/realms/shop",
    "OIDC_RP_CLIENT_ID": "shop",
    "OIDC_RP_CLIENT_SECRET": "s",
}


@pytest.fixture
def settings_of(settings_of):
    return partial(settings_of, DJANGO_SETTINGS_MODULE="config.settings.development")


@pytest.mark.parametrize(
    ("env", "base"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"PORT": "8001"}, "http://127.0.0.1:8001"),
        ({"PORT": "8001", "SHOP_URL": "https://shop.example"}, "https://shop.example"),
        ({"SHOP_URL": "http://[::1]:8000"}, "http://[::1]:8000"),
        # Named, but it is the shop itself.
        (
            {"SHOP_URL": "https://a.example", "OIDC_ISSUER": "https://a.example"},
            "https://a.example",
        ),
    ],
)
def test_the_shop_is_its_own_provider_at_its_own_address(settings_of, env, base):
    assert settings_of(*NAMES, **env) == {
        "SHOP_URL": base,
        "OIDC_ISSUER": base,
        "OIDC_EMBEDDED": True,
        "OIDC_AUDIENCE": f"{base}/api",
        "OIDC_RP_CLIENT_ID": "duka",
        "LOGIN_URL": "account_login",
        "AUTHENTICATION_BACKENDS": [
            "accounts.backends.MembershipBackend",
            "accounts.backends.OpenIDBackend",
            "accounts.backends.PasswordBackend",
        ],
    }


def test_with_an_outside_provider_no_password_is_taken_here(settings_of):
    assert settings_of(*NAMES, **OUTSIDE) == {
        "SHOP_URL": "https://shop.example",
        "OIDC_ISSUER": "https://id.example/realms/shop",
        "OIDC_EMBEDDED": False,
        "OIDC_AUDIENCE": "https://shop.example/api",
        "OIDC_RP_CLIENT_ID": "shop",
        "LOGIN_URL": "oidc_authentication_init",
        "AUTHENTICATION_BACKENDS": [
            "accounts.backends.MembershipBackend",
            "accounts.backends.OpenIDBackend",
        ],
    }


@pytest.mark.django_db
def test_an_outside_provider_is_not_asked_while_the_shop_starts(run):
    with socket.create_server(("127.0.0.1", 0)) as provider:
        provider.settimeout(0)
        issuer = f"http://127.0.0.1:{provider.getsockname()[1]}"
        program = "import config.wsgi; from django.urls import get_resolver as r; r().url_patterns"

        ended = run("-c", program, **OUTSIDE | {"OIDC_ISSUER": issuer})

        assert (ended.returncode, ended.stderr) == (0, "")
        with pytest.raises(BlockingIOError):
            provider.accept()


@pytest.mark.parametrize("given", [{}, {"OIDC_RP_CLIENT_ID": "shop"}])
def test_an_outside_provider_needs_the_client_s_settings(run, given):
    ended = run("manage.py", "check", OIDC_ISSUER="https://id.example", **given)

    assert ended.returncode == 1
    assert ended.stderr == "OIDC_ISSUER needs OIDC_RP_CLIENT_ID and OIDC_RP_CLIENT_SECRET.\n"


def test_passkeys_and_links_follow_the_shop_s_scheme(settings_of):
    names = ("ACCOUNT_DEFAULT_HTTP_PROTOCOL", "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN")

    assert list(settings_of(*names, SHOP_URL="https://shop.example").values()) == ["https", False]
    assert list(settings_of(*names, SHOP_URL="http://127.0.0.1:8000").values()) == ["http", True]


@pytest.mark.parametrize(
    ("url", "offered"),
    [
        ("https://shop.example", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
    ],
)
def test_passkeys_are_offered_where_the_shop_has_a_name(settings_of, url, offered):
    assert settings_of("PASSKEYS_OFFERED", SHOP_URL=url) == {"PASSKEYS_OFFERED": offered}


def test_proxies_are_counted_for_limits_only_where_there_is_one(settings_of):
    counted = [
        settings_of("ALLAUTH_TRUSTED_PROXY_COUNT", BEHIND_PROXY=text) for text in ("false", "true")
    ]

    assert [each["ALLAUTH_TRUSTED_PROXY_COUNT"] for each in counted] == [0, 1]


@pytest.mark.parametrize(
    ("env", "backend"),
    [
        ({}, "django.core.cache.backends.db.DatabaseCache"),
        ({"CACHE_URL": ""}, "django.core.cache.backends.db.DatabaseCache"),
        (
            {"CACHE_URL": "rediscache://127.0.0.1:6379/1"},
            "django.core.cache.backends.redis.RedisCache",
        ),
    ],
)
def test_the_cache_is_one_that_all_processes_share(settings_of, env, backend):
    assert settings_of("CACHES", **env)["CACHES"]["default"]["BACKEND"] == backend


def test_mail_is_printed_unless_a_server_is_named(settings_of):
    names = ("EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS", "EMAIL_HOST_PASSWORD")
    url = "smtp+tls://shop:p%40ss@mail.example:587"

    printed = settings_of("EMAIL_BACKEND", "DEFAULT_FROM_EMAIL", SHOP_NAME="Mama's")
    sent = settings_of(*names, EMAIL_URL=url)

    assert printed == {
        "EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend",
        "DEFAULT_FROM_EMAIL": "Mama's <shop@localhost>",
    }
    assert list(sent.values()) == [
        "django.core.mail.backends.smtp.EmailBackend", "mail.example", 587, True, "p@ss",
    ]  # fmt: skip


def test_graphql_has_no_middleware_that_shows_statements_even_while_debugging(settings_of):
    read = settings_of("GRAPHENE", DEBUG="1")

    assert read["GRAPHENE"]["MIDDLEWARE"] == []
